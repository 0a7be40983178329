package hitl

import (
	"context"
	"errors"
	"time"

	"github.com/hitl-go/sdk/internal/sleep"
)

// receive runs the adapter's Receive, again and again with backoff, until the connection ends.
func (c *connection) receive(r Receiver) {
	const longestBackoff = time.Minute
	backoff := time.Second
	c.background.later(0, func(ctx context.Context) {
		for ctx.Err() == nil {
			start := time.Now()
			err := c.receiveOnce(ctx, r)
			if ctx.Err() != nil {
				return
			}
			if time.Since(start) > longestBackoff {
				backoff = time.Second // it has worked for a while
			}
			c.receiveReturned(ctx, err, backoff)
			if sleep.For(ctx, backoff+sleep.Jitter(backoff/5)) != nil {
				return
			}
			backoff = min(2*backoff, longestBackoff)
		}
	})
}

// deliveryError is an error of deliver's, which was reported.
type deliveryError struct{ error }

func (e deliveryError) Unwrap() error { return e.error }

// receiveReturned reports that Receive has failed, as an operation.
func (c *connection) receiveReturned(ctx context.Context, err error, again time.Duration) {
	if err == nil || errors.As(err, new(deliveryError)) {
		c.toDesk.log.WarnContext(ctx, "Receive has returned and is run again", "in", again, "error", err)
		return
	}
	_ = c.background.run(ctx, "receive", c.toDesk.timeout, func(context.Context) error { return err })
}

func (c *connection) receiveOnce(ctx context.Context, r Receiver) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = panicked(v)
		}
	}()
	return r.Receive(ctx, c.deliver)
}

// deliver passes on what a [Receiver] has received.
func (c *connection) deliver(ctx context.Context, events ...Event) error {
	if len(events) == 0 {
		return nil
	}
	err := c.background.run(context.WithoutCancel(ctx), "receive", c.toDesk.timeout, func(ctx context.Context) error {
		for _, e := range events {
			if r, ok := e.(Replied); ok && r.ID == "" {
				return errors.New("hitl: a reply that was received needs an ID: without one, it would be sent twice when it is received again")
			}
		}
		return c.toBot.deliver(ctx, events, func(int) string { return "" })
	})
	if isPermanent(err) { // It is logged, and another try would fail as well.
		return nil
	}
	if err != nil {
		return deliveryError{err}
	}
	return nil
}
