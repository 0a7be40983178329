package botpress

import (
	"context"
	"iter"
	"net/url"
	"time"
)

// User is a person, a human agent or a bot, as one integration knows them.
type User struct {
	ID        string    `json:"id"`
	CreatedAt time.Time `json:"createdAt"`
	UpdatedAt time.Time `json:"updatedAt"`
	// Name and PictureURL are empty if not known.
	Name       string `json:"name,omitempty"`
	PictureURL string `json:"pictureUrl,omitempty"`
	Tags       Tags   `json:"tags"`
	// Properties are shared by the bot and all its integrations; the API calls
	// them experimental.
	Properties Tags `json:"properties,omitzero"`
}

// CreateUserParams describes a new user.
type CreateUserParams struct {
	Tags Tags `json:"tags"`
	// Name is at most 200 characters.
	Name string `json:"name,omitempty"`
	// PictureURL is at most 40,000 characters; a data URL is fine.
	PictureURL string `json:"pictureUrl,omitempty"`
	Properties Tags   `json:"properties,omitzero"`
	// IntegrationName is for bots only, and deprecated by the API.
	IntegrationName string `json:"integrationName,omitempty"`
}

// GetOrCreateUserParams describes a user to find, or else to create.
type GetOrCreateUserParams struct {
	Tags Tags `json:"tags"`
	// DiscriminateByTags names the tags that must match. Nil means all tags.
	DiscriminateByTags []string `json:"discriminateByTags,omitzero"`
	// Name, PictureURL and Properties are for a user who has to be created.
	Name       string `json:"name,omitempty"`
	PictureURL string `json:"pictureUrl,omitempty"`
	Properties Tags   `json:"properties,omitzero"`
	// IntegrationName is for bots only, and deprecated by the API.
	IntegrationName string `json:"integrationName,omitempty"`
}

// UpdateUserParams is what changes in a user.
type UpdateUserParams struct {
	// Tags are merged into those of the user; an empty value unsets one.
	Tags       Tags             `json:"tags,omitzero"`
	Name       Optional[string] `json:"name,omitzero"`
	PictureURL Optional[string] `json:"pictureUrl,omitzero"`
	// Properties are merged; an empty value unsets one.
	Properties Tags `json:"properties,omitzero"`
}

// TimeField is a time by which users and conversations are sorted or selected.
type TimeField string

// The times of a user or conversation.
const (
	ByCreatedAt TimeField = "createdAt"
	ByUpdatedAt TimeField = "updatedAt"
)

// ListUsersParams selects users. The zero value selects all, newest first.
type ListUsersParams struct {
	ConversationID string
	// Tags must all be present with these values.
	Tags Tags
	// After and Before bound the time that RangeField names.
	After, Before time.Time
	RangeField    TimeField
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

type userReply struct {
	User User `json:"user"`
	Meta struct {
		Created bool `json:"created"`
	} `json:"meta"`
}

type userPage struct {
	page
	Users []User `json:"users"`
}

// CreateUser creates a user. Called twice it creates two; see
// [Client.GetOrCreateUser].
func (c *Client) CreateUser(ctx context.Context, p CreateUserParams) (User, error) {
	reply, err := do[userReply](ctx, c, post(p, "/v1/chat/users"))
	return reply.User, err
}

// GetOrCreateUser returns the user whose tags match and reports whether it had
// to be created. A user that was found gets the given tags, but not the name
// and picture. It is idempotent if DiscriminateByTags names tags with values.
func (c *Client) GetOrCreateUser(ctx context.Context, p GetOrCreateUserParams) (u User, created bool, err error) {
	r := post(p, "/v1/chat/users/get-or-create")
	r.idempotent = p.Tags.discriminate(p.DiscriminateByTags)
	reply, err := do[userReply](ctx, c, r)
	return reply.User, reply.Meta.Created, err
}

// GetUser returns a user, or [ErrNotFound].
func (c *Client) GetUser(ctx context.Context, id string) (User, error) {
	reply, err := do[userReply](ctx, c, get("/v1/chat/users/{id}", id))
	return reply.User, err
}

// UpdateUser changes a user and returns it as it is now.
func (c *Client) UpdateUser(ctx context.Context, id string, p UpdateUserParams) (User, error) {
	reply, err := do[userReply](ctx, c, put(p, "/v1/chat/users/{id}", id))
	return reply.User, err
}

// DeleteUser deletes a user.
func (c *Client) DeleteUser(ctx context.Context, id string) error {
	_, err := do[struct{}](ctx, c, del("/v1/chat/users/{id}", id))
	return err
}

// ListUsers ranges over the users that p selects.
func (c *Client) ListUsers(ctx context.Context, p ListUsersParams) iter.Seq2[User, error] {
	r := get("/v1/chat/users")
	r.query = url.Values(query{}.
		text("conversationId", p.ConversationID).
		tags(p.Tags).
		time("afterDate", p.After).
		time("beforeDate", p.Before).
		text("rangeField", string(p.RangeField)).
		text("sortField", string(p.SortField)).
		text("sortDirection", string(p.SortDirection)).
		number("pageSize", p.PageSize).
		text("nextToken", p.NextToken))
	return pages(ctx, c, r, p.Next, func(p userPage) ([]User, string) { return p.Users, p.Meta.NextToken })
}
