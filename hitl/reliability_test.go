package hitl_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
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
	"github.com/hitl-go/sdk/internal/lease"
	"github.com/hitl-go/sdk/message"
)

// The tests of this file are the table in docs/reliability.md: one way to fail each.

// inBubble runs a test in a world of its own, with an end user in it.
func inBubble(t *testing.T, s setting, f func(t *testing.T, w *world, jane *botpresstest.EndUser)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, s)
		f(t, w, w.in.NewEndUser(botpresstest.Profile{Name: "Jane", Email: "jane@example.com"}))
	})
}

// log is what a ticket has besides its history.
func (w *world) log(ticketID string) []string {
	for _, ticket := range w.desk.Tickets() {
		if ticket.ID == ticketID {
			return slices.DeleteFunc(ticket.Log, func(line string) bool { return strings.HasPrefix(line, "history ") })
		}
	}
	return nil
}

func (w *world) say(u *botpresstest.EndUser, m message.Message) {
	w.t.Helper()
	if err := u.Say(w.t.Context(), m); err != nil {
		w.t.Fatal(err)
	}
	w.settle()
}

// failing makes a hook that fails a method of the desk the first n times.
func failing(method string, n int, err error) func(context.Context, string) error {
	return func(_ context.Context, m string) error {
		if m != method || n == 0 {
			return nil
		}
		n--
		return err
	}
}

// lastAction is the body of the last request for an action of the desk.
func (w *world) lastAction(name string) (body string) {
	for _, c := range w.cloud.Calls() {
		if c.Type == name {
			body = string(c.Request)
		}
	}
	return body
}

// wantTickets checks how many tickets there are, and how many conversations stand for them.
func (w *world) wantTickets(n int) {
	w.t.Helper()
	if got := len(w.desk.Tickets()); got != n {
		w.t.Errorf("the desk has %d tickets, want %d", got, n)
	}
	conversations := 0
	for _, c := range w.cloud.Conversations() {
		if c.Channel == "supportTicket" {
			conversations++
		}
	}
	if conversations != n {
		w.t.Errorf("Botpress has %d conversations with the desk, want %d", conversations, n)
	}
}

// wantAgents checks what agents said, as the end user saw it.
func wantAgents(t *testing.T, u *botpresstest.EndUser, want ...string) {
	t.Helper()
	var got []string
	for _, m := range u.Received() {
		if m.From == botpresstest.FromAgent {
			got = append(got, m.Name+": "+message.PlainText(m.Message))
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("agents said, as the end user saw it (-want +got):\n%s", diff)
	}
}

func count(u *botpresstest.EndUser, text string) int {
	n := 0
	for _, line := range seen(u) {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

func comment(id, text string) report {
	return report{Type: "comment", TicketID: "T-1", Agent: alice, CommentID: id, Text: text}
}

func TestStartHitlWhoseAnswerIsLost(t *testing.T) {
	inBubble(t, setting{replicas: 3}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
		lift := w.cloud.Fault(botpresstest.Fault{Operation: "action_triggered", Kind: botpresstest.DropAfter, Skip: 1, Times: 2})
		defer lift()
		w.escalate(jane, "Help")
		w.wantTickets(1)
	})
}

func TestStartHitlAtTwoReplicasAtOnce(t *testing.T) {
	inBubble(t, setting{replicas: 2}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
		w.desk.Before = func(ctx context.Context, method string) error {
			if method == "StartHitl" {
				<-time.After(3 * time.Second) // long enough for the other one to come
			}
			return nil
		}
		defer w.cloud.Fault(botpresstest.Fault{Operation: "action_triggered", Kind: botpresstest.Duplicate})()
		starts := 0
		w.desk.After = func(_ context.Context, method string) error {
			if method == "StartHitl" {
				starts++
			}
			return nil
		}
		w.escalate(jane, "Help")
		w.wantTickets(1)
		if starts != 1 {
			t.Errorf("the desk was asked %d times to open the session, want once", starts)
		}
	})
}

// An attempt died and left its lease behind. When that has expired, two replicas are asked at once, and a write of the lease
// comes through late. The ticket is opened once all the same.
func TestStartHitlAtTwoReplicasWithAnExpiredLease(t *testing.T) {
	const expiry = time.Minute + lease.MaxSkew // the lease of an operation, and the clocks' difference
	for _, tt := range []struct {
		name    string
		release botpresstest.Fault // of the attempt that died
		write   botpresstest.Fault // of who takes over
	}{
		{name: "no write is late", release: botpresstest.Fault{Kind: botpresstest.DropBefore}},
		{
			name:    "an overwrite is late",
			release: botpresstest.Fault{Kind: botpresstest.DropBefore},
			write:   botpresstest.Fault{Kind: botpresstest.Late, Delay: 4 * time.Second},
		},
		{
			name:    "the release comes before the overwrites",
			release: botpresstest.Fault{Kind: botpresstest.Late, Delay: expiry},
		},
		{
			name:    "the release comes right after the overwrites",
			release: botpresstest.Fault{Kind: botpresstest.Late, Delay: expiry + 2100*time.Millisecond},
		},
		{
			name:    "the release comes before the lease is read back",
			release: botpresstest.Fault{Kind: botpresstest.Late, Delay: expiry + 5*time.Second},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, setting{replicas: 2}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
				w.escalate(jane, "Help")
				body := strings.Replace(w.lastAction("createTicket"), "Help", "Help once more", 1)

				once := func(f botpresstest.Fault) {
					f.Operation, f.Times = "setState", 1
					w.cloud.Fault(f)
				}
				w.desk.Before = func(_ context.Context, method string) error {
					if method != "StartHitl" {
						return nil
					}
					once(tt.release)
					return errors.New("the process dies")
				}
				if status := w.dispatch("action_triggered", body); status < 500 {
					t.Fatalf("the attempt that died was answered %d", status)
				}

				var starts atomic.Int64
				w.desk.Before = func(_ context.Context, method string) error {
					if method == "StartHitl" {
						starts.Add(1)
						<-time.After(5 * time.Second)
					}
					return nil
				}
				<-time.After(expiry)
				if tt.write.Kind != "" {
					once(tt.write)
				}
				var attempts sync.WaitGroup
				for range 2 {
					attempts.Go(func() {
						if status := w.dispatch("action_triggered", body); status != http.StatusOK {
							t.Errorf("answered %d", status)
						}
					})
				}
				attempts.Wait()
				w.wantTickets(2)
				if n := starts.Load(); n != 1 {
					t.Errorf("the desk was asked %d times to open the session, want once", n)
				}
			})
		})
	}
}

