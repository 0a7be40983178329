package botpresstest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hitl-go/sdk/botpress/botpresstest"
	"github.com/hitl-go/sdk/internal/memnet"
	"github.com/hitl-go/sdk/message"
)

// inBubble runs f in a synctest bubble, with a server and an acme on a network in memory.
func inBubble(t *testing.T, opts botpresstest.Options, f func(t *testing.T, a *acme, in *botpresstest.Installation)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var network memnet.Network
		cloud, err := network.Listen("botpress.test:80")
		if err != nil {
			t.Fatal(err)
		}
		desk, err := network.Listen("acme.test:80")
		if err != nil {
			t.Fatal(err)
		}
		opts.Listener, opts.Client = cloud, network.Client()
		s := botpresstest.NewServer(&opts)
		a := &acme{server: s, client: network.Client()}
		adapter := &http.Server{Handler: a}
		go func() { _ = adapter.Serve(desk) }()
		defer func() { _ = adapter.Close() }()
		defer s.Close()
		defer a.client.CloseIdleConnections()
		in, err := s.Install(t.Context(), botpresstest.Integration{
			Name: "acme-desk", URL: "http://acme.test:80", Configuration: json.RawMessage(acmeConfig),
		})
		if err != nil {
			t.Fatal(err)
		}
		f(t, a, in)
	})
}

// read returns what an end user is shown next, within a virtual day.
func read(t *testing.T, u *botpresstest.EndUser) string {
	t.Helper()
	r, err := u.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return string(r.From) + ": " + message.PlainText(r.Message)
}

func TestSessionInABubble(t *testing.T) {
	inBubble(t, botpresstest.Options{}, func(t *testing.T, a *acme, in *botpresstest.Installation) {
		t.Helper()
		jane := in.NewEndUser(botpresstest.Profile{Name: "Jane"})
		if err := jane.Escalate(t.Context(), botpresstest.Escalation{Title: "Help"}); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		say := func(after time.Duration, text string) {
			status, data := send(t.Context(), a.server, a.client, a.received[0].header, "POST", "/v1/chat/messages", map[string]any{
				"payload": map[string]string{"text": text}, "type": "text", "tags": struct{}{},
				"conversationId": jane.DownstreamID(), "userId": jane.DownstreamUserID(),
				"schedule": map[string]float64{"delay": float64(after.Milliseconds())},
			})
			if status != http.StatusCreated {
				t.Fatalf("%d %s", status, data)
			}
		}
		say(2*time.Hour, "later")
		say(time.Hour, "sooner")
		got := []string{read(t, jane), read(t, jane), read(t, jane)}
		if took := time.Since(start); took != time.Hour {
			t.Errorf("the first message came after %s, want 1h", took)
		}
		got = append(got, read(t, jane))
		if took := time.Since(start); took != 2*time.Hour {
			t.Errorf("the second message came after %s, want 2h", took)
		}
		want := []string{
			"bot: I have escalated this conversation to a human agent. They should be with you shortly.",
			"bot: A human agent has joined the conversation.", "agent: sooner", "agent: later",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("shown (-want +got):\n%s", diff)
		}
	})
}

func TestAssignmentTimeout(t *testing.T) {
	opts := botpresstest.Options{Plugin: botpresstest.PluginConfig{AssignedTimeout: 10 * time.Minute}}
	inBubble(t, opts, func(t *testing.T, a *acme, in *botpresstest.Installation) {
		t.Helper()
		start := time.Now()
		jane := in.NewEndUser(botpresstest.Profile{Name: "Jane"})
		if err := jane.Escalate(t.Context(), botpresstest.Escalation{Title: "Help"}); err != nil {
			t.Fatal(err)
		}
		read(t, jane)
		if got := read(t, jane); got != "bot: No human agent is available at the moment. Please try again later. I will continue assisting you for the time being." {
			t.Errorf("shown: %s", got)
		}
		if took := time.Since(start); took != 10*time.Minute {
			t.Errorf("the timeout came after %s, want 10m", took)
		}
		if jane.Active() {
			t.Error("the session is still active")
		}

		// The second session in the same chat is not ended, once the first one had an agent.
		if err := jane.Say(t.Context(), message.Text{Text: "again"}); err != nil {
			t.Fatal(err)
		}
		if err := jane.Escalate(t.Context(), botpresstest.Escalation{Title: "Help"}); err != nil {
			t.Fatal(err)
		}
		webhook(t, in, a.client, `{"type":"assigned","ticketId":"T-2","agent":{"id":"7","name":"Alice"}}`)
		if err := jane.End(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := a.server.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := jane.Say(t.Context(), message.Text{Text: "and again"}); err != nil {
			t.Fatal(err)
		}
		if err := jane.Escalate(t.Context(), botpresstest.Escalation{Title: "Help"}); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Hour)
		if !jane.Active() {
			t.Error("the third session has timed out, though the tag of the agent is never cleared")
		}
	})
}

