package api

import (
	"encoding/json"
	"fmt"
	"maps"
	"time"
)

// What Botpress does of its own accord, that is: what the driver does.

// Seed makes a session that was started at a time, with an end user, as servers on this SDK leave it.
func (s *Server) Seed(n int, started time.Time) (conversationID, userID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.data.newUser(fmt.Sprintf("Jane %d", n), "", map[string]string{"id": fmt.Sprintf("seed-user-%d", n)})
	conv := s.data.newConversation("hitl", map[string]string{
		"id": fmt.Sprintf("seed-ticket-%d", n), "startedAt": Stamp(started), "phase": "open",
	})
	return conv.ID, u.ID
}

// Dispatch is the body of message_created.
type Dispatch struct {
	Type         string          `json:"type"`
	Payload      json.RawMessage `json:"payload"`
	User         User            `json:"user"`
	Conversation Conversation    `json:"conversation"`
	Message      Message         `json:"message"`
}

// Say puts a message of an end user into a conversation, and returns what the integration is sent of it.
func (s *Server) Say(bot, conversationID, userID, text string) (Dispatch, error) {
	payload, err := json.Marshal(map[string]string{"text": text, "userId": userID})
	if err != nil {
		return Dispatch{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	conv := s.data.conversations[conversationID]
	if conv == nil {
		return Dispatch{}, fmt.Errorf("there is no conversation %s", conversationID)
	}
	m := s.data.newMessage(conv, "outgoing", bot, payload, nil)
	d := Dispatch{
		Type: m.Type, Payload: payload, Conversation: *conv, Message: *m,
		User: User{ID: bot, CreatedAt: conv.CreatedAt, UpdatedAt: conv.CreatedAt, Name: "Bot", Tags: map[string]string{}},
	}
	d.Conversation.Tags, d.Message.Tags = maps.Clone(conv.Tags), map[string]string{}
	return d, nil
}

// Forget drops a conversation with all that belongs to it, and its end user, so that any number of sessions fit into the memory.
func (s *Server) Forget(conversationID, userID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if conv := s.data.conversations[conversationID]; conv != nil {
		for _, m := range conv.messages {
			delete(s.data.messages, m.ID)
		}
		delete(s.data.byKey, conv.key)
		delete(s.data.conversations, conversationID)
	}
	if u := s.data.users[userID]; u != nil {
		delete(s.data.byKey, u.key)
		delete(s.data.users, userID)
	}
}

// Undelivered is how many messages in a conversation are not marked as delivered, and how many agents' messages it has.
func (s *Server) Undelivered(conversationID string) (undelivered, replies int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	conv := s.data.conversations[conversationID]
	if conv == nil {
		return 0, 0
	}
	for _, m := range conv.messages {
		switch {
		case m.Direction == "incoming":
			replies++
		case m.Tags["delivered"] != "1/1":
			undelivered++
		}
	}
	return undelivered, replies
}
