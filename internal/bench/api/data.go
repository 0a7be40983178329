package api

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// User is a user of Botpress.
type User struct {
	ID         string            `json:"id"`
	CreatedAt  string            `json:"createdAt"`
	UpdatedAt  string            `json:"updatedAt"`
	Name       string            `json:"name,omitempty"`
	PictureURL string            `json:"pictureUrl,omitempty"`
	Tags       map[string]string `json:"tags"`

	key string
}

// Conversation is a conversation of Botpress.
type Conversation struct {
	ID          string            `json:"id"`
	CreatedAt   string            `json:"createdAt"`
	UpdatedAt   string            `json:"updatedAt"`
	Channel     string            `json:"channel"`
	Integration string            `json:"integration"`
	Tags        map[string]string `json:"tags"`

	key      string
	messages []*Message // oldest first
	states   map[string]json.RawMessage
}

// Message is a message of Botpress.
type Message struct {
	ID             string            `json:"id"`
	CreatedAt      string            `json:"createdAt"`
	UpdatedAt      string            `json:"updatedAt"`
	ConversationID string            `json:"conversationId"`
	UserID         string            `json:"userId"`
	Direction      string            `json:"direction"`
	Type           string            `json:"type"`
	Payload        json.RawMessage   `json:"payload"`
	Tags           map[string]string `json:"tags"`
}

// State is a state of Botpress.
type State struct {
	ID        string          `json:"id"`
	CreatedAt string          `json:"createdAt"`
	UpdatedAt string          `json:"updatedAt"`
	BotID     string          `json:"botId"`
	Name      string          `json:"name"`
	Type      string          `json:"type"`
	Payload   json.RawMessage `json:"payload"`
}

// data is what the API knows.
type data struct {
	last          int
	users         map[string]*User
	conversations map[string]*Conversation
	messages      map[string]*Message
	states        map[string]json.RawMessage // of integrations
	byKey         map[string]string          // ids by the tags that things are found by
}

func newData() *data {
	return &data{
		users: map[string]*User{}, conversations: map[string]*Conversation{}, messages: map[string]*Message{},
		states: map[string]json.RawMessage{}, byKey: map[string]string{},
	}
}

// newID makes an id as long as Botpress' are.
func (d *data) newID(kind string) string {
	d.last++
	return fmt.Sprintf("%s_%026d", kind, d.last)
}

// Stamp formats a time as the API does.
func Stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// key is what get-or-create finds a thing by.
func key(kind string, c caller, tags map[string]string, by []string) string {
	var b strings.Builder
	b.WriteString(kind)
	b.WriteByte(0)
	b.WriteString(c.bot)
	for _, name := range by {
		b.WriteByte(0)
		b.WriteString(name)
		b.WriteByte(0)
		b.WriteString(tags[name])
	}
	return b.String()
}

// merge sets tags; an empty value unsets one.
func merge(tags, change map[string]string) {
	for name, value := range change {
		if value == "" {
			delete(tags, name)
		} else {
			tags[name] = value
		}
	}
}

func (d *data) newUser(name, picture string, tags map[string]string) *User {
	now := Stamp(time.Now())
	u := &User{ID: d.newID("user"), CreatedAt: now, UpdatedAt: now, Name: name, PictureURL: picture, Tags: map[string]string{}}
	merge(u.Tags, tags)
	d.users[u.ID] = u
	return u
}

func (d *data) newConversation(channel string, tags map[string]string) *Conversation {
	now := Stamp(time.Now())
	conv := &Conversation{
		ID: d.newID("conv"), CreatedAt: now, UpdatedAt: now, Channel: channel, Integration: "bench", Tags: map[string]string{},
	}
	merge(conv.Tags, tags)
	d.conversations[conv.ID] = conv
	return conv
}

func (d *data) newMessage(conv *Conversation, direction, userID string, payload json.RawMessage, tags map[string]string) *Message {
	now := Stamp(time.Now())
	m := &Message{
		ID: d.newID("msg"), CreatedAt: now, UpdatedAt: now, ConversationID: conv.ID, UserID: userID, Direction: direction,
		Type: "text", Payload: payload, Tags: map[string]string{},
	}
	merge(m.Tags, tags)
	d.messages[m.ID] = m
	conv.messages = append(conv.messages, m)
	return m
}

// PageSize is how many messages a page has.
const PageSize = 20

// page returns the newest messages of a conversation after the given number, and the number for the next page.
func (conv *Conversation) page(skip int) (page []*Message, next int) {
	end := max(0, len(conv.messages)-skip)
	start := max(0, end-PageSize)
	page = slices.Clone(conv.messages[start:end])
	slices.Reverse(page)
	if start > 0 {
		next = skip + PageSize
	}
	return page, next
}
