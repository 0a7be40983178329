// Package sleep waits, and stops waiting when a context ends.
package sleep

import (
	"context"
	"math/rand/v2"
	"time"
)

// For waits for a time, or returns why ctx ended.
func For(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Jitter returns a random part of a time, so that processes do not do the same at the same moment.
func Jitter(most time.Duration) time.Duration {
	if most <= 0 {
		return 0
	}
	return rand.N(most)
}
