package hitl

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/internal/sleep"
	"github.com/hitl-go/sdk/internal/strictjson"
	"github.com/hitl-go/sdk/internal/wire"
)

// startAgain prepares the answer to a startHitl that Botpress has repeated, because it has seen no answer. Up to now the plugin
// has ignored all that agents did. So that is scheduled once more, in the same order, behind the answer.
//
// Other replicas see in the activation record that the session starts again, and let nothing of theirs reach the plugin
// before. What had been scheduled until then comes due first, and is ignored. Of two attempts at once, the first to reserve its
// time in the record goes on, and the other one waits until that is over; see [toBot.repeatAll].
func (b *toBot) startAgain(ctx context.Context, ses *session) error {
	b.sessions.remember(ses)
	clock := b.sessions.clock
	began := timestamp(clock.now())
	record, err := b.sessions.shareActivation(ctx, ses, activationRecord{startedAgain: began})
	if err != nil {
		return err
	}
	scheduled := latest(clock.now(), record.lastDue("")) // what is sent at once may be on its way
	if err := sleep.For(ctx, scheduled.Add(schedulerJitter).Sub(clock.now())); err != nil {
		return err
	}
	if ses, err = b.sessions.read(ctx, ses.conversationID); err != nil { // it may be over
		return err
	}
	b.sessions.remember(ses)
	ready, err := b.desk.pluginIsReady(ctx, ses)
	if err != nil {
		return err
	}
	if ready { // by an earlier answer
		_, err := b.sessions.shareActivation(ctx, ses, activationRecord{repeated: began})
		return err
	}
	return b.repeatAll(ctx, ses, began)
}

// repeatAll schedules anew what agents did so far, for a session that starts again. For that and for the answer it has an
// activation delay, or a second if that is shorter. If that is not enough, Botpress gets no answer, and may repeat the request once more.
func (b *toBot) repeatAll(ctx context.Context, ses *session, began string) error {
	repeats, err := b.repeats(ctx, ses)
	if err != nil {
		return err
	}
	clock := b.sessions.clock
	answer := clock.now().Add(max(b.sessions.activationDelay, time.Second))
	due := answer.Add(b.sessions.activationDelay)
	last := due.Add(time.Duration(len(repeats)) * scheduleGap)
	ses.activation.reserve(last)
	mine := activationRecord{b.sessions.replica: timestamp(last)}
	record, err := b.sessions.shareActivation(ctx, ses, mine)
	if err != nil {
		return err
	}
	if by := record[startedAgain]; by != "" && by != began {
		return Retryable(time.Second, errors.New("hitl: another attempt answers startHitl"))
	}
	for _, r := range repeats {
		if clock.now().After(answer) {
			return errTooLate
		}
		if err := b.sendAgain(ctx, r, began, due); err != nil {
			return err
		}
		due = due.Add(scheduleGap)
	}
	tags := botpress.Tags{tagStartedAt: timestamp(clock.now()), tagRepeatedUntil: timestamp(last)}
	if observed(ctx).awaited() {
		tags[tagUnanswered] = ""
	}
	current, err := b.sessions.write(ctx, ses.conversationID, tags)
	if err != nil {
		return err
	}
	b.sessions.remember(current)
	mine[repeated] = began
	if _, err := b.sessions.shareActivation(ctx, current, mine); err != nil {
		return err
	}
	if clock.now().After(answer) {
		return errTooLate
	}
	return nil
}

var errTooLate = Retryable(time.Second, errors.New("hitl: it takes too long to send again what agents did before startHitl was answered"))

// repeat is an event to send again, or a reply of which a copy is sent.
type repeat struct {
	event  botpress.CreateEventParams
	newest time.Time // of the events that are there
	reply  *botpress.Message
}

// repeats returns what is to be sent again: the replies, between them who has taken over, and the end. Nothing in an event says
// whether it repeats another. So an agent is announced again before the first reply after another agent's, and the latest agent
// in any case.
func (b *toBot) repeats(ctx context.Context, ses *session) (all []repeat, err error) {
	replies, err := b.replies(ctx, ses.conversationID)
	if err != nil {
		return nil, err
	}
	announced, newest, err := b.announced(ctx, ses.conversationID)
	if err != nil {
		return nil, err
	}
	latest, err := b.readAssignment(ctx, ses)
	if err != nil {
		return nil, err
	}
	current := ""
	announce := func(userID string) error {
		if userID == current || !announced[userID] {
			return nil
		}
		current = userID
		e, err := b.assignmentOf(ses, userID)
		all = append(all, repeat{event: e, newest: newest})
		return err
	}
	for _, m := range slices.Backward(replies) {
		if err := announce(m.UserID); err != nil {
			return nil, err
		}
		all = append(all, repeat{reply: &m})
	}
	if err := announce(latest.UserID); err != nil || !ses.closed() {
		return all, err
	}
	e, err := b.events.stopped(ses)
	return append(all, repeat{event: e, newest: newest}), err
}

// sendAgain schedules an event, or the copy of a reply, which there is once for each attempt to answer startHitl.
func (b *toBot) sendAgain(ctx context.Context, r repeat, attempt string, due time.Time) error {
	schedule := &botpress.Schedule{DateTime: due}
	if r.reply == nil {
		r.event.Schedule = schedule
		if err := b.events.create(ctx, r.event, r.newest); err != nil {
			return fmt.Errorf("hitl: send the event %s again: %w", r.event.Type, err)
		}
		return nil
	}
	_, _, err := b.api.GetOrCreateMessage(ctx, botpress.GetOrCreateMessageParams{
		ConversationID: r.reply.ConversationID, UserID: r.reply.UserID, Type: r.reply.Type, Payload: r.reply.Payload, Schedule: schedule,
		Tags: botpress.Tags{tagCopyOf: r.reply.ID + "@" + attempt}, DiscriminateByTags: []string{tagCopyOf},
	})
	if err != nil {
		return fmt.Errorf("hitl: send the agent's message %s again: %w", r.reply.Tags[tagID], err)
	}
	return nil
}

// announced returns the users of the agents that the bot was told of, and when the newest event was created. An assignment that is on
// record and not sent yet is none of them: it is sent by who has recorded it.
func (b *toBot) announced(ctx context.Context, conversationID string) (all map[string]bool, newest time.Time, err error) {
	all = map[string]bool{}
	for e, err := range b.events.list(ctx, conversationID) {
		if err != nil {
			return nil, newest, err
		}
		newest = latest(newest, e.CreatedAt)
		var p wire.AssignedPayload
		if b.events.is(e, b.def.Assigned.Name) && strictjson.Unmarshal(e.Payload, &p) == nil {
			all[p.UserID] = true
		}
	}
	return all, newest, nil
}

// replies returns what agents have said, newest first, and not more than a session can hold that is still to begin.
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
