package hitl_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hitl-go/sdk/botpress/botpresstest"
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/internal/acme"
	"github.com/hitl-go/sdk/message"
)

// bugWorld is a world with its desk's own webhooks, and one session that is past its activation.
func bugWorld(t *testing.T, f features) (w *engineWorld, u *botpresstest.EndUser, ticket string) {
	t.Helper()
	w = newEngineWorld(t, f, 1)
	u = w.in.NewEndUser(botpresstest.Profile{Name: "Jane", Email: "jane@example.com"})
	if err := u.Escalate(t.Context(), botpresstest.Escalation{Title: "Help"}); err != nil {
		t.Fatal(err)
	}
	<-time.After(15 * time.Second)
	return w, u, w.desk.TicketsByTitle("Help")[0].ID
}

func say(t *testing.T, u *botpresstest.EndUser, text string) {
	t.Helper()
	if err := u.Say(t.Context(), message.Text{Text: text}); err != nil {
		t.Fatal(err)
	}
}

func agentsSaid(u *botpresstest.EndUser) []string {
	var texts []string
	for _, m := range u.Received() {
		if m.From == botpresstest.FromAgent {
			texts = append(texts, message.PlainText(m.Message))
		}
	}
	return texts
}

// all processes die while they hand a message over. Minutes later it is delivered, and the desk echoes it before it answers.
func TestEchoOfALateDelivery(t *testing.T) {
	for range 20 { // it shows when the echo reaches the other replica
		synctest.Test(t, echoOfALateDelivery)
	}
}

func echoOfALateDelivery(t *testing.T) {
	func(t *testing.T) {
		w, u, _ := bugWorld(t, features{replicas: 2, echo: true, early: 2 * time.Second})
		lost := time.Now().Add(time.Minute)
		w.desk.Before = func(_ context.Context, method string) error {
			if method != "SendMessage" || time.Now().After(lost) {
				return nil
			}
			for _, rep := range w.living() {
				rep.kill()
			}
			return &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
		}
		for i := range 5 {
			say(t, u, fmt.Sprintf("word %d", i))
		}
		<-time.After(4 * time.Minute)
		for range 4 { // wakes both up
			_ = w.in.Configure(t.Context(), w.in.Configuration)
		}
		<-time.After(time.Hour)
		if got := agentsSaid(u); len(got) > 0 {
			t.Errorf("the end user read their own words as an agent's: %q", got)
		}
	}(t)
}

// the marker of a bloc's second part cannot be written; the desk echoes a minute later.
func TestMarkerThatCouldNotBeWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, u, _ := bugWorld(t, features{echo: true, echoDelay: 5 * time.Minute, replicas: 2})
		lift := w.cloud.Fault(botpresstest.Fault{Operation: "importMessages", Kind: botpresstest.InternalError})
		if err := u.Say(t.Context(), message.Bloc{Items: []message.BlocItem{message.Text{Text: "one"}, message.Text{Text: "two"}}}); err != nil {
			t.Fatal(err)
		}
		<-time.After(2 * time.Minute)
		lift()
		for _, rep := range w.living() { // both are restarted
			rep.kill()
		}
		<-time.After(time.Hour)
		if got := agentsSaid(u); len(got) > 0 {
			t.Errorf("the end user read their own words as an agent's: %q", got)
		}
	})
}

// the desk cannot be read for 20 minutes, in which an agent writes; the reports of that time are lost. The read that succeeds
// in part must not hide the rest from the next one.
func TestBackfillThatBreaksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, u, ticket := bugWorld(t, features{readBack: true, once: true})
		ann := acme.Agent{ID: "ann", Name: "ANN"}
		w.desk.Assign(ticket, ann)
		<-time.After(time.Minute)
		w.desk.SetDown(true)
		for i := range 3 {
			w.desk.Reply(ticket, ann, fmt.Sprintf("reply %d", i))
			<-time.After(time.Second)
		}
		<-time.After(20 * time.Minute)
		// The desk is back, and the read back breaks off after the first of the three.
		lift := w.cloud.Fault(botpresstest.Fault{Operation: "initializeIncomingMessage", Kind: botpresstest.InternalError, Skip: 1})
		w.desk.SetDown(false)
		w.desk.Reply(ticket, ann, "reply 3")
		<-time.After(time.Minute)
		lift()
		<-time.After(2 * time.Hour)
		want := []string{"reply 0", "reply 1", "reply 2", "reply 3"}
		if got := agentsSaid(u); !slices.Equal(got, want) {
			t.Errorf("the end user has read %q, want %q", got, want)
		}
	})
}

