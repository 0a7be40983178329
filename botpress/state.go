package botpress

import (
	"context"
	"encoding/json"
	"time"
)

// StateType is the kind of thing that a state belongs to.
type StateType string

// The kinds of things that have states.
const (
	StateOfConversation StateType = "conversation"
	StateOfUser         StateType = "user"
	StateOfBot          StateType = "bot"
	StateOfIntegration  StateType = "integration"
	StateOfTask         StateType = "task"
	StateOfWorkflow     StateType = "workflow"
)

// StateKey names a state.
type StateKey struct {
	Type StateType
	// ID is the id of the conversation, user, bot, integration… it belongs to.
	ID string
	// Name is the name that the definition declares.
	Name string
}

// State is a named JSON object that belongs to a conversation, a user, a bot or
// an integration.
type State struct {
	ID        string    `json:"id"`
	CreatedAt time.Time `json:"createdAt"`
	UpdatedAt time.Time `json:"updatedAt"`
	BotID     string    `json:"botId"`
	// ConversationID and UserID are set according to Type.
	ConversationID string    `json:"conversationId,omitempty"`
	UserID         string    `json:"userId,omitempty"`
	Name           string    `json:"name"`
	Type           StateType `json:"type"`
	// Payload is a JSON object.
	Payload json.RawMessage `json:"payload"`
	// Expiry is in milliseconds, 0 if the state does not expire or the API
	// does not report it.
	Expiry int64 `json:"expiry,omitempty"`
	// ExpiresAt is the zero time if the state does not expire or the API
	// does not report it.
	ExpiresAt time.Time `json:"expiresAt,omitzero"`
}

// Never is the expiry of a state that does not expire.
const Never time.Duration = -1

// SetStateParams is the new content of a state.
type SetStateParams struct {
	// Payload is a JSON object. Nil is sent as null, which deletes the state.
	Payload json.RawMessage
	// Expiry is how long after its last use the state is deleted, a millisecond
	// to 30 days. 0 leaves it to the definition; [Never] is never.
	Expiry time.Duration
}

type stateBody struct {
	Payload json.RawMessage `json:"payload"`
	Expiry  Optional[int64] `json:"expiry,omitzero"`
}

// expiry converts to the API's milliseconds.
func expiry(d time.Duration) Optional[int64] {
	switch {
	case d == 0:
		return Optional[int64]{}
	case d < 0:
		return Null[int64]()
	}
	return Set(max(1, d.Milliseconds()))
}

type stateReply struct {
	State State `json:"state"`
	Meta  struct {
		Cached bool `json:"cached"`
	} `json:"meta"`
}

const stateRoute = "/v1/chat/states/{type}/{id}/{name}"

func (k StateKey) ids() []string { return []string{string(k.Type), k.ID, k.Name} }

// GetState returns a state, or [ErrNotFound] if it was never set or has expired.
func (c *Client) GetState(ctx context.Context, k StateKey) (State, error) {
	reply, err := do[stateReply](ctx, c, get(stateRoute, k.ids()...))
	return reply.State, err
}

// SetState replaces a state, or deletes it if the payload is nil. It is
// idempotent, but a retry may overwrite what another caller has set in between;
// see [Client.WithRetry].
func (c *Client) SetState(ctx context.Context, k StateKey, p SetStateParams) (State, error) {
	reply, err := do[stateReply](ctx, c, idempotentPost(stateBody{p.Payload, expiry(p.Expiry)}, stateRoute, k.ids()...))
	return reply.State, err
}

// GetOrSetState returns the state if it exists, and else sets it, atomically: of
// several concurrent callers, all get the payload of the first. It is
// idempotent.
func (c *Client) GetOrSetState(ctx context.Context, k StateKey, p SetStateParams) (State, error) {
	body := stateBody{object(p.Payload), expiry(p.Expiry)}
	reply, err := do[stateReply](ctx, c, idempotentPost(body, stateRoute+"/get-or-set", k.ids()...))
	return reply.State, err
}

// PatchState merges the given JSON object into a state: keys that are not named
// stay as they are. It is idempotent, with the caveat of [Client.SetState].
func (c *Client) PatchState(ctx context.Context, k StateKey, payload json.RawMessage) (State, error) {
	r := request{method: "PATCH", route: stateRoute, ids: k.ids(), body: stateBody{Payload: object(payload)}, idempotent: true}
	reply, err := do[stateReply](ctx, c, r)
	return reply.State, err
}

// SetStateExpiry changes when a state is deleted, counted from now. 0 and
// [Never] mean never. It is idempotent.
func (c *Client) SetStateExpiry(ctx context.Context, k StateKey, after time.Duration) (State, error) {
	if after == 0 {
		after = Never
	}
	body := struct {
		Expiry Optional[int64] `json:"expiry"`
	}{expiry(after)}
	reply, err := do[stateReply](ctx, c, idempotentPost(body, stateRoute+"/expiry", k.ids()...))
	return reply.State, err
}
