package hitl

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"golang.org/x/sync/singleflight"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/internal/wire"
)

// call is one operation at work: for which installation, with which adapter.
type call struct {
	*Server
	in      Installation
	adapter Integration[any]
	client  *botpress.Client // the installation's
}

// operate runs one operation. The table of operations is here.
func (s *Server) operate(ctx context.Context, op wire.Operation, header http.Header, body []byte) (response, error) {
	in, configuration, err := s.installation(header)
	if err != nil {
		return response{}, err
	}
	observed(ctx).configuration = configuration
	ctx = botpress.ContextWithTrace(ctx, traceOf(header))

	var run func(*call, context.Context, []byte) (response, error)
	switch op {
	case wire.ActionTriggered:
		run = (*call).action
	case wire.MessageCreated:
		run = (*call).messageCreated
	case wire.WebhookReceived:
		run = (*call).webhookReceived
	case wire.Register:
		run = (*call).register
	case wire.Unregister:
		run = (*call).unregister
	case wire.MessageUpdated:
		return s.messageUpdated(body)
	case wire.Ping, wire.CreateUser, wire.CreateConversation, wire.ConversationUpdated:
		return jsonResponse(struct{}{}) // nothing to do: the answer says that we are here
	default:
		return response{}, invalidf("Unknown operation %s", op)
	}
	if len(body) == 0 {
		return response{}, invalidf("Missing body")
	}
	c, err := s.call(ctx, in, configuration)
	if err != nil {
		return response{}, err
	}
	return run(c, ctx, body)
}

// installation reads the context that Botpress sends in headers.
func (s *Server) installation(header http.Header) (Installation, json.RawMessage, error) {
	var in Installation
	var op string
	for _, h := range []struct {
		name string
		into *string
	}{
		{wire.HeaderBotID, &in.BotID},
		{wire.HeaderBotUserID, &in.BotUserID},
		{wire.HeaderIntegrationID, &in.IntegrationID},
		{wire.HeaderIntegrationAlias, &in.Alias},
		{wire.HeaderWebhookID, &in.WebhookID},
		{wire.HeaderOperation, &op},
	} {
		if *h.into = header.Get(h.name); *h.into == "" {
			return in, nil, invalidf("the header %s is missing", strings.ToLower(h.name))
		}
		if !printable(*h.into) {
			return in, nil, invalidf("the header %s has characters that no such value has", strings.ToLower(h.name))
		}
	}
	in.ConfigurationType = header.Get(wire.HeaderConfigurationType)

	configuration, err := decodeConfiguration(header.Get(wire.HeaderConfiguration))
	if err != nil {
		return in, nil, err
	}
	in.Logger = redacted(s.log.With("bot", in.BotID, "integration", in.IntegrationID, "alias", in.Alias), configuration)
	in.Client = s.client.With(botpress.Scope{BotID: in.BotID, IntegrationID: in.IntegrationID, IntegrationAlias: in.Alias})
	in.State = State{client: in.Client, integrationID: in.IntegrationID}
	return in, configuration, nil
}

// traceOf reads the trace, which travels on to the API. One that is malformed is none, as its standard says.
func traceOf(header http.Header) botpress.Trace {
	t := botpress.Trace{Parent: header.Get(wire.HeaderTraceParent), State: header.Get(wire.HeaderTraceState)}
	if !printable(t.Parent) {
		return botpress.Trace{}
	}
	if !printable(t.State) {
		t.State = ""
	}
	return t
}

// printable tells whether a header of a request to the API can carry s: incoming ones carry more.
func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}

// isID tells whether s can be an id in Botpress: an empty one and dots would make another path of a request's.
func isID(s string) bool { return s != "" && s != "." && s != ".." }

// decodeConfiguration reads base64, of either alphabet and with or without padding as the reference does, of JSON.
func decodeConfiguration(header string) (json.RawMessage, error) {
	if header == "" {
		return nil, invalidf("the header %s is missing", strings.ToLower(wire.HeaderConfiguration))
	}
	plain := strings.TrimRight(strings.NewReplacer("-", "+", "_", "/").Replace(header), "=")
	raw, err := base64.RawStdEncoding.DecodeString(plain)
	if err != nil || !json.Valid(raw) {
		return nil, invalidf("the header %s is not base64 of JSON", strings.ToLower(wire.HeaderConfiguration))
	}
	return raw, nil
}

// connection is an adapter that serves an installation under one configuration.
type connection struct{ adapter Integration[any] }

