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
	"github.com/hitl-go/sdk/hitl/hitltest"
)

// asProgram makes the test binary the program itself.
const asProgram = "MINIMAL_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	os.Exit(m.Run())
}

// The program says that the key is missing where it is needed, and nowhere else.
func TestMissingKey(t *testing.T) {
	for command, want := range map[string]bool{"playground --addr 127.0.0.1:0": true, "version": false, "--help": false} {
		program := exec.CommandContext(t.Context(), os.Args[0], strings.Fields(command)...)
		program.Env = append(os.Environ(), asProgram+"=1", "AGENT_KEY=")
		said, err := program.CombinedOutput()
		if (err != nil) != want || strings.Contains(string(said), "AGENT_KEY") != want {
			t.Errorf("%s says %v:\n%s", command, err, said)
		}
	}
}

// What is printed for the agent can be pasted into a shell as it is.
func TestAnswer(t *testing.T) {
	t.Setenv("AGENT_KEY", key)
	terminal := newTerminal(t)
	bot := hitltest.NewBot(t, definition, connect, struct{}{})
	jane := bot.EndUser("Jane")
	jane.Escalate("Help")
	printed, err := os.ReadFile(terminal)
	if err != nil {
		t.Fatal(err)
	}
	script := []string{"curl() { printf '%s\\n' \"$@\"; }\n"}
	for line := range strings.Lines(string(printed)) {
		if strings.HasPrefix(line, "answer") {
			script = append(script, line)
		}
	}
	said, err := exec.CommandContext(t.Context(), "sh", "-c", strings.Join(script, "")).CombinedOutput()
	arguments := strings.Split(string(said), "\n")
	for _, want := range []string{"Agent-Key: " + key, "session=" + jane.Session().ID, "text=Hello"} {
		if err != nil || !slices.Contains(arguments, want) {
			t.Errorf("curl gets no %q, but %q (%v), of\n%s", want, arguments, err, printed)
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
