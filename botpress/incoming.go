package botpress

import (
	"context"
	"encoding/json"
)

// InitializeIncomingMessageParams names a user, a conversation and a message.
// Each is given by its id, or found by its tags and else created.
type InitializeIncomingMessageParams struct {
	// UserID names a user who exists; User describes one. Set one of them.
	UserID string                 `json:"userId,omitempty"`
	User   *GetOrCreateUserParams `json:"user,omitempty"`
	// ConversationID names a conversation that exists; Conversation describes
	// one. Set one of them.
	ConversationID string                         `json:"conversationId,omitempty"`
	Conversation   *GetOrCreateConversationParams `json:"conversation,omitempty"`
	// Message is optional.
	Message *IncomingMessage `json:"message,omitempty"`
}

// IncomingMessage describes an incoming message.
type IncomingMessage struct {
	// Type is required.
	Type string `json:"type"`
	// Payload is a JSON object. Nil means an empty one.
	Payload json.RawMessage `json:"payload"`
	Tags    Tags            `json:"tags"`
	Origin  Origin          `json:"origin,omitempty"`
	// DiscriminateByTags names the tags that deduplicate the message: if one
	// with the same values exists, none is created.
	DiscriminateByTags []string `json:"discriminateByTags"`
}

// InitializeIncomingMessageResult is what was found or created.
type InitializeIncomingMessageResult struct {
	User         User         `json:"user"`
	Conversation Conversation `json:"conversation"`
	// Message is the zero value if none was given.
	Message Message `json:"message"`
}

// InitializeIncomingMessage delivers a message with its author and its
// conversation in one call. It is idempotent if each of the three that is given
// by tags has DiscriminateByTags that name tags with values.
func (c *Client) InitializeIncomingMessage(ctx context.Context, p InitializeIncomingMessageParams) (InitializeIncomingMessageResult, error) {
	idempotent := true
	if p.User != nil {
		u := *p.User
		idempotent = idempotent && u.Tags.discriminate(u.DiscriminateByTags)
		u.DiscriminateByTags = list(u.DiscriminateByTags)
		p.User = &u
	}
	if p.Conversation != nil {
		conv := *p.Conversation
		idempotent = idempotent && conv.Tags.discriminate(conv.DiscriminateByTags)
		conv.DiscriminateByTags = list(conv.DiscriminateByTags)
		p.Conversation = &conv
	}
	if p.Message != nil {
		m := *p.Message
		idempotent = idempotent && m.Tags.discriminate(m.DiscriminateByTags)
		m.Payload, m.DiscriminateByTags = object(m.Payload), list(m.DiscriminateByTags)
		p.Message = &m
	}
	r := post(p, "/v1/chat/initialize-incoming-message")
	r.idempotent = idempotent
	return do[InitializeIncomingMessageResult](ctx, c, r)
}
