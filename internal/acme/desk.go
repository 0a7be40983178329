// Package acme is a help desk in memory, and its integration on this SDK: the one that the recordings of the real
// Botpress stack were made with, and that tests are run against.
package acme

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// Desk is the help desk. The zero value is an empty one. It is safe for concurrent use.
type Desk struct {
	// Forgetful is a desk without idempotency keys: it takes a comment as often as it is sent.
	Forgetful bool

	// Before and After are called around each method of the adapter, with its name; nil does nothing. An error of Before
	// keeps the desk from working, one of After loses the desk's answer.
	Before, After func(ctx context.Context, method string) error

	mu       sync.Mutex
	users    []user
	tickets  []*Ticket
	comments int
	seen     map[string]string // idempotency keys of comments, and the comments' ids
}

type user struct{ id, botpressID, name string }

// Ticket is a session in the desk.
type Ticket struct {
	ID     string   `json:"id"`
	Title  string   `json:"title"`
	Status string   `json:"status"` // open or closed
	Log    []string `json:"log"`

	conversationID string
	comments       []string
}

// upsertUser finds or creates the user who has this id in Botpress.
func (d *Desk) upsertUser(botpressID, name string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range d.users {
		if d.users[i].botpressID == botpressID {
			d.users[i].name = name
			return d.users[i].id
		}
	}
	u := user{id: fmt.Sprintf("ext-%d", len(d.users)+1), botpressID: botpressID, name: name}
	d.users = append(d.users, u)
	return u.id
}

func (d *Desk) userName(id string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, u := range d.users {
		if u.id == id {
			return u.name
		}
	}
	return id
}

// openTicket opens the ticket of a conversation, once.
func (d *Desk) openTicket(conversationID, title string, log []string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, t := range d.tickets {
		if t.conversationID == conversationID {
			return t.ID
		}
	}
	t := &Ticket{
		ID: fmt.Sprintf("T-%d", len(d.tickets)+1), Title: title, Status: "open", Log: slices.Clone(log),
		conversationID: conversationID,
	}
	d.tickets = append(d.tickets, t)
	return t.ID
}

// conversationOf is the external reference of a ticket: it was stored when the ticket was opened, so that what the desk
// reports can be told whose it is even before the opening has been answered.
func (d *Desk) conversationOf(ticketID string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if t := d.ticket(ticketID); t != nil {
		return t.conversationID
	}
	return ""
}

// comment adds a line to a ticket, once for each key, and returns the comment's id.
func (d *Desk) comment(ticketID, key, line string) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.ticket(ticketID)
	if t == nil {
		return "", fmt.Errorf("acme: there is no ticket %s", ticketID)
	}
	if id, ok := d.seen[key]; ok && !d.Forgetful {
		return id, nil
	}
	if d.seen == nil {
		d.seen = map[string]string{}
	}
	d.comments++
	id := fmt.Sprintf("C-%d", d.comments)
	d.seen[key] = id
	t.Log = append(t.Log, line)
	t.comments = append(t.comments, id)
	return id, nil
}

// Comments returns the ids of the comments that came from Botpress to a ticket, oldest first.
func (d *Desk) Comments(ticketID string) []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if t := d.ticket(ticketID); t != nil {
		return slices.Clone(t.comments)
	}
	return nil
}

// around calls the hooks.
func (d *Desk) around(ctx context.Context, method string, do func() error) error {
	for _, step := range []func() error{
		func() error { return call(ctx, d.Before, method) },
		do,
		func() error { return call(ctx, d.After, method) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func call(ctx context.Context, hook func(context.Context, string) error, method string) error {
	if hook == nil {
		return nil
	}
	return hook(ctx, method)
}

// closeTicket closes a ticket; one that is closed or gone stays so.
func (d *Desk) closeTicket(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if t := d.ticket(id); t != nil {
		t.Status = "closed"
	}
}

func (d *Desk) ticket(id string) *Ticket {
	for _, t := range d.tickets {
		if t.ID == id {
			return t
		}
	}
	return nil
}

// Tickets returns a copy of all tickets, oldest first.
func (d *Desk) Tickets() []Ticket {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := make([]Ticket, 0, len(d.tickets))
	for _, t := range d.tickets {
		c := *t
		c.Log = slices.Clone(t.Log)
		if c.Log == nil {
			c.Log = []string{}
		}
		all = append(all, c)
	}
	return all
}

// isTickets tells a request for the list of tickets from a webhook.
func isTickets(r *http.Request) bool {
	return r.Method == http.MethodGet && strings.TrimSuffix(r.URL.Path, "/") == "/tickets"
}

func (d *Desk) ticketsJSON() ([]byte, error) { return json.Marshal(d.Tickets()) }
