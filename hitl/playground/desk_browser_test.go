package playground

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hitl-go/sdk/internal/chromium"
	"github.com/hitl-go/sdk/message"
)

// paperDesk is a desk that only the page knows.
type paperDesk struct {
	Desk

	mu      sync.Mutex
	tickets []Ticket
	entries map[string][]Entry
	closed  bool             // It refuses replies.
	broken  map[string]error // By ticket; the one of the desk itself is "".
}

func (d *paperDesk) Agents() []string { return []string{"Rosa Diaz"} }

func (d *paperDesk) Tickets(context.Context) ([]Ticket, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]Ticket{}, d.tickets...), d.broken[""]
}

func (d *paperDesk) Transcript(_ context.Context, ticket string, from int) ([]Entry, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.entries[ticket][from:], d.broken[ticket]
}

func (d *paperDesk) Reply(_ context.Context, ticket, agent, text string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return errors.New("the desk is closed")
	}
	d.add(ticket, Entry{Author: agent, By: Agent, Message: message.Text{Text: text}, At: time.Now()})
	return nil
}

func (d *paperDesk) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
}

// fail breaks the desk, a ticket of it, or mends it.
func (d *paperDesk) fail(w *world, broken map[string]error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.broken = broken
	w.view.touch()
}

// put adds a ticket, or changes one.
func (d *paperDesk) put(w *world, t Ticket, said ...message.Message) {
	d.mu.Lock()
	defer d.mu.Unlock()
	i := 0
	for i < len(d.tickets) && d.tickets[i].ID != t.ID {
		i++
	}
	t.Entries = len(d.entries[t.ID])
	if i == len(d.tickets) {
		d.tickets = append(d.tickets, t)
	} else {
		d.tickets[i] = t
	}
	for _, m := range said {
		d.add(t.ID, Entry{Author: t.From, By: EndUser, Message: m, At: time.Now()})
	}
	w.view.touch()
}

// add adds to a ticket. Hold d.mu.
func (d *paperDesk) add(ticket string, e Entry) {
	d.entries[ticket] = append(d.entries[ticket], e)
	for i := range d.tickets {
		if d.tickets[i].ID == ticket {
			d.tickets[i].Entries++
		}
	}
}

var errExpired = errors.New("401: the token of the desk has expired")

// A page that is opened later says that the desk cannot be read, as long as it is so.
func TestDeskThatCannotBeRead(t *testing.T) {
	desk := &paperDesk{broken: map[string]error{"": errExpired}}
	w := newWorld(t, func(o *Options) { o.Desk = desk })
	w.view.touch()
	w.eventually(func() bool { return w.state().DeskProblem == "Reading the desk failed: "+errExpired.Error() })
	desk.fail(w, nil)
	w.eventually(func() bool { return w.state().DeskProblem == "" })
}

// A ticket that cannot be read hides no other.
func TestTicketsThatCannotBeRead(t *testing.T) {
	deleted := errors.New("410: the ticket was deleted")
	desk := &paperDesk{entries: map[string][]Entry{}, broken: map[string]error{"1": deleted, "2": errExpired, "4": errExpired}}
	w := newWorld(t, func(o *Options) { o.Desk = desk })
	for _, id := range []string{"1", "2", "3", "4"} {
		desk.put(w, Ticket{ID: id, Subject: "Parcel"}, message.Text{Text: "Where is it?"})
	}
	w.eventually(func() bool { return len(w.state().Entries["3"]) == 1 && len(w.state().Tickets) == 4 })
	w.eventually(func() bool {
		return w.state().DeskProblem == "Reading the desk failed: the ticket 1: 410: the ticket was deleted (and 2 more)"
	})
	desk.fail(w, map[string]error{"1": deleted})
	w.eventually(func() bool {
		return w.state().DeskProblem == "Reading the desk failed: the ticket 1: 410: the ticket was deleted"
	})
}

