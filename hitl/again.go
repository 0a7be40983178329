package hitl

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/hitl-go/sdk/botpress"
)

// again repeats a call of the Botpress API that does no harm when it is done twice: what finds or creates, finds the
// second time. The client itself repeats no POST whose answer was lost, as it cannot know.
func again[T any](ctx context.Context, do func() (T, error)) (T, error) {
	for wait := 100 * time.Millisecond; ; wait *= 2 {
		v, err := do()
		pause := max(wait, retryAfter(err))
		if err == nil || !passing(err) || wait > 2*time.Second || tooLate(ctx, pause) || sleep(ctx, pause) != nil {
			return v, err
		}
	}
}

// tooLate tells that the operation's time will be up before the pause is over.
func tooLate(ctx context.Context, pause time.Duration) bool {
	deadline, ok := ctx.Deadline()
	return ok && time.Until(deadline) <= pause
}

// retryAfter is how long the API wants to be left alone.
func retryAfter(err error) time.Duration {
	var api *botpress.Error
	if errors.As(err, &api) {
		return api.RetryAfter
	}
	return 0
}

// passing tells a failure of the API or of the way there, which may have passed a moment later, and after which nobody
// knows whether the work was done.
func passing(err error) bool {
	var api *botpress.Error
	if errors.As(err, &api) {
		return api.Status >= http.StatusInternalServerError || api.Status == http.StatusTooManyRequests
	}
	return !errors.Is(err, context.Canceled)
}

// outage tells that the desk is down or out of reach, rather than that it does not want what we ask.
func outage(err error) bool {
	var retry *retryableError
	var network net.Error
	return errors.As(err, &retry) || errors.As(err, &network) || errors.Is(err, context.DeadlineExceeded)
}

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
