package hitltest

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/message"
)

// TestChaosFinds: Chaos finds adapters that lose, repeat or swap what was said, or keep sessions open, and passes one that does not.
func TestChaosFinds(t *testing.T) {
	for _, test := range []struct{ quirk, says string }{
		{"", ""},
		{"forgets a word", "and in the desk is"},
		{"repeats words", "and in the desk is"},
		{"swaps words", "and in the desk is"},
		{"never stops", "still open"},
		{"drops a reply", "and the end user has seen"},
		{"opens nothing", "gave 6 of 6 sessions up"},
		{"refuses webhooks", "The webhook was answered 400"},
	} {
		t.Run(test.quirk, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := &notebook{quirk: test.quirk, lines: map[string][]string{}, closed: map[string]bool{}, keys: map[string]int{}}
				watched := watch(t, func(r runner) {
					chaos(r, n.connect, n.suiteCase(), ChaosOptions{Sessions: 6, Seed: 7, Patience: 90 * time.Minute})
				})
				got := strings.Join(watched.failures, "\n")
				if test.says == "" && got != "" || !strings.Contains(got, test.says) {
					t.Errorf("the failures are %q, want one that says %q", got, test.says)
				}
			})
		})
	}
}

// notebook is the smallest desk that recognises repetitions. A quirk is a bug of its adapter.
type notebook struct {
	quirk string

	mu      sync.Mutex
	lines   map[string][]string // by session
	closed  map[string]bool
	keys    map[string]int // of messages, by session and key
	reports int
}

func (n *notebook) connect(context.Context, hitl.Installation, struct{}) (*notebook, error) {
	return n, nil
}

func (n *notebook) suiteCase() Case[struct{}, struct{}] {
	report := func(s Session, text string) *http.Request {
		n.reports++
		return httptest.NewRequest(http.MethodPost, fmt.Sprintf("/%s/%d?text=%s", s.ID, n.reports, strings.ReplaceAll(text, " ", "+")), nil)
	}
	return Case[struct{}, struct{}]{
		Definition: hitl.Definition{Name: "notebook", Version: "1.0.0"},
		Desk: Desk{
			Replied: report,
			Heard: func(s Session) []string {
				n.mu.Lock()
				defer n.mu.Unlock()
				return n.lines[s.ID]
			},
			Open: func(s Session) bool {
				n.mu.Lock()
				defer n.mu.Unlock()
				return !n.closed[s.ID]
			},
		},
	}
}

func (n *notebook) CreateUser(_ context.Context, r hitl.CreateUserRequest) (hitl.Ref, error) {
	return hitl.Ref{ID: r.UserID}, nil
}

func (n *notebook) StartHitl(_ context.Context, r hitl.StartHitlRequest[struct{}]) (hitl.Ref, error) {
	if n.quirk == "opens nothing" {
		return hitl.Ref{}, hitl.Errorf("No.")
	}
	return hitl.Ref{ID: r.ConversationID}, nil
}

func (n *notebook) SendMessage(_ context.Context, r hitl.SendMessageRequest) (hitl.Ref, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	key := r.Key()
	id := hitl.Ref{ID: "C-" + key}
	if n.keys[key]++; n.keys[key] > 1 {
		return id, nil
	}
	text := message.PlainText(r.Message)
	number := len(n.lines[r.Session.ID])
	switch {
	case n.quirk == "forgets a word" && number == 1:
		n.lines[r.Session.ID] = append(n.lines[r.Session.ID], "?")
	case n.quirk == "repeats words":
		n.lines[r.Session.ID] = append(n.lines[r.Session.ID], text, text)
	case n.quirk == "swaps words":
		n.lines[r.Session.ID] = append([]string{text}, n.lines[r.Session.ID]...)
	default:
		n.lines[r.Session.ID] = append(n.lines[r.Session.ID], text)
	}
	return id, nil
}

func (n *notebook) StopHitl(_ context.Context, r hitl.StopHitlRequest) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closed[r.Session.ID] = n.quirk != "never stops"
	return nil
}

func (n *notebook) HandleWebhook(_ context.Context, r *http.Request) (hitl.Webhook, error) {
	session, id, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	text := r.URL.Query().Get("text")
	switch {
	case n.quirk == "refuses webhooks":
		return hitl.Webhook{}, hitl.Errorf("No.")
	case n.quirk == "drops a reply" && strings.Contains(text, "reply 0"):
		return hitl.Webhook{}, nil
	}
	return hitl.Webhook{Events: []hitl.Event{hitl.Replied{
		SessionID: session, ConversationID: session, ID: id, Author: hitl.Agent{ID: "1", Name: "Alice"}, Message: message.Text{Text: text},
	}}}, nil
}
