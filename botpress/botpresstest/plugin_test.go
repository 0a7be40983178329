package botpresstest_test

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hitl-go/sdk/botpress/botpresstest"
	"github.com/hitl-go/sdk/message"
)

// session starts a session with ticket T-1.
func session(t *testing.T, in *botpresstest.Installation, p botpresstest.Profile) *botpresstest.EndUser {
	t.Helper()
	u := in.NewEndUser(p)
	if err := u.Escalate(t.Context(), botpresstest.Escalation{Title: "Help"}); err != nil {
		t.Fatal(err)
	}
	return u
}

func settle(t *testing.T, s *botpresstest.Server) {
	t.Helper()
	if err := s.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// shown lists what an end user was shown after the handoff message.
func shown(u *botpresstest.EndUser) (lines []string) {
	for _, r := range u.Received() {
		lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s %s: %s", r.From, r.Name, message.PlainText(r.Message))))
	}
	return lines
}

func TestTexts(t *testing.T) {
	texts := func(of func(string) string) botpresstest.PluginConfig {
		return botpresstest.PluginConfig{
			HandoffMessage: of("handoff"), AssignedMessage: of("assigned"), StoppedMessage: of("stopped"), CancelledMessage: of("cancelled"),
			IncompatibleMessage: of("incompatible"), CloseMessage: of("close"), TimeoutMessage: of("timeout"), CloseCommand: "Bye",
			Farewell: botpresstest.FarewellFirst, AssignedTimeout: time.Hour,
		}
	}
	for name, test := range map[string]struct {
		config         botpresstest.PluginConfig
		user, timedOut []string // What two end users are shown.
		desk           []string // What the agent is told.
	}{
		"own": {
			texts(func(s string) string { return s }),
			[]string{"bot : handoff", "bot : assigned", "bot : close"},
			[]string{"bot : handoff", "bot : timeout"},
			[]string{"incompatible", "cancelled", "cancelled"},
		},
		"none": {texts(func(string) string { return "NULL" }), nil, nil, nil},
	} {
		inBubble(t, botpresstest.Options{Plugin: test.config}, func(t *testing.T, a *acme, in *botpresstest.Installation) {
			t.Helper()
			jane := session(t, in, botpresstest.Profile{Name: "Jane"})
			webhook(t, in, a.client, `{"type":"assigned","ticketId":"T-1","agent":{"id":"7"}}`)
			c := newAPI(t, a, in)
			c.ids["conv"], c.ids["user"] = jane.DownstreamID(), jane.DownstreamUserID()
			c.do(`POST messages {"payload":{},"userId":"{user}","conversationId":"{conv}","type":"carousel","tags":{}}`)
			settle(t, a.server)
			if err := jane.End(t.Context()); err != nil {
				t.Fatal(err)
			}
			settle(t, a.server)
			joan := session(t, in, botpresstest.Profile{Name: "Joan"})
			<-time.After(2 * time.Hour)
			settle(t, a.server)
			if diff := cmp.Diff(test.user, shown(jane)); diff != "" {
				t.Errorf("%s: shown (-want +got):\n%s", name, diff)
			}
			if diff := cmp.Diff(test.timedOut, shown(joan)); diff != "" {
				t.Errorf("%s: shown after the timeout (-want +got):\n%s", name, diff)
			}
			var desk []string
			for _, conversation := range []string{jane.DownstreamID(), joan.DownstreamID()} {
				for _, m := range a.server.Messages(conversation) {
					if m.Direction == "outgoing" {
						desk = append(desk, fmt.Sprint(field(t, m.Payload, "text")))
					}
				}
			}
			if diff := cmp.Diff(test.desk, desk); diff != "" {
				t.Errorf("%s: told to the agent (-want +got):\n%s", name, diff)
			}
		})
	}
}

// TestTypeInPayload: a type in the payload goes before that of the message, and the plugin relays nothing of other types.
func TestTypeInPayload(t *testing.T) {
	inBubble(t, botpresstest.Options{}, func(t *testing.T, a *acme, in *botpresstest.Installation) {
		t.Helper()
		jane := session(t, in, botpresstest.Profile{Name: "Jane"})
		webhook(t, in, a.client, `{"type":"assigned","ticketId":"T-1","agent":{"id":"7"}}`)
		settle(t, a.server)
		before := len(jane.Received())
		c := newAPI(t, a, in)
		c.ids["conv"], c.ids["user"] = jane.DownstreamID(), jane.DownstreamUserID()
		for _, payload := range []string{
			`{"text":"one"}`, `{"type":"text","text":"two"}`, `{"type":"comment","text":"three"}`, `{"type":"carousel","items":[]}`,
			`{"type":7,"text":"four"}`, `{"type":null,"text":"five"}`, `{"type":"image","imageUrl":"https://example.com/6.png"}`,
		} {
			if status, answer := c.do(`POST messages {"payload":` + payload + `,"userId":"{user}","conversationId":"{conv}","type":"text","tags":{}}`); status != 201 {
				t.Errorf("%s: %d %v", payload, status, answer)
			}
		}
		settle(t, a.server)
		var got []string
		for _, m := range a.server.Messages(jane.ConversationID())[before:] {
			got = append(got, fmt.Sprint(m.Type, " ", field(t, m.Payload, "type"), " ", field(t, m.Payload, "text")))
		}
		if diff := cmp.Diff([]string{"text text one", "text text two", "image image <nil>"}, got); diff != "" {
			t.Errorf("relayed (-want +got):\n%s", diff)
		}
		for _, m := range a.server.Messages(jane.DownstreamID()) {
			if m.Direction == "outgoing" {
				t.Errorf("the agent was told %s", m.Payload)
			}
		}
	})
}

// TestFace: the webchat shows the agent, as he was when he was last assigned.
func TestFace(t *testing.T) {
	comment := func(t *testing.T, a *acme, in *botpresstest.Installation, kind, name string) {
		t.Helper()
		webhook(t, in, a.client, fmt.Sprintf(`{"type":%q,"ticketId":"T-1","agent":{"id":"7","name":"Al"},"text":"I am %s"}`, kind, name))
		settle(t, a.server)
	}
	for _, test := range []struct {
		channel string
		hide    bool
		want    []string
	}{
		{"", false, []string{"agent Al: I am Al", "agent Al: I am Alice", "bot : A human agent has joined the conversation.", "agent Alice: I am Alice"}},
		{"", true, []string{"agent : I am Al", "agent : I am Alice", "bot : A human agent has joined the conversation.", "agent : I am Alice"}},
		{"whatsapp", false, []string{"agent : I am Al", "agent : I am Alice", "bot : A human agent has joined the conversation.", "agent : I am Alice"}},
	} {
		inBubble(t, botpresstest.Options{Plugin: botpresstest.PluginConfig{HideHumanAgent: test.hide}}, func(t *testing.T, a *acme, in *botpresstest.Installation) {
			t.Helper()
			jane := session(t, in, botpresstest.Profile{Name: "Jane", Channel: test.channel})
			comment(t, a, in, "comment", "Al")
			c := newAPI(t, a, in)
			users := a.server.Users()
			agent := users[slices.IndexFunc(users, func(u botpresstest.User) bool { return u.Tags["acme-desk:id"] == "7" })].ID
			c.do(`PUT users/` + agent + ` {"name":"Alice"}`)
			comment(t, a, in, "comment", "Alice")
			comment(t, a, in, "assigned", "")
			comment(t, a, in, "comment", "Alice")
			if diff := cmp.Diff(test.want, shown(jane)[2:]); diff != "" {
				t.Errorf("%+v: shown (-want +got):\n%s", test, diff)
			}
		})
	}
}

// TestPluginFails: what the plugin does not survive, as events that have failed.
func TestPluginFails(t *testing.T) {
	inBubble(t, botpresstest.Options{}, func(t *testing.T, a *acme, in *botpresstest.Installation) {
		t.Helper()
		jane := session(t, in, botpresstest.Profile{Name: "Jane"})
		c := newAPI(t, a, in)
		c.ids["conv"] = jane.DownstreamID()
		c.do(`POST events {"type":"hitlAssigned","payload":{"conversationId":"{conv}","userId":"user_nobody"}}`)
		c.do(`POST events {"type":"hitlStopped","payload":{"conversationId":"conv_nowhere"}}`)
		webhook(t, in, a.client, `{"type":"comment","ticketId":"T-1","agent":{"id":"7"},"text":"hi","additionalData":"`+strings.Repeat("x", 501)+`"}`)
		settle(t, a.server)
		a.reply = func(operation) (int, string) { return 400, `{"type":"Runtime","message":"the desk is down"}` }
		if err := jane.End(t.Context()); err != nil {
			t.Fatal(err)
		}
		settle(t, a.server)
		var got []string
		for _, e := range a.server.Events() {
			reason := "-"
			if e.FailureReason != nil {
				reason = *e.FailureReason
			}
			got = append(got, e.Status+" "+reason)
		}
		want := []string{
			`failed 404 ResourceNotFound: user "user_nobody" does not exist`,
			`failed 404 ResourceNotFound: conversation "conv_nowhere" does not exist`,
			`failed 400 InvalidPayload: additionalData has more than 500 characters, which no tag can hold`,
			`failed action_triggered of acme-desk answered 400 Runtime: the desk is down`,
		}
		slices.Sort(got)
		slices.Sort(want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
		// The session is over, but nobody has told the end user.
		if last := shown(jane)[len(jane.Received())-1]; jane.Active() || last != "bot : A human agent has joined the conversation." {
			t.Errorf("active %t, shown last: %s", jane.Active(), last)
		}
	})
}

func TestEscalationFails(t *testing.T) {
	inBubble(t, botpresstest.Options{}, func(t *testing.T, a *acme, in *botpresstest.Installation) {
		t.Helper()
		jane := in.NewEndUser(botpresstest.Profile{})
		escalate := func(status int, body string) error {
			a.reply = func(operation) (int, string) { return status, body }
			err := jane.Escalate(t.Context(), botpresstest.Escalation{})
			a.reply = nil
			if jane.Active() {
				t.Errorf("%s: the session is active", body)
			}
			return err
		}
		var refusal *botpresstest.Error
		if err := escalate(500, `{"id":"err_9","code":400,"type":"Runtime","message":"oops"}`); !errors.As(err, &refusal) || refusal.Status != 500 || refusal.ID != "err_9" {
			t.Errorf("after a 500: %v", err)
		}
		if err := escalate(200, `{"output":{"userId":"user_nobody"}}`); !errors.As(err, &refusal) || refusal.Type != "ResourceNotFound" {
			t.Errorf("after an unknown user: %v", err)
		}
		for _, body := range []string{`{}`, `{"output":7}`, `{"output":{"userId":7}}`, ``} {
			if err := escalate(200, body); err == nil {
				t.Errorf("after the output %q: no error", body)
			}
		}
		a.server.Fault(botpresstest.Fault{Operation: "action_triggered", Kind: botpresstest.DropBefore, Times: 3})
		if err := escalate(0, ""); err == nil || !strings.Contains(err.Error(), "lost on the way") {
			t.Errorf("after three losses: %v", err)
		}
		if err := jane.Say(t.Context(), message.Text{Text: "help"}); err != nil {
			t.Fatal(err)
		}
		if err := jane.Escalate(t.Context(), botpresstest.Escalation{}); err != nil {
			t.Fatal(err)
		}
		if err := jane.Escalate(t.Context(), botpresstest.Escalation{}); !errors.Is(err, botpresstest.ErrIgnored) {
			t.Errorf("while active: %v, want ErrIgnored", err)
		}
		if err := jane.StopHitl(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := jane.Escalate(t.Context(), botpresstest.Escalation{}); !errors.Is(err, botpresstest.ErrIgnored) {
			t.Errorf("again without a word in between: %v, want ErrIgnored", err)
		}
		if err := jane.Say(t.Context(), message.Unknown{Kind: "text", Payload: []byte("{")}); err == nil {
			t.Error("a message that cannot be encoded: no error")
		}
	})
}

// TestOneInstant: what is due at one instant comes in any order.
func TestOneInstant(t *testing.T) {
	orders := map[string]bool{}
	for seed := range uint64(20) {
		inBubble(t, botpresstest.Options{Seed: seed}, func(t *testing.T, a *acme, in *botpresstest.Installation) {
			t.Helper()
			jane := session(t, in, botpresstest.Profile{Name: "Jane"})
			c := newAPI(t, a, in)
			c.ids["conv"], c.ids["user"] = jane.DownstreamID(), jane.DownstreamUserID()
			at := time.Now().Add(time.Minute).UTC().Format("2006-01-02T15:04:05.000Z")
			for _, text := range []string{"a", "b"} {
				c.do(`POST messages {"payload":{"text":"` + text + `"},"userId":"{user}","conversationId":"{conv}","type":"text","tags":{},"schedule":{"dateTime":"` + at + `"}}`)
			}
			<-time.After(time.Hour)
			settle(t, a.server)
			received := jane.Received()
			orders[message.PlainText(received[2].Message)+message.PlainText(received[3].Message)] = true
		})
	}
	if diff := cmp.Diff(map[string]bool{"ab": true, "ba": true}, orders); diff != "" {
		t.Errorf("orders (-want +got):\n%s", diff)
	}
}

// TestManySessions runs sessions at once, with faults that are made good by retries, and checks that the desk gets every
// message in order.
func TestManySessions(t *testing.T) {
	const sessions, each = 20, 10
	a, in := installAcme(t, &botpresstest.Options{Attempts: 20, RetryDelay: time.Millisecond}, botpresstest.Integration{})
	a.server.Fault(botpresstest.Fault{Operation: botpresstest.AnyDispatch, Kind: botpresstest.DropBefore, Probability: 0.1})
	a.server.Fault(botpresstest.Fault{Operation: botpresstest.AnyDispatch, Kind: botpresstest.Unavailable, Probability: 0.1})
	var wg sync.WaitGroup
	for i := range sessions {
		wg.Go(func() {
			u := in.NewEndUser(botpresstest.Profile{Name: fmt.Sprint("User ", i)})
			if err := u.Escalate(t.Context(), botpresstest.Escalation{Title: "Help"}); err != nil {
				t.Error(err)
				return
			}
			for k := range each {
				if err := u.Say(t.Context(), message.Text{Text: strconv.Itoa(k)}); err != nil {
					t.Error(err)
				}
			}
			if err := u.End(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	settle(t, a.server)
	got := map[string]string{}
	for _, op := range a.received {
		if op.name == "message_created" {
			if text := fmt.Sprint(field(t, op.body, "payload.text")); len(text) == 1 {
				got[fmt.Sprint(field(t, op.body, "conversation.id"))] += text
			}
		}
	}
	if len(got) != sessions {
		t.Errorf("%d sessions, want %d", len(got), sessions)
	}
	for id, texts := range got {
		if texts != "0123456789" {
			t.Errorf("%s: %s", id, texts)
		}
	}
}

// TestCrowded: what waits for a desk that does not answer is bounded.
func TestCrowded(t *testing.T) {
	inBubble(t, botpresstest.Options{}, func(t *testing.T, a *acme, in *botpresstest.Installation) {
		t.Helper()
		jane := session(t, in, botpresstest.Profile{Name: "Jane"})
		release := make(chan struct{})
		a.reply = func(operation) (int, string) { <-release; return 0, "" }
		said := 0
		var err error
		for ; err == nil && said < 100_000; said++ {
			err = jane.Say(t.Context(), message.Text{Text: "hello?"})
		}
		var refusal *botpresstest.Error
		if !errors.As(err, &refusal) || refusal.Type != "RateLimited" {
			t.Errorf("after %d messages: %v, want RateLimited", said, err)
		}
		for synctest.Wait(); jane.Say(t.Context(), message.Text{Text: "hello?"}) == nil; synctest.Wait() { // what did not wait for the desk is done
		}
		if status, _ := newAPI(t, a, in).do(`POST users {"tags":{}}`); status != 429 {
			t.Errorf("a call of the API: %d, want 429", status)
		}
		if status, _ := newAPI(t, a, in).do(`GET users`); status != 200 {
			t.Errorf("a call that makes no work: %d, want 200", status)
		}
		a.server.Close()
		close(release)
	})
}
