package hitl_test

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hitl-go/sdk/hitl"
)

// One installation's desk hangs under 300 requests. The others do not notice.
func TestBulkhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const slow = 5 * time.Millisecond
		desk := &fakeDesk{}
		desk.handleWebhook = func(ctx context.Context, r *http.Request) (hitl.Webhook, error) {
			if r.Header.Get("X-Hang") != "" {
				<-ctx.Done()
				return hitl.Webhook{}, ctx.Err()
			}
			<-time.After(slow)
			return hitl.Webhook{}, nil
		}
		s := desk.server(t, hitl.Options{})
		hanging := [2]string{"webhook_received", `{"req":{"method":"POST","path":"/","query":"","headers":{"x-hang":"1"},"body":""}}`}
		var all sync.WaitGroup
		var mu sync.Mutex
		refused := 0
		for range 300 {
			all.Go(func() {
				a := ask(s, request(hanging))
				mu.Lock()
				defer mu.Unlock()
				if a.status == http.StatusServiceUnavailable && a.header.Get("Retry-After") == "1" {
					refused++
				}
			})
		}
		synctest.Wait()

		var took []time.Duration
		for range 1000 {
			r := request(webhook)
			r.Header.Set("X-Bot-Id", "bot_2")
			start := time.Now()
			if a := ask(s, r); a.status != http.StatusOK {
				t.Fatalf("another installation was answered %d %s", a.status, a.body)
			}
			took = append(took, time.Since(start))
		}
		slices.Sort(took)
		if p99 := took[len(took)*99/100]; p99 > 100*time.Millisecond {
			t.Errorf("another installation's p99 is %v, want at most 100ms", p99)
		}
		all.Wait()
		if refused != 300-32 {
			t.Errorf("%d webhooks of the hanging installation were refused, want 268: they have half of a quarter of 256 places", refused)
		}
		if a := ask(s, request(webhook)); a.status != http.StatusOK {
			t.Errorf("once its desk is back, it is answered %d", a.status)
		}
	})
}
