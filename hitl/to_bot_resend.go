package hitl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/internal/wire"
)

// resend passes on again what the plugin has ignored: an agent may have acted in a session whose startHitl was not answered
// yet, because the answer got lost or took long. Before is when startHitl was redelivered: the plugin was not ready till then.
func (b *toBot) resend(ctx context.Context, conversationID string, before time.Time) error {
	unlock, err := b.sessions.lock(ctx, conversationID)
	if err != nil {
		return err
	}
	defer unlock()
	ses, err := b.sessions.read(ctx, conversationID)
	if err != nil {
		return err
	}
	b.sessions.remember(ses)
	ignored, err := b.ignoredReplies(ctx, conversationID, before)
	if err != nil || len(ignored) == 0 {
		return err
	}
	if err := b.repeatAssignment(ctx, ses, before); err != nil {
		return err
	}
	for _, m := range slices.Backward(ignored) {
		_, _, err := b.api.GetOrCreateMessage(ctx, botpress.GetOrCreateMessageParams{
			ConversationID: conversationID, UserID: m.UserID, Type: m.Type, Payload: m.Payload,
			Tags: botpress.Tags{tagCopyOf: m.ID + "@" + timestamp(before)}, DiscriminateByTags: []string{tagCopyOf},
		})
		if err != nil {
			return fmt.Errorf("hitl: send the agent's message %s again: %w", m.Tags[tagID], err)
		}
	}
	return nil
}

// ignoredReplies returns the replies that reached the plugin before a time, newest first.
func (b *toBot) ignoredReplies(ctx context.Context, conversationID string, before time.Time) ([]botpress.Message, error) {
	var ignored []botpress.Message
	for m, err := range b.api.ListMessages(ctx, botpress.ListMessagesParams{ConversationID: conversationID}) {
		if err != nil {
			return nil, fmt.Errorf("hitl: read the messages of conversation %s: %w", conversationID, err)
		}
		if m.Direction != botpress.Incoming || m.Tags[tagID] == "" {
			continue
		}
		if latest(m.CreatedAt, parseTimestamp(m.Tags[tagDue])).Add(schedulerJitter).Before(before) {
			ignored = append(ignored, m)
		}
	}
	return ignored, nil
}

// repeatAssignment reports once more who has the session.
func (b *toBot) repeatAssignment(ctx context.Context, ses *session, before time.Time) error {
	state, err := b.api.GetState(ctx, assignmentState(ses))
	if errors.Is(err, botpress.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("hitl: read the assignment of conversation %s: %w", ses.conversationID, err)
	}
	var r assignmentRecord
	if err := json.Unmarshal(state.Payload, &r); err != nil || !r.At.Before(before) {
		return err
	}
	payload, err := json.Marshal(wire.AssignedPayload{ConversationID: ses.conversationID, UserID: r.UserID})
	if err != nil {
		return err
	}
	_, err = b.api.CreateEvent(ctx, botpress.CreateEventParams{Type: b.def.Assigned.Name, Payload: payload, ConversationID: ses.conversationID})
	return err
}
