package hitltest

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/botpress/botpresstest"
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/internal/racetest"
)

func TestRun(t *testing.T) {
	t.Run("wire in front of the desk", func(t *testing.T) {
		wire := &Wire{}
		desk, url := newDesk(t, wire.Handler)
		Run(t, connectQuirky("complete-webhooks without a look", nil), Case[config, ticket]{
			Definition: definition, Config: config{URL: url}, Session: ticket{Priority: "high"}, Desk: desk.desk(wire),
		})
	})
	t.Run("wire under the client", func(t *testing.T) {
		wire := &Wire{}
		desk, url := newDesk(t, func(h http.Handler) http.Handler { return h })
		transport := &http.Transport{}
		t.Cleanup(transport.CloseIdleConnections)
		var bots, carried atomic.Int64
		Run(t, connectQuirky("", wire.RoundTripper(transport)), Case[config, ticket]{
			Definition: definition, Config: config{URL: url}, Desk: desk.desk(wire),
			Bot: BotOptions{
				Cloud: botpresstest.Options{Middleware: func(h http.Handler) http.Handler { bots.Add(1); return h }},
				Server: hitl.Options{Botpress: botpress.Options{HTTPClient: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
					carried.Add(1)
					return transport.RoundTrip(r)
				})}}},
			},
		})
		if bots.Load() < 3 || carried.Load() == 0 { // Two for most rules, and others for those about the start of the session.
			t.Errorf("the options have reached %d bots, and carried %d requests", bots.Load(), carried.Load())
		}
	})
	t.Run("an AgentReader says who is an agent", func(t *testing.T) {
		wire := &Wire{}
		desk, url := newDesk(t, wire.Handler)
		connect := func(ctx context.Context, in hitl.Installation, c config) (hitl.Integration[ticket], error) {
			a, err := connectQuirky("backfill-own words", nil)(ctx, in, c) // Backfill has what end users write, too.
			if err != nil {
				return nil, err
			}
			return knowing{a.(reading)}, nil
		}
		Run(t, connect, Case[config, ticket]{Definition: definition, Config: config{URL: url}, Session: ticket{Priority: "high"}, Desk: desk.desk(wire)})
	})
	t.Run("short texts", func(t *testing.T) {
		desk, url := newDesk(t, func(h http.Handler) http.Handler { return h })
		Run(t, connectQuirky("", nil), Case[config, ticket]{
			Definition: limited(), Config: config{URL: url}, Desk: Desk{Heard: desk.heard},
		})
	})
}

// TestRepeated: what the suite sends again says so, as what the server sends again does. An adapter may look for a message only then.
func TestRepeated(t *testing.T) {
	wire := &Wire{}
	desk, url := newDesk(t, wire.Handler)
	attempts := &attempts{flags: map[string][]bool{}}
	connect := func(ctx context.Context, in hitl.Installation, c config) (hitl.Integration[ticket], error) {
		a, err := connectQuirky("", nil)(ctx, in, c)
		return counted{a, attempts}, err
	}
	offer := desk.desk(wire)
	offer.Act = nil
	watched := watch(t, func(t runner) {
		run(t, connect, Case[config, ticket]{Definition: definition, Config: config{URL: url}, Session: ticket{Priority: "high"}, Desk: offer}, quick)
	})
	if failed := watched.failed(); len(failed) > 0 {
		t.Fatalf("the rules %q failed", failed)
	}
	again := 0
	for key, flags := range attempts.flags {
		for i, repeated := range flags {
			if repeated != (i > 0) {
				t.Errorf("attempt %d of the message %s has Repeated %t", i+1, key, repeated)
			}
		}
		again += len(flags) - 1
	}
	if again < 5 {
		t.Errorf("the suite has repeated messages %d times only", again)
	}
}

// attempts are what adapters were told of Repeated, by SendMessageRequest.Key.
type attempts struct {
	mu    sync.Mutex
	flags map[string][]bool
}

type counted struct {
	hitl.Integration[ticket]

	attempts *attempts
}

