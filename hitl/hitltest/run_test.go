package hitltest

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/botpress/botpresstest"
	"github.com/hitl-go/sdk/hitl"
)

func TestRun(t *testing.T) {
	t.Run("wire in front of the desk", func(t *testing.T) {
		wire := &Wire{}
		desk, url := newDesk(t, wire.Handler)
		Run(t, connectQuirky("", nil), Case[config, ticket]{
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
		if bots.Load() < 3 || carried.Load() == 0 { // Two for most rules, and others for those about handing over.
			t.Errorf("the options have reached %d bots, and carried %d requests", bots.Load(), carried.Load())
		}
	})
}

// quick is for fake desks.
var quick = times{prompt: 400 * time.Millisecond, down: 100 * time.Millisecond, handover: 500 * time.Millisecond}

// TestBroken runs the suite on adapters that break one rule each. Only that rule must fail.
func TestBroken(t *testing.T) {
	texts := map[string]string{
		"refs":            `the tag "priority"`,
		"user-twice":      "in the desk, and then, called with the same request, on another replica,",
		"user-apart":      "Two end users with the same name and no e-mail address are both",
		"start-twice":     "The same conversation became the sessions",
		"start-apart":     "Two conversations of an end user are both the session",
		"start-anything":  "A session with nothing but the end user was not opened: A ticket needs a title.",
		"stop-twice":      "StopHitl failed when the session was over already: the desk answered 409",
		"stop-unknown":    "StopHitl failed for a session that the desk does not have: the desk answered 404",
		"message-types":   "SendMessage panicked: no such message: tomorrow",
		"message-parts":   "Part 1 of a bloc",
		"message-twice":   "was sent again after its answer was lost, and is in the desk 3 times",
		"bot-speaks":      `A message of the bot failed when the bot's name is "Botty": the message has no author`,
		"long-text":       "Of a text of 100000 bytes, the desk has only the first 1000 words of 10000.",
		"strange-text":    "A text with emoji was changed.",
		"whole-session":   `HandleWebhook reads the request as: []hitl.Event{hitl.Replied{SessionID:"ticket/session-`,
		"agent-name":      `The agent is called "Alice Agent", and the end user received:`,
		"webhook-twice":   "The same request was read twice, and the messages in it had the ids",
		"webhook-order":   "Three replies were reported, the last one first, and the end user received",
		"webhook-early":   "before StartHitl had returned, and the end user received it 0 times",
		"webhook-garbage": "HandleWebhook panicked: runtime error: invalid memory address",
		"webhook-forged":  "A request without a signature was not rejected, and became []hitl.Event{hitl.Replied{",
		"notes":           "An internal note was shown to the end user",
		"customers":       "What the end user wrote in the desk was shown to the end user",
		"echoes":          "What the adapter sent to the desk itself was shown to the end user",
		"concurrent":      "Of 24 messages sent concurrently",
		"cancelled":       "The desk did not answer, the context of CreateUser was cancelled, and after 400ms it had not returned.",
		"desk-down":       "While the desk answers 429, CreateUser returned the *hitl.Error",
	}
	watched := make([]*recorder, len(rules))
	var all errgroup.Group
	all.SetLimit(6) // They wait most of the time.
	for i, r := range rules {
		all.Go(func() error {
			wire := &Wire{}
			desk, url := newDesk(t, wire.Handler)
			watched[i] = watch(t, func(t runner) {
				run(t, connectQuirky(r.name, nil), Case[config, ticket]{
					Definition: definition, Config: config{URL: url}, Session: ticket{Priority: "high"}, Desk: desk.desk(wire),
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
