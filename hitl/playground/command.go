package playground

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/hitl-go/sdk/botpress/botpresstest"
	"github.com/hitl-go/sdk/message"
)

// maxCommand is the largest body of a command, in bytes.
const maxCommand = 1 << 20

// command is a POST request of the page. Its effects reach the page as events, its answer as the response.
type command func(ctx context.Context, body *json.Decoder) (answer any, err error)

// withoutAnswer makes a command that has no answer.
func withoutAnswer(do func(context.Context, *json.Decoder) error) command {
	return func(ctx context.Context, body *json.Decoder) (any, error) { return nil, do(ctx, body) }
}

func serveCommand(w http.ResponseWriter, r *http.Request, do command) {
	// Forms of other sites cannot have this content type.
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/json" {
		refuse(w, http.StatusUnsupportedMediaType, errors.New("the content type must be application/json"))
		return
	}
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxCommand))
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
		return fmt.Errorf("the message is not valid JSON: %w", err)
	}
	if u, ok := m.Message.(message.Unknown); ok && u.Kind == "" {
		return errors.New("a message needs a type and a payload")
	}
	return p.say(ctx, m.Message)
}

func (p *playground) doEscalate(ctx context.Context, body *json.Decoder) error {
	var command struct {
		Title       string          `json:"title"`
		Description string          `json:"description"`
		Session     json.RawMessage `json:"session"`
	}
	if err := body.Decode(&command); err != nil {
		return err
	}
	if now := p.session(); now.Active || now.Waiting {
		return errActive
	}
	// The plugin starts a session only if there was a message since the last one.
	if err := p.sayOnly(ctx, message.Text{Text: "I would like to talk to a human."}); err != nil {
		return err
	}
	e := botpresstest.Escalation{Title: command.Title, Description: command.Description}
	if len(command.Session) > 0 {
		e.Session = command.Session
	}
	return p.escalate(e)
}

func (p *playground) doRestart(context.Context, *json.Decoder) error {
	p.nextEndUser() //nolint:contextcheck // The end user outlives the request.
	p.view.touch()
	return nil
}

func (p *playground) doDesk(ctx context.Context, body *json.Decoder) error {
	var command struct {
		Do     string `json:"do"`
		Ticket string `json:"ticket"`
		Agent  string `json:"agent"`
		Text   string `json:"text"`
	}
	if err := body.Decode(&command); err != nil {
		return err
	}
	defer p.view.touch()
	switch command.Do {
	case "assign":
		return p.desk.Assign(ctx, command.Ticket, command.Agent)
	case "reply":
		return p.desk.Reply(ctx, command.Ticket, command.Agent, command.Text)
	case "note":
		return p.desk.Note(ctx, command.Ticket, command.Agent, command.Text)
	case "resolve":
		return p.desk.Resolve(ctx, command.Ticket, command.Agent)
	}
	return fmt.Errorf("an agent cannot %q", command.Do)
}

func (p *playground) doWebhook(ctx context.Context, body *json.Decoder) (any, error) {
	var command struct {
		Webhook

		Ticket string `json:"ticket"`
	}
	if err := body.Decode(&command); err != nil {
		return nil, err
	}
	fill := p.placeholders(command.Ticket)
	header := http.Header{}
	for name, value := range command.Header {
		header.Set(name, fill(value, asItIs))
	}
	path, query, asked := strings.Cut(command.Path, "?")
	path = fill(path, url.PathEscape)
	if asked {
		path += "?" + fill(query, url.QueryEscape)
	}
	if command.Method == "" {
		command.Method = http.MethodPost
	}
	return p.webhook(ctx, command.Method, path, header, []byte(fill(command.Body, escaping(header.Get("Content-Type")))))
}

func (p *playground) doAgain(ctx context.Context, body *json.Decoder) (any, error) {
	var command struct {
		Seq uint64 `json:"seq"`
	}
	if err := body.Decode(&command); err != nil {
		return nil, err
	}
	return p.redeliver(ctx, command.Seq)
}

func (p *playground) doFaults(_ context.Context, body *json.Decoder) error {
	var command struct {
		Name string `json:"name"`
		On   bool   `json:"on"`
	}
	if err := body.Decode(&command); err != nil {
		return err
	}
	if err := p.faults.set(command.Name, command.On); err != nil {
		return err
	}
	p.view.setFault(command.Name, command.On)
	return nil
}
