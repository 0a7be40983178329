package hitl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hitl-go/sdk/botpress"
)

// The plugin ignores a session until shortly after startHitl has answered. Events of that time are scheduled behind it, and
// events after it are sent at once. In between, in the activation window, an event must not overtake one that is scheduled.
//
// Botpress' scheduler may be late, by up to schedulerJitter. So events are scheduled further apart than that, on whichever
// replica they come: each replica writes into a state of the conversation for when it has scheduled its latest event, and the
// same call shows it those of the others. What does not fit into the window waits for its end.

const (
	schedulerJitter = time.Second
	scheduleGap     = schedulerJitter + 200*time.Millisecond
)

// activationClock is when this process has scheduled its latest event in a session.
type activationClock struct {
	mu     sync.Mutex
	last   time.Time
	shared bool // the state is there
	ready  bool // the plugin has sent a message to the desk: it takes events at once
}

func (c *activationClock) markReady() {
	if c == nil {
		return // the session has not started, and its messages come from somewhere else
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ready = true
}

func (c *activationClock) isReady() bool {
	if c == nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ready
}

// activationRecord is the state of an activating session: when the latest event of each replica is due, and under "started",
// when the session was started again. The times are Botpress'.
type activationRecord map[string]string

const startedAgain = "started"

// activating reports whether an event must look at the activation record: because the plugin may not be ready for the session,
// or because another replica may have scheduled events, or seen the session start again. What the plugin has said to the desk
// at this replica proves that it is ready.
func (s *sessions) activating(ses *session) bool {
	age := s.clock.since(ses.startedAt)
	return age < 2*s.activationDelay || age < activationWatch*s.activationDelay && !ses.activation.isReady()
}

// activationWatch is for how many times the activation delay a session may have started again.
const activationWatch = 12

// slot returns when an event that happens now may reach the plugin: nil for at once. It waits if it finds no time in the
// activation window. It costs a call while the session is activating.
func (s *sessions) slot(ctx context.Context, ses *session) (*botpress.Schedule, error) {
	if !s.activating(ses) {
		return nil, nil
	}
	own := ses.activation
	own.mu.Lock()
	defer own.mu.Unlock()
	startedAt, last := ses.startedAt, own.last
	for {
		now := s.clock.now()
		end := startedAt.Add(2 * s.activationDelay)
		due := now
		if !last.IsZero() {
			due = latest(due, last.Add(scheduleGap))
		}
		if !own.ready {
			due = latest(due, startedAt.Add(s.activationDelay))
		}
		if due.After(now) && due.Add(schedulerJitter).After(end) { // it does not fit into the window
			wait := end.Sub(now)
			if wait <= 0 {
				wait = due.Sub(now)
			}
			if err := sleep(ctx, wait); err != nil {
				return nil, err
			}
			continue
		}
		record, err := s.shareActivation(ctx, ses, due)
		if err != nil {
			return nil, err
		}
		others := time.Time{}
		for replica, at := range record {
			if replica != s.replica && replica != startedAgain {
				others = latest(others, parseTimestamp(at))
			}
		}
		again := parseTimestamp(record[startedAgain])
		if !again.After(startedAt) && (others.IsZero() || !due.Before(others.Add(scheduleGap))) {
			if !due.After(now) {
				return nil, nil // nothing is scheduled that it could overtake
			}
			own.last = due
			return &botpress.Schedule{DateTime: due}, nil
		}
		startedAt, last = latest(startedAt, again), latest(last, others)
	}
}

// shareActivation writes when our latest event is due, and returns the record with those of all replicas.
func (s *sessions) shareActivation(ctx context.Context, ses *session, due time.Time) (activationRecord, error) {
	return s.writeActivation(ctx, ses, s.replica, due)
}

func (s *sessions) writeActivation(ctx context.Context, ses *session, name string, at time.Time) (activationRecord, error) {
	mine := activationRecord{name: timestamp(at)}
	payload, err := json.Marshal(mine)
	if err != nil {
		return nil, err
	}
	key := botpress.StateKey{Type: botpress.StateOfConversation, ID: ses.conversationID, Name: stateActivation}
	var state botpress.State
	if ses.activation.shared {
		state, err = s.api.PatchState(ctx, key, payload)
	} else {
		state, err = s.api.GetOrSetState(ctx, key, botpress.SetStateParams{Payload: payload, Expiry: time.Hour})
	}
	if errors.Is(err, botpress.ErrNotFound) && ses.activation.shared {
		ses.activation.shared = false
		return s.writeActivation(ctx, ses, name, at)
	}
	if err != nil {
		return nil, fmt.Errorf("hitl: schedule an event of conversation %s: %w", ses.conversationID, err)
	}
	var record activationRecord
	if err := json.Unmarshal(state.Payload, &record); err != nil {
		return nil, fmt.Errorf("hitl: schedule an event of conversation %s: %w", ses.conversationID, err)
	}
	ses.activation.shared = true
	if record[name] != mine[name] { // another replica was first
		return s.writeActivation(ctx, ses, name, at)
	}
	return record, nil
}

func latest(times ...time.Time) time.Time {
	var t time.Time
	for _, other := range times {
		if other.After(t) {
			t = other
		}
	}
	return t
}
