package hitl

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/internal/sleep"
)

const (
	// startWait is how long an event waits for a session that is being opened, before its sender is asked to retry.
	startWait = 15 * time.Second
	// foreignTTL is how long an id that belongs to no session is remembered.
	foreignTTL = 30 * time.Second
)

// open finds a session and waits until it has started. It returns the session with its conversation locked, or nil for
// an unknown session. The unlock function is never nil.
func (s *sessions) open(ctx context.Context, k sessionKey) (ses *session, unlock func(), err error) {
	observed(ctx).works(k)
	ses, err = s.find(ctx, k)
	if err != nil || ses == nil {
		return nil, func() {}, err
	}
	waiting, cancel := context.WithTimeout(ctx, startWait)
	defer cancel()
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		if unlock, err = s.lock(ctx, ses.conversationID); err != nil {
			return nil, func() {}, err
		}
		current, opens, err := s.started(ctx, ses)
		if !opens {
			if current != nil {
				observed(ctx).works(current.key())
			}
			return current, unlock, err
		}
		unlock() // whoever opens the session needs the lock
		if err := sleep.For(waiting, wait); err != nil {
			return nil, func() {}, Retryable(5*time.Second, fmt.Errorf("hitl: session %s is still being opened: %w", ses.conversationID, err))
		}
	}
}

// started returns the session if it has started, or nil: then it reports whether somebody may still open it. The conversation is
// locked.
func (s *sessions) started(ctx context.Context, ses *session) (current *session, opens bool, err error) {
	if current, ok := s.cache.get(ses.conversationID); ok { // whoever held the lock may have started or closed it
		return current, false, nil
	}
	if ses.startedAt.IsZero() {
		if ses, err = s.read(ctx, ses.conversationID); err != nil {
			return nil, false, err
		}
	}
	if ses.startedAt.IsZero() {
		return nil, s.clock.since(ses.createdAt) <= s.opensFor, nil
	}
	s.remember(ses)
	return ses, false, nil
}

// find looks a session up by the names that the desk gave it. It creates nothing. Unknown sessions return nil, and are
// remembered for a while: a desk that others use as well reports much that is not ours.
func (s *sessions) find(ctx context.Context, k sessionKey) (*session, error) {
	if ses, ok := s.cache.get(k.conversationID); ok {
		return ses, nil
	}
	if !isID(k.conversationID) { // which is preferred: a desk may reuse the id of a session
		if ses, ok := s.cache.get("desk", k.sessionID); ok && !ses.closed() {
			return ses, nil
		}
	}
	if until, ok := s.foreign.get(k.sessionID, k.conversationID); ok && time.Now().Before(until) {
		return nil, nil
	}
	inflight := s.starts.snapshot(s.scope)
	ses, err := s.lookUp(ctx, k)
	if ses != nil || err != nil {
		return ses, err
	}
	// The desk may be faster than the request to it: an unknown session may be one that is just being opened.
	if len(inflight) > 0 {
		waiting, cancel := context.WithTimeout(ctx, startWait)
		defer cancel()
		if err := s.starts.wait(waiting, inflight); err != nil {
			return nil, Retryable(5*time.Second, fmt.Errorf("hitl: sessions are being opened, and this may be about one of them: %w", err))
		}
	}
	opening, err := s.opening(ctx)
	if err != nil {
		return nil, err
	}
	if opening != "" {
		return nil, Retryable(5*time.Second, fmt.Errorf("hitl: session %s is being opened, and this may be about it", opening))
	}
	// A session whose opening ended between the two look-ups above is found by this one.
	if ses, err = s.lookUp(ctx, k); ses == nil && err == nil {
		s.foreign.put(time.Now().Add(foreignTTL), k.sessionID, k.conversationID)
	}
	return ses, err
}

// opening returns a conversation whose session is being opened by some replica, or an empty id.
func (s *sessions) opening(ctx context.Context) (conversationID string, err error) {
	for conv, err := range s.api.ListConversations(ctx, botpress.ListConversationsParams{
		Tags: botpress.Tags{tagPhase: phaseOpening}, Channel: s.def.Channel.Name, After: s.clock.now().Add(-s.opensFor),
	}) {
		if err != nil {
			return "", fmt.Errorf("hitl: look for sessions that are being opened: %w", err)
		}
		if s.snapshot(conv).startedAt.IsZero() {
			return conv.ID, nil
		}
	}
	return "", nil
}

func (s *sessions) lookUp(ctx context.Context, k sessionKey) (*session, error) {
	if isID(k.conversationID) {
		conv, err := s.api.GetConversation(ctx, k.conversationID)
		switch {
		case err == nil && conv.Channel == s.def.Channel.Name:
			return s.snapshot(conv), nil
		case err != nil && !unknownID(err):
			return nil, fmt.Errorf("hitl: look up conversation %s: %w", k.conversationID, err)
		}
	}
	if k.sessionID == "" {
		return nil, nil
	}
	var found *session
	for conv, err := range s.api.ListConversations(ctx, botpress.ListConversationsParams{
		Tags: botpress.Tags{tagID: k.sessionID}, Channel: s.def.Channel.Name,
	}) {
		if err != nil {
			return nil, fmt.Errorf("hitl: look up the desk's session %s: %w", k.sessionID, err)
		}
		// The newest comes first. An older one that is still open is preferred: desks reopen tickets.
		if ses := s.snapshot(conv); found == nil || found.closed() && !ses.closed() {
			found = ses
		}
		if !found.closed() {
			break
		}
	}
	return found, nil
}

// unknownID reports whether the API does not know an id, or says that it is none. Desks return whatever stands in their
// external reference.
func unknownID(err error) bool {
	var api *botpress.Error
	return errors.Is(err, botpress.ErrNotFound) ||
		errors.As(err, &api) && (api.Type == botpress.TypeInvalidIdentifier || api.Type == botpress.TypeInvalidPayload || api.Type == botpress.TypeReferenceNotFound)
}
