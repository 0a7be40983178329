package cli

import (
	"context"
	"os"
)

// WithRestarts is a context in which the signals to restart an adapter come from a channel, as they come from the process in [Main].
func WithRestarts(ctx context.Context, c <-chan os.Signal) context.Context {
	return context.WithValue(ctx, restartsKey{}, func() (<-chan os.Signal, func()) { return c, func() {} })
}
