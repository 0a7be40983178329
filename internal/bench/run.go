package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// plan is how much is measured.
type plan struct {
	rounds      int
	requests    int // of each workload
	connections int
	messages    int // each way in a session
	sessions    int // one after another
	longRun     int // sessions
	latency     time.Duration
	replicas    int
}

// pool is how many sessions are open: each gets five messages in each workload. With few of them, two messages of one session would
// be on their way at once, and our server would have the later one wait, with further calls. More than some thousands would not
// all be remembered.
func (p plan) pool() int { return min(max(p.requests/5, 10*p.connections), 4000) }

// longMessages is how many messages each way a session of the long run has.
const longMessages = 3

// Names of what is measured besides the workloads.
const (
	sessionAtOnce   = "session"
	sessionLatency  = "session with latency"
	severalReplicas = "replicas"
)

// lifetime is what was measured of a process as a whole.
type lifetime struct {
	startup        time.Duration
	peak, resident int64 // after the workloads and the sessions, in bytes
}

// longRun is what was measured of many sessions in a row.
type longRun struct {
	sample

	first, last float64       // sessions a second, in the first and the last tenth
	memory      [10][]float64 // bytes, some ten times in each tenth
	peak        int64
}

// results is everything that was measured. What comes from one round has the same index in all lists.
type results struct {
	programs  []program
	samples   map[string]map[string][]sample // by program and name
	lifetimes map[string][]lifetime
	long      map[string]longRun
}

// bench measures programs.
type bench struct {
	plan     plan
	programs []program
	starter  starter
	profiles string // the folder of profiles; empty for none
	progress io.Writer
}

// run measures all programs in each round.
func (b *bench) run(ctx context.Context) (results, error) {
	r := results{
		programs: b.programs, samples: map[string]map[string][]sample{}, lifetimes: map[string][]lifetime{}, long: map[string]longRun{},
	}
	for _, p := range b.programs {
		r.samples[p.key] = map[string][]sample{}
	}
	for round := range b.plan.rounds {
		start := time.Now()
		if err := b.round(ctx, r); err != nil {
			return r, fmt.Errorf("round %d: %w", round+1, err)
		}
		fmt.Fprintf(b.progress, "round %d of %d took %v\n", round+1, b.plan.rounds, time.Since(start).Round(time.Millisecond))
	}
	for _, p := range b.programs {
		long, err := b.long(ctx, p)
		if err != nil {
			return r, fmt.Errorf("many sessions of %s: %w", p.name, err)
		}
		r.long[p.key] = long
		fmt.Fprintf(b.progress, "%d sessions: %s has done them\n", b.plan.longRun, p.name)
	}
	return r, nil
}

// round starts all programs, once alone and once with replicas, and has them take turns.
func (b *bench) round(ctx context.Context, r results) (err error) {
	var alone, replicated []*site
	defer func() {
		for _, s := range append(alone, replicated...) {
			err = errors.Join(err, s.close(err))
		}
	}()
	for _, p := range b.programs {
		one, err := b.open(ctx, p, 1)
		if err != nil {
			return err
		}
		alone = append(alone, one)
		several, err := b.open(ctx, p, b.plan.replicas)
		if err != nil {
			return err
		}
		replicated = append(replicated, several)
	}
	for _, wl := range workloads() {
		sites := alone
		if wl.name == messages {
			sites = append(slices.Clone(alone), replicated...)
		}
		if err := b.requests(ctx, wl, sites, r); err != nil {
			return fmt.Errorf("%s: %w", wl.name, err)
		}
	}
	if err := b.sessions(ctx, alone, r); err != nil {
		return fmt.Errorf("sessions: %w", err)
	}
	for _, s := range alone {
		used, err := usageOf(pids(s.servers)...)
		if err != nil {
			return err
		}
		r.lifetimes[s.program.key] = append(r.lifetimes[s.program.key], lifetime{s.servers[0].startup, used.peak, used.resident})
	}
	return nil
}

// turns is how often each program has its turn in a workload. The speed of a machine changes within seconds: programs that take
// turns have the same share of its good times.
const turns = 12

// takeTurns has each site do a part of the n requests or sessions in each turn, in an order that rotates.
func takeTurns(sites []*site, n int, do func(s *site, from, n int) (tally, error)) ([]tally, error) {
	all := make([]tally, len(sites))
	for turn := range turns {
		from, to := n*turn/turns, n*(turn+1)/turns
		if from == to {
			continue
		}
		for i := range sites {
			i = (i + turn) % len(sites)
			t, err := do(sites[i], from, to-from)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", sites[i].program.name, err)
			}
			all[i].add(t)
		}
	}
	return all, nil
}

