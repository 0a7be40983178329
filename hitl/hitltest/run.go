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
	"github.com/hitl-go/sdk/message"
)

// Case describes an adapter and its desk to the suite. Definition and Config are required, as for [hitl.NewServer].
type Case[Config, Session any] struct {
	Definition hitl.Definition

	// Config must point to a desk that is for tests only. The suite marshals it to JSON, as Botpress does.
	Config Config

	// Session has the parameters of each session. The zero value will do if none is required.
	Session Session

	Desk Desk

	// Bot varies the Botpress and the server between it and the adapter. Cloud.Listener must be nil, since the suite makes
	// several of both. Rules about what happens while a session is being opened set Server.ActivationDelay themselves. A zero
	// Server.SweepEvery is none: a sweep would call the desk while a rule counts calls.
	Bot BotOptions

	// Waive skips rules, by name, with the reason why the adapter cannot keep them.
	Waive map[string]string
}

// Desk gives the suite access to the desk. Each field may be nil; the rules that need it are then skipped. The desk must not limit
// how often it is called: the suite calls it more often than bots do.
//
// The functions that return a request return the webhook request that the desk sends for an event, made with
// httptest.NewRequest. If the webhooks of the desk only notify, and the adapter fetches the event, or if the adapter is a
// [hitl.Backfiller], the function must also create the event in the desk. Of the URL, the suite uses the path, as one below the webhook's, and the query. Each call
// is another event: another message has another id. The functions are not called concurrently.
type Desk struct {
	// Agent takes sessions over and writes. Its name, if set, must reach the end user.
	Agent hitl.Agent

	// Assigned reports that the agent took the session over, Replied that the agent wrote something, and Stopped that
	// the session is over. The texts need no escaping, except for the request's own format.
	Assigned func(Session) *http.Request
	Replied  func(s Session, text string) *http.Request
	Stopped  func(Session) *http.Request

	// Note reports that the agent wrote an internal note, Customer that the end user wrote in the desk, for instance by
	// e-mail, and Echo a message that the adapter has sent: sent.ID is what SendMessage returned, which may be empty.
	Note     func(s Session, text string) *http.Request
	Customer func(s Session, text string) *http.Request
	Echo     func(s Session, sent hitl.Ref, text string) *http.Request

	// Act has the agent write something in the desk, of which no webhook comes. A [hitl.Receiver] must bring it to the end user
	// within seconds, so let it poll often.
	Act func(s Session, text string)

	// Noise reports what means nothing to end user and bot: a tag that was added, a status that is not the end, an agent
	// who was taken off.
	Noise func(Session) []*http.Request

	// Sign signs a request as the desk does, in the header or the query. It is called for each request, including those
	// that the other functions return, with the webhook's address in URL. It may read the body.
	Sign func(*http.Request)

	// Heard returns the messages of end user and bot in a session since it was opened, as agents read them: one string for
	// each message, oldest first. It may have more text around the message.
	Heard func(Session) []string

	// Noted returns the internal notes in a session, which the end user does not see, one string for each.
	Noted func(Session) []string

	// Open reports whether a session is one that agents work on: neither solved nor closed.
	Open func(Session) bool

	// Vanish deletes a session in the desk. If it is nil, the suite uses the id of a session that never existed.
	Vanish func(Session)

	// Wire is the connection between the adapter and the desk.
	Wire *Wire
}

// has reports whether the field of this name is set.
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
	case "Act":
		return d.Act != nil
	case "Replied or Act":
		return d.Replied != nil || d.Act != nil
	case "Noise":
		return d.Noise != nil
	case "Heard":
		return d.Heard != nil
	case "Open":
		return d.Open != nil
	case "Wire":
		return d.Wire != nil
	default:
		panic("hitltest: a rule needs the field " + field + ", which Desk does not have")
	}
}

// Run checks that the adapters made by connect keep the rules, each in a subtest with the rule's name. The rules are
// documented in docs/adapter-rules.md. All type arguments are inferred.
//
// Each rule has its own users and sessions; all rules share the desk, which has up to three installations. The rules run one
// after the other, some with concurrent requests: run the test with -race. A failing rule shows what the server has logged
// since the rule began.
func Run[Config, Session any, I hitl.Integration[Session]](
	t *testing.T, connect func(context.Context, hitl.Installation, Config) (I, error), c Case[Config, Session],
) {
	t.Helper()
	run(testRunner{t}, connect, c, defaultTimes)
}

