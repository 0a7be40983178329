package hitl

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"time"

	"github.com/hitl-go/sdk/botpress"
)

// holder is the state that says which replica does something that only one may do, and until when it may take.
type holder struct {
	Owner string    `json:"owner"`
	Until time.Time `json:"until"`
}

// claim waits until no other replica does what the state stands for in the conversation, and then holds it. The returned
// function gives it back. While it waits it asks whether the work has been settled meanwhile: then the function is nil.
func (c *call) claim(ctx context.Context, conversationID, state string, settled func() (bool, error)) (release func(), err error) {
	key := botpress.StateKey{Type: botpress.StateOfConversation, ID: conversationID, Name: state}
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		mine, err := c.tryClaim(ctx, key)
		if err != nil {
			return nil, fmt.Errorf("hitl: claim %s of conversation %s: %w", state, conversationID, err)
		}
		if mine {
			return func() { c.release(ctx, key) }, nil
		}
		if err := sleep(ctx, wait); err != nil {
			return nil, Retryable(5*time.Second, fmt.Errorf("hitl: %s of conversation %s is claimed by another: %w", state, conversationID, err))
		}
		if done, err := settled(); done || err != nil {
			return nil, err
		}
	}
}

// tryClaim reports whether we hold the claim now. Who held it beyond his time has crashed.
func (c *call) tryClaim(ctx context.Context, key botpress.StateKey) (bool, error) {
	lifetime := c.opts.Timeout + 10*time.Second // an operation that holds it has ended by then
	me := holder{Owner: rand.Text(), Until: time.Now().Add(lifetime)}
	payload, err := json.Marshal(me)
	if err != nil {
		return false, err
	}
	state, err := again(ctx, func() (botpress.State, error) {
		return c.client.GetOrSetState(ctx, key, botpress.SetStateParams{Payload: payload, Expiry: lifetime})
	})
	if err != nil {
		return false, err
	}
	var has holder
	if err := json.Unmarshal(state.Payload, &has); err != nil {
		return false, err
	}
	if has.Owner == me.Owner {
		return true, nil
	}
	if time.Now().After(has.Until) { // the API counts the expiry of a state from its last use, and we keep asking
		c.release(ctx, key)
	}
	return false, nil
}

// release gives a claim back, so that the next one need not wait for its end.
func (c *call) release(ctx context.Context, key botpress.StateKey) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second) // also when the operation's own time is up
	defer cancel()
	_, err := again(ctx, func() (botpress.State, error) {
		return c.client.SetState(ctx, key, botpress.SetStateParams{})
	})
	if err != nil {
		c.in.Logger.WarnContext(ctx, "a claim could not be given back; it ends by itself", "conversation", key.ID, "claim", key.Name, "error", err)
	}
}
