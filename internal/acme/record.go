package acme

import (
	"fmt"
	"slices"
	"time"

	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/message"
)

// The kinds of entries, which are the types of reports.
const (
	kindAssigned = "assigned"
	kindComment  = "comment"
	kindClosed   = "closed"
)

// entry is something that happened in a ticket, as the desk's own record has it.
type entry struct {
	kind  string
	at    time.Time // by the desk's clock
	id    string    // of the comment or the assignment
	agent Agent     // who did it
	text  string
	ours  bool // Botpress did it
}

// Agent is a person who works in the desk.
type Agent struct{ ID, Name string }

// echoAgent is in whose name a desk with an echo shows what Botpress says.
var echoAgent = Agent{ID: "api", Name: "API"}

// happened adds an entry to the record, and reports it. Hold d.mu.
func (d *Desk) happened(t *Ticket, e entry) {
	e.at = time.Now()
	t.record = append(t.record, e)
	delay := time.Duration(0)
	if e.ours {
		if !d.Echo || e.kind != kindComment {
			return
		}
		e.agent, delay = echoAgent, d.EchoDelay
	}
	if d.Webhooks != nil {
		d.reporter.add(d.Webhooks, e.report(t.ID), delay)
	}
}

// What agents do in the desk.

// Assign gives a ticket to an agent. It returns false if the ticket is closed.
func (d *Desk) Assign(ticketID string, a Agent) (ok bool) {
	return d.act(ticketID, entry{kind: kindAssigned, agent: a}) != ""
}

// Reply adds an agent's comment to a ticket, even if it is closed, and returns the comment's id.
func (d *Desk) Reply(ticketID string, a Agent, text string) (id string) {
	return d.act(ticketID, entry{kind: kindComment, agent: a, text: text})
}

// Close closes a ticket. It returns false if it is closed already.
func (d *Desk) Close(ticketID string, a Agent) (ok bool) {
	return d.act(ticketID, entry{kind: kindClosed, agent: a}) != ""
}

func (d *Desk) act(ticketID string, e entry) (id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.ticketByID[ticketID]
	if t == nil || t.Status == statusClosed && e.kind != kindComment {
		return ""
	}
	d.actions++
	e.id = fmt.Sprintf("A-%d", d.actions)
	switch e.kind {
	case kindComment:
		t.Log = append(t.Log, e.agent.Name+": "+e.text)
	case kindClosed:
		t.Status = statusClosed
	}
	d.happened(t, e)
	return e.id
}

// recordReports adds reports to the record that did not come from the desk itself, but from a test in its name: whoever
// reads the desk back must find them.
func (d *Desk) recordReports(reports []report) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, r := range reports {
		t := d.ticketByID[r.TicketID]
		e := r.entry()
		known := func(other entry) bool {
			return other.kind == e.kind && (other.id == e.id && e.id != "" || e.kind == kindClosed)
		}
		if t == nil || e.id == "" && e.kind != kindClosed || slices.ContainsFunc(t.record, known) {
			continue
		}
		e.at = time.Now()
		t.record = append(t.record, e)
	}
}

func (e entry) report(ticketID string) report {
	r := report{Type: e.kind, TicketID: ticketID, Agent: &reportAgent{ID: e.agent.ID, Name: e.agent.Name}, Text: e.text}
	if e.kind == kindComment {
		r.CommentID = e.id
	} else {
		r.EventID = e.id
	}
	return r
}

func (r report) entry() entry {
	e := entry{kind: r.Type, text: r.Text, id: r.EventID}
	if r.Agent != nil {
		e.agent = Agent{ID: r.Agent.ID, Name: r.Agent.Name}
	}
	if r.Type == kindComment {
		e.id = r.CommentID
	}
	return e
}

// events are a ticket's record as the adapter returns it, from the given time and the given entry on.
func (d *Desk) events(ticketID string, since time.Time, from int) []hitl.Event {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.ticketByID[ticketID]
	if t == nil {
		return nil
	}
	conversation := t.conversationID
	if d.NoConversationID {
		conversation = ""
	}
	var events []hitl.Event
	for _, e := range t.record[from:] {
		if !e.at.Before(since) {
			events = append(events, d.event(t.ID, conversation, e))
		}
	}
	return events
}

func (d *Desk) event(ticketID, conversationID string, e entry) hitl.Event {
	agent := hitl.Agent{ID: e.agent.ID, Name: e.agent.Name}
	switch e.kind {
	case kindAssigned:
		return hitl.Assigned{SessionID: ticketID, ConversationID: conversationID, Agent: agent, ID: e.id}
	case kindClosed:
		return hitl.Stopped{SessionID: ticketID, ConversationID: conversationID}
	}
	r := hitl.Replied{SessionID: ticketID, ConversationID: conversationID, ID: e.id, Message: message.Text{Text: e.text}}
	switch {
	case !e.ours:
		r.Author = agent
	case d.Echo:
		r.Author = hitl.Agent{ID: echoAgent.ID, Name: echoAgent.Name}
	}
	return r
}
