package hitl_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hitl-go/sdk/botpress/botpresstest"
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/internal/acme"
	"github.com/hitl-go/sdk/message"
)

var (
	chaosSeed     = flag.Uint64("chaos.seed", 0, "seed of the randomised sessions; 0 takes a new one")
	chaosSessions = flag.Int("chaos.sessions", 100, "how many randomised sessions are run")
	chaosFaults   = flag.Float64("chaos.faults", 0.03, "how likely each fault is, at each call")
)

// TestChaos runs whole sessions while everything goes wrong that can, and then counts: each word of the end user is in the
// desk once and in order, each word of the agents reached the end user once and in order, and so on.
func TestChaos(t *testing.T) {
	seed := *chaosSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("again with: go test ./hitl -run TestChaos -chaos.sessions=%d -chaos.seed=%d", *chaosSessions, seed)
	const atOnce = 25 // sessions a world
	for _, replicas := range []int{1, 3} {
		t.Run(fmt.Sprintf("%d replicas", replicas), func(t *testing.T) {
			total := tally{}
			for n := 0; n < *chaosSessions/2; n += atOnce {
				seed := seed + uint64(n)
				if !synctestRun(t, fmt.Sprintf("seed %d", seed), func(t *testing.T) {
					total.add(chaos(t, seed, replicas, min(atOnce, *chaosSessions/2-n)))
				}) {
					return
				}
			}
			t.Logf("%d sessions, %d messages of end users, %d of agents, %d assignments, %d calls of the API, %d operations",
				total.sessions, total.said, total.replied, total.assigned, total.apiCalls, total.dispatches)
		})
	}
}

