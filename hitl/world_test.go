package hitl_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/botpress/botpresstest"
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/internal/acme"
	"github.com/hitl-go/sdk/internal/memnet"
)

// world is Botpress, Acme Desk and replicas of its integration, on a network in memory. It belongs into a
// testing/synctest bubble.
type world struct {
	t      *testing.T
	cloud  *botpresstest.Server
	desk   *acme.Desk
	in     *botpresstest.Installation
	client *http.Client

	replicas []http.Handler
}

// signingSecret is what Botpress and the integration share.
const signingSecret = "c2VjcmV0LW9mLXRoZS10ZXN0cy1vZi1oaXRsLWdv"

// setting is what tests vary.
type setting struct {
	replicas int  // zero means one
	sendOnce bool // the desk recognises no repetition
	cloud    botpresstest.Options
	server   hitl.Options
	make     func(*hitl.Options) (*hitl.Server, error) // nil means Acme Desk's integration
}

func newWorld(t *testing.T, s setting) *world {
	t.Helper()
	network := &memnet.Network{}
	w := &world{t: t, desk: &acme.Desk{}, client: network.Client()}
	t.Cleanup(w.client.CloseIdleConnections)

	var err error
	if s.cloud.Listener, err = network.Listen("botpress.test:80"); err != nil {
		t.Fatal(err)
	}
	s.cloud.Client = network.Client()
	t.Cleanup(s.cloud.Client.CloseIdleConnections)
	w.cloud = botpresstest.NewServer(&s.cloud)
	t.Cleanup(w.cloud.Close)

	s.server.Secrets = []string{signingSecret}
	var replicas []http.Handler
	var in botpresstest.Integration
	for range max(1, s.replicas) {
		opts := s.server
		opts.Botpress = botpress.Options{BaseURL: "http://botpress.test", Token: w.cloud.Token, HTTPClient: w.client}
		if s.make == nil {
			s.make = func(opts *hitl.Options) (*hitl.Server, error) {
				def := acme.Definition(true)
				def.SendOnce = s.sendOnce
				return acme.NewServer(def, w.desk, opts)
			}
		}
		server, err := s.make(&opts)
		if err != nil {
			t.Fatal(err)
		}
		if err := server.Ready(); err != nil {
			t.Fatal(err)
		}
		shutDown(t, server)
		replicas = append(replicas, server)
		in = integrationOf(t, server, "http://acme.test")
	}
	w.replicas = replicas
	w.serve(network, "acme.test:80", roundRobin(replicas))

	in.SigningSecret = signingSecret
	if w.in, err = w.cloud.Install(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	return w
}

// integrationOf is what a server's own definition says is to be installed.
func integrationOf(t *testing.T, server *hitl.Server, url string) botpresstest.Integration {
	t.Helper()
	body, err := json.Marshal(server.Describe())
	if err != nil {
		t.Fatal(err)
	}
	in, err := botpresstest.FromDefinition(body)
	if err != nil {
		t.Fatal(err)
	}
	in.URL = url
	in.Configuration = acme.Config{APIURL: "https://desk.example.com", APIToken: "s3cr3t"}
	return in
}

func (w *world) serve(network *memnet.Network, addr string, h http.Handler) {
	w.t.Helper()
	listener, err := network.Listen(addr)
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

// latency is how long a request takes to get through, at least: on the bubble's clock, nothing else takes any time.
const latency = 5 * time.Millisecond

// roundRobin is a load balancer.
func roundRobin(handlers []http.Handler) http.Handler {
	var n atomic.Uint64
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-time.After(latency)
		handlers[n.Add(1)%uint64(len(handlers))].ServeHTTP(w, r)
	})
}

// report is a webhook of the desk.
type report struct {
	Type           string         `json:"type"`
	TicketID       string         `json:"ticketId,omitempty"`
	ConversationID string         `json:"conversationId,omitempty"`
	Agent          map[string]any `json:"agent,omitempty"`
	Text           string         `json:"text,omitempty"`
	AdditionalData string         `json:"additionalData,omitempty"`
	CommentID      string         `json:"commentId,omitempty"`
	EventID        string         `json:"eventId,omitempty"`
}

var alice = map[string]any{"id": "agent-7", "name": "Alice Agent", "email": "alice@example.com"}

// webhook sends what the desk reports, once, and returns the answer.
func (w *world) webhook(ctx context.Context, v any) (status int, body string) {
	w.t.Helper()
	raw, ok := v.(string)
	if !ok {
		b, err := json.Marshal(v)
		if err != nil {
			w.t.Fatal(err)
		}
		raw = string(b)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.in.WebhookURL, bytes.NewBufferString(raw))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	res, err := w.client.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err.Error()
	}
	return res.StatusCode, string(answer)
}

// act triggers an action and returns the answer.
func (w *world) act(body string) string {
	w.t.Helper()
	return w.operate("action_triggered", body).body
}

// dispatch sends an operation and returns the status.
func (w *world) dispatch(operation, body string) (status int) {
	w.t.Helper()
	return w.operate(operation, body).status
}

// operate sends an operation as Botpress does, past the Botpress in memory.
func (w *world) operate(operation, body string) answer {
	w.t.Helper()
	r := request([2]string{operation, body})
	for name, value := range map[string]string{
		"x-bot-id": w.cloud.BotID, "x-bot-user-id": w.cloud.BotID, "x-integration-id": w.in.IntegrationID,
		"x-integration-alias": w.in.Alias, "x-webhook-id": w.in.WebhookID,
	} {
		r.Header.Set(name, value)
	}
	a, err := send(w.client, signed(w.t, configured(r, `{"apiUrl":"https://desk.example.com","apiToken":"s3cr3t"}`), signingSecret))
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

// report sends what the desk reports and insists on success.
func (w *world) report(v any) {
	w.t.Helper()
	if status, body := w.webhook(w.t.Context(), v); status != http.StatusOK {
		w.t.Fatalf("the webhook %+v was answered %d %s", v, status, body)
	}
	w.settle()
}

func (w *world) settle() {
	w.t.Helper()
	if err := w.cloud.Settle(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// escalate starts a session and waits until the activation window is over, so that what follows is delivered at once.
func (w *world) escalate(u *botpresstest.EndUser, title string) {
	w.t.Helper()
	if err := u.Escalate(w.t.Context(), botpresstest.Escalation{Title: title}); err != nil {
		w.t.Fatal(err)
	}
	w.settle()
	w.afterActivation()
}

// afterActivation lets the time pass, on the bubble's clock, in which things have to wait for the plugin.
func (w *world) afterActivation() { <-time.After(11 * time.Second) }

// logTo collects a log for tests of what it says.
func logTo(b *bytes.Buffer) *slog.Logger {
	return slog.New(slog.NewTextHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug}))
}
