package hitl

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/internal/lease"
	"github.com/hitl-go/sdk/internal/sleep"
)

// leases let one replica at a time work on a conversation, a user or an integration.
type leases struct {
	api lease.Leases
	log *slog.Logger
	ttl time.Duration // longer than any operation
}

// acquire waits for the lease that a state of the conversation stands for. While it waits it asks whether another replica has
// settled the work: then the lease is nil.
func (l *leases) acquire(ctx context.Context, conversationID, state string, settled func() (bool, error)) (*lease.Lease, error) {
	return l.acquireKey(ctx, botpress.StateKey{Type: botpress.StateOfConversation, ID: conversationID, Name: state}, settled)
}

// acquireKey waits for the lease of a state. A nil settled means that nobody else settles the work.
func (l *leases) acquireKey(ctx context.Context, key botpress.StateKey, settled func() (bool, error)) (*lease.Lease, error) {
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		held, err := l.api.Acquire(ctx, key, l.ttl)
		if err == nil && !held.TakenOver {
			return held, nil
		}
		if err != nil && !errors.Is(err, lease.ErrHeld) {
			return nil, fmt.Errorf("hitl: acquire the lease %s of %s %s: %w", key.Name, key.Type, key.ID, err)
		}
		if err != nil {
			if err := sleep.For(ctx, wait); err != nil {
				return nil, Retryable(5*time.Second, fmt.Errorf("hitl: another replica holds the lease %s of %s %s: %w", key.Name, key.Type, key.ID, err))
			}
		}
		if settled != nil {
			if done, err := settled(); done || err != nil {
				if held != nil {
					l.release(ctx, held)
				}
				return nil, err
			}
		}
		if held != nil {
			return held, nil
		}
	}
}

// try takes the lease if nobody holds it, or returns [lease.ErrHeld].
func (l *leases) try(ctx context.Context, conversationID, state string) (*lease.Lease, error) {
	key := botpress.StateKey{Type: botpress.StateOfConversation, ID: conversationID, Name: state}
	held, err := l.api.Acquire(ctx, key, l.ttl)
	if err != nil && !errors.Is(err, lease.ErrHeld) {
		err = fmt.Errorf("hitl: acquire the lease %s of conversation %s: %w", state, conversationID, err)
	}
	return held, err
}

// release frees a lease, so that the next replica need not wait for its end.
func (l *leases) release(ctx context.Context, held *lease.Lease) {
	if err := held.Release(ctx); err != nil {
		l.log.WarnContext(ctx, "a lease could not be released; it expires by itself", "lease", held.Name(), "error", err)
	}
}
