package playground

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"encoding/xml"
	"mime"
	"net/http"
	"net/url"
	"strings"
)

// Webhook is a template for a webhook request of the desk. In path, header and body, {{session}} is replaced by the session's
// id in the desk, {{conversation}} and {{user}} by the ids of conversation and end user in Botpress, and {{new}} by a new
// id. The values are escaped as path, query or the body's Content-Type want it.
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
	fresh := rand.Text()
	return func(text string, escaped func(string) string) string {
		return strings.NewReplacer(
			"{{session}}", escaped(id), "{{conversation}}", escaped(conversation),
			"{{user}}", escaped(p.currentUser().DownstreamUserID()), "{{new}}", fresh,
		).Replace(text)
	}
}

// escaping returns how a text is written within a body of this type. Without a type, it is JSON.
func escaping(contentType string) func(string) string {
	switch kind, _, _ := mime.ParseMediaType(contentType); {
	case kind == formType:
		return url.QueryEscape
	case kind == "" || strings.HasSuffix(kind, "json"):
		return jsonEscaped
	case strings.HasSuffix(kind, "xml"):
		return xmlEscaped
	}
	return asItIs
}

func asItIs(text string) string { return text }

// jsonEscaped is a text as it occurs within JSON.
func jsonEscaped(text string) string {
	var asJSON strings.Builder
	e := json.NewEncoder(&asJSON)
	e.SetEscapeHTML(false)
	_ = e.Encode(text) // A string can always be encoded.
	return strings.TrimSuffix(asJSON.String(), "\"\n")[1:]
}

func xmlEscaped(text string) string {
	var asXML strings.Builder
	_ = xml.EscapeText(&asXML, []byte(text)) // A builder takes everything.
	return asXML.String()
}