// call finds or makes the adapter. Its making is shared by all who wait for it, so it has a deadline of its
// own and does not end with the request that happened to come first.
func (s *Server) call(ctx context.Context, in Installation, configuration json.RawMessage) (*call, error) {
	sum := sha256.Sum256(configuration)
	key := strings.Join([]string{in.WebhookID, in.BotID, in.BotUserID, in.IntegrationID, in.Alias, in.ConfigurationType, hex.EncodeToString(sum[:])}, " ")
	if c, ok := s.connections.Get(key); ok {
		return &call{Server: s, in: in, adapter: c.adapter, client: in.Client}, nil
	}
	if err := s.checkConfiguration(in.ConfigurationType, configuration); err != nil {
		return nil, err
	}
	connect, err := s.configure(configuration)
	if err != nil {
		return nil, err
	}
	made := make(chan singleflight.Result, 1)
	s.waiting.Go(func() {
		c, err, shared := s.connecting.Do(key, func() (any, error) { return s.connect(ctx, connect, in, key) })
		made <- singleflight.Result{Val: c, Err: err, Shared: shared}
	})
	select {
	case <-ctx.Done():
		return nil, fmt.Errorf("hitl: connect to the desk: %w", context.Cause(ctx))
	case res := <-made:
		if res.Err != nil {
			return nil, res.Err
		}
		return &call{Server: s, in: in, adapter: res.Val.(*connection).adapter, client: in.Client}, nil
	}
}

func (s *Server) connect(ctx context.Context, connect connector, in Installation, key string) (c *connection, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = panicked(v)
		}
	}()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.opts.Timeout)
	defer cancel()
	adapter, err := connect(ctx, in)
	if err != nil {
		return nil, err
	}
	c = &connection{adapter}
	s.connections.Add(key, c)
	return c, nil
}

// decodeAction reads which action is asked for, and refuses what names none with the words of the reference.
func decodeAction(body []byte) (wire.Action, error) {
	var a struct {
		Type  any             `json:"type"`
		Input json.RawMessage `json:"input"`
	}
	err := json.Unmarshal(body, &a)
	var mismatch *json.UnmarshalTypeError
	switch {
	case errors.As(err, &mismatch): // JSON, but no object
	case err != nil:
		return wire.Action{}, invalidf("the body is not valid: %w", err)
	case a.Type != nil && a.Type != "" && a.Type != false && a.Type != 0.0:
		return wire.Action{Type: fmt.Sprint(a.Type), Input: a.Input}, nil
	}
	return wire.Action{}, invalidf("Missing action type")
}

func (c *call) register(ctx context.Context, body []byte) (response, error) {
	return c.registration(ctx, body, Registrar.Register)
}

func (c *call) unregister(ctx context.Context, body []byte) (response, error) {
	return c.registration(ctx, body, Registrar.Unregister)
}

func (c *call) registration(ctx context.Context, body []byte, do func(Registrar, context.Context, string) error) (response, error) {
	var b wire.Registration
	if err := decode(body, &b); err != nil {
		return response{}, err
	}
	if r, ok := adapterAs[Registrar](c.adapter); ok {
		if err := do(r, ctx, b.WebhookURL); err != nil {
			return response{}, err
		}
	}
	return jsonResponse(struct{}{})
}

// messageUpdated acknowledges what no adapter handles; only the channel must be ours, as with the reference.
func (s *Server) messageUpdated(body []byte) (response, error) {
	var b wire.Message
	if err := decode(body, &b); err != nil {
		return response{}, err
	}
	if err := s.checkChannel(b.Conversation.Channel); err != nil {
		return response{}, err
	}
	return jsonResponse(struct{}{})
}

func (s *Server) checkChannel(channel string) error {
	if channel == "" {
		return invalidf("the body has no conversation with a channel")
	}
	if channel != s.def.Names.Channel {
		return invalidf("Channel %s not found", channel)
	}
	return nil
}

// untyped hides the session type of an adapter: the server hands over the session as any, which holds a Session.
type untyped[Session any] struct{ Integration[Session] }

func (u untyped[Session]) StartHitl(ctx context.Context, r StartHitlRequest[any]) (Ref, error) {
	session, _ := r.Session.(Session) // the zero value if Session is an interface and holds nothing
	return u.Integration.StartHitl(ctx, StartHitlRequest[Session]{
		ConversationID: r.ConversationID,
		UserID:         r.UserID,
		User:           r.User,
		Title:          r.Title,
		Description:    r.Description,
		Session:        session,
		History:        r.History,
		name:           r.name,
	})
}

func (u untyped[Session]) unwrap() any { return u.Integration }

// adapterAs finds an optional interface of the author's adapter.
func adapterAs[T any](adapter Integration[any]) (T, bool) {
	if u, ok := adapter.(interface{ unwrap() any }); ok {
		t, ok := u.unwrap().(T)
		return t, ok
	}
	t, ok := adapter.(T)
	return t, ok
}

// decode reads a body of Botpress', leniently: it may have grown keys that we do not know.
func decode(body []byte, v any) error {
	if err := json.Unmarshal(body, v); err != nil {
		return invalidf("the body is not valid: %w", err)
	}
	if bytes.Equal(bytes.TrimSpace(body), []byte("null")) {
		return invalidf("the body is not valid: it has null where an object belongs")
	}
	return nil
}

// decodeStrictly reads what a bot's builder has typed in, into a type of the author's.
func decodeStrictly[T any](raw json.RawMessage) (T, error) {
	var v T
	if len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
		return v, nil
	}
	err := json.Unmarshal(raw, &v)
	return v, err
}
