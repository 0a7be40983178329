package hitl_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/botpress/botpresstest"
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/internal/acme"
	"github.com/hitl-go/sdk/message"
)

// signIn is a desk that adapters may not be able to reach when they are made.
type signIn struct {
	err      atomic.Pointer[error]
	attempts atomic.Int64
}

func (s *signIn) fails(err error) { s.err.Store(&err) }

// errHangs is a desk that takes a connection and answers after all patience is over.
var errHangs = errors.New("no answer")

func (s *signIn) try() error {
	s.attempts.Add(1)
	if err := s.err.Load(); err != nil {
		if errors.Is(*err, errHangs) {
			<-time.After(2 * time.Minute)
		}
		return *err
	}
	return nil
}

// atSignIn runs a test whose desk has a sign-in. Replace puts another process in the place of the one that serves.
func atSignIn(t *testing.T, test func(t *testing.T, w *world, jane *botpresstest.EndUser, s *signIn, replace func())) {
	t.Helper()
	s := &signIn{}
	desk := &acme.Desk{SignIn: s.try, ReadBack: true}
	var opts hitl.Options
	once := setting{cloud: once, make: func(o *hitl.Options) (*hitl.Server, error) {
		opts = *o
		return acme.NewServer(acme.Definition(true), desk, o)
	}}
	inBubble(t, once, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
		w.desk = desk
		test(t, w, jane, s, func() {
			server, err := acme.NewServer(acme.Definition(true), desk, &opts)
			if err != nil {
				t.Fatal(err)
			}
			if err := w.replicas[0].(*hitl.Server).Shutdown(t.Context()); err != nil {
				t.Fatal(err)
			}
			shutDown(t, server)
			w.replicas[0] = server
		})
	})
}

// A process begins while the desk is down, and Botpress sends each operation once. When the desk is back, the session ends, what was
// said reaches both sides, and nobody has to ask for it.
func TestDeskIsDownWhenAProcessBegins(t *testing.T) {
	for name, down := range map[string]error{
		"out of reach": errDown, "an error of any kind": errors.New("503 Service Unavailable"),
		"no answer": errHangs, "signed out": &hitl.Error{Message: "connect the account again", Temporary: true},
	} {
		t.Run(name, func(t *testing.T) {
			atSignIn(t, func(t *testing.T, w *world, jane *botpresstest.EndUser, s *signIn, replace func()) {
				joe := w.in.NewEndUser(botpresstest.Profile{Name: "Joe"})
				w.escalate(jane, "Help")
				w.escalate(joe, "Help, too")
				replace()
				s.fails(down)
				w.must(joe.Say(t.Context(), message.Text{Text: "said 0"}))
				w.must(joe.Say(t.Context(), message.Text{Text: "said 1"}))
				if err := jane.StopHitl(t.Context()); err != nil {
					t.Errorf("the session cannot be ended: %v", err)
				}
				w.pass(30 * time.Minute)
				s.fails(nil)
				w.pass(10 * time.Minute)
				if ticket := w.desk.Tickets()[0]; ticket.Status != "closed" {
					t.Errorf("the ticket is %s", ticket.Status)
				}
				w.wantLog("T-2", []string{"Joe: said 0", "Joe: said 1"})
			})
		})
	}
}

// What cannot pass is not tried again, and neither is what Botpress asks for when an installation begins or ends: it says so to
// its owner, who sees to it.
func TestWhatIsNotReconnected(t *testing.T) {
	refused := hitl.Errorf("the account has been closed")
	for name, test := range map[string]struct {
		err error
		ask func(w *world, jane *botpresstest.EndUser) error
	}{
		"a refusal":     {refused, func(_ *world, jane *botpresstest.EndUser) error { return jane.StopHitl(context.Background()) }},
		"a removal":     {errDown, func(w *world, _ *botpresstest.EndUser) error { return w.asks("unregister") }},
		"a new account": {errDown, func(w *world, _ *botpresstest.EndUser) error { return w.asks("register") }},
	} {
		t.Run(name, func(t *testing.T) {
			atSignIn(t, func(t *testing.T, w *world, jane *botpresstest.EndUser, s *signIn, replace func()) {
				w.escalate(jane, "Help")
				replace()
				s.fails(test.err)
				if err := test.ask(w, jane); err == nil {
					t.Error("it is answered with success")
				}
				w.pass(time.Second)
				before := s.attempts.Load()
				w.pass(30 * time.Minute)
				if n := s.attempts.Load() - before; n != 0 {
					t.Errorf("it was tried %d more times", n)
				}
			})
		})
	}
}

