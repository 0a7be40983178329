package hitl_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
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
	"github.com/hitl-go/sdk/hitl/bplog"
	"github.com/hitl-go/sdk/internal/acme"
	"github.com/hitl-go/sdk/message"
)

// The tests of this file are about what the server does on its own initiative: nobody repeats a request in them.

// once is a Botpress that sends each operation once, all at the same time.
var once = botpresstest.Options{Attempts: 1, Dispatch: botpresstest.DispatchParallel}

// errDown is a desk that is out of reach.
var errDown = &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}

// outage makes every method of the desk fail until it is lifted.
func (w *world) outage() (lift func()) {
	var mu sync.Mutex
	down := true
	w.desk.Before = func(context.Context, string) error {
		mu.Lock()
		defer mu.Unlock()
		if down {
			return errDown
		}
		return nil
	}
	return func() {
		mu.Lock()
		defer mu.Unlock()
		down = false
	}
}

// pass lets time pass, and what is due in it happen.
func (w *world) pass(d time.Duration) {
	w.t.Helper()
	<-time.After(d)
	w.settle()
}

func (w *world) sayMany(u *botpresstest.EndUser, from, to int) (want []string) {
	w.t.Helper()
	for n := from; n < to; n++ {
		if err := u.Say(w.t.Context(), said(n)); err != nil {
			w.t.Fatal(err)
		}
		<-time.After(time.Millisecond) // Botpress counts in milliseconds
		want = append(want, fmt.Sprintf("Jane: said %d", n))
	}
	w.settle()
	return want
}

func (w *world) wantLog(ticket string, want []string) {
	w.t.Helper()
	if diff := cmp.Diff(want, w.log(ticket)); diff != "" {
		w.t.Errorf("ticket %s has (-want +got):\n%s", ticket, diff)
	}
}

func TestOutageOfTheDesk(t *testing.T) {
	for _, replicas := range []int{1, 3} {
		t.Run(fmt.Sprintf("%d replicas", replicas), func(t *testing.T) {
			inBubble(t, setting{replicas: replicas, cloud: once}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
				w.escalate(jane, "Help")
				lift := w.outage()
				want := w.sayMany(jane, 0, 5)
				w.pass(2 * time.Minute)
				if got := w.log("T-1"); len(got) > 0 {
					t.Fatalf("the desk has %q while it is down", got)
				}
				lift()
				w.pass(6 * time.Minute) // at most the longest backoff
				w.wantLog("T-1", want)
				w.wantLog("T-1", append(want, w.sayMany(jane, 5, 6)...))
			})
		})
	}
}

// A process that dies in the middle of a message leaves no trace of it. The sweep of another finds the message.
func TestMessageOfADeadProcess(t *testing.T) {
	inBubble(t, setting{cloud: once}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
		w.escalate(jane, "Help")
		lift := w.cloud.Fault(botpresstest.Fault{Operation: "message_created", Kind: botpresstest.DropBefore})
		want := w.sayMany(jane, 0, 3)
		lift()
		w.pass(20 * time.Minute)
		w.wantLog("T-1", want)
	})
}

// What was said before is delivered first, whatever order its dispatches arrive in, and at whichever replica.
func TestOrderOfParallelDispatches(t *testing.T) {
	for _, replicas := range []int{1, 3} {
		t.Run(fmt.Sprintf("%d replicas", replicas), func(t *testing.T) {
			shuffled := botpresstest.Options{Dispatch: botpresstest.DispatchShuffled}
			inBubble(t, setting{replicas: replicas, cloud: shuffled}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
				w.desk.Forgetful = true // nothing is in flight twice
				w.escalate(jane, "Help")
				calls := 0
				w.desk.Before = func(_ context.Context, method string) error {
					<-time.After(100 * time.Millisecond)
					if calls++; calls%7 == 0 {
						return errors.New("the desk hiccups")
					}
					return nil
				}
				want := w.sayMany(jane, 0, 20)
				w.pass(time.Minute)
				w.wantLog("T-1", want)
			})
		})
	}
}

func TestRefusedMessageBlocksNobody(t *testing.T) {
	inBubble(t, setting{cloud: once}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
		w.escalate(jane, "Help")
		calls := 0
		w.desk.Before = func(_ context.Context, method string) error {
			if calls++; calls == 2 {
				return hitl.Errorf("Acme Desk does not take this")
			}
			return nil
		}
		want := w.sayMany(jane, 0, 3)
		w.pass(time.Hour)
		w.wantLog("T-1", []string{want[0], want[2]})
	})
}

// What the owner can fix is told to the owner, and is no reason to refuse messages for good.
func TestOwnerMendsTheSignIn(t *testing.T) {
	cloud := once
	cloud.Plugin.Farewell = botpresstest.FarewellLast // Nothing is undelivered when the session ends.
	inBubble(t, setting{cloud: cloud}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
		w.escalate(jane, "Help")
		var ended atomic.Bool
		ended.Store(true)
		w.desk.Before = func(context.Context, string) error {
			if ended.Load() {
				return &hitl.Error{Message: "connect the account again", Temporary: true}
			}
			return nil
		}
		want := w.sayMany(jane, 0, 3)
		told := slices.ContainsFunc(w.cloud.Calls(), func(c botpresstest.Call) bool {
			return c.Operation == "message_created" && c.Status == http.StatusBadRequest && strings.Contains(string(c.Response), "connect the account again")
		})
		if !told {
			t.Error("the owner is not told")
		}
		w.pass(time.Hour)
		ended.Store(false)
		w.pass(20 * time.Minute)
		w.wantLog("T-1", want)

		ended.Store(true)
		if err := jane.StopHitl(t.Context()); err != nil {
			t.Errorf("the session cannot be ended: %v", err)
		}
		ended.Store(false)
		w.pass(20 * time.Minute)
		if ticket := w.desk.Tickets()[0]; ticket.Status != "closed" {
			t.Errorf("the ticket is %s", ticket.Status)
		}
	})
}

