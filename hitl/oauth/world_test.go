package oauth_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/botpress/botpresstest"
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/hitl/oauth"
	"github.com/hitl-go/sdk/internal/memnet"
)

const signingSecret = "c2VjcmV0LW9mLXRoZS10ZXN0cy1vZi1oaXRsLWdv"

// world is Botpress, a desk with expiring tokens, and replicas of an adapter, on a network in memory. It belongs into a bubble.
type world struct {
	t       *testing.T
	cloud   *botpresstest.Server
	in      *botpresstest.Installation
	desk    *desk
	network *memnet.Network
	client  *http.Client // A browser, and everybody else.
	log     *bytes.Buffer

	isolated atomic.Int64                                            // The number of the replica, from 1, that does not reach Botpress.
	dial     atomic.Pointer[func(context.Context) (net.Conn, error)] // How replicas reach the desk. Nil: as they should.
	adapters []*adapter                                              // One a replica.
	clients  []*http.Client                                          // The same.
	replicas []http.Handler                                          // The same.
	front    http.Handler                                            // Of them, the one that Botpress calls.
}

// settings of a configuration.
type settings struct {
	Secret string `json:"secret"`
}

type adapter struct {
	w      *world
	source *oauth.Source
	deaf   bool // Its Register does nothing.
	api    *http.Client
	desk   *http.Client // Of the installation.
}

func (a *adapter) CreateUser(context.Context, hitl.CreateUserRequest) (hitl.Ref, error) {
	return hitl.Ref{ID: "u"}, a.get("/users")
}

func (a *adapter) StartHitl(_ context.Context, r hitl.StartHitlRequest[struct{}]) (hitl.Ref, error) {
	return hitl.Ref{ID: r.ConversationID}, a.get("/tickets")
}
func (a *adapter) Close() error { return a.source.Close() }

func (*adapter) StopHitl(context.Context, hitl.StopHitlRequest) error { return nil }
func (a *adapter) SendMessage(context.Context, hitl.SendMessageRequest) (hitl.Ref, error) {
	return hitl.Ref{ID: "m"}, a.get("/messages")
}

func (a *adapter) HandleWebhook(ctx context.Context, r *http.Request) (hitl.Webhook, error) {
	if answer, ok := a.source.HandleWebhook(ctx, r); ok {
		return answer, nil
	}
	return hitl.Webhook{}, hitl.Errorf("not ours")
}

func (a *adapter) Register(ctx context.Context, webhookURL string) error {
	if a.deaf {
		return nil
	}
	connected, err := a.source.Register(ctx, webhookURL)
	if err != nil || !connected {
		return err
	}
	return a.get("/webhooks")
}
func (*adapter) Unregister(context.Context, string) error { return nil }

func (a *adapter) get(path string) error { return a.call(a.w.t.Context(), path, "") }

func (a *adapter) call(ctx context.Context, path, body string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://desk.test"+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	res, err := a.api.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if said, _ := io.ReadAll(res.Body); res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s", res.Status, said)
	}
	return nil
}

type setup struct {
	byCode     bool
	secret     string        // Of the client. Empty: the right one.
	sweepEvery time.Duration // Zero: never, so that register is not called hourly either.
	config     func(*oauth.Config)
	connected  func(context.Context, string) error
	forgets    string // What the author has forgotten: "state" and Register, or "register" alone.
}

func newWorld(t *testing.T, replicas int, s setup) *world {
	t.Helper()
	w := &world{t: t, desk: newDesk(), network: &memnet.Network{}, log: &bytes.Buffer{}}
	w.client = w.network.Client()
	w.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	t.Cleanup(w.client.CloseIdleConnections)
	listener, err := w.network.Listen("botpress.test:80")
	if err != nil {
		t.Fatal(err)
	}
	toReplicas := w.network.Client()
	t.Cleanup(toReplicas.CloseIdleConnections)
	w.cloud = botpresstest.NewServer(&botpresstest.Options{Listener: listener, Client: toReplicas})
	t.Cleanup(w.cloud.Close)
	w.serve("desk.test:80", w.desk)
	w.serve("adapter.test:80", http.HandlerFunc(func(res http.ResponseWriter, r *http.Request) { w.front.ServeHTTP(res, r) }))
	for range replicas {
		w.replica(s)
	}
	return w
}

