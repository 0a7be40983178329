package hitl

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/hitl-go/sdk/internal/keyed"
)

// inflightStarts are the sessions that this process is opening, by installation.
type inflightStarts struct {
	maxWaiting int

	mu       sync.Mutex
	inflight map[scope]map[chan struct{}]bool
	waiting  int
}

// begin notes that a session is being opened. The returned function notes that it no longer is.
func (s *inflightStarts) begin(in scope) (end func()) {
	done := make(chan struct{})
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.inflight == nil {
		s.inflight = map[scope]map[chan struct{}]bool{}
	}
	if s.inflight[in] == nil {
		s.inflight[in] = map[chan struct{}]bool{}
	}
	s.inflight[in][done] = true
	return func() {
		close(done)
		s.mu.Lock()
		defer s.mu.Unlock()
		if delete(s.inflight[in], done); len(s.inflight[in]) == 0 {
			delete(s.inflight, in)
		}
	}
}

// snapshot returns what is in flight now. Each channel is closed when its start ends.
func (s *inflightStarts) snapshot(in scope) []chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.inflight[in]))
}

// wait returns when all these starts have ended. Few may wait at once: most events of unknown sessions belong to no
// session at all, and must not take the places of the others.
func (s *inflightStarts) wait(ctx context.Context, inflight []chan struct{}) error {
	s.mu.Lock()
	full := s.waiting >= s.maxWaiting
	if !full {
		s.waiting++
	}
	s.mu.Unlock()
	if full {
		return keyed.ErrFull
	}
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.waiting--
	}()
	for _, done := range inflight {
		select {
		case <-done:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}
