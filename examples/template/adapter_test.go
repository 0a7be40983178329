package main

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/hitl/hitltest"
)

const rosa = "Rosa Diaz"

// TestSession is a whole session, with the webhooks of the desk. Write more like it, for what is special about yours.
func TestSession(t *testing.T) {
	d := newDesk()
	srv := httptest.NewServer(d)
	t.Cleanup(srv.Close)
	d.client = srv.Client()
	byWebhooks := hitltest.BotOptions{Server: hitl.Options{SweepEvery: -1}} // alone: a sweep would make up for lost ones
	jane := hitltest.NewBot(t, definition, connect, configOf(srv.URL), byWebhooks).EndUser("Jane")
	jane.Escalate("Where is my parcel?")
	jane.Say("Hello?")
	ticket := jane.Session().ID
	if err := d.Reply(t.Context(), ticket, rosa, "Hello Jane"); err != nil {
		t.Fatal(err)
	}
	jane.Sees(rosa + ": Hello Jane")
	if err := d.Resolve(t.Context(), ticket, rosa); err != nil {
		t.Fatal(err)
	}
	jane.Sees("bot: The human agent closed the conversation. I will continue assisting you.")
	if heard := heard(d, jane.Session()); !slices.Contains(heard, "Hello?") {
		t.Errorf("in the desk is %q", heard)
	}
}

// TestNoSuchAddress has a web server before the desk answer: then no session is over.
func TestNoSuchAddress(t *testing.T) {
	desk := newDesk()
	for what, answer := range map[string]http.Handler{
		"no desk":            http.NotFoundHandler(),
		"a desk that moved":  http.RedirectHandler("https://acme.example.com/tickets/1", http.StatusMovedPermanently),
		"without the ticket": desk,
	} {
		srv := httptest.NewServer(answer)
		t.Cleanup(srv.Close)
		a, err := connect(t.Context(), hitl.Installation{HTTPClient: srv.Client()}, configOf(srv.URL))
		if err != nil {
			t.Fatal(err)
		}
		session := hitl.Ref{ID: "1"}
		_, readErr := a.Backfill(t.Context(), hitl.BackfillRequest{Session: session})
		for _, err := range []error{readErr, a.StopHitl(t.Context(), hitl.StopHitlRequest{Session: session})} {
			own, _ := errors.AsType[*hitl.Error](err)
			if isGone := answer == desk; own == nil || own.Gone != isGone || own.Temporary == isGone {
				t.Errorf("%s: the error is %#v", what, err)
			}
		}
	}
}

// TestRules checks the adapter against the rules of all adapters.
func TestRules(t *testing.T) {
	d, wire := newDesk(), &hitltest.Wire{}
	srv := httptest.NewServer(wire.Handler(d))
	t.Cleanup(srv.Close)
	hitltest.Run(t, connect, suiteCase(t, d, wire, srv.URL))
}

// TestChaos lets everything go wrong that can, in a bubble without sockets.
func TestChaos(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, wire := newDesk(), &hitltest.Wire{}
		c := suiteCase(t, d, wire, "http://desk.test")
		c.Bot.Server.HTTPClient = &http.Client{Transport: wire.RoundTripper(inMemory{d})}
		hitltest.Chaos(t, connect, c, hitltest.ChaosOptions{})
	})
}

// inMemory is a transport that calls a handler.
type inMemory struct{ http.Handler }

func (h inMemory) RoundTrip(r *http.Request) (*http.Response, error) {
	answer := httptest.NewRecorder()
	h.ServeHTTP(answer, r)
	return answer.Result(), nil
}

func configOf(url string) Config { return Config{URL: url, Token: deskToken, Secret: deskSecret} }

// suiteCase is for the suite, which sends the webhooks itself.
func suiteCase(t *testing.T, d *desk, wire *hitltest.Wire, url string) hitltest.Case[Config, Session] {
	t.Helper()
	report := func(s hitltest.Session) *http.Request {
		return httptest.NewRequest(http.MethodPost, "/", webhook(s.ID))
	}
	happens := func(who person, kind string) func(hitltest.Session, string) *http.Request {
		return func(s hitltest.Session, text string) *http.Request {
			_ = d.act(t.Context(), s.ID, who, kind, text) // it fails for a session that never was
			return report(s)
		}
	}
	alone := func(happens func(hitltest.Session, string) *http.Request) func(hitltest.Session) *http.Request {
		return func(s hitltest.Session) *http.Request { return happens(s, "") }
	}
	agent := agentOf(rosa)
	return hitltest.Case[Config, Session]{
		Definition: definition, Config: configOf(url), Session: Session{Priority: "high"},
		Desk: hitltest.Desk{
			Agent:    hitl.Agent{ID: agent.ID, Name: agent.Name},
			Assigned: alone(happens(agent, "assigned")),
			Stopped:  alone(happens(agent, "closed")),
			Replied:  happens(agent, "message"),
			Note:     happens(agent, "note"),
			Customer: happens(person{"17", "Jane", "user"}, "message"), // by mail
			Echo:     func(s hitltest.Session, _ hitl.Ref, _ string) *http.Request { return report(s) },
			Noise:    func(s hitltest.Session) []*http.Request { return []*http.Request{happens(agent, "tagged")(s, "")} },
			Open: func(s hitltest.Session) bool {
				d.mu.Lock()
				defer d.mu.Unlock()
				t := d.ticket(s.ID)
				return t != nil && !t.Over
			},
			Heard: func(s hitltest.Session) []string { return heard(d, s) },
			Vanish: func(s hitltest.Session) {
				d.mu.Lock()
				defer d.mu.Unlock()
				d.tickets = slices.DeleteFunc(d.tickets, func(t *ticket) bool { return t.ID == s.ID })
			},
			Sign: sign,
			Wire: wire,
		},
	}
}

// heard is what end user and bot have said on a ticket.
func heard(d *desk, s hitltest.Session) (heard []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if t := d.ticket(s.ID); t != nil {
		for _, e := range t.history {
			if e.Kind == "message" && e.Author.Role != "agent" {
				heard = append(heard, e.Text)
			}
		}
	}
	return heard
}
