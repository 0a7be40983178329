package hitl

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

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
			return response{}, asking(err)
		}
	}
	if hook.Done != nil {
		if err := hook.Done(ctx); err != nil {
			return response{}, asking(err)
		}
	}
	return reply(hook.Reply)
}

// asking has the sender try again after a passing failure of ours: not every desk does so by itself after a 500.
func asking(err error) error {
	if f := failureOf(err); f.status < http.StatusInternalServerError || f.retryAfter > 0 {
		return err
	}
	return Retryable(max(5*time.Second, retryAfter(err)), err)
}

// rebuild makes the request that the desk sent, byte for byte, so that any verifier of signatures works on it. What cannot
// be read as a path is kept as it is, in URL.Path and RequestURI: senders are not ours to correct.
func rebuild(ctx context.Context, w *wire.WebhookRequest) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, w.Method, "/", strings.NewReader(w.Body))
	if err != nil {
		return nil, invalidf("the webhook's method is not valid")
	}
	if w.Body == "" {
		r.Body = http.NoBody
	}
	path := w.Path
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	r.URL = &url.URL{Path: path, RawQuery: w.Query}
	if plain, err := url.PathUnescape(path); err == nil {
		r.URL.Path, r.URL.RawPath = plain, path
	}
	r.RequestURI = path
	if w.Query != "" {
		r.RequestURI += "?" + w.Query
	}
	for name, value := range w.Headers {
		r.Header.Set(name, value)
	}
	r.Host = r.Header.Get("Host")
	return r, nil
}

// reply answers the sender of a webhook request. What the adapter leaves out is as in the reference: status 200, an
// empty object.
func reply(res *Response) (response, error) {
	if res == nil {
		res = &Response{}
	}
	out := response{status: cmp.Or(res.Status, http.StatusOK), header: http.Header{}, body: res.Body}
	if out.status < 200 || out.status > 599 {
		return response{}, fmt.Errorf("hitl: HandleWebhook replied with the status %d, which is none", out.status)
	}
	if out.body == nil && out.status != http.StatusNoContent && out.status != http.StatusNotModified {
		out.header, out.body = jsonHeader(), []byte("{}")
	}
	for name, values := range res.Header {
		if name = http.CanonicalHeaderKey(name); name != "Content-Length" && name != "Transfer-Encoding" { // they are our own
			out.header[name] = values
		}
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
		return c.inSession(ctx, e, func(ses *session) error { return c.assigned(ctx, ses, e) })
	case Replied:
		agent, ok, err := relayed(e)
		if !ok || err != nil {
			return err
		}
		if e.ID == "" {
			e.ID = fallbackID
		}
		return c.inSession(ctx, e, func(ses *session) error { return c.replied(ctx, ses, agent, e) })
	case Stopped:
		return c.inSession(ctx, e, func(ses *session) error { return c.stopped(ctx, ses) })
	default:
		return fmt.Errorf("hitl: HandleWebhook returned the event %T; events are Assigned, Replied and Stopped, as values", e)
	}
}

// relayed tells whether the end user should hear what was written, and whose words it is.
func relayed(e Replied) (agent Agent, ok bool, err error) {
	switch a := e.Author.(type) {
	case nil, Customer, System:
		return Agent{}, false, nil
	case Agent:
		return a, !empty(e.Message), nil
	default:
		return Agent{}, false, fmt.Errorf("hitl: HandleWebhook returned the author %T; authors are Agent, Customer and System, as values", a)
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
	if err := c.catchUp(ctx, ses); err != nil {
		return err
	}
	err = do(ses)
	if errors.Is(err, botpress.ErrNotFound) {
		c.forget(ses) // the conversation was deleted: when the sender tries again, it is unknown
	}
	return err
}

// catchUp tells the desk that the session has ended, if it was down then.
func (c *call) catchUp(ctx context.Context, ses *session) error {
	if !ses.stopping {
		return nil
	}
	if err := c.stop(ctx, ses); err != nil {
		return err
	}
	_, err := c.client.UpdateConversation(ctx, ses.conversationID, botpress.UpdateConversationParams{
		Tags: botpress.Tags{tagStopping: ""},
	})
	if err != nil {
		return fmt.Errorf("hitl: mark conversation %s as closed in the desk: %w", ses.conversationID, err)
	}
	told := *ses
	told.stopping = false
	c.remember(&told)
	return nil
}

// replied sends an agent's message to the end user. Botpress finds the message by the desk's id, so it is there once,
// on whichever replica it arrives how often; and by the same id, what we sent to the desk ourselves is there already.
func (c *call) replied(ctx context.Context, ses *session, agent Agent, e Replied) (err error) {
	id := tagValue(e.ID)
	if c.known.Contains(c.key(id)) {
		return nil // many a desk is asked for its latest messages, whatever has happened
	}
	defer func() {
		if err == nil {
			c.known.Add(c.key(id), true)
		}
	}()
	kind, payload, err := encodeRelayed(e)
	if err != nil {
		return err
	}
	tags := botpress.Tags{tagID: id}

	if c.young(ses) {
		userID, ses, err := c.agent(ctx, ses, agent)
		if err != nil {
			return err
		}
		later := c.schedule(ses)
		_, err = again(ctx, func() (botpress.Message, error) {
			msg, _, err := c.client.GetOrCreateMessage(ctx, botpress.GetOrCreateMessageParams{
				ConversationID: ses.conversationID, UserID: userID, Type: string(kind), Payload: payload,
				Tags: tags, DiscriminateByTags: []string{tagID}, Schedule: later,
			})
			return msg, err
		})
		if err != nil {
			return fmt.Errorf("hitl: schedule the agent's message %s: %w", e.ID, err)
		}
		return nil
	}

	user := agentParams(ses, agent)
	p := botpress.InitializeIncomingMessageParams{
		ConversationID: ses.conversationID,
		User:           &user,
		Message: &botpress.IncomingMessage{
			Type: string(kind), Payload: payload, Tags: tags, DiscriminateByTags: []string{tagID},
		},
	}
	got, err := again(ctx, func() (botpress.InitializeIncomingMessageResult, error) {
		return c.client.InitializeIncomingMessage(ctx, p)
	})
	if err != nil {
		return fmt.Errorf("hitl: send the agent's message %s: %w", e.ID, err)
	}
	now := c.sessionOf(got.Conversation) // another replica may have ended the session
	c.remember(now)
	if err := c.catchUp(ctx, now); err != nil {
		return err
	}
	return c.refreshAgent(ctx, got.User, agent)
}
