package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

type tags map[string]string

// thing is what is read of a user, a conversation or a message.
type thing struct {
	ID   string `json:"id"`
	Tags tags   `json:"tags"`
}

type action struct {
	Type  string `json:"type"`
	Input struct {
		Name           string `json:"name"`
		Email          string `json:"email"`
		PictureURL     string `json:"pictureUrl"`
		UserID         string `json:"userId"`
		ConversationID string `json:"conversationId"`
	} `json:"input"`
}

func (s *server) act(c call, a action) (any, error) {
	switch a.Type {
	case "createUser":
		return s.createUser(c, a)
	case "startHitl":
		return s.startHitl(c, a)
	case "stopHitl":
		return s.stopHitl(c, a)
	default:
		return nil, fmt.Errorf("the action %q is unknown", a.Type)
	}
}

// newUser is a user to find or to create.
type newUser struct {
	Name               string   `json:"name"`
	PictureURL         string   `json:"pictureUrl,omitempty"`
	Tags               tags     `json:"tags"`
	DiscriminateByTags []string `json:"discriminateByTags"`
}

func (s *server) createUser(c call, a action) (any, error) {
	var found struct {
		User thing `json:"user"`
	}
	err := c.do("POST", "/v1/chat/users/get-or-create", newUser{
		Name: a.Input.Name, PictureURL: a.Input.PictureURL,
		Tags: tags{"userKey": strings.ToLower(a.Input.Email), "email": a.Input.Email}, DiscriminateByTags: []string{"userKey"},
	}, &found)
	if err != nil {
		return nil, err
	}
	change := struct {
		Name string `json:"name"`
		Tags tags   `json:"tags"`
	}{a.Input.Name, tags{"id": s.newID("user")}}
	return map[string]string{"userId": found.User.ID}, c.do("PUT", "/v1/chat/users/"+found.User.ID, change, nil)
}

// change changes the tags of a thing.
type change struct {
	Tags tags `json:"tags"`
}

type conversation struct {
	Conversation thing `json:"conversation"`
}

func (s *server) startHitl(c call, a action) (any, error) {
	var read struct {
		User thing `json:"user"`
	}
	if err := c.do("GET", "/v1/chat/users/"+a.Input.UserID, nil, &read); err != nil {
		return nil, err
	}
	if read.User.Tags["id"] == "" {
		return nil, errors.New("the user is not linked to the help desk")
	}
	ticket := struct {
		Channel            string   `json:"channel"`
		Tags               tags     `json:"tags"`
		DiscriminateByTags []string `json:"discriminateByTags"`
	}{"hitl", tags{"id": s.newID("ticket")}, []string{"id"}}
	var found conversation
	if err := c.do("POST", "/v1/chat/conversations/get-or-create", ticket, &found); err != nil {
		return nil, err
	}
	id := found.Conversation.ID
	err := c.do("PUT", "/v1/chat/conversations/"+id, change{tags{"startedAt": time.Now().UTC().Format(time.RFC3339Nano), "phase": "open"}}, nil)
	return map[string]string{"conversationId": id}, err
}

func (s *server) stopHitl(c call, a action) (any, error) {
	path := "/v1/chat/conversations/" + a.Input.ConversationID
	var read conversation
	if err := c.do("GET", path, nil, &read); err != nil {
		return nil, err
	}
	if read.Conversation.Tags["id"] == "" {
		return nil, errors.New("the conversation is not linked to the help desk")
	}
	return struct{}{}, c.do("PUT", path, change{tags{"closedAt": time.Now().UTC().Format(time.RFC3339Nano), "phase": "closed"}}, nil)
}

type created struct {
	Conversation thing `json:"conversation"`
	Message      thing `json:"message"`
}

// message hands the desk a message, unless it has it.
func (s *server) message(c call, m created) error {
	var list struct {
		Messages []thing `json:"messages"`
	}
	if err := c.do("GET", "/v1/chat/messages?conversationId="+m.Conversation.ID, nil, &list); err != nil {
		return err
	}
	for _, known := range list.Messages {
		if known.ID == m.Message.ID && known.Tags["id"] != "" {
			return nil
		}
	}
	return c.do("PUT", "/v1/chat/messages/"+m.Message.ID, change{tags{"id": s.newID("comment"), "delivered": "1/1"}}, nil)
}

type webhook struct {
	Request struct {
		Body string `json:"body"`
	} `json:"req"`
}

// report sends the end user what an agent says.
func (s *server) report(c call, h webhook) error {
	var rep struct {
		ConversationID string `json:"conversationId"`
		CommentID      string `json:"commentId"`
		Text           string `json:"text"`
		Agent          struct {
			ID   string `json:"id"`
			Name string `json:"name"`
		} `json:"agent"`
	}
	if err := json.Unmarshal([]byte(h.Request.Body), &rep); err != nil {
		return err
	}
	type newMessage struct {
		Type               string            `json:"type"`
		Payload            map[string]string `json:"payload"`
		Tags               tags              `json:"tags"`
		DiscriminateByTags []string          `json:"discriminateByTags"`
	}
	incoming := struct {
		ConversationID string     `json:"conversationId"`
		User           newUser    `json:"user"`
		Message        newMessage `json:"message"`
	}{
		rep.ConversationID,
		newUser{Name: rep.Agent.Name, Tags: tags{"agentId": rep.Agent.ID, "id": rep.Agent.ID}, DiscriminateByTags: []string{"agentId"}},
		newMessage{"text", map[string]string{"text": rep.Text}, tags{"id": rep.CommentID}, []string{"id"}},
	}
	return c.do("POST", "/v1/chat/initialize-incoming-message", incoming, nil)
}
