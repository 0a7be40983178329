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

// meter measures what happens between its start and its end.
type meter struct {
	servers []*process
	api     *api.Server

	start  time.Time
	used   usage
	load   usage
	allocs uint64
	counts api.Counts
}

func startMeter(ctx context.Context, servers []*process, a *api.Server) (m meter, err error) {
	m = meter{servers: servers, api: a, counts: a.Counts()}
	var err1, err2, err3 error
	m.allocs, err1 = allocations(ctx, servers)
	m.load, err2 = usageOf(os.Getpid())
	m.used, err3 = usageOf(pids(servers)...)
	m.start = time.Now()
	return m, errors.Join(err1, err2, err3)
}

// end returns what was measured over n requests, and which calls were made.
func (m meter) end(ctx context.Context, n int) (s sample, calls api.Counts, err error) {
	took := time.Since(m.start)
	used, err1 := usageOf(pids(m.servers)...)
	load, err2 := usageOf(os.Getpid())
	allocs, err3 := allocations(ctx, m.servers)
	calls = m.api.Counts().Since(m.counts)
	each := 1 / float64(n)
	return sample{
		perSecond: float64(n) / took.Seconds(),
		cpu:       (used.cpu - m.used.cpu).Seconds() * 1000 * each,
		allocs:    float64(allocs-m.allocs) * each,
		calls:     float64(calls.Total()) * each,
		load:      (load.cpu - m.load.cpu).Seconds() / took.Seconds(),
	}, calls, errors.Join(err1, err2, err3, m.api.Err())
}

// run sends n requests of the workload, and checks that they were answered, with as many calls as there are to be.
func (wl workload) run(ctx context.Context, w *world, servers []*process, connections, n int) (sample, error) {
	latencies := make([]time.Duration, n)
	m, err := startMeter(ctx, servers, w.api)
	if err != nil {
		return sample{}, err
	}
	err = each(ctx, addrs(servers), connections, n, func(_ context.Context, c *conn, i int) error {
		r, err := wl.next(w, i)
		if err != nil {
			return err
		}
		_, latencies[i], err = c.do(r)
		return err
	})
	if err != nil {
		return sample{}, err
	}
	s, calls, err := m.end(ctx, n)
	if err != nil {
		return s, err
	}
	if calls.Total() != int64(n*wl.calls) {
		return s, fmt.Errorf("%d requests took %d calls of the API, and should take %d: %v", n, calls.Total(), n*wl.calls, calls)
	}
	slices.Sort(latencies)
	s.p50, s.p99 = percentile(latencies, 50), percentile(latencies, 99)
	return s, w.check()
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
func (w *world) warmUp(ctx context.Context, servers []*process, connections int) error {
	say := workloadNamed(messages)
	for _, server := range servers {
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
