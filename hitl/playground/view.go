package playground

import (
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/hitl-go/sdk/message"
)

// What the page holds at most. The oldest goes first.
const (
	maxMessages = 1_000 // In the chat, and in each ticket.
	maxTickets  = 100
	maxRows     = 5_000
	maxPending  = 2_000 // News that a page has not fetched yet; beyond that it is told everything anew.
)

// view is what every open page shows. It tells them what has changed.
type view struct {
	touched chan struct{} // Holds a value when something may have changed behind our back.

	mu       sync.Mutex // Guards what follows.
	session  session
	chat     []chatMessage
	said     int // How many messages there have been, for their ids.
	tickets  []*ticketView
	rows     ring
	faults   map[string]bool
	reported string
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

// ticketView is a ticket and what of its transcript is shown.
type ticketView struct {
	Ticket

	entries []entryView
	known   int // How many entries there have been.
}

type entryView struct {
	N       int              `json:"n"` // The index in the transcript.
	Author  string           `json:"author"`
	By      Role             `json:"by"`
	Note    bool             `json:"note,omitempty"`
	Message message.Envelope `json:"message"`
	At      time.Time        `json:"at"`
}

func newView() *view {
	return &view{
		touched: make(chan struct{}, 1), rows: newRing(maxRows), faults: map[string]bool{}, watchers: map[*watcher]struct{}{},
	}
}

// touch asks for a look at everything that does not tell by itself when it changes.
func (v *view) touch() {
	select {
	case v.touched <- struct{}{}:
	default:
	}
}

func (v *view) setSession(s session) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if s.UserID == v.session.UserID && s != v.session { // Otherwise the next end user is there already.
		v.session = s
		v.publish("session", s)
	}
}

// clearChat begins with a new end user.
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
	v.touch() // What the end user is told may mean that the session has begun or ended.
}

// topic is the first thing that the end user has said in words.
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

// maxTitle is how much of what the end user said makes a title, in characters.
const maxTitle = 80

// setTicket shows a ticket's data, and says how many of its entries are known.
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

// addEntries shows entries of a ticket, from this index on.
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

// report tells people what is wrong, once, until it is over: then there is no problem.
func (v *view) report(problem string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if problem != v.reported && problem != "" {
		v.publish("problem", problem)
	}
	v.reported = problem
}

// appendBounded appends to a list and drops the oldest beyond a limit. Dropped ones are overwritten only when the list
// has doubled, so that appending stays cheap.
func appendBounded[T any](list []T, v T, limit int) []T {
	if len(list) < limit {
		return append(list, v)
	}
	var zero T
	list[0] = zero // Let go of what it refers to.
	return append(list[1:], v)
}

// watcher is an open page.
type watcher struct {
	wake    chan struct{} // Holds a value when there is news.
	pending [][]byte
	behind  bool // It has missed something, and needs to be told everything.
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

// publish tells all pages. Hold v.mu.
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

// news is what a page does not know yet: what has happened since it was asked last, or everything.
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
	})}
}

// frame is a server-sent event. JSON has no line breaks of its own, so it is one line.
func frame(event string, data any) []byte {
	body, err := json.Marshal(data)
	if err != nil { // Only a message that nobody could send on has no JSON.
		event = "problem"
		body, _ = json.Marshal(fmt.Sprintf("What has happened cannot be shown: %v", err))
	}
	return fmt.Appendf(nil, "event: %s\ndata: %s\n\n", event, body)
}
