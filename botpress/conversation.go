package botpress

import (
	"context"
	"iter"
	"net/url"
	"time"
)

// Conversation is a conversation on a channel of an integration.
type Conversation struct {
	ID        string    `json:"id"`
	CreatedAt time.Time `json:"createdAt"`
	UpdatedAt time.Time `json:"updatedAt"`
	// Channel is the channel's name in the integration.
	Channel string `json:"channel"`
	// Integration is the name of the integration.
	Integration string `json:"integration"`
	Tags        Tags   `json:"tags"`
	// Properties are shared by the bot and all its integrations; the API calls
	// them experimental.
	Properties Tags `json:"properties,omitzero"`
	// CurrentTaskID and CurrentWorkflowID are empty if nothing runs.
	CurrentTaskID     string `json:"currentTaskId,omitempty"`
	CurrentWorkflowID string `json:"currentWorkflowId,omitempty"`
	MessageCount      int    `json:"messageCount,omitempty"`
}

// CreateConversationParams describes a new conversation.
type CreateConversationParams struct {
	// Channel is required.
	Channel    string `json:"channel"`
	Tags       Tags   `json:"tags"`
	Properties Tags   `json:"properties,omitzero"`
	// IntegrationName is for bots only, and deprecated by the API.
	IntegrationName string `json:"integrationName,omitempty"`
}

// GetOrCreateConversationParams describes a conversation to find, or else to
// create.
type GetOrCreateConversationParams struct {
	// Channel is required.
	Channel string `json:"channel"`
	Tags    Tags   `json:"tags"`
	// DiscriminateByTags names the tags that must match. Nil means all tags.
	DiscriminateByTags []string `json:"discriminateByTags,omitzero"`
	Properties         Tags     `json:"properties,omitzero"`
	// IntegrationName is for bots only, and deprecated by the API.
	IntegrationName string `json:"integrationName,omitempty"`
}

// UpdateConversationParams is what changes in a conversation.
type UpdateConversationParams struct {
	// Tags are merged into those of the conversation; an empty value unsets one.
	Tags Tags `json:"tags,omitzero"`
	// Properties are merged; an empty value unsets one.
	Properties    Tags   `json:"properties,omitzero"`
	CurrentTaskID string `json:"currentTaskId,omitempty"`
}

// ListConversationsParams selects conversations. The zero value selects all,
// newest first.
type ListConversationsParams struct {
	// Tags must all be present with these values.
	Tags Tags
	// ParticipantIDs are users who must all take part.
	ParticipantIDs  []string
	IntegrationName string
	Channel         string
	// After and Before bound the time of creation.
	After, Before time.Time
	SortField     TimeField
	SortDirection SortDirection
	// PageSize is how many items are fetched at once. 0 leaves it to the API.
	PageSize int
	// NextToken is where the list starts, a token from Next. Empty means the
	// first page.
	NextToken string
	// Next, if set, ends the list after one page and receives the token of the
	// next page, "" after the last.
	Next *string
}

type conversationReply struct {
	Conversation Conversation `json:"conversation"`
	Meta         struct {
		Created bool `json:"created"`
	} `json:"meta"`
}

type conversationPage struct {
	page
	Conversations []Conversation `json:"conversations"`
}

// CreateConversation creates a conversation. Called twice it creates two; see
// [Client.GetOrCreateConversation].
func (c *Client) CreateConversation(ctx context.Context, p CreateConversationParams) (Conversation, error) {
	reply, err := do[conversationReply](ctx, c, post(p, "/v1/chat/conversations"))
	return reply.Conversation, err
}

// GetOrCreateConversation returns the conversation whose tags match and reports
// whether it had to be created. A conversation that was found gets the given
// tags. It is idempotent if DiscriminateByTags names tags with values.
func (c *Client) GetOrCreateConversation(ctx context.Context, p GetOrCreateConversationParams) (conv Conversation, created bool, err error) {
	r := post(p, "/v1/chat/conversations/get-or-create")
	r.idempotent = p.Tags.discriminate(p.DiscriminateByTags)
	reply, err := do[conversationReply](ctx, c, r)
	return reply.Conversation, reply.Meta.Created, err
}

// GetConversation returns a conversation, or [ErrNotFound].
func (c *Client) GetConversation(ctx context.Context, id string) (Conversation, error) {
	reply, err := do[conversationReply](ctx, c, get("/v1/chat/conversations/{id}", id))
	return reply.Conversation, err
}

// UpdateConversation changes a conversation and returns it as it is now.
func (c *Client) UpdateConversation(ctx context.Context, id string, p UpdateConversationParams) (Conversation, error) {
	reply, err := do[conversationReply](ctx, c, put(p, "/v1/chat/conversations/{id}", id))
	return reply.Conversation, err
}

// DeleteConversation deletes a conversation with its messages.
func (c *Client) DeleteConversation(ctx context.Context, id string) error {
	_, err := do[struct{}](ctx, c, del("/v1/chat/conversations/{id}", id))
	return err
}

// ListConversations ranges over the conversations that p selects.
func (c *Client) ListConversations(ctx context.Context, p ListConversationsParams) iter.Seq2[Conversation, error] {
	r := get("/v1/chat/conversations")
	r.query = url.Values(query{}.
		tags(p.Tags).
		texts("participantIds", p.ParticipantIDs).
		text("integrationName", p.IntegrationName).
		text("channel", p.Channel).
		time("afterDate", p.After).
		time("beforeDate", p.Before).
		text("sortField", string(p.SortField)).
		text("sortDirection", string(p.SortDirection)).
		number("pageSize", p.PageSize).
		text("nextToken", p.NextToken))
	return pages(ctx, c, r, p.Next, func(p conversationPage) ([]Conversation, string) { return p.Conversations, p.Meta.NextToken })
}
