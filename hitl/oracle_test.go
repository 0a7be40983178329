package hitl_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/hitl-go/sdk/botpress/botpresstest"
	"github.com/hitl-go/sdk/internal/acme"
	"github.com/hitl-go/sdk/message"
)

// oracle knows what was said and done in a session by those who said and did it. What became of it is compared with that, and
// with nothing that a server says.
type oracle struct {
	mu     sync.Mutex
	title  string
	closer string // agent, user or bot
	hurry  bool   // the session ends while things are on their way
	gaveUp bool   // Botpress gave startHitl up

	stopGivenUp bool // Botpress gave stopHitl up, and the plugin has told nobody

	said                        []word // by the end user
	replied                     []word // by agents, in the session's ticket
	joined                      int    // agents who took over
	askedAt, startedAt, endedAt time.Time
	ticket                      string
	log                         []string // what the driver did
}

// activationWindow is how long after startHitl was answered replies are scheduled rather than sent.
const activationWindow = 12 * time.Second

// stopTakes is how long after the end stopHitl may arrive: what agents say till then seems to be said in time.
const stopTakes = time.Second

// inFlight is how long what an agent says may be in flight when nothing goes wrong: the activation window, and two refusals of an
// installation whose places are taken, each of which asks to wait for five seconds. At a desk that takes its time it waits behind what
// the end user says, and at one that is polled, for the poll before as well, which waited likewise.
func (f features) inFlight() time.Duration {
	behind := mostWords * f.early
	if f.polled {
		behind *= 2
	}
	return activationWindow + 12*time.Second + behind
}

// answerIsLate is how long an answer to startHitl takes that is not the first one, or that was held up, besides what the desk takes.
const answerIsLate = 5 * time.Second

type word struct {
	text string
	id   string // in the desk
	at   time.Time
}

func (o *oracle) note(format string, args ...any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.line(format, args...)
}

// line adds to the log. Hold o.mu.
func (o *oracle) line(format string, args ...any) {
	o.log = append(o.log, time.Now().Format("04:05.000 ")+fmt.Sprintf(format, args...))
}

func (o *oracle) says(text string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.said = append(o.said, word{text: text, at: time.Now()})
	o.line("user: %s", text)
}

func (o *oracle) replies(id, text string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.replied = append(o.replied, word{text: text, id: id, at: time.Now()})
	o.line("agent: %s (%s)", text, id)
}

func (o *oracle) joins(agent string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.joined++
	o.line("assigned: %s", agent)
}

func (o *oracle) ends(by string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.endedAt.IsZero() {
		o.endedAt = time.Now()
	}
	o.line("ended by the %s", by)
}

// engineTally counts what happened, and what was let pass.
type engineTally struct {
	sessions, said, replied, joined                     int
	kills, pauses, outages                              int
	refusals, answersLost                               int
	gaveUp, gaveUpTickets, gaveUpOpen                   int // sessions that Botpress gave up, their tickets, and those of them that are open
	forgivenTickets, forgivenTwice                      int // what a forgetful desk cannot tell
	unheard, unheardNoted, lateAnnounced                int // replies that the end came before
	reports, explained                                  int
	announcedAgain                                      int // by one that a pause has held up, or by a reply before a late answer
	stopsGivenUp, stopsLost, lateInWindow, beforeAnswer int // stopHitl that Botpress gave up, and those that never arrived
}

func (a *engineTally) add(b engineTally) {
	for _, p := range []struct {
		into *int
		n    int
	}{
		{&a.sessions, b.sessions},
		{&a.said, b.said},
		{&a.replied, b.replied},
		{&a.joined, b.joined},
		{&a.kills, b.kills},
		{&a.pauses, b.pauses},
		{&a.outages, b.outages},
		{&a.refusals, b.refusals},
		{&a.answersLost, b.answersLost},
		{&a.gaveUp, b.gaveUp},
		{&a.gaveUpTickets, b.gaveUpTickets},
		{&a.gaveUpOpen, b.gaveUpOpen},
		{&a.forgivenTickets, b.forgivenTickets},
		{&a.forgivenTwice, b.forgivenTwice},
		{&a.unheard, b.unheard},
		{&a.unheardNoted, b.unheardNoted},
		{&a.lateAnnounced, b.lateAnnounced},
		{&a.announcedAgain, b.announcedAgain},
		{&a.stopsGivenUp, b.stopsGivenUp},
		{&a.stopsLost, b.stopsLost},
		{&a.lateInWindow, b.lateInWindow},
		{&a.beforeAnswer, b.beforeAnswer},
		{&a.reports, b.reports},
	} {
		*p.into += p.n
	}
}

