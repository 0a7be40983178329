// Package tunnel_test holds internal/tunnel against the real tunnel server. CONFORMANCE_TUNNEL=1 runs it, after "npm ci" in this
// folder.
package tunnel_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/botpress/botpresstest"
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/hitl/cli"
	"github.com/hitl-go/sdk/internal/acme"
	"github.com/hitl-go/sdk/internal/tunnel"
	"github.com/hitl-go/sdk/message"
)

const signingSecret = "c2VjcmV0LW9mLXRoZS10ZXN0cy1vZi1oaXRsLWdv"

// node is the real tunnel server, which can be killed and started again.
type node struct {
	t      *testing.T
	script string
	port   string
	cmd    *exec.Cmd
}

func startNode(t *testing.T) *node {
	t.Helper()
	if os.Getenv("CONFORMANCE_TUNNEL") == "" {
		t.Skip("CONFORMANCE_TUNNEL=1 runs this, with Node and the packages of this folder")
	}
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	_ = l.Close()
	script, err := filepath.Abs("server.mjs")
	if err != nil {
		t.Fatal(err)
	}
	n := &node{t: t, script: script, port: port}
	n.start()
	t.Cleanup(n.kill)
	return n
}

func (n *node) start() {
	n.t.Helper()
	n.cmd = exec.CommandContext(context.Background(), "node", n.script, n.port)
	n.cmd.Stderr = os.Stderr
	out, err := n.cmd.StdoutPipe()
	if err != nil {
		n.t.Fatal(err)
	}
	if err := n.cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "listening\n" {
		n.t.Fatalf("the tunnel server says %q, %v", line, err)
	}
}

func (n *node) kill() {
	_ = n.cmd.Process.Kill()
	_ = n.cmd.Wait()
}

func (n *node) url(id, path string) string { return "http://127.0.0.1:" + n.port + "/" + id + path }

// line is the way to the tunnel server, which can be cut.
type line struct {
	listener net.Listener
	mu       sync.Mutex
	open     []net.Conn
}

func (n *node) line() *line {
	n.t.Helper()
	l, err := (&net.ListenConfig{}).Listen(n.t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		n.t.Fatal(err)
	}
	out := &line{listener: l}
	n.t.Cleanup(func() { _ = l.Close(); out.cut() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			to, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", "127.0.0.1:"+n.port)
			if err != nil {
				_ = in.Close()
				continue
			}
			out.mu.Lock()
			out.open = append(out.open, in, to)
			out.mu.Unlock()
			go func() { _, _ = io.Copy(to, in); _ = to.Close() }()
			go func() { _, _ = io.Copy(in, to); _ = in.Close() }()
		}
	}()
	return out
}

func (l *line) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.open {
		_ = c.Close()
	}
	l.open = nil
}

func (l *line) url() string { return "ws://" + l.listener.Addr().String() }

// client is our end of a tunnel, until the test ends.
type client struct {
	connected atomic.Int64
	broken    atomic.Int64
}

func connect(t *testing.T, url, id string, h http.Handler) *client {
	t.Helper()
	c := &client{}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	up := make(chan struct{}, 100)
	tail := &tunnel.Client{
		URL: url, ID: id, Handler: h,
		Connected: func() { c.connected.Add(1); up <- struct{}{} }, Broken: func(error) { c.broken.Add(1) },
	}
	go func() { done <- tail.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v", err)
		}
	})
	select {
	case <-up:
	case <-time.After(10 * time.Second):
		t.Fatal("no connection")
	}
	return c
}