// A session that the desk does not have any more is over on both sides, and what is said in it is refused.
func TestSessionThatIsGone(t *testing.T) {
	gone := func(wrap func(error) error) func(context.Context, string) error {
		return func(_ context.Context, method string) error {
			switch method {
			case "StopHitl", "SendMessage", "Backfill":
				return wrap(&hitl.Error{Message: "There is no ticket.", Gone: true})
			}
			return nil
		}
	}
	for name, wrap := range map[string]func(error) error{
		"as it is": func(err error) error { return err }, "wrapped": func(err error) error { return fmt.Errorf("ticket 7: %w", err) },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, setting{cloud: once}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
				w.escalate(jane, "Help")
				w.desk.Before = gone(wrap)
				if err := jane.Say(t.Context(), message.Text{Text: "Hello?"}); err != nil {
					t.Fatal(err)
				}
				w.settle()
				if err := jane.StopHitl(t.Context()); err != nil {
					t.Errorf("the session cannot be ended: %v", err)
				}
				w.pass(time.Hour)
				stops := 0
				for _, c := range w.cloud.Calls() {
					if c.Operation == "message_created" && c.Status != http.StatusBadRequest {
						t.Errorf("the message was answered %d %s", c.Status, c.Response)
					}
					if c.Operation == "action_triggered" && strings.Contains(string(c.Request), "stopHitl") {
						stops++
					}
				}
				if stops != 1 {
					t.Errorf("stopHitl was called %d times, want once", stops)
				}
			})
		})
	}
}

// The server tries again when the desk has asked it to, and not earlier.
func TestDeskThatSaysWhen(t *testing.T) {
	inBubble(t, setting{cloud: once}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
		w.escalate(jane, "Help")
		var attempts []time.Time
		var mu sync.Mutex
		w.desk.Before = func(_ context.Context, method string) error {
			mu.Lock()
			defer mu.Unlock()
			if attempts = append(attempts, time.Now()); len(attempts) < 4 {
				return hitl.Retryable(90*time.Second, errors.New("the desk is busy"))
			}
			return nil
		}
		want := w.sayMany(jane, 0, 1)
		w.pass(10 * time.Minute)
		w.wantLog("T-1", want)
		mu.Lock()
		defer mu.Unlock()
		if len(attempts) != 4 {
			t.Fatalf("the desk was asked %d times, want 4", len(attempts))
		}
		for i, at := range attempts[1:] {
			if waited := at.Sub(attempts[i]); waited < 90*time.Second || waited > 2*time.Minute {
				t.Errorf("attempt %d came after %v", i+2, waited)
			}
		}
	})
}

// A desk that recognises no repetition gets each message once, though two replicas are sent it at the same moment.
func TestSendOnce(t *testing.T) {
	inBubble(t, setting{replicas: 3, sendOnce: true}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
		w.desk.Forgetful = true
		w.escalate(jane, "Help")
		w.desk.Before = func(context.Context, string) error {
			<-time.After(time.Second)
			return nil
		}
		defer w.cloud.Fault(botpresstest.Fault{Operation: "message_created", Kind: botpresstest.Duplicate})()
		want := w.sayMany(jane, 0, 5)
		w.pass(time.Minute)
		w.wantLog("T-1", want)
	})
}

// The end of the session waits for what was said before it, over an outage of the desk, too.
func TestStopAfterAnOutage(t *testing.T) {
	inBubble(t, setting{replicas: 2, cloud: once}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
		var did journal
		w.desk.After = func(_ context.Context, method string) error {
			did.add(method)
			return nil
		}
		w.escalate(jane, "Help")
		lift := w.outage()
		want := w.sayMany(jane, 0, 2)
		if err := jane.StopHitl(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.pass(time.Minute)
		before := len(did.all())
		lift()
		w.pass(10 * time.Minute)
		if ticket := w.desk.Tickets()[0]; ticket.Status != "closed" {
			t.Errorf("the ticket is %s", ticket.Status)
		}
		if after := did.all()[before:]; slices.Index(after, "StopHitl") < 2 {
			t.Errorf("the desk was asked to %v", after)
		}
		log := slices.DeleteFunc(w.log("T-1"), func(line string) bool { return strings.Contains(line, "has ended the session") })
		if diff := cmp.Diff(want, log); diff != "" {
			t.Errorf("the desk has (-want +got):\n%s", diff)
		}
	})
}

// Botpress' clock is what counts, however far ours is from it.
func TestClocksApart(t *testing.T) {
	for _, skew := range []time.Duration{6 * time.Second, -6 * time.Second, 4 * time.Minute, -4 * time.Minute} {
		t.Run(skew.String(), func(t *testing.T) {
			apart := botpresstest.Options{ClockSkew: skew, Plugin: botpresstest.PluginConfig{ActivationDelay: 2 * time.Second}}
			inBubble(t, setting{replicas: 2, cloud: apart}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
				w.workAtOnce(jane)
			})
		})
	}
}

// The log says so if the clocks differ, and once. That a Date has whole seconds is no difference.
func TestClockWarnings(t *testing.T) {
	for skew, want := range map[time.Duration]int{0: 0, 300 * time.Millisecond: 0, -time.Minute: 1, time.Minute: 1} {
		var log bytes.Buffer
		opts := hitl.Options{SweepEvery: 10 * time.Minute, Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))}
		inBubble(t, setting{server: opts, cloud: botpresstest.Options{ClockSkew: skew}}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
			<-time.After(700 * time.Millisecond)
			w.escalate(jane, "Help")
			<-time.After(6 * time.Hour)
			if n := strings.Count(log.String(), "our clock and Botpress' differ"); n != want {
				t.Errorf("with clocks that are %s apart, it is said %d times, want %d:\n%s", skew, n, want, &log)
			}
		})
	}
}