func TestStartHitlCrashedHalfWay(t *testing.T) {
	inBubble(t, setting{replicas: 2}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
		w.desk.After = failing("StartHitl", 1, errors.New("the connection broke"))
		w.wantStarted(jane, 5*time.Second) // Botpress asks again after one, and the claim of the first attempt is gone
		<-time.After(11 * time.Second)
		w.wantTickets(1)
		w.report(comment("A-1", "Hello"))
		wantAgents(t, jane, "Alice Agent: Hello")
	})
}

func TestStartHitlThatTheDeskRefuses(t *testing.T) {
	inBubble(t, setting{}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
		w.desk.Before = failing("StartHitl", 1, hitl.Errorf("Acme Desk is closed on Sundays"))
		err := jane.Escalate(t.Context(), botpresstest.Escalation{Title: "Help"})
		var refused *botpresstest.Error
		if !errors.As(err, &refused) || refused.Status != http.StatusBadRequest || refused.Message != "Acme Desk is closed on Sundays" {
			t.Fatalf("the bot got %v, want what the desk said", err)
		}
		w.wantStarted(jane, time.Second) // nothing of the refused attempt is in the way
	})
}

// wantStarted starts a session and checks that it takes no longer than it should.
func (w *world) wantStarted(u *botpresstest.EndUser, within time.Duration) {
	w.t.Helper()
	w.say(u, message.Text{Text: "Please"})
	start := time.Now()
	if err := u.Escalate(w.t.Context(), botpresstest.Escalation{Title: "Help"}); err != nil {
		w.t.Fatal(err)
	}
	if took := time.Since(start); took > within {
		w.t.Errorf("the session took %v to start, want at most %v", took, within)
	}
}

// A redelivered startHitl finds its conversation again, also if it was closed meanwhile. A much later one with the same words
// is another session.
func TestStartHitlOfAFinishedSession(t *testing.T) {
	inBubble(t, setting{}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
		w.escalate(jane, "Help")
		start := w.lastAction("createTicket")
		w.report(report{Type: "closed", TicketID: "T-1"})
		again := func() {
			t.Helper()
			if status := w.dispatch("action_triggered", start); status != http.StatusOK {
				t.Fatalf("answered %d", status)
			}
		}
		<-time.After(9 * time.Minute)
		again()
		w.wantTickets(1)
		<-time.After(2 * time.Minute)
		again()
		w.wantTickets(2)
	})
}

func TestFinishedConversationIsNotReused(t *testing.T) {
	inBubble(t, setting{}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
		for n := 1; n <= 2; n++ {
			w.say(jane, message.Text{Text: "Hello"})
			w.escalate(jane, "Help")
			w.wantTickets(n)
			w.report(report{Type: "closed", TicketID: fmt.Sprintf("T-%d", n)})
			if jane.Active() {
				t.Fatal("the session is active after its end")
			}
		}
	})
}

func TestSessionClosedBeforeStartHitlIsAnswered(t *testing.T) {
	// Botpress asks again so late that what was scheduled after the first answer comes too early.
	late := botpresstest.Options{RetryDelay: 20 * time.Second}
	inBubble(t, setting{replicas: 2, cloud: late}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
		defer w.cloud.Fault(botpresstest.Fault{Operation: "action_triggered", Kind: botpresstest.DropAfter, Skip: 1, Times: 2})()
		var agent sync.WaitGroup
		agent.Go(func() {
			for len(w.desk.Tickets()) == 0 {
				<-time.After(10 * time.Millisecond)
			}
			if status, body := w.webhook(t.Context(), report{Type: "closed", TicketID: "T-1"}); status != http.StatusOK {
				t.Errorf("the webhook was answered %d %s", status, body)
			}
		})
		w.escalate(jane, "Help")
		agent.Wait()
		<-time.After(time.Minute)
		w.settle()
		w.wantTickets(1)
		if jane.Active() {
			t.Error("the end user is left in a session that is over")
		}
	})
}

func TestCreateUserAtTwoReplicasAtOnce(t *testing.T) {
	inBubble(t, setting{replicas: 2}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
		defer w.cloud.Fault(botpresstest.Fault{Operation: "action_triggered", Kind: botpresstest.Duplicate})()
		w.escalate(jane, "Help")
		linked := 0
		for _, u := range w.cloud.Users() {
			if u.Tags["acme-desk:id"] != "" {
				linked++
			}
		}
		if linked != 1 {
			t.Errorf("%d users are linked with the desk, want one", linked)
		}
	})
}

