package hitltest

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hitl-go/sdk/hitl"
)

// Case is an adapter's side of the suite: how to make it, and how to work with its desk. Definition and Config are
// required, as for [hitl.NewServer].
type Case[Config, Session any] struct {
	Definition hitl.Definition

	// Config must lead to a desk that is for tests only. It goes the way that a bot's configuration goes: through JSON.
	Config Config

	// Session is what the bot says about each session. The zero value is fine if nothing is required.
	Session Session

	Desk Desk

	// Bot varies the Botpress and the server between it and the adapter. Cloud.Listener must be nil, since the suite makes
	// several of both. Rules about what happens while a session is being opened set Server.ActivationDelay themselves.
	Bot BotOptions

	// Waive leaves rules unchecked, by their names, with the reason why the adapter cannot keep them.
	Waive map[string]string
}

// Desk is what the suite can do with the desk. Each field may be nil; the rules that need it are then not checked.
//
// The functions that return a request make the one that the desk sends to the webhook when something happens in it, as
// httptest.NewRequest makes requests. A desk whose webhooks say only that something happened must let it happen, too. The
// address does not matter, except for what comes after the webhook's own. Each call is another thing that happens:
// another message has another id. The functions are called from one goroutine at a time.
type Desk struct {
	// Agent is who takes sessions over and writes. A name that is set must reach the end user.
	Agent hitl.Agent

	// Assigned reports that the agent took the session over, Replied that the agent wrote something, and Stopped that
	// the session is over. The texts need no escaping, except for the request's own format.
	Assigned func(Session) *http.Request
	Replied  func(s Session, text string) *http.Request
	Stopped  func(Session) *http.Request

	// Note reports that the agent wrote a note that only colleagues may see, Customer that the end user wrote in the desk
	// itself, for instance by e-mail, and Echo a message that the adapter has sent: its ID is what SendMessage
	// returned, which may be empty.
	Note     func(s Session, text string) *http.Request
	Customer func(s Session, text string) *http.Request
	Echo     func(s Session, sent hitl.Ref, text string) *http.Request

	// Sign makes a request genuine: it sets the headers, or the parts of the query, by which the adapter tells the
	// desk's requests from forged ones. It is called for each request, those that the other functions return
	// included, with the webhook's address in URL; it may read the body.
	Sign func(*http.Request)

	// Heard returns what end user and bot have said in a session since it was opened, as agents read it: one string for
	// each message, oldest first. What stands around the words does not matter.
	Heard func(Session) []string

	// Vanish removes a session from the desk. Without it, a session that never was stands in for one that vanished.
	Vanish func(Session)

	// Wire is the connection between the adapter and the desk.
	Wire *Wire
}

// has tells which fields are there, by their names.
func (d Desk) has(field string) bool {
	switch field {
	case "Assigned":
		return d.Assigned != nil
	case "Replied":
		return d.Replied != nil
	case "Stopped":
		return d.Stopped != nil
	case "Note":
		return d.Note != nil
	case "Customer":
		return d.Customer != nil
	case "Echo":
		return d.Echo != nil
	case "Sign":
		return d.Sign != nil
	case "Heard":
		return d.Heard != nil
	case "Wire":
		return d.Wire != nil
	default:
		panic("hitltest: a rule needs the field " + field + ", which Desk does not have")
	}
}

// Run checks that the adapters made by connect keep the rules, each in a subtest that has the rule's name. All type
// arguments are inferred. The rules, with what breaks them and how to keep them, are in docs/adapter-rules.md.
//
// Each rule has users and sessions of its own; the desk is the same for all, and has up to three installations. The rules are
// checked one after the other, some with many requests at once: run the test with -race.
func Run[Config, Session any, I hitl.Integration[Session]](
	t *testing.T, connect func(context.Context, hitl.Installation, Config) (I, error), c Case[Config, Session],
) {
	t.Helper()
	run(testRunner{t}, connect, c, usual)
}

func run[Config, Session any, I hitl.Integration[Session]](
	t runner, connect func(context.Context, hitl.Installation, Config) (I, error), c Case[Config, Session], waits times,
) {
	t.Helper()
	s := &suite{desk: c.Desk, session: c.Session, times: waits}
	s.install = func(t *trial, handover time.Duration) *installed {
		in, opts := &installed{}, c.Bot
		opts.Server.ActivationDelay = cmp.Or(handover, opts.Server.ActivationDelay)
		in.bot = newBot(t, c.Definition, func(ctx context.Context, i hitl.Installation, config Config) (*spy[Session], error) {
			a, err := connect(ctx, i, config)
			if err != nil {
				return nil, err
			}
			in.connected(i.Client, func(ctx context.Context) (adapter, error) {
				a, err := connect(ctx, i, config)
				if err != nil {
					return nil, err
				}
				return untyped[Session]{a, c.Session}, nil
			})
			return &spy[Session]{a, in}, nil
		}, c.Config, opts)
		return in
	}
	s.run(t, c.Waive)
}

// suite is a case without its types.
type suite struct {
	desk    Desk
	session any
	times   times
	install func(t *trial, handover time.Duration) *installed // A zero handover is the usual one.

	// Live sessions go through Botpress and the server. The others are unknown to the server that has live ones: desks that
	// report all their news at once would make it wait for them.
	live, other *installed
}

func (s *suite) run(t runner, waived map[string]string) {
	t.Helper()
	for name := range waived {
		if !slices.ContainsFunc(rules, func(r rule) bool { return r.name == name }) {
			t.Errorf("hitltest: there is no rule %q to be waived", name)
		}
	}
	first := &trial{runner: t, rule: install, suite: s}
	s.live, s.other = s.install(first, 0), s.install(first, 0)
	var unchecked []string
	broken := map[string]bool{}
	for _, r := range rules {
		passed := t.Run(r.name, func(t runner) {
			t.Helper()
			trial := &trial{runner: t, rule: r, suite: s}
			trial.skipped = func(why string) { unchecked = append(unchecked, r.name+": "+why) }
			switch {
			case waived[r.name] != "":
				trial.skip(waived[r.name])
			case s.lacks(r) != "":
				trial.skip(s.lacks(r))
			case broken[r.after]:
				trial.skip("the rule " + r.after + " is broken, on which this one depends")
			}
			trial.run()
		})
		broken[r.name] = !passed || broken[r.after]
	}
	if len(unchecked) > 0 {
		t.Logf("hitltest: %d of %d rules were not checked:\n\t%s", len(unchecked), len(rules), strings.Join(unchecked, "\n\t"))
	}
}

// lacks says what the case would have to offer for a rule to be checked.
func (s *suite) lacks(r rule) string {
	missing := slices.DeleteFunc(slices.Clone(r.needs), s.desk.has)
	if len(missing) == 0 {
		return ""
	}
	return "the case has no Desk." + strings.Join(missing, " and no Desk.")
}

// runner is a test that can have subtests. It is a [testing.T], except in the suite's own tests, which watch it fail.
type runner interface {
	tb
	Skipf(format string, args ...any)
	Run(name string, f func(runner)) bool
}

type testRunner struct{ *testing.T }

func (t testRunner) Run(name string, f func(runner)) bool {
	t.Helper()
	return t.T.Run(name, func(t *testing.T) { f(testRunner{t}) })
}