// An installation that is removed while it is reconnected is left alone.
func TestRemovedWhileReconnecting(t *testing.T) {
	atSignIn(t, func(t *testing.T, w *world, jane *botpresstest.EndUser, s *signIn, replace func()) {
		w.escalate(jane, "Help")
		replace()
		s.fails(errDown)
		w.sayMany(jane, 0, 1)
		before := s.attempts.Load()
		w.pass(30 * time.Minute)
		if n := s.attempts.Load() - before; n < 8 || n > 20 {
			t.Errorf("within half an hour, it was tried %d times", n)
		}
		_ = w.asks("unregister")
		before = s.attempts.Load()
		w.pass(20 * time.Minute)
		if n := s.attempts.Load() - before; n != 0 {
			t.Errorf("after its removal, it was tried %d times", n)
		}
	})
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) asks(operation string) error {
	if a := w.operate(operation, `{"webhookUrl":"https://webhook.example.com/x"}`); a.status != http.StatusOK {
		return errors.New(a.body)
	}
	return nil
}

// An installation that cannot be connected gets another configuration, of another type. It is connected with both.
func TestReconnectsWithTheNewestConfiguration(t *testing.T) {
	type plain struct {
		URL string `json:"url,omitempty"`
	}
	def := hitl.Definition{
		Name: "fake", Version: "1.0.0", Title: "Fake Desk",
		Configurations: []hitl.ConfigurationDefinition{{Name: "oauth", Type: plain{}}},
	}
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		var mu sync.Mutex
		var connected []string
		opts := hitl.Options{Insecure: true, SweepEvery: -1, Botpress: botpress.Options{Token: apiToken, HTTPClient: &http.Client{Transport: botpressAPI{}}}}
		s, err := hitl.NewServer(def, func(_ context.Context, in hitl.Installation, c plain) (*fakeDesk, error) {
			if down.Load() {
				return nil, errDown
			}
			mu.Lock()
			defer mu.Unlock()
			connected = append(connected, in.ConfigurationType+" "+c.URL)
			return &fakeDesk{}, nil
		}, &opts)
		if err != nil {
			t.Fatal(err)
		}
		shutDown(t, s)
		down.Store(true)
		ask(s, configured(request(webhook), `{"url":"old"}`))
		another := configured(request(webhook), `{"url":"new"}`)
		another.Header.Set("X-Bp-Configuration-Type", "oauth")
		ask(s, another)
		down.Store(false)
		<-time.After(time.Minute)
		mu.Lock()
		defer mu.Unlock()
		if diff := cmp.Diff([]string{"oauth new"}, connected); diff != "" {
			t.Errorf("connected with (-want +got):\n%s", diff)
		}
	})
}

// touchy is a type of a configuration that panics for some values.
type touchy string

func (c *touchy) UnmarshalJSON(raw []byte) error {
	*c = touchy(raw[:7])
	return nil
}

