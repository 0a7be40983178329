package botpress

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/url"
	"time"

	"github.com/hitl-go/sdk/internal/strictjson"
)

// Direction says who wrote a message.
type Direction string

// The directions of a message.
const (
	Incoming Direction = "incoming" // from a user to the bot
	Outgoing Direction = "outgoing" // from the bot
)

// Origin says how a message came about, if not as usual.
type Origin string

// Synthetic marks a message that nobody wrote.
const Synthetic Origin = "synthetic"

// Message is a message in a conversation.
type Message struct {
	ID             string    `json:"id"`
	CreatedAt      time.Time `json:"createdAt"`
	UpdatedAt      time.Time `json:"updatedAt,omitzero"`
	ConversationID string    `json:"conversationId"`
	UserID         string    `json:"userId"`
	Direction      Direction `json:"direction"`
	// Type is the kind of message, e.g. text; Payload is a JSON object whose
	// shape depends on it.
	Type    string          `json:"type"`
	Payload json.RawMessage `json:"payload"`
	Tags    Tags            `json:"tags"`
	Origin  Origin          `json:"origin,omitempty"`
}

// CreateMessageParams describes a new message.
type CreateMessageParams struct {
	// ConversationID, UserID and Type are required.
	ConversationID string `json:"conversationId"`
	UserID         string `json:"userId"`
	Type           string `json:"type"`
	// Payload is a JSON object. Nil means an empty one.
	Payload json.RawMessage `json:"payload"`
	Tags    Tags            `json:"tags"`
	// Schedule delays the message. Nil means now.
	Schedule *Schedule `json:"schedule,omitempty"`
	Origin   Origin    `json:"origin,omitempty"`
}

// GetOrCreateMessageParams describes a message to find, or else to create.
type GetOrCreateMessageParams struct {
	// ConversationID, UserID and Type are required.
	ConversationID string `json:"conversationId"`
	UserID         string `json:"userId"`
	Type           string `json:"type"`
	// Payload is a JSON object. Nil means an empty one.
	Payload json.RawMessage `json:"payload"`
	Tags    Tags            `json:"tags"`
	// DiscriminateByTags names the tags that must match. Nil means all tags.
	DiscriminateByTags []string `json:"discriminateByTags,omitzero"`
	// Schedule delays the message. Nil means now.
	Schedule *Schedule `json:"schedule,omitempty"`
	Origin   Origin    `json:"origin,omitempty"`
}

// UpdateMessageParams is what changes in a message.
type UpdateMessageParams struct {
	// Tags are merged into those of the message; an empty value unsets one.
	Tags Tags `json:"tags"`
	// Payload replaces the message's payload. Nil keeps it.
	Payload json.RawMessage `json:"payload,omitempty"`
}

// ListMessagesParams selects messages. The zero value selects all, newest first.
type ListMessagesParams struct {
	ConversationID string
	// Tags must all be present with these values.
	Tags Tags
	// After and Before bound the time of creation.
	After, Before time.Time
	// PageSize is how many items are fetched at once. 0 leaves it to the API.
	PageSize int
	// NextToken is where the list starts, a token from Next. Empty means the
	// first page.
	NextToken string
	// Next, if set, ends the list after one page and receives the token of the
	// next page, "" after the last.
	Next *string
}

// ImportedMessage is a past message, for [Client.ImportMessages].
type ImportedMessage struct {
	// ConversationID, UserID, Type and CreatedAt are required.
	ConversationID string    `json:"conversationId"`
	UserID         string    `json:"userId"`
	Type           string    `json:"type"`
	CreatedAt      time.Time `json:"createdAt"`
	// Payload is a JSON object. Nil means an empty one.
	Payload json.RawMessage `json:"payload"`
	Tags    Tags            `json:"tags"`
	// DiscriminateByTags names the tags that deduplicate the message.
	DiscriminateByTags []string `json:"discriminateByTags"`
}

type messageReply struct {
	Message Message `json:"message"`
	Meta    struct {
		Created bool `json:"created"`
	} `json:"meta"`
}

type messagePage struct {
	page
	Messages []json.RawMessage `json:"messages"`
}

