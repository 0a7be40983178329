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
	closed  bool // It refuses replies.
}

func (d *paperDesk) Agents() []string { return []string{"Rosa Diaz"} }

func (d *paperDesk) Tickets(context.Context) ([]Ticket, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]Ticket{}, d.tickets...), nil
}

func (d *paperDesk) Transcript(_ context.Context, ticket string, from int) ([]Entry, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.entries[ticket][from:], nil
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
