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

// A state expires when it has been idle for the time given. Whether reading it counts as activity is not public; here
// only writing does, so that whoever waits for a state to expire may look whether it has.
func (x *state) expired() bool {
	return x.expiry > 0 && !time.Now().Before(x.updatedAt.Add(x.expiry))
}

func (r *request) viewState(k stateKey, x *state) any {
	view := map[string]any{
		"id": x.id, "createdAt": x.createdAt, "updatedAt": x.updatedAt, "botId": r.BotID,
		"name": k.name, "type": k.kind, "payload": x.payload,
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
	switch {
	case err != nil:
	case utf8.RuneCountInString(k.name) > maxName:
		err = invalidPayload("the name of a state has at most %d characters", maxName)
	case r.in != nil && r.in.States != nil && !slices.Contains(r.in.States, k.name):
		err = invalidPayload("the state %q is not declared in the definition of %s", k.name, r.in.Name)
	}
	return k, err
}

// state finds a state that has not expired.
func (r *request) state(k stateKey) *state {
	if x := r.states[k]; x != nil && !x.expired() {
		return x
	}
	delete(r.states, k)
	return nil
}

type stateBody struct {
	Payload json.RawMessage `json:"payload"`
	Expiry  *float64        `json:"expiry"`
}

func (b stateBody) expiry() (time.Duration, *Error) {
	if b.Expiry == nil {
		return 0, nil
	}
	if !(*b.Expiry >= 1 && *b.Expiry <= 2_592_000_000) {
		return 0, invalidPayload("expiry must be milliseconds from 1 to 2592000000")
	}
	return time.Duration(*b.Expiry * float64(time.Millisecond)), nil
}

func (r *request) writeState(k stateKey, payload json.RawMessage, expiry time.Duration) *state {
	x := r.state(k)
	if x == nil {
		x = &state{id: r.newID("state"), createdAt: stamp()}
		r.states[k] = x
	}
	x.payload, x.expiry, x.updatedAt = payload, expiry, stamp()
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
	k, err := r.stateKey()
	if err != nil {
		return nil, err
	}
	body, err := decode[stateBody](r.body, "payload!? expiry?")
	if err != nil {
		return nil, err
	}
	expiry, err := body.expiry()
	if err != nil {
		return nil, err
	}
	if string(body.Payload) == "null" {
		x := r.writeState(k, json.RawMessage("{}"), 0)
		delete(r.states, k)
		return map[string]any{"state": r.viewState(k, x)}, nil
	}
	if err := object("payload", body.Payload); err != nil {
		return nil, err
	}
	return map[string]any{"state": r.viewState(k, r.writeState(k, body.Payload, expiry))}, nil
}

// getOrSetState is the API's one compare-and-set: of many callers at once, one sets and all get what it has set.
func getOrSetState(r *request) (any, *Error) {
	k, err := r.stateKey()
	if err != nil {
		return nil, err
	}
	body, err := decode[stateBody](r.body, "payload! expiry?")
	if err != nil {
		return nil, err
	}
	expiry, err := body.expiry()
	if err != nil {
		return nil, err
	}
	if err := object("payload", body.Payload); err != nil {
		return nil, err
	}
	x := r.state(k)
	if x == nil {
		x = r.writeState(k, body.Payload, expiry)
	}
	return map[string]any{"state": r.viewState(k, x), "meta": map[string]bool{"cached": false}}, nil
}

// patchState sets the given keys of a state that is there, and removes those that are null.
func patchState(r *request) (any, *Error) {
	k, err := r.stateKey()
	if err != nil {
		return nil, err
	}
	body, err := decode[stateBody](r.body, "payload!")
	if err != nil {
		return nil, err
	}
	if err := object("payload", body.Payload); err != nil {
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
	payload, wrong := json.Marshal(keys)
	if wrong != nil {
		return nil, invalidPayload("payload cannot be merged: %v", wrong)
	}
	return map[string]any{"state": r.viewState(k, r.writeState(k, payload, x.expiry))}, nil
}

func setStateExpiry(r *request) (any, *Error) {
	k, err := r.stateKey()
	if err != nil {
		return nil, err
	}
	body, err := decode[stateBody](r.body, "expiry!?")
	if err != nil {
		return nil, err
	}
	expiry, err := body.expiry()
	if err != nil {
		return nil, err
	}
	x := r.state(k)
	if x == nil {
		return nil, notFound("state", k.name)
	}
	return map[string]any{"state": r.viewState(k, r.writeState(k, x.payload, expiry))}, nil
}