func TestWebhookThatComesTwice(t *testing.T) {
	inBubble(t, setting{replicas: 2}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
		w.escalate(jane, "Help")
		assigned := report{Type: "assigned", TicketID: "T-1", Agent: alice}
		for _, r := range []any{assigned, assigned, comment("A-1", "Hello"), comment("A-1", "Hello")} {
			w.report(r)
		}
		var both sync.WaitGroup
		for range 2 {
			both.Go(func() { w.report(comment("A-2", "How are you?")) })
		}
		both.Wait()
		wantAgents(t, jane, "Alice Agent: Hello", "Alice Agent: How are you?")
		if n := count(jane, "has joined"); n != 1 {
			t.Errorf("the agent was announced %d times, want once", n)
		}
	})
}

func TestMessageWithoutAnID(t *testing.T) {
	inBubble(t, setting{}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
		w.escalate(jane, "Help")
		w.report(comment("", "Hello"))
		w.report(comment("", "Hello")) // the same webhook again
		w.report(comment("", "Still there?"))
		wantAgents(t, jane, "Alice Agent: Hello", "Alice Agent: Still there?")
	})
}

func TestLongIDs(t *testing.T) {
	inBubble(t, setting{}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
		w.escalate(jane, "Help")
		long := strings.Repeat("x", 600)
		w.report(comment(long+"1", "One"))
		w.report(comment(long+"2", "Two")) // differs behind what a tag holds
		w.report(comment(long+"1", "One"))
		wantAgents(t, jane, "Alice Agent: One", "Alice Agent: Two")
	})
}

func TestEchoes(t *testing.T) {
	inBubble(t, setting{}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
		w.escalate(jane, "Help")
		// Before our own request is answered: the desk reports the comment while it is being made.
		var early sync.WaitGroup
		w.desk.After = func(_ context.Context, method string) error {
			if ids := w.desk.Comments("T-1"); method == "SendMessage" {
				early.Go(func() { w.report(comment(ids[len(ids)-1], "early echo")) })
				<-time.After(time.Second)
			}
			return nil
		}
		w.say(jane, message.Text{Text: "Hello"})
		early.Wait()
		w.desk.After = nil
		// After it, and for each item of a bloc.
		w.say(jane, message.Bloc{Items: []message.BlocItem{message.Text{Text: "one"}, message.Text{Text: "two"}, message.Text{Text: "three"}}})
		for _, id := range w.desk.Comments("T-1") {
			w.report(comment(id, "late echo"))
		}
		wantAgents(t, jane)
	})
}

func TestActivationWindow(t *testing.T) {
	slow := botpresstest.Options{Plugin: botpresstest.PluginConfig{ActivationDelay: 2 * time.Second}}
	inBubble(t, setting{replicas: 2, cloud: slow}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
		var agent sync.WaitGroup
		agent.Go(func() { // is at it before startHitl has returned, and done before the plugin is ready
			for len(w.desk.Tickets()) == 0 {
				<-time.After(time.Millisecond)
			}
			for _, r := range []report{
				{Type: "assigned", TicketID: "T-1", Agent: alice},
				comment("A-1", "one"), comment("A-2", "two"), comment("A-3", "three"),
				{Type: "closed", TicketID: "T-1"},
			} {
				if status, body := w.webhook(t.Context(), r); status != http.StatusOK {
					t.Errorf("the webhook %+v was answered %d %s", r, status, body)
				}
			}
		})
		w.escalate(jane, "Help")
		agent.Wait()
		w.settle()
		want := []string{
			"bot: I have escalated this conversation to a human agent. They should be with you shortly.",
			"bot: A human agent has joined the conversation.",
			"Alice Agent: one", "Alice Agent: two", "Alice Agent: three",
			"bot: The human agent closed the conversation. I will continue assisting you.",
		}
		if diff := cmp.Diff(want, seen(jane)); diff != "" {
			t.Errorf("the end user saw (-want +got):\n%s", diff)
		}
	})
}

// Once the plugin is ready, which one replica hears of, all of them send at once, and look once.
func TestReadyPlugin(t *testing.T) {
	for name, test := range map[string]struct {
		before []string      // What the agent says before.
		wait   time.Duration // How long after the start the end user says something.
		looks  int
	}{
		"nothing is scheduled":           {nil, time.Second, 1 + 3 + 3}, // Who does not know yet finds the state, takes a time, and gives it back.
		"what was scheduled has arrived": {[]string{"one", "two", "three"}, 9 * time.Second, 3},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, setting{replicas: 3}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
				w.must(jane.Escalate(t.Context(), botpresstest.Escalation{Title: "Help"}))
				said := 0
				report := func(text string) { // Each at another replica.
					said++
					w.report(comment(fmt.Sprintf("A-%d", said), text))
				}
				for _, text := range test.before {
					report(text)
				}
				w.pass(test.wait)
				w.must(jane.Say(t.Context(), message.Text{Text: "Hello?"}))
				w.settle()
				for range len(w.replicas) - 1 { // The next reply comes to the replica that has seen the end user's message.
					w.dispatch("ping", "{}")
				}
				looks := func() (n int) {
					for _, c := range w.cloud.Calls() {
						if strings.Contains(c.Path, "/hitlActivation") {
							n++
						}
					}
					return n
				}
				before := looks()
				for _, text := range []string{"four", "five", "six", "seven", "eight", "nine"} {
					report(text)
					if lines := seen(jane); lines[len(lines)-1] != "Alice Agent: "+text {
						t.Errorf("after %q, the end user has %q", text, lines)
					}
				}
				if n := looks() - before; n != test.looks {
					t.Errorf("for six replies at three replicas, they looked %d times, want %d", n, test.looks)
				}
			})
		})
	}
}