// A scheduler that is late by up to a second changes no order.
func TestSchedulerJitter(t *testing.T) {
	for seed := range uint64(5) {
		late := botpresstest.Options{Seed: seed, SchedulerJitter: time.Second, Plugin: botpresstest.PluginConfig{ActivationDelay: 2 * time.Second}}
		inBubble(t, setting{replicas: 3, cloud: late}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
			w.workAtOnce(jane)
		})
	}
}

// workAtOnce lets an agent do everything before the plugin is ready, and checks what the end user sees of it.
func (w *world) workAtOnce(jane *botpresstest.EndUser) {
	w.t.Helper()
	var agent sync.WaitGroup
	var want []string
	for n := range 6 {
		want = append(want, fmt.Sprintf("Alice Agent: reply %d", n))
	}
	agent.Go(func() {
		for len(w.desk.Tickets()) == 0 {
			<-time.After(time.Millisecond)
		}
		reports := []report{{Type: "assigned", TicketID: "T-1", Agent: alice}}
		for n := range 6 {
			reports = append(reports, comment(fmt.Sprintf("A-%d", n), fmt.Sprintf("reply %d", n)))
		}
		for _, r := range append(reports, report{Type: "closed", TicketID: "T-1"}) {
			if status, body := w.webhook(w.t.Context(), r); status != http.StatusOK {
				w.t.Errorf("the webhook %+v was answered %d %s", r, status, body)
			}
		}
	})
	w.escalate(jane, "Help")
	agent.Wait()
	w.pass(time.Minute)
	wantAgents(w.t, jane, want...)
	if count(jane, "continue assisting you") != 1 || jane.Active() {
		w.t.Errorf("the end user has seen %q", seen(jane))
	}
}

// Who does not know whether an agent was announced does not announce them after another one, who has taken over meanwhile.
func TestAssignmentWithAnUnknownOutcome(t *testing.T) {
	for name, kind := range map[string]botpresstest.FaultKind{
		"it worked": botpresstest.DropAfter, "it worked, and a proxy answered": botpresstest.BadGateway, "it did not": botpresstest.DropBefore,
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, setting{replicas: 2}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
				w.escalate(jane, "Help")
				defer w.cloud.Fault(botpresstest.Fault{Operation: "createEvent", Kind: kind, Times: 1})()
				var first sync.WaitGroup
				first.Go(func() { w.report(report{Type: "assigned", TicketID: "T-1", Agent: alice, EventID: "1"}) })
				<-time.After(100 * time.Millisecond)
				bob := map[string]any{"id": "agent-8", "name": "Bob"}
				w.report(report{Type: "assigned", TicketID: "T-1", Agent: bob, EventID: "2"}) // At the other replica.
				first.Wait()
				w.settle()
				want := 2
				if kind == botpresstest.DropBefore {
					want = 1 // Alice has it no more.
				}
				if n := count(jane, "has joined"); n != want {
					t.Errorf("agents were announced %d times, want %d", n, want)
				}
				w.report(report{Type: "assigned", TicketID: "T-1", Agent: alice, EventID: "3"})
				if n := count(jane, "has joined"); n != want+1 {
					t.Errorf("when Alice is back, agents were announced %d times, want %d", n, want+1)
				}
			})
		})
	}
}

// An assignment whose attempt died between its record and its event is reported by the next attempt.
func TestAssignmentWhoseAttemptDied(t *testing.T) {
	for _, wait := range []time.Duration{time.Minute + 15*time.Second, 5 * time.Minute, 3 * time.Hour} {
		t.Run(wait.String(), func(t *testing.T) {
			inBubble(t, setting{}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
				w.escalate(jane, "Help")
				bob := report{Type: "assigned", TicketID: "T-1", Agent: map[string]any{"id": "agent-8", "name": "Bob"}, EventID: "2"}
				w.report(report{Type: "assigned", TicketID: "T-1", Agent: alice, EventID: "1"})
				// The event is never created, and neither is the note that this has failed: the process has died.
				lift := []func(){
					w.cloud.Fault(botpresstest.Fault{Operation: "createEvent", Kind: botpresstest.InternalError}),
					w.cloud.Fault(botpresstest.Fault{Operation: "patchState", Kind: botpresstest.InternalError}),
				}
				if status, _ := w.webhook(t.Context(), bob); status == http.StatusOK {
					t.Fatal("the webhook was answered 200")
				}
				for _, f := range lift {
					f()
				}
				<-time.After(wait)
				w.report(bob)
				if n := count(jane, "has joined"); n != 2 {
					t.Errorf("agents were announced %d times, want 2", n)
				}
			})
		})
	}
}

// A desk reports our message back as an agent's, before the replica that sends it has written that it is ours.
func TestEarlyEchoAtAnotherReplica(t *testing.T) {
	inBubble(t, setting{replicas: 2}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
		w.escalate(jane, "Help")
		var echoes sync.WaitGroup
		w.desk.After = func(_ context.Context, method string) error {
			ids := w.desk.Comments("T-1")
			if method != "SendMessage" {
				return nil
			}
			echo := comment(ids[len(ids)-1], "Where is my parcel?")
			echo.Agent = map[string]any{"id": "api", "name": "API"}
			for range 2 { // one for each replica
				echoes.Go(func() {
					for {
						if status, _ := w.webhook(t.Context(), echo); status == http.StatusOK {
							return
						}
						<-time.After(time.Second)
					}
				})
			}
			<-time.After(2 * time.Second)
			return nil
		}
		w.say(jane, message.Text{Text: "Where is my parcel?"})
		echoes.Wait()
		wantAgents(t, jane)
		w.desk.After = nil
		w.report(comment("A-1", "Where is my parcel?")) // the same words, and an agent's
		wantAgents(t, jane, "Alice Agent: Where is my parcel?")
	})
}

