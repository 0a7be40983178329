package hitl

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/internal/wire"
	"github.com/hitl-go/sdk/message"
)

// webhookReceived asks the adapter what a request meant, passes the events on and answers the sender.
// It answers 2xx only when all is done, so that the desk tries again otherwise: what was done before is then
// recognised and not done twice.
func (c *call) webhookReceived(ctx context.Context, body []byte) (response, error) {
	var b wire.Webhook
	if err := decode(body, &b); err != nil {
		return response{}, err
	}
	if b.Request == nil {
		return response{}, invalidf("the body has no req")
	}
	r, err := rebuild(ctx, b.Request)
	if err != nil {
		return response{}, err
	}
	hook, err := c.adapter.HandleWebhook(ctx, r)
	if err != nil {
		return response{}, err
	}
	for i, e := range hook.Events {
		if err := c.apply(ctx, e, fallbackID(b.Request, i)); err != nil {
			return response{}, err
		}
	}
	return reply(hook.Reply)
}

// rebuild makes the request that the desk sent, byte for byte, so that any verifier of signatures works on it.
func rebuild(ctx context.Context, w *wire.WebhookRequest) (*http.Request, error) {
	path := w.Path
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	target, err := url.ParseRequestURI(path)
	if err != nil {
		return nil, invalidf("the webhook's path is not valid: %w", err)
	}
	target.RawQuery = w.Query
	r, err := http.NewRequestWithContext(ctx, w.Method, target.String(), strings.NewReader(w.Body))
	if err != nil {
		return nil, invalidf("the webhook's request is not valid: %w", err)
	}
	r.URL = target
	r.RequestURI = target.RequestURI()
	if w.Body == "" {
		r.Body = http.NoBody
	}
	for name, value := range w.Headers {
		r.Header.Set(name, value)
	}
	r.Host = r.Header.Get("Host")
	return r, nil
}

// reply answers the sender of a webhook request. Without words of the adapter's own, it is an empty object.
func reply(res *Response) (response, error) {
	if res == nil || res.Status == 0 && res.Header == nil && res.Body == nil {
		return jsonResponse(struct{}{})
	}
	out := response{status: res.Status, header: res.Header, body: res.Body}
	if out.status == 0 {
		out.status = http.StatusOK
	}
	if out.status < 200 || out.status > 599 {
		return response{}, fmt.Errorf("hitl: HandleWebhook replied with the status %d, which is none", out.status)
	}
	return out, nil
}

// fallbackID identifies a message to which the desk gave no id: the same request, sent again, gives the same one.
func fallbackID(r *wire.WebhookRequest, index int) string {
	h := sha256.New()
	for _, s := range []string{r.Method, r.Path, r.Query, r.Body} {
		_, _ = fmt.Fprintf(h, "%d:%s", len(s), s)
	}
	return fmt.Sprintf("webhook:%s:%d", hex.EncodeToString(h.Sum(nil)), index)
}

// apply passes one event on to Botpress, unless it is none of our business.
func (c *call) apply(ctx context.Context, e Event, fallbackID string) error {
	switch e := e.(type) {
	case Assigned:
		if e.Agent.ID == "" {
			return nil // taken off an agent, or given to a group
		}
		return c.inSession(ctx, e, func(ses *session) error { return c.assigned(ctx, ses, e.Agent) })
	case Replied:
		agent, ok := e.Author.(Agent)
		if !ok || empty(e.Message) {
			return nil // nobody whom the end user should hear, or nothing to be heard
		}
		if e.ID == "" {
			e.ID = fallbackID
		}
		return c.inSession(ctx, e, func(ses *session) error { return c.replied(ctx, ses, agent, e) })
	case Stopped:
		return c.inSession(ctx, e, func(ses *session) error { return c.stopped(ctx, ses) })
	default:
		return errors.New("hitl: HandleWebhook returned an empty event")
	}
}

func empty(m message.Message) bool {
	text, ok := m.(message.Text)
	return m == nil || ok && strings.TrimSpace(text.Text) == ""
}

// inSession runs do while nothing else happens in the event's session.
func (c *call) inSession(ctx context.Context, e Event, do func(*session) error) error {
	ses, unlock, err := c.open(ctx, e.session())
	defer unlock()
	if err != nil {
		return err
	}
	if ses == nil {
		c.in.Logger.DebugContext(ctx, "event of a session that is not ours", "event", fmt.Sprintf("%T", e),
			"session", e.session().sessionID, "conversation", e.session().conversationID)
		return nil
	}
	return do(ses)
}