// A replica that does not know yet that the plugin is ready writes a time into the state, and takes it back. Another one that
// sees it in between schedules nothing behind it: whoever has looked already would overtake that.
func TestTimeThatIsTakenBack(t *testing.T) {
	for name, test := range map[string]struct {
		takenBack, arrives time.Duration // After the reply.
	}{
		"soon":       {700 * time.Millisecond, time.Second},
		"not at all": {time.Minute, 4*time.Second + 200*time.Millisecond}, // Its replica has died.
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, setting{}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
				client, err := botpress.New(botpress.Options{
					BaseURL: "http://botpress.test", Token: w.cloud.Token, BotID: w.cloud.BotID, IntegrationID: w.in.IntegrationID, HTTPClient: w.client,
				})
				if err != nil {
					t.Fatal(err)
				}
				w.must(jane.Escalate(t.Context(), botpresstest.Escalation{Title: "Help"}))
				w.must(jane.Say(t.Context(), message.Text{Text: "Hello?"}))
				w.settle()

				key := botpress.StateKey{Type: botpress.StateOfConversation, ID: jane.DownstreamID(), Name: "hitlActivation"}
				write := func(at time.Time) {
					t.Helper()
					payload := fmt.Sprintf(`{"another":%q,"ready":"true"}`, at.UTC().Format(time.RFC3339Nano))
					if _, err := client.SetState(t.Context(), key, botpress.SetStateParams{Payload: json.RawMessage(payload)}); err != nil {
						t.Error(err)
					}
				}
				start := time.Now()
				write(start.Add(3 * time.Second))
				takeBack := time.AfterFunc(test.takenBack, func() { write(time.Time{}) })
				w.report(comment("A-1", "Hello"))
				w.settle()
				takeBack.Stop()
				for _, c := range w.cloud.Calls() {
					if strings.Contains(string(c.Request), `"schedule"`) {
						t.Errorf("an event was scheduled: %s", c.Request)
					}
				}
				if lines := seen(jane); lines[len(lines)-1] != "Alice Agent: Hello" {
					t.Errorf("the end user has %q", lines)
				}
				if took := time.Since(start); took > test.arrives+500*time.Millisecond || took < min(test.takenBack, test.arrives) {
					t.Errorf("the reply arrived after %s, want %s", took, test.arrives)
				}
			})
		})
	}
}

// A session that started again is as ready as others once the plugin has sent a message.
func TestReadyAfterARepeatedStart(t *testing.T) {
	inBubble(t, setting{}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
		client, err := botpress.New(botpress.Options{
			BaseURL: "http://botpress.test", Token: w.cloud.Token, BotID: w.cloud.BotID, IntegrationID: w.in.IntegrationID, HTTPClient: w.client,
		})
		if err != nil {
			t.Fatal(err)
		}
		w.must(jane.Escalate(t.Context(), botpresstest.Escalation{Title: "Help"}))
		w.pass(time.Second)
		w.must(jane.Say(t.Context(), message.Text{Text: "Hello?"}))
		w.settle()
		again := time.Now().UTC().Format(time.RFC3339Nano)
		key := botpress.StateKey{Type: botpress.StateOfConversation, ID: jane.DownstreamID(), Name: "hitlActivation"}
		payload := fmt.Sprintf(`{"started":%q,"repeated":%q,"ready":"true"}`, again, again)
		if _, err := client.SetState(t.Context(), key, botpress.SetStateParams{Payload: json.RawMessage(payload)}); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		w.report(comment("A-1", "Hello"))
		w.settle()
		if lines := seen(jane); lines[len(lines)-1] != "Alice Agent: Hello" {
			t.Errorf("the end user has %q", lines)
		}
		if took := time.Since(start); took > time.Second {
			t.Errorf("the reply arrived after %s, and the plugin was ready", took)
		}
	})
}

// Replies of one instant keep their order: no two of them are due at the same time.
func TestRepliesOfOneInstant(t *testing.T) {
	inBubble(t, setting{}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
		if err := jane.Escalate(t.Context(), botpresstest.Escalation{Title: "Help"}); err != nil {
			t.Fatal(err)
		}
		var reports []report
		var want []string
		for n := range 12 {
			reports = append(reports, comment(fmt.Sprintf("A-%d", n), fmt.Sprintf("reply %d", n)))
			want = append(want, fmt.Sprintf("Alice Agent: reply %d", n))
		}
		w.report(map[string]any{"reports": reports})
		w.afterActivation()
		w.settle()
		wantAgents(t, jane, want...)
	})
}

func TestAssignment(t *testing.T) {
	inBubble(t, setting{replicas: 2}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
		w.escalate(jane, "Help")
		bob := map[string]any{"id": "agent-8", "name": "Bob"}
		for _, agent := range []map[string]any{alice, nil, alice, {"id": "", "name": "Group"}, bob, bob, alice} {
			w.report(report{Type: "assigned", TicketID: "T-1", Agent: agent})
		}
		var announced []string
		for _, e := range w.cloud.Events() {
			if strings.HasSuffix(e.Type, ":agentAssigned") {
				for _, u := range w.cloud.Users() {
					if strings.Contains(string(e.Payload), u.ID) {
						announced = append(announced, u.Name)
					}
				}
			}
		}
		if diff := cmp.Diff([]string{"Alice Agent", "Bob", "Alice Agent"}, announced); diff != "" {
			t.Errorf("announced (-want +got):\n%s", diff)
		}
	})
}

