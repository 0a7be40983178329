package botpresstest

import (
	"container/heap"
	"context"
	"time"
)

// enqueue adds f to the queue named key. Each queue is worked off in order, one piece at a time; queues are concurrent.
// Hold s.mu.
func (s *Server) enqueue(key string, f func(context.Context)) {
	if s.closed {
		return
	}
	s.begin()
	line, running := s.lines[key]
	s.lines[key] = append(line, f)
	if !running {
		s.wg.Go(func() { s.workOff(key) })
	}
}

// background runs f outside of any queue. Hold s.mu.
func (s *Server) background(f func(context.Context)) {
	if s.closed {
		return
	}
	s.begin()
	s.wg.Go(func() {
		defer s.end()
		f(s.ctx)
	})
}

func (s *Server) workOff(key string) {
	for {
		s.mu.Lock()
		line := s.lines[key]
		if len(line) == 0 {
			delete(s.lines, key)
			s.mu.Unlock()
			return
		}
		f := line[0]
		line[0] = nil
		s.lines[key] = line[1:]
		s.mu.Unlock()
		if s.ctx.Err() == nil {
			f(s.ctx)
		}
		s.end()
	}
}

// begin counts a piece of work. Hold s.mu.
func (s *Server) begin() {
	if s.pending++; s.pending == 1 {
		s.idle = make(chan struct{})
	}
}

func (s *Server) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pending--; s.pending == 0 {
		close(s.idle)
	}
}

// crowded returns an error when too much work is queued. Hold s.mu.
func (s *Server) crowded() *Error {
	if s.pending < maxPending {
		return nil
	}
	return &Error{Status: 429, Type: "RateLimited", Message: "too much work is waiting: slow down"}
}

// Settle waits until every event and message that is due has been handled, retries included. What is scheduled for later
// does not count, nor does work that an integration does after its response. It fails only with the context's error.
func (s *Server) Settle(ctx context.Context) error {
	for {
		s.mu.Lock()
		s.runDue()
		if s.pending == 0 || s.closed {
			s.mu.Unlock()
			return ctx.Err()
		}
		idle := s.idle
		s.mu.Unlock()
		select {
		case <-idle:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// appointment is scheduled work.
type appointment struct {
	at  time.Time
	tie uint64 // Random: what is due at the same time runs in any order.
	run func() // Called with s.mu held.
}

// schedule is a heap of appointments.
type schedule []appointment

func (h *schedule) Len() int { return len(*h) }
func (h *schedule) Less(i, j int) bool {
	a, b := (*h)[i], (*h)[j]
	return a.at.Before(b.at) || a.at.Equal(b.at) && a.tie < b.tie
}
func (h *schedule) Swap(i, j int) { (*h)[i], (*h)[j] = (*h)[j], (*h)[i] }
func (h *schedule) Push(x any)    { *h = append(*h, x.(appointment)) } //nolint:forcetypeassert // Only later pushes.
func (h *schedule) Pop() any {
	last := (*h)[len(*h)-1]
	(*h)[len(*h)-1] = appointment{}
	*h = (*h)[:len(*h)-1]
	return last
}

// later runs f at the given time of Botpress' clock, plus the scheduler's jitter, or at once if that time has passed. Times
// are rounded up to a millisecond. Hold s.mu.
func (s *Server) later(at time.Time, f func()) {
	at = at.Add(time.Millisecond - 1).Truncate(time.Millisecond) // A delay is never shortened.
	if !at.After(s.clock.now()) {
		f()
		return
	}
	at = at.Add(s.upTo(s.opts.SchedulerJitter).Truncate(time.Millisecond))
	heap.Push(&s.due, appointment{at: at, tie: s.rand.Uint64(), run: f})
	s.arm()
}

// upTo is a random duration from zero to the given one. Hold s.mu.
func (s *Server) upTo(most time.Duration) time.Duration {
	if most <= 0 {
		return 0
	}
	return time.Duration(s.rand.Int64N(int64(most) + 1))
}

// runDue runs the appointments that are due. Hold s.mu.
func (s *Server) runDue() {
	for len(s.due) > 0 && !s.closed && !s.due[0].at.After(s.clock.now()) {
		heap.Pop(&s.due).(appointment).run() //nolint:forcetypeassert // Only later pushes.
	}
	s.arm()
}

func (s *Server) arm() {
	if s.timer != nil {
		s.timer.Stop()
	}
	if len(s.due) > 0 && !s.closed {
		s.timer = time.AfterFunc(s.due[0].at.Sub(s.clock.now()), func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.runDue()
		})
	}
}
