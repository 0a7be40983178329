package main

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/hitl/oauth"
	"github.com/hitl-go/sdk/hitl/verify"
	"github.com/hitl-go/sdk/message"
	"github.com/hitl-go/sdk/message/media"
)

const (
	tagBot       = "botUserId"
	tagRequester = "requesterId"
	mark         = "botpress" // The tag of our tickets, and the metadata of our comments.
	maxComment   = 60_000     // Bytes of what we write: Zendesk takes 65,535 of HTML in a comment.
	maxText      = 6_000      // Characters, of which one may be ten bytes of HTML: an ampersand in an address, which is written twice.
)

// adapter is one Zendesk account, as one installation of the integration sees it.
type adapter struct {
	in      hitl.Installation
	api     api
	account *oauth.Source // Nil unless somebody connects an account.
	files   media.Options
	asking  singleflight.Group // For the signing secrets.

	mu      sync.Mutex           // Guards what follows.
	genuine verify.Func          // Knows the signing secrets of our webhooks.
	asked   time.Time            // When they were asked for.
	tickets map[string]knowledge // By ticket.
}

// StartHitl opens a ticket that carries the conversation's id from birth: triggers may fire before we have the answer.
func (a *adapter) StartHitl(ctx context.Context, r hitl.StartHitlRequest[Session]) (hitl.Ref, error) {
	s, tags := r.Session, map[string]string{}
	bot, err := a.bot(ctx, s.ChatbotName, s.ChatbotPhotoURL)
	if err != nil {
		return hitl.Ref{}, err
	}
	tags[tagBot] = string(bot)
	requester := id(r.User.ID)
	if s.RequesterName != "" {
		if requester, err = a.endUser(ctx, r.UserID, s.RequesterName, s.RequesterEmail, ""); err != nil {
			return hitl.Ref{}, err
		}
		tags[tagRequester] = string(requester)
	}
	first := opening(ctx, r)
	ticket := filled(object{
		"external_id": r.ConversationID, "subject": cmp.Or(r.Title, "Conversation handed over by the bot"), "tags": []string{mark},
		"requester_id": requester, "submitter_id": bot, "priority": s.Priority, "metadata": object{mark: r.ConversationID},
		"comment": object{"author_id": bot, "html_body": first, "public": true},
	})
	if form, err := strconv.ParseInt(s.TicketFormID, 10, 64); err == nil {
		ticket["ticket_form_id"] = form
	}
	out, err := call[ticketAnswer](ctx, a.api, http.MethodPost, "tickets.json", object{"ticket": ticket}, "Idempotency-Key", r.ConversationID)
	if refused(err, http.StatusBadRequest) { // The key was used already, perhaps with a transcript that read differently.
		found, lookErr := call[ticketsAnswer](ctx, a.api, http.MethodGet, "tickets.json?external_id="+url.QueryEscape(r.ConversationID), nil)
		if lookErr != nil {
			return hitl.Ref{}, lookErr
		}
		if len(found.Tickets) > 0 {
			out.Ticket, err = found.Tickets[0], nil
		}
	}
	if out.Ticket.Updated == out.Ticket.Created {
		a.learn(string(out.Ticket.ID), &knowledge{out.Ticket.Updated, out.Ticket.Status, map[string]id{}}) // It was made just now.
	}
	return hitl.Ref{ID: string(out.Ticket.ID), Tags: tags}, err
}

// opening is the first comment: why the bot hands over, and what was said until then, as much as fits.
func opening(ctx context.Context, r hitl.StartHitlRequest[Session]) string {
	about := append(message.Split(r.Description, maxText, message.UTF16), "The end user asks for a human.")
	if len(about) > 2 {
		about[0] += "…"
	}
	reason := message.ToHTML(message.Text{Text: about[0]})
	transcript := r.Transcript(ctx, &message.TranscriptOptions{
		Format: message.FormatHTML, Limit: max(1_000, maxComment-len(reason)), Words: message.Words{Bot: r.Session.ChatbotName},
	})
	if transcript == "" {
		return reason
	}
	return reason + "<hr>" + transcript
}

// StopHitl solves the ticket; closing it would be for ever. A solved ticket must be somebody's, so the API user takes it if
// nobody has. Where a ticket needs still more to be solved it stays open: the bot's last words tell the agents.
func (a *adapter) StopHitl(ctx context.Context, r hitl.StopHitlRequest) error {
	_, err := a.update(ctx, r.Session, object{"status": "solved"})
	if refused(err, http.StatusUnprocessableEntity) {
		me, meErr := call[userAnswer](ctx, a.api, http.MethodGet, "users/me.json", nil)
		if meErr != nil {
			return meErr
		}
		_, err = a.update(ctx, r.Session, object{"status": "solved", "assignee_id": me.User.ID})
	}
	if refused(err, http.StatusUnprocessableEntity) || deleted(err) {
		a.in.Logger.InfoContext(ctx, "the ticket of a session that is over cannot be solved", "ticket", r.Session.ID, "error", err)
		return nil
	}
	return err
}

