package hitl

import (
	"sync"
	"time"

	"github.com/hitl-go/sdk/botpress"
)

// activationClock hands out the times at which events of an activating session reach the plugin, each later than the last.
type activationClock struct {
	mu   sync.Mutex
	last time.Time
}

// activating reports whether the plugin may not be ready for the session yet.
func (s *sessions) activating(ses *session) bool {
	return time.Since(ses.startedAt) < 2*s.activationDelay
}

// schedule returns when an event that happens now may reach the plugin: nil for at once.
//
// The plugin ignores a session until shortly after startHitl has answered. Events of that time are scheduled behind it,
// at half speed: they keep their order and meet the present where the delay has shrunk to nothing.
func (s *sessions) schedule(ses *session) *botpress.Schedule {
	if !s.activating(ses) {
		return nil
	}
	due := ses.startedAt.Add(s.activationDelay + time.Since(ses.startedAt)/2)
	clock := ses.activation
	clock.mu.Lock()
	defer clock.mu.Unlock()
	// Things due at one instant arrive in any order, and the API counts in milliseconds. More than one would overtake what
	// another replica schedules.
	if next := clock.last.Add(time.Millisecond); due.Before(next) {
		due = next
	}
	clock.last = due
	return &botpress.Schedule{DateTime: due}
}
