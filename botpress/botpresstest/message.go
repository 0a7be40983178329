package botpresstest

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/hitl-go/sdk/internal/sleep"
)

// Message is a message in a conversation.
type Message struct {
	ID             string            `json:"id"`
	CreatedAt      time.Time         `json:"createdAt"`
	UpdatedAt      time.Time         `json:"updatedAt"`
	ConversationID string            `json:"conversationId"`
	UserID         string            `json:"userId"`
	Direction      string            `json:"direction"` // "incoming" to the bot, or "outgoing" from it.
	Type           string            `json:"type"`
	Payload        json.RawMessage   `json:"payload"`
	Tags           map[string]string `json:"tags"`
	Origin         string            `json:"origin,omitempty"`
}

type msg struct {
	entity
	conversation *conversation
	userID       string
	kind         string // The message type.
	payload      json.RawMessage
	outgoing     bool
	origin       string
}

func (m *msg) view(in *Installation) Message {
	direction := "incoming"
	if m.outgoing {
		direction = "outgoing"
	}
	return Message{
		ID: m.id, CreatedAt: m.createdAt, UpdatedAt: m.updatedAt, ConversationID: m.conversation.id, UserID: m.userID,
		Direction: direction, Type: m.kind, Payload: m.payload, Tags: ownTags(in, m.tags), Origin: m.origin,
	}
}

// Messages returns the messages of a conversation, oldest first, as the bot sees them; see [Server.Users] for the tags.
func (s *Server) Messages(conversationID string) []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.conversations.byID[conversationID]
	if c == nil {
		return nil
	}
	views := make([]Message, len(c.messages))
	for i, m := range c.messages {
		views[i] = m.view(nil)
	}
	return views
}

// maxPayload bounds the payload of a message and of a state, in bytes: see botpress.com/docs/cloud/getting-started/platform-limits.
// How the real API refuses a longer one is not public.
const maxPayload = 128 << 10

// payload checks the payload of a message or of a state.
func payload(raw json.RawMessage) *Error {
	if err := object("payload", raw); err != nil {
		return err
	}
	if len(raw) > maxPayload {
		return &Error{Status: http.StatusRequestEntityTooLarge, Type: "PayloadTooLarge", Message: "the payload is too large"}
	}
	return nil
}

type messageBody struct {
	Payload            json.RawMessage   `json:"payload"`
	UserID             string            `json:"userId"`
	ConversationID     string            `json:"conversationId"`
	Type               string            `json:"type"`
	Tags               map[string]string `json:"tags"`
	Schedule           json.RawMessage   `json:"schedule"`
	Origin             string            `json:"origin"`
	CreatedAt          time.Time         `json:"createdAt"`
	DiscriminateByTags []string          `json:"discriminateByTags"`
}

type parsedMessage struct {
	messageBody

	tags map[string]string
	by   map[string]string // Set by get-or-create only.
	at   time.Time         // When to deliver it; zero is now.
}

func (r *request) parseMessage(raw []byte, shape string, getOrCreate bool) (p parsedMessage, err *Error) {
	if p.messageBody, err = decode[messageBody](raw, shape); err != nil {
		return p, err
	}
	if err = payload(p.Payload); err != nil {
		return p, err
	}
	if p.Type == "" || utf8.RuneCountInString(p.Type) > maxName {
		return p, invalidPayload("type must have 1 to %d characters", maxName)
	}
	if p.Origin != "" && p.Origin != "synthetic" {
		return p, invalidPayload("origin must be synthetic")
	}
	if p.at, err = r.when(p.Schedule); err != nil {
		return p, err
	}
	if p.tags, err = r.tagNames(onMessage, p.Tags); err == nil && getOrCreate {
		p.by, err = r.discriminators(onMessage, p.tags, p.DiscriminateByTags)
	}
	return p, err
}

