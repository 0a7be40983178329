// Package sleep waits, and stops waiting when a context ends.
package sleep

import (
	"context"
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
