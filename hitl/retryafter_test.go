package hitl_test

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/internal/corpus"
)

// Whatever a desk asks of us, its webhook is asked to come again in less than a minute.
func TestRetryAfterOfWebhooks(t *testing.T) {
	var hook hitl.Webhook
	var fails error
	desk := &fakeDesk{handleWebhook: func(context.Context, *http.Request) (hitl.Webhook, error) { return hook, fails }}
	s := desk.server(t, hitl.Options{})
	for _, kind := range corpus.Load(t, "testdata/retryafter.txt") {
		t.Run(kind.Name, func(t *testing.T) {
			for _, c := range kind.Cases {
				hook, fails = hitl.Webhook{}, nil
				if wait, err := time.ParseDuration(c.In); err == nil {
					fails = hitl.Retryable(wait, errors.New("the desk is busy"))
				} else {
					status, after, _ := strings.Cut(c.In, " ")
					hook.Status, _ = strconv.Atoi(status)
					hook.Header = http.Header{"Retry-After": {after}}
				}
				if got := ask(s, request(webhook)).header.Get("Retry-After"); got != c.Want {
					t.Errorf("line %d: %s: asked for %q, want %q", c.Line, c.In, got, c.Want)
				}
				if v := hook.Header.Get("Retry-After"); v != "" && !strings.HasSuffix(c.In, v) {
					t.Errorf("line %d: the adapter's header has become %q", c.Line, v)
				}
			}
		})
	}
}
