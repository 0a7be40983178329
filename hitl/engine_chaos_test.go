package hitl_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hitl-go/sdk/botpress/botpresstest"
	"github.com/hitl-go/sdk/internal/acme"
	"github.com/hitl-go/sdk/message"
)

var (
	engineSeed     = flag.Uint64("engine.seed", 1, "seed of the engine's randomised worlds; 0 takes a new one")
	engineSessions = flag.Int("engine.sessions", 20, "how many sessions are run against the engine in worlds where everything is mixed")
	engineExplain  = flag.Int("engine.explain", 2, "how many failed sessions of a world are shown in full")
	engineLogFile  = flag.String("engine.log", "", "file that the servers' logs are appended to")
)

func newSeed() uint64 {
	if *engineSeed != 0 {
		return *engineSeed
	}
	return rand.Uint64N(1 << 32)
}

// scene is an end user and what happens to them: one session, or several.
type scene struct {
	w       *engineWorld
	rng     *rand.Rand
	name    string
	user    *botpresstest.EndUser
	oracles []*oracle
}

// playWorld runs a world and compares what came of it.
func playWorld(t *testing.T, f features, seed uint64) engineTally {
	t.Helper()
	w := newEngineWorld(t, f, seed)
	woken, sleep := context.WithCancel(t.Context())
	w.working.Go(func() { w.wakeUp(woken) })
	calm := w.disturb()

	var scenes []*scene
	var acting sync.WaitGroup
	for i := range f.sessions {
		s := &scene{w: w, rng: rand.New(rand.NewPCG(seed, uint64(i)+100)), name: fmt.Sprintf("s%d", i)}
		person := i
		if f.twoChats {
			person /= 2
		}
		s.user = w.in.NewEndUser(botpresstest.Profile{Name: fmt.Sprintf("User %d", person), Email: fmt.Sprintf("user%d@example.com", person)})
		scenes = append(scenes, s)
		acting.Go(func() { s.play(t) })
	}
	acting.Wait()
	calm()
	w.settle(t)
	<-time.After(quietAtMost)
	sleep()
	w.settle(t)
	w.checkAll(t, scenes)
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.tally
}

