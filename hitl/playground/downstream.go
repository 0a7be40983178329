package playground

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"sync"

	"github.com/hitl-go/sdk/botpress/botpresstest"
	protocol "github.com/hitl-go/sdk/internal/wire"
	"github.com/hitl-go/sdk/message"
)

// downstream replaces [Options.Desk] if there is none: it shows the sessions as Botpress has them. People play the agent by
// sending webhooks.
type downstream struct {
	cloud    *botpresstest.Server
	in       *botpresstest.Installation
	openings *openings
}

// openings are what sessions began with, by the ids of their conversations. Botpress says it to the integration only.
type openings struct {
	mu  sync.Mutex
	all map[string]opening
}

type opening struct {
	user    string // The end user's id.
	title   string
	entries []Entry // The description, and what was said before.
}

// noter is a transport of operations that takes note of the sessions that are started.
type noter struct {
	openings *openings
	base     http.RoundTripper
}

func (n noter) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Header.Get(protocol.HeaderOperation) != string(protocol.ActionTriggered) {
		return n.base.RoundTrip(r)
	}
	asked, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	_ = r.Body.Close() // It cannot fail: the body is a buffer.
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(bytes.NewReader(asked))
	res, err := n.base.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	answered, err := io.ReadAll(res.Body) // The transport below has bounded it.
	if err != nil {
		return nil, err
	}
	res.Body = io.NopCloser(bytes.NewReader(answered))
	n.openings.note(asked, answered)
	return res, nil
}

// CloseIdleConnections makes the client's method of this name work.
func (n noter) CloseIdleConnections() { (&http.Client{Transport: n.base}).CloseIdleConnections() }

// note remembers a session that was started. Integrations give the action any name, so its input and output tell.
func (o *openings) note(asked, answered []byte) {
	var request struct {
		Input struct {
			UserID         string `json:"userId"`
			Title          string `json:"title"`
			Description    string `json:"description"`
			MessageHistory []struct {
				Source struct {
					Type string `json:"type"`
				} `json:"source"`
				Type    message.Type    `json:"type"`
				Payload json.RawMessage `json:"payload"`
			} `json:"messageHistory"`
		} `json:"input"`
	}
	var response struct {
		Output struct {
			ConversationID string `json:"conversationId"`
		} `json:"output"`
	}
	in := &request.Input
	if json.Unmarshal(asked, &request) != nil || in.MessageHistory == nil || json.Unmarshal(answered, &response) != nil || response.Output.ConversationID == "" {
		return
	}
	begun := opening{user: in.UserID, title: in.Title}
	if in.Description != "" {
		begun.entries = append(begun.entries, Entry{Author: "Description", By: System, Message: message.Text{Text: in.Description}})
	}
	for _, m := range in.MessageHistory {
		said, err := message.Decode(m.Type, m.Payload)
		if err != nil {
			continue // The list of requests has it.
		}
		e := Entry{Author: "Bot", By: Bot, Message: said}
		if m.Source.Type == "user" {
			e.By = EndUser // Transcript adds the name.
		}
		begun.entries = append(begun.entries, e)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.all == nil {
		o.all = map[string]opening{}
	}
	o.all[response.Output.ConversationID] = begun
}

func (o *openings) of(conversation string) (begun opening, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	begun, ok = o.all[conversation]
	return begun, ok
}

func (d *downstream) Agents() []string { return nil }

// Tickets are the conversations with the integration, by their ids in Botpress.
func (d *downstream) Tickets(context.Context) ([]Ticket, error) {
	names := d.names()
	var all []Ticket
	for _, c := range d.cloud.Conversations() {
		if c.Integration != d.in.Alias {
			continue
		}
		t := Ticket{ID: c.ID, Subject: "Session", Status: "opening", Assignee: c.Tags[tagAgent]}
		begun, ok := d.openings.of(c.ID)
		if ok { // Nothing is shown before: what was said before comes first.
			t.Entries = len(begun.entries) + c.MessageCount
			t.Subject, t.From = cmp.Or(begun.title, t.Subject), names[begun.user]
		}
		if id := d.id(c); id != "" {
			t.Subject, t.Status = t.Subject+" ("+id+")", "open"
		}
		if c.Tags[tagEnd] != "" {
			t.Status, t.Over = "ended", true
		}
		all = append(all, t)
	}
	return all, nil
}

// id is a session's id in the desk, empty before the integration has set it.
func (d *downstream) id(c botpresstest.Conversation) string { return c.Tags[d.in.Alias+":id"] }

// idOf is the same for the id of a conversation.
func (d *downstream) idOf(conversation string) string {
	for _, c := range d.cloud.Conversations() {
		if c.ID == conversation {
			return d.id(c)
		}
	}
	return ""
}

// Transcript is what was said before the session, and then the messages to and from the integration.
func (d *downstream) Transcript(_ context.Context, ticket string, from int) ([]Entry, error) {
	names := d.names()
	begun, _ := d.openings.of(ticket)
	var entries []Entry
	for _, e := range begun.entries {
		if e.By == EndUser {
			e.Author = cmp.Or(names[begun.user], "End user")
		}
		entries = append(entries, e)
	}
	for _, m := range d.cloud.Messages(ticket) {
		said, err := message.Decode(message.Type(m.Type), m.Payload)
		if err != nil {
			return nil, err
		}
		var extra struct {
			UserID string `json:"userId"`
		}
		_ = json.Unmarshal(m.Payload, &extra) // Decode has read it already.
		e := Entry{Author: "Bot", By: Bot, Message: said, At: m.CreatedAt}
		switch {
		case m.Direction == "incoming":
			e.Author, e.By = cmp.Or(names[m.UserID], "Agent"), Agent
		case extra.UserID != "":
			e.Author, e.By = cmp.Or(names[extra.UserID], "End user"), EndUser
		}
		entries = append(entries, e)
	}
	return entries[min(from, len(entries)):], nil
}

// names are those of all users, by id.
func (d *downstream) names() map[string]string {
	names := map[string]string{}
	for _, u := range d.cloud.Users() {
		names[u.ID] = u.Name
	}
	return names
}

func (d *downstream) Assign(context.Context, string, string) error        { return errNoDesk }
func (d *downstream) Reply(context.Context, string, string, string) error { return errNoDesk }
func (d *downstream) Note(context.Context, string, string, string) error  { return errNoDesk }
func (d *downstream) Resolve(context.Context, string, string) error       { return errNoDesk }
