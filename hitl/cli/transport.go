package cli

import (
	"context"
	"errors"
	"maps"
	"net"
	"net/http"
	"time"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/internal/sleep"
)

// callTimeout is the timeout of Botpress' own command line. Creating or updating an integration is slow.
const callTimeout = 180 * time.Second

// adminClient returns a client that sends the header on every call, besides that of Botpress' own command line.
func (a App) adminClient(workspaceID string, header http.Header) (*botpress.Client, error) {
	all := http.Header{"X-Multiple-Integrations": {"true"}}
	maps.Copy(all, header)
	return botpress.New(botpress.Options{
		BaseURL: a.Getenv("BP_API_URL"), Token: a.Getenv("BP_TOKEN"), WorkspaceID: workspaceID, HTTPClient: a.HTTPClient, Timeout: callTimeout, Header: all,
	})
}

// attempt makes a call that makes something. It repeats what has certainly done nothing, and any failure that may pass if a repetition
// does no harm. If the call fails, unknown reports that an attempt of it may have done its work, and its answer is lost.
func (w *workspace) attempt(ctx context.Context, harmless bool, call func(*botpress.Client) error) (unknown bool, err error) {
	const retries = 3
	once := w.client.WithRetry(botpress.Retry{Max: -1})
	for n := 1; ; n++ {
		if err = call(once); err == nil {
			return false, nil
		}
		var api *botpress.Error
		var op *net.OpError
		wait := time.Duration(n) * time.Second
		again := harmless && !errors.Is(err, context.DeadlineExceeded) // it has taken long enough
		switch {
		case errors.As(err, &api) && api.Status == http.StatusTooManyRequests:
			again, wait = true, max(wait, api.RetryAfter)
		case api != nil && api.Status < http.StatusInternalServerError:
			return unknown, err
		case api == nil && errors.As(err, &op) && op.Op == "dial":
			again = true
		default:
			unknown = true
		}
		if !again || n > retries || wait > time.Minute || sleep.For(ctx, wait) != nil {
			return unknown, err
		}
	}
}
