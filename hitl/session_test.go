package hitl_test

import (
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/hitl-go/sdk/botpress/botpresstest"
	"github.com/hitl-go/sdk/internal/acme"
	"github.com/hitl-go/sdk/message"
)

// seen is what the end user was shown, as lines.
func seen(u *botpresstest.EndUser) []string {
	var lines []string
	for _, m := range u.Received() {
		who := string(m.From)
		if m.Name != "" {
			who = m.Name
		}
		lines = append(lines, who+": "+message.PlainText(m.Message))
	}
	return lines
}

func TestSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setting{})
		u := w.in.NewEndUser(botpresstest.Profile{Name: "Jane", Email: "jane@example.com"})

		say := func(m message.Message) {
			t.Helper()
			if err := u.Say(t.Context(), m); err != nil {
				t.Fatal(err)
			}
			w.settle()
		}
		say(message.Text{Text: "Hello"})
		w.escalate(u, "Help me")
		say(message.Text{Text: "I need help"})
		say(message.Image{ImageURL: "https://example.com/i.png"})
		say(message.Bloc{Items: []message.BlocItem{message.Text{Text: "one"}, message.Text{Text: "two"}}})
		w.report(report{Type: "assigned", TicketID: "T-1", Agent: alice})
		w.report(report{Type: "comment", TicketID: "T-1", Agent: alice, CommentID: "A-1", Text: "How can I help?"})
		w.report(report{Type: "closed", TicketID: "T-1"})

		want := []string{
			"bot: I have escalated this conversation to a human agent. They should be with you shortly.",
			"bot: A human agent has joined the conversation.",
			"Alice Agent: How can I help?",
			"bot: The human agent closed the conversation. I will continue assisting you.",
		}
		if diff := cmp.Diff(want, seen(u)); diff != "" {
			t.Errorf("the end user saw (-want +got):\n%s", diff)
		}
		tickets := []acme.Ticket{{ID: "T-1", Title: "Help me", Status: "open", Log: []string{
			"history user: Hello",
			"history bot: I have escalated this conversation to a human agent. They should be with you shortly.",
			"Jane: I need help",
			"Jane: https://example.com/i.png",
			"Jane: one",
			"Jane: two",
		}}}
		if diff := cmp.Diff(tickets, w.desk.Tickets(), cmpopts.IgnoreUnexported(acme.Ticket{})); diff != "" {
			t.Errorf("the desk has (-want +got):\n%s", diff)
		}
	})
}
