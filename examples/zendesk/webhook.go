package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/hitl/verify"
	"github.com/hitl-go/sdk/message"
	"github.com/hitl-go/sdk/message/richtext"
)

// report is what our triggers send. It has ids only: words in placeholders are rendered for people.
type report struct {
	TicketID       string `json:"ticketId"`
	ConversationID string `json:"conversationId"`
}

// HandleWebhook says which ticket has changed. What has happened in it is read back: webhooks come in any order, and Zendesk
// gives some of them up.
func (a *adapter) HandleWebhook(ctx context.Context, r *http.Request) (hitl.Webhook, error) {
	if a.account != nil {
		if page, ok := a.account.HandleWebhook(ctx, r); ok {
			return page, nil
		}
	}
	if err := a.verify(ctx, r); err != nil {
		return hitl.Webhook{}, err
	}
	var said report
	if err := verify.JSON(r, &said); err != nil || said.TicketID == "" {
		return hitl.Webhook{}, hitl.Errorf("The webhook was called with something else than what its triggers send.")
	}
	if said.ConversationID == "" {
		return hitl.Webhook{}, nil // A ticket of somebody else.
	}
	return hitl.Webhook{Events: []hitl.Event{hitl.Changed{SessionID: said.TicketID, ConversationID: said.ConversationID}}}, nil
}

// patience is how long the secrets that Zendesk has told are not asked for again: strangers can cause it.
const patience = 10 * time.Second

// verify checks the signature. Zendesk keeps the secrets, and they are asked for when none of them fits. If they were asked for
// just now, the webhook is to come again: it may be signed with a newer one.
func (a *adapter) verify(ctx context.Context, r *http.Request) error {
	a.mu.Lock()
	genuine, asked := a.genuine, a.asked
	a.mu.Unlock()
	if genuine != nil {
		err := genuine(r)
		switch {
		case err == nil, r.Header.Get("X-Zendesk-Webhook-Signature") == "":
			return err
		case time.Since(asked) < patience:
			return hitl.Retryable(patience, err)
		}
	}
	fresh, err, _ := a.asking.Do("", func() (any, error) { return a.secrets(ctx) })
	if err != nil {
		return err
	}
	return fresh.(verify.Func)(r)
}

// secrets asks for the signing secrets of our webhooks.
func (a *adapter) secrets(ctx context.Context) (verify.Func, error) {
	hooks, err := a.webhooks(ctx)
	if err != nil {
		return nil, err
	}
	var secrets []string
	for _, w := range hooks {
		out, err := call[secretAnswer](ctx, a.api, http.MethodGet, "webhooks/"+string(w.ID)+"/signing_secret", nil)
		if err != nil {
			return nil, err
		}
		secrets = append(secrets, out.Signing.Secret)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.genuine, a.asked = verify.Zendesk(secrets...), time.Now()
	return a.genuine, nil
}

// Backfill returns who has a ticket, its comments since a time, and whether it is over: solved, closed or deleted. The ticket is
// read first: what happens between the two is not missed by the next update.
func (a *adapter) Backfill(ctx context.Context, r hitl.BackfillRequest) (events []hitl.Event, err error) {
	stopped := hitl.Stopped{ConversationID: r.ConversationID, SessionID: r.Session.ID}
	out, err := call[ticketAnswer](ctx, a.api, http.MethodGet, "tickets/"+url.PathEscape(r.Session.ID)+".json?include=users", nil)
	if err != nil {
		return nil, err
	}
	said, err := a.since(ctx, r, out.Ticket)
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

// newest returns a hundred of a ticket's comments, the newest first, and the users who wrote them.
func (a *adapter) newest(ctx context.Context, ticketID, after string) (commentsAnswer, error) {
	const query = "tickets/%s/comments.json?include=users&include_inline_images=true&sort=-created_at&page[size]=100" // Only pages are sorted.
	path := fmt.Sprintf(query, url.PathEscape(ticketID))
	if after != "" {
		path += "&page[after]=" + url.QueryEscape(after)
	}
	return call[commentsAnswer](ctx, a.api, http.MethodGet, path, nil)
}

// maxPages is how many hundred comments are read back.
const maxPages = 10

// since returns what agents have said in a ticket since a time, oldest first.
func (a *adapter) since(ctx context.Context, r hitl.BackfillRequest, t ticket) (said []hitl.Event, err error) {
	after := ""
	for page := range maxPages {
		out, err := a.newest(ctx, r.Session.ID, after)
		if err != nil {
			return nil, err
		}
		if page == 0 {
			k := out.knowledge(t.Updated)
			k.status = t.Status
			a.learn(r.Session.ID, k)
		}
		for _, c := range out.Comments {
			if c.CreatedAt.Before(r.Since) {
				out.Meta.More = false
				break
			}
			if by, ok := author(c, out.Users); ok {
				said = append(said, hitl.Replied{
					ConversationID: r.ConversationID, SessionID: r.Session.ID, ID: string(c.ID), Author: by,
					Load: func(ctx context.Context) (message.Message, error) { return a.content(ctx, c), nil },
				})
			}
		}
		if after = out.Meta.After; !out.Meta.More {
			slices.Reverse(said)
			return said, nil
		}
	}
	a.in.Logger.WarnContext(ctx, "a ticket has more new comments than are read back", "ticket", r.Session.ID)
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
	if i < 0 || !c.Public || c.Metadata.Custom[mark] != nil || users[i].Role == "end-user" || c.Via.Source.Rel == "merge" {
		return hitl.Agent{}, false // an automation, a note, ourselves, the end user by e-mail, or a note about merged tickets
	}
	return agent(users[i]), true
}

// content makes a message of a comment: of its words or a file, or a bloc of all of them.
func (a *adapter) content(ctx context.Context, c comment) message.Message {
	var items []message.BlocItem
	isAttachment := func(src string) bool {
		return slices.ContainsFunc(c.Attachments, func(f attachment) bool { return f.URL == src })
	}
	if words := richtext.Text(c.HTML, &richtext.Options{SkipImage: isAttachment}); words != "" {
		items = append(items, message.Text{Text: words})
	}
	for _, f := range c.Attachments {
		if f.Malware != "malware_found" {
			items = append(items, message.Attachment(f.Type, a.passOn(ctx, f), f.Name))
		}
	}
	return message.Bloc{Items: items}
}

// maxFile is how many bytes of an agent's file are passed on.
const maxFile = 20 << 20

// passOn stores an agent's file in Botpress, since Zendesk may show it to who has signed in only, and returns its address. If that
// fails it is Zendesk's own.
func (a *adapter) passOn(ctx context.Context, f attachment) string {
	var data []byte
	stored, err := "", errors.New("it is empty, or too large")
	if f.Size > 0 && f.Size <= maxFile {
		data, err = a.api.download(ctx, f.URL, f.Size)
	}
	if err == nil {
		stored, err = a.in.PublishFile(ctx, fmt.Sprintf("%s/%s", f.ID, f.Name), f.Type, data)
	}
	if err != nil {
		a.in.Logger.InfoContext(ctx, "an agent's file reaches the end user at Zendesk's address", "error", err)
		return f.URL
	}
	return stored
}

// Close stores what the sign-in could not store yet.
func (a *adapter) Close() error {
	if a.account == nil {
		return nil
	}
	return a.account.Close()
}
