package cli

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/hitl-go/sdk/botpress"
)

// callTimeout is the timeout of Botpress' own command line. Creating or updating an integration is slow.
const callTimeout = 180 * time.Second

// adminClient returns a client that sends the header on every call, besides that of Botpress' own command line.
func (a App) adminClient(workspaceID string, header http.Header) (*botpress.Client, error) {
	all := http.Header{"X-Multiple-Integrations": {"true"}}
	maps.Copy(all, header)
	t := &adminTransport{http.DefaultTransport}
	client := http.Client{}
	if a.HTTPClient != nil {
		client = *a.HTTPClient
	}
	if client.Transport != nil {
		t.next = client.Transport
	}
	client.Transport = t
	return botpress.New(botpress.Options{
		BaseURL: a.Getenv("BP_API_URL"), Token: a.Getenv("BP_TOKEN"), WorkspaceID: workspaceID, HTTPClient: &client, Timeout: callTimeout, Header: all,
	})
}

// adminTransport retries POST requests after the answers 500, 503 and 504. Package botpress retries only those that create
// nothing. The first attempt may have succeeded, so the caller must expect that what it creates exists already.
type adminTransport struct{ next http.RoundTripper }

func (t *adminTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	const retries = 3
	ctx := r.Context()
	for attempt := 1; ; attempt++ {
		res, err := t.next.RoundTrip(r)
		transient := err == nil && slices.Contains([]int{http.StatusInternalServerError, http.StatusServiceUnavailable, http.StatusGatewayTimeout}, res.StatusCode)
		if !transient || attempt > retries || r.Method != http.MethodPost || r.GetBody == nil {
			return res, err
		}
		_ = res.Body.Close()
		backoff := time.NewTimer(time.Duration(attempt) * time.Second)
		defer backoff.Stop()
		select {
		case <-backoff.C:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		r = r.Clone(ctx)
		if r.Body, err = r.GetBody(); err != nil {
			return nil, err
		}
	}
}
