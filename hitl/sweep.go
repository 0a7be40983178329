package hitl

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/internal/lease"
	"github.com/hitl-go/sdk/internal/sleep"
)

// A sweep reconciles the sessions of an installation without being asked: it delivers what is undelivered, ends what is
// closing, and reads open sessions back. It runs soon after the installation is seen by a process, after register, and every
// Options.SweepEvery. A lease lets one replica do it at a time.

const (
	sweepTimeout     = 5 * time.Minute
	sweepAtOnce      = 4     // sessions
	maxSweepSessions = 1_000 // what is left is left to the next sweep
	sweepSoon        = 5 * time.Second
	longestReadBack  = time.Minute // from one attempt to list what is to be read back to the next

	// recentlyClosed is how long ago a session may have ended whose last words are still looked for: longer than the hour in
	// which Botpress calls register.
	recentlyClosed = 3 * time.Hour
)

// planSweep sweeps after a delay, and every now and then from then on.
func (c *connection) planSweep(delay, every time.Duration) {
	if every <= 0 {
		return
	}
	c.background.later(delay+sleep.Jitter(delay/10), func(ctx context.Context) {
		c.sweep(ctx)
		c.planSweep(every, every)
	})
}

// sweepNow sweeps once more, soon.
func (c *connection) sweepNow() {
	c.background.later(sleep.Jitter(sweepSoon), func(ctx context.Context) { c.sweep(ctx) })
}

// readBack sweeps once more, soon, and after a sweep that is under way: that may have passed the session which has changed.
func (c *connection) readBack() {
	if c.readingBack.CompareAndSwap(false, true) {
		c.background.later(sleep.Jitter(sweepSoon), func(ctx context.Context) { c.readBackNow(ctx, sweepSoon) })
	}
}

// readBackNow is run again until the sessions could be listed: nobody else reports that one has changed.
func (c *connection) readBackNow(ctx context.Context, backoff time.Duration) {
	c.readingBack.Store(false)
	busy, listed := c.sweep(ctx)
	if listed || !c.readingBack.CompareAndSwap(false, true) {
		return
	}
	next := backoff
	if !busy {
		next = min(2*backoff, longestReadBack)
	}
	c.background.later(backoff+sleep.Jitter(sweepSoon), func(ctx context.Context) { c.readBackNow(ctx, next) })
}

// sweep sweeps, unless the installation is being swept: then it reports that somebody is busy. What it listed is reconciled, or is
// retried.
func (c *connection) sweep(ctx context.Context) (busy, listed bool) {
	if !c.sweeping.TryLock() {
		return true, false
	}
	defer c.sweeping.Unlock()
	_ = c.background.run(ctx, "sweep", sweepTimeout, func(ctx context.Context) (err error) { // it is logged
		listed, err = c.sweepAll(ctx)
		if busy = errors.Is(err, lease.ErrHeld); busy {
			return nil
		}
		if isRemoved(err) { // unregister went to another replica.
			c.retire()
		}
		return err
	})
	return busy, listed
}

// sweepAll fails with lease.ErrHeld while another replica sweeps.
func (c *connection) sweepAll(ctx context.Context) (listed bool, err error) {
	in := c.toDesk.in
	key := botpress.StateKey{Type: botpress.StateOfIntegration, ID: in.IntegrationID, Name: stateSweep}
	held, err := c.toDesk.leases.api.Acquire(ctx, key, sweepTimeout+10*time.Second)
	if err != nil {
		return false, fmt.Errorf("hitl: acquire the lease of the sweep: %w", err)
	}
	defer c.toDesk.leases.release(ctx, held)

	s := &sweep{conn: c, seen: map[string]bool{}}
	s.group.SetLimit(sweepAtOnce)
	recent := c.toDesk.sessions.clock.now().Add(-recentlyClosed)
	for _, list := range []struct {
		params botpress.ListConversationsParams
		until  time.Time
	}{
		{params: botpress.ListConversationsParams{Tags: botpress.Tags{tagPhase: phaseClosing}}},
		{params: botpress.ListConversationsParams{Tags: botpress.Tags{tagOutbox: outboxPending}}},
		{params: botpress.ListConversationsParams{Tags: botpress.Tags{tagPhase: phaseOpen}}},
		{params: botpress.ListConversationsParams{Tags: botpress.Tags{tagPhase: phaseOpening}}},
		{params: botpress.ListConversationsParams{
			Tags: botpress.Tags{tagPhase: phaseClosed}, SortField: botpress.ByUpdatedAt, SortDirection: botpress.Descending,
		}, until: recent},
	} {
		if err = s.all(ctx, list.params, list.until); err != nil {
			break
		}
	}
	return err == nil, errors.Join(err, s.group.Wait())
}

// isRemoved reports whether the API does not know the installation any more. If it is there all the same, its next operation
// connects it again.
func isRemoved(err error) bool {
	var api *botpress.Error
	return errors.As(err, &api) && api.Type == botpress.TypeForbidden
}

// sweep is one sweep at work.
type sweep struct {
	conn  *connection
	group errgroup.Group
	seen  map[string]bool
}