func (a *engineTally) String() string {
	return fmt.Sprintf("%d sessions, %d said, %d replied, %d assigned; %d kills, %d pauses, %d outages, %d refusals, %d answers lost; "+
		"given up: %d sessions with %d tickets, %d of them open; a forgetful desk: %d tickets and %d comments twice; "+
		"replies that came after the end: %d, %d of them noted; %d agents not announced before the end, %d announced again; "+
		"stopHitl given up: %d, %d of them never received; replies before a late answer to startHitl that were lost: %d",
		a.sessions, a.said, a.replied, a.joined, a.kills, a.pauses, a.outages, a.refusals, a.answersLost,
		a.gaveUp, a.gaveUpTickets, a.gaveUpOpen, a.forgivenTickets, a.forgivenTwice, a.unheard, a.unheardNoted, a.lateAnnounced, a.announcedAgain, a.stopsGivenUp, a.stopsLost, a.beforeAnswer)
}

// outcome is what became of everything, indexed.
type outcome struct {
	w             *engineWorld
	conversations map[string]botpresstest.Conversation // with the desk, by the ticket's id
}

// check compares a session with the oracle, and reports whether all is as it must be.
func (c outcome) check(t *testing.T, o *oracle, u *botpresstest.EndUser) {
	t.Helper()
	w, ok := c.w, true
	fail := func(format string, args ...any) {
		t.Helper()
		ok = false
		t.Errorf("%s (%s): %s", o.title, o.closer, fmt.Sprintf(format, args...))
	}
	tickets := w.desk.TicketsByTitle(o.title)
	sum := engineTally{sessions: 1, said: len(o.said), replied: len(o.replied), joined: o.joined}
	defer func() { w.tallyUp(func(a *engineTally) { a.add(sum) }) }()
	defer func() {
		if !ok {
			c.explain(t, o, u, tickets)
		}
	}()
	if o.gaveUp {
		sum.gaveUp = 1
		sum.gaveUpTickets = len(tickets)
		for _, ticket := range tickets {
			if ticket.Status == "open" {
				sum.gaveUpOpen++
				if !w.answeredStart(o.title) && w.doubt.Load() == 0 && w.f.faults == 0 {
					fail("Botpress has given startHitl up, and the ticket %s is still open", ticket.ID)
				}
			}
		}
		return
	}
	doubt := w.f.forgetful && w.doubt.Load() > 0

	// One ticket, and it is the one that Botpress knows.
	var ticket acme.Ticket
	for _, candidate := range tickets {
		if _, linked := c.conversations[candidate.ID]; linked {
			ticket = candidate
		}
	}
	switch {
	case ticket.ID == "":
		fail("no ticket of %d is linked with a conversation", len(tickets))
		return
	case len(tickets) > 1 && doubt:
		sum.forgivenTickets += len(tickets) - 1
	case len(tickets) > 1:
		fail("there are %d tickets", len(tickets))
	}

	// The end user's words are in the ticket, once and in order.
	var got, want []string
	for _, s := range o.said {
		want = append(want, s.text)
	}
	inOrder := func(a, b string) int { return slices.Index(want, a) - slices.Index(want, b) }
	inDesk := map[string]int{}
	for _, candidate := range tickets {
		before := len(got)
		for _, line := range candidate.Log {
			_, text, _ := strings.Cut(line, ": ")
			if strings.HasPrefix(line, "history ") || !strings.Contains(text, " said ") {
				continue
			}
			if inDesk[text]++; inDesk[text] > 1 && doubt {
				sum.forgivenTwice++
				continue
			}
			got = append(got, text)
		}
		if own := got[before:]; len(tickets) > 1 && !slices.IsSortedFunc(own, inOrder) {
			fail("the ticket %s has %q", candidate.ID, own)
		}
	}
	if len(tickets) > 1 {
		slices.SortStableFunc(got, inOrder) // What stands in one ticket was said before or after what stands in another.
	}
	if o.hurry && o.closer == "agent" { // what the plugin relayed before it heard of the end
		want = c.relayed(ticket)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		fail("what the end user said, in the desk (-want +got):\n%s", diff)
	}

	// The agents' words reached the end user, once and in order.
	var shown []string
	joined, stopped := 0, 0
	for _, m := range c.received(o, u) {
		text := message.PlainText(m.Message)
		switch {
		case m.From == botpresstest.FromAgent:
			shown = append(shown, text)
		case strings.Contains(text, "has joined"):
			joined++
		case strings.Contains(text, "continue assisting you"):
			stopped++
		}
	}
	noted := map[string]bool{}
	for _, n := range ticket.Notes {
		noted[n.About] = true
	}
	mayMiss := o.hurry && o.closer != "agent"
	// The answer to startHitl may be held up for longer than anybody waits; the plugin hears nothing until it is there.
	lateAnswer := o.startedAt.Sub(o.askedAt) > answerIsLate+2*(w.f.slow+w.f.early) && w.f.pauses
	beforeAnswer := func(r word) bool { return lateAnswer && r.at.Before(o.startedAt) }
	want = nil
	announcedAgain := 2 * w.lateAssignments(c.conversations[ticket.ID].ID) // and whoever had it already, once more
	for _, r := range o.replied {
		late := r.at.After(o.endedAt) || mayMiss && (!w.f.calm() || r.at.After(o.endedAt.Add(-w.f.inFlight())))
		if beforeAnswer(r) {
			before := len(shown)
			if shown = slices.DeleteFunc(shown, func(text string) bool { return text == r.text }); len(shown) == before {
				sum.beforeAnswer++
			} else {
				announcedAgain++ // out of turn, as the first reply of its agent
			}
			continue
		}
		if slices.Contains(shown, r.text) || !late {
			want = append(want, r.text)
			continue
		}
		sum.unheard++
		if noted[r.id] {
			sum.unheardNoted++
		} else if r.at.Before(o.startedAt.Add(activationWindow)) {
			sum.lateInWindow++ // it was scheduled, and the end came before its time
		} else if w.f.notes && w.f.calm() && r.at.After(o.endedAt.Add(stopTakes)) { // else the desk may have been out of reach, and the bot's owner was told
			fail("the reply %q (%s) came after the end, and nobody told the agent", r.text, r.id)
		}
	}
	if diff := cmp.Diff(want, shown, cmpopts.EquateEmpty()); diff != "" {
		fail("what the agents replied, as seen by the end user (-want +got):\n%s", diff)
	}

	switch {
	case joined > o.joined+announcedAgain || joined < o.joined && !mayMiss && !lateAnswer:
		fail("%d agents were announced, want %d", joined, o.joined)
	case joined > o.joined:
		sum.announcedAgain += joined - o.joined
	case joined < o.joined:
		sum.lateAnnounced += o.joined - joined
	}

	// It is over on both sides. A stopHitl that has never arrived is beyond us.
	if o.stopGivenUp {
		sum.stopsGivenUp++
		if received := w.received("stopHitl", c.conversations[ticket.ID].ID); !received || w.f.kills {
			sum.stopsLost++
			return
		}
	}
	if lateAnswer && u.Active() {
		return
	}
	if stopped != 1 && o.closer != "bot" && !o.stopGivenUp {
		fail("the end user was told of the end %d times, want once", stopped)
	}
	if u.Active() {
		fail("the session is still active for the end user")
	}
	if ticket.Status != "closed" && (len(tickets) == 1 || !doubt) { // The agent may have closed the other one.
		fail("the ticket is still open")
	}
	conv := c.conversations[ticket.ID]
	if conv.Tags["acme-desk:closedAt"] == "" || conv.Tags["acme-desk:phase"] != "closed" {
		fail("the conversation is still open: %v", conv.Tags)
	}
	if conv.Tags["acme-desk:outbox"] != "" {
		fail("the outbox is still marked: %v", conv.Tags)
	}
}

