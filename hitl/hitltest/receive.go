package hitltest

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hitl-go/sdk/botpress/botpresstest"
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/message"
)

// deliverFunc is how the server takes what the adapters of the installation receive.
func (t *trial) deliverFunc() deliverFunc {
	t.Helper()
	late := time.NewTimer(shortTimeout)
	defer late.Stop()
	select {
	case <-t.in.serving:
	case <-late.C:
		t.Fatalf("The server does not run Receive.")
	}
	t.in.mu.Lock()
	defer t.in.mu.Unlock()
	return t.in.deliver
}

// receive runs Receive, again and again, as the server does, until it is stopped. Stop reports whether Receive then returned
// in time.
func (t *trial) receive(r hitl.Receiver, deliver deliverFunc) (stop func() (inTime bool)) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			err := receiveOnce(ctx, r, func(ctx context.Context, events ...hitl.Event) error {
				err := deliver(ctx, events...)
				t.note("Receive delivers %s → %v", truncate(fmt.Sprintf("%#v", events)), err)
				return err
			})
			t.note("Receive → %v", err)
			backoff := time.NewTimer(100 * time.Millisecond)
			select {
			case <-backoff.C:
			case <-ctx.Done():
				backoff.Stop()
			}
		}
	}()
	return func() bool {
		cancel()
		late := time.NewTimer(t.suite.times.prompt)
		defer late.Stop()
		select {
		case <-done:
			return true
		case <-late.C:
			return false
		}
	}
}

func receiveOnce(ctx context.Context, r hitl.Receiver, deliver deliverFunc) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	return r.Receive(ctx, deliver)
}

// mustReceive stops the Receive that runs, and runs that of a replica until the trial ends.
func (t *trial) mustReceive(deliver deliverFunc) {
	t.Helper()
	t.stopReceive()
	r, _ := optional[hitl.Receiver](t.replica()) // The rule is for receivers.
	t.stopReceive = t.receive(r, deliver)
}

func receiveTwice(t *trial) {
	u := t.escalate()
	deliver := t.deliverFunc()
	var lost atomic.Int32
	t.mustReceive(func(ctx context.Context, events ...hitl.Event) error {
		err := deliver(ctx, events...)
		if err == nil && concern(events, u.Session()) && lost.Add(1) <= 2 {
			return errors.New("the suite has dropped the answer")
		}
		return err
	})
	words := append(t.mustHear(u), t.mustHear(u)...) // Before the second one, the first is delivered again.
	t.mustReceive(deliver)
	words = append(words, t.mustHear(u)...)
	t.stopReceive()
	t.bot.settle()
	lines := u.lines()
	for _, word := range words {
		if n := count(lines, word); n > 1 {
			t.Errorf("The agent wrote %q in the desk, Receive was run again after the answer was lost, and the end user received it %d times: %q", word, n, lines)
		}
	}
}

func receiveRestart(t *trial) {
	u := t.escalate()
	t.mustHear(u)
	if !t.stopReceive() {
		t.Errorf("The context of Receive ended, and after %s it had not returned.", t.suite.times.prompt)
	}
	between := unique("between")
	t.suite.desk.Act(u.Session(), between)
	deliver := t.deliverFunc()
	var failures atomic.Int32
	t.mustReceive(func(ctx context.Context, events ...hitl.Event) error {
		if concern(events, u.Session()) && failures.Add(-1) >= 0 {
			return errors.New("the suite has dropped the events")
		}
		return deliver(ctx, events...)
	})
	t.mustHear(u)
	t.mustArrive(u, []string{between}, "while Receive did not run")

	failures.Store(2)
	t.mustArrive(u, t.mustHear(u), "while deliver returned errors")
}

// mustArrive waits until the end user has received all words.
func (t *trial) mustArrive(u *EndUser, words []string, when string) {
	t.Helper()
	lost := func() []string {
		lines := u.lines()
		return slices.DeleteFunc(slices.Clone(words), func(word string) bool { return count(lines, word) > 0 })
	}
	all := func(botpresstest.Received) bool { return len(lost()) == 0 }
	if !all(botpresstest.Received{}) && !u.seesWithin(t.suite.times.arrival, all) {
		t.Errorf("The agent wrote %q in the desk %s, and the end user did not receive it: %q", lost(), when, u.lines())
	}
}

// mustHear has the agent write in the desk, without a webhook, until the end user receives something of it: a receiver may
// need a moment to connect.
func (t *trial) mustHear(u *EndUser) (words []string) {
	t.Helper()
	for range t.suite.times.arrival / time.Second {
		word := unique("acted")
		words = append(words, word)
		t.suite.desk.Act(u.Session(), word)
		if u.seesWithin(time.Second, func(r botpresstest.Received) bool { return strings.Contains(message.PlainText(r.Message), word) }) {
			return words
		}
	}
	t.Fatalf("The agent wrote %q in the desk, of which Receive should hear, and nothing has reached the end user within %s. The end user received: %q",
		words, t.suite.times.arrival, u.lines())
	return nil
}

// concern reports whether one of the events is of a session.
func concern(events []hitl.Event, s Session) bool {
	return slices.ContainsFunc(events, func(e hitl.Event) bool {
		sessionID, conversationID := sessionOf(e)
		return sessionID != "" && sessionID == s.ID || conversationID != "" && conversationID == s.ConversationID
	})
}

// sessionOf are the names of an event's session.
func sessionOf(e hitl.Event) (sessionID, conversationID string) {
	switch e := e.(type) {
	case hitl.Assigned:
		return e.SessionID, e.ConversationID
	case hitl.Replied:
		return e.SessionID, e.ConversationID
	case hitl.Stopped:
		return e.SessionID, e.ConversationID
	case hitl.Changed:
		return e.SessionID, e.ConversationID
	default:
		return "", ""
	}
}