func synctestRun(t *testing.T, name string, f func(*testing.T)) bool {
	return t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

type tally struct{ sessions, said, replied, assigned, apiCalls, dispatches int }

func (a *tally) add(b tally) {
	a.sessions += b.sessions
	a.said += b.said
	a.replied += b.replied
	a.assigned += b.assigned
	a.apiCalls += b.apiCalls
	a.dispatches += b.dispatches
}

// drama is one session: what shall happen in it, and who takes part.
type drama struct {
	w     *world
	rng   *rand.Rand
	title string
	user  *botpresstest.EndUser

	says    int      // messages of the end user
	agents  []string // who takes the session over, one after the other
	replies int      // messages of each agent
	closer  string   // "agent", "user" or "bot"
	hurry   bool     // the agent does everything in the activation window
}

func chaos(t *testing.T, seed uint64, replicas, sessions int) tally {
	rng := rand.New(rand.NewPCG(seed, 1))
	w := newWorld(t, setting{
		replicas: replicas,
		server:   hitl.Options{Logger: engineLog(t)},
		cloud: botpresstest.Options{
			Seed: seed, Attempts: 12, RetryDelay: 200 * time.Millisecond,
			Plugin: botpresstest.PluginConfig{ActivationDelay: 2 * time.Second},
		},
	})
	// A desk with idempotency keys is needed against one thing only: the same message at two replicas at once.
	w.desk.Forgetful = replicas == 1
	lift := w.everythingFails(*chaosFaults)

	var wg sync.WaitGroup
	dramas := make([]*drama, sessions)
	for i := range dramas {
		d := &drama{
			w: w, rng: rand.New(rand.NewPCG(seed, uint64(i)+2)), title: fmt.Sprintf("Session %d", i),
			user:    w.in.NewEndUser(botpresstest.Profile{Name: fmt.Sprintf("User %d", i), Email: fmt.Sprintf("user%d@example.com", i)}),
			says:    rng.IntN(20),
			agents:  []string{"ann", "bob", "ann"}[:1+rng.IntN(3)],
			replies: 1 + rng.IntN(6),
			closer:  []string{"agent", "user", "bot"}[rng.IntN(3)],
			hurry:   rng.IntN(4) == 0,
		}
		dramas[i] = d
		wg.Go(func() { d.play(t) })
	}
	wg.Wait()
	lift()
	w.settle()
	<-time.After(7 * time.Minute) // whatever was scheduled or is retried has arrived
	w.settle()

	var sum tally
	for _, d := range dramas {
		d.check(t)
		sum.add(tally{sessions: 1, said: d.says, replied: d.replies * len(d.agents), assigned: len(d.agents)})
	}
	w.checkNoOrphans(t, sessions)
	for _, c := range w.cloud.Calls() {
		if c.Kind == botpresstest.APICall {
			sum.apiCalls++
		} else {
			sum.dispatches++
		}
	}
	return sum
}

// everythingFails lets all calls fail now and then, in all ways there are.
func (w *world) everythingFails(p float64) (lift func()) {
	var lifts []func()
	if p == 0 { // which would be always
		return func() {}
	}
	for _, operation := range []string{botpresstest.AnyAPICall, botpresstest.AnyDispatch} {
		for _, kind := range []botpresstest.FaultKind{
			botpresstest.DropBefore, botpresstest.DropAfter, botpresstest.Reset, botpresstest.Delay,
			botpresstest.BadGateway, botpresstest.RateLimited, botpresstest.Unavailable, botpresstest.InternalError,
		} {
			if operation == botpresstest.AnyDispatch && kind == botpresstest.RateLimited {
				continue // a 4xx is an answer of ours, and never one that Botpress would ask again after
			}
			lifts = append(lifts, w.cloud.Fault(botpresstest.Fault{Operation: operation, Kind: kind, Probability: p, Delay: 300 * time.Millisecond}))
		}
	}
	lifts = append(lifts, w.cloud.Fault(botpresstest.Fault{Operation: botpresstest.AnyDispatch, Kind: botpresstest.Duplicate, Probability: p}))
	return func() {
		for _, lift := range lifts {
			lift()
		}
	}
}

// play lets the end user and the agents act, each in their own time.
func (d *drama) play(t *testing.T) {
	ctx := t.Context()
	var agents sync.WaitGroup
	desk := *d
	desk.rng = rand.New(rand.NewPCG(d.rng.Uint64(), 0)) // of their own
	agents.Go(func() { desk.playAgents(t) })            // they wait for the ticket, and may be faster than startHitl
	if err := d.user.Escalate(ctx, botpresstest.Escalation{Title: d.title}); err != nil {
		t.Errorf("%s: escalate: %v", d.title, err)
		agents.Wait()
		return
	}
	for n := 0; n < d.says; {
		var m message.Message = said(n)
		if n++; n < d.says && d.rng.IntN(4) == 0 {
			m = message.Bloc{Items: []message.BlocItem{said(n - 1), said(n)}}
			n++
		}
		if err := d.user.Say(ctx, m); err != nil {
			t.Errorf("%s: say: %v", d.title, err)
		}
		d.pause(2 * time.Second)
	}
	agents.Wait()
	if d.hurry && d.closer == "agent" {
		return
	}
	<-time.After(7 * time.Minute) // what was said has arrived, also by the last retry: what is said after the end is not relayed
	d.w.settle()
	for _, id := range d.w.desk.Comments(d.ticket().ID) { // the desk reports our own messages back, as if an agent had written
		d.tell(t, report{
			Type: "comment", TicketID: d.ticket().ID, Agent: map[string]any{"id": "api", "name": "API"}, CommentID: id, Text: "an echo",
		})
	}
	var err error
	switch d.closer {
	case "agent":
		d.tell(t, report{Type: "closed", TicketID: d.ticket().ID})
	case "user":
		err = d.user.End(ctx)
	case "bot":
		err = d.user.StopHitl(ctx)
	}
	if err != nil {
		t.Errorf("%s: end by the %s: %v", d.title, d.closer, err)
	}
}

// said is a message of the end user.
func said(n int) message.Text { return message.Text{Text: fmt.Sprintf("said %d", n)} }

func (d *drama) playAgents(t *testing.T) {
	for deadline := time.Now().Add(10 * time.Minute); d.ticket() == nil; {
		if time.Now().After(deadline) {
			t.Errorf("%s: there is no ticket after ten minutes", d.title)
			return
		}
		<-time.After(20 * time.Millisecond)
	}
	ticket := d.ticket().ID
	comment := 0
	for turn, id := range d.agents {
		agent := map[string]any{"id": id, "name": strings.ToUpper(id)}
		d.tell(t, report{Type: "assigned", TicketID: ticket, Agent: agent, EventID: fmt.Sprintf("%s-turn-%d", ticket, turn)})
		for range d.replies {
			if !d.hurry {
				d.pause(3 * time.Second)
			}
			comment++
			d.tell(t, report{
				Type: "comment", TicketID: ticket, Agent: agent, CommentID: fmt.Sprintf("%s-%d", ticket, comment),
				Text: fmt.Sprintf("reply %d", comment),
			})
		}
	}
	if d.hurry && d.closer == "agent" {
		d.tell(t, report{Type: "closed", TicketID: ticket})
	}
}

// tell reports until the report is taken, as desks do, and now and then twice.
func (d *drama) tell(t *testing.T, r report) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	for times := 1 + d.rng.IntN(10)/9; times > 0; times-- {
		for {
			status, body := d.w.webhook(ctx, r)
			if status == http.StatusOK {
				break
			}
			if status == http.StatusBadRequest || ctx.Err() != nil {
				t.Errorf("%s: report %+v: %d %s", d.title, r, status, body)
				return
			}
			<-time.After(time.Second)
		}
	}
}

