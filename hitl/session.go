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

// The phases of a session, as the tag phase has them. Sessions can be listed by it.
const (
	phaseOpening = "opening" // the desk is asked to open it
	phaseOpen    = "open"
	phaseClosing = "closing" // over for the end user; the desk is still to be told
	phaseClosed  = "closed"
)

// session is a snapshot of a HITL session, as its conversation in Botpress has it.
type session struct {
	conversationID string
	ref            Ref
	createdAt      time.Time
	startedAt      time.Time // zero while startHitl has not finished
	closedAt       time.Time // zero while it is open
	stopPending    bool      // closed, but the desk is not told yet
	unanswered     bool      // Botpress had hung up when startHitl was answered, and has not repeated it
	repeatedUntil  time.Time // until when events are scheduled that are sent again
	readUntil      time.Time // when the desk was read back completely; zero if never
	outboxPending  bool      // messages are known to be undelivered
	phase          string    // as it is written for listings; the other fields decide

	activation *activationClock // shared by all snapshots
}

func (ses *session) closed() bool { return !ses.closedAt.IsZero() }

func (ses *session) key() sessionKey { return sessionKey{ses.ref.ID, ses.conversationID} }

// truePhase is the phase that follows from the other fields.
func (ses *session) truePhase() string {
	switch {
	case ses.stopPending:
		return phaseClosing
	case ses.closed():
		return phaseClosed
	case !ses.startedAt.IsZero():
		return phaseOpen
	default:
		return phaseOpening
	}
}

// sessions are the sessions of an installation, as Botpress keeps them. What has started is remembered under both its names.
type sessions struct {
	api             *botpress.Client
	def             *Definition
	log             *slog.Logger
	scope           scope
	clock           *clock
	locks           *keyed.Mutex[memoryKey]
	starts          *inflightStarts
	cache           cache[*session]
	foreign         cache[time.Time]
	activationDelay time.Duration
	opensFor        time.Duration // after its conversation was created, a session may still start
	replica         string        // names this process among those that schedule events
}

// snapshot reads a session from its conversation.
func (s *sessions) snapshot(conv botpress.Conversation) *session {
	ses := &session{
		conversationID: conv.ID,
		ref:            s.def.conversationRef(conv.Tags),
		createdAt:      conv.CreatedAt,
		startedAt:      parseTimestamp(conv.Tags[tagStartedAt]),
		closedAt:       parseTimestamp(conv.Tags[tagClosedAt]),
		stopPending:    conv.Tags[tagStopping] != "",
		unanswered:     conv.Tags[tagUnanswered] != "",
		repeatedUntil:  parseTimestamp(conv.Tags[tagRepeatedUntil]),
		readUntil:      parseTimestamp(conv.Tags[tagReadUntil]),
		outboxPending:  conv.Tags[tagOutbox] != "",
		phase:          conv.Tags[tagPhase],
	}
	if known, ok := s.cache.get(conv.ID); ok {
		ses.activation = known.activation
	}
	return ses
}

// read asks Botpress for a session.
func (s *sessions) read(ctx context.Context, conversationID string) (*session, error) {
	conv, err := s.api.GetConversation(ctx, conversationID)
	if err != nil {
		return nil, fmt.Errorf("hitl: read conversation %s: %w", conversationID, err)
	}
	return s.snapshot(conv), nil
}

// refresh returns a session as it is now, unless its conversation is gone.
func (s *sessions) refresh(ctx context.Context, ses *session) (*session, error) {
	current, err := s.read(ctx, ses.conversationID)
	if unknownID(err) {
		return ses, nil
	}
	if err != nil {
		return nil, err
	}
	s.remember(current)
	return current, nil
}

// write sets tags of a session's conversation, and returns the session as it is then.
func (s *sessions) write(ctx context.Context, conversationID string, tags botpress.Tags) (*session, error) {
	conv, err := s.api.UpdateConversation(ctx, conversationID, botpress.UpdateConversationParams{Tags: tags})
	if err != nil {
		return nil, fmt.Errorf("hitl: update conversation %s: %w", conversationID, err)
	}
	return s.snapshot(conv), nil
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
	for _, k := range []sessionKey{ses.key(), {sessionID: ses.ref.ID}, {conversationID: ses.conversationID}} {
		s.foreign.remove(k.sessionID, k.conversationID)
	}
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
func (s *sessions) markClosed(ctx context.Context, ses *session, stopPending bool) (*session, error) {
	over := *ses
	over.stopPending = stopPending
	if !over.closed() {
		over.closedAt = s.clock.now()
	}
	over.phase = over.truePhase()
	tags := botpress.Tags{tagClosedAt: timestamp(over.closedAt), tagPhase: over.phase, tagStopping: ""}
	if stopPending {
		tags[tagStopping] = "true"
	}
	if _, err := s.write(ctx, ses.conversationID, tags); err != nil {
		return nil, err
	}
	s.remember(&over)
	return &over, nil
}

// markOutbox writes whether messages are known to be undelivered, for who touches the session next.
func (s *sessions) markOutbox(ctx context.Context, ses *session, pending bool) error {
	if ses.outboxPending == pending {
		return nil
	}
	tag := ""
	if pending {
		tag = outboxPending
	}
	if _, err := s.write(ctx, ses.conversationID, botpress.Tags{tagOutbox: tag}); err != nil {
		return err
	}
	marked := *ses
	marked.outboxPending = pending
	s.remember(&marked)
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
