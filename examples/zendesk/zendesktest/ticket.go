package zendesktest

import (
	"cmp"
	"slices"
	"time"
)

// Ticket is a ticket with its comments, oldest first.
type Ticket struct {
	ID          int64
	ExternalID  string
	Subject     string
	Status      string // "new", "open", "pending", "hold", "solved" or "closed".
	Priority    string
	RequesterID int64
	SubmitterID int64
	AssigneeID  int64
	GroupID     int64
	FormID      int64
	CCs         []int64 // Users on copy.
	Tags        []string
	Via         Via
	CreatedAt   time.Time
	UpdatedAt   time.Time
	Comments    []Comment
}

// Comment is a public comment or an internal note.
type Comment struct {
	ID          int64
	Type        string
	AuthorID    int64  // Minus one for the system.
	HTML        string // As it was written; the API wraps it.
	Public      bool
	Attachments []Attachment
	Via         Via
	Metadata    Metadata
	CreatedAt   time.Time
}

// Metadata is what stands in the audit of a comment.
type Metadata struct {
	Custom map[string]any
}

// Via is the way on which something came: "api", "web" or "email".
type Via struct {
	Channel string
	Rel     string // "merge" for what is written when tickets are merged.
}

// Attachment is a file of a comment. Everybody who has the URL can read it, unless [Desk.SecureDownloads] is set.
type Attachment struct {
	ID          int64
	Name        string
	ContentType string // Zendesk's own idea of it.
	URL         string
	Size        int
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
	c.Tags, c.CCs, c.Comments = slices.Clone(t.Tags), slices.Clone(t.CCs), slices.Clone(t.Comments)
	return c
}

// change is an update of a ticket, by whomever.
type change struct {
	status, priority, subject string
	externalID                words
	assignee, group           *int64
	tags                      func([]string) []string // Makes new ones of the old ones. Nil: they stay.
	ccs                       func([]int64) []int64   // The same.
	comment                   *Comment
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
		return t, invalid("status", saysClosed)
	}
	if c.assignee != nil {
		if t.AssigneeID = *c.assignee; t.AssigneeID != 0 && t.Status == "new" {
			t.Status = "open"
		}
		if role := d.user(t.AssigneeID).Role; t.AssigneeID != 0 && role != "agent" && role != "admin" {
			return t, invalid("assignee", saysAssignee).of("FieldAssignee")
		}
	}
	if c.group != nil {
		t.GroupID = *c.group
	}
	if c.externalID.given {
		t.ExternalID = c.externalID.text
	}
	if c.tags != nil {
		t.Tags = c.tags(slices.Clone(t.Tags))
	}
	if c.ccs != nil {
		t.CCs = c.ccs(slices.Clone(t.CCs))
	}
	t.Subject = cmp.Or(c.subject, t.Subject)
	t.Priority = cmp.Or(c.priority, t.Priority)
	t.Status = cmp.Or(c.status, t.Status)
	switch {
	case !slices.Contains(statuses, t.Status):
		return t, invalid("status", saysStatus, t.Status).of("FieldStatus")
	case t.Priority != "" && !slices.Contains(priorities, t.Priority):
		return t, invalid("priority", saysPriority, t.Priority).of("FieldPriority")
	case t.Status == "solved" && t.AssigneeID == 0:
		return t, invalid("base", saysNoAssignee).of("FieldAssignee")
	}
	if c.comment != nil {
		c.comment.ID, c.comment.Type, c.comment.Via.Channel, c.comment.CreatedAt = d.nextID(), "Comment", via.channel, now()
		t.Comments = append(slices.Clip(t.Comments), *c.comment)
	}
	t.UpdatedAt = now()
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
