package hitl_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/hitl/verify"
	"github.com/hitl-go/sdk/message"
)

// pagerConfig is what a bot's owner fills in.
type pagerConfig struct {
	Key botpress.Secret `json:"key" jsonschema_description:"The webhooks of the pager come with it."`
}

// pagerSession is what a bot can say about a session.
type pagerSession struct {
	Urgent bool `json:"urgent,omitzero"`
}

// pager is an adapter: it keeps nothing that must be known later, since Botpress keeps the Refs.
type pager struct{ genuine verify.Func }

func connectPager(_ context.Context, _ hitl.Installation, c pagerConfig) (*pager, error) {
	return &pager{verify.Header("Pager-Key", string(c.Key))}, nil
}

func (*pager) CreateUser(_ context.Context, r hitl.CreateUserRequest) (hitl.Ref, error) {
	return hitl.Ref{ID: r.UserID}, nil
}

func (*pager) StartHitl(ctx context.Context, r hitl.StartHitlRequest[pagerSession]) (hitl.Ref, error) {
	fmt.Println("page:", r.Title, r.Session.Urgent, r.Transcript(ctx, nil))
	return hitl.Ref{ID: r.ConversationID}, nil
}

func (*pager) SendMessage(_ context.Context, r hitl.SendMessageRequest) (hitl.Ref, error) {
	fmt.Println("page:", message.PlainText(r.Message))
	return hitl.Ref{ID: r.Key()}, nil
}

func (*pager) StopHitl(context.Context, hitl.StopHitlRequest) error { return nil }

func (p *pager) HandleWebhook(_ context.Context, r *http.Request) (hitl.Webhook, error) {
	if err := p.genuine(r); err != nil {
		return hitl.Webhook{}, err
	}
	return hitl.Webhook{Events: []hitl.Event{hitl.Replied{
		SessionID: r.FormValue("session"), ID: r.FormValue("id"),
		Author: hitl.Agent{ID: "1", Name: "On call"}, Message: message.Text{Text: r.FormValue("text")},
	}}}, nil
}

// A whole adapter, and its server: an http.Handler. A program gives it to package cli, which also deploys it.
func Example() {
	server, err := hitl.NewServer(hitl.Definition{Name: "pager", Version: "1.0.0", SendOnce: true}, connectPager, &hitl.Options{
		Secrets:  []string{signingSecret},
		Botpress: botpress.Options{Token: "bp_pat_0123456789"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = server.Shutdown(context.Background()) }()
	var _ http.Handler = server
	fmt.Println("ready:", server.Ready())
	// Output: ready: <nil>
}

// The definition's schemas come from the types of the connect function and of StartHitl.
func ExampleNewServer() {
	server, err := hitl.NewServer(hitl.Definition{Name: "pager", Version: "1.0.0"}, connectPager, &hitl.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	var configuration struct {
		Required []string `json:"required"`
	}
	err = json.Unmarshal(server.Describe().Configuration.Schema, &configuration)
	fmt.Println("a bot's owner must fill in:", configuration.Required, err)
	// Output: a bot's owner must fill in: [key] <nil>
}

// news is what a desk's record says of a ticket.
type news struct{ id, text string }

// ledger is an adapter whose desk can be read back.
type ledger struct {
	*pager
	tickets map[string][]news
}

func (l *ledger) Backfill(_ context.Context, r hitl.BackfillRequest) (events []hitl.Event, err error) {
	for _, n := range l.tickets[r.Session.ID] { // A real desk is asked for what is newer than r.Since.
		events = append(events, hitl.Replied{
			SessionID: r.Session.ID, ID: n.id, Author: hitl.Agent{ID: "1", Name: "On call"}, Message: message.Text{Text: n.text},
		})
	}
	return events, nil
}

// With a Backfiller, a webhook is a hint. What it lacks is read, and what is known is recognised by its ID.
func ExampleBackfiller() {
	var adapter hitl.Backfiller = &ledger{tickets: map[string][]news{"T-1": {{"1", "On my way"}, {"2", "Done"}}}}
	events, err := adapter.Backfill(context.Background(), hitl.BackfillRequest{Session: hitl.Ref{ID: "T-1"}})
	for _, e := range events {
		r, _ := e.(hitl.Replied)
		fmt.Println(r.ID, message.PlainText(r.Message))
	}
	fmt.Println(err)
	// Output:
	// 1 On my way
	// 2 Done
	// <nil>
}

// line is an adapter whose desk does not call: a connection brings what agents write.
type line struct {
	*pager
	incoming chan news
}

func (l *line) Receive(ctx context.Context, deliver func(context.Context, ...hitl.Event) error) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case n, ok := <-l.incoming:
			if !ok {
				return fmt.Errorf("the connection has ended") // Receive is called again.
			}
			if err := deliver(ctx, hitl.Replied{
				SessionID: "T-1", ID: n.id, Author: hitl.Agent{ID: "1", Name: "On call"}, Message: message.Text{Text: n.text},
			}); err != nil {
				return err // Not acknowledged: the desk has to send it again.
			}
		}
	}
}

// A Receiver passes on what a connection brings. Deliver returns nil once Botpress has it.
func ExampleReceiver() {
	l := &line{incoming: make(chan news, 1)}
	l.incoming <- news{"1", "On my way"}
	close(l.incoming)
	var adapter hitl.Receiver = l
	err := adapter.Receive(context.Background(), func(_ context.Context, events ...hitl.Event) error {
		fmt.Println(len(events), "event")
		return nil
	})
	fmt.Println(err)
	// Output:
	// 1 event
	// the connection has ended
}
