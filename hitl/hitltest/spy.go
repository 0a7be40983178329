package hitltest

import (
	"context"
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
		ConversationID: r.ConversationID, UserID: r.UserID, User: r.User,
		Title: r.Title, Description: r.Description, Session: u.session, History: r.History,
	})
}

// installed is an installation of the integration, with a spy between the server and the adapter.
type installed struct {
	bot *Bot

	mu      sync.Mutex // Guards what follows.
	api     *botpress.Client
	connect func(context.Context) (adapter, error)
	started func(hitl.Ref, string)
	handled func()
}

// connected stores how the server's adapter was made, so that replicas can be made.
func (in *installed) connected(api *botpress.Client, connect func(context.Context) (adapter, error)) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.api, in.connect = api, connect
}

// client is the Botpress client of the integration.
func (in *installed) client() *botpress.Client {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.api
}

// replica makes another adapter, as another process has it: it shares no memory with the first one.
func (in *installed) replica(ctx context.Context) (adapter, error) {
	in.mu.Lock()
	connect := in.connect
	in.mu.Unlock()
	return connect(ctx)
}

// watch sets the functions that are called after the server's adapter has opened a session, and after it has read a webhook.
// They may be nil.
func (in *installed) watch(started func(ref hitl.Ref, conversationID string), handled func()) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.started, in.handled = started, handled
}

func (in *installed) watching() (started func(hitl.Ref, string), handled func()) {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.started, in.handled
}

// spy is the adapter that the server uses.
type spy[Session any] struct {
	hitl.Integration[Session]

	in *installed
}

func (s *spy[Session]) StartHitl(ctx context.Context, r hitl.StartHitlRequest[Session]) (hitl.Ref, error) {
	ref, err := s.Integration.StartHitl(ctx, r)
	if started, _ := s.in.watching(); err == nil && started != nil {
		started(ref, r.ConversationID)
	}
	return ref, err
}

func (s *spy[Session]) HandleWebhook(ctx context.Context, r *http.Request) (hitl.Webhook, error) {
	hook, err := s.Integration.HandleWebhook(ctx, r)
	if _, handled := s.in.watching(); handled != nil {
		handled()
	}
	return hook, err
}

// Register and Unregister do nothing if the adapter is no [hitl.Registrar].

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
