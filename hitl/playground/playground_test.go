package playground

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hitl-go/sdk/botpress/botpresstest"
	"github.com/hitl-go/sdk/internal/acme"
	"github.com/hitl-go/sdk/message"
)

// A whole session without Options.Desk.
func TestSessionByHand(t *testing.T) {
	w := newWorld(t)
	w.says("Where is my parcel?")
	w.contains(w.chat, "bot: choice")
	w.says("Let me talk to a human, please.")
	w.contains(w.chat, "bot: I have escalated this conversation")
	w.eventually(func() bool { return w.state().Session.Active })
	w.reports(0)
	w.contains(w.chat, "bot: A human agent has joined")
	w.reports(1)
	w.contains(w.chat, "agent: How can I help?")
	w.says("It is lost.")
	w.contains(w.transcript, "Jane Miller: It is lost.")
	w.contains(w.transcript, "Alice Agent: How can I help?")
	if before, want := w.transcript(), "Jane Miller: Where is my parcel?\nBot: Which parcel is it?"; !strings.HasPrefix(before, want) {
		t.Errorf("what was said before the session does not come first:\n%s", before)
	}
	if now := w.state().Tickets[0]; now.Subject != "Where is my parcel? (T-1)" || now.From != "Jane Miller" {
		t.Errorf("the session is shown as %+v", now)
	}
	w.reports(2)
	w.contains(w.chat, "bot: The human agent closed the conversation.")
	w.eventually(func() bool { s := w.state(); return !s.Session.Active && s.Tickets[0].Over })

	w.must("escalate", map[string]any{"title": "Again", "description": "It is urgent.", "session": acme.Session{Priority: "high"}})
	w.eventually(func() bool { return len(w.state().Tickets) == 2 && w.state().Session.Active })
	w.eventually(func() bool {
		return strings.HasPrefix(w.transcript(), "Description: It is urgent.\nJane Miller: Where is my parcel?\n")
	})
	if status, answer := w.post("escalate", map[string]any{}); status != http.StatusBadRequest || !strings.Contains(answer, "active already") {
		t.Errorf("a second hand-over was answered %d %s", status, answer)
	}
	w.must("restart", map[string]any{})
	if s := w.state(); s.Session.User != "Omar Haddad" || len(s.Chat) != 0 || len(s.Tickets) != 2 {
		t.Errorf("the next end user finds %+v", s)
	}
}

// The chat shows a failed hand-over, and another one may succeed.
func TestRefusedHandOver(t *testing.T) {
	w := newWorld(t)
	w.must("escalate", map[string]any{"session": map[string]int{"priority": 7}})
	w.contains(w.chat, "system: ")
	if chat := w.chat(); !strings.Contains(chat, "InvalidPayload, 400") {
		t.Errorf("the chat is\n%s", chat)
	}
	w.must("escalate", map[string]any{})
	w.eventually(func() bool { return w.state().Session.Active })
}

// Every type of message, and an unknown one, can be sent and is shown.
func TestEveryType(t *testing.T) {
	w := newWorld(t)
	for _, topic := range topics() {
		w.says(topic.word)
		w.contains(w.chat, "bot: "+kind(topic.answer))
	}
	w.must("say", map[string]any{"type": "poll", "payload": map[string]string{"question": "?"}})
	w.contains(w.chat, "user: poll")
	for _, nonsense := range []any{map[string]string{"hello": "world"}, "text", map[string]any{"type": "text"}} {
		if status, answer := w.post("say", nonsense); status != http.StatusBadRequest {
			t.Errorf("%v was answered %d %s", nonsense, status, answer)
		}
	}
}

func kind(m message.Message) string {
	if text, ok := m.(message.Text); ok {
		return text.Text
	}
	return string(m.Type())
}