// a replica dies while it holds the lease of the outbox. A reply of an agent and the end of the session must not wait for it.
func TestRepliesDoNotWaitForALease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, u, ticket := bugWorld(t, features{replicas: 2, forgetful: true})
		ann := acme.Agent{ID: "ann", Name: "ANN"}
		w.desk.Reply(ticket, ann, "first") // the author is known
		<-time.After(10 * time.Second)
		var refusals atomic.Int32
		w.desk.Before = func(_ context.Context, method string) error {
			if method != "SendMessage" || refusals.Add(1) > 2 {
				return nil
			}
			if refusals.Load() == 2 { // the retry dies with the lease in its hands
				for _, rep := range w.living() {
					rep.mu.Lock()
					rep.calls = 0
					rep.mu.Unlock()
				}
			}
			return &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
		}
		say(t, u, "hello")
		<-time.After(10 * time.Second)
		asked := time.Now()
		w.desk.Reply(ticket, ann, "second")
		<-time.After(time.Second)
		w.desk.Reply(ticket, ann, "third") // which may go to the replica that has passed the second one on
		for len(agentsSaid(u)) < 3 && time.Since(asked) < 10*time.Minute {
			<-time.After(100 * time.Millisecond)
		}
		if took := time.Since(asked); took > 30*time.Second {
			t.Errorf("a reply took %s: %s", took, strings.Join(agentsSaid(u), ", "))
		}
	})
}

// E14: the API hangs until stopHitl's time is up. It must not be answered as if the end were known: the process dies.
func TestBugStopIsAnsweredButNotWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, u, ticket := bugWorld(t, features{replicas: 2})
		lift := w.cloud.Fault(botpresstest.Fault{Operation: botpresstest.AnyAPICall, Kind: botpresstest.Delay, Delay: 3 * time.Minute})
		err := u.StopHitl(t.Context())
		lift()
		for _, rep := range w.living() {
			rep.kill()
		}
		<-time.After(3 * time.Hour)
		if status := w.desk.TicketsByTitle("Help")[0].Status; err == nil && status != "closed" {
			t.Errorf("stopHitl was answered, and the ticket %s is %s", ticket, status)
		}
	})
}

// a desk that recognises no repetition has taken a message, and its answer was lost. So it has the message twice, and it echoes
// both: nobody knows the first one's id.
func TestEchoOfAMessageThatTheDeskHasTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, u, _ := bugWorld(t, features{forgetful: true, echo: true, echoDelay: 20 * time.Second, replicas: 2})
		var lost atomic.Bool
		w.desk.After = func(_ context.Context, method string) error {
			if method == "SendMessage" && lost.CompareAndSwap(false, true) {
				return &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}
			}
			return nil
		}
		say(t, u, "my words")
		<-time.After(time.Hour)
		if got := agentsSaid(u); len(got) > 0 || !lost.Load() {
			t.Errorf("the end user read their own words as an agent's: %q", got)
		}
	})
}

// the one report of a reply comes while the desk cannot be read. It is read back soon after it can be, and not by the next sweep.
func TestReadBackIsRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, u, ticket := bugWorld(t, features{readBack: true, once: true})
		w.desk.SetDown(true)
		w.desk.Reply(ticket, acme.Agent{ID: "ann", Name: "ANN"}, "hello")
		<-time.After(10 * time.Second)
		w.desk.SetDown(false)
		<-time.After(30 * time.Second)
		if got := agentsSaid(u); !slices.Equal(got, []string{"hello"}) {
			t.Errorf("the end user has read %q, want the reply", got)
		}
	})
}

// three replicas poll the desk, and send the same replies at the same moment. It depends on the scheduler whether they do.
func TestPolledReplicasDoNotStarve(t *testing.T) {
	for range 6 {
		synctest.Test(t, func(t *testing.T) {
			playWorld(t, features{replicas: 3, polled: true, readBack: true, notes: true, sessions: 17}, 29)
		})
	}
}

// The desk reports the end of a session twice. A replica that still takes it for open does not announce it again.
func TestEndIsAnnouncedOnce(t *testing.T) {
	inBubble(t, setting{replicas: 2, cloud: once, server: hitl.Options{SweepEvery: -1}}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
		w.escalate(jane, "Help")
		for i := range 4 { // Both replicas know the session.
			w.report(comment(fmt.Sprint("A-", i), "Hello"))
		}
		for range 4 {
			w.webhook(t.Context(), report{Type: "closed", TicketID: "T-1"})
			w.settle()
		}
		announced := 0
		for _, e := range w.cloud.Events() {
			if strings.HasSuffix(e.Type, "hitlStopped") {
				announced++
			}
		}
		if announced != 1 {
			t.Errorf("the end was announced %d times", announced)
		}
	})
}
