package hitl

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/internal/wire"
)

// startAgain prepares the answer to a startHitl that Botpress has repeated, because it has seen no answer. Up to now the plugin
// has ignored all that agents did. So that is scheduled once more, in the same order, behind the answer.
//
// Other replicas see in the activation record that the session starts again, and let nothing of theirs reach the plugin
// before. What they had scheduled until then comes due first, and is ignored.
func (b *toBot) startAgain(ctx context.Context, ses *session, arrived time.Time) error {
	done := func() (bool, error) { // by an earlier attempt, after this one has arrived
		current, err := b.sessions.read(ctx, ses.conversationID)
		return err == nil && arrived.Sub(current.startedAt) <= schedulerJitter, err
	}
	held, err := b.leases.acquire(ctx, ses.conversationID, stateAssigning, done)
	if err != nil || held == nil {
		return err
	}
	defer b.leases.release(ctx, held)

	b.sessions.remember(ses)
	clock := b.sessions.clock
	start := activationRecord{startedAgain: timestamp(clock.now())}
	record, err := b.sessions.shareActivation(ctx, ses, start)
	if err != nil {
		return err
	}
	if err := sleep(ctx, record.lastDue("").Add(schedulerJitter).Sub(clock.now())); err != nil {
		return err
	}
	ready, err := b.desk.pluginIsReady(ctx, ses)
	if err != nil {
		return err
	}
	if ready { // by an earlier answer
		start[repeated] = start[startedAgain]
		_, err := b.sessions.shareActivation(ctx, ses, start)
		return err
	}
	return b.repeatAll(ctx, ses)
}

// repeatAll schedules anew what agents did so far. If that takes too long, Botpress is not answered and may repeat the request:
// the plugin must be ready when the first of it is due.
func (b *toBot) repeatAll(ctx context.Context, ses *session) error {
	repeats, err := b.repeats(ctx, ses)
	if err != nil {
		return err
	}
	delay := b.sessions.activationDelay
	start := b.sessions.clock.now()
	due := start.Add(delay)
	last := due.Add(time.Duration(len(repeats)) * scheduleGap)
	// If this attempt fails, the next one waits until what it has scheduled is due.
	ses.activation.startsAgain(last)
	mine := activationRecord{b.sessions.replica: timestamp(last)}
	if _, err := b.sessions.shareActivation(ctx, ses, mine); err != nil {
		return err
	}
	for _, repeat := range repeats {
		if err := repeat(ctx, start, &botpress.Schedule{DateTime: due}); err != nil {
			return err
		}
		due = due.Add(scheduleGap)
	}
	current, err := b.sessions.write(ctx, ses.conversationID, botpress.Tags{tagStartedAt: timestamp(start)})
	if err != nil {
		return err
	}
	b.sessions.remember(current)
	again := timestamp(last.Add(-delay)) // others schedule nothing before
	mine[startedAgain], mine[repeated] = again, again
	if _, err := b.sessions.shareActivation(ctx, current, mine); err != nil {
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
	if took := b.sessions.clock.since(start); took > delay/2 {
		return Retryable(time.Second, fmt.Errorf("hitl: it took %s to send again what agents did before startHitl was answered", took))
	}
	return nil
}

// repeat sends one thing again, in a session that starts again at a time.
type repeat func(ctx context.Context, start time.Time, schedule *botpress.Schedule) error

// repeats returns what is to be sent again: the replies, and between them who has taken over. Nothing in an event says whether
// it repeats another. So an agent is announced again before the first reply after another agent's, and the latest in any case.
func (b *toBot) repeats(ctx context.Context, ses *session) (all []repeat, err error) {
	replies, err := b.replies(ctx, ses.conversationID)
	if err != nil {
		return nil, err
	}
	latest, announced, err := b.announced(ctx, ses.conversationID)
	if err != nil {
		return nil, err
	}
	current := ""
	announce := func(userID string) {
		if userID != current && announced[userID] {
			current = userID
			all = append(all, b.repeatAssignment(ses, userID))
		}
	}
	for _, m := range slices.Backward(replies) {
		announce(m.UserID)
		all = append(all, b.repeatReply(m))
	}
	announce(latest)
	return all, nil
}

func (b *toBot) repeatAssignment(ses *session, userID string) repeat {
	return func(ctx context.Context, _ time.Time, schedule *botpress.Schedule) error {
		e, err := b.assignmentOf(ses, userID)
		if err != nil {
			return err
		}
		e.Schedule = schedule
		if _, err = b.api.CreateEvent(ctx, e); err != nil {
			return fmt.Errorf("hitl: send the event %s again: %w", e.Type, err)
		}
		return nil
	}
}

func (b *toBot) repeatReply(m botpress.Message) repeat {
	return func(ctx context.Context, start time.Time, schedule *botpress.Schedule) error {
		_, _, err := b.api.GetOrCreateMessage(ctx, botpress.GetOrCreateMessageParams{
			ConversationID: m.ConversationID, UserID: m.UserID, Type: m.Type, Payload: m.Payload, Schedule: schedule,
			Tags: botpress.Tags{tagCopyOf: m.ID + "@" + timestamp(start)}, DiscriminateByTags: []string{tagCopyOf},
		})
		if err != nil {
			return fmt.Errorf("hitl: send the agent's message %s again: %w", m.Tags[tagID], err)
		}
		return nil
	}
}

// announced returns the users of the agents that the bot was told of, and the latest of them. An assignment that is on record
// and not sent yet is none of them: it is sent by who has recorded it.
func (b *toBot) announced(ctx context.Context, conversationID string) (latest string, all map[string]bool, err error) {
	all = map[string]bool{}
	for e, err := range b.events.list(ctx, conversationID) {
		if err != nil {
			return "", nil, err
		}
		var p wire.AssignedPayload
		if !b.events.is(e, b.def.Assigned.Name) || json.Unmarshal(e.Payload, &p) != nil {
			continue
		}
		latest = cmp.Or(latest, p.UserID)
		all[p.UserID] = true
	}
	return latest, all, nil
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
