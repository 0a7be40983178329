package main

import (
	"cmp"
	"context"
	"fmt"
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
const template = `{"event":%q,"ticketId":"{{ticket.id}}","conversationId":"{{ticket.external_id}}"}`

// report is what that says.
type report struct {
	TicketID       string `json:"ticketId"`
	ConversationID string `json:"conversationId"`
}

// HandleWebhook says which ticket has changed. What has happened in it is read back: webhooks come in any order, and Zendesk
// gives some of them up.
func (a *adapter) HandleWebhook(ctx context.Context, r *http.Request) (hook hitl.Webhook, err error) {
	if err := a.verify(ctx, r); err != nil {
		return hook, err
	}
	var said report
	if err := verify.JSON(r, &said); err != nil || said.TicketID == "" {
		return hook, hitl.Errorf("The webhook was called with something else than what its triggers send.")
	}
	if said.ConversationID == "" {
		return hook, nil // A ticket of somebody else.
	}
	return hitl.Webhook{Events: []hitl.Event{hitl.Changed{SessionID: said.TicketID, ConversationID: said.ConversationID}}}, nil
}

// Backfill returns who has a ticket, its comments since a time, and whether it is over: solved, closed or deleted.
func (a *adapter) Backfill(ctx context.Context, r hitl.BackfillRequest) (events []hitl.Event, err error) {
	stopped := hitl.Stopped{ConversationID: r.ConversationID, SessionID: r.Session.ID}
	out, err := a.api.call(ctx, http.MethodGet, "tickets/"+url.PathEscape(r.Session.ID)+".json?include=users", nil)
	if refused(err, http.StatusNotFound) {
		return []hitl.Event{stopped}, nil
	}
	if err != nil {
		return nil, err
	}
	said, err := a.since(ctx, r)
	if err != nil {
		return nil, err
	}
	over := out.Ticket.Status == "solved" || out.Ticket.Status == "closed"
	for _, u := range out.Users {
		if u.ID == out.Ticket.AssigneeID && (!over || len(said) > 0) { // Who only solves it need not be introduced.
			events = append(events, hitl.Assigned{ConversationID: r.ConversationID, SessionID: r.Session.ID, Agent: agent(u)})
		}
	}
	events = append(events, said...)
	if over {
		events = append(events, stopped)
	}
	return events, nil
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

// newest returns a page of a ticket's comments, the newest first, and the users who wrote them.
func (a *adapter) newest(ctx context.Context, ticketID string, size int, after string) (answer, error) {
	const query = "tickets/%s/comments.json?include=users&include_inline_images=true&sort=-created_at&page[size]=%d" // Only pages are sorted.
	path := fmt.Sprintf(query, url.PathEscape(ticketID), size)
	if after != "" {
		path += "&page[after]=" + url.QueryEscape(after)
	}
	return a.api.call(ctx, http.MethodGet, path, nil)
}

// maxPages is how many hundred comments are read back.
const maxPages = 10

// since returns what agents have said in a ticket since a time, oldest first.
func (a *adapter) since(ctx context.Context, r hitl.BackfillRequest) (said []hitl.Event, err error) {
	after := ""
	for range maxPages {
		out, err := a.newest(ctx, r.Session.ID, 100, after)
		if err != nil {
			return nil, err
		}
		for _, c := range out.Comments {
			if c.CreatedAt.Before(r.Since) {
				out.Meta.More = false
				break
			}
			if by, ok := author(c, out.Users); ok {
				said = append(said, hitl.Replied{
					ConversationID: r.ConversationID, SessionID: r.Session.ID, ID: string(c.ID), Author: by, Message: content(c),
				})
			}
		}
		if after = out.Meta.After; !out.Meta.More {
			break
		}
	}
	slices.Reverse(said)
	return said, nil
}

func agent(u user) hitl.Agent {
	return hitl.Agent{ID: string(u.ID), Name: cmp.Or(u.Alias, u.Name), PictureURL: u.Photo.URL}
}

// author returns the agent who wrote a comment for the end user. What we wrote is recognised by its mark, whoever Zendesk takes
// for its author.
func author(c comment, users []user) (hitl.Agent, bool) {
	i := slices.IndexFunc(users, func(u user) bool { return u.ID == c.AuthorID })
	if i < 0 || !c.Public || c.Metadata.Custom[mark] != nil || users[i].Role == "end-user" {
		return hitl.Agent{}, false // an automation, a note, ourselves, or the end user by e-mail
	}
	return agent(users[i]), true
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
