package hitl

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/internal/keyed"
)

// session is a snapshot of a HITL session, as its conversation in Botpress has it. Once it has started, it changes only by
// being closed.
type session struct {
	conversationID string
	ref            Ref
	createdAt      time.Time
	startedAt      time.Time // zero while startHitl has not finished
	closedAt       time.Time // zero while it is open
	stopPending    bool      // closed, but the desk is not told yet

	activation *activationClock // shared by all snapshots
}

func (ses *session) closed() bool { return !ses.closedAt.IsZero() }

func (ses *session) key() sessionKey { return sessionKey{ses.ref.ID, ses.conversationID} }

// sessions are the sessions of an installation, as Botpress keeps them. What has started is remembered under both its names.
type sessions struct {
	api             *botpress.Client
	def             *Definition
	log             *slog.Logger
	scope           scope
	locks           *keyed.Mutex
	starts          *inflightStarts
	cache           cache[*session]
	activationDelay time.Duration
}

// snapshot reads a session from its conversation.
func (s *sessions) snapshot(conv botpress.Conversation) *session {
	return &session{
		conversationID: conv.ID,
		ref:            s.def.conversationRef(conv.Tags),
		createdAt:      conv.CreatedAt,
		startedAt:      parseTimestamp(conv.Tags[tagStartedAt]),
		closedAt:       parseTimestamp(conv.Tags[tagClosedAt]),
		stopPending:    conv.Tags[tagStopping] != "",
	}
}

// read asks Botpress for a session.
func (s *sessions) read(ctx context.Context, conversationID string) (*session, error) {
	conv, err := s.api.GetConversation(ctx, conversationID)
	if err != nil {
		return nil, fmt.Errorf("hitl: read conversation %s: %w", conversationID, err)
	}
	return s.snapshot(conv), nil
}

// write sets tags of a session's conversation.
func (s *sessions) write(ctx context.Context, conversationID string, tags botpress.Tags) error {
	_, err := s.api.UpdateConversation(ctx, conversationID, botpress.UpdateConversationParams{Tags: tags})
	if err != nil {
		return fmt.Errorf("hitl: update conversation %s: %w", conversationID, err)
	}
	return nil
}

// remember keeps the snapshot of a started session.
func (s *sessions) remember(ses *session) {
	if ses.startedAt.IsZero() {
		return
	}
	if old, ok := s.cache.get(ses.conversationID); ok {
		ses.activation = old.activation
	}
	if ses.activation == nil {
		ses.activation = &activationClock{}
	}
	s.cache.put(ses, ses.conversationID)
	other, ok := s.cache.get("desk", ses.ref.ID)
	if ok && ses.closed() && other.conversationID != ses.conversationID {
		return // the desk has reused its id for a later session
	}
	s.cache.put(ses, "desk", ses.ref.ID)
}

// forget drops a session whose conversation is gone.
func (s *sessions) forget(ses *session) {
	s.cache.remove(ses.conversationID)
	s.cache.remove("desk", ses.ref.ID)
}

// markClosed writes that the session has ended, and whether the desk is still to be told.
func (s *sessions) markClosed(ctx context.Context, ses *session, stopPending bool) error {
	over := *ses
	over.closedAt, over.stopPending = time.Now(), stopPending
	tags := botpress.Tags{tagClosedAt: timestamp(over.closedAt)}
	if stopPending {
		tags[tagStopping] = "true"
	}
	if err := s.write(ctx, ses.conversationID, tags); err != nil {
		return err
	}
	s.remember(&over)
	return nil
}

// markStopped writes that the desk knows that the session has ended.
func (s *sessions) markStopped(ctx context.Context, ses *session) error {
	if err := s.write(ctx, ses.conversationID, botpress.Tags{tagStopping: ""}); err != nil {
		return err
	}
	told := *ses
	told.stopPending = false
	s.remember(&told)
	return nil
}

// lock waits until nothing else happens in a conversation. Operations that hold it name it in their log lines.
func (s *sessions) lock(ctx context.Context, conversationID string) (unlock func(), err error) {
	observed(ctx).works(sessionKey{conversationID: conversationID})
	unlock, err = s.locks.Lock(ctx, s.scope.key(conversationID))
	if err != nil {
		return nil, lockError(err)
	}
	return unlock, nil
}

// lockError turns what a [keyed.Mutex] says into an answer.
func lockError(err error) error {
	if errors.Is(err, keyed.ErrFull) {
		return Retryable(5*time.Second, fmt.Errorf("hitl: %w", err))
	}
	return fmt.Errorf("hitl: waited too long for other work on the same session: %w", err)
}

// sleep waits, or returns why ctx ended.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