// The desk's side of the page says so, too.
func TestDeskThatCannotBeReadInBrowser(t *testing.T) {
	desk := &paperDesk{broken: map[string]error{"": errExpired}}
	w := newWorld(t, func(o *Options) { o.Desk = desk })
	w.view.touch()
	w.eventually(func() bool { return w.state().DeskProblem != "" })
	v := visit(t, w.url)
	v.Sees("desk-problem", "Reading the desk failed: 401: the token of the desk has expired")
	v.Finds(`document.getElementById("desk-problem").offsetHeight > 0 && document.getElementById("desk-empty").hidden`)
	v.Picture("desk-5-broken")
	desk.fail(w, nil)
	v.Sees("desk-empty", "No tickets yet.")
	v.Finds(`document.getElementById("desk-problem").offsetHeight === 0 && !document.getElementById("desk-empty").hidden`)
	desk.fail(w, map[string]error{"": errExpired})
	v.Sees("desk-problem", "has expired") // Those who look meanwhile read it, too.
	for _, problem := range v.Complaints(w.url) {
		t.Error(problem)
	}
}

// What an agent sees and writes.
func TestDeskInBrowser(t *testing.T) {
	files := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `<svg xmlns="http://www.w3.org/2000/svg" width="60" height="40"><rect width="60" height="40" fill="teal"/></svg>`)
	}))
	defer files.Close()
	desk := &paperDesk{entries: map[string][]Entry{}}
	w := newWorld(t, func(o *Options) { o.Desk = desk })
	v := visit(t, w.url)

	const uuid = "5f0d7a52-7d0e-4c0c-9f38-1f0f7a3f4b11"
	jane := Ticket{ID: uuid, Subject: strings.Repeat("A title that does not end ", 40), Status: "open", From: "Jane"}
	desk.put(w, jane, message.Text{Text: "Where is my parcel?"}, message.File{FileURL: files.URL + "/door.svg", Title: "door.svg"})
	v.Sees("ticket-log", "Where is my parcel?")
	v.Sees("ticket-facts", "from Jane")
	v.Finds(`!document.getElementById("ticket-facts").textContent.includes("5f0d")`)
	v.Finds(`document.querySelector("#ticket-log img")?.naturalWidth === 60`)
	v.Finds(`document.getElementById("ticket-subject").offsetHeight < 50`)

	// A ticket that opens meanwhile takes neither the place of what is being written, nor the words.
	v.Clicks("#reply-form label:last-of-type")
	v.Clicks("#reply-text")
	v.Must(v.Page.Type(v.Context, "Dear Jane"))
	omar := Ticket{ID: "12", Subject: "Refund", Status: "open", From: "Omar"}
	desk.put(w, omar, message.Text{Text: "I want my money back."})
	v.Sees("tickets", "Refund")
	v.Finds(`document.querySelector("#tickets .unread b")?.textContent === "Refund"`)
	v.Finds(`document.getElementById("reply-text").value === "Dear Jane" && document.getElementById("ticket-facts").textContent.includes("from Jane")`)
	v.Picture("desk-1-writing")
	v.Clicks("#tickets [data-id='12']")
	v.Sees("ticket-facts", "#12")
	v.Finds(`document.getElementById("reply-text").value === "" && document.querySelector("[name=kind]:checked").value === "reply"`)
	v.Types("#reply-text", "Dear Omar")
	v.Sees("ticket-log", "Dear Omar")
	v.Finds(`document.getElementById("reply-text").value === ""`)
	desk.close()
	v.Types("#reply-text", "Are you there?") // What the desk does not take is not lost.
	v.Finds(`document.getElementById("reply-text").value === "Are you there?"`)
	v.Clicks("#tickets [data-id='" + uuid + "']")
	v.Finds(`document.getElementById("reply-text").value === "Dear Jane" && document.querySelector("[name=kind]:checked").value === "note"`)

	// Nobody is being written to: the newest one opens.
	v.Eval(`document.getElementById("reply-text").value = ""`, nil)
	desk.put(w, Ticket{ID: "13", Subject: "Lost", Status: "open", From: "Mei"})
	v.Sees("ticket-subject", "Lost")

	// A session that is over says so.
	v.Finds(`document.getElementById("ticket-over").offsetHeight === 0`)
	desk.put(w, Ticket{ID: "13", Subject: "Lost", Status: "solved", From: "Mei", Over: true})
	v.Sees("ticket-over", "The session is over. The end user does not see what is written here.")
	v.Picture("desk-2-over")
	v.Shows(chromium.Screen{Width: 1440, Height: 900, Dark: true})
	v.Picture("desk-3-dark")
	v.Shows(chromium.Screen{Width: 800, Height: 1180, Dark: true})
	v.Picture("desk-4-dark-tablet")
	for _, problem := range v.Complaints(w.url) {
		if !strings.HasSuffix(problem, "/api/desk") { // The reply that was refused.
			t.Error(problem)
		}
	}
}
