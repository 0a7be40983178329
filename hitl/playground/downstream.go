package playground

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"

	"github.com/hitl-go/sdk/botpress/botpresstest"
	"github.com/hitl-go/sdk/message"
)

// downstream stands for a desk that the playground does not know: it shows the sessions as Botpress sees them. Who wants
// to work in it writes webhooks.
type downstream struct {
	cloud *botpresstest.Server
	in    *botpresstest.Installation
}

func (d *downstream) Agents() []string { return nil }

// Tickets are the conversations with the integration. Their ids are the desk's, as webhooks need them.
func (d *downstream) Tickets(context.Context) ([]Ticket, error) {
	var all []Ticket
	for _, c := range d.sessions() {
		t := Ticket{ID: d.id(c), Subject: "Session " + d.id(c), Status: "open", Entries: c.MessageCount, Assignee: c.Tags["hitl#humanAgentName"]}
		if c.Tags["hitl#hitlEndReason"] != "" {
			t.Status, t.Over = "ended", true
		}
		all = append(all, t)
	}
	return all, nil
}

func (d *downstream) sessions() []botpresstest.Conversation {
	var sessions []botpresstest.Conversation
	for _, c := range d.cloud.Conversations() {
		if c.Integration == d.in.Alias {
			sessions = append(sessions, c)
		}
	}
	return sessions
}

// id is a session's id in the desk, or in Botpress as long as the desk has not given one.
func (d *downstream) id(c botpresstest.Conversation) string {
	return cmp.Or(c.Tags[d.in.Alias+":id"], c.Tags[d.in.Name+":id"], c.ID)
}

// conversation is the session in Botpress.
func (d *downstream) conversation(ticket string) (string, error) {
	for _, c := range d.sessions() {
		if d.id(c) == ticket {
			return c.ID, nil
		}
	}
	return "", fmt.Errorf("there is no session %q", ticket)
}

func (d *downstream) Transcript(_ context.Context, ticket string, from int) ([]Entry, error) {
	conversation, err := d.conversation(ticket)
	if err != nil {
		return nil, err
	}
	messages := d.cloud.Messages(conversation)
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

func (d *downstream) Assign(context.Context, string, string) error        { return errByHand }
func (d *downstream) Reply(context.Context, string, string, string) error { return errByHand }
func (d *downstream) Note(context.Context, string, string, string) error  { return errByHand }
func (d *downstream) Resolve(context.Context, string, string) error       { return errByHand }
