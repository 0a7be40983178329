package playground

import (
	"cmp"
	"context"
	"encoding/json"

	"github.com/hitl-go/sdk/botpress/botpresstest"
	"github.com/hitl-go/sdk/message"
)

// downstream replaces [Options.Desk] if there is none: it shows the sessions as Botpress has them. People play the agent by
// sending webhooks.
type downstream struct {
	cloud *botpresstest.Server
	in    *botpresstest.Installation
}

func (d *downstream) Agents() []string { return nil }

// Tickets are the conversations with the integration, by their ids in Botpress.
func (d *downstream) Tickets(context.Context) ([]Ticket, error) {
	var all []Ticket
	for _, c := range d.cloud.Conversations() {
		if c.Integration != d.in.Alias {
			continue
		}
		t := Ticket{ID: c.ID, Subject: "Session", Status: "opening", Entries: c.MessageCount, Assignee: c.Tags[tagAgent]}
		if id := d.id(c); id != "" {
			t.Subject, t.Status = "Session "+id, "open"
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

// Transcript are the messages to and from the integration.
func (d *downstream) Transcript(_ context.Context, ticket string, from int) ([]Entry, error) {
	messages := d.cloud.Messages(ticket)
	names := map[string]string{}
	for _, u := range d.cloud.Users() {
		names[u.ID] = u.Name
	}
	var entries []Entry
	for _, m := range messages[min(from, len(messages)):] {
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
	return entries, nil
}

func (d *downstream) Assign(context.Context, string, string) error        { return errNoDesk }
func (d *downstream) Reply(context.Context, string, string, string) error { return errNoDesk }
func (d *downstream) Note(context.Context, string, string, string) error  { return errNoDesk }
func (d *downstream) Resolve(context.Context, string, string) error       { return errNoDesk }
