// Package acme is a help desk in memory, and its integration on this SDK: the one that the recordings of the real
// Botpress stack were made with, and that tests are run against.
package acme

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hitl-go/sdk/internal/sleep"
)

// Desk is the help desk. The zero value is an empty one. It is safe for concurrent use; its fields are set before it is used.
type Desk struct {
	// Forgetful is a desk without idempotency keys and external ids: each CreateUser makes another user, each StartHitl opens
	// another ticket, and a comment is taken as often as it is sent. The definition needs SendOnce then.
	Forgetful bool
	// NoConversationID is a desk that stores no external reference: its reports name their ticket only.
	NoConversationID bool
	// Reopens is a desk in which a comment reopens a closed ticket, unless it was said after the end.
	Reopens bool
	// Slow is how long each method of the adapter takes before it works.
	Slow time.Duration
	// Early is how long after its work each method of the adapter is answered: what came of it is reported before.
	Early time.Duration
	// Echo is a desk that takes our comments for an agent's, and reports them as such, after EchoDelay.
	Echo      bool
	EchoDelay time.Duration

	// Polled makes the adapter a [hitl.Receiver], ReadBack a [hitl.Backfiller], TakesNotes a [hitl.Notifier].
	Polled, ReadBack, TakesNotes bool

	// Webhooks gets what happens in tickets; nil tells nobody. A desk that has some must be closed.
	Webhooks *Webhooks

	// SignIn is called when an adapter is made; nil lets everybody in.
	SignIn func() error

	// Before and After are called around each method of the adapter, with its name; nil does nothing. An error of Before
	// keeps the desk from working, one of After loses the desk's answer.
	Before, After func(ctx context.Context, method string) error

	mu             sync.Mutex
	down           bool
	users          []*user
	userByID       map[string]*user
	tickets        []*Ticket
	ticketByID     map[string]*Ticket
	ticketsByTitle map[string][]*Ticket
	comments       int
	actions        int               // of agents
	seen           map[string]string // idempotency keys of comments, and the comments' ids

	reporter reporter
}

type user struct{ id, botpressID, name string }

// Ticket is a session in the desk.
type Ticket struct {
	ID     string   `json:"id"`
	Title  string   `json:"title"`
	Status string   `json:"status"` // open or closed
	Log    []string `json:"log"`
	Notes  []Note   `json:"notes,omitempty"` // internal ones, for the agents

	conversationID string
	comments       []string
	record         []entry
	received       int // how much of the record the poller has passed on
}

// Note is an internal note in a ticket.
type Note struct {
	About string `json:"about"` // the comment's id
	Text  string `json:"text"`
}

// SetDown starts or ends an outage: while it lasts, all methods of the adapter fail as if nobody listened.
func (d *Desk) SetDown(down bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.down = down
}

// reachable returns an error of the network while the desk is down.
func (d *Desk) reachable() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.down {
		return nil
	}
	return &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
}

// upsertUser finds or creates the user who has this id in Botpress.
func (d *Desk) upsertUser(botpressID, name string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.Forgetful {
		for _, u := range d.users {
			if u.botpressID == botpressID {
				u.name = name
				return u.id
			}
		}
	}
	u := &user{id: fmt.Sprintf("ext-%d", len(d.users)+1), botpressID: botpressID, name: name}
	d.users = append(d.users, u)
	if d.userByID == nil {
		d.userByID = map[string]*user{}
	}
	d.userByID[u.id] = u
	return u.id
}

func (d *Desk) userName(id string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if u := d.userByID[id]; u != nil {
		return u.name
	}
	return id
}

// openTicket opens the ticket of a conversation: once, unless the desk is forgetful.
func (d *Desk) openTicket(conversationID, title string, log []string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.Forgetful {
		for _, t := range d.tickets {
			if t.conversationID == conversationID {
				return t.ID
			}
		}
	}
	t := &Ticket{
		ID: fmt.Sprintf("T-%d", len(d.tickets)+1), Title: title, Status: statusOpen, Log: slices.Clone(log),
		conversationID: conversationID,
	}
	d.tickets = append(d.tickets, t)
	if d.ticketByID == nil {
		d.ticketByID, d.ticketsByTitle = map[string]*Ticket{}, map[string][]*Ticket{}
	}
	d.ticketByID[t.ID] = t
	d.ticketsByTitle[title] = append(d.ticketsByTitle[title], t)
	return t.ID
}

// conversationOf is the external reference of a ticket: it was stored when the ticket was opened, so that what the desk
// reports can be told whose it is even before the opening has been answered.
func (d *Desk) conversationOf(ticketID string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if t := d.ticketByID[ticketID]; t != nil && !d.NoConversationID {
		return t.conversationID
	}
	return ""
}

// comment adds what Botpress says to a ticket, once for each key unless the desk is forgetful, and returns the comment's id.
func (d *Desk) comment(ticketID, key, who, text string, late bool) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.ticketByID[ticketID]
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
	t.Log = append(t.Log, who+": "+text)
	t.comments = append(t.comments, id)
	if d.Reopens && !late {
		t.Status = statusOpen
	}
	d.happened(t, entry{kind: kindComment, id: id, text: text, ours: true})
	return id, nil
}

// Comments returns the ids of the comments that came from Botpress to a ticket, oldest first.
func (d *Desk) Comments(ticketID string) []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if t := d.ticketByID[ticketID]; t != nil {
		return slices.Clone(t.comments)
	}
	return nil
}

// around is the way of each call through the desk.
func (d *Desk) around(ctx context.Context, method string, do func() error) error {
	for _, step := range []func() error{
		d.reachable,
		func() error { return call(ctx, d.Before, method) },
		func() error { return sleep.For(ctx, d.Slow) },
		d.reachable,
		do,
		func() error { return sleep.For(ctx, d.Early) },
		func() error { return call(ctx, d.After, method) },
		d.reachable,
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
	if t := d.ticketByID[id]; t != nil && t.Status != statusClosed {
		t.Status = statusClosed
		d.happened(t, entry{kind: kindClosed, ours: true})
	}
}

// note adds an internal note to a ticket.
func (d *Desk) note(ticketID string, n Note) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.ticketByID[ticketID]
	if t == nil {
		return fmt.Errorf("acme: there is no ticket %s", ticketID)
	}
	t.Notes = append(t.Notes, n)
	return nil
}

const (
	statusOpen   = "open"
	statusClosed = "closed"
)

// Tickets returns a copy of all tickets, oldest first.
func (d *Desk) Tickets() []Ticket {
	d.mu.Lock()
	defer d.mu.Unlock()
	return copies(d.tickets)
}

// TicketsByTitle returns a copy of the tickets with a title, oldest first.
func (d *Desk) TicketsByTitle(title string) []Ticket {
	d.mu.Lock()
	defer d.mu.Unlock()
	return copies(d.ticketsByTitle[title])
}

func copies(tickets []*Ticket) []Ticket {
	all := make([]Ticket, 0, len(tickets))
	for _, t := range tickets {
		c := *t
		c.Log, c.Notes, c.comments, c.record = slices.Clone(t.Log), slices.Clone(t.Notes), nil, nil
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
