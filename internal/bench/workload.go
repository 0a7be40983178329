package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/hitl-go/sdk/internal/bench/api"
)

// workload is one kind of request.
type workload struct {
	name  string
	calls int // of the API, for each request and with every server
	next  func(w *world, i int) (request, error)
}

// messages is the workload that replicas are measured with.
const messages = "message_created"

func workloads() []workload {
	session := func(w *world, i int) openSession { return w.pool[i%len(w.pool)] }
	return []workload{
		{"createUser", 2, func(w *world, i int) (request, error) { return w.createUser(&w.bots[i%installations]) }},
		{messages, 2, func(w *world, i int) (request, error) { return w.message(session(w, i)) }},
		// The sessions of a bot follow each other at a distance: so each of its agents has his turn.
		{"webhook_received", 1, func(w *world, i int) (request, error) { return w.reply(session(w, i), i/installations) }},
		{"ping", 0, func(w *world, i int) (request, error) { return w.ping(&w.bots[i%installations]) }},
	}
}

func workloadNamed(name string) workload {
	all := workloads()
	return all[slices.IndexFunc(all, func(w workload) bool { return w.name == name })]
}

// sample is what was measured while requests were answered.
type sample struct {
	perSecond float64
	p50, p99  time.Duration
	cpu       float64 // seconds of the servers, for a thousand requests
	allocs    float64 // of the servers, for each request; zero if it is not known
	calls     float64 // of the API, for each request
	load      float64 // which part of its core the load took
}

// tally is what has been counted, in one turn or in several.
type tally struct {
	took      time.Duration
	cpu, load time.Duration // of the servers, and of the load
	allocs    uint64
	calls     int64
	latencies []time.Duration // of each request or session
}

func (t *tally) add(more tally) {
	t.took += more.took
	t.cpu += more.cpu
	t.load += more.load
	t.allocs += more.allocs
	t.calls += more.calls
	t.latencies = append(t.latencies, more.latencies...)
}

func (t *tally) sample() sample {
	n := float64(len(t.latencies))
	sorted := slices.Sorted(slices.Values(t.latencies))
	return sample{
		perSecond: n / t.took.Seconds(),
		p50:       percentile(sorted, 50), p99: percentile(sorted, 99),
		cpu:    t.cpu.Seconds() * 1000 / n,
		allocs: float64(t.allocs) / n,
		calls:  float64(t.calls) / n,
		load:   t.load.Seconds() / t.took.Seconds(),
	}
}

// meter measures what happens between its start and its end.
type meter struct {
	site *site

	start  time.Time
	used   usage
	load   usage
	allocs uint64
	counts api.Counts
}

func startMeter(ctx context.Context, s *site) (m meter, err error) {
	m = meter{site: s, counts: s.world.api.Counts()}
	var err1, err2, err3 error
	m.allocs, err1 = allocations(ctx, s.servers)
	m.load, err2 = usageOf(os.Getpid())
	m.used, err3 = usageOf(pids(s.servers)...)
	m.start = time.Now()
	return m, errors.Join(err1, err2, err3)
}

// end returns what was counted, and which calls were made.
func (m meter) end(ctx context.Context, latencies []time.Duration) (t tally, calls api.Counts, err error) {
	took := time.Since(m.start)
	used, err1 := usageOf(pids(m.site.servers)...)
	load, err2 := usageOf(os.Getpid())
	allocs, err3 := allocations(ctx, m.site.servers)
	calls = m.site.world.api.Counts().Since(m.counts)
	return tally{
		took: took, cpu: used.cpu - m.used.cpu, load: load.cpu - m.load.cpu, allocs: allocs - m.allocs, calls: calls.Total(), latencies: latencies,
	}, calls, errors.Join(err1, err2, err3, m.site.world.api.Err())
}

// run sends the n requests of the workload that come after the first ones, and checks that they were answered, with as many calls as
// there are to be.
func (wl workload) run(ctx context.Context, s *site, connections, first, n int) (tally, error) {
	latencies := make([]time.Duration, n)
	m, err := startMeter(ctx, s)
	if err != nil {
		return tally{}, err
	}
	err = each(ctx, addrs(s.servers), connections, n, func(_ context.Context, c *conn, i int) error {
		r, err := wl.next(s.world, first+i)
		if err != nil {
			return err
		}
		_, latencies[i], err = c.do(r)
		return err
	})
	if err != nil {
		return tally{}, err
	}
	t, calls, err := m.end(ctx, latencies)
	if err != nil {
		return t, err
	}
	if t.calls != int64(n*wl.calls) {
		return t, fmt.Errorf("%d requests took %d calls of the API, and should take %d: %v", n, t.calls, n*wl.calls, calls)
	}
	return t, s.world.check()
}

// check looks whether what was said has arrived.
func (w *world) check() error {
	for _, s := range w.pool {
		if undelivered, _ := w.api.Undelivered(s.conversationID); undelivered > 0 {
			return fmt.Errorf("%d messages of conversation %s are not delivered", undelivered, s.conversationID)
		}
	}
	return nil
}

// warmUp has each server see each session, each agent and a few users, as it would have after a while: what it remembers of
// them is not to be asked for later.
func (s *site) warmUp(ctx context.Context, connections int) error {
	w, say := s.world, workloadNamed(messages)
	for _, server := range s.servers {
		addr := []string{server.addr}
		err := each(ctx, addr, connections, len(w.pool), func(_ context.Context, c *conn, i int) error {
			r, err := say.next(w, i)
			if err != nil {
				return err
			}
			_, _, err = c.do(r)
			return err
		})
		if err != nil {
			return err
		}
		err = each(ctx, addr, 1, installations*agents, func(_ context.Context, c *conn, i int) error {
			r, err := w.reply(w.pool[i%len(w.pool)], i/installations)
			if err == nil {
				_, _, err = c.do(r)
			}
			if err != nil {
				return err
			}
			if r, err = w.createUser(&w.bots[i%installations]); err == nil {
				_, _, err = c.do(r)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
