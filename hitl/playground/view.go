package playground

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/hitl-go/sdk/message"
)

// Limits of the page. The oldest items are dropped first.
const (
	maxMessages = 1_000 // In the chat, and in each ticket.
	maxTickets  = 100
	maxRows     = 5_000
	maxPending  = 2_000 // Events that a page has not received yet; beyond that it receives the whole state again.
)

// view is the state of the page. It sends changes to all open pages.
type view struct {
	deskTouched    chan struct{} // Holds a value when the desk may have changed.
	sessionTouched chan struct{} // The same for the session.
	run            string        // What tells it from that of another run of the program.

	mu       sync.Mutex // Guards what follows.
	session  session
	chat     []chatMessage
	said     int // The number of messages, for their ids.
	tickets  []*ticketView
	rows     ring
	faults   map[string]bool
	problem  string // Of reading the desk; empty if there is none.
	watchers map[*watcher]struct{}
}

// chatMessage is a message in the end user's chat.
type chatMessage struct {
	ID      string           `json:"id"`
	From    Role             `json:"from"` // System: the playground.
	Name    string           `json:"name,omitempty"`
	Message message.Envelope `json:"message"`
	At      time.Time        `json:"at"`
}

// ticketView is a ticket and the part of its transcript that the page shows.
type ticketView struct {
	Ticket

	entries []entryView
	known   int // The number of entries, including dropped ones.
}

type entryView struct {
	N       int              `json:"n"` // The index in the transcript.
	Author  string           `json:"author"`
	By      Role             `json:"by"`
	Note    bool             `json:"note,omitempty"`
	Message message.Envelope `json:"message"`
	At      time.Time        `json:"at,omitzero"`
}

func newView() *view {
	return &view{
		deskTouched: make(chan struct{}, 1), sessionTouched: make(chan struct{}, 1), run: rand.Text(),
		rows: newRing(maxRows), faults: map[string]bool{}, watchers: map[*watcher]struct{}{},
	}
}

// touch has desk and session read again, which do not report changes.
func (v *view) touch() {
	for _, touched := range []chan struct{}{v.deskTouched, v.sessionTouched} {
		select {
		case touched <- struct{}{}:
		default:
		}
	}
}

func (v *view) setSession(s session) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if s.UserID == v.session.UserID && s != v.session { // Otherwise it is the session of a previous end user.
		v.session = s
		v.publish("session", s)
	}
}

// clearChat starts the chat of a new end user.
func (v *view) clearChat(s session) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.session, v.chat = s, nil
	v.publish("restart", s)
}

func (v *view) addChat(userID string, m chatMessage) {
	v.mu.Lock()
	if userID == v.session.UserID {
		v.said++
		if m.ID == "" {
			m.ID = fmt.Sprintf("own-%d", v.said)
		}
		v.chat = appendBounded(v.chat, m, maxMessages)
		v.publish("chat", m)
	}
	v.mu.Unlock()
	v.touch() // The message may have started or ended the session.
}

// topic is the first text of the end user.
func (v *view) topic() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, m := range v.chat {
		if text, ok := m.Message.Message.(message.Text); ok && m.From == EndUser {
			words := []rune(text.Text)
			return string(words[:min(len(words), maxTitle)])
		}
	}
	return ""
}

// maxTitle is the longest title, in characters.
const maxTitle = 80

// setTicket adds or updates a ticket, and returns how many of its entries are known.
func (v *view) setTicket(t Ticket) (known int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	shown := v.ticket(t.ID)
	if shown == nil {
		shown = &ticketView{}
		v.tickets = appendBounded(v.tickets, shown, maxTickets)
	}
	if shown.Ticket != t {
		shown.Ticket = t
		v.publish("ticket", t)
	}
	return shown.known
}

// addEntries adds entries to a ticket, from this index on.
func (v *view) addEntries(id string, from int, entries []Entry) {
	v.mu.Lock()
	defer v.mu.Unlock()
	t := v.ticket(id)
	if t == nil || len(entries) == 0 {
		return
	}
	added := make([]entryView, len(entries))
	for i, e := range entries {
		added[i] = entryView{N: from + i, Author: e.Author, By: e.By, Note: e.Note, Message: message.Envelope{Message: e.Message}, At: e.At}
		t.entries = appendBounded(t.entries, added[i], maxMessages)
	}
	t.known = from + len(entries)
	v.publish("entries", map[string]any{"ticket": id, "entries": added})
}

func (v *view) ticket(id string) *ticketView {
	for _, t := range v.tickets {
		if t.ID == id {
			return t
		}
	}
	return nil
}

func (v *view) setFault(name string, on bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.faults[name] = on
	v.publish("faults", v.faults)
}

// setProblem shows a problem of reading the desk, until an empty one says that it is over.
func (v *view) setProblem(problem string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if problem != v.problem {
		v.problem = problem
		v.publish("deskProblem", problem)
	}
}

// appendBounded appends to a list and drops the oldest item beyond the limit. It reslices instead of moving the items; the
// next growth of the array frees the space.
func appendBounded[T any](list []T, v T, limit int) []T {
	if len(list) < limit {
		return append(list, v)
	}
	var zero T
	list[0] = zero // For the garbage collector.
	return append(list[1:], v)
}

// watcher is an open page.
type watcher struct {
	wake    chan struct{} // Holds a value when there are events.
	pending [][]byte
	behind  bool // It needs the whole state.
}

func (v *view) watch() (w *watcher, leave func()) {
	w = &watcher{wake: make(chan struct{}, 1), behind: true}
	w.wake <- struct{}{}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.watchers[w] = struct{}{}
	return w, func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		delete(v.watchers, w)
	}
}

// publish sends an event to all pages. Hold v.mu.
func (v *view) publish(event string, data any) {
	if len(v.watchers) == 0 {
		return
	}
	news := frame(event, data)
	for w := range v.watchers {
		if len(w.pending) == maxPending {
			w.pending, w.behind = nil, true
		}
		if !w.behind {
			w.pending = append(w.pending, news)
		}
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
}

// news returns the events since the last call, or the whole state.
func (v *view) news(w *watcher) [][]byte {
	v.mu.Lock()
	defer v.mu.Unlock()
	pending := w.pending
	w.pending = nil
	if !w.behind {
		return pending
	}
	w.behind = false
	transcripts := map[string][]entryView{}
	tickets := make([]Ticket, len(v.tickets))
	for i, t := range v.tickets {
		tickets[i], transcripts[t.ID] = t.Ticket, t.entries
	}
	return [][]byte{frame("state", map[string]any{
		"session": v.session, "chat": v.chat, "tickets": tickets, "entries": transcripts, "rows": v.rows.rows(), "faults": v.faults,
		"deskProblem": v.problem, "run": v.run,
	})}
}

// frame is a server-sent event. Marshalled JSON is one line.
func frame(event string, data any) []byte {
	body, err := json.Marshal(data)
	if err != nil { // Only a message that could not be sent either.
		event = "problem"
		body, _ = json.Marshal(fmt.Sprintf("An event cannot be shown: %v", err))
	}
	return fmt.Appendf(nil, "event: %s\ndata: %s\n\n", event, body)
}