// lateAssignments is how many assignments of a conversation were held up by a pause.
func (w *engineWorld) lateAssignments(conversationID string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.late[conversationID]
}

// answeredStart reports whether a server believes that it has answered startHitl.
func (w *engineWorld) answeredStart(title string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.answers[title]
}

// received is what the end user was shown in this session; they may have had others.
func (c outcome) received(o *oracle, u *botpresstest.EndUser) []botpresstest.Received {
	var own []botpresstest.Received
	in := false
	sessions := 0
	for _, m := range u.Received() {
		text := message.PlainText(m.Message)
		if strings.Contains(text, "I have escalated") {
			sessions++
			in = strings.HasSuffix(o.title, fmt.Sprintf("/%d", sessions))
		}
		if in {
			own = append(own, m)
		}
	}
	return own
}

// relayed is what the plugin has sent to the desk of what the end user said.
func (c outcome) relayed(ticket acme.Ticket) []string {
	var texts []string
	for _, m := range c.w.cloud.Messages(c.conversations[ticket.ID].ID) {
		if m.Direction != "outgoing" || m.Tags["acme-desk:partOf"] != "" {
			continue
		}
		said, err := message.Decode(message.Type(m.Type), m.Payload)
		if err != nil {
			continue
		}
		for part := range message.Flatten(said) {
			if text := message.PlainText(part); strings.Contains(text, " said ") {
				texts = append(texts, text)
			}
		}
	}
	return texts
}