// A desk that needs all of the operation's time has opened a ticket. It is not forgotten.
func TestTicketOfASlowDesk(t *testing.T) {
	inBubble(t, setting{replicas: 2}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
		var starts atomic.Int64
		w.desk.After = func(ctx context.Context, method string) error {
			if method == "StartHitl" {
				starts.Add(1)
				<-ctx.Done() // and then it answers
			}
			return nil
		}
		w.escalate(jane, "Help")
		w.wantTickets(1)
		if n := starts.Load(); n != 1 {
			t.Errorf("the desk was asked %d times to open the session, want once", n)
		}
		attempts := 0
		for _, c := range w.cloud.Calls() {
			if c.Type == "createTicket" { // startHitl, as Acme Desk calls it
				attempts++
			}
		}
		if attempts != 1 { // Between two of them, the process that knows the ticket could die.
			t.Errorf("Botpress had to ask %d times, want once", attempts)
		}
	})
}

// A ticket whose link could not be written is not opened again by the process that knows it.
func TestTicketThatCouldNotBeLinked(t *testing.T) {
	inBubble(t, setting{}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
		starts := 0
		lift := w.cloud.Fault(botpresstest.Fault{Operation: "updateConversation", Kind: botpresstest.InternalError, Times: 4})
		defer lift()
		w.desk.After = func(_ context.Context, method string) error {
			if method == "StartHitl" {
				starts++
			}
			return nil
		}
		w.escalate(jane, "Help")
		if starts != 1 {
			t.Errorf("the desk was asked %d times to open the session, want once", starts)
		}
	})
}

// A stopHitl whose calls of the API fail is not forgotten, though Botpress does not repeat it.
func TestStopHitlWhileTheAPIFails(t *testing.T) {
	inBubble(t, setting{cloud: once}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
		w.escalate(jane, "Help")
		lift := w.cloud.Fault(botpresstest.Fault{Operation: botpresstest.AnyAPICall, Kind: botpresstest.InternalError})
		if err := jane.StopHitl(t.Context()); err == nil {
			t.Error("the bot was told that all is well")
		}
		lift()
		w.pass(10 * time.Minute)
		if ticket := w.desk.Tickets()[0]; ticket.Status != "closed" {
			t.Errorf("the ticket is %s", ticket.Status)
		}
	})
}

// A process that dies while it ends a session has written that it is closing. Another finishes it.
func TestStopHitlOfADeadProcess(t *testing.T) {
	inBubble(t, setting{cloud: once, server: hitl.Options{Timeout: 10 * time.Second}}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
		var dying atomic.Bool
		w.desk.Before = func(ctx context.Context, method string) error {
			if method == "StopHitl" && dying.Load() {
				panic("the process dies")
			}
			return nil
		}
		w.escalate(jane, "Help")
		dying.Store(true)
		_ = jane.StopHitl(t.Context())
		dying.Store(false)
		w.pass(20 * time.Minute)
		if ticket := w.desk.Tickets()[0]; ticket.Status != "closed" {
			t.Errorf("the ticket is %s", ticket.Status)
		}
	})
}

// Replies that wait for the plugin when the end user ends the session reach nobody. Somebody is told.
func TestScheduledRepliesAtTheEnd(t *testing.T) {
	var log bytes.Buffer
	inBubble(t, setting{server: hitl.Options{SweepEvery: -1, Logger: slog.New(bplog.NewHandler(&log, nil))}}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
		if err := jane.Escalate(t.Context(), botpresstest.Escalation{Title: "Help"}); err != nil {
			t.Fatal(err)
		}
		w.report(comment("A-1", "Hello"))
		if err := jane.StopHitl(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.pass(time.Minute)
		wantAgents(t, jane)
		if !strings.Contains(log.String(), "reached nobody message=A-1") {
			t.Errorf("nobody is told that a reply reached nobody:\n%s", &log)
		}
	})
}

// What an adapter's panic breaks in a sweep is that sweep alone.
func TestPanicInASweep(t *testing.T) {
	inBubble(t, setting{cloud: once}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
		var panics atomic.Int32
		w.desk.Before = func(_ context.Context, method string) error {
			if method == "SendMessage" && panics.Add(1) == 1 {
				panic("oh")
			}
			return nil
		}
		w.escalate(jane, "Help")
		lift := w.cloud.Fault(botpresstest.Fault{Operation: "message_created", Kind: botpresstest.DropBefore})
		want := w.sayMany(jane, 0, 1)
		lift()
		w.pass(40 * time.Minute)
		w.wantLog("T-1", want)
		if panics.Load() < 2 {
			t.Error("the adapter has not panicked")
		}
	})
}

// A text that is longer than the desk takes arrives in parts.
func TestLongTexts(t *testing.T) {
	makeServer := func(desk *acme.Desk) func(*hitl.Options) (*hitl.Server, error) {
		return func(opts *hitl.Options) (*hitl.Server, error) {
			def := acme.Definition(true)
			def.MaxText, def.TextUnit = 20, message.Runes
			return acme.NewServer(def, desk, opts)
		}
	}
	var desk acme.Desk
	inBubble(t, setting{make: makeServer(&desk)}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
		w.desk = &desk
		w.escalate(jane, "Help")
		w.say(jane, message.Text{Text: "One two three four five six seven eight nine ten."})
		w.wantLog("T-1", []string{"Jane: One two three four", "Jane: five six seven eight", "Jane: nine ten."})
		for _, id := range w.desk.Comments("T-1") {
			w.report(comment(id, "an echo"))
		}
		wantAgents(t, jane)
	})
}

