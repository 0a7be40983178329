package playground

import (
	"crypto/rand"
	"encoding/json"
	"strings"
)

// placeholders returns what fills the placeholders of a [Webhook] in. They stand within JSON, so they are escaped for it.
func (p *playground) placeholders(ticket string) func(string) string {
	conversation := p.session().Conversation
	if d, ok := p.desk.(*downstream); ok && ticket != "" {
		if id, err := d.conversation(ticket); err == nil {
			conversation = id
		}
	}
	return func(text string) string {
		return strings.NewReplacer(
			"{{session}}", escaped(ticket), "{{conversation}}", escaped(conversation),
			"{{user}}", escaped(p.present().DownstreamUserID()), "{{new}}", rand.Text(),
		).Replace(text)
	}
}

func escaped(text string) string {
	asJSON, _ := json.Marshal(text) // A string always has a JSON.
	return strings.Trim(string(asJSON), `"`)
}