// TestWindow shows what an integration must cope with: nothing gets through until shortly after startHitl.
func TestWindow(t *testing.T) {
	opts := botpresstest.Options{Plugin: botpresstest.PluginConfig{ActivationDelay: time.Second}}
	inBubble(t, opts, func(t *testing.T, a *acme, in *botpresstest.Installation) {
		t.Helper()
		jane := in.NewEndUser(botpresstest.Profile{Name: "Jane"})
		done := make(chan error)
		go func() { done <- jane.Escalate(t.Context(), botpresstest.Escalation{Title: "Help"}) }()
		synctest.Wait()
		webhook(t, in, a.client, `{"type":"assigned","ticketId":"T-1","agent":{"id":"7","name":"Alice"}}`)
		webhook(t, in, a.client, `{"type":"comment","ticketId":"T-1","agent":{"id":"7","name":"Alice"},"text":"too early"}`)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		webhook(t, in, a.client, `{"type":"comment","ticketId":"T-1","agent":{"id":"7","name":"Alice"},"text":"in time"}`)
		if err := a.server.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range jane.Received()[1:] {
			got = append(got, string(r.From)+": "+message.PlainText(r.Message))
		}
		if diff := cmp.Diff([]string{"bot: A human agent has joined the conversation.", "agent: in time"}, got); diff != "" {
			t.Errorf("shown (-want +got):\n%s", diff)
		}
		var statuses []string
		for _, e := range a.server.Events() {
			statuses = append(statuses, e.Type+" "+e.Status)
		}
		if diff := cmp.Diff([]string{"acme-desk:hitlAssigned ignored", "message_created ignored", "message_created processed"}, statuses); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
	})
}

