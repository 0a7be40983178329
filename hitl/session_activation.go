package hitl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/internal/sleep"
	"github.com/hitl-go/sdk/internal/strictjson"
)

// The plugin ignores a session until shortly after startHitl has answered. Events of that time are scheduled behind it, and
// events after it are sent at once. In between, in the activation window, an event must not overtake one that is scheduled.
//
// Botpress' scheduler may be late, by up to schedulerJitter. So events are scheduled further apart than that, on whichever
// replica they come: each replica writes into a state of the conversation for when it has scheduled its latest event, and the
// same call shows it those of the others. What does not fit into the window waits for its end. The state also says that the plugin
// is ready, once any replica knows. From then on nobody schedules anything, so that one look that finds nothing scheduled is enough.

const (
	schedulerJitter = time.Second
	scheduleGap     = schedulerJitter + 200*time.Millisecond
)

// activationClock is what this process knows of when the plugin takes events of a session. The lock of the conversation guards it.
type activationClock struct {
	last   time.Time // when our latest event is due
	ready  bool      // the plugin has sent a message to the desk: it takes events at once
	shared bool      // the state is there
	frozen bool      // the state says that the plugin is ready: nobody schedules anything from then on
	over   bool      // and what was scheduled has arrived
}

func (c *activationClock) markReady() {
	if c == nil {
		return // the session has not started, and its messages come from somewhere else
	}
	c.ready = true
}

// reserve notes until when events are scheduled by other means than slot.
func (c *activationClock) reserve(last time.Time) {
	c.last, c.over = latest(c.last, last), false
}

func (c *activationClock) isOver() bool {
	if c == nil {
		return false
	}
	return c.over
}

// activationRecord is the state of an activating session: when the latest event of each replica is due, when the session has
// started again, for which start all earlier events are scheduled again, and whether the plugin is ready. The times are Botpress'.
type activationRecord map[string]string

const (
	startedAgain = "started"
	repeated     = "repeated"
	pluginReady  = "ready"
)

// lastDue is when the latest event of all replicas but one is due.
func (r activationRecord) lastDue(but string) (last time.Time) {
	for replica, at := range r {
		if replica != but && replica != startedAgain && replica != repeated && replica != pluginReady {
			last = latest(last, parseTimestamp(at))
		}
	}
	return last
}

// activating reports whether an event must look at the activation record: because the plugin may not be ready for the session,
// or because another replica may have scheduled events, or seen the session start again. What the plugin has said to the desk
// at this replica proves that it is ready.
func (s *sessions) activating(ses *session) bool {
	age := s.clock.since(ses.startedAt)
	switch {
	case ses.activation.isOver():
		return false
	case age < 2*s.activationDelay || s.clock.now().Before(ses.repeatedUntil):
		return true
	case age > activationWatch*s.activationDelay || ses.activation == nil:
		return false
	}
	return !ses.activation.ready || ses.activation.last.After(s.clock.now())
}

// Times of a session that starts again, in activation delays.
const (
	activationWatch = 12 // after a start it may start again
	repeatWait      = 4  // after it has started again, earlier events may still be scheduled anew
)

const activationPoll = 500 * time.Millisecond

// isRepeating reports whether a session has started again, and its earlier events are still to be scheduled anew.
func (r activationRecord) isRepeating(now time.Time, delay time.Duration) bool {
	return r[repeated] != r[startedAgain] && now.Before(parseTimestamp(r[startedAgain]).Add(repeatWait*delay))
}

// due returns when an event that happens now may reach the plugin of a session, after what is scheduled last. If that does not fit
// into the activation window, it returns how long to wait before asking again.
func (c *activationClock) due(now, startedAt, last time.Time, delay time.Duration) (due time.Time, wait time.Duration) {
	due = now
	if !last.IsZero() {
		due = latest(due, last.Add(scheduleGap))
	}
	if !c.ready {
		due = latest(due, startedAt.Add(delay))
	}
	end := startedAt.Add(2 * delay)
	switch {
	case !due.After(now) || !due.Add(schedulerJitter).After(end):
		return due, 0
	case end.After(now):
		return due, end.Sub(now)
	default:
		return due, due.Sub(now)
	}
}