// whereAndWho finds the conversation and the user that a message names.
func (r *request) whereAndWho(p parsedMessage) (*conversation, *user, *Error) {
	if err := checkID("conversationId", p.ConversationID); err != nil {
		return nil, nil, err
	}
	if err := checkID("userId", p.UserID); err != nil {
		return nil, nil, err
	}
	c, err := r.conversation(p.ConversationID)
	if err != nil {
		return nil, nil, unknownReference("conversation", p.ConversationID)
	}
	u, err := r.user(p.UserID)
	if err != nil {
		return nil, nil, unknownReference("user", p.UserID)
	}
	return c, u, nil
}

// message finds a message that the caller may see.
func (r *request) message(id string) (*msg, *Error) {
	if m := r.messages.byID[id]; m != nil && r.maySee(&m.entity) {
		return m, nil
	}
	return nil, notFound("message", id)
}

// store stores a message without delivering it. A message of a user is incoming, one of the bot outgoing. Hold s.mu.
func (s *Server) store(c *conversation, u *user, p parsedMessage) *msg {
	m := &msg{
		entity: s.newEntity("msg", c.owner, p.tags), conversation: c, userID: u.id,
		kind: p.Type, payload: p.Payload, outgoing: u.id == s.BotID, origin: p.Origin,
	}
	if !p.CreatedAt.IsZero() {
		m.createdAt = p.CreatedAt.UTC().Truncate(time.Millisecond)
	}
	s.messages.add(m)
	c.messages = append(c.messages, m)
	c.join(u.id)
	return m
}

// send stores a message and delivers it when it is due: to the bot, to the desk, or to the end user. A scheduled message is
// stored at once, so that get-or-create finds it. Hold s.mu.
func (s *Server) send(c *conversation, u *user, p parsedMessage) *msg {
	m := s.store(c, u, p)
	s.later(p.at, func() {
		if m.outgoing {
			s.sendOut(m, nil)
		} else {
			s.receive(&event{kind: messageCreated, conversationID: c.id, userID: u.id, messageID: m.id, message: m})
		}
	})
	return m
}

