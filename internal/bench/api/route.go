package api

import (
	"encoding/json"
	"maps"
	"strconv"
	"strings"
	"time"
)

type handle func(*data, caller, []byte) (any, error)

// Kinds of states that servers write.
const (
	ofConversation = "/v1/chat/states/conversation/{id}/{name}"
	ofIntegration  = "/v1/chat/states/integration/{id}/{name}"
)

// sweeps are the routes of what a server does by its own clock, and not for a request.
func sweeps(route string) bool {
	return route == "GET /v1/chat/conversations" || strings.Contains(route, "/states/integration/")
}

func routes() map[string]handle {
	routes := map[string]handle{
		"POST /v1/chat/users/get-or-create":         getOrCreateUser,
		"GET /v1/chat/users/{id}":                   getUser,
		"PUT /v1/chat/users/{id}":                   updateUser,
		"GET /v1/chat/conversations":                listConversations,
		"POST /v1/chat/conversations/get-or-create": getOrCreateConversation,
		"GET /v1/chat/conversations/{id}":           getConversation,
		"PUT /v1/chat/conversations/{id}":           updateConversation,
		"GET /v1/chat/messages":                     listMessages,
		"PUT /v1/chat/messages/{id}":                updateMessage,
		"POST /v1/chat/initialize-incoming-message": initializeIncomingMessage,
	}
	for _, state := range []string{ofConversation, ofIntegration} {
		routes["GET "+state] = getState
		routes["POST "+state] = setState
		routes["PATCH "+state] = patchState
		routes["POST "+state+"/get-or-set"] = getOrSetState
	}
	return routes
}

// newThing is a user, a conversation or a message to find or to create.
type newThing struct {
	Name               string            `json:"name"`
	PictureURL         string            `json:"pictureUrl"`
	Channel            string            `json:"channel"`
	Payload            json.RawMessage   `json:"payload"`
	Tags               map[string]string `json:"tags"`
	DiscriminateByTags []string          `json:"discriminateByTags"`
}

type created struct {
	Created bool `json:"created"`
}

type userAnswer struct {
	User *User   `json:"user"`
	Meta created `json:"meta"`
}

func getOrCreateUser(d *data, c caller, body []byte) (any, error) {
	var p newThing
	if err := json.Unmarshal(body, &p); err != nil {
		return nil, err
	}
	u, isNew := d.findUser(c, p)
	return userAnswer{u, created{isNew}}, nil
}

func (d *data) findUser(c caller, p newThing) (u *User, isNew bool) {
	k := key("user", c, p.Tags, p.DiscriminateByTags)
	if u := d.users[d.byKey[k]]; u != nil {
		merge(u.Tags, p.Tags)
		return u, false
	}
	u = d.newUser(p.Name, p.PictureURL, p.Tags)
	u.key = k
	d.byKey[k] = u.ID
	return u, true
}

func getUser(d *data, c caller, _ []byte) (any, error) {
	u := d.users[c.PathValue("id")]
	if u == nil {
		return nil, errUnknown
	}
	return userAnswer{User: u}, nil
}

func updateUser(d *data, c caller, body []byte) (any, error) {
	var p newThing
	if err := json.Unmarshal(body, &p); err != nil {
		return nil, err
	}
	u := d.users[c.PathValue("id")]
	if u == nil {
		return nil, errUnknown
	}
	if p.Name != "" {
		u.Name = p.Name
	}
	merge(u.Tags, p.Tags)
	u.UpdatedAt = Stamp(time.Now())
	return userAnswer{User: u}, nil
}

type conversationAnswer struct {
	Conversation *Conversation `json:"conversation"`
	Meta         created       `json:"meta"`
}

// listConversations finds none: no session of the benchmarks needs to be put in order.
func listConversations(*data, caller, []byte) (any, error) {
	return struct {
		Conversations []Conversation `json:"conversations"`
		Meta          struct{}       `json:"meta"`
	}{Conversations: []Conversation{}}, nil
}

func getOrCreateConversation(d *data, c caller, body []byte) (any, error) {
	var p newThing
	if err := json.Unmarshal(body, &p); err != nil {
		return nil, err
	}
	k := key("conversation", c, p.Tags, p.DiscriminateByTags)
	conv := d.conversations[d.byKey[k]]
	if conv != nil {
		merge(conv.Tags, p.Tags)
		return conversationAnswer{Conversation: conv}, nil
	}
	conv = d.newConversation(p.Channel, p.Tags)
	conv.key = k
	d.byKey[k] = conv.ID
	return conversationAnswer{conv, created{true}}, nil
}

func getConversation(d *data, c caller, _ []byte) (any, error) {
	conv := d.conversations[c.PathValue("id")]
	if conv == nil {
		return nil, errUnknown
	}
	return conversationAnswer{Conversation: conv}, nil
}

func updateConversation(d *data, c caller, body []byte) (any, error) {
	var p newThing
	if err := json.Unmarshal(body, &p); err != nil {
		return nil, err
	}
	conv := d.conversations[c.PathValue("id")]
	if conv == nil {
		return nil, errUnknown
	}
	merge(conv.Tags, p.Tags)
	conv.UpdatedAt = Stamp(time.Now())
	return conversationAnswer{Conversation: conv}, nil
}

