package playground

import (
	"context"
	"errors"
	"time"

	"github.com/hitl-go/sdk/message"
)

// Desk is a help desk as the agent's side of the page shows it, usually one in memory. Its methods are called
// concurrently. An error is shown on the page as it is.
type Desk interface {
	// Agents are the names of the people who work there; at least one.
	Agents() []string

	// Tickets are all tickets, oldest first.
	Tickets(context.Context) ([]Ticket, error)

	// Transcript is what was written in a ticket, oldest first, from the entry with this index on.
	Transcript(ctx context.Context, ticket string, from int) ([]Entry, error)

	// Assign gives a ticket to an agent.
	Assign(ctx context.Context, ticket, agent string) error

	// Reply writes to the end user, Note to the other agents only.
	Reply(ctx context.Context, ticket, agent, text string) error
	Note(ctx context.Context, ticket, agent, text string) error

	// Resolve ends the session.
	Resolve(ctx context.Context, ticket, agent string) error
}

// Ticket is a session in the desk, whatever the desk calls it.
type Ticket struct {
	ID       string `json:"id"`
	Subject  string `json:"subject"`
	Status   string `json:"status"` // In the desk's own word.
	Over     bool   `json:"over"`   // Nobody needs to work on it any more.
	From     string `json:"from"`   // The end user's name.
	Assignee string `json:"assignee,omitempty"`
	Priority string `json:"priority,omitempty"`
	Entries  int    `json:"entries"` // How many there are.
}

// Entry is something that was written in a ticket. Entries never change.
type Entry struct {
	Author  string
	By      Role
	Note    bool // The end user does not see it.
	Message message.Message
	At      time.Time
}

// Role is what an [Entry]'s author is to the session.
type Role string

// The roles.
const (
	EndUser Role = "user"
	Bot     Role = "bot"
	Agent   Role = "agent"
	System  Role = "system" // The desk itself.
)

// errByHand is the answer to who works in a desk that is not there.
var errByHand = errors.New("the playground does not know this desk: send its webhooks instead")

// refreshPause bounds how often the desk is looked at.
const refreshPause = 30 * time.Millisecond

// watch shows what has changed in the desk and in the session, each time when something has gone over the wire.
func (p *playground) watch() {
	ctx := p.running
	for {
		select {
		case <-p.view.touched:
		case <-ctx.Done():
			return
		}
		problem := ""
		if err := p.refresh(ctx); err != nil {
			problem = "The desk cannot be read: " + err.Error()
		}
		p.view.report(problem)
		select {
		case <-time.After(refreshPause):
		case <-ctx.Done():
			return
		}
	}
}

// refresh looks at the desk and at the session. Only watch calls it: two at once would show entries twice.
func (p *playground) refresh(ctx context.Context) error {
	p.view.setSession(p.session())
	tickets, err := p.desk.Tickets(ctx)
	if err != nil {
		return err
	}
	for _, t := range tickets[max(0, len(tickets)-maxTickets):] {
		known := p.view.setTicket(t)
		if known >= t.Entries {
			continue
		}
		from := max(known, t.Entries-maxMessages)
		entries, err := p.desk.Transcript(ctx, t.ID, from)
		if err != nil {
			return err
		}
		p.view.addEntries(t.ID, from, entries)
	}
	return nil
}