// sendOut delivers an outgoing message, and closes the returned channel when the delivery has succeeded or failed. The
// integration gets the message as it was when it was sent, however long it is queued or retried. A message that is held is
// delivered when the channel is closed. Hold s.mu.
func (s *Server) sendOut(m *msg, held <-chan struct{}) (done <-chan struct{}) {
	over := make(chan struct{})
	c := m.conversation
	if c.endUser != nil {
		c.endUser.show(m)
		close(over)
		return over
	}
	in := c.owner
	bot := s.users.byID[s.BotID]
	body := map[string]any{
		"type": m.kind, "payload": m.payload,
		"conversation": c.view(in), "message": m.view(in), "user": bot.view(in),
	}
	push := func(ctx context.Context) {
		defer close(over)
		if !in.installed() {
			return
		}
		if _, err := in.deliver(ctx, opMessageCreated, m.kind, body); err != nil {
			s.log.WarnContext(ctx, "a message has not reached the integration", "alias", in.Alias, "message", m.id, "error", err)
		}
	}
	dispatch := func(ctx context.Context) {
		if held != nil {
			select {
			case <-held:
			case <-ctx.Done():
			}
		}
		late := s.reorderFor(opMessageCreated)
		if late == 0 {
			push(ctx)
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.background(func(ctx context.Context) {
			if sleep.For(ctx, late) == nil {
				push(ctx)
			}
		})
	}
	switch s.opts.Dispatch {
	case DispatchParallel:
		s.background(dispatch)
	case DispatchShuffled:
		late := s.upTo(shuffling)
		s.background(func(ctx context.Context) {
			if sleep.For(ctx, late) == nil {
				dispatch(ctx)
			}
		})
	default:
		s.enqueue("desk:"+c.id, dispatch)
	}
	return over
}

func (r *request) getOrCreateMessage(c *conversation, u *user, p parsedMessage) (m *msg, created bool) {
	if m := r.findMessage(p.by); m != nil {
		r.retagMessage(m, p.tags)
		return m, false
	}
	return r.send(c, u, p), true
}

func (r *request) findMessage(by map[string]string) *msg {
	for _, m := range r.messages.find(by) {
		if r.maySee(&m.entity) {
			return m
		}
	}
	return nil
}

func (s *Server) retagMessage(m *msg, tags map[string]string) {
	if s.messages.retag(m, tags) {
		m.updatedAt = s.clock.stamp()
	}
}

func createMessage(r *request) (any, *Error) {
	p, err := r.parseMessage(r.body, "payload! userId! conversationId! type! tags! schedule origin", false)
	if err != nil {
		return nil, err
	}
	c, u, err := r.whereAndWho(p)
	if err != nil {
		return nil, err
	}
	return map[string]any{"message": r.send(c, u, p).view(r.in)}, nil
}

func getOrCreateMessage(r *request) (any, *Error) {
	p, err := r.parseMessage(r.body, "payload! userId! conversationId! type! tags! schedule origin discriminateByTags", true)
	if err != nil {
		return nil, err
	}
	c, u, err := r.whereAndWho(p)
	if err != nil {
		return nil, err
	}
	m, created := r.getOrCreateMessage(c, u, p)
	return map[string]any{"message": m.view(r.in), "meta": map[string]bool{"created": created}}, nil
}

// importMessages stores past messages without delivering them.
func importMessages(r *request) (any, *Error) {
	body, err := decode[struct {
		Messages []json.RawMessage `json:"messages"`
	}](r.body, "messages!")
	if err != nil {
		return nil, err
	}
	if len(body.Messages) > 100 {
		return nil, invalidPayload("messages has %d entries, more than 100", len(body.Messages))
	}
	type place struct {
		c *conversation
		u *user
		p parsedMessage
	}
	var places []place
	for _, raw := range body.Messages {
		p, err := r.parseMessage(raw, "payload! userId! conversationId! type! tags! createdAt! discriminateByTags!", true)
		if err != nil {
			return nil, err
		}
		c, u, err := r.whereAndWho(p)
		if err != nil {
			return nil, err
		}
		places = append(places, place{c, u, p})
	}
	views := make([]Message, 0, len(places))
	for _, at := range places {
		m := r.findMessage(at.p.by)
		if m == nil {
			m = r.store(at.c, at.u, at.p)
		}
		views = append(views, m.view(r.in))
	}
	return map[string]any{"messages": views}, nil
}

func getMessage(r *request) (any, *Error) {
	m, err := r.message(r.http.PathValue("id"))
	if err != nil {
		return nil, err
	}
	return map[string]any{"message": m.view(r.in)}, nil
}

func updateMessage(r *request) (any, *Error) {
	m, err := r.message(r.http.PathValue("id"))
	if err != nil {
		return nil, err
	}
	body, err := decode[messageBody](r.body, "tags! payload")
	if err != nil {
		return nil, err
	}
	tags, err := r.tagNames(onMessage, body.Tags)
	if err != nil {
		return nil, err
	}
	if body.Payload != nil {
		if err := payload(body.Payload); err != nil {
			return nil, err
		}
		m.payload = bytes.Clone(body.Payload)
	}
	r.messages.retag(m, tags)
	m.updatedAt = r.clock.stamp()
	return map[string]any{"message": m.view(r.in)}, nil
}

func deleteMessage(r *request) (any, *Error) {
	m, err := r.message(r.http.PathValue("id"))
	if err != nil {
		return nil, err
	}
	r.messages.remove(m)
	m.conversation.messages = slices.DeleteFunc(m.conversation.messages, func(x *msg) bool { return x == m })
	return struct{}{}, nil
}

func listMessages(r *request) (any, *Error) {
	q, err := r.query("conversationId", "tags", "afterDate", "beforeDate")
	if err != nil {
		return nil, err
	}
	tags, err := r.tagNames(onMessage, q.tags)
	if err != nil {
		return nil, err
	}
	var all []*msg
	if id := q.Get("conversationId"); id != "" {
		c, err := r.conversation(id)
		if err != nil {
			return nil, err
		}
		all = c.messages
	} else {
		all = r.messages.find(tags)
	}
	chosen := choose(r, q, all, func(m *msg) bool { return hasTags(m.tags, tags) })
	return listing(q, "messages", chosen, func(m *msg) Message { return m.view(r.in) })
}
