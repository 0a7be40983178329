package docs

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/hitl/hitltest"
	"github.com/hitl-go/sdk/hitl/verify"
	"github.com/hitl-go/sdk/message"
)

// ledger is a desk in memory, which writes down what its agent does.
type ledger struct {
	mu      sync.Mutex
	entries []entry
}

// entry is something that the agent wrote.
type entry struct {
	number  int
	session string
	text    string
	at      time.Time
}

func (l *ledger) write(session, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = append(l.entries, entry{len(l.entries) + 1, session, text, time.Now()})
}

// after reads what is newer than an entry.
func (l *ledger) after(ctx context.Context, number int) ([]entry, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.entries[number:], ctx.Err()
}

// since reads what was written in a session.
func (l *ledger) since(ctx context.Context, session string, at time.Time) (found []entry, err error) {
	all, err := l.after(ctx, 0)
	for _, e := range all {
		if e.session == session && !e.at.Before(at) {
			found = append(found, e)
		}
	}
	return found, err
}

// adapter is what the adapters of this file have in common.
type adapter struct {
	in   hitl.Installation
	desk *ledger
}

func (*adapter) CreateUser(_ context.Context, r hitl.CreateUserRequest) (hitl.Ref, error) {
	return hitl.Ref{ID: r.UserID}, nil
}

func (*adapter) StartHitl(_ context.Context, r hitl.StartHitlRequest[struct{}]) (hitl.Ref, error) {
	return hitl.Ref{ID: r.ConversationID}, nil
}

func (*adapter) StopHitl(context.Context, hitl.StopHitlRequest) error { return nil }

func (*adapter) SendMessage(_ context.Context, r hitl.SendMessageRequest) (hitl.Ref, error) {
	return hitl.Ref{ID: r.Key()}, nil
}

func (*adapter) HandleWebhook(context.Context, *http.Request) (hitl.Webhook, error) {
	return hitl.Webhook{}, hitl.Errorf("this desk sends no webhooks")
}

// reply is an entry as an event.
func (e entry) reply() hitl.Event {
	return hitl.Replied{
		SessionID: e.session, ID: fmt.Sprint(e.number), Author: hitl.Agent{ID: "1", Name: "Alice Agent"},
		Message: message.Text{Text: e.text},
	}
}

// poller asks the desk for news.
type poller struct{ adapter }

var _ hitl.Receiver = (*poller)(nil)

const (
	every       = 100 * time.Millisecond
	stateCursor = "cursor"
)

// cursor is how far the desk has been read.
type cursor struct {
	Entry int `json:"entry"`
}

var polled = hitl.Definition{
	Name: "polled", Version: "1.0.0",
	States: []hitl.StateDefinition{{Name: stateCursor, Payload: cursor{}}},
}

func (p *poller) Receive(ctx context.Context, deliver func(context.Context, ...hitl.Event) error) error {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		if err := p.poll(ctx, deliver); err != nil {
			return err // Receive is run again, with backoff.
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

func (p *poller) poll(ctx context.Context, deliver func(context.Context, ...hitl.Event) error) error {
	var read cursor
	if _, err := p.in.State.Get(ctx, stateCursor, &read); err != nil {
		return err
	}
	news, err := p.desk.after(ctx, read.Entry)
	if err != nil || len(news) == 0 {
		return err
	}
	var events []hitl.Event
	for _, e := range news {
		events = append(events, e.reply())
	}
	if err := deliver(ctx, events...); err != nil { // One that fails keeps back none of another session.
		return err // The cursor stays where it is.
	}
	read.Entry = news[len(news)-1].number
	return p.in.State.Set(ctx, stateCursor, read)
}

func TestPoller(t *testing.T) {
	desk := &ledger{}
	connect := func(_ context.Context, in hitl.Installation, _ struct{}) (*poller, error) {
		return &poller{adapter{in, desk}}, nil
	}
	hitltest.Run(t, connect, hitltest.Case[struct{}, struct{}]{
		Definition: polled,
		Desk: hitltest.Desk{
			Agent: hitl.Agent{ID: "1", Name: "Alice Agent"},
			Act:   func(s hitltest.Session, text string) { desk.write(s.ID, text) },
		},
	})
}

// hinted hears only that something has happened in a session.
type hinted struct {
	adapter

	genuine verify.Func
}

var _ hitl.Backfiller = (*hinted)(nil)

func (h *hinted) HandleWebhook(_ context.Context, r *http.Request) (hitl.Webhook, error) {
	if err := h.genuine(r); err != nil {
		return hitl.Webhook{}, err
	}
	var hint struct {
		Ticket string `json:"ticket"`
	}
	if err := verify.JSON(r, &hint); err != nil {
		return hitl.Webhook{}, hitl.Errorf("the webhook's body is not what the desk sends: %w", err)
	}
	return hitl.Webhook{Events: []hitl.Event{hitl.Changed{SessionID: hint.Ticket}}}, nil
}

func (h *hinted) Backfill(ctx context.Context, r hitl.BackfillRequest) (events []hitl.Event, err error) {
	said, err := h.desk.since(ctx, r.Session.ID, r.Since)
	for _, e := range said {
		events = append(events, e.reply())
	}
	return events, err
}

func TestHinted(t *testing.T) {
	const key = "open sesame"
	desk := &ledger{}
	connect := func(_ context.Context, in hitl.Installation, _ struct{}) (*hinted, error) {
		return &hinted{adapter{in, desk}, verify.Header("Desk-Key", key)}, nil
	}
	hint := func(s hitltest.Session) *http.Request {
		return httptest.NewRequest(http.MethodPost, "/", strings.NewReader(fmt.Sprintf(`{"ticket": %q}`, s.ID)))
	}
	hitltest.Run(t, connect, hitltest.Case[struct{}, struct{}]{
		Definition: hitl.Definition{Name: "hinted", Version: "1.0.0"},
		Desk: hitltest.Desk{
			Agent: hitl.Agent{ID: "1", Name: "Alice Agent"},
			Act:   func(s hitltest.Session, text string) { desk.write(s.ID, text) },
			Replied: func(s hitltest.Session, text string) *http.Request {
				desk.write(s.ID, text)
				return hint(s)
			},
			Sign: func(r *http.Request) { r.Header.Set("Desk-Key", key) },
		},
	})
}
