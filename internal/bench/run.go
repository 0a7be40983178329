package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hitl-go/sdk/internal/bench/api"
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

	first, last  float64 // sessions a second, in the first and the last tenth
	middle, ends int64   // memory after half of them, and after all
	peak         int64
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
	api      *api.Server
	profiles string // the folder of profiles; empty for none
	progress io.Writer
}

// run measures all programs in each round, in an order that rotates.
func (b *bench) run(ctx context.Context) (results, error) {
	r := results{
		programs: b.programs, samples: map[string]map[string][]sample{}, lifetimes: map[string][]lifetime{}, long: map[string]longRun{},
	}
	for _, p := range b.programs {
		r.samples[p.key] = map[string][]sample{}
	}
	for round := range b.plan.rounds {
		for i := range b.programs {
			p := b.programs[(i+round)%len(b.programs)]
			start := time.Now()
			if err := b.round(ctx, p, r); err != nil {
				return r, fmt.Errorf("round %d of %s: %w", round+1, p.name, err)
			}
			fmt.Fprintf(b.progress, "round %d of %d: %s took %v\n", round+1, b.plan.rounds, p.name, time.Since(start).Round(time.Millisecond))
		}
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

func (b *bench) round(ctx context.Context, p program, r results) error {
	err := b.serve(ctx, p, 1, func(w *world, servers []*process) error {
		if err := b.alone(ctx, w, servers, r); err != nil {
			return err
		}
		used, err := usageOf(pids(servers)...)
		r.lifetimes[p.key] = append(r.lifetimes[p.key], lifetime{servers[0].startup, used.peak, used.resident})
		return err
	})
	if err != nil {
		return err
	}
	return b.serve(ctx, p, b.plan.replicas, func(w *world, servers []*process) error {
		s, err := workloadNamed(messages).run(ctx, w, servers, b.plan.connections, b.plan.requests)
		r.add(p, severalReplicas, s)
		return err
	})
}

// alone measures one process.
func (b *bench) alone(ctx context.Context, w *world, servers []*process, r results) error {
	p := servers[0].program
	for _, wl := range workloads() {
		err := b.profile(ctx, servers[0], wl.name, func() error {
			s, err := wl.run(ctx, w, servers, b.plan.connections, b.plan.requests)
			r.add(p, wl.name, s)
			return err
		})
		if err != nil {
			return fmt.Errorf("%s: %w", wl.name, err)
		}
	}
	whole := sessions{n: b.plan.sessions, connections: 1, messages: b.plan.messages}
	s, err := whole.run(ctx, w, servers, func() {})
	if err != nil {
		return err
	}
	r.add(p, sessionAtOnce, s)

	b.api.SetLatency(b.plan.latency)
	defer b.api.SetLatency(0)
	whole.n = min(whole.n, 4)
	whole.connections = whole.n // They wait most of the time.
	if s, err = whole.run(ctx, w, servers, func() {}); err != nil {
		return fmt.Errorf("with latency: %w", err)
	}
	r.add(p, sessionLatency, s)
	return nil
}

func (r results) add(p program, name string, s sample) {
	r.samples[p.key][name] = append(r.samples[p.key][name], s)
}

// serve starts replicas of a program in a new world, warms them up, and stops them when all is measured.
func (b *bench) serve(ctx context.Context, p program, replicas int, measure func(w *world, servers []*process) error) (err error) {
	w := newWorld(b.api, b.plan.pool())
	var servers []*process
	defer func() {
		for _, s := range servers {
			if err != nil {
				err = errors.Join(err, s.lastWords())
			}
			err = errors.Join(err, s.stop(), os.Remove(s.log))
		}
	}()
	for range replicas {
		s, err := b.starter.start(ctx, p)
		if err != nil {
			return err
		}
		servers = append(servers, s)
	}
	if err := w.warmUp(ctx, servers, b.plan.connections); err != nil {
		return fmt.Errorf("warm up: %w", err)
	}
	return measure(w, servers)
}

// long plays many short sessions.
func (b *bench) long(ctx context.Context, p program) (long longRun, err error) {
	n := b.plan.longRun
	err = b.serve(ctx, p, 1, func(w *world, servers []*process) error {
		var tenths [11]time.Time // when each tenth has ended
		var done atomic.Int64
		var mu sync.Mutex
		var failed error
		tenths[0] = time.Now()
		finished := func() {
			ended := int(done.Add(1))
			if ended%(n/10) != 0 {
				return
			}
			used, err := usageOf(pids(servers)...)
			mu.Lock()
			defer mu.Unlock()
			failed = errors.Join(failed, err)
			if tenth := ended / (n / 10); tenth <= 10 {
				tenths[tenth] = time.Now()
				if tenth == 5 {
					long.middle = used.resident
				}
				long.ends, long.peak = used.resident, used.peak
			}
		}
		s, err := sessions{n: n, connections: b.plan.connections, messages: longMessages}.run(ctx, w, servers, finished)
		long.sample = s
		long.first = float64(n/10) / tenths[1].Sub(tenths[0]).Seconds()
		long.last = float64(n/10) / tenths[10].Sub(tenths[9]).Seconds()
		return errors.Join(err, failed)
	})
	return long, err
}