func TestFarewell(t *testing.T) {
	for order, want := range map[botpresstest.Farewell][]string{
		botpresstest.FarewellFirst: {"message_created", "action_triggered"},
		botpresstest.FarewellLast:  {"action_triggered", "message_created"},
	} {
		inBubble(t, botpresstest.Options{Plugin: botpresstest.PluginConfig{Farewell: order}}, func(t *testing.T, a *acme, in *botpresstest.Installation) {
			t.Helper()
			jane := in.NewEndUser(botpresstest.Profile{Name: "Jane"})
			if err := jane.Escalate(t.Context(), botpresstest.Escalation{Title: "Help"}); err != nil {
				t.Fatal(err)
			}
			before := len(a.received)
			if err := jane.End(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := a.server.Settle(t.Context()); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, op := range a.received[before:] {
				got = append(got, op.name)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("dispatches (-want +got):\n%s", diff)
			}
		})
	}
}

// TestRetries: 5xx is retried a bounded number of times, with the message as it was; 4xx is permanent.
func TestRetries(t *testing.T) {
	for status, want := range map[int]int{500: 4, 503: 4, 400: 1, 429: 1} {
		inBubble(t, botpresstest.Options{Attempts: 4}, func(t *testing.T, a *acme, in *botpresstest.Installation) {
			t.Helper()
			jane := in.NewEndUser(botpresstest.Profile{Name: "Jane"})
			if err := jane.Escalate(t.Context(), botpresstest.Escalation{Title: "Help"}); err != nil {
				t.Fatal(err)
			}
			before, start := len(a.received), time.Now()
			a.reply = func(op operation) (int, string) {
				send(t.Context(), a.server, a.client, op.header, "PUT", "/v1/chat/conversations/"+jane.DownstreamID(), map[string]any{"tags": map[string]string{"id": "changed"}})
				return status, "down"
			}
			if err := jane.Say(t.Context(), message.Text{Text: "hello"}); err != nil {
				t.Fatal(err)
			}
			if err := a.server.Settle(t.Context()); err != nil {
				t.Fatal(err)
			}
			sent := a.received[before:]
			if len(sent) != want {
				t.Fatalf("%d: %d attempts, want %d", status, len(sent), want)
			}
			if want > 1 && time.Since(start) != 6*time.Second {
				t.Errorf("the attempts took %s, want 1+2+3 seconds", time.Since(start))
			}
			for _, op := range sent[1:] {
				if diff := cmp.Diff(string(sent[0].body), string(op.body)); diff != "" {
					t.Errorf("the message has changed on the way (-first +again):\n%s", diff)
				}
			}
		})
	}
}

func TestFaultsOnDispatch(t *testing.T) {
	tests := map[botpresstest.FaultKind]struct {
		arrive   int // How often the message arrives.
		attempts int // How often it is sent.
		took     time.Duration
	}{
		botpresstest.DropBefore:    {1, 2, time.Second},
		botpresstest.DropAfter:     {2, 2, time.Second},
		botpresstest.BadGateway:    {2, 2, time.Second},
		botpresstest.Reset:         {1, 2, time.Second},
		botpresstest.Unavailable:   {1, 2, time.Second},
		botpresstest.InternalError: {1, 2, time.Second},
		botpresstest.RateLimited:   {0, 1, 0},
		botpresstest.Delay:         {1, 1, time.Minute},
		botpresstest.Reorder:       {1, 1, time.Minute},
		botpresstest.Duplicate:     {2, 1, 0},
	}
	for kind, want := range tests {
		t.Run(string(kind), func(t *testing.T) {
			inBubble(t, botpresstest.Options{}, func(t *testing.T, a *acme, in *botpresstest.Installation) {
				t.Helper()
				jane := in.NewEndUser(botpresstest.Profile{Name: "Jane"})
				if err := jane.Escalate(t.Context(), botpresstest.Escalation{Title: "Help"}); err != nil {
					t.Fatal(err)
				}
				before, start := len(a.received), time.Now()
				a.server.Fault(botpresstest.Fault{Operation: "message_created", Kind: kind, Times: 1, Delay: time.Minute})
				if err := jane.Say(t.Context(), message.Text{Text: "hello"}); err != nil {
					t.Fatal(err)
				}
				if err := a.server.Settle(t.Context()); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				if got := len(a.received) - before; got != want.arrive {
					t.Errorf("the message has arrived %d times, want %d", got, want.arrive)
				}
				if got := a.server.Count("message_created"); got != want.attempts {
					t.Errorf("%d attempts, want %d", got, want.attempts)
				}
				if got := time.Since(start); got != want.took {
					t.Errorf("it took %s, want %s", got, want.took)
				}
			})
		})
	}
}

// TestReorder: a message that is sent late is overtaken.
func TestReorder(t *testing.T) {
	inBubble(t, botpresstest.Options{}, func(t *testing.T, a *acme, in *botpresstest.Installation) {
		t.Helper()
		jane := in.NewEndUser(botpresstest.Profile{Name: "Jane"})
		if err := jane.Escalate(t.Context(), botpresstest.Escalation{Title: "Help"}); err != nil {
			t.Fatal(err)
		}
		before := len(a.received)
		a.server.Fault(botpresstest.Fault{Operation: botpresstest.AnyDispatch, Kind: botpresstest.Reorder, Times: 1})
		for _, text := range []string{"one", "two", "three"} {
			if err := jane.Say(t.Context(), message.Text{Text: text}); err != nil {
				t.Fatal(err)
			}
		}
		if err := a.server.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, op := range a.received[before:] {
			got = append(got, fmt.Sprint(field(t, op.body, "payload.text")))
		}
		if diff := cmp.Diff([]string{"two", "three", "one"}, got); diff != "" {
			t.Errorf("messages (-want +got):\n%s", diff)
		}
	})
}
