package zendesktest

import (
	"cmp"
	"slices"
	"time"
)

// User is an agent, an admin or an end user.
type User struct {
	ID         int64  `json:"id"`
	Name       string `json:"name"`
	Alias      string `json:"alias"` // What end users are shown of an agent, if it is set.
	Email      string `json:"email"`
	Role       string `json:"role"` // "end-user", "agent" or "admin".
	ExternalID string `json:"external_id"`
	Photo      *Photo `json:"photo"`
}

// Photo is the picture of a user.
type Photo struct {
	URL string `json:"content_url"`
}

// Ticket is a ticket with its comments, oldest first.
type Ticket struct {
	ID          int64     `json:"id"`
	ExternalID  string    `json:"external_id"`
	Subject     string    `json:"subject"`
	Status      string    `json:"status"` // "new", "open", "pending", "hold", "solved" or "closed".
	Priority    string    `json:"priority"`
	RequesterID int64     `json:"requester_id"`
	SubmitterID int64     `json:"submitter_id"`
	AssigneeID  int64     `json:"assignee_id,omitzero"`
	GroupID     int64     `json:"group_id,omitzero"`
	FormID      int64     `json:"ticket_form_id,omitzero"`
	Tags        []string  `json:"tags"`
	Via         Via       `json:"via"`
	CreatedAt   time.Time `json:"created_at"`
	Comments    []Comment `json:"-"`
}

// Comment is a public comment or an internal note.
type Comment struct {
	ID          int64        `json:"id"`
	Type        string       `json:"type"`
	AuthorID    int64        `json:"author_id"` // Minus one for the system.
	HTML        string       `json:"html_body"`
	Public      bool         `json:"public"`
	Attachments []Attachment `json:"attachments"`
	Via         Via          `json:"via"`
	Metadata    Metadata     `json:"metadata"`
	CreatedAt   time.Time    `json:"created_at"`
}

// Metadata is what stands in the audit of a comment.
type Metadata struct {
	Custom map[string]any `json:"custom"`
}

// Via is the way on which something came: "api", "web" or "email".
type Via struct {
	Channel string `json:"channel"`
}

// Attachment is a file of a comment. Everybody who has the URL can read it.
type Attachment struct {
	ID          int64  `json:"id"`
	Name        string `json:"file_name"`
	ContentType string `json:"content_type"`
	URL         string `json:"content_url"`
	Size        int    `json:"size"`
}

// File is a file that is attached to a comment.
type File struct {
	Name        string
	ContentType string
	Data        []byte
}

// systemID is the author of what Zendesk does by itself.
const systemID = -1

func (t *Ticket) clone() Ticket {
	c := *t
	c.Tags, c.Comments = slices.Clone(t.Tags), slices.Clone(t.Comments)
	return c
}

// change is an update of a ticket, by whomever.
type change struct {
	status, priority, externalID string
	assignee, group              *int64
	comment                      *Comment
}

// change updates a ticket, all of it or nothing, and fires the triggers.
func (d *Desk) change(t *Ticket, by *User, via via, c change) (commentID int64, refused *apiError) {
	before := *t
	after, refused := d.applied(before, via, c)
	if refused != nil {
		return 0, refused
	}
	*t = after
	d.fire(&update{before: &before, ticket: t, by: by, via: via, comment: c.comment})
	if c.comment != nil {
		commentID = c.comment.ID
	}
	return commentID, nil
}

// applied is a ticket after a change, by Zendesk's rules.
func (d *Desk) applied(t Ticket, via via, c change) (Ticket, *apiError) {
	if t.Status == "closed" {
		return t, invalid("status", "Status: closed prevents ticket update")
	}
	if c.assignee != nil {
		if t.AssigneeID = *c.assignee; t.AssigneeID != 0 && t.Status == "new" {
			t.Status = "open"
		}
		if role := d.user(t.AssigneeID).Role; t.AssigneeID != 0 && role != "agent" && role != "admin" {
			return t, invalid("assignee", "Assignee: is invalid")
		}
	}
	if c.group != nil {
		t.GroupID = *c.group
	}
	t.ExternalID = cmp.Or(c.externalID, t.ExternalID)
	t.Priority = cmp.Or(c.priority, t.Priority)
	t.Status = cmp.Or(c.status, t.Status)
	switch {
	case !slices.Contains(statuses, t.Status):
		return t, invalid("status", "Status: "+t.Status+" is not a valid status")
	case t.Priority != "" && !slices.Contains(priorities, t.Priority):
		return t, invalid("priority", "Priority: "+t.Priority+" is not a valid priority")
	case t.Status == "solved" && t.AssigneeID == 0:
		return t, invalid("base", "Assignee: is required when solving a ticket")
	}
	if c.comment != nil {
		c.comment.ID, c.comment.Type, c.comment.Via, c.comment.CreatedAt = d.nextID(), "Comment", Via{via.channel}, now()
		t.Comments = append(slices.Clip(t.Comments), *c.comment)
	}
	return t, nil
}

// via is a way on which an update comes, with the number that conditions of triggers use for it.
type via struct {
	id      string
	channel string
}

// The ways, see "Via types" in Zendesk's reference.
var (
	viaWeb   = via{"0", "web"}
	viaEmail = via{"4", "email"}
	viaAPI   = via{"5", "api"}
)

var (
	statuses   = []string{"new", "open", "pending", "hold", "solved", "closed"}
	priorities = []string{"low", "normal", "high", "urgent"}
)

// now has Zendesk's precision.
func now() time.Time { return time.Now().UTC().Truncate(time.Second) }
