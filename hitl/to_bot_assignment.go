package hitl

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/internal/strictjson"
	"github.com/hitl-go/sdk/internal/wire"
)

// assignmentRecord is the state that says which agent the bot was told of last, by which attempt, and when.
type assignmentRecord struct {
	UserID string    `json:"userId"`
	By     string    `json:"by"`
	At     time.Time `json:"at"`
	// FailedBy is an attempt that has given up, maybe after the event was sent.
	FailedBy string `json:"failedBy,omitempty"`
	// Seen holds the desk's ids of the latest assignments, of whomever.
	Seen []string `json:"seen,omitempty"`
}

func (r assignmentRecord) failed() bool { return r.FailedBy == r.By }

// maxSeen is how many assignments back a duplicate is recognised.
const maxSeen = 10

// after adds the assignments that were seen before.
func (r assignmentRecord) after(seen []string) assignmentRecord {
	r.Seen = append(slices.Clone(seen), r.Seen...)
	r.Seen = r.Seen[max(0, len(r.Seen)-maxSeen):]
	return r
}

// assigned tells the bot which agent took the session over: once, and again only after somebody else had it.
// The record is written before the event is sent, so that of two replicas only one sends it. A replica that finds another's
// fresh record verifies that the event exists: its writer may have crashed.
func (b *toBot) assigned(ctx context.Context, ses *session, e Assigned) error {
	by, known, err := b.identities.readAgent(ctx, b.desk.adapter, e.Agent)
	if !known || err != nil {
		return err
	}
	userID, err := b.agent(ctx, ses, by)
	if err != nil {
		return err
	}
	mine := assignmentRecord{UserID: userID, By: rand.Text(), At: b.sessions.clock.now()}
	if e.ID != "" {
		mine.Seen = []string{tagValue(e.ID)}
	}
	before, err := b.writeIfAbsent(ctx, ses, mine)
	if err != nil {
		return err
	}
	event, err := b.assignmentOf(ses, userID)
	if err != nil {
		return err
	}
	if before.By == mine.By { // there was none
		return b.emitAssignment(ctx, ses, mine, event)
	}
	if before.UserID != userID || before.failed() {
		return b.replaceAssignment(ctx, ses, mine, event)
	}
	if there, err := b.events.awaitEvent(ctx, event); there || err != nil {
		return err
	}
	if b.sessions.clock.since(before.At) < b.leases.ttl { // it may be in flight
		return Retryable(10*time.Second, fmt.Errorf("hitl: another replica reports the assignment of agent %s", e.Agent.ID))
	}
	return b.replaceAssignment(ctx, ses, mine, event)
}

// assignmentOf is the event that says who has taken over.
func (b *toBot) assignmentOf(ses *session, userID string) (botpress.CreateEventParams, error) {
	payload, err := json.Marshal(wire.AssignedPayload{ConversationID: ses.conversationID, UserID: userID})
	return botpress.CreateEventParams{Type: b.def.Assigned.Name, Payload: payload, ConversationID: ses.conversationID}, err
}

// emitAssignment sends the event of a record that is written. If that fails, the next attempt need not wait for this one. That
// is added to the record, which may be another attempt's by the time it arrives. Who is not on record any more has been followed
// by somebody else, and is not announced after them.
func (b *toBot) emitAssignment(ctx context.Context, ses *session, r assignmentRecord, e botpress.CreateEventParams) error {
	err := b.events.emit(ctx, ses, e, func() (bool, error) {
		current, err := b.readAssignment(ctx, ses)
		return current.By == r.By, err
	})
	if err == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), ackGrace)
	defer cancel()
	payload, marshalErr := json.Marshal(map[string]string{"failedBy": r.By})
	if marshalErr != nil {
		return errors.Join(err, marshalErr)
	}
	if _, patchErr := b.api.PatchState(ctx, assignmentState(ses), payload); patchErr != nil {
		return errors.Join(err, fmt.Errorf("hitl: record in conversation %s that the assignment has failed: %w", ses.conversationID, patchErr))
	}
	return err
}

// writeAssignment replaces the record.
func (b *toBot) writeAssignment(ctx context.Context, ses *session, r assignmentRecord) error {
	payload, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if _, err := b.api.SetState(ctx, assignmentState(ses), botpress.SetStateParams{Payload: payload}); err != nil {
		return fmt.Errorf("hitl: record the assignment in conversation %s: %w", ses.conversationID, err)
	}
	return nil
}

// readAssignment returns the record, or the zero one if there is none.
func (b *toBot) readAssignment(ctx context.Context, ses *session) (r assignmentRecord, err error) {
	state, err := b.api.GetState(ctx, assignmentState(ses))
	switch {
	case errors.Is(err, botpress.ErrNotFound):
		return r, nil
	case err == nil:
		err = strictjson.Unmarshal(state.Payload, &r)
	}
	if err != nil {
		return r, fmt.Errorf("hitl: read the assignment of conversation %s: %w", ses.conversationID, err)
	}
	return r, nil
}

// writeIfAbsent writes the record if there is none, and returns the one that is there now.
func (b *toBot) writeIfAbsent(ctx context.Context, ses *session, r assignmentRecord) (assignmentRecord, error) {
	payload, err := json.Marshal(r)
	if err != nil {
		return assignmentRecord{}, err
	}
	state, err := b.api.GetOrSetState(ctx, assignmentState(ses), botpress.SetStateParams{Payload: payload})
	if err != nil {
		return assignmentRecord{}, fmt.Errorf("hitl: read the assignment of conversation %s: %w", ses.conversationID, err)
	}
	var written assignmentRecord
	if err := strictjson.Unmarshal(state.Payload, &written); err != nil {
		return assignmentRecord{}, fmt.Errorf("hitl: read the assignment of conversation %s: %w", ses.conversationID, err)
	}
	return written, nil
}

// replaceAssignment reports an agent after another. The record can only be overwritten, so one replica does it at a time,
// and looks first whether another has just done it.
func (b *toBot) replaceAssignment(ctx context.Context, ses *session, r assignmentRecord, e botpress.CreateEventParams) error {
	var before assignmentRecord
	done := func() (there bool, err error) {
		// Without the record, an equal event proves nothing: a session that starts again repeats earlier ones.
		if before, err = b.writeIfAbsent(ctx, ses, r); err != nil || before.UserID != r.UserID {
			return false, err
		}
		return b.events.emitted(ctx, e, time.Time{})
	}
	held, err := b.leases.acquire(ctx, ses.conversationID, stateAssigning, done)
	if err != nil || held == nil {
		return err
	}
	defer b.leases.release(ctx, held)
	if there, err := done(); there || err != nil {
		return err
	}
	// A report that was seen before is only late if somebody else was assigned since. Otherwise its attempt has crashed.
	if before.UserID != r.UserID && len(r.Seen) > 0 && slices.Contains(before.Seen, r.Seen[0]) {
		return nil
	}
	r = r.after(before.Seen)
	if err := b.writeAssignment(ctx, ses, r); err != nil {
		return err
	}
	return b.emitAssignment(ctx, ses, r, e)
}

func assignmentState(ses *session) botpress.StateKey {
	return botpress.StateKey{Type: botpress.StateOfConversation, ID: ses.conversationID, Name: stateAssigned}
}
