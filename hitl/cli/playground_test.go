package cli_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/hitl/cli"
	"github.com/hitl-go/sdk/hitl/playground"
	"github.com/hitl-go/sdk/internal/acme"
)

// The playground needs no environment variables: configuration and webhooks come from the command line.
func TestPlayground(t *testing.T) {
	s, err := acme.NewServer(acme.Definition(true), &acme.Desk{}, &hitl.Options{})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, content string) string {
		t.Helper()
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	config := write("config.json", `{"apiUrl": "https://desk.example.com", "apiToken": "abc"}`)
	webhooks := write("webhooks.json", `[{"name": "Reply", "header": {"X-Desk": "1"}, "body": {"ticketId": "{{session}}"}}, {"name": "Raw", "body": "a=b"}]`)

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out, in := io.Pipe()
	done := make(chan int, 1)
	go func() {
		app := cli.App{
			Server: s, Name: "acme", Stderr: in, Getenv: func(string) string { return "" },
			Args: []string{"playground", "--addr", "127.0.0.1:0", "--config", "@" + config, "--webhooks", webhooks},
		}
		code := app.Run(ctx)
		_ = in.Close()
		done <- code
	}()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	rest := make(chan struct{})
	go func() {
		defer close(rest)
		_, _ = io.Copy(io.Discard, out)
	}()
	_, address, _ := strings.Cut(strings.TrimSpace(line), ": ")
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"/api/about", nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	res, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var about struct{ Webhooks []playground.Webhook }
	if err := json.NewDecoder(res.Body).Decode(&about); err != nil {
		t.Fatal(err)
	}
	want := []playground.Webhook{
		{Name: "Reply", Header: map[string]string{"X-Desk": "1"}, Body: "{\n  \"ticketId\": \"{{session}}\"\n}"}, {Name: "Raw", Body: "a=b"},
	}
	if diff := cmp.Diff(want, about.Webhooks[:min(2, len(about.Webhooks))]); diff != "" { // After them come those of the page.
		t.Errorf("the webhooks (-want +got):\n%s", diff)
	}
	cancel()
	if code := <-done; code != 0 {
		t.Errorf("the exit code is %d", code)
	}
	<-rest
}

func TestPlaygroundRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		args []string
		code int
		want string
	}{
		"a configuration that is none": {[]string{"--config", "token"}, 2, "--config must be a JSON object"},
		"a file that is not there":     {[]string{"--config", "@nowhere.json"}, 1, "the configuration cannot be read"},
		"webhooks that are not there":  {[]string{"--webhooks", "nowhere.json"}, 1, "the webhooks cannot be read"},
		"no configuration":             {[]string{"--addr", "127.0.0.1:0"}, 1, "the integration was not installed"},
		"all the world":                {[]string{"--addr", ":8072"}, 1, "reachable from outside"},
	} {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := run(t, nil, append([]string{"playground"}, tc.args...)...)
			if code != tc.code || stdout != "" || !strings.Contains(stderr, tc.want) {
				t.Errorf("exit code %d, stdout %q, stderr %q; want %d and %q", code, stdout, stderr, tc.code, tc.want)
			}
		})
	}
}