// With all faults on, everything arrives exactly once.
func TestFaults(t *testing.T) {
	w := newWorld(t)
	w.must("faults", map[string]any{"name": faultDuplicate, "on": true})
	w.must("faults", map[string]any{"name": faultRetry, "on": true})
	w.must("escalate", map[string]any{"title": "Help"})
	w.eventually(func() bool { return w.state().Session.Active })
	w.reports(1)
	w.contains(w.chat, "agent: How can I help?")
	if err := w.cloud.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(w.chat(), "How can I help?"); n != 1 {
		t.Errorf("the end user was told %d times", n)
	}
	if n := len(w.state().Tickets); n != 1 {
		t.Errorf("there are %d sessions", n)
	}
	var lost, again int
	for _, r := range w.state().Rows {
		if r.Fault == "answer lost" {
			lost++
		}
		if r.Again {
			again++
		}
	}
	if lost != 2 || again != 3 { // The answers to createUser and startHitl are lost, and both are retried; the webhook is duplicated.
		t.Errorf("%d answers were lost, %d operations sent again", lost, again)
	}
	if status, answer := w.post("faults", map[string]any{"name": "gremlins", "on": true}); status != http.StatusBadRequest {
		t.Errorf("an unknown fault was answered %d %s", status, answer)
	}
}

// Messages during an outage arrive after it.
func TestOutage(t *testing.T) {
	w := newWorld(t)
	w.must("escalate", map[string]any{"title": "Help"})
	w.eventually(func() bool { return w.state().Session.Active })
	w.must("faults", map[string]any{"name": faultOutage, "on": true})
	w.says("Are you there?")
	refused := func() bool {
		for _, r := range w.state().Rows {
			if r.Status == http.StatusServiceUnavailable {
				return true
			}
		}
		return false
	}
	w.eventually(refused)
	w.must("faults", map[string]any{"name": faultOutage, "on": false})
	w.contains(w.transcript, "Are you there?")
	w.eventually(func() bool {
		return slices.ContainsFunc(w.state().Rows, func(r row) bool {
			return r.Done && r.Operation == "updateMessage" && r.Status == http.StatusOK
		})
	})
}

// slowDesk is a desk that answers when it is allowed to.
type slowDesk struct {
	Desk

	allowed chan struct{}
}

func (slowDesk) Agents() []string { return []string{"Rosa"} }

func (d slowDesk) Tickets(ctx context.Context) ([]Ticket, error) {
	select {
	case <-d.allowed:
	case <-ctx.Done():
	}
	return nil, ctx.Err()
}

// The chat says that the session is active although the desk has not said yet what tickets there are.
func TestDeskThatHangs(t *testing.T) {
	desk := slowDesk{allowed: make(chan struct{})}
	w := newWorld(t, func(o *Options) { o.Desk = desk })
	w.must("escalate", map[string]any{"title": "Help"})
	w.eventually(func() bool { return w.state().Session.Active })
	close(desk.allowed)
}

func TestSlowDesk(t *testing.T) {
	w := newWorld(t)
	w.must("faults", map[string]any{"name": faultSlow, "on": true})
	w.must("escalate", map[string]any{"title": "Help"})
	w.eventually(func() bool { return w.state().Session.Waiting })
	w.eventually(func() bool { return w.state().Session.Active })
	for _, r := range w.state().Rows {
		if r.Operation == "action_triggered" && r.Took < float64(slowDelay.Milliseconds()) {
			t.Errorf("%s took %v ms", r.Detail, r.Took)
		}
	}
}

// counter counts the requests that it carries.
type counter struct {
	base    http.Transport
	carried atomic.Int64
}

func (t *counter) RoundTrip(r *http.Request) (*http.Response, error) {
	t.carried.Add(1)
	return t.base.RoundTrip(r)
}

