package hitl

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/internal/keyed"
)

// session is what we know of a HITL session. Once it has started, it changes only by being closed.
type session struct {
	conversationID string
	ref            Ref
	createdAt      time.Time
	startedAt      time.Time // zero while startHitl has not finished
	closedAt       time.Time // zero while it is open
	stopping       bool      // closed, but the desk could not be told yet

	handover *handover // shared by all copies
}

func (ses *session) closed() bool { return !ses.closedAt.IsZero() }

// handover puts what happens while the plugin prepares the session behind that moment, in order.
type handover struct {
	mu   sync.Mutex
	last time.Time
}

// sessionOf reads a session from its conversation.
func (c *call) sessionOf(conv botpress.Conversation) *session {
	return &session{
		conversationID: conv.ID,
		ref:            c.def.conversationRef(conv.Tags),
		createdAt:      conv.CreatedAt,
		startedAt:      moment(conv.Tags[tagStartedAt]),
		closedAt:       moment(conv.Tags[tagClosedAt]),
		stopping:       conv.Tags[tagStopping] != "",
	}
}

// timestamp is how moments are written into tags: sortable, in UTC, to the millisecond.
func timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// moment reads a [timestamp]; what is none is no moment.
func moment(tag string) time.Time {
	t, err := time.Parse(time.RFC3339, tag)
	if err != nil {
		return time.Time{}
	}
	return t
}

// remember keeps a started session at hand, under both its names.
func (c *call) remember(ses *session) {
	if ses.startedAt.IsZero() {
		return
	}
	if known, ok := c.sessions.Get(c.key(ses.conversationID)); ok {
		ses.handover = known.handover
	}
	if ses.handover == nil {
		ses.handover = &handover{}
	}
	c.sessions.Add(c.key(ses.conversationID), ses)
	desk := c.key("desk", ses.ref.ID)
	if other, ok := c.sessions.Get(desk); ok && ses.closed() && other.conversationID != ses.conversationID {
		return // the desk has used its id again, for a later session
	}
	c.sessions.Add(desk, ses)
}

// forget drops a session whose conversation is gone.
func (c *call) forget(ses *session) {
	c.sessions.Remove(c.key(ses.conversationID))
	c.sessions.Remove(c.key("desk", ses.ref.ID))
}

// find looks a session up by the names that the desk gave it. It never creates anything: whatever else
// goes on in the desk is none of our business, and gives nil.
func (c *call) find(ctx context.Context, k sessionKey) (*session, error) {
	if ses, ok := c.sessions.Get(c.key(k.conversationID)); ok {
		return ses, nil
	}
	if !isID(k.conversationID) { // which says more: a desk may use the id of a session again
		if ses, ok := c.sessions.Get(c.key("desk", k.sessionID)); ok && !ses.closed() {
			return ses, nil
		}
	}
	opening := c.starts.now(c.scope())
	ses, err := c.lookUp(ctx, k)
	if ses != nil || err != nil || len(opening) == 0 {
		return ses, err
	}
	// The desk may be faster than our own request to it: what we do not know may be what we are just opening.
	waiting, cancel := context.WithTimeout(ctx, maxOpening)
	defer cancel()
	if err := c.starts.wait(waiting, opening); err != nil {
		return nil, Retryable(5*time.Second, fmt.Errorf("hitl: sessions are being opened, and this may be about one of them: %w", err))
	}
	return c.lookUp(ctx, k)
}

func (c *call) lookUp(ctx context.Context, k sessionKey) (*session, error) {
	if isID(k.conversationID) {
		conv, err := c.client.GetConversation(ctx, k.conversationID)
		switch {
		case err == nil && conv.Channel == c.def.Names.Channel:
			return c.sessionOf(conv), nil
		case err != nil && !unknownID(err):
			return nil, fmt.Errorf("hitl: look up conversation %s: %w", k.conversationID, err)
		}
	}
	if k.sessionID == "" {
		return nil, nil
	}
	var found *session
	for conv, err := range c.client.ListConversations(ctx, botpress.ListConversationsParams{
		Tags: botpress.Tags{tagID: k.sessionID}, Channel: c.def.Names.Channel,
	}) {
		if err != nil {
			return nil, fmt.Errorf("hitl: look up the desk's session %s: %w", k.sessionID, err)
		}
		// The newest comes first. An older one that is still open is the better match: desks reopen tickets.
		if ses := c.sessionOf(conv); found == nil || found.closed() && !ses.closed() {
			found = ses
		}
		if !found.closed() {
			break
		}
	}
	return found, nil
}

// unknownID tells that the API does not know an id, or that it cannot be one of its ids at all: desks hand
// back whatever stands in their external reference.
func unknownID(err error) bool {
	var api *botpress.Error
	return errors.Is(err, botpress.ErrNotFound) ||
		errors.As(err, &api) && (api.Type == botpress.TypeInvalidIdentifier || api.Type == botpress.TypeInvalidPayload || api.Type == botpress.TypeReferenceNotFound)
}

