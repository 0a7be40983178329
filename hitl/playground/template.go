package playground

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"strings"
)

// Webhook is a template for a webhook request of the desk. In path, header and body, {{session}} is replaced by the session's
// id in the desk, {{conversation}} and {{user}} by the ids of conversation and end user in Botpress, and {{new}} by a new
// id.
type Webhook struct {
	Name   string            `json:"name"`
	Method string            `json:"method"` // Empty: POST.
	Path   string            `json:"path"`   // Below the webhook's URL.
	Header map[string]string `json:"header"`
	Body   string            `json:"body"`
}

const formType = "application/x-www-form-urlencoded"

// byHand are templates for desks of which nothing is known. The form is what examples/minimal understands, but for its key.
func byHand() []Webhook {
	return []Webhook{
		{
			Name: "By hand, as a form", Method: http.MethodPost, Header: map[string]string{"Content-Type": formType},
			Body: "session={{session}}&id={{new}}&text=Hello",
		},
		{
			Name: "By hand, as JSON", Method: http.MethodPost, Header: map[string]string{"Content-Type": "application/json"},
			Body: "{\n  \"session\": \"{{session}}\",\n  \"id\": \"{{new}}\",\n  \"text\": \"Hello\"\n}",
		},
	}
}

// placeholders returns a function that replaces the placeholders of a [Webhook] for a ticket, and escapes their values.
func (p *playground) placeholders(ticket string) func(text string, escaped func(string) string) string {
	conversation, id := p.session().Conversation, ticket
	if d, ok := p.desk.(*downstream); ok {
		conversation = cmp.Or(ticket, conversation)
		id = d.idOf(conversation)
	}
	return func(text string, escaped func(string) string) string {
		return strings.NewReplacer(
			"{{session}}", escaped(id), "{{conversation}}", escaped(conversation),
			"{{user}}", escaped(p.currentUser().DownstreamUserID()), "{{new}}", rand.Text(),
		).Replace(text)
	}
}

// jsonEscaped is a text as it occurs within JSON.
func jsonEscaped(text string) string {
	asJSON, _ := json.Marshal(text) // A string can always be marshalled.
	return string(asJSON[1 : len(asJSON)-1])
}
