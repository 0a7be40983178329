package botpresstest

import (
	"encoding/json"
	"maps"
	"slices"
	"time"
	"unicode/utf8"
)

// stateKey names a state. Each installation has its own, and so has the bot.
type stateKey struct {
	owner          *Installation
	kind, id, name string
}

type state struct {
	id        string
	createdAt time.Time
	updatedAt time.Time
	payload   json.RawMessage
	expiry    time.Duration // Zero: never.
}

// expired reports whether the state has been idle for its expiry. Whether reading counts as activity is not public; here
// only writing does, so that a client may poll a state until it expires.
func (x *state) expired(now time.Time) bool {
	return x.expiry > 0 && !now.Before(x.updatedAt.Add(x.expiry))
}

func (r *request) viewState(k stateKey, x *state) any {
	view := map[string]any{
		"id": x.id, "createdAt": x.createdAt, "updatedAt": x.updatedAt, "botId": r.BotID,
		"name": k.name, "type": k.kind, "payload": x.payload,
	}
	if x.expiry > 0 {
		view["expiry"], view["expiresAt"] = x.expiry.Milliseconds(), x.updatedAt.Add(x.expiry)
	}
	switch k.kind {
	case "conversation":
		view["conversationId"] = k.id
	case "user":
		view["userId"] = k.id
	}
	return view
}

// stateKey reads the state that the path names, and checks that the caller may have it.
func (r *request) stateKey() (stateKey, *Error) {
	k := stateKey{r.in, r.http.PathValue("type"), r.http.PathValue("id"), r.http.PathValue("name")}
	var err *Error
	switch k.kind {
	case "conversation":
		_, err = r.conversation(k.id)
	case "user":
		_, err = r.user(k.id)
	case "bot":
		if k.id != r.BotID {
			err = notFound("bot", k.id)
		}
	case "integration":
		if r.in == nil || k.id != r.in.IntegrationID {
			err = notFound("integration", k.id)
		}
	default:
		err = invalidPayload("the state type %q is not conversation, user, bot or integration", k.kind)
	}
	of := "" // The type that the state is declared with.
	if r.in != nil {
		of = r.in.StateTypes[k.name]
	}
	switch {
	case err != nil:
	case r.in != nil && k.kind == "bot":
		err = invalidPayload("a state of %s belongs to a conversation, a user or an integration, not to a bot", r.in.Name)
	case utf8.RuneCountInString(k.name) > maxName:
		err = invalidPayload("the name of a state has at most %d characters", maxName)
	case r.in != nil && r.in.States != nil && !slices.Contains(r.in.States, k.name):
		err = invalidPayload("the state %q is not declared in the definition of %s", k.name, r.in.Name)
	case of != "" && of != k.kind:
		err = invalidPayload("the state %q of %s is declared with the type %s, not %s", k.name, r.in.Name, of, k.kind)
	}
	return k, err
}

// state finds a state that has not expired.
func (r *request) state(k stateKey) *state {
	if x := r.states[k]; x != nil && !x.expired(r.clock.now()) {
		return x
	}
	delete(r.states, k)
	return nil
}

// stateBody is the checked body of a call that changes a state.
type stateBody struct {
	Payload json.RawMessage `json:"payload"`
	Expiry  *float64        `json:"expiry"`

	expiry time.Duration
}

// stateCall reads the path and the body of a call that changes a state.
func (r *request) stateCall(shape string) (k stateKey, body stateBody, err *Error) {
	if k, err = r.stateKey(); err != nil {
		return k, body, err
	}
	if body, err = decode[stateBody](r.body, shape); err != nil {
		return k, body, err
	}
	if x := body.Expiry; x != nil {
		if !(*x >= 1 && *x <= 2_592_000_000) {
			return k, body, invalidPayload("expiry must be milliseconds from 1 to 2592000000")
		}
		body.expiry = time.Duration(*x * float64(time.Millisecond))
	}
	if body.Payload != nil && string(body.Payload) != "null" {
		err = payload(body.Payload)
	}
	return k, body, err
}

func (r *request) writeState(k stateKey, payload json.RawMessage, expiry time.Duration) *state {
	x := r.state(k)
	if x == nil {
		x = &state{id: r.newID("state"), createdAt: r.clock.stamp()}
		r.states[k] = x
	}
	x.payload, x.expiry, x.updatedAt = payload, expiry, r.clock.stamp()
	return x
}

func getState(r *request) (any, *Error) {
	k, err := r.stateKey()
	if err != nil {
		return nil, err
	}
	x := r.state(k)
	if x == nil {
		return nil, notFound("state", k.name)
	}
	return map[string]any{"state": r.viewState(k, x), "meta": map[string]bool{"cached": false}}, nil
}

// setState replaces a state; a null payload deletes it.
func setState(r *request) (any, *Error) {
	k, body, err := r.stateCall("payload!? expiry?")
	if err != nil {
		return nil, err
	}
	if string(body.Payload) == "null" {
		x := r.writeState(k, json.RawMessage("{}"), 0)
		delete(r.states, k)
		return map[string]any{"state": r.viewState(k, x)}, nil
	}
	return map[string]any{"state": r.viewState(k, r.writeState(k, body.Payload, body.expiry))}, nil
}

// getOrSetState is the API's only atomic operation on states: of concurrent callers one sets, and all get its payload.
func getOrSetState(r *request) (any, *Error) {
	k, body, err := r.stateCall("payload! expiry?")
	if err != nil {
		return nil, err
	}
	x := r.state(k)
	if x == nil {
		x = r.writeState(k, body.Payload, body.expiry)
	}
	return map[string]any{"state": r.viewState(k, x), "meta": map[string]bool{"cached": false}}, nil
}

// patchState sets the given keys of an existing state, and removes those that are null.
func patchState(r *request) (any, *Error) {
	k, body, err := r.stateCall("payload!")
	if err != nil {
		return nil, err
	}
	x := r.state(k)
	if x == nil {
		return nil, notFound("state", k.name)
	}
	var keys, changes map[string]json.RawMessage
	if json.Unmarshal(x.payload, &keys) != nil || json.Unmarshal(body.Payload, &changes) != nil {
		return nil, invalidPayload("payload must be an object")
	}
	maps.Copy(keys, changes)
	maps.DeleteFunc(keys, func(_ string, v json.RawMessage) bool { return string(v) == "null" })
	return map[string]any{"state": r.viewState(k, r.writeState(k, mustJSON(keys), x.expiry))}, nil
}

func setStateExpiry(r *request) (any, *Error) {
	k, body, err := r.stateCall("expiry!?")
	if err != nil {
		return nil, err
	}
	x := r.state(k)
	if x == nil {
		return nil, notFound("state", k.name)
	}
	return map[string]any{"state": r.viewState(k, r.writeState(k, x.payload, body.expiry))}, nil
}