// explain shows what everybody has of a session, for the first few that fail.
func (c outcome) explain(t *testing.T, o *oracle, u *botpresstest.EndUser, tickets []acme.Ticket) {
	t.Helper()
	failures := 0
	c.w.tallyUp(func(a *engineTally) { a.explained++; failures = a.explained })
	if failures > *engineExplain {
		return
	}
	var b strings.Builder
	for _, line := range o.log {
		fmt.Fprintln(&b, "  did ", line)
	}
	for _, ticket := range tickets {
		fmt.Fprintf(&b, "  desk %s %s %q notes %v\n", ticket.ID, ticket.Status, ticket.Log, ticket.Notes)
		conv, ok := c.conversations[ticket.ID]
		if !ok {
			continue
		}
		fmt.Fprintf(&b, "  conversation %s %v\n", conv.ID, conv.Tags)
		for _, m := range c.w.cloud.Messages(conv.ID) {
			fmt.Fprintf(&b, "  down %s %s %s %s %v\n", m.CreatedAt.Format("04:05.000"), m.ID, m.Direction, m.Payload, m.Tags)
		}
		for _, e := range c.w.cloud.Events() {
			if e.ConversationID == conv.ID {
				fmt.Fprintf(&b, "  event %s %s %s %s\n", e.CreatedAt.Format("04:05.000"), e.Type, e.Status, e.Payload)
			}
		}
	}
	for _, m := range u.Received() {
		fmt.Fprintf(&b, "  seen %s %s %s\n", m.At.Format("04:05.000"), m.From, message.PlainText(m.Message))
	}
	t.Logf("%s:\n%s", o.title, b.String())
}

// checkAll looks for what belongs to nobody.
func (w *engineWorld) checkAll(t *testing.T, scenes []*scene) {
	t.Helper()
	c := outcome{w: w, conversations: map[string]botpresstest.Conversation{}}
	titles := map[string]bool{}
	givenUp := 0
	loose := 0
	for _, conv := range w.cloud.Conversations() {
		if conv.Channel != "supportTicket" {
			continue
		}
		if id := conv.Tags["acme-desk:id"]; id != "" {
			c.conversations[id] = conv
		} else {
			loose++
		}
	}
	for _, s := range scenes {
		for _, o := range s.oracles {
			titles[o.title] = true
			if o.gaveUp {
				givenUp++
			}
			c.check(t, o, s.user)
		}
	}
	if loose > givenUp {
		t.Errorf("%d conversations are linked with no ticket; Botpress gave up %d sessions", loose, givenUp)
	}
	for _, ticket := range w.desk.Tickets() {
		if !titles[ticket.Title] {
			t.Errorf("the ticket %s %q belongs to no session", ticket.ID, ticket.Title)
		}
	}
	for _, early := range slices.Sorted(maps.Keys(w.early)) {
		t.Errorf("a report of the ticket %s was answered 200 while its session was opening", early)
	}
}

// answered watches what the desk's reports are answered.
func (w *engineWorld) answered(ticketID string, status int) {
	w.tallyUp(func(a *engineTally) { a.reports++ })
	if status != 200 {
		return
	}
	w.mu.Lock()
	known := w.linked[ticketID]
	w.mu.Unlock()
	if known {
		return
	}
	for _, conv := range w.cloud.Conversations() {
		if conv.Tags["acme-desk:id"] == ticketID {
			w.mu.Lock()
			w.linked[ticketID] = true
			w.mu.Unlock()
			return
		}
	}
	for _, ticket := range w.desk.Tickets() {
		w.mu.Lock()
		if ticket.ID == ticketID && !w.gaveUp[ticket.Title] && (!w.f.forgetful || w.doubt.Load() == 0) {
			w.early[ticketID] = true
		}
		w.mu.Unlock()
	}
}
