package botpresstest

import "encoding/json"

// initializeIncomingMessage finds or creates a user, a conversation and a message in one step. It is all or nothing:
// everything is checked before anything is made.
func initializeIncomingMessage(r *request) (any, *Error) {
	body, err := decode[struct {
		UserID         string          `json:"userId"`
		User           json.RawMessage `json:"user"`
		ConversationID string          `json:"conversationId"`
		Conversation   json.RawMessage `json:"conversation"`
		Message        json.RawMessage `json:"message"`
	}](r.body, "userId user conversationId conversation message")
	if err != nil {
		return nil, err
	}
	if (body.UserID == "") == (body.User == nil) {
		return nil, invalidPayload("give either userId or user")
	}
	if (body.ConversationID == "") == (body.Conversation == nil) {
		return nil, invalidPayload("give either conversationId or conversation")
	}

	var (
		u       *user
		c       *conversation
		newUser parsedUser
		newConv parsedConversation
		newMsg  parsedMessage
	)
	if body.User == nil {
		u, err = r.user(body.UserID)
	} else {
		newUser, err = r.parseUser(body.User, "tags! discriminateByTags! properties integrationName name pictureUrl", true)
	}
	if err != nil {
		return nil, err
	}
	if body.Conversation == nil {
		c, err = r.conversation(body.ConversationID)
	} else {
		newConv, err = r.parseConversation(body.Conversation, "channel! tags! discriminateByTags! properties integrationName", true)
	}
	if err != nil {
		return nil, err
	}
	if body.Message != nil {
		newMsg, err = r.parseMessage(body.Message, "payload! type! tags! discriminateByTags! origin", true)
		if err != nil {
			return nil, err
		}
	}

	if u == nil {
		u, _ = r.getOrCreateUser(newUser)
	}
	if c == nil {
		c, _ = r.getOrCreateConversation(newConv)
	}
	c.join(u.id)
	answer := map[string]any{"user": u.view(r.in), "conversation": c.view(r.in)}
	if body.Message != nil {
		m, _ := r.getOrCreateMessage(c, u, newMsg)
		answer["message"] = m.view(r.in)
	}
	return answer, nil
}
