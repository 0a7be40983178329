package zendesktest

import (
	"slices"
	"strconv"
)

// Mail is a message that the account has sent to somebody's address.
type Mail struct {
	To       string
	UserID   int64
	Why      string // [MailVerification], or the title of the trigger.
	TicketID int64
}

// MailVerification asks a user to verify an address.
const MailVerification = "verification"

// The triggers that every account has at first, and that mail requesters.
const (
	MailReceived  = "Notify requester and CCs of received request"
	MailProactive = "Notify requester of new proactive ticket"
	MailComment   = "Notify requester and CCs of comment update"
)

// Mails returns what was mailed so far, oldest first.
func (d *Desk) Mails() []Mail {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.mails)
}

// ExcludeFromMails changes the triggers that every account has so that they leave tickets with a tag alone, as a careful
// admin does.
func (d *Desk) ExcludeFromMails(tag string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, t := range d.triggers {
		if t.ours {
			t.Conditions.All = append(t.Conditions.All, condition{"current_tags", "not_includes", text(tag)})
		}
	}
}

// notifying are the triggers of a new account that mail requesters and those on copy.
func (d *Desk) notifying() (all []*trigger) {
	created, updated := condition{"update_type", "is", "Create"}, condition{"update_type", "is", "Change"}
	public, open := condition{"ticket_is_public", "is", "public"}, condition{"status", "is_not", "solved"}
	for _, t := range []struct {
		title, to  string
		conditions []condition
	}{
		{MailReceived, "requester_and_ccs", []condition{created, open, public, {"role", "is", "end_user"}}},
		{MailProactive, "requester_id", []condition{created, open, public, {"role", "is", "agent"}}},
		{MailComment, "requester_and_ccs", []condition{
			updated, public, {"comment_is_public", "is", "requester_can_see_comment"}, {"requester_id", "is_not", "current_user"},
		}},
	} {
		all = append(all, &trigger{
			ID: d.nextID(), Title: t.title, Active: true, CategoryID: "1", Conditions: conditions{All: t.conditions},
			Actions: []action{{"notification_user", values{t.to, t.title, "{{ticket.comments_formatted}}"}}}, ours: true,
		})
	}
	return all
}

// mail lets a trigger write to people. Hold d.mu.
func (d *Desk) mail(t *trigger, to string, u *update) {
	var ids []int64
	switch to {
	case "requester_id":
		ids = []int64{u.ticket.RequesterID}
	case "requester_and_ccs":
		ids = append([]int64{u.ticket.RequesterID}, u.ticket.CCs...)
	case "assignee_id":
		ids = []int64{u.ticket.AssigneeID}
	case "current_user":
		ids = []int64{u.by.ID}
	default:
		id, _ := strconv.ParseInt(to, 10, 64) // Groups of people are nobody here.
		ids = []int64{id}
	}
	for _, id := range ids {
		if user := d.user(id); user.Email != "" && !user.Suspended {
			d.mails = append(d.mails, Mail{To: user.Email, UserID: id, Why: t.Title, TicketID: u.ticket.ID})
		}
	}
}
