package hitl_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/hitl"
)

// fakeDesk is a desk whose methods a test replaces. The others do as little as they may.
type fakeDesk struct {
	connect       func(context.Context, hitl.Installation, fakeConfig) error
	createUser    func(context.Context, hitl.CreateUserRequest) (hitl.Ref, error)
	sendMessage   func(context.Context, hitl.SendMessageRequest) (hitl.Ref, error)
	handleWebhook func(context.Context, *http.Request) (hitl.Webhook, error)
}

type fakeConfig struct {
	Token botpress.Secret `json:"token,omitempty"`
	Limit int             `json:"limit,omitempty"`
}

func (s *fakeDesk) CreateUser(ctx context.Context, r hitl.CreateUserRequest) (hitl.Ref, error) {
	if s.createUser == nil {
		return hitl.Ref{ID: "ext-1"}, nil
	}
	return s.createUser(ctx, r)
}

func (s *fakeDesk) StartHitl(context.Context, hitl.StartHitlRequest[struct{}]) (hitl.Ref, error) {
	return hitl.Ref{ID: "T-1"}, nil
}

func (s *fakeDesk) StopHitl(context.Context, hitl.StopHitlRequest) error { return nil }

func (s *fakeDesk) SendMessage(ctx context.Context, r hitl.SendMessageRequest) (hitl.Ref, error) {
	if s.sendMessage == nil {
		return hitl.Ref{ID: "C-1"}, nil
	}
	return s.sendMessage(ctx, r)
}

func (s *fakeDesk) HandleWebhook(ctx context.Context, r *http.Request) (hitl.Webhook, error) {
	if s.handleWebhook == nil {
		return hitl.Webhook{}, nil
	}
	return s.handleWebhook(ctx, r)
}

// shutDown shuts a server down when the test ends.
func shutDown(t testing.TB, s *hitl.Server) {
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
	})
}

// apiToken is a token as Botpress makes them.
const apiToken = "bp_pat_9f8e7d6c5b4a39281706"

// server serves the desk, unsigned unless the options have secrets, with the API answered by [botpressAPI] unless they
// have a client.
func (s *fakeDesk) server(t testing.TB, opts hitl.Options) *hitl.Server {
	t.Helper()
	opts.Insecure = len(opts.Secrets) == 0
	opts.Botpress.Token = apiToken
	if opts.Botpress.HTTPClient == nil {
		opts.Botpress.HTTPClient = &http.Client{Transport: botpressAPI{}}
	}
	connect := func(ctx context.Context, in hitl.Installation, c fakeConfig) (*fakeDesk, error) {
		if s.connect != nil {
			if err := s.connect(ctx, in, c); err != nil {
				return nil, err
			}
		}
		return s, nil
	}
	server, err := hitl.NewServer(hitl.Definition{Name: "fake", Version: "1.0.0", Title: "Fake Desk"}, connect, &opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Ready(); err != nil {
		t.Fatal(err)
	}
	shutDown(t, server)
	return server
}

// botpressAPI answers every call as Botpress would if everything that is asked for existed: users and conversations
// that are linked with the desk, for years.
type botpressAPI struct {
	seen func(*http.Request)
}

func (a botpressAPI) RoundTrip(r *http.Request) (*http.Response, error) {
	if a.seen != nil {
		a.seen(r)
	}
	var sent struct {
		Payload json.RawMessage `json:"payload"`
	}
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		_ = json.Unmarshal(body, &sent)
	}
	const (
		user         = `"user":{"id":"user_1","name":"Jane","tags":{"id":"ext-1"}}`
		conversation = `"conversation":{"id":"conv_1","channel":"hitl","tags":{"id":"T-1","startedAt":"1999-01-01T00:00:00.000Z"}}`
		message      = `"message":{"id":"msg_1","type":"text","payload":{},"tags":{}}`
	)
	w := httptest.NewRecorder()
	w.Header().Set("Content-Type", "application/json")
	switch path := strings.TrimPrefix(r.URL.Path, "/v1/chat/"); {
	case strings.HasPrefix(path, "users"):
		_, _ = io.WriteString(w, "{"+user+"}")
	case path == "conversations" && r.Method == http.MethodGet:
		_, _ = io.WriteString(w, `{"conversations":[],"meta":{}}`)
	case strings.HasPrefix(path, "conversations"):
		_, _ = io.WriteString(w, "{"+conversation+"}")
	case strings.HasPrefix(path, "messages"):
		_, _ = io.WriteString(w, "{"+message+"}")
	case strings.HasPrefix(path, "states"):
		_, _ = io.WriteString(w, `{"state":{"id":"state_1","payload":`+cmp.Or(string(sent.Payload), "null")+`}}`)
	case strings.HasPrefix(path, "events"):
		_, _ = io.WriteString(w, `{"event":{"id":"evt_1"}}`)
	case path == "initialize-incoming-message":
		_, _ = io.WriteString(w, "{"+user+","+conversation+","+message+"}")
	default:
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, `{"id":"err_api","code":404,"type":"ResourceNotFound","message":"there is no such thing"}`)
	}
	return w.Result(), nil
}

// The operations that most tests send.
var (
	createUser  = [2]string{"action_triggered", `{"type":"createUser","input":{"name":"Jane","email":"jane@example.com"}}`}
	webhook     = [2]string{"webhook_received", `{"req":{"method":"POST","path":"/","query":"","headers":{},"body":"hello"}}`}
	sendMessage = [2]string{"message_created", `{"type":"text","payload":{"text":"hello"},"conversation":{"id":"conv_1","channel":"hitl"},"message":{"id":"msg_1"},"user":{}}`}
	ping        = [2]string{"ping", "{}"}
)

// request is an operation as Botpress sends it, unsigned.
func request(operation [2]string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "http://acme.test/", strings.NewReader(operation[1]))
	for name, value := range map[string]string{
		"x-bp-operation": operation[0], "x-bot-id": "bot_1", "x-bot-user-id": "user_bot_1", "x-integration-id": "int_1",
		"x-integration-alias": "fake", "x-webhook-id": "wh_1", "x-bp-configuration": "e30=", "Content-Type": "application/json",
	} {
		r.Header.Set(name, value)
	}
	return r
}

// configured is the request with a configuration.
func configured(r *http.Request, configuration string) *http.Request {
	r.Header.Set("x-bp-configuration", base64.StdEncoding.EncodeToString([]byte(configuration)))
	return r
}

// signed is the request, signed now.
func signed(t testing.TB, r *http.Request, secret string) *http.Request {
	t.Helper()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	value, err := botpress.Sign(secret, time.Now(), body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set(botpress.SignatureHeader, value)
	return r
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

func ask(h http.Handler, r *http.Request) answer {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return answer{w.Code, w.Header(), w.Body.String()}
}

// failure is the API's error JSON.
type failure struct {
	ID       string          `json:"id"`
	Code     int             `json:"code"`
	Type     string          `json:"type"`
	Message  string          `json:"message"`
	Metadata json.RawMessage `json:"metadata"`
}

func (a answer) failure(t testing.TB) failure {
	t.Helper()
	var f failure
	if err := json.Unmarshal([]byte(a.body), &f); err != nil {
		t.Fatalf("the answer %d %q is no error: %v", a.status, a.body, err)
	}
	return f
}
