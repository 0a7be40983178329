package botpress

import (
	"context"
	"iter"
	"net/url"
)

// ListParticipantsParams says how [Client.ListParticipants] pages.
type ListParticipantsParams struct {
	// PageSize is how many items are fetched at once. 0 leaves it to the API.
	PageSize int
	// NextToken is where the list starts, a token from Next. Empty means the
	// first page.
	NextToken string
	// Next, if set, ends the list after one page and receives the token of the
	// next page, "" after the last.
	Next *string
}

type participantReply struct {
	Participant User `json:"participant"`
}

type participantPage struct {
	page
	Participants []User `json:"participants"`
}

// AddParticipant lets a user take part in a conversation. It is idempotent.
func (c *Client) AddParticipant(ctx context.Context, conversationID, userID string) (User, error) {
	body := struct {
		UserID string `json:"userId"`
	}{userID}
	reply, err := do[participantReply](ctx, c, idempotentPost(body, "/v1/chat/conversations/{id}/participants", conversationID))
	return reply.Participant, err
}

// GetParticipant returns a user who takes part in a conversation, or
// [ErrNotFound].
func (c *Client) GetParticipant(ctx context.Context, conversationID, userID string) (User, error) {
	reply, err := do[participantReply](ctx, c, get("/v1/chat/conversations/{id}/participants/{userId}", conversationID, userID))
	return reply.Participant, err
}

// RemoveParticipant ends a user's part in a conversation.
func (c *Client) RemoveParticipant(ctx context.Context, conversationID, userID string) error {
	_, err := do[struct{}](ctx, c, del("/v1/chat/conversations/{id}/participants/{userId}", conversationID, userID))
	return err
}

// ListParticipants ranges over the users who take part in a conversation.
func (c *Client) ListParticipants(ctx context.Context, conversationID string, p ListParticipantsParams) iter.Seq2[User, error] {
	r := get("/v1/chat/conversations/{id}/participants", conversationID)
	r.query = url.Values(query{}.number("pageSize", p.PageSize).text("nextToken", p.NextToken))
	return pages(ctx, c, r, p.Next, func(p participantPage) ([]User, string) { return p.Participants, p.Meta.NextToken })
}
