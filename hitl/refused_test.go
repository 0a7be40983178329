package hitl_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/message"
)

// refusingAPI refuses the messages with the text "two", and notes the others.
type refusingAPI struct {
	conversationAPI

	status int

	mu   sync.Mutex
	sent []string
}

func (a *refusingAPI) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Path != "/v1/chat/initialize-incoming-message" {
		return a.conversationAPI.RoundTrip(r)
	}
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, text := range []string{"one", "two", "three"} {
		switch {
		case !strings.Contains(string(body), `{"text":"`+text+`"}`):
		case text == "two":
			return &http.Response{
				StatusCode: a.status, Header: http.Header{"Content-Type": {"application/json"}}, Request: r,
				Body: io.NopCloser(strings.NewReader(`{"id":"err_1","type":"InvalidPayload","message":"the payload is not as it should be"}`)),
			}, nil
		default:
			a.sent = append(a.sent, text)
		}
	}
	return a.conversationAPI.RoundTrip(r)
}

func (a *refusingAPI) expect(t *testing.T, when string, want ...string) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	if diff := cmp.Diff(want, a.sent); diff != "" {
		t.Errorf("%s, sent (-want +got):\n%s", when, diff)
	}
}

// Botpress refuses a reply, for what it is or because the integration that is deployed is another. That keeps nothing back: at
// once what came with it, and what a desk is read back for after ten minutes.
func TestReplyThatBotpressRefuses(t *testing.T) {
	const tooLarge, invalid = http.StatusRequestEntityTooLarge, http.StatusBadRequest
	replies := func() (all []hitl.Event) {
		for _, text := range []string{"one", "two", "three"} {
			all = append(all, hitl.Replied{SessionID: "T-1", ConversationID: "conv_1", ID: text, Author: hitl.Agent{ID: "7", Name: "Jane"}, Message: message.Text{Text: text}})
		}
		return all
	}
	api := func(status int) *refusingAPI {
		a := &refusingAPI{status: status}
		a.tags = `{"id":"T-1","startedAt":"1999-01-01T00:00:00.000Z","phase":"open","readUntil":"1999-01-01T00:00:00.000Z"}`
		return a
	}
	start := func(t *testing.T, desk hitl.Integration[struct{}], a *refusingAPI) *hitl.Server {
		t.Helper()
		s := serve(t, desk, hitl.Options{SweepEvery: -1, Botpress: botpress.Options{HTTPClient: &http.Client{Transport: a}}})
		shutDown(t, s)
		return s
	}

	for status, answers := range map[int][2]int{tooLarge: {400, 400}, invalid: {503, 400}} {
		t.Run("webhook/"+http.StatusText(status), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, d := api(status), &fullDesk{}
				d.handleWebhook = func(context.Context, *http.Request) (hitl.Webhook, error) {
					return hitl.Webhook{Events: replies()}, nil
				}
				s := start(t, d, a)
				for i, want := range answers {
					if got := ask(s, request(webhook)); got.status != want {
						t.Errorf("the webhook was answered %d %s for the %d. time, want %d", got.status, got.body, i+1, want)
					}
					a.expect(t, "at once", "one", "three")
					<-time.After(11 * time.Minute)
				}
			})
		})
	}
	for status, again := range map[int]bool{tooLarge: false, invalid: true} {
		t.Run("receiver/"+http.StatusText(status), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, d := api(status), &fullDesk{}
				results := make(chan error, 2)
				d.receive = func(ctx context.Context, deliver func(context.Context, ...hitl.Event) error) error {
					for range 2 {
						results <- deliver(ctx, replies()...)
						select {
						case <-time.After(11 * time.Minute):
						case <-ctx.Done():
							return ctx.Err()
						}
					}
					<-ctx.Done()
					return ctx.Err()
				}
				s := start(t, d, a)
				ask(s, request(webhook))
				if err := <-results; (err != nil) != again {
					t.Errorf("at first, deliver returned %v", err)
				}
				a.expect(t, "at once", "one", "three")
				if err := <-results; err != nil {
					t.Errorf("after 11 minutes, deliver returned %v", err)
				}
			})
		})
	}
	for status, at := range map[int]time.Duration{tooLarge: 0, invalid: 10 * time.Minute} {
		t.Run("backfill/"+http.StatusText(status), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, desk := api(status), readableDesk{&fullDesk{}}
				var notices []string
				desk.notify = func(_ context.Context, n hitl.Notice) error {
					notices = append(notices, n.MessageID)
					return nil
				}
				desk.handleWebhook = func(context.Context, *http.Request) (hitl.Webhook, error) {
					return hitl.Webhook{Events: []hitl.Event{hitl.Changed{SessionID: "T-1", ConversationID: "conv_1"}}}, nil
				}
				desk.backfill = func(context.Context, hitl.BackfillRequest) ([]hitl.Event, error) { return replies(), nil }
				s := start(t, desk, a)
				ask(s, request(webhook))
				if at > 0 {
					a.expect(t, "at once", "one")
					<-time.After(at / 2)
					a.expect(t, "after five minutes", "one")
					<-time.After(at)
				}
				a.expect(t, "in the end", "one", "three")
				if diff := cmp.Diff([]string{"two"}, notices); diff != "" {
					t.Errorf("the agents are told of (-want +got):\n%s", diff)
				}
			})
		})
	}
}