// A bloc is one message where the desk wants it so, unless it is longer than what the desk takes.
func TestJoinBlocs(t *testing.T) {
	var desk acme.Desk
	makeServer := func(opts *hitl.Options) (*hitl.Server, error) {
		def := acme.Definition(true)
		def.JoinBlocs, def.MaxText, def.TextUnit = true, 20, message.Runes
		return acme.NewServer(def, &desk, opts)
	}
	inBubble(t, setting{make: makeServer}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
		w.desk = &desk
		w.escalate(jane, "Help")
		bloc := func(texts ...string) message.Bloc {
			var b message.Bloc
			for _, text := range texts {
				b.Items = append(b.Items, message.Text{Text: text})
			}
			return b
		}
		w.say(jane, bloc("one", "two"))
		w.say(jane, bloc("three"))
		w.say(jane, bloc("four five six", "seven eight nine"))
		w.wantLog("T-1", []string{"Jane: one\n\ntwo", "Jane: three", "Jane: four five six", "Jane: seven eight nine"})
		for _, id := range w.desk.Comments("T-1") {
			w.report(comment(id, "an echo"))
		}
		w.report(comment("A-1", "one\n\ntwo"))
		wantAgents(t, jane, "Alice Agent: one\n\ntwo")
	})
}

// A startHitl that arrives a second time when the plugin is at work already does not move the activation window.
func TestLateDuplicateOfStartHitl(t *testing.T) {
	inBubble(t, setting{replicas: 2}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
		w.escalate(jane, "Help")
		w.say(jane, message.Text{Text: "Hello?"})
		w.report(comment("A-0", "reply 0"))
		if status := w.dispatch("action_triggered", w.lastAction("createTicket")); status != http.StatusOK {
			t.Fatalf("answered %d", status)
		}
		for n := range 4 {
			w.report(comment(fmt.Sprintf("A-%d", n), fmt.Sprintf("reply %d", n)))
		}
		want := []string{"Alice Agent: reply 0", "Alice Agent: reply 1", "Alice Agent: reply 2", "Alice Agent: reply 3"}
		wantAgents(t, jane, want...) // at once
		w.pass(time.Minute)
		wantAgents(t, jane, want...) // and once
	})
}

// Two sessions whose inputs differ in a digit that a float64 does not have.
func TestLargeNumbersInTheStartKey(t *testing.T) {
	var api spy
	s := (&fakeDesk{}).server(t, hitl.Options{SweepEvery: -1, Botpress: botpress.Options{HTTPClient: api.client()}})
	for _, n := range []string{"9007199254740992", "9007199254740993"} {
		ask(s, request([2]string{"action_triggered", `{"type":"startHitl","input":{"userId":"user_1","messageHistory":[],"more":` + n + `}}`}))
	}
	sent := api.sent("/v1/chat/conversations/get-or-create")
	if len(sent) != 2 || sent[0] == sent[1] {
		t.Errorf("the start keys are of one session: %q", sent)
	}
}

// A desk that does not store the conversation's id reports a session that another replica is still opening.
func TestSessionThatAnotherReplicaOpens(t *testing.T) {
	inBubble(t, setting{replicas: 3}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
		w.desk.After = func(_ context.Context, method string) error {
			if method != "StartHitl" {
				return nil
			}
			for n := range 3 { // one for each replica
				r := comment(fmt.Sprintf("A-%d", n), "Hello")
				r.TicketID = "T-unknown" // whose conversation the desk does not name
				if status, _ := w.webhook(t.Context(), r); status == http.StatusOK {
					t.Error("an event that may be of the session was ignored")
				}
			}
			return nil
		}
		w.escalate(jane, "Help")
		w.desk.After = nil
		before := 0
		for n := range 9 {
			r := comment(fmt.Sprintf("B-%d", n), "Hello")
			r.TicketID = "T-unknown"
			w.report(r)
			if n == 2 {
				before = w.apiCalls() // each replica has looked it up
			}
		}
		if cost := w.apiCalls() - before; cost != 0 {
			t.Errorf("six more events of a foreign session cost %d calls", cost)
		}
	})
}

// The answer to startHitl gets lost, and Botpress repeats it so late that the plugin has ignored what an agent did meanwhile.
func TestStartHitlThatIsAnsweredLate(t *testing.T) {
	for _, lost := range []int{1, 2} { // answers
		for _, delay := range []time.Duration{time.Second, 3 * time.Second, 7 * time.Second, 40 * time.Second} {
			t.Run(fmt.Sprintf("%d answers lost, asked again after %s", lost, delay), func(t *testing.T) {
				startHitlThatIsAnsweredLate(t, lost, delay)
			})
		}
	}
}

func startHitlThatIsAnsweredLate(t *testing.T, lost int, delay time.Duration) {
	bob := map[string]any{"id": "agent-8", "name": "Bob Agent"}
	inBubble(t, setting{replicas: 3, cloud: botpresstest.Options{RetryDelay: delay}}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
		defer w.cloud.Fault(botpresstest.Fault{Operation: "action_triggered", Kind: botpresstest.DropAfter, Skip: 1, Times: lost})()
		var agents sync.WaitGroup
		var want []string
		agents.Go(func() {
			for len(w.desk.Tickets()) == 0 {
				<-time.After(10 * time.Millisecond)
			}
			for n := range 6 {
				switch n {
				case 0:
					w.webhook(t.Context(), report{Type: "assigned", TicketID: "T-1", Agent: alice})
				case 3:
					w.webhook(t.Context(), report{Type: "assigned", TicketID: "T-1", Agent: bob})
				}
				c := comment(fmt.Sprintf("A-%d", n), fmt.Sprintf("reply %d", n))
				if n >= 3 {
					c.Agent = bob
				}
				w.webhook(t.Context(), c)
				<-time.After(time.Second)
			}
		})
		for n := range 6 {
			name := "Alice Agent"
			if n >= 3 {
				name = "Bob Agent"
			}
			want = append(want, fmt.Sprintf("%s: reply %d", name, n))
		}
		w.escalate(jane, "Help")
		agents.Wait()
		w.pass(time.Minute)
		wantAgents(t, jane, want...)
		var order []string
		for _, m := range jane.Received()[1:] {
			order = append(order, message.PlainText(m.Message))
		}
		const joined = "A human agent has joined the conversation."
		want = []string{joined, "reply 0", "reply 1", "reply 2", joined, "reply 3", "reply 4", "reply 5"}
		if diff := cmp.Diff(want, order); diff != "" {
			t.Errorf("what the end user was shown (-want +got):\n%s", diff)
		}
	})
}

