package hitltest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/hitl"
)

// adapter is an adapter without its type parameter.
type adapter = hitl.Integration[any]

// untyped passes the same session parameters to each StartHitl.
type untyped[Session any] struct {
	hitl.Integration[Session]

	session Session
}

func (u untyped[Session]) StartHitl(ctx context.Context, r hitl.StartHitlRequest[any]) (hitl.Ref, error) {
	return u.Integration.StartHitl(ctx, hitl.StartHitlRequest[Session]{
		ConversationID: r.ConversationID, UserID: r.UserID, User: r.User, UserName: r.UserName, UserEmail: r.UserEmail,
		Title: r.Title, Description: r.Description, Session: u.session, History: r.History,
	})
}

// unwrap returns the adapter as its author wrote it, with the optional interfaces that it has.
func (u untyped[Session]) unwrap() any { return u.Integration }

// optional finds an optional interface of a replica.
func optional[T any](a adapter) (T, bool) {
	t, ok := a.(interface{ unwrap() any }).unwrap().(T)
	return t, ok
}

// deliverFunc passes on what a [hitl.Receiver] has received.
type deliverFunc = func(context.Context, ...hitl.Event) error

// installed is an installation of the integration, with a spy between the server and the adapter.
type installed struct {
	bot *Bot

	mu       sync.Mutex // Guards what follows.
	api      *botpress.Client
	own      any // The server's adapter.
	connect  func(context.Context) (adapter, error)
	watchers watchers

	deliver deliverFunc   // Set when serving is closed.
	serving chan struct{} // Closed once the server runs Receive.
}

// watchers are called after the server's adapter has done something. They may be nil.
type watchers struct {
	started func(ref hitl.Ref, conversationID string)
	handled func()
	sent    func(hitl.SendMessageRequest, hitl.Ref)
}

// connected stores the server's adapter and how it was made, so that replicas can be made.
func (in *installed) connected(api *botpress.Client, own any, connect func(context.Context) (adapter, error)) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.api, in.own, in.connect = api, own, connect
}

// client is the Botpress client of the integration.
func (in *installed) client() *botpress.Client {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.api
}

// adapter is the server's adapter, with the optional interfaces that it has.
func (in *installed) adapter() any {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.own
}

// replica makes another adapter, as another process has it: it shares no fields with the first one, but package variables.
func (in *installed) replica(ctx context.Context) (adapter, error) {
	in.mu.Lock()
	connect := in.connect
	in.mu.Unlock()
	return connect(ctx)
}

func (in *installed) watch(w watchers) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.watchers = w
}

func (in *installed) watching() watchers {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.watchers
}

// spy is the adapter that the server uses. The optional interfaces that it has in any case do nothing if the adapter does not
// have them.
type spy[Session any] struct {
	hitl.Integration[Session]

	in *installed
}

// readable is a spy on a [hitl.Backfiller]. The server treats the webhooks of such an adapter as hints.
type readable[Session any] struct {
	*spy[Session]

	desk hitl.Backfiller
}

func (r readable[Session]) Backfill(ctx context.Context, b hitl.BackfillRequest) ([]hitl.Event, error) {
	return r.desk.Backfill(ctx, b)
}

func (s *spy[Session]) StartHitl(ctx context.Context, r hitl.StartHitlRequest[Session]) (hitl.Ref, error) {
	ref, err := s.Integration.StartHitl(ctx, r)
	if started := s.in.watching().started; err == nil && started != nil {
		started(ref, r.ConversationID)
	}
	return ref, err
}

func (s *spy[Session]) SendMessage(ctx context.Context, r hitl.SendMessageRequest) (hitl.Ref, error) {
	ref, err := s.Integration.SendMessage(ctx, r)
	if sent := s.in.watching().sent; err == nil && sent != nil {
		sent(r, ref)
	}
	return ref, err
}

func (s *spy[Session]) HandleWebhook(ctx context.Context, r *http.Request) (hitl.Webhook, error) {
	hook, err := s.Integration.HandleWebhook(ctx, r)
	if handled := s.in.watching().handled; handled != nil {
		handled()
	}
	return hook, err
}

func (s *spy[Session]) Register(ctx context.Context, webhookURL string) error {
	if r, ok := s.Integration.(hitl.Registrar); ok {
		return r.Register(ctx, webhookURL)
	}
	return nil
}

func (s *spy[Session]) Unregister(ctx context.Context, webhookURL string) error {
	if r, ok := s.Integration.(hitl.Registrar); ok {
		return r.Unregister(ctx, webhookURL)
	}
	return nil
}

// Receive lets trials receive: in the sessions of other trials, the requests to the desk would disturb.
func (s *spy[Session]) Receive(ctx context.Context, deliver func(context.Context, ...hitl.Event) error) error {
	s.in.mu.Lock()
	if s.in.deliver == nil {
		s.in.deliver = deliver
		close(s.in.serving)
	}
	s.in.mu.Unlock()
	<-ctx.Done()
	return nil
}

func (s *spy[Session]) ReadAgent(ctx context.Context, id string) (hitl.Agent, error) {
	if desk, ok := s.Integration.(hitl.AgentReader); ok {
		return desk.ReadAgent(ctx, id)
	}
	return hitl.Agent{ID: id}, nil
}

func (s *spy[Session]) Notify(ctx context.Context, n hitl.Notice) error {
	if desk, ok := s.Integration.(hitl.Notifier); ok {
		return desk.Notify(ctx, n)
	}
	return errors.New("the adapter does not implement hitl.Notifier")
}

func (s *spy[Session]) Close() error {
	if c, ok := s.Integration.(io.Closer); ok {
		return c.Close()
	}
	return nil
}