func TestAssignmentThatComesAgainTooLate(t *testing.T) {
	inBubble(t, setting{replicas: 2}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
		w.escalate(jane, "Help")
		first := report{Type: "assigned", TicketID: "T-1", Agent: alice, EventID: "1"}
		second := report{Type: "assigned", TicketID: "T-1", Agent: map[string]any{"id": "agent-8", "name": "Bob"}, EventID: "2"}
		back := report{Type: "assigned", TicketID: "T-1", Agent: alice, EventID: "3"}
		for _, r := range []report{first, second, first, back, second} {
			w.report(r)
		}
		if n := count(jane, "has joined"); n != 3 {
			t.Errorf("agents were announced %d times, want 3", n)
		}
	})
}

func TestAgentWhoWritesWithoutAssignment(t *testing.T) {
	inBubble(t, setting{}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
		w.escalate(jane, "Help")
		w.report(comment("A-1", "Hello"))
		wantAgents(t, jane, "Alice Agent: Hello")
		if n := count(jane, "has joined"); n != 1 {
			t.Errorf("the agent was announced %d times, want once", n)
		}
	})
}

func TestAgentIsRenamed(t *testing.T) {
	inBubble(t, setting{}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
		w.escalate(jane, "Help")
		w.report(report{Type: "assigned", TicketID: "T-1", Agent: alice})
		renamed := map[string]any{"id": "agent-7", "name": "Alice Smith"}
		w.report(report{Type: "comment", TicketID: "T-1", Agent: renamed, CommentID: "A-1", Text: "Hello"})
		for _, u := range w.cloud.Users() {
			if u.Tags["acme-desk:agentId"] == "agent-7" && u.Name != "Alice Smith" {
				t.Errorf("the agent is called %q in Botpress", u.Name)
			}
		}
	})
}

func TestBlocThatFailsInTheMiddle(t *testing.T) {
	inBubble(t, setting{replicas: 2}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
		w.desk.Forgetful = true
		w.escalate(jane, "Help")
		calls := 0
		w.desk.Before = func(_ context.Context, method string) error {
			if calls++; calls == 3 {
				return errors.New("the desk hiccups")
			}
			return nil
		}
		var items []message.BlocItem
		want := []string{}
		for _, text := range []string{"one", "two", "three", "four", "five"} {
			items = append(items, message.Text{Text: text})
			want = append(want, "Jane: "+text)
		}
		w.say(jane, message.Bloc{Items: items})
		if diff := cmp.Diff(want, w.log("T-1")); diff != "" {
			t.Errorf("the desk has (-want +got):\n%s", diff)
		}
	})
}

func TestMessageWhoseAnswerIsLost(t *testing.T) {
	inBubble(t, setting{replicas: 2}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
		w.desk.Forgetful = true
		w.escalate(jane, "Help")
		defer w.cloud.Fault(botpresstest.Fault{Operation: "message_created", Kind: botpresstest.DropAfter, Times: 2})()
		w.say(jane, message.Text{Text: "Hello"})
		if diff := cmp.Diff([]string{"Jane: Hello"}, w.log("T-1")); diff != "" {
			t.Errorf("the desk has (-want +got):\n%s", diff)
		}
	})
}

func TestAcknowledgementThatFails(t *testing.T) {
	inBubble(t, setting{}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
		w.desk.Forgetful = true
		w.escalate(jane, "Help")
		lift := w.cloud.Fault(botpresstest.Fault{Operation: "updateMessage", Kind: botpresstest.InternalError})
		w.say(jane, message.Text{Text: "Hello"})
		lift()
		if diff := cmp.Diff([]string{"Jane: Hello"}, w.log("T-1")); diff != "" {
			t.Errorf("the desk has (-want +got):\n%s", diff)
		}
		for _, c := range w.cloud.Calls() {
			if c.Operation == "message_created" && c.Status != http.StatusOK {
				t.Errorf("Botpress was told %d, though the desk has the message", c.Status)
			}
		}
	})
}

// An API that takes no acknowledgement is asked four times, and does not hold up the conversation.
func TestAcknowledgementThatKeepsFailing(t *testing.T) {
	inBubble(t, setting{}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
		w.escalate(jane, "Help")
		lift := w.cloud.Fault(botpresstest.Fault{Operation: "updateMessage", Kind: botpresstest.InternalError})
		defer lift()
		start := time.Now()
		w.say(jane, message.Text{Text: "Hello"})
		w.report(comment("A-1", "Hello?")) // it waits for the conversation
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("the conversation was free again after %v, want at most 10s", took)
		}
		puts := 0
		for _, c := range w.cloud.Calls() {
			if c.Operation == "updateMessage" {
				puts++
			}
		}
		if puts != 4 {
			t.Errorf("the acknowledgement was sent %d times, want 4", puts)
		}
	})
}

// An agent who is an end user as well stays two users: the address alone finds neither.
func TestAgentWithTheAddressOfAnEndUser(t *testing.T) {
	inBubble(t, setting{}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
		w.escalate(jane, "Help")
		w.report(report{Type: "assigned", TicketID: "T-1", Agent: alice})
		agent := w.in.NewEndUser(botpresstest.Profile{Name: "Alice at home", Email: "alice@example.com"})
		w.escalate(agent, "I need help, too")
		var got []string
		for _, u := range w.cloud.Users() {
			if u.Tags["acme-desk:email"] == "alice@example.com" {
				got = append(got, fmt.Sprintf("%s id=%s agent=%s", u.Name, u.Tags["acme-desk:id"], u.Tags["acme-desk:agentId"]))
			}
		}
		if diff := cmp.Diff([]string{"Alice Agent id=agent-7 agent=agent-7", "Alice at home id=ext-2 agent="}, got); diff != "" {
			t.Errorf("users with the address (-want +got):\n%s", diff)
		}
	})
}