// What agents do while a session starts again is written down, and waits until what came before is repeated. That may say the
// same already, and another agent may have followed meanwhile, at another replica.
func TestAssignmentThatWaitsForASessionToStartAgain(t *testing.T) {
	bob := map[string]any{"id": "agent-8", "name": "Bob Agent"}
	for name, test := range map[string]struct{ before, meanwhile []map[string]any }{
		"an agent is back":    {before: []map[string]any{alice, bob}, meanwhile: []map[string]any{alice}},
		"another one follows": {meanwhile: []map[string]any{bob, alice}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, setting{replicas: 2, cloud: botpresstest.Options{RetryDelay: 3 * time.Second}}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
				defer w.cloud.Fault(botpresstest.Fault{Operation: "action_triggered", Kind: botpresstest.DropAfter, Skip: 1, Times: 1})()
				var agents sync.WaitGroup
				assign := func(n int, agent map[string]any) {
					w.webhook(t.Context(), report{Type: "assigned", TicketID: "T-1", Agent: agent, EventID: fmt.Sprint(n)})
				}
				agents.Go(func() {
					for len(w.desk.Tickets()) == 0 {
						<-time.After(10 * time.Millisecond)
					}
					for n, agent := range test.before {
						assign(n, agent)
					}
					<-time.After(3500 * time.Millisecond) // Botpress has repeated startHitl.
					for n, agent := range test.meanwhile {
						agents.Go(func() { assign(10+n, agent) })
						<-time.After(100 * time.Millisecond)
					}
				})
				w.escalate(jane, "Help")
				agents.Wait()
				w.pass(time.Minute)
				if n := count(jane, "has joined"); n != 1 {
					t.Errorf("agents were announced %d times to a plugin that has ignored all before, want once", n)
				}
				w.report(comment("A-1", "Hello"))
				wantAgents(t, jane, "Alice Agent: Hello")
				if n := count(jane, "has joined"); n != 1 {
					t.Error("the agent who has it was announced when she wrote")
				}
			})
		})
	}
}

// What is said again to a session that starts again is said once, also if a proxy answers in Botpress' place.
func TestRepeatThroughABadGateway(t *testing.T) {
	inBubble(t, setting{cloud: botpresstest.Options{RetryDelay: 3 * time.Second}}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
		defer w.cloud.Fault(botpresstest.Fault{Operation: "action_triggered", Kind: botpresstest.DropAfter, Skip: 1, Times: 1})()
		defer w.cloud.Fault(botpresstest.Fault{Operation: "createEvent", Kind: botpresstest.BadGateway, Skip: 1, Times: 1})()
		var agent sync.WaitGroup
		agent.Go(func() {
			for len(w.desk.Tickets()) == 0 {
				<-time.After(10 * time.Millisecond)
			}
			w.webhook(t.Context(), report{Type: "assigned", TicketID: "T-1", Agent: alice, EventID: "1"})
		})
		w.escalate(jane, "Help")
		agent.Wait()
		w.pass(time.Minute)
		if n, events := count(jane, "has joined"), w.cloud.Count("createEvent"); n != 1 || events != 2 {
			t.Errorf("an agent was announced %d times by %d events, want once by the second", n, events)
		}
	})
}

// What an agent has done is said again to a session that starts again, also if the first attempt fails and has done nothing: that the same
// was said before is no reason to believe that it was said again.
func TestRepeatThatFailsOnce(t *testing.T) {
	for _, kind := range []botpresstest.FaultKind{botpresstest.Unavailable, botpresstest.RateLimited, botpresstest.DropBefore, botpresstest.BadGateway} {
		for act, want := range map[string]string{"assigned": "has joined", "closed": "closed the conversation"} {
			t.Run(string(kind)+" "+act, func(t *testing.T) {
				inBubble(t, setting{cloud: botpresstest.Options{RetryDelay: 3 * time.Second}}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
					defer w.cloud.Fault(botpresstest.Fault{Operation: "action_triggered", Kind: botpresstest.DropAfter, Skip: 1, Times: 1})()
					defer w.cloud.Fault(botpresstest.Fault{Operation: "createEvent", Kind: kind, Skip: 1, Times: 1})()
					var agent sync.WaitGroup
					agent.Go(func() {
						<-time.After(2 * time.Second)
						w.webhook(t.Context(), report{Type: act, TicketID: "T-1", Agent: alice, EventID: "1"})
					})
					w.escalate(jane, "Help")
					agent.Wait()
					w.pass(2 * time.Hour)
					if n := count(jane, want); n != 1 {
						t.Errorf("%q was said %d times, by %d events", want, n, w.cloud.Count("createEvent"))
					}
				})
			})
		}
	}
}

// A message that waits for an earlier one, and is given up by Botpress while the desk is down, is delivered with that one.
func TestMessageThatWaitsForAnEarlierOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, u, ticket := bugWorld(t, features{})
		w.desk.SetDown(true)
		say(t, u, "one")
		say(t, u, "two")
		<-time.After(5 * time.Second)
		w.desk.SetDown(false)
		<-time.After(20 * time.Second)
		log := w.desk.TicketsByTitle("Help")[0].Log
		if got := log[len(log)-2:]; !strings.HasSuffix(got[0], ": one") || !strings.HasSuffix(got[1], ": two") {
			t.Errorf("ticket %s has %q, want both messages at its end", ticket, log)
		}
	})
}

