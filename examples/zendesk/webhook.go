package main

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"time"

	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/hitl/verify"
	"github.com/hitl-go/sdk/message"
	"github.com/hitl-go/sdk/message/richtext"
)

// What triggers report.
const (
	assigned = "assigned"
	replied  = "replied"
	solved   = "solved"
)

// template is the body that the trigger of an event sends. It has ids only: words in placeholders are rendered for people.
const template = `{"event":%q,"ticketId":"{{ticket.id}}","conversationId":"{{ticket.external_id}}","assigneeId":"{{ticket.assignee.id}}"}`

// report is what that says.
type report struct {
	Event, TicketID, ConversationID string
	AssigneeID                      string // Empty if the ticket was taken off its assignee.
}

// HandleWebhook says what an update of a ticket means. The agents' latest comments always come along: the request does
// not say which one is new, and an earlier one may have been lost. The server knows by their ids what it has sent.
func (a *adapter) HandleWebhook(ctx context.Context, r *http.Request) (hook hitl.Webhook, err error) {
	if err := a.verify(ctx, r); err != nil {
		return hook, err
	}
	var said report
	if err := json.NewDecoder(r.Body).Decode(&said); err != nil || said.TicketID == "" {
		return hook, hitl.Errorf("The webhook was called with something else than what its triggers send.")
	}
	if said.ConversationID == "" {
		return hook, nil // A ticket of somebody else.
	}
	if said.Event == assigned && said.AssigneeID != "" {
		out, err := a.api.call(ctx, http.MethodGet, "users/"+url.PathEscape(said.AssigneeID)+".json", nil)
		if err != nil {
			return hook, err
		}
		hook.Events = append(hook.Events, hitl.Assigned{SessionID: said.TicketID, ConversationID: said.ConversationID, Agent: agent(out.User)})
	}
	out, err := a.comments(ctx, said.TicketID)
	if err != nil && !refused(err, http.StatusNotFound) {
		return hook, err
	}
	for _, c := range out.Comments {
		hook.Events = append(hook.Events, hitl.Replied{
			SessionID: said.TicketID, ConversationID: said.ConversationID,
			ID: string(c.ID), Author: author(c, out.Users), Message: content(c),
		})
	}
	if said.Event == solved {
		hook.Events = append(hook.Events, hitl.Stopped{SessionID: said.TicketID, ConversationID: said.ConversationID})
	}
	return hook, nil
}

// verify checks the signature. Zendesk keeps the secrets: they are asked for when one of them does not fit, but at most
// every ten seconds, because strangers can cause it.
func (a *adapter) verify(ctx context.Context, r *http.Request) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.genuine != nil {
		if err := a.genuine(r); err == nil || time.Since(a.asked) < 10*time.Second {
			return err
		}
	}
	hooks, err := a.webhooks(ctx)
	if err != nil {
		return err
	}
	var secrets []string
	for _, w := range hooks {
		out, err := a.api.call(ctx, http.MethodGet, "webhooks/"+string(w.ID)+"/signing_secret", nil)
		if err != nil {
			return err
		}
		secrets = append(secrets, out.Signing.Secret)
	}
	a.genuine, a.asked = verify.Zendesk(secrets...), time.Now()
	return a.genuine(r)
}

// comments returns the newest comments of a ticket, oldest first, and the users who wrote them.
func (a *adapter) comments(ctx context.Context, ticketID string) (answer, error) {
	const query = "include=users&include_inline_images=true&sort=-created_at&page[size]=10" // Only pages with a size are sorted.
	out, err := a.api.call(ctx, http.MethodGet, "tickets/"+url.PathEscape(ticketID)+"/comments.json?"+query, nil)
	slices.Reverse(out.Comments)
	return out, err
}

func agent(u user) hitl.Agent {
	return hitl.Agent{ID: string(u.ID), Name: cmp.Or(u.Alias, u.Name), PictureURL: u.Photo.URL}
}

// author tells who wrote a comment. What we wrote is recognised by its mark, whoever Zendesk takes for its author.
func author(c comment, users []user) hitl.Author {
	i := slices.IndexFunc(users, func(u user) bool { return u.ID == c.AuthorID })
	switch {
	case i < 0 || !c.Public || c.Metadata.Custom[mark] != nil:
		return nil // the desk itself, an automation or a note
	case users[i].Role == "end-user":
		return hitl.Customer{}
	}
	return agent(users[i])
}

var picture = regexp.MustCompile(`(?i)<img\b[^>]*>`) // Pictures between the words are attachments, too.

// content makes a message of a comment: of its words or a file, or a bloc of all of them.
func content(c comment) message.Message {
	var items []message.BlocItem
	if words := richtext.Text(picture.ReplaceAllString(c.HTML, ""), nil); words != "" {
		items = append(items, message.Text{Text: words})
	}
	for _, f := range c.Attachments {
		if f.Malware != "malware_found" {
			items = append(items, message.Attachment(f.Type, f.URL, f.Name))
		}
	}
	if len(items) > 1 {
		return message.Bloc{Items: items}
	}
	return append(items, message.Text{})[0] // An empty text is not sent.
}