// all reconciles the listed sessions, down to those that were updated before the given time. A list for which there is too little
// time, or that is too long, is continued by the next sweep of this process.
func (s *sweep) all(ctx context.Context, params botpress.ListConversationsParams, until time.Time) error {
	params.Channel = s.conn.toDesk.def.Channel.Name
	list := params.Tags[tagPhase] + params.Tags[tagOutbox]
	if s.conn.sweptTo == nil {
		s.conn.sweptTo = map[string]string{}
	}
	next := s.conn.sweptTo[list]
	for len(s.seen) < maxSweepSessions {
		page := next
		params.NextToken, params.Next = page, &next
		for conv, err := range s.conn.toDesk.in.Client.ListConversations(ctx, params) {
			if ctx.Err() != nil {
				s.conn.sweptTo[list] = page
				return ctx.Err()
			}
			if err != nil {
				delete(s.conn.sweptTo, list)
				return fmt.Errorf("hitl: list the sessions that are %s: %w", list, err)
			}
			if conv.UpdatedAt.Before(until) {
				next = ""
				break
			}
			if s.seen[conv.ID] {
				continue
			}
			s.seen[conv.ID] = true
			s.group.Go(func() error {
				if err := s.conn.reconcileListed(ctx, conv); err != nil {
					return fmt.Errorf("hitl: reconcile session %s: %w", conv.ID, err)
				}
				return nil
			})
		}
		if next == "" {
			break
		}
	}
	s.conn.sweptTo[list] = next
	return ctx.Err()
}

// reconcileListed reconciles a session that was listed, in the time of an operation: its leases last that long, and a desk that hangs
// must not take the time of the others. What fails is retried before the next sweep.
func (c *connection) reconcileListed(sweeping context.Context, conv botpress.Conversation) (err error) {
	if sweeping.Err() != nil {
		return sweeping.Err()
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(sweeping), c.toDesk.timeout) // see background.stop
	defer cancel()
	defer func() {
		if v := recover(); v != nil { // of the adapter's
			err = panicked(v)
		}
	}()
	err = c.toDesk.locked(ctx, conv.ID, func() error {
		ses := c.toDesk.sessions.snapshot(conv)
		if current, ok := c.toDesk.sessions.cache.get(conv.ID); ok && current.closed() && !ses.closed() {
			ses = current // it ended since the list was made
		}
		if finished, err := c.finish(ctx, ses); finished || err != nil {
			return err
		}
		if ses.startedAt.IsZero() {
			return c.abandon(ctx, ses)
		}
		c.toDesk.sessions.remember(ses)
		if ses.phase != ses.truePhase() {
			if _, err := c.toDesk.sessions.write(ctx, conv.ID, botpress.Tags{tagPhase: ses.truePhase()}); err != nil {
				return err
			}
		}
		return c.catchUp(ctx, ses)
	})
	if err != nil {
		c.toDesk.retry(conv.ID, err)
	}
	return err
}

// abandon takes a session out of those that are being opened, if nobody opens it any more. It may have started since it was listed.
func (c *connection) abandon(ctx context.Context, ses *session) error {
	if c.toDesk.sessions.clock.since(ses.createdAt) < c.toDesk.sessions.opensFor {
		return nil
	}
	ses, err := c.toDesk.sessions.read(ctx, ses.conversationID)
	if err != nil || !ses.startedAt.IsZero() {
		return err
	}
	_, err = c.toDesk.sessions.write(ctx, ses.conversationID, botpress.Tags{tagPhase: ""})
	return err
}

// reconcile reconciles a session that could not be before.
func (c *connection) reconcile(ctx context.Context, conversationID string) error {
	return c.background.run(context.WithoutCancel(ctx), "retry", c.toDesk.timeout, func(ctx context.Context) error {
		return c.toDesk.locked(ctx, conversationID, func() error {
			ses, err := c.toDesk.sessions.read(ctx, conversationID)
			if errors.Is(err, botpress.ErrNotFound) {
				return nil
			}
			if err != nil {
				return err
			}
			if finished, err := c.finish(ctx, ses); finished || err != nil || ses.startedAt.IsZero() {
				return err
			}
			c.toDesk.sessions.remember(ses)
			return c.catchUp(ctx, ses)
		})
	})
}

// finish does what only this process knows to be left: it links a session that the desk has opened, or ends one that is over. The
// conversation is locked.
func (c *connection) finish(ctx context.Context, ses *session) (finished bool, err error) {
	if ses.startedAt.IsZero() {
		return c.toDesk.linkOpened(ctx, ses)
	}
	_, over := c.toDesk.stopWanted.get(ses.conversationID)
	if !over || ses.ref.ID == "" || ses.closed() {
		return false, nil
	}
	return true, c.toDesk.end(ctx, ses)
}

// catchUp delivers what is left in both directions. The conversation is locked.
func (c *connection) catchUp(ctx context.Context, ses *session) error {
	if ended, err := c.toDesk.endUnanswered(ctx, ses); ended || err != nil {
		return err
	}
	err := c.toDesk.reconcile(ctx, ses)
	if desk, ok := adapterAs[Backfiller](c.adapter); ok && !ses.closed() {
		err = errors.Join(err, c.toBot.backfill(ctx, ses, desk, nil))
	}
	return err
}