// More sessions than a sweep takes are reconciled by the next ones.
func TestSweepOfManySessions(t *testing.T) {
	var mu sync.Mutex
	pages := map[string]int{}
	listed := 0
	transport := roundTrip(func(r *http.Request) (*http.Response, error) {
		if r.Method != http.MethodGet || r.URL.Path != "/v1/chat/conversations" {
			return botpressAPI{}.RoundTrip(r)
		}
		w := httptest.NewRecorder()
		q := r.URL.Query()
		if q.Get("tags.phase") != "open" {
			_, _ = io.WriteString(w, `{"conversations":[],"meta":{}}`)
			return w.Result(), nil
		}
		mu.Lock()
		defer mu.Unlock()
		page, _ := strconv.Atoi(q.Get("nextToken"))
		pages[strconv.Itoa(page)]++
		var list []string
		for n := range 100 {
			list = append(list, fmt.Sprintf(`{"id":"conv_%d_%d","channel":"hitl","updatedAt":"2026-01-01T00:00:00.000Z","tags":{"id":"T-1","phase":"open","startedAt":"1999-01-01T00:00:00.000Z"}}`, page, n))
			listed++
		}
		_, _ = fmt.Fprintf(w, `{"conversations":[%s],"meta":{"nextToken":"%d"}}`, strings.Join(list, ","), page+1)
		return w.Result(), nil
	})
	synctest.Test(t, func(t *testing.T) {
		s := (&fakeDesk{}).server(t, hitl.Options{SweepEvery: time.Hour, Botpress: botpress.Options{HTTPClient: &http.Client{Transport: transport}}})
		ask(s, request(webhook))
		<-time.After(3 * time.Hour)
	})
	for page, n := range pages {
		if n != 1 {
			t.Errorf("page %s was listed %d times, want once", page, n)
		}
	}
	if listed < 2000 || listed > 4000 {
		t.Errorf("%d sessions were listed by three sweeps, want about a thousand each", listed)
	}
}

// Botpress gives startHitl up while the desk opens the ticket, or before that is written down. No plugin knows of the session, so
// it ends in the desk.
func TestStartHitlThatBotpressGivesUp(t *testing.T) {
	hurried := botpresstest.Options{Attempts: 1, Timeout: 5 * time.Second}
	wantStatus := func(t *testing.T, w *world, after time.Duration, want string) {
		t.Helper()
		w.pass(after)
		tickets := w.desk.Tickets()
		if len(tickets) != 1 || tickets[0].Status != want {
			t.Errorf("after %s the desk has %+v, want one ticket that is %s", after, tickets, want)
		}
	}
	// slowly has the desk take a while for its first ticket.
	slowly := func(w *world) {
		var once sync.Once
		w.desk.After = func(_ context.Context, method string) error {
			if method == "StartHitl" {
				once.Do(func() { <-time.After(8 * time.Second) })
			}
			return nil
		}
	}
	t.Run("the desk is slow", func(t *testing.T) {
		inBubble(t, setting{cloud: hurried}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
			slowly(w)
			if err := jane.Escalate(t.Context(), botpresstest.Escalation{Title: "Help"}); err == nil {
				t.Fatal("Botpress has an answer")
			}
			w.pass(10 * time.Second)                                                // it is open
			if err := w.in.Configure(t.Context(), w.in.Configuration); err != nil { // a sweep follows
				t.Fatal(err)
			}
			wantStatus(t, w, 9*time.Minute, "open") // it may still be repeated
			wantStatus(t, w, 25*time.Minute, "closed")
			for _, conv := range w.cloud.Conversations() {
				if conv.Tags["acme-desk:id"] != "" && conv.Tags["acme-desk:phase"] != "closed" {
					t.Errorf("the conversation is still open: %v", conv.Tags)
				}
			}
		})
	})
	t.Run("the link could not be written", func(t *testing.T) {
		inBubble(t, setting{cloud: hurried}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
			lift := w.cloud.Fault(botpresstest.Fault{Operation: "updateConversation", Kind: botpresstest.InternalError})
			if err := jane.Escalate(t.Context(), botpresstest.Escalation{Title: "Help"}); err == nil {
				t.Fatal("Botpress has an answer")
			}
			wantStatus(t, w, time.Minute, "open")
			lift()
			wantStatus(t, w, 40*time.Minute, "closed")
		})
	})
	t.Run("Botpress waits for a slow desk", func(t *testing.T) {
		inBubble(t, setting{}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
			w.desk.After = func(_ context.Context, method string) error {
				if method == "StartHitl" {
					<-time.After(40 * time.Second) // longer than a body may take
				}
				return nil
			}
			w.escalate(jane, "Help")
			wantStatus(t, w, time.Hour, "open")
		})
	})
	t.Run("it is repeated", func(t *testing.T) {
		again := hurried
		again.Attempts = 2
		inBubble(t, setting{cloud: again, replicas: 2}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
			slowly(w)
			if err := jane.Escalate(t.Context(), botpresstest.Escalation{Title: "Help"}); err != nil {
				t.Fatal(err)
			}
			wantStatus(t, w, time.Hour, "open")
		})
	})
	t.Run("who hung up was not the plugin", func(t *testing.T) {
		inBubble(t, setting{}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
			w.escalate(jane, "Help")
			client, err := botpress.New(botpress.Options{
				BaseURL: "http://botpress.test", Token: w.cloud.Token, HTTPClient: w.client,
				BotID: w.cloud.BotID, IntegrationID: w.in.IntegrationID,
			})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := client.UpdateConversation(t.Context(), jane.DownstreamID(), botpress.UpdateConversationParams{
				Tags: botpress.Tags{"unanswered": "true"},
			}); err != nil {
				t.Fatal(err)
			}
			w.say(jane, message.Text{Text: "Hello?"})
			wantStatus(t, w, time.Hour, "open")
		})
	})
}

// However many messages wait for a desk that was down for long, all of them arrive, in order.
func TestLongOutbox(t *testing.T) {
	inBubble(t, setting{cloud: once}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
		w.escalate(jane, "Help")
		lift := w.outage()
		want := w.sayMany(jane, 0, 130)
		w.pass(2 * time.Minute)
		lift()
		w.pass(time.Hour)
		if diff := cmp.Diff(want, w.log("T-1")); diff != "" {
			t.Errorf("the desk has (-want +got):\n%s", diff)
		}
	})
}