// SendMessage writes a public comment, as the end user or the bot. Comments have no idempotency keys. If nothing is known of the
// ticket, it looks first whether an earlier attempt has written it; else Zendesk refuses the update if anything has happened since.
func (a *adapter) SendMessage(ctx context.Context, r hitl.SendMessageRequest) (hitl.Ref, error) {
	part := r.Key()
	known := a.known(r.Session.ID)
	if r.Repeated {
		known = nil // Stamps have seconds: an attempt elsewhere may have been in the one that we know.
	}
	ticket := object{"metadata": object{mark: part}}
	waits := func(status string) bool {
		return r.UserID != "" && !r.Stopped && (status == "pending" || status == "hold")
	}
	if known == nil {
		read, err := a.newest(ctx, r.Session.ID, "")
		if err != nil {
			return a.tooLate(r, err)
		}
		known = read.knowledge("")
	} else {
		ticket["safe_update"], ticket["updated_stamp"] = true, known.stamp
		if waits(known.status) {
			ticket["status"] = "open" // Only e-mails reopen tickets by themselves.
		}
	}
	if written, ok := known.parts[part]; ok {
		a.learn(r.Session.ID, known)
		return hitl.Ref{ID: string(written)}, nil
	}
	files := a.uploads(ctx, r.Message)
	ticket["comment"] = filled(object{"author_id": a.author(r), "public": true, "html_body": message.ToHTML(r.Message), "uploads": files})
	out, err := a.update(ctx, r.Session, ticket)
	if ticket["safe_update"] != nil && refused(err, http.StatusConflict) {
		return a.SendMessage(ctx, r) // Nothing is known of the ticket any more.
	}
	if err != nil {
		return a.tooLate(r, err)
	}
	ref := hitl.Ref{ID: string(out.comment())}
	known.stamp, known.status = out.Ticket.Updated, out.Ticket.Status
	known.parts[part] = id(ref.ID)
	a.learn(r.Session.ID, known)
	if waits(out.Ticket.Status) {
		_, _ = a.update(ctx, r.Session, object{"status": "open"})
	}
	return ref, nil
}

// Notify tells the agents in an internal note, as the API user: end users cannot write one. Whether it is there is looked up, as for a
// message.
func (a *adapter) Notify(ctx context.Context, n hitl.Notice) error {
	part := "notice/" + n.MessageID
	read, err := a.newest(ctx, n.Session.ID, "")
	if err != nil || read.knowledge("").parts[part] != "" {
		return err
	}
	_, err = a.update(ctx, n.Session, object{
		"metadata": object{mark: part}, "comment": object{"public": false, "html_body": message.ToHTML(message.Text{Text: "⚠️ " + n.Text})},
	})
	a.learn(n.Session.ID, nil) // The ticket is another one now.
	return err
}

// author is as whom a message is written.
func (*adapter) author(r hitl.SendMessageRequest) string {
	if r.UserID == "" {
		return r.Session.Tags[tagBot]
	}
	return cmp.Or(r.Session.Tags[tagRequester], r.Author.ID)
}

// tooLate tells the bot's owner that a ticket takes no messages any more. Last words that come too late are missed by nobody.
func (*adapter) tooLate(r hitl.SendMessageRequest, err error) (hitl.Ref, error) {
	switch {
	case gone(err) && r.Stopped:
		return hitl.Ref{}, nil
	case gone(err):
		return hitl.Ref{}, &hitl.Error{Message: "Ticket " + r.Session.ID + " is closed or deleted: nobody sees what the end user writes.", Err: err}
	}
	return hitl.Ref{}, err
}

// uploads stores the files of a message, so that agents have them when their URLs have expired. It may fail: the URLs are in the text.
func (a *adapter) uploads(ctx context.Context, m message.Message) (tokens []string) {
	for item := range message.Flatten(m) {
		from, title, ok := message.Media(item)
		if !ok {
			continue
		}
		file, err := media.Fetch(ctx, from, title, &a.files)
		if err == nil {
			var out uploadAnswer
			path := "uploads.json?filename=" + url.QueryEscape(file.Name)
			if out, err = call[uploadAnswer](ctx, a.api, http.MethodPost, path, file.Data, "Content-Type", file.ContentType); err == nil {
				tokens = append(tokens, out.Upload.Token)
			}
		}
		if err != nil {
			a.in.Logger.InfoContext(ctx, "a file reaches the agents as a link only", "error", err)
		}
	}
	return tokens
}

// update updates a ticket. After an update that failed, nothing is known of the ticket: it may have been made.
func (a *adapter) update(ctx context.Context, session hitl.Ref, ticket object) (ticketAnswer, error) {
	out, err := call[ticketAnswer](ctx, a.api, http.MethodPut, "tickets/"+url.PathEscape(session.ID)+".json", object{"ticket": ticket})
	if err != nil || ticket["comment"] == nil {
		a.learn(session.ID, nil)
	}
	return out, err
}

// knowledge is a ticket as it was when it was last updated by us, or read: its state, and which of our messages it has.
type knowledge struct {
	stamp, status string
	parts         map[string]id
}

// What is remembered, at most.
const (
	maxTickets = 10_000
	maxParts   = 200 // Of a ticket.
)

// known returns what is known of a ticket; nil is nothing.
func (a *adapter) known(ticket string) *knowledge {
	a.mu.Lock()
	defer a.mu.Unlock()
	k, ok := a.tickets[ticket]
	if !ok {
		return nil
	}
	delete(a.tickets, ticket) // It is for one use: who fails leaves nothing.
	return &k
}

func (a *adapter) learn(ticket string, k *knowledge) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.tickets, ticket)
	if k == nil || k.stamp == "" || len(k.parts) > maxParts {
		return
	}
	if a.tickets == nil || len(a.tickets) >= maxTickets {
		a.tickets = map[string]knowledge{}
	}
	a.tickets[ticket] = *k
}