// CreateMessage creates a message. From an integration it is an incoming one.
// Called twice it creates two; see [Client.GetOrCreateMessage].
func (c *Client) CreateMessage(ctx context.Context, p CreateMessageParams) (Message, error) {
	p.Payload = object(p.Payload)
	reply, err := do[messageReply](ctx, c, shownPost(p, "/v1/chat/messages"))
	return reply.Message, err
}

// GetOrCreateMessage returns the message whose tags match and reports whether
// it had to be created. A message that was found gets the given tags. It is
// idempotent if DiscriminateByTags names tags with values.
func (c *Client) GetOrCreateMessage(ctx context.Context, p GetOrCreateMessageParams) (m Message, created bool, err error) {
	p.Payload = object(p.Payload)
	r := post(p, "/v1/chat/messages/get-or-create")
	r.idempotent = p.Tags.discriminate(p.DiscriminateByTags)
	reply, err := do[messageReply](ctx, c, r)
	return reply.Message, reply.Meta.Created, err
}

// GetMessage returns a message, or [ErrNotFound].
func (c *Client) GetMessage(ctx context.Context, id string) (Message, error) {
	reply, err := do[messageReply](ctx, c, get("/v1/chat/messages/{id}", id))
	return reply.Message, err
}

// UpdateMessage changes a message and returns it as it is now.
func (c *Client) UpdateMessage(ctx context.Context, id string, p UpdateMessageParams) (Message, error) {
	reply, err := do[messageReply](ctx, c, put(p, "/v1/chat/messages/{id}", id))
	return reply.Message, err
}

// TagMessage sets tags of a message; an empty value removes one. It is [Client.UpdateMessage], but reads of the answer only
// that it is one: the page of a proxy is none.
func (c *Client) TagMessage(ctx context.Context, id string, tags Tags) error {
	_, err := do[struct {
		Message struct {
			ID string `json:"id"`
		} `json:"message"`
	}](ctx, c, put(UpdateMessageParams{Tags: tags}, "/v1/chat/messages/{id}", id))
	return err
}

// DeleteMessage deletes a message.
func (c *Client) DeleteMessage(ctx context.Context, id string) error {
	_, err := do[struct{}](ctx, c, del("/v1/chat/messages/{id}", id))
	return err
}

// ListMessages ranges over the messages that p selects. Each is decoded when the
// range reaches it.
func (c *Client) ListMessages(ctx context.Context, p ListMessagesParams) iter.Seq2[Message, error] {
	r := get("/v1/chat/messages")
	r.query = url.Values(query{}.
		text("conversationId", p.ConversationID).
		tags(p.Tags).
		time("afterDate", p.After).
		time("beforeDate", p.Before).
		number("pageSize", p.PageSize).
		text("nextToken", p.NextToken))
	texts := pages(ctx, c, r, p.Next, func(p messagePage) ([]json.RawMessage, string) { return p.Messages, p.Meta.NextToken })
	return func(yield func(Message, error) bool) {
		for text, err := range texts {
			if err != nil {
				yield(Message{}, err)
				return
			}
			var m Message
			if err := strictjson.Unmarshal(text, &m); err != nil {
				yield(Message{}, fmt.Errorf("botpress: %s %s: a message of the response is not the expected JSON: %w", r.method, r.route, err))
				return
			}
			if !yield(m, nil) {
				return
			}
		}
	}
}

// ImportMessages adds at most 100 past messages; the bot does not react
// to them. Messages that exist already are returned unchanged. It is
// idempotent if DiscriminateByTags of every message names tags with values.
func (c *Client) ImportMessages(ctx context.Context, messages []ImportedMessage) ([]Message, error) {
	body := struct {
		Messages []ImportedMessage `json:"messages"`
	}{make([]ImportedMessage, len(messages))}
	idempotent := true
	for i, m := range messages {
		idempotent = idempotent && m.Tags.discriminate(m.DiscriminateByTags)
		m.Payload, m.DiscriminateByTags = object(m.Payload), list(m.DiscriminateByTags)
		body.Messages[i] = m
	}
	r := post(body, "/v1/chat/messages/import-messages")
	r.idempotent = idempotent
	reply, err := do[struct {
		Messages []Message `json:"messages"`
	}](ctx, c, r)
	return reply.Messages, err
}
