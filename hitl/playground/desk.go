package playground

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hitl-go/sdk/message"
)

// Desk is a help desk, usually an in-memory one, as the agent's side of the page shows it. Its methods must be safe for
// concurrent use. The page shows their errors.
type Desk interface {
	// Agents are the names of the agents; at least one.
	Agents() []string

	// Tickets are all tickets, oldest first.
	Tickets(context.Context) ([]Ticket, error)

	// Transcript returns the entries of a ticket, oldest first, from this index on.
	Transcript(ctx context.Context, ticket string, from int) ([]Entry, error)

	// Assign assigns a ticket to an agent.
	Assign(ctx context.Context, ticket, agent string) error

	// Reply adds a reply to the end user, Note an internal note.
	Reply(ctx context.Context, ticket, agent, text string) error
	Note(ctx context.Context, ticket, agent, text string) error

	// Resolve ends the session.
	Resolve(ctx context.Context, ticket, agent string) error
}

// Ticket is a session in the desk.
type Ticket struct {
	ID       string `json:"id"`
	Subject  string `json:"subject"`
	Status   string `json:"status"` // As the desk calls it.
	Over     bool   `json:"over"`   // The session has ended.
	From     string `json:"from"`   // The end user's name.
	Assignee string `json:"assignee,omitempty"`
	Priority string `json:"priority,omitempty"`
	Entries  int    `json:"entries"` // Their number.
}

// Entry is a message or note in a ticket. Entries never change.
type Entry struct {
	Author  string
	By      Role
	Note    bool // The end user does not see it.
	Message message.Message
	At      time.Time // Zero if it is not known.
}

// Role is the role of an [Entry]'s author in the session.
type Role string

// The roles.
const (
	EndUser Role = "user"
	Bot     Role = "bot"
	Agent   Role = "agent"
	System  Role = "system" // The desk itself.
)

// errNoDesk is the error of an agent's actions without [Options.Desk].
var errNoDesk = errors.New("the playground has no access to this desk; send its webhooks instead")

// refreshPause is the shortest time between two reads of the desk or the session.
const refreshPause = 30 * time.Millisecond

// watch updates the page with the state of the session and of the desk after each exchange on the wire. Each has a goroutine: a
// slow desk does not delay the session.
func (p *playground) watch() {
	p.work.Go(func() {
		p.follow(p.view.sessionTouched, func(context.Context) { p.view.setSession(p.session()) })
	})
	p.work.Go(func() {
		p.follow(p.view.deskTouched, func(ctx context.Context) {
			problem := ""
			if err := p.refresh(ctx); err != nil {
				problem = "Reading the desk failed: " + err.Error()
			}
			p.view.setProblem(problem)
		})
	})
}

// follow reads something each time it may have changed, until the playground is closed.
func (p *playground) follow(touched <-chan struct{}, read func(context.Context)) {
	ctx := p.running
	for {
		select {
		case <-touched:
		case <-ctx.Done():
			return
		}
		read(ctx)
		select {
		case <-time.After(refreshPause):
		case <-ctx.Done():
			return
		}
	}
}

// refresh reads the desk; a ticket that cannot be read hides no other. Only watch calls it: concurrent calls would show entries twice.
func (p *playground) refresh(ctx context.Context) error {
	tickets, err := p.desk.Tickets(ctx)
	if err != nil {
		return err
	}
	var problem error
	failed := 0
	for _, t := range tickets[max(0, len(tickets)-maxTickets):] {
		known := p.view.setTicket(t)
		if known >= t.Entries {
			continue
		}
		from := max(known, t.Entries-maxMessages)
		entries, err := p.desk.Transcript(ctx, t.ID, from)
		if err != nil {
			problem = cmp.Or(problem, fmt.Errorf("the ticket %s: %w", t.ID, err))
			failed++
			continue
		}
		p.view.addEntries(t.ID, from, entries)
	}
	if failed > 1 {
		return fmt.Errorf("%w (and %d more)", problem, failed-1)
	}
	return problem
}