func (c counted) SendMessage(ctx context.Context, r hitl.SendMessageRequest) (hitl.Ref, error) {
	c.attempts.mu.Lock()
	c.attempts.flags[r.Key()] = append(c.attempts.flags[r.Key()], r.Repeated)
	c.attempts.mu.Unlock()
	return c.Integration.SendMessage(ctx, r)
}

// knowing is the adapter of a desk that names whoever has written by the ID.
type knowing struct{ reading }

func (k knowing) ReadAgent(ctx context.Context, id string) (hitl.Agent, error) {
	_, err := k.log(ctx, 0, "")
	switch {
	case err != nil && k.quirk == "agents-nobody":
	case err != nil:
		return hitl.Agent{}, err
	case id == alice.ID:
		return hitl.Agent{ID: id, Name: alice.Name}, nil
	}
	return hitl.Agent{}, nil
}

func (k knowing) Backfill(ctx context.Context, b hitl.BackfillRequest) ([]hitl.Event, error) {
	events, err := k.reading.Backfill(ctx, b)
	for i, e := range events {
		if r, ok := e.(hitl.Replied); ok {
			r.Author.Name = ""
			events[i] = r
		}
	}
	return events, err
}

// atOnce is how many suites run at once. They wait most of the time, but under the race detector more of them would be late.
const atOnce = max(6, 16/racetest.Slowdown)

// quick is for fake desks.
var quick = times{prompt: 400 * time.Millisecond, down: 100 * time.Millisecond, activationDelay: 500 * time.Millisecond, arrival: 4 * time.Second}

// TestBroken runs the suite on adapters that break one rule each. Only that rule must fail.
func TestBroken(t *testing.T) {
	texts := map[string]string{
		"refs":               `the tag "priority"`,
		"user-twice":         "in the desk, and then, called with the same request, on another replica,",
		"user-apart":         "Two end users with the same name and no e-mail address are both",
		"start-twice":        "The same conversation became the sessions",
		"start-apart":        "Two conversations of an end user are both the session",
		"start-anything":     "A session with nothing but the end user was not opened: A ticket needs a title.",
		"start-history":      "StartHitl has not told the desk the description (\"description",
		"stop-twice":         "StopHitl failed when the session was over already: the desk answered 409",
		"stop-unknown":       "StopHitl failed for a session that the desk does not have: the desk answered 404",
		"message-types":      "SendMessage panicked: no such message: tomorrow",
		"message-parts":      "Part 1 of a bloc",
		"message-twice":      "was sent again after its answer was lost, and after a request that failed, and is in the desk 4 times",
		"bot-speaks":         `A message of the bot failed when the bot's name is "Botty": A message needs an author.`,
		"stop-stays-closed":  "The session was over, the bot said its last words, and now the session is open again.",
		"split-text":         "Of a text of 4800 bytes, the desk has only the first 62 words of 300.",
		"late-reply":         "which is not among the internal notes of the session: []",
		"noise":              "A webhook that means nothing was delivered, and the end user received [\"bot: (stopped)\"].",
		"receive-twice":      "Receive was run again after the answer was lost, and the end user received it 3 times",
		"receive-restart":    "while Receive did not run, and the end user did not receive it",
		"backfill-complete":  "Agents said 30 things, and of them Backfill did not return \"reply10",
		"backfill-since":     "called with Since a minute ago, in another time zone",
		"register-converges": "it wrote to the desk when it ran again:\n    POST /hooks",
		"register-apart":     "Another installation was unregistered, and Register had to write to the desk again:\n    POST /hooks",
		"long-text":          "Of a text of 100000 bytes, the desk has only the first 1000 words of 10000.",
		"strange-text":       "A text with emoji was changed.",
		"whole-session":      `HandleWebhook reads the request as: []hitl.Event{hitl.Replied{SessionID:"ticket/session-`,
		"agent-name":         `The agent is called "Alice Agent", and the end user received:`,
		"webhook-twice":      "The same request was read twice, and the messages in it had the ids",
		"webhook-order":      "Three replies were reported, the last one first, and the end user received",
		"webhook-early":      "before StartHitl had returned, and the end user received it 0 times",
		"webhook-garbage":    "HandleWebhook panicked: runtime error: invalid memory address",
		"webhook-forged":     "A request without a signature was not rejected, and became []hitl.Event{hitl.Replied{",
		"notes":              "An internal note was shown to the end user",
		"customers":          "What the end user wrote in the desk was shown to the end user",
		"echoes":             "What the adapter sent to the desk itself was shown to the end user",
		"concurrent":         "Of 24 messages sent concurrently",
		"cancelled":          "While the desk does not answer, the context of CreateUser was cancelled, and after 400ms it had not returned.",
		"not-found":          "A web server answered 404 in the desk's place, and StopHitl returned no error.",
		"desk-down":          "While the desk answers 429, CreateUser returned the *hitl.Error",
	}
	watched := make([]*recorder, len(rules))
	var all errgroup.Group
	all.SetLimit(atOnce)
	for i, r := range rules {
		all.Go(func() error {
			wire := &Wire{}
			desk, url := newDesk(t, wire.Handler)
			def := definition
			if r.name == "split-text" {
				def = limited()
			}
			watched[i] = watch(t, func(t runner) {
				run(t, connectQuirky(r.name, nil), Case[config, ticket]{
					Definition: def, Config: config{URL: url}, Session: ticket{Priority: "high"}, Desk: desk.desk(wire),
				}, quick)
			})
			return nil
		})
	}
	_ = all.Wait() // What fails is in the recorders.
	for i, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			failed := watched[i].failed()
			if diff := cmp.Diff([]string{r.name}, failed); diff != "" {
				t.Errorf("the rules that failed (-want +got):\n%s", diff)
				for _, name := range failed {
					t.Logf("%s: %s", name, watched[i].of(name))
				}
			}
			got := watched[i].of(r.name)
			for _, want := range []string{texts[r.name], r.text, docs + r.name, "Calls of the adapter:"} {
				if !strings.Contains(got, want) {
					t.Errorf("the explanation has no %q:\n%s", want, got)
				}
			}
		})
	}
}