func (d *drama) pause(most time.Duration) { <-time.After(time.Duration(d.rng.Int64N(int64(most)))) }

func (d *drama) ticket() *acme.Ticket {
	for _, t := range d.w.desk.Tickets() {
		if t.Title == d.title {
			return &t
		}
	}
	return nil
}

// check counts what came of it.
func (d *drama) check(t *testing.T) {
	tickets := slices.DeleteFunc(d.w.desk.Tickets(), func(ticket acme.Ticket) bool { return ticket.Title != d.title })
	if len(tickets) != 1 {
		t.Errorf("%s has %d tickets, want one", d.title, len(tickets))
		return
	}
	var said, wantSaid []string
	for _, line := range tickets[0].Log {
		if _, text, _ := strings.Cut(line, ": "); strings.HasPrefix(text, "said ") && !strings.HasPrefix(line, "history ") {
			said = append(said, text)
		}
	}
	relayed := d.says
	if d.hurry && d.closer == "agent" {
		relayed = len(said) // the session may end in the middle of what the end user says
	}
	for n := range relayed {
		wantSaid = append(wantSaid, fmt.Sprintf("said %d", n))
	}
	if diff := cmp.Diff(wantSaid, said); diff != "" {
		t.Errorf("%s: what the end user said, in the desk (-want +got):\n%s", d.title, diff)
	}

	var replies, wantReplies []string
	joined, stopped := 0, 0
	for _, m := range d.user.Received() {
		text := message.PlainText(m.Message)
		switch {
		case m.From == botpresstest.FromAgent:
			replies = append(replies, m.Name+": "+text)
		case strings.Contains(text, "has joined"):
			joined++
		case strings.Contains(text, "continue assisting you"):
			stopped++
		}
	}
	n := 0
	for _, id := range d.agents {
		for range d.replies {
			n++
			wantReplies = append(wantReplies, fmt.Sprintf("%s: reply %d", strings.ToUpper(id), n))
		}
	}
	if diff := cmp.Diff(wantReplies, replies); diff != "" {
		d.explain(t)
		t.Errorf("%s (hurry %v, closed by %s): what the agents replied, as seen by the end user (-want +got):\n%s", d.title, d.hurry, d.closer, diff)
	}
	if joined != len(d.agents) {
		d.explain(t)
		t.Errorf("%s: %d agents were announced, want %d", d.title, joined, len(d.agents))
	}
	if stopped != 1 && d.closer != "bot" {
		t.Errorf("%s (hurry %v, closed by %s): the end user was told of the end %d times, want once", d.title, d.hurry, d.closer, stopped)
	}
	if d.user.Active() {
		t.Errorf("%s is still active in Botpress", d.title)
	}
	if d.closer != "agent" && tickets[0].Status != "closed" {
		t.Errorf("%s is still open in the desk, though the %s ended it", d.title, d.closer)
	}
}

// explain shows what Botpress has of the session.
func (d *drama) explain(t *testing.T) {
	t.Helper()
	for _, m := range d.user.Received() {
		t.Logf("%s %s %s", m.At.Format("04:05.000"), m.From, message.PlainText(m.Message))
	}
	for _, e := range d.w.cloud.Events() {
		if e.ConversationID == d.user.DownstreamID() {
			t.Logf("%s %s %s %s", e.CreatedAt.Format("04:05.000"), e.Type, e.Status, e.Payload)
		}
	}
}

// checkNoOrphans finds conversations that belong to no session.
func (w *world) checkNoOrphans(t *testing.T, sessions int) {
	downstream := 0
	for _, c := range w.cloud.Conversations() {
		if c.Channel != "supportTicket" {
			continue
		}
		downstream++
		if c.Tags["acme-desk:id"] == "" || c.Tags["acme-desk:closedAt"] == "" {
			t.Errorf("conversation %s is in the middle of nowhere: %v", c.ID, c.Tags)
		}
	}
	if downstream != sessions {
		t.Errorf("%d conversations with the desk, want %d", downstream, sessions)
	}
}