func (w *engineWorld) settle(t *testing.T) {
	t.Helper()
	if err := w.cloud.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (s *scene) play(t *testing.T) {
	<-time.After(time.Duration(s.rng.IntN(20_000)) * time.Millisecond)
	times := 1
	if s.w.f.again {
		times = 3
	}
	for n := range times {
		s.session(t, n+1)
	}
}

func (s *scene) session(t *testing.T, n int) {
	ctx, end := context.WithCancel(t.Context())
	defer end()
	rng := s.rng
	o := &oracle{
		title: fmt.Sprintf("%s/%d", s.name, n), closer: []string{"agent", "user", "bot"}[rng.IntN(3)], hurry: rng.IntN(3) == 0,
	}
	s.oracles = append(s.oracles, o)
	if err := s.user.Say(ctx, message.Text{Text: "hello for " + o.title}); err != nil { // the plugin wants a word in between
		t.Errorf("%s: say: %v", o.title, err)
	}
	var agents sync.WaitGroup
	turns := []acme.Agent{{ID: "ann", Name: "ANN"}, {ID: "bob", Name: "BOB"}, {ID: "ann", Name: "ANN"}}[:1+rng.IntN(3)]
	a := &agentsAct{s: s, o: o, rng: rand.New(rand.NewPCG(rng.Uint64(), 0)), turns: turns, replies: 1 + rng.IntN(6), started: make(chan struct{})}
	agents.Go(func() { a.play(ctx) })

	o.askedAt = time.Now()
	if err := s.user.Escalate(ctx, botpresstest.Escalation{Title: o.title}); err != nil {
		o.gaveUp = true
		s.w.mu.Lock()
		s.w.gaveUp[o.title] = true
		s.w.mu.Unlock()
		o.note("escalate: %v", err)
		end()
		agents.Wait()
		return
	}
	o.startedAt = time.Now()
	close(a.started)
	words := rng.IntN(mostWords)
	for i := 0; i < words; {
		items := 1
		if rng.IntN(5) == 0 {
			items = 2
		}
		var bloc []message.BlocItem
		for range items {
			text := fmt.Sprintf("%s said %d", o.title, i)
			o.says(text)
			bloc = append(bloc, message.Text{Text: text})
			i++
		}
		var m message.Message = message.Bloc{Items: bloc}
		if items == 1 {
			m = message.Text{Text: fmt.Sprintf("%s said %d", o.title, i-1)}
		}
		if err := s.user.Say(ctx, m); err != nil {
			t.Errorf("%s: say: %v", o.title, err)
		}
		pause(rng, []time.Duration{50 * time.Millisecond, 2 * time.Second, 10 * time.Second}[rng.IntN(3)])
	}
	if !o.hurry || o.closer == "agent" {
		agents.Wait()
	}
	if !o.hurry {
		s.quiet(ctx, o)
	}
	var err error
	o.ends(o.closer)
	switch o.closer {
	case "agent":
		if !o.hurry {
			s.w.desk.Close(o.ticket, turns[0])
		}
		for deadline := time.Now().Add(time.Hour); s.user.Active() && time.Now().Before(deadline); {
			<-time.After(500 * time.Millisecond)
		}
	case "user":
		err = s.user.End(ctx)
		if err == nil {
			err = s.w.cloud.Settle(ctx)
		}
	case "bot":
		err = s.user.StopHitl(ctx)
	}
	if err != nil {
		o.note("end: %v", err)
	}
	o.stopGivenUp = o.closer == "bot" && err != nil || o.closer == "user" && !s.toldOfTheEnd(o)
	agents.Wait()
}

// toldOfTheEnd reports whether the plugin has told the end user of the end, which it does once stopHitl was answered.
func (s *scene) toldOfTheEnd(o *oracle) bool {
	return slices.ContainsFunc((outcome{}).received(o, s.user), func(m botpresstest.Received) bool {
		return strings.Contains(message.PlainText(m.Message), "continue assisting you")
	})
}

// mostWords is how much an end user says in a session.
const mostWords = 20

// quietAtMost is longer than it takes until Botpress calls register, which wakes up a process that nobody has talked to, and until
// the sweep after next: the first one may fail.
const quietAtMost = 95 * time.Minute

// quiet waits until all that was said has arrived, so that the session ends in good order.
func (s *scene) quiet(ctx context.Context, o *oracle) {
	for deadline := time.Now().Add(quietAtMost); time.Now().Before(deadline) && ctx.Err() == nil; {
		shown, joined := 0, 0
		for _, m := range (outcome{}).received(o, s.user) {
			if m.From == botpresstest.FromAgent {
				shown++
			} else if strings.Contains(message.PlainText(m.Message), "has joined") {
				joined++
			}
		}
		arrived := map[string]bool{}
		for _, ticket := range s.w.desk.TicketsByTitle(o.title) {
			for _, line := range ticket.Log {
				if _, text, _ := strings.Cut(line, ": "); strings.Contains(text, " said ") {
					arrived[text] = true
				}
			}
		}
		if shown >= len(o.replied) && joined >= o.joined && len(arrived) >= len(o.said) {
			return
		}
		<-time.After(2 * time.Second)
	}
	o.note("not everything has arrived in time")
}

func pause(rng *rand.Rand, most time.Duration) { <-time.After(time.Duration(rng.Int64N(int64(most)))) }

// agentsAct is what agents do in the desk's own UI.
type agentsAct struct {
	s       *scene
	o       *oracle
	rng     *rand.Rand
	turns   []acme.Agent
	replies int
	started chan struct{} // closed once startHitl was answered
}

func (a *agentsAct) play(ctx context.Context) {
	if a.s.w.f.forgetful { // it may have a ticket too much, which nobody answers
		select {
		case <-a.started:
		case <-ctx.Done():
			return
		}
	}
	for a.o.ticket == "" {
		if tickets := a.s.w.desk.TicketsByTitle(a.o.title); len(tickets) > 0 {
			a.o.ticket = a.pick(tickets)
			break
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return
		}
	}
	desk, n := a.s.w.desk, 0
	for _, agent := range a.turns {
		if !desk.Assign(a.o.ticket, agent) {
			return
		}
		a.o.joins(agent.ID)
		for range a.replies {
			if ctx.Err() != nil {
				return
			}
			if !a.o.hurry || a.rng.IntN(2) == 0 {
				pause(a.rng, 3*time.Second)
			}
			n++
			text := fmt.Sprintf("%s reply %d", a.o.title, n)
			a.o.replies(desk.Reply(a.o.ticket, agent, text), text)
		}
	}
	if a.o.hurry && a.o.closer == "agent" {
		desk.Close(a.o.ticket, a.turns[0])
		a.o.ends("agent")
	}
}

// pick is the ticket that Botpress knows.
func (a *agentsAct) pick(tickets []acme.Ticket) string {
	if len(tickets) > 1 {
		id := a.s.user.DownstreamID()
		for _, conv := range a.s.w.cloud.Conversations() {
			if conv.ID == id {
				return conv.Tags["acme-desk:id"]
			}
		}
	}
	return tickets[0].ID
}

// oneAtATime are worlds in which one thing is special, in different kinds of desks.
var oneAtATime = []features{
	{},
	{replicas: 3},
	{again: true},
	{again: true, replicas: 3},
	{twoChats: true, replicas: 3},
	{dispatch: botpresstest.DispatchParallel},
	{dispatch: botpresstest.DispatchParallel, replicas: 3},
	{dispatch: botpresstest.DispatchShuffled, replicas: 3},
	{slow: 3 * time.Second},
	{slow: 3 * time.Second, replicas: 3, dispatch: botpresstest.DispatchParallel},
	{patience: 2 * time.Second, attempts: 1},
	{patience: 2 * time.Second, replicas: 3, readBack: true},
	{early: 2 * time.Second, replicas: 3},
	{early: 2 * time.Second, replicas: 3, noConversationID: true},
	{early: 2 * time.Second, replicas: 3, echo: true},
	{replicas: 3, echo: true, echoDelay: time.Minute},
	{early: 2 * time.Second, replicas: 3, echo: true, readBack: true},
	{early: 2 * time.Second, replicas: 3, echo: true, noConversationID: true, dispatch: botpresstest.DispatchParallel},
	{replicas: 3, skew: 6 * time.Second},
	{replicas: 3, skew: -6 * time.Second},
	{replicas: 3, jitter: time.Second},
	{replicas: 3, skew: 6 * time.Second, jitter: time.Second, early: time.Second},
	{notes: true},
	{replicas: 3, notes: true, again: true},
	{replicas: 2, readBack: true},
	{replicas: 2, readBack: true, lost: 0.3, notes: true},
	{replicas: 2, readBack: true, once: true},
	{replicas: 2, readBack: true, shuffle: 2 * time.Second},
	{polled: true},
	{replicas: 2, polled: true},
	{replicas: 3, polled: true, readBack: true, notes: true},
	{forgetful: true},
	{replicas: 3, forgetful: true},
	{replicas: 3, forgetful: true, dispatch: botpresstest.DispatchParallel, slow: time.Second},
	{deskFaults: 0.05},
	{deskFaults: 0.05, replicas: 3},
	{deskFaults: 0.05, replicas: 3, dispatch: botpresstest.DispatchParallel},
	{deskLoses: 0.05, replicas: 3},
	{deskLoses: 0.05, replicas: 3, forgetful: true},
	{outages: true},
	{outages: true, replicas: 3, dispatch: botpresstest.DispatchParallel},
	{outages: true, replicas: 3, readBack: true},
	{faults: 0.02},
	{faults: 0.02, replicas: 3},
	{faults: 0.02, replicas: 3, dispatch: botpresstest.DispatchShuffled},
	{faults: 0.02, replicas: 3, forgetful: true},
	{faults: 0.02, replicas: 3, readBack: true, lost: 0.2},
	{faults: 0.02, replicas: 3, polled: true},
	{kills: true},
	{kills: true, replicas: 3},
	{kills: true, replicas: 3, dispatch: botpresstest.DispatchParallel},
	{kills: true, replicas: 2, readBack: true},
	{kills: true, replicas: 2, polled: true},
	{kills: true, replicas: 3, forgetful: true},
	{pauses: true},
	{pauses: true, replicas: 3},
	{pauses: true, replicas: 3, forgetful: true},
	{pauses: true, replicas: 3, readBack: true},
}

// TestEngineFeatures lets one thing go wrong at a time.
func TestEngineFeatures(t *testing.T) {
	seed := newSeed()
	t.Logf("again with: go test ./hitl -run '%s' -engine.sessions=%d -engine.seed=%d", t.Name(), *engineSessions, seed)
	var total sumOfWorlds
	t.Run("worlds", func(t *testing.T) {
		for i, f := range oneAtATime {
			f.sessions = max(2, *engineSessions/len(oneAtATime))
			runWorld(t, f, seed+uint64(i), &total)
		}
	})
	t.Log(&total.tally)
}

// TestEngine mixes everything.
func TestEngine(t *testing.T) {
	seed := newSeed()
	t.Logf("again with: go test ./hitl -run '%s$' -engine.sessions=%d -engine.seed=%d", t.Name(), *engineSessions, seed)
	const atOnce = 20 // sessions
	var total sumOfWorlds
	t.Run("worlds", func(t *testing.T) {
		for n := 0; n < *engineSessions; n += atOnce {
			f := anyFeatures(rand.New(rand.NewPCG((seed+uint64(n))*0x9e3779b97f4a7c15, 9)))
			f.sessions = min(atOnce, *engineSessions-n)
			runWorld(t, f, seed+uint64(n), &total)
		}
	})
	t.Log(&total.tally)
}

// anyFeatures draws a world. What is lost for good, or comes in any order, needs a desk that can be read back.
func anyFeatures(rng *rand.Rand) features {
	often := func(percent int) bool { return rng.IntN(100) < percent }
	f := features{
		replicas: 1 + rng.IntN(3), dispatch: botpresstest.Dispatch(rng.IntN(3)), attempts: 2 + rng.IntN(2),
		outages: often(25), kills: often(35), pauses: often(20),
		noConversationID: often(30), forgetful: often(25), notes: often(40), polled: often(20), readBack: often(50),
		echo: often(30), twoChats: often(30), again: often(20),
	}
	if often(50) {
		f.faults = 0.005 + 0.02*rng.Float64()
	}
	if often(30) {
		f.deskFaults = 0.05
	}
	if often(30) {
		f.deskLoses = 0.05
	}
	if often(40) {
		f.skew = time.Duration(rng.IntN(12_001)-6_000) * time.Millisecond
	}
	if often(40) {
		f.jitter = time.Duration(rng.IntN(1_001)) * time.Millisecond
	}
	if often(25) {
		f.slow = time.Duration(rng.IntN(4_000)) * time.Millisecond
	}
	if often(50) {
		f.early = time.Duration(rng.IntN(3_000)) * time.Millisecond
	}
	if often(30) {
		f.echoDelay = time.Duration(rng.IntN(90_000)) * time.Millisecond
	}
	if often(15) {
		f.patience = time.Duration(1_000+rng.IntN(4_000)) * time.Millisecond
	}
	if f.readBack {
		if often(40) {
			f.lost = 0.3 * rng.Float64()
		}
		f.once = often(30)
		if often(30) {
			f.shuffle = time.Duration(1+rng.IntN(5_000)) * time.Millisecond
		}
	}
	return f
}

type sumOfWorlds struct {
	mu    sync.Mutex
	tally engineTally
}

// runWorld runs a world in a bubble of its own.
func runWorld(t *testing.T, f features, seed uint64, total *sumOfWorlds) {
	t.Helper()
	t.Run(fmt.Sprintf("seed %d: %s", seed, f), func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			tally := playWorld(t, f, seed)
			t.Log(&tally)
			total.mu.Lock()
			defer total.mu.Unlock()
			total.tally.add(tally)
		})
	})
}
