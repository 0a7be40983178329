package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/hitl/cli"
)

// asProgram makes the test binary the program itself.
const asProgram = "MINIMAL_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	os.Exit(m.Run())
}

// The program says what is missing when it starts, not only when somebody writes.
func TestMissingKey(t *testing.T) {
	for _, command := range []string{"serve", "playground"} {
		for given, want := range map[string]bool{"": true, key: false} {
			program := exec.CommandContext(t.Context(), os.Args[0], command, "--addr", "nowhere")
			program.Env = append(os.Environ(), asProgram+"=1", "AGENT_KEY="+given)
			said, err := program.CombinedOutput()
			if err == nil || strings.Contains(string(said), "AGENT_KEY is not set") != want {
				t.Errorf("with the key %q, %s says %v:\n%s", given, command, err, said)
			}
		}
	}
}

// The first webhook that the playground offers is one that this desk understands, but for its key.
func TestPlayground(t *testing.T) {
	t.Setenv("AGENT_KEY", key)
	newTerminal(t)
	server, err := hitl.NewServer(definition, connect, nil)
	if err != nil {
		t.Fatal(err)
	}
	out, in := io.Pipe()
	ended := make(chan int, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	go func() {
		ended <- cli.App{Server: server, Args: []string{"playground", "--addr", "127.0.0.1:0"}, Stderr: in}.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		if code := <-ended; code != 0 {
			t.Errorf("the exit code is %d", code)
		}
	})
	said := bufio.NewReader(out)
	line, err := said.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.Copy(io.Discard, said) }()
	_, page, _ := strings.Cut(strings.TrimSpace(line), ": ")

	var about struct{ Webhooks []map[string]any }
	body := send(ctx, t, http.MethodGet, page+"/api/about", nil)
	if err := json.NewDecoder(body).Decode(&about); err != nil || len(about.Webhooks) == 0 {
		t.Fatalf("the page offers no webhook: %v", err)
	}
	webhook := about.Webhooks[0]
	webhook["header"].(map[string]any)["Agent-Key"] = key

	events := bufio.NewScanner(send(ctx, t, http.MethodGet, page+"/api/events", nil))
	until := func(parts ...string) {
		t.Helper()
		for events.Scan() {
			if !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(events.Text(), part) }) {
				return
			}
		}
		t.Fatalf("no event has %q: %v", parts, events.Err())
	}
	send(ctx, t, http.MethodPost, page+"/api/escalate", map[string]any{"title": "Help"})
	until(`"active":true`)
	send(ctx, t, http.MethodPost, page+"/api/webhook", webhook)
	until(`"from":"agent"`, `"Hello"`)
}

// send sends something to the page, and returns the answer.
func send(ctx context.Context, t *testing.T, method, url string, body any) io.Reader {
	t.Helper()
	b, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	if res.StatusCode >= http.StatusBadRequest {
		t.Fatalf("%s is answered %s", url, res.Status)
	}
	return res.Body
}
