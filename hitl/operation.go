package hitl

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/internal/strictjson"
	"github.com/hitl-go/sdk/internal/wire"
)

// operation is one request from Botpress: what is asked for, by which installation.
type operation struct {
	name          wire.Operation
	in            Installation
	configuration string // as the header has it
	body          []byte
}

// run runs an operation on the connection of its installation.
func (op operation) run(ctx context.Context, s *Server) (response, error) {
	var handle func(*connection, context.Context, []byte) (response, error)
	switch op.name {
	case wire.ActionTriggered:
		handle = (*connection).action
	case wire.MessageCreated:
		handle = (*connection).messageCreated
	case wire.WebhookReceived:
		handle = (*connection).webhookReceived
	case wire.Register:
		handle = (*connection).register
	case wire.Unregister:
		handle = (*connection).unregister
	case wire.MessageUpdated, wire.ConversationUpdated, wire.Ping, wire.CreateUser, wire.CreateConversation:
		return s.acknowledge(op)
	default:
		return response{}, invalidf("Unknown operation %s", op.name)
	}
	if len(op.body) == 0 {
		return response{}, invalidf("Missing body")
	}
	c, err := s.adapters.acquire(ctx, op.in, op.configuration)
	if err != nil {
		return s.unconnected(ctx, op, err)
	}
	defer s.adapters.done(c)
	observed(ctx).mask.Store(c.mask)
	return handle(c, ctx, op.body)
}

func (c *connection) messageCreated(ctx context.Context, body []byte) (response, error) {
	if err := c.toDesk.messageCreated(ctx, body); err != nil {
		return response{}, err
	}
	return nothing, nil
}

// acknowledge answers operations that no adapter handles. As with Botpress' SDK, the channel of an update must be ours.
func (s *Server) acknowledge(op operation) (response, error) {
	if _, err := decodeConfiguration(op.configuration); err != nil {
		return response{}, err
	}
	var updated string
	switch op.name {
	case wire.MessageUpdated:
		var b wire.Message
		if err := decode(op.body, &b); err != nil {
			return response{}, err
		}
		updated = b.Conversation.Channel
	case wire.ConversationUpdated:
		var b wire.ConversationUpdate
		if err := decode(op.body, &b); err != nil {
			return response{}, err
		}
		updated = b.Current.Channel
	default: // the answer says that we are here
		return nothing, nil
	}
	if err := s.def.checkChannel(updated); err != nil {
		return response{}, err
	}
	return nothing, nil
}

// readContext reads what Botpress sends in headers.
func readContext(header http.Header) (operation, error) {
	for _, name := range required {
		if value := wire.Get(header, name); value == "" {
			return operation{}, invalidf("the header %s is missing", strings.ToLower(name))
		} else if !printable(value) {
			return operation{}, invalidf("the header %s has a control character or one outside ASCII", strings.ToLower(name))
		}
	}
	return operation{
		name: wire.Operation(wire.Get(header, wire.HeaderOperation)),
		in: Installation{
			BotID: wire.Get(header, wire.HeaderBotID), BotUserID: wire.Get(header, wire.HeaderBotUserID),
			IntegrationID: wire.Get(header, wire.HeaderIntegrationID), Alias: wire.Get(header, wire.HeaderIntegrationAlias),
			WebhookID: wire.Get(header, wire.HeaderWebhookID), ConfigurationType: wire.Get(header, wire.HeaderConfigurationType),
		},
		configuration: wire.Get(header, wire.HeaderConfiguration),
	}, nil
}

// required are the headers that each operation has.
var required = [...]string{
	wire.HeaderBotID, wire.HeaderBotUserID, wire.HeaderIntegrationID, wire.HeaderIntegrationAlias, wire.HeaderWebhookID,
	wire.HeaderOperation, wire.HeaderConfiguration,
}

// traceOf reads the trace, which travels on to the API. A malformed one is ignored, as its standard says.
func traceOf(header http.Header) botpress.Trace {
	t := botpress.Trace{Parent: wire.Get(header, wire.HeaderTraceParent), State: wire.Get(header, wire.HeaderTraceState)}
	if !printable(t.Parent) {
		return botpress.Trace{}
	}
	if !printable(t.State) {
		t.State = ""
	}
	return t
}

// printable reports whether a header of a request to the API can carry s: incoming ones carry more.
func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}

// isID reports whether s can be an id in Botpress. An empty one or dots would make another path of a request's.
func isID(s string) bool { return s != "" && s != "." && s != ".." }

var standardAlphabet = strings.NewReplacer("-", "+", "_", "/")

// decodeConfiguration reads base64, of either alphabet and with or without padding as Botpress' SDK does, of JSON.
func decodeConfiguration(header string) (json.RawMessage, error) {
	plain := strings.TrimRight(standardAlphabet.Replace(header), "=")
	raw, err := base64.RawStdEncoding.DecodeString(plain)
	if err != nil || !json.Valid(raw) {
		return nil, invalidf("the header %s is not base64 of JSON", strings.ToLower(wire.HeaderConfiguration))
	}
	return raw, nil
}

// decode reads a body of Botpress', leniently: it may have grown keys that we do not know.
func decode(body []byte, v any) error {
	if err := strictjson.Unmarshal(body, v); err != nil {
		return invalidf("the body is not valid: %w", err)
	}
	if bytes.Equal(bytes.TrimSpace(body), []byte("null")) {
		return invalidf("the body is not valid: it has null where an object belongs")
	}
	return nil
}

// decodeAs reads what a bot's builder has entered into a type of the author's.
func decodeAs[T any](raw json.RawMessage) (T, error) {
	var v T
	if len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
		return v, nil
	}
	err := strictjson.Unmarshal(raw, &v)
	return v, err
}