// TestBrokenOtherwise: a rule that checks several things finds each.
func TestBrokenOtherwise(t *testing.T) {
	tests := []struct{ quirk, rule, says string }{
		{"start-long description", "start-anything", "A session with a description and a history of 100 kB was not opened: The description is too long."},
		{"receive-slow end", "receive-restart", "The context of Receive ended, and after 400ms it had not returned."},
		{"message-types bloc", "message-types", "SendMessage panicked: no such message: bloc"},
		{"message-types never", "message-types", "was neither accepted nor rejected with a *hitl.Error that is final: There is no such message."},
		{"message-types dropped", "message-types", `A message of the type "image" was accepted, and the desk has not heard it: "`},
		{"whole-session markup", "whole-session", `and the end user reads "Alice Agent: <p>help`},
		{"whole-session entities", "whole-session", ` &amp; so on". Package message/richtext makes text of HTML.`},
		{"another secret", "whole-session", "the answer was 401"},
		{"complete-another secret", "whole-session", notGenuine},
		{"backfill-another secret", "backfill-complete", notGenuine},
		{"receive-cursor first", "receive-restart", "while deliver returned errors, and the end user did not receive it"},
		{"backfill-other ids", "backfill-complete", "the end user would receive it twice."},
		{"backfill-no ids", "backfill-complete", "without an ID."},
		{"backfill-one id", "backfill-complete", "with the same ID"},
		{"backfill-newest first", "backfill-complete", "Backfill did not return the oldest reply first"},
		{"backfill-notes", "backfill-complete", "Backfill returned an internal note as an agent's reply."},
		{"backfill-own words", "backfill-complete", "What the end user said was returned by Backfill as an agent's"},
		{"backfill-all sessions", "backfill-complete", "Backfill returned what was said in another session."},
		{"backfill-no end", "backfill-complete", "and Stopped number 0."},
		{"backfill-changed", "backfill-complete", "which asks to read back."},
		{"backfill-stays", "backfill-since", "The session was deleted in the desk, and Backfill returned neither hitl.Stopped nor a *hitl.Error that is Gone, but the desk answered 404"},
		{"backfill-gone", "backfill-since", "For a session that the desk does not have, Backfill returned hitl.Assigned{"},
		{"backfill-gone", "desk-down", "While the desk answers 429, Backfill returned no error."},
		{"complete-webhooks that are lost", "desk-down", "While the desk answers 429, HandleWebhook returned no error."},
		{"complete-webhooks that are lost", "cancelled", "While the desk does not answer, the context of HandleWebhook was cancelled, and it returned no error."},
		{"complete-webhooks that are refused", "desk-down", "While the desk answers 429, HandleWebhook returned the *hitl.Error"},
		{"complete-register that is silent", "desk-down", "While the desk answers 429, Register returned no error."},
		{"complete-notices that are lost", "desk-down", "While the desk answers 429, Notify returned no error."},
		{"agents-nobody", "desk-down", "While the desk answers 429, ReadAgent returned no error."},
		{"backfill-ends everywhere", "not-found", `and Backfill returned the error "The session is gone.", which is Gone.`},
		{"backfill-patient", "cancelled", "While the desk does not answer, the context of Backfill was cancelled, and after 400ms it had not returned."},
		{"complete-sleep", "cancelled", "While the desk answers 429, the context of CreateUser was cancelled, and after 400ms it had not returned."},
		{"complete-register for one", "register-apart", "Nothing has changed since two installations were registered"},
		{"backfill-first pages", "backfill-complete", "While the desk answers 503 to request 2 of a call, Backfill returned no error, and not the reply"},
		{"complete-start in two steps", "desk-down", "to request 3 of a call, StartHitl succeeded, or failed and was retried; the desk was not told what the end user said before"},
		{"complete-start without history", "desk-down", "to request 3 of a call, StartHitl succeeded, or failed and was retried; the desk was not told what the end user said before"},
		{"complete-start and a word", "desk-down", "the desk has heard 0 messages of the history. It hears 1 if it answers."},
		{"complete-last words lost", "desk-down", "to request 2 of a call, StopHitl succeeded, or failed and was retried; the session is open."},
		{"user-twice look-up", "user-twice", "and then, after a request that failed,"},
		{"start-twice look-up", "start-twice", "The same conversation became the sessions"},
		{"message-twice look-up", "message-twice", "is in the desk 2 times"},
		{"complete-notices that reopen", "late-reply", "and now it is open."},
		{"complete-notices for all", "late-reply", "and it was shown to the end user"},
	}
	watched := make([]*recorder, len(tests))
	var all errgroup.Group
	all.SetLimit(atOnce)
	for i, test := range tests {
		all.Go(func() error {
			wire := &Wire{}
			desk, url := newDesk(t, wire.Handler)
			offer := desk.desk(wire)
			if test.quirk == "backfill-one id" {
				offer.Replied = nil // The ids of webhooks would be others.
			}
			def := definition
			def.JoinBlocs = test.quirk == "message-types bloc"
			others := map[string]string{}
			for _, r := range rules {
				excuses := slices.Contains([]string{"start-history", "stop-stays-closed", "message-twice", "late-reply"}, r.name) // from what desk-down looks for
				if r.name != test.rule && !excuses {
					others[r.name] = "other tests are about it"
				}
			}
			watched[i] = watch(t, func(t runner) {
				run(t, connectQuirky(test.quirk, nil), Case[config, ticket]{Definition: def, Config: config{URL: url}, Desk: offer, Waive: others}, quick)
			})
			return nil
		})
	}
	_ = all.Wait() // What fails is in the recorders.
	for i, test := range tests {
		t.Run(test.quirk, func(t *testing.T) {
			if got := watched[i].of(test.rule); !strings.Contains(got, test.says) {
				t.Errorf("the failure does not say %q:\n%s", test.says, got)
			}
		})
	}
}
