package hitl

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/hitl-go/sdk/botpress"
)

// startAgain prepares the answer to a startHitl that Botpress has repeated, because it has seen no answer. Up to now the plugin
// has ignored all that agents did. So that is scheduled once more, in the same order, behind the answer.
//
// Other replicas see in the activation record that the session starts again, and let nothing of theirs reach the plugin
// before. What they had scheduled until then comes due first, and is ignored.
func (b *toBot) startAgain(ctx context.Context, ses *session, arrived time.Time) error {
	done := func() (bool, error) { // by an earlier attempt, after this one has arrived
		current, err := b.sessions.read(ctx, ses.conversationID)
		return err == nil && !arrived.After(current.startedAt), err
	}
	held, err := b.leases.acquire(ctx, ses.conversationID, stateAssigning, done)
	if err != nil || held == nil {
		return err
	}
	defer b.leases.release(ctx, held)

	b.sessions.remember(ses)
	clock := b.sessions.clock
	record, err := b.sessions.shareActivation(ctx, ses, activationRecord{startedAgain: timestamp(clock.now())})
	if err != nil {
		return err
	}
	if err := sleep(ctx, record.lastDue("").Add(schedulerJitter).Sub(clock.now())); err != nil {
		return err
	}
	return b.repeatAll(ctx, ses)
}

// repeatAll schedules anew what agents did so far. If that takes too long, Botpress is not answered and may repeat the request:
// the plugin must be ready when the first of it is due.
func (b *toBot) repeatAll(ctx context.Context, ses *session) error {
	start := b.sessions.clock.now()
	due := start.Add(b.sessions.activationDelay)
	next := func() *botpress.Schedule {
		at := due
		due = due.Add(scheduleGap)
		return &botpress.Schedule{DateTime: at}
	}
	if err := b.repeatAssignment(ctx, ses, next); err != nil {
		return err
	}
	replies, err := b.replies(ctx, ses.conversationID)
	if err != nil {
		return err
	}
	for _, m := range slices.Backward(replies) {
		_, _, err := b.api.GetOrCreateMessage(ctx, botpress.GetOrCreateMessageParams{
			ConversationID: ses.conversationID, UserID: m.UserID, Type: m.Type, Payload: m.Payload, Schedule: next(),
			Tags: botpress.Tags{tagCopyOf: m.ID + "@" + timestamp(start)}, DiscriminateByTags: []string{tagCopyOf},
		})
		if err != nil {
			return fmt.Errorf("hitl: send the agent's message %s again: %w", m.Tags[tagID], err)
		}
	}
	current, err := b.sessions.write(ctx, ses.conversationID, botpress.Tags{tagStartedAt: timestamp(start)})
	if err != nil {
		return err
	}
	b.sessions.remember(current)
	own := current.activation
	own.mu.Lock()
	own.last, own.moved = due, true
	own.mu.Unlock()
	again := timestamp(due.Add(-b.sessions.activationDelay)) // others schedule nothing before due
	_, err = b.sessions.shareActivation(ctx, current, activationRecord{startedAgain: again, repeated: again, b.sessions.replica: timestamp(due)})
	if err != nil {
		return err
	}
	if current.phase != current.truePhase() {
		if _, err := b.sessions.write(ctx, ses.conversationID, botpress.Tags{tagPhase: current.truePhase()}); err != nil {
			return err
		}
	}
	if current.closed() {
		if err := b.events.emitStopped(ctx, current); err != nil {
			return err
		}
	}
	if took := b.sessions.clock.since(start); took > b.sessions.activationDelay/2 {
		return Retryable(time.Second, fmt.Errorf("hitl: it took %s to send again what agents did before startHitl was answered", took))
	}
	return nil
}

// replies returns what agents have said, newest first.
func (b *toBot) replies(ctx context.Context, conversationID string) (replies []botpress.Message, err error) {
	for m, err := range b.api.ListMessages(ctx, botpress.ListMessagesParams{ConversationID: conversationID}) {
		if err != nil {
			return nil, fmt.Errorf("hitl: read the messages of conversation %s: %w", conversationID, err)
		}
		if m.Direction == botpress.Incoming && m.Tags[tagID] != "" {
			replies = append(replies, m)
		}
		if len(replies) >= maxLook {
			break
		}
	}
	return replies, nil
}

// repeatAssignment schedules once more the event that says who has the session. An assignment that is on record and not sent
// yet is sent by who has recorded it.
func (b *toBot) repeatAssignment(ctx context.Context, ses *session, next func() *botpress.Schedule) error {
	e, ok, err := b.events.newest(ctx, ses.conversationID, b.def.Assigned.Name)
	if !ok || err != nil {
		return err
	}
	_, err = b.api.CreateEvent(ctx, botpress.CreateEventParams{
		Type: b.def.Assigned.Name, Payload: e.Payload, ConversationID: ses.conversationID, Schedule: next(),
	})
	return err
}
