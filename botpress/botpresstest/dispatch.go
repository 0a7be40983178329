package botpresstest

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/hitl-go/sdk/internal/sleep"
)

// The operations that are sent to integrations.
const (
	opRegister        = "register"
	opUnregister      = "unregister"
	opPing            = "ping"
	opActionTriggered = "action_triggered"
	opMessageCreated  = "message_created"
	opWebhookReceived = "webhook_received"
)

// delivery is an operation on its way to an integration.
type delivery struct {
	in      *Installation
	op      string
	kind    string // Of the action or the message.
	body    []byte
	parent  string // The traceparent; all attempts are of one trace.
	attempt int
}

// answer is an integration's response.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// errLost is the cause of the error when a fault has dropped an operation or its response.
var errLost = errors.New("lost on the way")

func (in *Installation) delivery(op, kind string, body any) (delivery, error) {
	data, err := json.Marshal(body)
	if err != nil {
		return delivery{}, fmt.Errorf("botpresstest: the body of %s cannot be written as JSON: %w", op, err)
	}
	s := in.server
	s.mu.Lock()
	defer s.mu.Unlock()
	parent := fmt.Sprintf("00-%016x%016x-%016x-01", s.rand.Uint64(), s.rand.Uint64()|1, s.rand.Uint64()|1)
	return delivery{in: in, op: op, kind: kind, body: data, parent: parent, attempt: 1}, nil
}

// deliver sends an operation and retries it until the integration responds with 2xx or 4xx, at most Options.Attempts times
// in all. A response that is not 2xx is an [*Error].
func (in *Installation) deliver(ctx context.Context, op, kind string, body any) (answer, error) {
	d, err := in.delivery(op, kind, body)
	if err != nil {
		return answer{}, err
	}
	for {
		a, err := d.send(ctx)
		transient := err != nil || a.status >= 500
		if err == nil {
			err = d.refusal(a)
		}
		if !transient || d.attempt == in.server.opts.Attempts {
			return a, err
		}
		if stopped := sleep.For(ctx, time.Duration(d.attempt)*in.server.opts.RetryDelay); stopped != nil {
			return a, errors.Join(err, stopped)
		}
		d.attempt++
	}
}

// once sends an operation without retries.
func (in *Installation) once(ctx context.Context, op string, body any) error {
	d, err := in.delivery(op, "", body)
	if err != nil {
		return err
	}
	a, err := d.send(ctx)
	if err == nil {
		err = d.refusal(a)
	}
	return err
}

// send makes one attempt, with the faults that are due.
func (d delivery) send(ctx context.Context) (answer, error) {
	s := d.in.server
	call := Call{
		Kind: DispatchCall, Operation: d.op, Installation: d.in.Alias, Method: http.MethodPost, Path: d.in.url(), Type: d.kind,
		Attempt: d.attempt, Request: d.body, At: time.Now(), TraceID: traceID(d.parent),
	}
	fault := s.faultFor(d.op, DispatchCall)
	call.Fault = fault.Kind
	var a answer
	var err error
	switch fault.Kind {
	case DropBefore, Reset:
		err = errLost
	case RateLimited, Unavailable, InternalError:
		refusal := s.identified(fault.err())
		a.status = refusal.Status
		a.body, err = json.Marshal(refusal.body())
	case Duplicate:
		s.mu.Lock()
		s.background(func(ctx context.Context) {
			if _, err := d.post(ctx); err != nil {
				s.log.DebugContext(ctx, "a duplicate has not arrived", "operation", d.op, "error", err)
			}
		})
		s.mu.Unlock()
		a, err = d.post(ctx)
	case DropAfter:
		if _, err = d.post(ctx); err == nil {
			err = errLost
		}
	case BadGateway:
		if a, err = d.post(ctx); err == nil {
			a = answer{status: http.StatusBadGateway, body: []byte(badGateway)}
		}
	case Delay:
		if err = sleep.For(ctx, fault.Delay); err == nil {
			a, err = d.post(ctx)
		}
	default:
		a, err = d.post(ctx)
	}
	if err != nil {
		err = fmt.Errorf("%s did not get through to %s: %w", d.op, d.in.Alias, err)
	}
	call.Status, call.Response, call.Took = a.status, a.body, time.Since(call.At)
	s.record(call)
	return a, err
}

func (d delivery) post(ctx context.Context) (answer, error) {
	s := d.in.server
	ctx, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.in.url(), bytes.NewReader(d.body))
	if err != nil {
		return answer{}, err
	}
	if err := d.setHeaders(req.Header); err != nil {
		return answer{}, err
	}
	res, err := s.client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxBody))
	if err != nil {
		return answer{}, err
	}
	return answer{status: res.StatusCode, header: res.Header, body: body}, nil
}

func (d delivery) setHeaders(h http.Header) error {
	in := d.in
	in.server.mu.Lock()
	config := base64.StdEncoding.EncodeToString(in.config)
	now := in.server.clock.now()
	if d.op == opRegister || d.op == opUnregister { // nobody saves twice in a millisecond, whatever a bubble's clock says
		if next := in.registered.Add(time.Millisecond); now.Before(next) {
			now = next
		}
		in.registered = now
	}
	secrets := in.secrets(now)
	in.server.mu.Unlock()
	h.Set("Content-Type", "application/json")
	h.Set("x-bp-operation", d.op)
	h.Set("x-bot-id", in.server.BotID)
	h.Set("x-bot-user-id", in.server.BotID)
	h.Set("x-integration-id", in.IntegrationID)
	h.Set("x-integration-alias", in.Alias)
	h.Set("x-webhook-id", in.WebhookID)
	h.Set("x-bp-configuration", config)
	if in.ConfigurationType != "" {
		h.Set("x-bp-configuration-type", in.ConfigurationType)
	}
	h.Set("traceparent", d.parent)
	if len(secrets) == 0 {
		return nil
	}
	signature, err := sign(secrets, d.body, now)
	if err == nil {
		h.Set("x-bp-signature", signature)
	}
	return err
}

// refusal is the error in a response that is not 2xx.
func (d delivery) refusal(a answer) error {
	if a.status >= 200 && a.status < 300 {
		return nil
	}
	var body struct {
		ID      string `json:"id"`
		Type    string `json:"type"`
		Message string `json:"message"`
	}
	if json.Unmarshal(a.body, &body) != nil || body.Type == "" {
		body.Type, body.Message = "Unknown", fmt.Sprintf("%.200q", a.body)
	}
	err := &Error{Status: a.status, ID: body.ID, Type: body.Type, Message: body.Message}
	return fmt.Errorf("%s of %s answered %w", d.op, d.in.Alias, err)
}

// act triggers an action and decodes its output.
func (in *Installation) act(ctx context.Context, action string, input, output any) error {
	a, err := in.deliver(ctx, opActionTriggered, action, map[string]any{"type": action, "input": input})
	if err != nil {
		return err
	}
	var body struct {
		Output json.RawMessage `json:"output"`
	}
	if err := json.Unmarshal(a.body, &body); err != nil || object("output", body.Output) != nil {
		return fmt.Errorf("the action %s of %s answered no output: %.200q", action, in.Alias, a.body)
	}
	if err := json.Unmarshal(body.Output, output); err != nil {
		return fmt.Errorf("the output of the action %s of %s has the wrong shape: %w", action, in.Alias, err)
	}
	return nil
}