func TestStopHitlWhileTheDeskIsDown(t *testing.T) {
	for _, down := range []error{
		hitl.Retryable(0, errors.New("no route to the desk")), errors.New("what the desk says is no JSON"),
		&hitl.Error{Message: "the desk refuses the token", Temporary: true}, context.DeadlineExceeded,
	} {
		t.Run(down.Error(), func(t *testing.T) { stopHitlWhileTheDeskIsDown(t, down) })
	}
}

func stopHitlWhileTheDeskIsDown(t *testing.T, down error) {
	inBubble(t, setting{}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
		w.escalate(jane, "Help")
		w.desk.Before = func(_ context.Context, method string) error {
			if method == "StopHitl" {
				return down
			}
			return nil
		}
		if err := jane.End(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.settle()
		if n := count(jane, "You have ended the session"); n != 1 {
			t.Errorf("the end user was told %d times that the session has ended, want once", n)
		}
		if status := w.desk.Tickets()[0].Status; status != "open" {
			t.Fatalf("the ticket is %s while the desk is down", status)
		}
		w.desk.Before = nil // the desk is back, and somebody writes in the ticket
		w.report(comment("A-1", "Hello?"))
		if status := w.desk.Tickets()[0].Status; status != "closed" {
			t.Errorf("the ticket is %s after the desk is back", status)
		}
	})
}

// The desk's own hiccup is retried by the server: here, Botpress sends stopHitl once.
func TestStopHitlIsRetriedByTheServer(t *testing.T) {
	inBubble(t, setting{cloud: botpresstest.Options{Attempts: 1}}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
		w.escalate(jane, "Help")
		w.desk.Before = failing("StopHitl", 2, errors.New("the desk hiccups"))
		if err := jane.End(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.settle()
		if status := w.desk.Tickets()[0].Status; status != "closed" {
			t.Errorf("the ticket is %s", status)
		}
	})
}

func TestStopHitlTriesAgain(t *testing.T) {
	inBubble(t, setting{}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
		w.escalate(jane, "Help")
		w.desk.Before = failing("StopHitl", 2, errors.New("the desk hiccups"))
		if err := jane.End(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.settle()
		if status := w.desk.Tickets()[0].Status; status != "closed" {
			t.Errorf("the ticket is %s", status)
		}
	})
}

func TestMessageAfterTheEnd(t *testing.T) {
	last := botpresstest.Options{Plugin: botpresstest.PluginConfig{Farewell: botpresstest.FarewellLast}}
	inBubble(t, setting{cloud: last}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
		w.escalate(jane, "Help")
		if err := jane.End(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.settle()
		if status := w.desk.Tickets()[0].Status; status != "closed" {
			t.Errorf("the ticket is %s", status)
		}
		w.report(comment("A-1", "Too late")) // harmless, too
		wantAgents(t, jane)
	})
}

func TestOrder(t *testing.T) {
	inBubble(t, setting{}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
		w.escalate(jane, "Help")
		w.desk.Before = func(_ context.Context, method string) error {
			if method == "SendMessage" {
				<-time.After(time.Second)
			}
			return nil
		}
		want := []string{}
		for n := range 10 {
			if err := jane.Say(t.Context(), said(n)); err != nil {
				t.Fatal(err)
			}
			want = append(want, fmt.Sprintf("Jane: said %d", n))
		}
		if err := jane.End(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.settle()
		log := slices.DeleteFunc(w.log("T-1"), func(line string) bool { return strings.Contains(line, "has ended the session") })
		if diff := cmp.Diff(want, log); diff != "" {
			t.Errorf("the desk has (-want +got):\n%s", diff)
		}
		if status := w.desk.Tickets()[0].Status; status != "closed" {
			t.Errorf("the ticket is %s", status)
		}
	})
}

func TestWebhookDone(t *testing.T) {
	var done []string
	desk := &fakeDesk{handleWebhook: func(context.Context, *http.Request) (hitl.Webhook, error) {
		return hitl.Webhook{
			Events: []hitl.Event{hitl.Replied{SessionID: "T-1", ConversationID: "conv_1", Author: hitl.Agent{ID: "1"}, ID: "A-1", Message: said(1)}},
			Done: func(context.Context) error {
				done = append(done, "done")
				return errors.New("the note is not taken")
			},
		}, nil
	}}
	api := botpressAPI{seen: func(r *http.Request) { done = append(done, r.URL.Path) }}
	server := desk.server(t, hitl.Options{Botpress: botpress.Options{HTTPClient: &http.Client{Transport: api}}})
	if a := ask(server, request(webhook)); a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" {
		t.Errorf("answered %d, want 503 for the sender to try again", a.status)
	}
	if last := len(done) - 1; last < 1 || done[last] != "done" || done[last-1] != "/v1/chat/initialize-incoming-message" {
		t.Errorf("in this order: %v, want Done after the message", done)
	}
}