// replica starts one more replica, and makes it the one that Botpress calls.
func (w *world) replica(s setup) *adapter {
	w.t.Helper()
	if s.sweepEvery == 0 {
		s.sweepEvery = -1
	}
	if s.secret == "" {
		s.secret = "secret-of-the-client"
	}
	config := oauth.Config{
		Desk: "Acme", Params: map[string]string{"expires_in": "3600"}, Connected: s.connected,
		Config: oauth2.Config{ClientID: "client", ClientSecret: s.secret, Scopes: []string{"read", "write"}, Endpoint: oauth2.Endpoint{
			AuthURL: "http://desk.test/oauth/authorizations/new", TokenURL: "http://desk.test/oauth/tokens",
		}},
	}
	if s.config != nil {
		s.config(&config)
	}
	made := make(chan *adapter, 1)
	connect := func(_ context.Context, in hitl.Installation, _ settings) (*adapter, error) {
		source := oauth.ClientCredentials(in, config)
		if s.byCode {
			source = oauth.AuthorizationCode(in, config)
		}
		a := &adapter{w: w, deaf: s.forgets != "", source: source, api: source.Client("http://desk.test"), desk: in.HTTPClient}
		made <- a
		return a, nil
	}
	number := int64(len(w.clients) + 1)
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		if w.isolated.Load() == number && strings.HasPrefix(addr, "botpress.test") {
			return nil, syscall.ENETUNREACH
		}
		if dial := w.dial.Load(); dial != nil && strings.HasPrefix(addr, "desk.test") {
			return (*dial)(ctx)
		}
		return w.network.DialContext(ctx, network, addr)
	}}}
	w.clients = append(w.clients, client)
	definition := hitl.Definition{Name: "signing-in", Version: "1.0.0", States: []hitl.StateDefinition{oauth.State()}}
	if s.forgets == "state" {
		definition.States = nil
	}
	server, err := hitl.NewServer(definition, connect, &hitl.Options{
		Botpress: botpress.Options{BaseURL: "http://botpress.test", Token: w.cloud.Token, HTTPClient: client},
		Secrets:  []string{signingSecret}, HTTPClient: client, SweepEvery: s.sweepEvery, Logger: slog.New(slog.NewTextHandler(&lockedWriter{w: w.log}, nil)),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if err := server.Shutdown(context.Background()); err != nil {
			w.t.Error(err)
		}
		client.CloseIdleConnections()
	})
	w.front = server
	w.replicas = append(w.replicas, server)
	if w.in == nil {
		definition, err := json.Marshal(server.Describe())
		if err != nil {
			w.t.Fatal(err)
		}
		spec, err := botpresstest.FromDefinition(definition)
		if err != nil {
			w.t.Fatal(err)
		}
		spec.URL, spec.SigningSecret, spec.Configuration = "http://adapter.test", signingSecret, settings{Secret: "x"}
		if w.in, err = w.cloud.Install(w.t.Context(), spec); err != nil {
			w.t.Fatal(err)
		}
	} else if err := w.in.Configure(w.t.Context(), settings{Secret: "x"}); err != nil {
		w.t.Fatal(err)
	}
	a := <-made
	w.adapters = append(w.adapters, a)
	return a
}

func (w *world) serve(addr string, h http.Handler) {
	w.t.Helper()
	listener, err := w.network.Listen(addr)
	if err != nil {
		w.t.Fatal(err)
	}
	srv := &http.Server{Handler: h}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(listener)
	}()
	w.t.Cleanup(func() {
		_ = srv.Close()
		<-done
	})
}

type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// visit opens an address as a browser does, and returns the answer.
func (w *world) visit(address string) (status int, location, body string) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, address, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	res, err := w.client.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	said, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return res.StatusCode, res.Header.Get("Location"), string(said)
}

// connect connects an account, and returns the address to which the desk led back.
func (w *world) connect() (callback string) {
	w.t.Helper()
	status, consent, body := w.visit(w.in.WebhookURL + "/oauth/start")
	if consent == "" {
		w.t.Fatalf("the start is answered %d %s", status, body)
	}
	_, callback, _ = w.visit(consent)
	if status, _, body := w.visit(callback); status != http.StatusOK || !strings.Contains(body, "Acme is connected") {
		w.t.Fatalf("the callback is answered %d %s", status, body)
	}
	return callback
}

// all has every replica call the desk n times at once, and reports what fails.
func (w *world) all(n int) {
	w.t.Helper()
	var done sync.WaitGroup
	for i := range n {
		done.Go(func() {
			if err := w.adapters[i%len(w.adapters)].get("/tickets"); err != nil {
				w.t.Errorf("call %d: %v", i, err)
			}
		})
	}
	done.Wait()
}

func wait(d time.Duration) { <-time.After(d) }