func (b *bench) requests(ctx context.Context, wl workload, sites []*site, r results) error {
	return b.profile(ctx, sites[:len(b.programs)], wl.name, func() error {
		all, err := takeTurns(sites, b.plan.requests, func(s *site, from, n int) (tally, error) {
			return wl.run(ctx, s, b.plan.connections, from, n)
		})
		for i, t := range all {
			name := wl.name
			if len(sites[i].servers) > 1 {
				name = severalReplicas
			}
			r.add(sites[i].program, name, t.sample())
		}
		return err
	})
}

func (b *bench) sessions(ctx context.Context, sites []*site, r results) error {
	whole := sessions{connections: 1, messages: b.plan.messages}
	all, err := takeTurns(sites, b.plan.sessions, func(s *site, from, n int) (tally, error) {
		return whole.run(ctx, s, from, n, func() {})
	})
	if err != nil {
		return err
	}
	for i, t := range all {
		r.add(sites[i].program, sessionAtOnce, t.sample())
	}
	n := min(b.plan.sessions, 4)
	whole.connections = n // They wait most of the time.
	for _, s := range sites {
		s.world.api.SetLatency(b.plan.latency)
		t, err := whole.run(ctx, s, 0, n, func() {})
		s.world.api.SetLatency(0)
		if err != nil {
			return fmt.Errorf("with latency: %s: %w", s.program.name, err)
		}
		r.add(s.program, sessionLatency, t.sample())
	}
	return nil
}

func (r results) add(p program, name string, s sample) {
	r.samples[p.key][name] = append(r.samples[p.key][name], s)
}

// site is a program that is served by one or several processes, in a world of its own.
type site struct {
	program program
	world   *world
	servers []*process
}

// open starts replicas of a program in a new world, and warms them up.
func (b *bench) open(ctx context.Context, p program, replicas int) (_ *site, err error) {
	w, err := newWorld(ctx, b.plan.pool())
	if err != nil {
		return nil, err
	}
	s := &site{program: p, world: w}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close(err))
		}
	}()
	for range replicas {
		server, err := b.starter.start(ctx, p, w.api.URL)
		if err != nil {
			return nil, err
		}
		s.servers = append(s.servers, server)
	}
	if err := s.warmUp(ctx, b.plan.connections); err != nil {
		return nil, fmt.Errorf("warm up: %w", err)
	}
	return s, nil
}

// close stops all processes. If something has failed, the error is what they have said last.
func (s *site) close(failed error) (err error) {
	for _, server := range s.servers {
		if failed != nil {
			err = errors.Join(err, server.lastWords())
		}
		err = errors.Join(err, server.stop(), os.Remove(server.log))
	}
	return errors.Join(err, s.world.api.Close())
}

// long plays many short sessions.
func (b *bench) long(ctx context.Context, p program) (long longRun, err error) {
	s, err := b.open(ctx, p, 1)
	if err != nil {
		return long, err
	}
	defer func() { err = errors.Join(err, s.close(err)) }()
	n := b.plan.longRun
	var tenths [11]time.Time // when each tenth has ended
	var done atomic.Int64
	var mu sync.Mutex
	var failed error
	tenths[0] = time.Now()
	finished := func() {
		ended := int(done.Add(1))
		if ended%(n/10) == 0 && ended/(n/10) <= 10 {
			tenths[ended/(n/10)] = time.Now()
		}
		if ended%max(1, n/100) != 0 {
			return
		}
		used, err := usageOf(pids(s.servers)...)
		mu.Lock()
		defer mu.Unlock()
		failed = errors.Join(failed, err)
		tenth := (ended - 1) * 10 / n
		long.memory[tenth], long.peak = append(long.memory[tenth], float64(used.resident)), used.peak
	}
	t, err := sessions{connections: b.plan.connections, messages: longMessages}.run(ctx, s, 0, n, finished)
	long.sample = t.sample()
	long.first = float64(n/10) / tenths[1].Sub(tenths[0]).Seconds()
	long.last = float64(n/10) / tenths[10].Sub(tenths[9]).Seconds()
	return long, errors.Join(err, failed)
}
