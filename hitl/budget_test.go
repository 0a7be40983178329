package hitl_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hitl-go/sdk/botpress/botpresstest"
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/message"
)

// TestBudget counts the calls of the Botpress API that each operation makes, once the caches are warm.
func TestBudget(t *testing.T) {
	inBubble(t, setting{}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
		assigned := report{Type: "assigned", TicketID: "T-1", Agent: alice}
		w.escalate(jane, "To warm up")
		w.report(assigned)
		w.report(comment("A-1", "Hello"))
		w.report(report{Type: "closed", TicketID: "T-1"})

		got := map[string]int{}
		measure := func(name string, do func()) {
			before := w.apiCalls()
			do()
			w.settle()
			got[name] += w.apiCalls() - before
		}
		say := func(u *botpresstest.EndUser, text string) func() {
			return func() { w.must(u.Say(t.Context(), message.Text{Text: text})) }
		}
		on := func(ticket string, r report) func() {
			r.TicketID = ticket
			return func() { w.report(r) }
		}
		bob := w.in.NewEndUser(botpresstest.Profile{Name: "Bob", Email: "bob@example.com"})
		measure("createUser and startHitl", func() {
			if err := bob.Escalate(t.Context(), botpresstest.Escalation{Title: "Help"}); err != nil {
				t.Fatal(err)
			}
		})
		measure("Replied, in the activation window", on("T-2", comment("B-1", "Hello")))
		w.pass(7 * time.Second) // The reply has arrived.
		measure("message_created, in the activation window", say(bob, "It is late"))
		measure("Replied, since the plugin is ready", on("T-2", comment("B-1b", "Hello")))
		measure("Replied, and again", on("T-2", comment("B-1c", "Hello")))
		w.afterActivation()
		measure("message_created", func() { w.say(bob, message.Text{Text: "I need help"}) })
		measure("Assigned", on("T-2", assigned))
		measure("Assigned, the same agent again", on("T-2", assigned))
		measure("Replied", on("T-2", comment("B-2", "How can I help?")))
		measure("Replied, an echo", on("T-2", comment(w.desk.Comments("T-2")[0], "I need help")))
		measure("Stopped", on("T-2", report{Type: "closed"}))
		measure("an unknown session, first", on("T-99", comment("X-1", "Hello")))
		measure("an unknown session, again", on("T-99", comment("X-2", "Hello")))

		want := map[string]int{
			"createUser and startHitl":                  2 + 3,
			"Replied, in the activation window":         2,
			"message_created, in the activation window": 2,
			"Replied, since the plugin is ready":        2,
			"Replied, and again":                        1,
			"message_created":                           2,
			"Assigned":                                  2,
			"Assigned, the same agent again":            2,
			"Replied":                                   1,
			"Replied, an echo":                          0, // one at another replica
			"Stopped":                                   3,
			"an unknown session, first":                 3, // by its id, whether one is being opened, by its id again
			"an unknown session, again":                 0,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("calls of the Botpress API (-want +got):\n%s", diff)
		}
	})
}

// TestBudgetOfSendOnce counts what a lease costs.
func TestBudgetOfSendOnce(t *testing.T) {
	inBubble(t, setting{sendOnce: true}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
		w.escalate(jane, "Help")
		w.say(jane, message.Text{Text: "To warm up"})
		before := w.apiCalls()
		w.say(jane, message.Text{Text: "I need help"})
		if got := w.apiCalls() - before; got != 4 {
			t.Errorf("a message costs %d calls, want 4", got)
		}
	})
}

// TestBudgetOfTheSweep counts a sweep: a page of each list, a call for each session, and the lease.
func TestBudgetOfTheSweep(t *testing.T) {
	inBubble(t, setting{server: hitl.Options{SweepEvery: time.Hour}}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
		for n := range 5 {
			u := w.in.NewEndUser(botpresstest.Profile{Name: "Jane", Email: fmt.Sprintf("jane%d@example.com", n)})
			w.escalate(u, "Help")
		}
		w.pass(10 * time.Minute) // no session is being opened any more
		before := w.apiCalls()
		w.pass(70 * time.Minute)
		const lists, sessions, lease = 5, 5, 2
		const sweep, register = lists + sessions + lease, 1 // which Botpress calls every hour, and sweeps as well
		if got := w.apiCalls() - before; got != sweep+register+sweep {
			t.Errorf("an hour of five sessions in which nothing happens costs %d calls, want %d", got, sweep+register+sweep)
		}
	})
}

// apiCalls is how many calls the integration has made.
func (w *world) apiCalls() int {
	n := 0
	for _, c := range w.cloud.Calls() {
		if c.Kind == botpresstest.APICall && c.Installation != "" {
			n++
		}
	}
	return n
}

// BenchmarkMemory sends messages of 50,000 sessions through one server, and of 50,000 more: the second lot must not make it
// any larger.
func BenchmarkMemory(b *testing.B) {
	const sessions = 50_000
	n := 0
	goroutines := runtime.NumGoroutine()
	for b.Loop() {
		server := (&fakeDesk{}).server(b, hitl.Options{})
		send := func() int64 {
			for range sessions {
				n++
				operation := [2]string{"message_created", fmt.Sprintf(`{"type":"text","payload":{"text":"hi","userId":"user_%d"},"conversation":{"id":"conv_%d",`+
					`"channel":"hitl","tags":{"id":"T-%d","startedAt":"2020-01-01T00:00:00.000Z"}},"message":{"id":"msg_%d","tags":{}}}`, n, n, n, n)}
				if a := ask(server, request(operation)); a.status != http.StatusOK {
					b.Fatalf("answered %d %s", a.status, a.body)
				}
			}
			return heap()
		}
		before := heap()
		full := send()
		more := send()
		b.ReportMetric(float64(full-before)/1e6, "MB-kept")
		if grown := more - full; grown > (full-before)/10 {
			b.Errorf("the server keeps %d kB after %d sessions and %d kB more after as many again", (full-before)/1000, sessions, grown/1000)
		}
		if err := server.Shutdown(b.Context()); err != nil {
			b.Error(err)
		}
	}
	if now := runtime.NumGoroutine(); now > goroutines {
		b.Errorf("%d goroutines, and %d after %d messages", goroutines, now, n)
	}
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// The end user who was just linked is not read again, and one who was linked a while ago is: they may have another name by now.
func TestLinkedUserIsReadAgain(t *testing.T) {
	inBubble(t, setting{}, func(t *testing.T, w *world, _ *botpresstest.EndUser) {
		reads := func() (n int) {
			for _, c := range w.cloud.Calls() {
				if c.Operation == "getUser" {
					n++
				}
			}
			return n
		}
		var created struct {
			Output struct {
				UserID string `json:"userId"`
			} `json:"output"`
		}
		w.must(json.Unmarshal([]byte(w.act(`{"type":"createUser","input":{"name":"Jane","email":"jane@example.com"}}`)), &created))
		for _, step := range []struct {
			later time.Duration
			reads int
		}{{time.Second, 0}, {3 * time.Second, 0}, {2 * time.Second, 1}} {
			w.pass(step.later)
			before := reads()
			start := fmt.Sprintf(`{"type":"createTicket","input":{"userId":%q,"title":%q,"messageHistory":[]}}`, created.Output.UserID, step.later)
			if body := w.act(start); !strings.Contains(body, `"conversationId"`) {
				t.Fatal(body)
			}
			if n := reads() - before; n != step.reads {
				t.Errorf("%v later, the user was read %d times, want %d", step.later, n, step.reads)
			}
		}
	})
}