// slot returns when an event that happens now may reach the plugin: nil for at once. It waits if it finds no time in the
// activation window. It costs a call while the session is activating, and one when the plugin is ready.
func (s *sessions) slot(ctx context.Context, ses *session) (*botpress.Schedule, error) {
	if !s.activating(ses) {
		return nil, nil
	}
	own := ses.activation
	startedAt, last := ses.startedAt, own.last
	for !own.frozen {
		now := s.clock.now()
		due, wait := own.due(now, startedAt, last, s.activationDelay)
		if wait > 0 {
			if err := sleep.For(ctx, wait); err != nil {
				return nil, err
			}
			continue
		}
		// What is sent at once is over when others read the record. If it were in it, replicas that send at the same moment would
		// make way for each other for ever.
		mine := activationRecord{}
		switch {
		case due.After(now):
			mine[s.replica] = timestamp(due)
		case own.ready:
			mine[pluginReady] = "true"
		}
		record, err := s.shareActivation(ctx, ses, mine)
		if err != nil {
			return nil, err
		}
		if own.frozen = record[pluginReady] != ""; own.frozen {
			if due.After(now) {
				break // We wrote it too late.
			}
			return nil, s.drain(ctx, ses, record)
		}
		others, again := record.lastDue(s.replica), parseTimestamp(record[startedAgain])
		if record.isRepeating(now, s.activationDelay) {
			if err := sleep.For(ctx, activationPoll); err != nil {
				return nil, err
			}
			continue
		}
		if !again.After(startedAt) && (others.IsZero() || !due.Before(others.Add(scheduleGap))) {
			if !due.After(now) {
				return nil, nil // nothing is scheduled that it could overtake
			}
			own.last = due
			return &botpress.Schedule{DateTime: due}, nil
		}
		startedAt, last = latest(startedAt, again), latest(last, others)
	}
	return nil, s.drain(ctx, ses, nil)
}

// drain waits until all has arrived that replicas have scheduled before one of them wrote that the plugin is ready. A time that
// was written later counts for nothing, and who wrote it takes it back. The lock is held, and the record was just read, or is nil.
func (s *sessions) drain(ctx context.Context, ses *session, record activationRecord) (err error) {
	own := ses.activation
	for {
		if record == nil {
			mine := activationRecord{pluginReady: "true", s.replica: timestamp(own.last)}
			if record, err = s.shareActivation(ctx, ses, mine); err != nil {
				return err
			}
		}
		var until time.Time
		if last := latest(own.last, record.lastDue(s.replica)); !last.IsZero() {
			until = last.Add(scheduleGap)
		}
		now := s.clock.now()
		if !until.After(now) && !record.isRepeating(now, s.activationDelay) {
			own.over = true
			return nil
		}
		if err := sleep.For(ctx, activationPoll); err != nil {
			return err
		}
		record = nil
	}
}

// whenReady sends what must reach the plugin when it is ready. If that fails it asks for another time: what is sent late would
// not be ignored by a session that starts again, and would come before what is sent anew. So send makes one attempt.
func (s *sessions) whenReady(ctx context.Context, ses *session, send func(*botpress.Schedule) error) error {
	for backoff := 500 * time.Millisecond; ; backoff *= 2 {
		schedule, err := s.slot(ctx, ses)
		if err != nil {
			return err
		}
		if err = send(schedule); err == nil {
			return nil
		}
		wait := max(backoff, retryAfter(err))
		if !isTransient(err) || backoff > 2*time.Second || exceedsDeadline(ctx, wait) || sleep.For(ctx, wait) != nil {
			return err
		}
	}
}

// shareActivation adds to the record, and returns it with what other replicas have written.
func (s *sessions) shareActivation(ctx context.Context, ses *session, mine activationRecord) (activationRecord, error) {
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
		return s.shareActivation(ctx, ses, mine)
	}
	if err != nil {
		return nil, fmt.Errorf("hitl: schedule an event of conversation %s: %w", ses.conversationID, err)
	}
	var record activationRecord
	if err := strictjson.Unmarshal(state.Payload, &record); err != nil {
		return nil, fmt.Errorf("hitl: schedule an event of conversation %s: %w", ses.conversationID, err)
	}
	ses.activation.shared = true
	for name, at := range mine {
		if record[name] != at { // another replica was first
			return s.shareActivation(ctx, ses, mine)
		}
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