// A whole session through the real tunnel, whose connection breaks and whose server is started anew meanwhile.
func TestSession(t *testing.T) {
	n := startNode(t)
	l := n.line()
	cloud := botpresstest.NewServer(&botpresstest.Options{Attempts: 5})
	t.Cleanup(cloud.Close)
	desk := &acme.Desk{}
	server, err := acme.NewServer(acme.Definition(true), desk, &hitl.Options{
		Secrets: []string{signingSecret}, ActivationDelay: time.Nanosecond,
		Botpress: botpress.Options{BaseURL: cloud.URL, Token: cloud.Token},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Shutdown(context.Background()) })
	c := connect(t, l.url(), "session-1", server)
	definition, err := json.Marshal(server.Describe())
	if err != nil {
		t.Fatal(err)
	}
	spec, err := botpresstest.FromDefinition(definition)
	if err != nil {
		t.Fatal(err)
	}
	spec.URL, spec.SigningSecret = n.url("session-1", ""), signingSecret
	spec.Configuration = acme.Config{APIURL: "https://desk.example.com", APIToken: "s3cr3t"}
	in, err := cloud.Install(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	jane := in.NewEndUser(botpresstest.Profile{Name: "Jane", Email: "jane@example.com"})
	if err := jane.Escalate(t.Context(), botpresstest.Escalation{Title: "Help"}); err != nil {
		t.Fatal(err)
	}
	const odd = "nul \x00, a surrogate \\ud800, 👋, \u2028 and <tags> & \"quotes\""
	said := []string{"Hello", odd, "after the cut", "after the restart"}
	for i, text := range said {
		switch i {
		case 2:
			l.cut()
		case 3:
			n.kill()
			n.start()
		}
		if err := jane.Say(t.Context(), message.Text{Text: text}); err != nil {
			t.Fatal(err)
		}
		if err := cloud.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	body := `{"type": "comment", "ticketId": "T-1", "agent": {"id": "7", "name": "Ann"}, "text": "Here I am", "commentId": "A-1"}`
	res := post(t, in.WebhookURL, body)
	if err := cloud.Settle(t.Context()); err != nil || res != http.StatusOK {
		t.Fatalf("the webhook: %d, %v", res, err)
	}
	if err := jane.End(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := cloud.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	ticket := desk.Tickets()[0]
	got := slices.DeleteFunc(ticket.Log, func(line string) bool { return !strings.HasPrefix(line, "Jane: ") })
	for i, text := range said {
		if want := "Jane: " + message.PlainText(message.Text{Text: text}); i >= len(got) || got[i] != want {
			t.Errorf("the desk has %q, want %q", got, want)
			break
		}
	}
	if ticket.Status != "closed" {
		t.Errorf("the ticket is %s", ticket.Status)
	}
	heard := slices.ContainsFunc(jane.Received(), func(m botpresstest.Received) bool { return message.PlainText(m.Message) == "Here I am" })
	if !heard {
		t.Error("the end user has not read the agent's reply")
	}
	if c.connected.Load() < 3 || c.broken.Load() < 2 {
		t.Errorf("connected %d times and broken %d times, want 3 and 2 at least", c.connected.Load(), c.broken.Load())
	}
}

// The command 'dev' from nothing to the end, with nothing but a token.
func TestDev(t *testing.T) {
	n := startNode(t)
	cloud := botpresstest.NewServer(&botpresstest.Options{Attempts: 5})
	t.Cleanup(cloud.Close)
	desk := &acme.Desk{}
	adapter, err := acme.NewServer(acme.Definition(true), desk, &hitl.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	env := map[string]string{"BP_API_URL": cloud.URL, "BP_TOKEN": cloud.Token, "BP_WORKSPACE_ID": botpresstest.WorkspaceID}
	shown := &output{}
	ctx, cancel := context.WithCancel(context.Background())
	code := make(chan int, 1)
	app := cli.App{
		Server: adapter, Name: "acme", Args: []string{"dev", "--tunnel", "http://127.0.0.1:" + n.port}, Stdout: io.Discard, Stderr: shown,
		Getenv: func(name string) string { return env[name] },
	}
	go func() { code <- app.Run(ctx) }()
	shown.waitFor(t, "Live.")
	spec, ok := cloud.Deployed("acme/acme-desk", "1.0.0")
	if !ok {
		t.Fatal("nothing is deployed")
	}
	spec.Configuration = acme.Config{APIURL: "https://desk.example.com", APIToken: "s3cr3t"}
	in, err := cloud.Install(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	jane := in.NewEndUser(botpresstest.Profile{Name: "Jane", Email: "jane@example.com"})
	if err := jane.Escalate(t.Context(), botpresstest.Escalation{Title: "Help"}); err != nil {
		t.Fatal(err)
	}
	if err := jane.Say(t.Context(), message.Text{Text: "Hello"}); err != nil {
		t.Fatal(err)
	}
	shown.waitFor(t, "message_created")
	if err := cloud.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	if tickets := desk.Tickets(); len(tickets) != 1 || !slices.Contains(tickets[0].Log, "Jane: Hello") {
		t.Errorf("the desk has %+v", tickets)
	}
	if err := in.Uninstall(t.Context()); err != nil {
		t.Error(err)
	}
	cancel()
	if got := <-code; got != 0 {
		t.Errorf("exit code %d:\n%s", got, shown)
	}
}

// output is what a command shows, while it is at work.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

func (o *output) waitFor(t *testing.T, what string) {
	t.Helper()
	for range 200 {
		if strings.Contains(o.String(), what) {
			return
		}
		<-time.After(50 * time.Millisecond)
	}
	t.Fatalf("%q is not shown, but:\n%s", what, o)
}

func post(t *testing.T, url, body string) int {
	t.Helper()
	status, _ := exchange(t, url, []byte(body))
	return status
}

func exchange(t *testing.T, url string, body []byte) (status int, answer []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-One", "one")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Error(err)
		return 0, nil
	}
	defer res.Body.Close()
	answer, err = io.ReadAll(res.Body)
	if err != nil {
		t.Error(err)
	}
	return res.StatusCode, answer
}

// echo answers with the very body of a request, and counts those at work.
func echo(at *atomic.Int64) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		at.Add(1)
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Header.Get("X-One") != "one" {
			w.WriteHeader(http.StatusTeapot)
		}
		w.Header().Set("X-Path", r.URL.RequestURI())
		_, _ = w.Write(body)
	})
}

// Bodies come through as they are, in both directions, and many requests at once are told apart.
func TestBodies(t *testing.T) {
	n := startNode(t)
	var asked atomic.Int64
	connect(t, "ws://127.0.0.1:"+n.port, "echo", echo(&asked))
	large := strings.Repeat("0123456789abcdé\n", 5<<20/17)
	for name, body := range map[string]string{
		"empty": "", "a letter": "x", "NULs": "a\x00\x00b", "a lone surrogate in JSON": `{"a":"\ud800","b":"\udfff"}`, "controls": "\x01\x1f\x7f\r\n\t\u2028",
		"emoji": "👩‍👩‍👧 🇨🇭", "tags": "<a>&amp;</a>", "5 MB": large,
	} {
		if status, got := exchange(t, n.url("echo", "/a%2Fb/c?d=e%20f&g"), []byte(body)); status != http.StatusOK || string(got) != body {
			t.Errorf("%s: %d, %d bytes of %d", name, status, len(got), len(body))
		}
	}
	var all sync.WaitGroup
	for i := range 200 {
		all.Go(func() {
			body := fmt.Sprintf("body %d", i)
			if status, got := exchange(t, n.url("echo", "/"), []byte(body)); status != http.StatusOK || string(got) != body {
				t.Errorf("of 200 at once: %d %q, want %q", status, got, body)
			}
		})
	}
	all.Wait()
	if asked.Load() != 208 {
		t.Errorf("the handler was asked %d times, want 208", asked.Load())
	}
}

// The tunnel carries text. A response that is none is an error, and no broken text.
func TestResponseThatIsNoText(t *testing.T) {
	n := startNode(t)
	connect(t, "ws://127.0.0.1:"+n.port, "binary", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte{0xff, 0xfe, 0x00})
	}))
	if status, got := exchange(t, n.url("binary", "/"), nil); status != http.StatusBadGateway || !strings.Contains(string(got), "no text") {
		t.Errorf("%d %q", status, got)
	}
}

// The npm server does not know conflicts: who comes second gets the requests.
func TestSecondClient(t *testing.T) {
	n := startNode(t)
	var first, second atomic.Int64
	connect(t, "ws://127.0.0.1:"+n.port, "same", echo(&first))
	connect(t, "ws://127.0.0.1:"+n.port, "same", echo(&second))
	if status, _ := exchange(t, n.url("same", "/"), []byte("x")); status != http.StatusOK || first.Load() != 0 || second.Load() != 1 {
		t.Errorf("%d; the first was asked %d times and the second %d times", status, first.Load(), second.Load())
	}
}

// An id that no URL of the tunnel has is an error for good.
func TestInvalidID(t *testing.T) {
	n := startNode(t)
	tail := &tunnel.Client{URL: "ws://127.0.0.1:" + n.port, ID: "a.b", Handler: http.NotFoundHandler()}
	if err := tail.Run(t.Context()); !errors.Is(err, tunnel.ErrInvalidID) {
		t.Errorf("%v, want %v", err, tunnel.ErrInvalidID)
	}
}
