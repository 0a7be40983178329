package playground

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"

	"github.com/hitl-go/sdk/botpress/botpresstest"
	"github.com/hitl-go/sdk/message"
)

// maxOrder bounds what a page asks for, in bytes.
const maxOrder = 1 << 20

// order is something that a page asks for, described by a body. What comes of it is told by events, unless there is an
// answer.
type order func(ctx context.Context, body *json.Decoder) (answer any, err error)

// silent is an order without an answer.
func silent(do func(context.Context, *json.Decoder) error) order {
	return func(ctx context.Context, body *json.Decoder) (any, error) { return nil, do(ctx, body) }
}

func serveOrder(w http.ResponseWriter, r *http.Request, do order) {
	// A form of another site cannot have this type.
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/json" {
		refuse(w, http.StatusUnsupportedMediaType, errors.New("only JSON is understood here"))
		return
	}
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxOrder))
	switch answer, err := do(r.Context(), decoder); {
	case err != nil:
		refuse(w, http.StatusBadRequest, err)
	case answer != nil:
		writeJSON(w, http.StatusOK, answer)
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}

func (p *playground) doSay(ctx context.Context, body *json.Decoder) error {
	var m message.Envelope
	if err := body.Decode(&m); err != nil {
		return fmt.Errorf("the message is no JSON: %w", err)
	}
	if u, ok := m.Message.(message.Unknown); ok && u.Kind == "" {
		return errors.New("a message needs a type and a payload")
	}
	return p.say(ctx, m.Message)
}

func (p *playground) doEscalate(ctx context.Context, body *json.Decoder) error {
	var order struct {
		Title       string          `json:"title"`
		Description string          `json:"description"`
		Session     json.RawMessage `json:"session"`
	}
	if err := body.Decode(&order); err != nil {
		return err
	}
	if now := p.session(); now.Active || now.Waiting {
		return errActive
	}
	// Without a word since the last session, the plugin does nothing.
	if err := p.sayOnly(ctx, message.Text{Text: "I would like to talk to a human."}); err != nil {
		return err
	}
	e := botpresstest.Escalation{Title: order.Title, Description: order.Description}
	if len(order.Session) > 0 {
		e.Session = order.Session
	}
	return p.escalate(e)
}

func (p *playground) doRestart(context.Context, *json.Decoder) error {
	p.invite() //nolint:contextcheck // The next one stays longer than the request.
	p.view.touch()
	return nil
}

func (p *playground) doDesk(ctx context.Context, body *json.Decoder) error {
	var order struct {
		Do     string `json:"do"`
		Ticket string `json:"ticket"`
		Agent  string `json:"agent"`
		Text   string `json:"text"`
	}
	if err := body.Decode(&order); err != nil {
		return err
	}
	defer p.view.touch()
	switch order.Do {
	case "assign":
		return p.desk.Assign(ctx, order.Ticket, order.Agent)
	case "reply":
		return p.desk.Reply(ctx, order.Ticket, order.Agent, order.Text)
	case "note":
		return p.desk.Note(ctx, order.Ticket, order.Agent, order.Text)
	case "resolve":
		return p.desk.Resolve(ctx, order.Ticket, order.Agent)
	}
	return fmt.Errorf("an agent cannot %q", order.Do)
}

func (p *playground) doWebhook(ctx context.Context, body *json.Decoder) (any, error) {
	var order struct {
		Webhook

		Ticket string `json:"ticket"`
	}
	if err := body.Decode(&order); err != nil {
		return nil, err
	}
	fill := p.placeholders(order.Ticket)
	header := http.Header{}
	for name, value := range order.Header {
		header.Set(name, fill(value))
	}
	if order.Method == "" {
		order.Method = http.MethodPost
	}
	return p.webhook(ctx, order.Method, fill(order.Path), header, []byte(fill(order.Body)))
}

func (p *playground) doAgain(ctx context.Context, body *json.Decoder) (any, error) {
	var order struct {
		Seq uint64 `json:"seq"`
	}
	if err := body.Decode(&order); err != nil {
		return nil, err
	}
	return p.again(ctx, order.Seq)
}

func (p *playground) doFaults(_ context.Context, body *json.Decoder) error {
	var order struct {
		Name string `json:"name"`
		On   bool   `json:"on"`
	}
	if err := body.Decode(&order); err != nil {
		return err
	}
	if err := p.faults.set(order.Name, order.On); err != nil {
		return err
	}
	p.view.setFault(order.Name, order.On)
	return nil
}