// A message of which nothing is to be sent holds up nobody.
func TestEmptyBloc(t *testing.T) {
	inBubble(t, setting{cloud: once}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
		w.escalate(jane, "Help")
		w.must(jane.Say(t.Context(), message.Bloc{Items: []message.BlocItem{}}))
		w.settle()
		w.must(jane.Say(t.Context(), message.Text{Text: "Urgent"}))
		w.settle()
		<-time.After(time.Second)
		if got := w.log("T-1"); len(got) != 1 || !strings.Contains(got[0], "Urgent") {
			t.Errorf("a second after the message that follows an empty bloc, the desk has %q", got)
		}
	})
}

// An agent closes a ticket while words of the end user wait, and a desk reopens for what was said before the end. So they come as
// said after it, from whichever replica.
func TestWordsThatWaitAtTheEnd(t *testing.T) {
	agent := acme.Agent{ID: "agent-7", Name: "Alice Agent"}
	for name, test := range map[string]struct {
		replicas int
		cloud    botpresstest.Options
		first    func(lift func(), report func()) // what comes first: the desk is back, or the report of the end
	}{
		"the desk is back":       {1, once, func(lift, report func()) { lift(); report() }},
		"the session is over":    {3, once, func(lift, report func()) { report(); lift() }},
		"Botpress repeats words": {3, botpresstest.Options{RetryDelay: time.Second}, func(lift, report func()) { report(); lift() }},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, setting{replicas: test.replicas, cloud: test.cloud}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
				w.desk.Reopens = true
				w.escalate(jane, "Help")
				w.say(jane, message.Text{Text: "Hello?"})
				lift := w.outage()
				w.must(jane.Say(t.Context(), message.Text{Text: "Thank you!"}))
				w.must(jane.Say(t.Context(), message.Text{Text: "Bye."}))
				<-time.After(300 * time.Millisecond)
				if !w.desk.Close("T-1", agent) {
					t.Fatal("the ticket is closed already")
				}
				test.first(lift, func() { w.report(report{Type: "closed", TicketID: "T-1"}) })
				w.pass(time.Hour)
				w.wantLog("T-1", []string{"Jane: Hello?", "Jane: Thank you!", "Jane: Bye."})
				if got := w.desk.Tickets()[0].Status; got != "closed" || jane.Active() {
					t.Errorf("the ticket is %s; the end user is in the session: %t", got, jane.Active())
				}
			})
		})
	}
}

// An agent closes a ticket while a slow desk takes, one after another, what has waited. The process that sends it hears of the end
// from another one.
func TestEndAmongWordsThatWaited(t *testing.T) {
	agent := acme.Agent{ID: "agent-7", Name: "Alice Agent"}
	inBubble(t, setting{replicas: 3, cloud: once}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
		w.desk.Reopens = true
		w.escalate(jane, "Help")
		lift := w.outage()
		want := w.sayMany(jane, 0, 3)
		w.desk.After = func(_ context.Context, method string) error {
			if method == "SendMessage" {
				<-time.After(5 * time.Second)
			}
			return nil
		}
		lift()
		for len(w.log("T-1")) == 0 {
			<-time.After(100 * time.Millisecond)
		}
		w.desk.Close("T-1", agent)
		var reports sync.WaitGroup
		for range 3 { // One for each replica: that which sends is busy.
			reports.Go(func() { w.webhook(t.Context(), report{Type: "closed", TicketID: "T-1"}) })
		}
		reports.Wait()
		w.pass(time.Hour)
		w.wantLog("T-1", want)
		if got := w.desk.Tickets()[0].Status; got != "closed" || jane.Active() {
			t.Errorf("the ticket is %s; the end user is in the session: %t", got, jane.Active())
		}
	})
}

// A session that has started since it was listed as one that nobody opens stays as it is.
func TestSweepOfAListThatIsOld(t *testing.T) {
	var mu sync.Mutex
	var written []string
	transport := roundTrip(func(r *http.Request) (*http.Response, error) {
		w := httptest.NewRecorder()
		conversation := func(tags string) string {
			return `{"id":"conv_1","channel":"hitl","createdAt":"1999-01-01T00:00:00.000Z","tags":` + tags + `}`
		}
		switch {
		case r.Method == http.MethodGet && r.URL.Path == "/v1/chat/conversations" && r.URL.Query().Get("tags.phase") == "opening":
			_, _ = io.WriteString(w, `{"conversations":[`+conversation(`{"phase":"opening"}`)+`],"meta":{}}`)
		case r.Method == http.MethodGet && r.URL.Path == "/v1/chat/conversations/conv_1":
			_, _ = io.WriteString(w, `{"conversation":`+conversation(`{"id":"T-1","phase":"open","startedAt":"1999-01-01T00:00:00.000Z"}`)+`}`)
		case r.Method == http.MethodPut && r.URL.Path == "/v1/chat/conversations/conv_1":
			body, _ := io.ReadAll(r.Body)
			mu.Lock()
			written = append(written, string(body))
			mu.Unlock()
			_, _ = io.WriteString(w, `{"conversation":`+conversation(`{}`)+`}`)
		default:
			return botpressAPI{}.RoundTrip(r)
		}
		return w.Result(), nil
	})
	synctest.Test(t, func(t *testing.T) {
		s := (&fakeDesk{}).server(t, hitl.Options{SweepEvery: time.Hour, Botpress: botpress.Options{HTTPClient: &http.Client{Transport: transport}}})
		ask(s, request(webhook))
		<-time.After(90 * time.Minute)
	})
	if len(written) != 0 {
		t.Errorf("the sweep has written %q to a session that is open", written)
	}
}
