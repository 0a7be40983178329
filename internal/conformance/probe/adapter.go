package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/message"
)

// newServer makes the probe's server.
func newServer(opts hitl.Options) (*hitl.Server, error) {
	opts.Botpress.HTTPClient = recording(opts.Botpress.HTTPClient)
	def := hitl.Definition{Name: "acme-desk", Version: "1.0.0", Title: "Probe", Description: "Does what it is told."}
	connect := func(_ context.Context, in hitl.Installation, configuration json.RawMessage) (*adapter, error) {
		return &adapter{in, configuration}, nil
	}
	s, err := hitl.NewServer(def, connect, &opts)
	if err != nil {
		return nil, err
	}
	return s, errors.Join(
		hitl.AddAction(s, hitl.Action{Name: "echo"}, echo),
		hitl.AddAction(s, hitl.Action{Name: "cost"}, cost),
		hitl.AddAction(s, hitl.Action{Name: "returnNull"}, returnNull),
		hitl.AddAction(s, hitl.Action{Name: "returnArray"}, returnArray),
		hitl.AddAction(s, hitl.Action{Name: "callApi"}, callAPI),
	)
}

type adapter struct {
	in            hitl.Installation
	configuration json.RawMessage
}

func (*adapter) CreateUser(_ context.Context, r hitl.CreateUserRequest) (hitl.Ref, error) {
	return hitl.Ref{ID: "ext-" + r.UserID}, told(r.Name)
}

func (*adapter) StartHitl(_ context.Context, r hitl.StartHitlRequest[struct{}]) (hitl.Ref, error) {
	return hitl.Ref{ID: "ext-" + r.ConversationID}, told(r.Title)
}

func (*adapter) StopHitl(_ context.Context, r hitl.StopHitlRequest) error {
	return told(r.ConversationID)
}

func (*adapter) SendMessage(_ context.Context, r hitl.SendMessageRequest) (hitl.Ref, error) {
	text, ok := r.Message.(message.Text)
	if !ok {
		return hitl.Ref{}, nil
	}
	id, _ := strings.CutPrefix(text.Text, "ack:")
	if id == text.Text {
		id = ""
	}
	return hitl.Ref{ID: id}, told(text.Text)
}

func (*adapter) Register(_ context.Context, webhookURL string) error { return told(webhookURL) }

func (*adapter) Unregister(_ context.Context, webhookURL string) error { return told(webhookURL) }

func (*adapter) HandleWebhook(_ context.Context, r *http.Request) (hitl.Webhook, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return hitl.Webhook{}, err
	}
	if err := told(string(body)); err != nil {
		return hitl.Webhook{}, err
	}
	reply, err := replyTo(r, body)
	return reply, err
}

// replyTo answers in the way that the path asks for.
func replyTo(r *http.Request, body []byte) (hitl.Webhook, error) {
	switch r.URL.Path {
	case "/echo":
		echo, err := echoRequest(r, body)
		return hitl.Webhook{Header: http.Header{"Content-Type": {"application/json"}, "X-Echo": {"1"}}, Body: echo}, err
	case "/teapot":
		return hitl.Webhook{
			Status: http.StatusTeapot, Header: http.Header{"X-Tea": {"earl grey"}, "Content-Type": {"text/plain"}},
			Body: []byte("short and stout"),
		}, nil
	case "/nothing":
		return hitl.Webhook{}, nil
	case "/empty-object":
		return hitl.Webhook{}, nil
	case "/headers-only":
		return hitl.Webhook{Header: http.Header{"Location": {"https://example.com/"}}}, nil
	case "/body-only":
		return hitl.Webhook{Body: []byte("hello")}, nil
	case "/redirect":
		return hitl.Webhook{
			Status: http.StatusFound, Header: http.Header{"Location": {"https://example.com/next"}}, Body: []byte{},
		}, nil
	case "/204":
		return hitl.Webhook{Status: http.StatusNoContent}, nil
	case "/error":
		return hitl.Webhook{Status: http.StatusInternalServerError, Body: []byte("handler-made 500")}, nil
	default:
		if r.Body == http.NoBody {
			body = []byte("<no body>")
		}
		return hitl.Webhook{Body: append([]byte("ok:"), body...)}, nil
	}
}

// echoRequest writes a request as Botpress does.
func echoRequest(r *http.Request, body []byte) ([]byte, error) {
	path, _, _ := strings.Cut(r.RequestURI, "?")
	headers := map[string]string{}
	for name := range r.Header {
		headers[strings.ToLower(name)] = r.Header.Get(name)
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(struct {
		Method  string            `json:"method"`
		Path    string            `json:"path"`
		Query   string            `json:"query"`
		Headers map[string]string `json:"headers"`
		Body    string            `json:"body,omitempty"`
	}{r.Method, path, r.URL.RawQuery, headers, string(body)})
	return bytes.TrimSpace(out.Bytes()), err
}

// told fails if the text says so, in the way that it says.
func told(text string) error {
	kind, ok := strings.CutPrefix(text, "throw:")
	if !ok {
		return nil
	}
	api := func(status int, t botpress.ErrorType, message string) error {
		return &botpress.Error{Status: status, Type: t, Message: message}
	}
	switch kind {
	case "runtime":
		return hitl.Errorf("custom runtime message")
	case "runtime-id-meta":
		return &hitl.Error{Message: "custom runtime message", ID: "err_custom_id", Metadata: json.RawMessage(`{"reason":"quota","n":1}`)}
	case "runtime-cause":
		return &hitl.Error{Message: "outer message", Err: errors.New("inner cause")}
	case "invalid-payload":
		return &hitl.Error{Message: "bad thing in payload", Type: botpress.TypeInvalidPayload}
	case "type-error":
		panic("told to panic")
	case "not-found":
		return api(404, botpress.TypeResourceNotFound, "ticket not found")
	case "unauthorized":
		return api(401, botpress.TypeUnauthorized, "token is wrong")
	case "forbidden":
		return api(403, botpress.TypeForbidden, "not yours")
	case "rate-limited":
		return api(429, botpress.TypeRateLimited, "slow down")
	case "internal":
		return api(500, botpress.TypeInternal, "internal thing")
	case "unknown":
		return api(500, botpress.TypeUnknown, "unknown thing")
	default:
		return errors.New("told to fail: " + kind)
	}
}