// The Botpress can be given options of its own, and transports in both directions; the page still sees everything.
func TestCloud(t *testing.T) {
	var toBotpress, toIntegration counter
	t.Cleanup(toBotpress.base.CloseIdleConnections)
	t.Cleanup(toIntegration.base.CloseIdleConnections)
	var served atomic.Int64
	w := newWorld(t, func(o *Options) {
		o.HTTPClient = &http.Client{Transport: &toBotpress}
		o.Cloud = botpresstest.Options{
			Client: &http.Client{Transport: &toIntegration}, Plugin: botpresstest.PluginConfig{HandoffMessage: "One moment, please."},
			Middleware: func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					served.Add(1)
					next.ServeHTTP(w, r)
				})
			},
		}
	})
	w.must("escalate", map[string]any{"title": "Help"})
	w.eventually(func() bool { return w.state().Session.Active })
	w.contains(w.chat, "bot: One moment, please.")
	var to [2]int
	w.eventually(func() bool { // The last one may still be under way.
		to = [2]int{}
		for _, r := range w.state().Rows {
			if r.To == atBotpress {
				to[0]++
			} else {
				to[1]++
			}
		}
		return int64(to[0]) == toBotpress.carried.Load()
	})
	if served.Load() != toBotpress.carried.Load() || toIntegration.carried.Load() != int64(to[1]) || to[0] == 0 || to[1] == 0 {
		t.Errorf("the page has seen %d, of %d requests to Botpress, %d served, and %d to the integration",
			to, toBotpress.carried.Load(), served.Load(), toIntegration.carried.Load())
	}
}

// Run prints the address and serves until the context ends.
func TestRun(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out, in := io.Pipe()
	opts := options(t)
	opts.Addr, opts.Output = "127.0.0.1:0", in
	done := make(chan error, 1)
	go func() { done <- errors.Join(Run(ctx, opts), in.Close()) }()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	_, url, _ := strings.Cut(strings.TrimSpace(line), ": ")

	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/api/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	res, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if event, err := bufio.NewReader(res.Body).ReadString('\n'); err != nil || event != "event: state\n" {
		t.Fatalf("the stream begins with %q, %v", event, err)
	}
	cancel() // With a page open.
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it does not stop")
	}
}

func TestRunRefuses(t *testing.T) {
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, tt := range []struct {
		name, want string
		change     func(*Options)
	}{
		{"no server", "Options.Server is missing", func(o *Options) { o.Server = nil }},
		{"an address in the network", "reachable from outside", func(o *Options) { o.Addr = "0.0.0.0:0" }},
		{"all addresses", "reachable from outside", func(o *Options) { o.Addr = ":8072" }},
		{"no address", "needs a host and a port", func(o *Options) { o.Addr = "localhost" }},
		{"a taken address", "address already in use", func(o *Options) { o.Addr = taken.Addr().String() }},
		{"a wrong configuration", "Acme Desk needs apiUrl", func(o *Options) {
			o.Addr, o.Configuration = "127.0.0.1:0", acme.Config{APIToken: "only a token"}
		}},
		{"a configuration without JSON", "cannot be written", func(o *Options) { o.Addr, o.Configuration = "127.0.0.1:0", func() {} }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			opts := options(t)
			tt.change(&opts)
			err := Run(t.Context(), opts)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("the error is %v", err)
			}
		})
	}
}

// If the default port is in use, Run takes a free one.
func TestAnotherPort(t *testing.T) {
	first, err := listen(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	second, err := listen(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	if host, _, _ := net.SplitHostPort(second.Addr().String()); host != "127.0.0.1" {
		t.Errorf("it listens on %s", second.Addr())
	}
}

// The playground's server has the definition and the actions of the adapter.
func TestAbout(t *testing.T) {
	opts := options(t)
	p := newPage()
	p.describe(opts.Server.Describe(), opts)
	a := p.about
	if a.Title != "Acme Desk" || !strings.Contains(string(a.Session), "priority") || len(a.Agents) > 0 {
		t.Errorf("the page is told %+v", a)
	}
}

// A page can tell that another run of the program answers.
func TestRuns(t *testing.T) {
	first, second := newWorld(t), newWorld(t)
	if first.state().Run != first.about.Run || second.state().Run != second.about.Run || first.about.Run == second.about.Run {
		t.Errorf("the runs are %q and %q, and the pages are told %q and %q", first.state().Run, second.state().Run, first.about.Run, second.about.Run)
	}
	live := NewLive(LiveOptions{})
	if live.about.Run == "" || live.about.Run != live.view.run {
		t.Errorf("the run is %q, and the page is told %q", live.view.run, live.about.Run)
	}
}