// open finds a session and waits until it has started, with the conversation locked for the caller.
// The session is nil if there is none; the unlock function is never nil.
func (c *call) open(ctx context.Context, k sessionKey) (ses *session, unlock func(), err error) {
	unlock = func() {}
	if ses, err = c.find(ctx, k); err != nil || ses == nil {
		return nil, unlock, err
	}
	if unlock, err = c.conversations.Lock(ctx, c.key(ses.conversationID)); err != nil {
		return nil, func() {}, busy(err)
	}
	// Whoever held the lock may have started or closed it.
	if known, ok := c.sessions.Get(c.key(ses.conversationID)); ok {
		return known, unlock, nil
	}
	if ses.startedAt.IsZero() && time.Since(ses.createdAt) > maxRetrying {
		unlock() // nobody is opening it any more
		return nil, func() {}, nil
	}
	waiting, cancel := context.WithTimeout(ctx, maxOpening)
	defer cancel()
	for wait := 100 * time.Millisecond; ses.startedAt.IsZero(); wait = min(2*wait, time.Second) {
		// Another replica is opening it.
		if err := sleep(waiting, wait); err != nil {
			return nil, unlock, Retryable(5*time.Second, fmt.Errorf("hitl: session %s is still being opened: %w", ses.conversationID, err))
		}
		conv, err := c.client.GetConversation(ctx, ses.conversationID)
		if err != nil {
			return nil, unlock, fmt.Errorf("hitl: read conversation %s: %w", ses.conversationID, err)
		}
		ses = c.sessionOf(conv)
	}
	c.remember(ses)
	return ses, unlock, nil
}

// maxOpening is how long an event waits for a session that another replica is opening, before its sender is asked
// to try again.
const maxOpening = 15 * time.Second

// schedule is when something that happens now may reach the plugin: nil for at once.
//
// The plugin ignores a session until shortly after startHitl has answered. Moments of that time are mapped to moments
// after it, at half speed, so that they keep their order and meet the present where the delay has shrunk to nothing.
func (c *call) schedule(ses *session) *botpress.Schedule {
	if !c.young(ses) {
		return nil
	}
	due := ses.startedAt.Add(c.opts.Handover + time.Since(ses.startedAt)/2)
	ses.handover.mu.Lock()
	defer ses.handover.mu.Unlock()
	// Things due at one instant arrive in any order, and the API counts in milliseconds. More than one would overtake what
	// another replica schedules.
	if next := ses.handover.last.Add(time.Millisecond); due.Before(next) {
		due = next
	}
	ses.handover.last = due
	return &botpress.Schedule{DateTime: due}
}

// young tells that what happens in the session may have to wait for the plugin.
func (c *call) young(ses *session) bool { return time.Since(ses.startedAt) < 2*c.opts.Handover }

// startedAgain notes that startHitl was asked for again: the plugin has not heard our answer, so for it the session is
// still to begin. If it is over by now, the plugin has to hear that too, and later.
func (c *call) startedAgain(ctx context.Context, ses *session) error {
	_, err := c.client.UpdateConversation(ctx, ses.conversationID, botpress.UpdateConversationParams{
		Tags: botpress.Tags{tagStartedAt: timestamp(time.Now())},
	})
	if err != nil {
		return fmt.Errorf("hitl: note that conversation %s starts now: %w", ses.conversationID, err)
	}
	now := *ses
	now.startedAt = time.Now() // which is later than what is written if that took several attempts
	c.remember(&now)
	if now.closed() {
		return c.emitStopped(ctx, &now)
	}
	return nil
}

// startKey is the same for each attempt to start the same session, and for no other session: the history sees to that.
func (c *call) startKey(input json.RawMessage) (string, error) {
	var v any
	if err := json.Unmarshal(input, &v); err != nil {
		return "", invalidf("the input is not valid: %w", err)
	}
	canonical, err := json.Marshal(v) // with sorted keys
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(append([]byte(c.key(c.in.WebhookID)+"\n"), canonical...))
	return hex.EncodeToString(sum[:]), nil
}

// scope names the installation in keys of caches and locks, which serve all installations.
func (c *call) scope() string {
	return strings.Join([]string{c.in.BotID, c.in.IntegrationID, c.in.Alias}, "\x00")
}

func (c *call) key(parts ...string) string {
	return c.scope() + "\x00" + strings.Join(parts, "\x00")
}

// busy turns what a [keyed.Mutex] says into an answer: try again.
func busy(err error) error {
	if errors.Is(err, keyed.ErrFull) {
		return Retryable(5*time.Second, fmt.Errorf("hitl: %w", err))
	}
	return fmt.Errorf("hitl: waited too long for other work on the same session: %w", err)
}

// starts knows which sessions this process is opening, by installation.
type starts struct {
	mu      sync.Mutex
	opening map[string]map[chan struct{}]bool
	waiting int
}

// begin notes that a session is being opened; the returned function notes that it no longer is.
func (s *starts) begin(scope string) (end func()) {
	done := make(chan struct{})
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.opening == nil {
		s.opening = map[string]map[chan struct{}]bool{}
	}
	if s.opening[scope] == nil {
		s.opening[scope] = map[chan struct{}]bool{}
	}
	s.opening[scope][done] = true
	return func() {
		close(done)
		s.mu.Lock()
		defer s.mu.Unlock()
		if delete(s.opening[scope], done); len(s.opening[scope]) == 0 {
			delete(s.opening, scope)
		}
	}
}

// now returns what is being opened at this moment: channels that are closed afterwards.
func (s *starts) now(scope string) []chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.opening[scope]))
}

// wait returns when all these sessions have been opened, or could not be. Few may wait at once: most events of unknown
// sessions are of no session at all, and must not keep the others from working.
func (s *starts) wait(ctx context.Context, opening []chan struct{}) error {
	s.mu.Lock()
	full := s.waiting >= maxWaiting
	if !full {
		s.waiting++
	}
	s.mu.Unlock()
	if full {
		return keyed.ErrFull
	}
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.waiting--
	}()
	for _, done := range opening {
		select {
		case <-done:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}