// What one bot's owner enters ends no process, which serves other bots.
func TestConfigurationThatPanics(t *testing.T) {
	type config struct {
		Name touchy `json:"name,omitempty"`
	}
	opts := hitl.Options{Insecure: true, SweepEvery: -1, Botpress: botpress.Options{Token: apiToken, HTTPClient: &http.Client{Transport: botpressAPI{}}}}
	s, err := hitl.NewServer(hitl.Definition{Name: "fake", Version: "1.0.0"}, func(context.Context, hitl.Installation, config) (*fakeDesk, error) {
		return &fakeDesk{}, nil
	}, &opts)
	if err != nil {
		t.Fatal(err)
	}
	shutDown(t, s)
	if a := ask(s, configured(request(webhook), `{"name":"x"}`)); a.status < http.StatusInternalServerError {
		t.Errorf("the configuration was answered %d %s, want a failure", a.status, a.body)
	}
	if a := ask(s, configured(request(webhook), `{"name":"long enough"}`)); a.status != http.StatusOK {
		t.Errorf("the next configuration was answered %d %s, want 200", a.status, a.body)
	}
}

// receiverDesk counts the Receive methods that run.
type receiverDesk struct {
	fakeDesk
	running *atomic.Int64
}

func (d *receiverDesk) Receive(ctx context.Context, _ func(context.Context, ...hitl.Event) error) error {
	d.running.Add(1)
	defer d.running.Add(-1)
	<-ctx.Done()
	return ctx.Err()
}

// An installation is removed, and unregister goes to one of two processes. The other one ends it as well.
func TestRemovedAtAnotherReplica(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var removed atomic.Bool
		api := roundTrip(func(r *http.Request) (*http.Response, error) {
			if !removed.Load() {
				return botpressAPI{}.RoundTrip(r)
			}
			w := httptest.NewRecorder()
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, `{"id":"err_1","code":403,"type":"Forbidden","message":"The integration is not installed."}`)
			return w.Result(), nil
		})
		var running [2]atomic.Int64
		var servers [2]*hitl.Server
		for i := range servers {
			opts := hitl.Options{Insecure: true, Botpress: botpress.Options{Token: apiToken, HTTPClient: &http.Client{Transport: api}}}
			s, err := hitl.NewServer(hitl.Definition{Name: "fake", Version: "1.0.0"}, func(context.Context, hitl.Installation, struct{}) (*receiverDesk, error) {
				return &receiverDesk{running: &running[i]}, nil
			}, &opts)
			if err != nil {
				t.Fatal(err)
			}
			shutDown(t, s)
			ask(s, request(webhook))
			servers[i] = s
		}
		synctest.Wait()
		if running[0].Load() != 1 || running[1].Load() != 1 {
			t.Fatal("nothing is received")
		}
		if a := ask(servers[0], request([2]string{"unregister", `{"webhookUrl":"https://example.com"}`})); a.status != http.StatusOK {
			t.Fatalf("unregister was answered %d %s", a.status, a.body)
		}
		removed.Store(true)
		<-time.After(time.Hour)
		if running[0].Load() != 0 || running[1].Load() != 0 {
			t.Errorf("an hour after the installation was removed, %d and %d processes receive its news", running[0].Load(), running[1].Load())
		}
	})
}

func TestConnectThatReturnsNothing(t *testing.T) {
	var log bytes.Buffer
	opts := hitl.Options{
		Insecure: true, SweepEvery: -1, Logger: slog.New(slog.NewTextHandler(&log, nil)),
		Botpress: botpress.Options{Token: apiToken, HTTPClient: &http.Client{Transport: botpressAPI{}}},
	}
	s, err := hitl.NewServer(hitl.Definition{Name: "fake", Version: "1.0.0"}, func(context.Context, hitl.Installation, struct{}) (*fakeDesk, error) {
		return nil, nil
	}, &opts)
	if err != nil {
		t.Fatal(err)
	}
	shutDown(t, s)
	if a := ask(s, request(createUser)); a.status != http.StatusInternalServerError {
		t.Errorf("answered %d %s, want 500", a.status, a.body)
	}
	if want := "returned neither an adapter nor an error"; !strings.Contains(log.String(), want) {
		t.Errorf("the log does not say that connect %s:\n%s", want, log.String())
	}
}