func listMessages(d *data, c caller, _ []byte) (any, error) {
	query := c.URL.Query()
	conv := d.conversations[query.Get("conversationId")]
	if conv == nil {
		return nil, errUnknown
	}
	skip, _ := strconv.Atoi(query.Get("nextToken")) // Nothing is the first page.
	var answer struct {
		Messages []*Message `json:"messages"`
		Meta     struct {
			NextToken string `json:"nextToken,omitempty"`
		} `json:"meta"`
	}
	page, next := conv.page(skip)
	if answer.Messages = page; next > 0 {
		answer.Meta.NextToken = strconv.Itoa(next)
	}
	return answer, nil
}

type messageAnswer struct {
	Message *Message `json:"message"`
}

func updateMessage(d *data, c caller, body []byte) (any, error) {
	var p newThing
	if err := json.Unmarshal(body, &p); err != nil {
		return nil, err
	}
	m := d.messages[c.PathValue("id")]
	if m == nil {
		return nil, errUnknown
	}
	merge(m.Tags, p.Tags)
	m.UpdatedAt = Stamp(time.Now())
	return messageAnswer{m}, nil
}

func initializeIncomingMessage(d *data, c caller, body []byte) (any, error) {
	var p struct {
		ConversationID string    `json:"conversationId"`
		User           newThing  `json:"user"`
		Message        *newThing `json:"message"`
	}
	if err := json.Unmarshal(body, &p); err != nil {
		return nil, err
	}
	conv := d.conversations[p.ConversationID]
	if conv == nil {
		return nil, errUnknown
	}
	var answer struct {
		User         *User         `json:"user"`
		Conversation *Conversation `json:"conversation"`
		Message      *Message      `json:"message,omitempty"`
	}
	answer.User, _ = d.findUser(c, p.User)
	answer.Conversation = conv
	if p.Message == nil {
		return answer, nil
	}
	for _, m := range conv.messages { // There are few.
		if id := p.Message.Tags["id"]; id != "" && m.Tags["id"] == id {
			answer.Message = m
			return answer, nil
		}
	}
	answer.Message = d.newMessage(conv, "incoming", answer.User.ID, p.Message.Payload, p.Message.Tags)
	return answer, nil
}

// stateOf returns where a state is kept, and its key there.
func (d *data) stateOf(c caller) (in map[string]json.RawMessage, key string, err error) {
	if strings.Contains(c.Pattern, ofIntegration) {
		return d.states, c.bot + "/" + c.PathValue("id") + "/" + c.PathValue("name"), nil
	}
	conv := d.conversations[c.PathValue("id")]
	if conv == nil {
		return nil, "", errUnknown
	}
	if conv.states == nil {
		conv.states = map[string]json.RawMessage{}
	}
	return conv.states, c.PathValue("name"), nil
}

type stateAnswer struct {
	State State `json:"state"`
}

func stateWith(c caller, payload json.RawMessage) stateAnswer {
	now := Stamp(time.Now())
	kind := "conversation"
	if strings.Contains(c.Pattern, ofIntegration) {
		kind = "integration"
	}
	return stateAnswer{State{
		ID: "state_00000000000000000000000001", CreatedAt: now, UpdatedAt: now, BotID: c.bot,
		Name: c.PathValue("name"), Type: kind, Payload: payload,
	}}
}

func getState(d *data, c caller, _ []byte) (any, error) {
	in, k, err := d.stateOf(c)
	if err != nil || in[k] == nil {
		return nil, errUnknown
	}
	return stateWith(c, in[k]), nil
}

func setState(d *data, c caller, body []byte) (any, error) { return d.writeState(c, body, false) }

func getOrSetState(d *data, c caller, body []byte) (any, error) { return d.writeState(c, body, true) }

func (d *data) writeState(c caller, body []byte, keep bool) (any, error) {
	in, k, err := d.stateOf(c)
	if err != nil {
		return nil, err
	}
	var p struct {
		Payload json.RawMessage `json:"payload"`
	}
	if err := json.Unmarshal(body, &p); err != nil {
		return nil, err
	}
	switch {
	case keep && in[k] != nil:
	case string(p.Payload) == "null":
		delete(in, k)
		return stateWith(c, json.RawMessage("{}")), nil
	default:
		in[k] = p.Payload
	}
	return stateWith(c, in[k]), nil
}

func patchState(d *data, c caller, body []byte) (any, error) {
	in, k, err := d.stateOf(c)
	if err != nil || in[k] == nil {
		return nil, errUnknown
	}
	var p struct {
		Payload map[string]json.RawMessage `json:"payload"`
	}
	merged := map[string]json.RawMessage{}
	if err := json.Unmarshal(body, &p); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(in[k], &merged); err != nil {
		return nil, err
	}
	maps.Copy(merged, p.Payload)
	if in[k], err = json.Marshal(merged); err != nil {
		return nil, err
	}
	return stateWith(c, in[k]), nil
}