func run[Config, Session any, I hitl.Integration[Session]](
	t runner, connect func(context.Context, hitl.Installation, Config) (I, error), c Case[Config, Session], waits times,
) {
	t.Helper()
	s := &suite{
		desk: c.Desk, session: c.Session, maxText: c.Definition.MaxText, textUnit: c.Definition.TextUnit, joinBlocs: c.Definition.JoinBlocs, times: waits,
		waived: c.Waive, broken: map[string]bool{},
	}
	s.install = func(t *trial, activationDelay time.Duration) *installed {
		in, opts := &installed{serving: make(chan struct{})}, c.Bot
		opts.Server.ActivationDelay = cmp.Or(activationDelay, opts.Server.ActivationDelay)
		opts.Server.SweepEvery = cmp.Or(opts.Server.SweepEvery, -1)
		in.bot = newBot(t, c.Definition, func(ctx context.Context, i hitl.Installation, config Config) (hitl.Integration[Session], error) {
			a, err := connect(ctx, i, config)
			if err != nil {
				return nil, err
			}
			in.connected(i.Client, a, func(ctx context.Context) (adapter, error) {
				a, err := connect(ctx, i, config)
				if err != nil {
					return nil, err
				}
				return untyped[Session]{a, c.Session}, nil
			})
			watched := &spy[Session]{a, in}
			if desk, ok := any(a).(hitl.Backfiller); ok {
				return readable[Session]{watched, desk}, nil
			}
			return watched, nil
		}, c.Config, opts)
		return in
	}
	s.run(t)
}

// suite is a [Case] without type parameters.
type suite struct {
	desk      Desk
	session   any
	maxText   int // Of the definition, zero for none.
	textUnit  message.Unit
	joinBlocs bool
	times     times
	waived    map[string]string                                        // Why, by the rule.
	broken    map[string]bool                                          // Rules that the adapter was found to break, or that depend on one.
	install   func(t *trial, activationDelay time.Duration) *installed // A zero delay is the usual one.

	// Sessions of live rules go through Botpress and the server. The sessions of other rules belong to another installation:
	// the server does not know them, and would wait for them if a desk reports the news of all sessions at once.
	live, other *installed

	log serverLog
}

func (s *suite) run(t runner) {
	t.Helper()
	for name := range s.waived {
		if !slices.ContainsFunc(rules, func(r rule) bool { return r.name == name }) {
			t.Errorf("hitltest: Case.Waive: there is no rule %q", name)
		}
	}
	s.installAll(t)
	var skipped []string
	for _, r := range rules {
		passed := t.Run(r.name, func(t runner) {
			t.Helper()
			trial := &trial{runner: t, rule: r, suite: s}
			trial.skipped = func(why string) { skipped = append(skipped, r.name+": "+why) }
			switch {
			case s.waived[r.name] != "":
				trial.skip(s.waived[r.name])
			case s.lacks(r) != "":
				trial.skip(s.lacks(r))
			case s.broken[r.after]:
				trial.skip("the rule " + r.after + ", on which this one depends, is broken")
			}
			trial.run()
		})
		s.broken[r.name] = !passed || s.broken[r.after]
	}
	if len(skipped) > 0 {
		t.Logf("hitltest: %d of %d rules were skipped:\n\t%s", len(skipped), len(rules), strings.Join(skipped, "\n\t"))
	}
}

// installAll makes the installations that all rules share.
func (s *suite) installAll(t runner) {
	t.Helper()
	first := &trial{runner: t, rule: install, suite: s}
	done := false
	defer func() { // Fatalf exits the goroutine.
		if !done {
			s.log.copyTo(t.Output())
		}
	}()
	s.live, s.other = s.install(first, 0), s.install(first, 0)
	done = true
}

// lacks names the interface that a rule is about and the adapter does not have, or the fields of Desk that the rule needs and the
// case leaves out.
func (s *suite) lacks(r rule) string {
	if r.is != nil && !r.is.of(s.live.adapter()) {
		return "the adapter does not implement hitl." + r.is.name
	}
	missing := slices.DeleteFunc(slices.Clone(r.needs), s.desk.has)
	if len(missing) == 0 {
		return ""
	}
	return "the case has no Desk." + strings.Join(missing, " and no Desk.")
}

// runner is a test that can have subtests. It is a [testing.T], or a recorder in the tests of this package.
type runner interface {
	tb
	Failed() bool
	Skipf(format string, args ...any)
	Run(name string, f func(runner)) bool
}

type testRunner struct{ *testing.T }

func (t testRunner) Run(name string, f func(runner)) bool {
	t.Helper()
	return t.T.Run(name, func(t *testing.T) { f(testRunner{t}) })
}