// assigned announces the agent who took the session over: once, and again only after somebody else had it.
func (c *call) assigned(ctx context.Context, ses *session, agent Agent) error {
	user, err := c.agent(ctx, ses, agent)
	if err != nil {
		return err
	}
	me := announced{UserID: user.ID, By: rand.Text()}
	payload, err := json.Marshal(me)
	if err != nil {
		return err
	}
	key := botpress.StateKey{Type: botpress.StateOfConversation, ID: ses.conversationID, Name: stateAssigned}
	state, err := c.client.GetOrSetState(ctx, key, botpress.SetStateParams{Payload: payload})
	if err != nil {
		return fmt.Errorf("hitl: read who was announced in conversation %s: %w", ses.conversationID, err)
	}
	var before announced
	if err := json.Unmarshal(state.Payload, &before); err != nil || before.By != me.By {
		if before.UserID == user.ID {
			return nil
		}
		if _, err := c.client.SetState(ctx, key, botpress.SetStateParams{Payload: payload}); err != nil {
			return fmt.Errorf("hitl: note who is announced in conversation %s: %w", ses.conversationID, err)
		}
	}
	err = c.emit(ctx, ses, c.def.Names.Assigned, wire.AssignedPayload{ConversationID: ses.conversationID, UserID: user.ID})
	if err != nil {
		// The next attempt must announce it.
		if _, undo := c.client.SetState(context.WithoutCancel(ctx), key, botpress.SetStateParams{}); undo != nil {
			err = errors.Join(err, undo)
		}
	}
	return err
}

// announced is the state that says which agent the end user was told of last, and which attempt said so.
type announced struct {
	UserID string `json:"userId"`
	By     string `json:"by"`
}

// replied sends an agent's message to the end user. Botpress finds the message by the desk's id, so it is there once,
// on whichever replica it arrives how often; and by the same id, what we sent to the desk ourselves is there already.
func (c *call) replied(ctx context.Context, ses *session, agent Agent, e Replied) error {
	kind, payload, err := encodeRelayed(e)
	if err != nil {
		return err
	}
	tags := botpress.Tags{tagID: tagValue(e.ID)}

	if later := c.schedule(ses); later != nil {
		user, err := c.agent(ctx, ses, agent)
		if err != nil {
			return err
		}
		_, _, err = c.client.GetOrCreateMessage(ctx, botpress.GetOrCreateMessageParams{
			ConversationID: ses.conversationID, UserID: user.ID, Type: string(kind), Payload: payload,
			Tags: tags, DiscriminateByTags: []string{tagID}, Schedule: later,
		})
		if err != nil {
			return fmt.Errorf("hitl: schedule the agent's message %s: %w", e.ID, err)
		}
		return nil
	}

	got, err := c.client.InitializeIncomingMessage(ctx, botpress.InitializeIncomingMessageParams{
		ConversationID: ses.conversationID,
		User: &botpress.GetOrCreateUserParams{
			Tags: agentTags(ses, agent), DiscriminateByTags: []string{tagAgentID},
			Name: userName(agent.Name), PictureURL: pictureURL(agent.PictureURL),
		},
		Message: &botpress.IncomingMessage{
			Type: string(kind), Payload: payload, Tags: tags, DiscriminateByTags: []string{tagID},
		},
	})
	if err != nil {
		return fmt.Errorf("hitl: send the agent's message %s: %w", e.ID, err)
	}
	_, err = c.refreshAgent(ctx, got.User, agent)
	return err
}

// stopped tells the bot that the session is over.
func (c *call) stopped(ctx context.Context, ses *session) error {
	if ses.closed {
		return nil // by us, or reported before
	}
	if err := c.emit(ctx, ses, c.def.Names.Stopped, wire.ConversationRef{ConversationID: ses.conversationID}); err != nil {
		return err
	}
	return c.closed(ctx, ses)
}

// emit sends an event to the bot, now or when its plugin is ready for it.
func (c *call) emit(ctx context.Context, ses *session, name string, payload any) error {
	raw, err := json.Marshal(payload)
	if err != nil {
		return err
	}
	_, err = c.client.CreateEvent(ctx, botpress.CreateEventParams{
		Type: name, Payload: raw, ConversationID: ses.conversationID, Schedule: c.schedule(ses),
	})
	if err != nil {
		return fmt.Errorf("hitl: send the event %s: %w", name, err)
	}
	return nil
}
