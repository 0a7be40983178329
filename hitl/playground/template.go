package playground

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"strings"
)

// Webhook is a template for a request of the desk. In its path, header and body, {{session}} stands for the session's id
// in the desk, {{conversation}} for the one in Botpress, {{user}} for the end user in Botpress, and {{new}} for a new id.
type Webhook struct {
	Name   string            `json:"name"`
	Method string            `json:"method"` // Empty: POST.
	Path   string            `json:"path"`   // Below the webhook's URL.
	Header map[string]string `json:"header"`
	Body   string            `json:"body"`
}

// placeholders returns what fills the placeholders of a [Webhook] in, for a ticket of the page. They stand within JSON, so
// they are escaped for it.
func (p *playground) placeholders(ticket string) func(string) string {
	conversation, id := p.session().Conversation, ticket
	if d, ok := p.desk.(*downstream); ok {
		conversation = cmp.Or(ticket, conversation)
		id = d.idOf(conversation)
	}
	return func(text string) string {
		return strings.NewReplacer(
			"{{session}}", escaped(id), "{{conversation}}", escaped(conversation),
			"{{user}}", escaped(p.present().DownstreamUserID()), "{{new}}", rand.Text(),
		).Replace(text)
	}
}

// escaped is a text as it stands within JSON.
func escaped(text string) string {
	asJSON, _ := json.Marshal(text) // A text always has a JSON.
	return string(asJSON[1 : len(asJSON)-1])
}