func TestSessionIDThatIsUsedAgain(t *testing.T) {
	var conversations []string
	desk := &fakeDesk{handleWebhook: func(_ context.Context, r *http.Request) (hitl.Webhook, error) {
		body, err := io.ReadAll(r.Body)
		return hitl.Webhook{Events: []hitl.Event{hitl.Replied{
			SessionID: "T-1", ConversationID: string(body), Author: hitl.Agent{ID: "1"}, ID: string(body), Message: said(1),
		}}}, err
	}}
	api := botpressAPI{seen: func(r *http.Request) {
		if r.URL.Path != "/v1/chat/initialize-incoming-message" {
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		var sent struct {
			ConversationID string `json:"conversationId"`
		}
		if err := json.Unmarshal(body, &sent); err != nil {
			t.Error(err)
		}
		conversations = append(conversations, sent.ConversationID)
	}}
	server := desk.server(t, hitl.Options{Botpress: botpress.Options{HTTPClient: &http.Client{Transport: sessions{api}}}})
	for _, id := range []string{"conv_1", "conv_2"} {
		report := [2]string{"webhook_received", fmt.Sprintf(`{"req":{"method":"POST","path":"/","query":"","headers":{},"body":%q}}`, id)}
		if a := ask(server, request(report)); a.status != http.StatusOK {
			t.Fatalf("answered %d %s", a.status, a.body)
		}
	}
	if diff := cmp.Diff([]string{"conv_1", "conv_2"}, conversations); diff != "" {
		t.Errorf("the messages went to (-want +got):\n%s", diff)
	}
}

func TestRepliesInWhichNothingIsSeen(t *testing.T) {
	text := func(s string) message.Text { return message.Text{Text: s} }
	for name, tt := range map[string]struct {
		message message.Message
		sent    string
	}{
		"a zero-width space": {text("\u200b"), ""},
		"a byte order mark":  {text("\ufeff\n"), ""},
		"a pointer":          {&message.Text{Text: "\u2060"}, ""},
		"Markdown":           {message.Markdown{Markdown: " \u200b"}, ""},
		"a bloc of nothing":  {message.Bloc{Items: []message.BlocItem{text("\u200b"), text(" ")}}, ""},
		"an empty bloc":      {message.Bloc{}, ""},
		"a question":         {message.Choice{Text: "\u200b"}, ""},
		"a joiner in a word": {text("می\u200cخواهم"), "{\"text\":\"می\u200cخواهم\"}"},
		"a part of a bloc":   {message.Bloc{Items: []message.BlocItem{text("\u200b"), text("Hi")}}, `{"text":"Hi"}`},
		"parts of a bloc": {
			message.Bloc{Items: []message.BlocItem{text("Hi"), text("\u200b"), text("Ho")}},
			`{"items":[{"type":"text","payload":{"text":"Hi"}},{"type":"text","payload":{"text":"Ho"}}]}`,
		},
		"parts that channels leave out of a bloc": {
			message.Bloc{Items: []message.BlocItem{
				message.Markdown{Markdown: "**Hi**"},
				message.Unknown{Kind: "card", Payload: json.RawMessage(`{"title":"A tea pot"}`)},
				message.Location{Latitude: 1, Longitude: 2},
			}},
			`{"items":[{"type":"text","payload":{"text":"**Hi**"}},{"type":"text","payload":{"text":"[card] {\"title\":\"A tea pot\"}"}},{"type":"location","payload":{"latitude":1,"longitude":2}}]}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			desk := &fakeDesk{handleWebhook: func(context.Context, *http.Request) (hitl.Webhook, error) {
				return hitl.Webhook{Events: []hitl.Event{hitl.Replied{
					SessionID: "T-1", ConversationID: "conv_1", Author: hitl.Agent{ID: "1"}, ID: "A-1", Message: tt.message,
				}}}, nil
			}}
			var sent struct {
				Message struct{ Payload json.RawMessage }
			}
			api := botpressAPI{seen: func(r *http.Request) {
				if r.URL.Path != "/v1/chat/initialize-incoming-message" {
					return
				}
				body, err := io.ReadAll(r.Body)
				if err == nil {
					err = json.Unmarshal(body, &sent)
				}
				if err != nil {
					t.Error(err)
				}
				r.Body = io.NopCloser(bytes.NewReader(body))
			}}
			server := desk.server(t, hitl.Options{Botpress: botpress.Options{HTTPClient: &http.Client{Transport: api}}})
			if a := ask(server, request(webhook)); a.status != http.StatusOK {
				t.Fatalf("answered %d %s", a.status, a.body)
			}
			if got := string(sent.Message.Payload); got != tt.sent {
				t.Errorf("the end user was sent %q, want %q", got, tt.sent)
			}
		})
	}
}

// The plugin keeps additional data in a tag, and loses a reply that has more than a tag takes.
func TestAdditionalDataThatIsTooLong(t *testing.T) {
	for length, arrives := range map[int]bool{500: true, 501: false} {
		inBubble(t, setting{}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
			w.escalate(jane, "Help")
			r := comment("C-1", "Hi")
			r.AdditionalData = strings.Repeat("ü", length)
			w.report(r)
			wantAgents(t, jane, "Alice Agent: Hi")
			if got := slices.ContainsFunc(jane.Received(), func(m botpresstest.Received) bool { return m.Tags["hitl#additionalData"] == r.AdditionalData }); got != arrives {
				t.Errorf("of %d characters, the channel got all: %t", length, got)
			}
		})
	}
}

// sessions answers with the conversation that was asked for: the desk calls each of them T-1.
type sessions struct{ botpressAPI }

func (s sessions) RoundTrip(r *http.Request) (*http.Response, error) {
	id, ok := strings.CutPrefix(r.URL.Path, "/v1/chat/conversations/")
	if !ok {
		return s.botpressAPI.RoundTrip(r)
	}
	w := httptest.NewRecorder()
	fmt.Fprintf(w, `{"conversation":{"id":%q,"channel":"hitl","tags":{"id":"T-1","startedAt":"1999-01-01T00:00:00.000Z"}}}`, id)
	return w.Result(), nil
}

func TestPauseThatIsTooLong(t *testing.T) {
	inBubble(t, setting{}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
		w.escalate(jane, "Help")
		defer w.cloud.Fault(botpresstest.Fault{
			Operation: "initializeIncomingMessage", Kind: botpresstest.RateLimited, RetryAfter: time.Hour,
		})()
		start := time.Now()
		status, _ := w.webhook(t.Context(), comment("A-1", "Hello"))
		if took := time.Since(start); status != http.StatusServiceUnavailable || took > time.Second {
			t.Errorf("answered %d after %v, want 503 at once", status, took)
		}
	})
}

func TestBlocWhoseProgressAnotherReplicaMade(t *testing.T) {
	inBubble(t, setting{replicas: 2}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
		w.desk.Forgetful = true
		w.escalate(jane, "Help")
		// The first attempt fails after one part; the answer to the second, at the other replica, is lost; the third is
		// at the first replica again, which knows of one part.
		calls := 0
		w.desk.Before = func(_ context.Context, method string) error {
			if calls++; calls == 2 {
				return errors.New("the desk hiccups")
			}
			return nil
		}
		defer w.cloud.Fault(botpresstest.Fault{Operation: "message_created", Kind: botpresstest.DropAfter, Skip: 1, Times: 1})()
		w.say(jane, message.Bloc{Items: []message.BlocItem{message.Text{Text: "one"}, message.Text{Text: "two"}}})
		if diff := cmp.Diff([]string{"Jane: one", "Jane: two"}, w.log("T-1")); diff != "" {
			t.Errorf("the desk has (-want +got):\n%s", diff)
		}
	})
}

func TestConversationThatNeverStarted(t *testing.T) {
	inBubble(t, setting{}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
		w.desk.After = func(_ context.Context, method string) error {
			if method == "StartHitl" {
				return errors.New("the connection broke") // each time, so Botpress gives up
			}
			return nil
		}
		if err := jane.Escalate(t.Context(), botpresstest.Escalation{Title: "Help"}); err == nil {
			t.Fatal("the session has started")
		}
		if status, _ := w.webhook(t.Context(), comment("A-1", "Hello")); status != http.StatusServiceUnavailable {
			t.Errorf("soon after, answered %d, want 503: it may still start", status)
		}
		<-time.After(time.Hour)
		if status, _ := w.webhook(t.Context(), comment("A-1", "Hello")); status != http.StatusOK {
			t.Errorf("long after, answered %d, want 200: it is nobody's", status)
		}
	})
}

// A bot asks once more for a session that the desk has refused long ago. While the desk opens it, an agent replies, and the reply
// comes to another replica.
func TestStartHitlLongAfterARefusal(t *testing.T) {
	for _, wait := range []time.Duration{time.Minute, 9*time.Minute + 58*time.Second, 20 * time.Minute} {
		t.Run(wait.String(), func(t *testing.T) { startHitlLongAfterARefusal(t, wait) })
	}
}

func startHitlLongAfterARefusal(t *testing.T, wait time.Duration) {
	inBubble(t, setting{replicas: 2}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
		w.desk.Before = func(_ context.Context, method string) error {
			if method == "StartHitl" {
				return hitl.Errorf("Closed until Monday.")
			}
			return nil
		}
		if err := jane.Escalate(t.Context(), botpresstest.Escalation{Title: "Help"}); err == nil {
			t.Fatal("the session has started")
		}
		<-time.After(wait)
		opened := make(chan struct{})
		w.desk.Before = nil
		w.desk.After = func(_ context.Context, method string) error {
			if method == "StartHitl" {
				close(opened)
				<-time.After(6 * time.Second)
			}
			return nil
		}
		var start sync.WaitGroup
		again := w.lastAction("createTicket")
		start.Go(func() { w.act(again) })
		<-opened
		<-time.After(3 * time.Second)
		w.report(comment("A-1", "Hello"))
		start.Wait()
		w.settle()
		w.afterActivation()
		replies := 0
		for _, c := range w.cloud.Conversations() {
			for _, m := range w.cloud.Messages(c.ID) {
				if strings.Contains(string(m.Payload), `"Hello"`) {
					replies++
				}
			}
		}
		if replies != 1 {
			t.Errorf("Botpress has the reply %d times, and its webhook was answered 200", replies)
		}
	})
}

// A session that starts while a sweep takes those that were never opened out of its way stays an open one.
func TestSweepDuringALateStart(t *testing.T) {
	inBubble(t, setting{}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
		w.desk.Before = func(_ context.Context, method string) error {
			if method == "StartHitl" {
				return errDown
			}
			return nil
		}
		if err := jane.Escalate(t.Context(), botpresstest.Escalation{Title: "Help"}); err == nil {
			t.Fatal("the session has started")
		}
		<-time.After(9*time.Minute + 50*time.Second)
		w.desk.Before = func(_ context.Context, method string) error {
			if method == "StartHitl" {
				<-time.After(40 * time.Second)
			}
			return nil
		}
		var sweep sync.WaitGroup
		for n := range 10 {
			sweep.Go(func() {
				<-time.After(time.Duration(n) * 4 * time.Second)
				w.dispatch("register", `{"webhookUrl":"`+w.in.WebhookURL+`"}`)
			})
		}
		w.act(w.lastAction("createTicket"))
		sweep.Wait()
		<-time.After(time.Hour)
		open := 0
		for _, c := range w.cloud.Conversations() {
			if c.Tags["acme-desk:startedAt"] != "" && c.Tags["acme-desk:phase"] == "open" {
				open++
			}
		}
		if open != 1 {
			t.Errorf("%d sessions are open, want one", open)
		}
	})
}
