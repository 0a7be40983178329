package playground

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
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

// placeholders returns a function that replaces the placeholders of a [Webhook] for a ticket. The values are escaped for
// JSON.
func (p *playground) placeholders(ticket string) func(string) string {
	conversation, id := p.session().Conversation, ticket
	if d, ok := p.desk.(*downstream); ok {
		conversation = cmp.Or(ticket, conversation)
		id = d.idOf(conversation)
	}
	return func(text string) string {
		return strings.NewReplacer(
			"{{session}}", jsonEscaped(id), "{{conversation}}", jsonEscaped(conversation),
			"{{user}}", jsonEscaped(p.currentUser().DownstreamUserID()), "{{new}}", rand.Text(),
		).Replace(text)
	}
}

// jsonEscaped is a text as it occurs within JSON.
func jsonEscaped(text string) string {
	asJSON, _ := json.Marshal(text) // A string can always be marshalled.
	return string(asJSON[1 : len(asJSON)-1])
}
