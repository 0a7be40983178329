package zendesktest

import (
	"fmt"
	"slices"
	"strings"
)

// NewAgent hires an agent.
func (d *Desk) NewAgent(name string) User {
	d.mu.Lock()
	defer d.mu.Unlock()
	first, _, _ := strings.Cut(strings.ToLower(name), " ")
	u := &User{
		ID: d.nextID(), Name: name, Email: first + "@desk.example.com", Role: "agent",
		Photo: &Photo{URL: "https://desk.example.com/photos/" + first + ".png"},
	}
	d.hire(u)
	return *u
}

// hire adds a user whose address has been verified. Hold d.mu.
func (d *Desk) hire(u *User) {
	d.users = append(d.users, u)
	if email := u.Email; email != "" {
		u.Email = ""
		d.addAddress(u, email, true, true)
	}
	d.touch(u)
}

// NewCustomer makes an end user whom this company knows from somewhere else.
func (d *Desk) NewCustomer(name, email, externalID string) User {
	d.mu.Lock()
	defer d.mu.Unlock()
	u := &User{ID: d.nextID(), Name: name, Email: email, Role: "end-user", ExternalID: externalID}
	d.hire(u)
	return *u
}

// SetRole promotes or demotes a user.
func (d *Desk) SetRole(user int64, role string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	u := d.user(user)
	u.Role = role
	d.touch(u)
}

// Suspend keeps a user from having tickets, or lets them have them again.
func (d *Desk) Suspend(user int64, on bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	u := d.user(user)
	u.Suspended = on
	d.touch(u)
}

// NewWebhook makes a webhook that has nothing to do with us, and returns its endpoint.
func (d *Desk) NewWebhook(name, endpoint string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.webhooks = append(d.webhooks, &webhook{ID: newWebhookID(), Name: name, Endpoint: endpoint, Status: "inactive"})
	return endpoint
}

// Host makes a file available to everybody and returns its URL.
func (d *Desk) Host(f File) (url string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.attach(f).URL
}

// Mute makes Zendesk lose every webhook, until it is undone.
func (d *Desk) Mute(on bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.muted = on
}

// AutoAssign gives every new ticket to an agent at the moment of its creation, as routing rules do.
func (d *Desk) AutoAssign(agent User) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.autoAssigns = agent
}

// Update is what an agent submits in one go. Nil and empty fields change nothing.
type Update struct {
	AssigneeID *int64 // Zero takes the ticket off its assignee.
	GroupID    *int64
	Status     string
	HTML       string // A comment.
	Internal   bool   // The comment is an internal note.
	Files      []File // Attached to the comment.
}

// Submit makes several changes as one update, by an agent in Zendesk's own web interface.
func (d *Desk) Submit(ticket int64, agent User, u Update) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	t, err := d.ticket(ticket)
	if err != nil {
		return err
	}
	c := change{status: u.Status, assignee: u.AssigneeID, group: u.GroupID}
	if u.HTML != "" || len(u.Files) > 0 {
		c.comment = &Comment{AuthorID: agent.ID, HTML: u.HTML, Public: !u.Internal}
		for _, f := range u.Files {
			c.comment.Attachments = append(c.comment.Attachments, d.attach(f))
		}
	}
	if c.status == "solved" && t.AssigneeID == 0 && c.assignee == nil {
		c.assignee = &agent.ID // The interface does this by itself.
	}
	if _, refused := d.change(t, d.user(agent.ID), viaWeb, c); refused != nil {
		return refused
	}
	return nil
}

// Assign gives a ticket to an agent; the zero User takes it off its assignee.
func (d *Desk) Assign(ticket int64, agent User) error {
	return d.Submit(ticket, agent, Update{AssigneeID: &agent.ID})
}

// Reply writes a public comment.
func (d *Desk) Reply(ticket int64, agent User, html string, files ...File) error {
	return d.Submit(ticket, agent, Update{HTML: html, Files: files})
}

// Note writes an internal note.
func (d *Desk) Note(ticket int64, agent User, html string) error {
	return d.Submit(ticket, agent, Update{HTML: html, Internal: true})
}

// Solve solves a ticket.
func (d *Desk) Solve(ticket int64, agent User) error {
	return d.Submit(ticket, agent, Update{Status: "solved"})
}

// CloseTicket does what an automation does some days after a ticket was solved. There is no way back.
func (d *Desk) CloseTicket(ticket int64) error {
	return d.Submit(ticket, User{ID: systemID}, Update{Status: "closed"})
}

// Delete deletes a ticket.
func (d *Desk) Delete(ticket int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tickets = slices.DeleteFunc(d.tickets, func(t *Ticket) bool { return t.ID == ticket })
}

// Merge closes a ticket in favour of another one, and says so in both, publicly.
func (d *Desk) Merge(ticket, into int64, agent User) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, m := range []struct {
		ticket int64
		status string
		text   string
	}{
		{into, "", fmt.Sprintf("Request #%d was closed and merged into this request.", ticket)},
		{ticket, "closed", fmt.Sprintf("This request was closed and merged into request #%d.", into)},
	} {
		t, err := d.ticket(m.ticket)
		if err != nil {
			return err
		}
		said := &Comment{AuthorID: agent.ID, HTML: "<p>" + m.text + "</p>", Public: true, Via: Via{Rel: "merge"}}
		if _, refused := d.change(t, d.user(agent.ID), viaWeb, change{status: m.status, comment: said}); refused != nil {
			return refused
		}
	}
	return nil
}

// CustomerEmails lets the requester answer one of the ticket's e-mails.
func (d *Desk) CustomerEmails(ticket int64, text string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	t, err := d.ticket(ticket)
	if err != nil {
		return err
	}
	c := change{comment: &Comment{AuthorID: t.RequesterID, HTML: "<p>" + text + "</p>", Public: true}}
	if slices.Contains([]string{"pending", "hold", "solved"}, t.Status) {
		c.status = "open"
	}
	if _, refused := d.change(t, d.user(t.RequesterID), viaEmail, c); refused != nil {
		return refused
	}
	return nil
}
