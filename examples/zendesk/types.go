package main

import (
	"strings"
	"time"
)

// What Zendesk answers, as far as it is read.

type userAnswer struct{ User user }

type usersAnswer struct{ Users []user }

type user struct {
	ID                       id
	Name, Alias, Email, Role string
	ExternalID               string `json:"external_id"`
	Suspended                bool
	Photo                    struct {
		URL string `json:"content_url"`
	}
}

type ticketAnswer struct {
	Ticket ticket
	Users  []user
	Audit  struct {
		Events []struct {
			ID   id
			Type string
		}
	}
}

type ticketsAnswer struct{ Tickets []ticket }

type ticket struct {
	ID         id
	Status     string
	AssigneeID id     `json:"assignee_id"`
	Created    string `json:"created_at"`
	Updated    string `json:"updated_at"`
}

// comment is the id of the comment that an update has made.
func (a ticketAnswer) comment() (made id) {
	for _, e := range a.Audit.Events {
		if e.Type == "Comment" {
			made = e.ID
		}
	}
	return made
}

type commentsAnswer struct {
	Comments []comment
	Users    []user
	Meta     struct {
		More  bool   `json:"has_more"`
		After string `json:"after_cursor"`
	}
}

// knowledge is which of our messages are among the comments.
func (a commentsAnswer) knowledge(stamp string) *knowledge {
	k := &knowledge{stamp: stamp, parts: map[string]id{}}
	for _, c := range a.Comments {
		if part, ok := c.Metadata.Custom[mark].(string); ok {
			k.parts[part] = c.ID
		}
	}
	return k
}

type comment struct {
	ID          id
	CreatedAt   time.Time `json:"created_at"`
	AuthorID    id        `json:"author_id"`
	HTML        string    `json:"html_body"`
	Public      bool
	Metadata    struct{ Custom object }
	Via         struct{ Source struct{ Rel string } }
	Attachments []attachment
}

type attachment struct {
	ID      id
	Name    string `json:"file_name"`
	Type    string `json:"content_type"`
	URL     string `json:"content_url"`
	Size    int64
	Malware string `json:"malware_scan_result"`
}

type uploadAnswer struct{ Upload struct{ Token string } }

type webhookAnswer struct{ Webhook webhook }

type webhooksAnswer struct{ Webhooks []webhook }

type webhook struct {
	ID                                  id
	Name, Description, Endpoint, Status string
}

type secretAnswer struct {
	Signing struct{ Secret string } `json:"signing_secret"`
}

type triggerAnswer struct{ Trigger trigger }

type triggersAnswer struct{ Triggers []trigger }

type trigger struct {
	ID     id
	Title  string
	Active bool
}

// id is a number or a text in JSON, or null, which is the empty id.
type id string

func (i *id) UnmarshalJSON(data []byte) error { //nolint:unparam // The interface has the error.
	*i = id(strings.Trim(strings.TrimPrefix(string(data), "null"), `"`))
	return nil
}
