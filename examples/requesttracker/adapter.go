package main

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"html"
	"net/http"
	"strings"

	"golang.org/x/sync/semaphore"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/hitl/verify"
	"github.com/hitl-go/sdk/message"
	"github.com/hitl-go/sdk/message/media"
)

// Config is what an installation needs to know of its RT.
type Config struct {
	URL    string          `json:"url" jsonschema:"title=Address of RT,format=uri" jsonschema_description:"Such as https://rt.example.com"`
	Token  botpress.Secret `json:"token" jsonschema:"title=Token of the account botpress"`
	Queue  string          `json:"queue" jsonschema:"title=Queue" jsonschema_description:"The name of the queue that takes the conversations"`
	Secret botpress.Secret `json:"secret" jsonschema:"title=Secret" jsonschema_description:"The BotpressSecret in RT's configuration"`
}

// Session is what a bot may say about a conversation that it hands over.
type Session struct {
	Priority int `json:"priority,omitempty" jsonschema:"title=Priority,minimum=0,maximum=100"`
}

var definition = hitl.Definition{
	Name: "request-tracker", Version: "0.1.0",
	Title: "Request Tracker", Description: "Hands conversations over to the people who work in Request Tracker.",
	Session: hitl.Part{Name: "ticket"}, States: []hitl.StateDefinition{{Name: stateSeen, Payload: place{}}},
}

// desk is a queue of RT, seen by one installation.
type desk struct {
	Config
	rt      client
	in      hitl.Installation
	genuine verify.Func
	files   *media.Options
	reading *semaphore.Weighted // the news, for one webhook at a time: the first reads what the others are about
}

// connector makes desks. The options are for fetching what end users send.
func connector(files *media.Options) func(context.Context, hitl.Installation, Config) (*desk, error) {
	return func(_ context.Context, in hitl.Installation, c Config) (*desk, error) {
		if c.URL == "" || c.Token == "" || c.Queue == "" || c.Secret == "" {
			return nil, hitl.Errorf("Request Tracker needs its address, the token, the queue and the secret in the configuration")
		}
		rt := client{url: strings.TrimSuffix(c.URL, "/"), auth: "token " + string(c.Token), http: in.HTTPClient}
		genuine := verify.HMAC{Header: "X-RT-Signature", TimeHeader: "X-RT-Timestamp"}.Func(string(c.Secret))
		return &desk{Config: c, rt: rt, in: in, genuine: genuine, files: files, reading: semaphore.NewWeighted(1)}, nil
	}
}

// forOwner tells the bot's owner what RT refuses. It is final only if RT itself says so, or if it is too large: a web server that is
// being updated answers 404 to everything, and the owner can give rights back.
func forOwner(err error) error {
	r := lasting(err)
	temporary := hitl.Error{Temporary: true, Err: err}
	switch {
	case r == nil: // It passes, or is a bug.
		return err
	case r.moved != "":
		temporary.Message = fmt.Sprintf("Request Tracker has moved to %s: enter that address in the configuration.", r.moved)
	case !r.own && r.status != http.StatusRequestEntityTooLarge:
		temporary.Message = fmt.Sprintf("The web server before Request Tracker answers %s: "+
			"have it pass on all that begins with %s, and check the address of Request Tracker in the configuration.", r.message, apiPath)
	case r.status == http.StatusUnauthorized:
		temporary.Message = "Request Tracker does not accept the token."
	case r.status == http.StatusForbidden:
		temporary.Message = fmt.Sprintf("Request Tracker does not let the account %s do this (%s): "+
			"check the queue in the configuration, and give the account the rights that botpress.initialdata names.", account, r.message)
	default:
		return hitl.Errorf("Request Tracker refuses what the account %s asks: %w", account, err)
	}
	return &temporary
}

// account is our account in RT. Those of the end users have its name and their id in Botpress: "botpress-user_…".
const account = "botpress"

// CreateUser gives the end user an account of their own, never an existing one: their address is only what they say.
func (d *desk) CreateUser(ctx context.Context, r hitl.CreateUserRequest) (hitl.Ref, error) {
	name := account + "-" + r.UserID
	var known user
	err := d.rt.get(ctx, "/user/"+name, &known)
	switch {
	case err == nil && known.RealName != r.Name:
		err = d.rt.put(ctx, "/user/"+name, fields{"RealName": r.Name})
	case refused(err, http.StatusNotFound):
		u := fields{"Name": name, "RealName": r.Name, "EmailAddress": r.Email, "Password": d.password(name), "Privileged": 0}
		_, err = d.rt.post(ctx, "/user", u)
		if refused(err, http.StatusBadRequest) { // somebody has the address already, and RT allows it but once
			delete(u, "EmailAddress")
			_, err = d.rt.post(ctx, "/user", u)
		}
	}
	return hitl.Ref{ID: name}, forOwner(err)
}

// password is an end user's, so that we can write in their name. RT takes it only when it creates an account.
func (d *desk) password(name string) string {
	mac := hmac.New(sha256.New, []byte(d.Secret))
	mac.Write([]byte("password of " + name))
	return hex.EncodeToString(mac.Sum(nil))
}

// StartHitl opens a ticket, which begins with what was said before.
func (d *desk) StartHitl(ctx context.Context, r hitl.StartHitlRequest[Session]) (hitl.Ref, error) {
	query := fmt.Sprintf("Queue = %s AND CF.{%s} = %s", quote(d.Queue), conversationField, quote(r.ConversationID))
	if id, err := d.rt.find(ctx, "/tickets", query); id != "" || err != nil { // an earlier attempt has opened it
		return hitl.Ref{ID: id}, forOwner(err)
	}
	content := r.Transcript(ctx, &message.TranscriptOptions{Format: message.FormatHTML})
	if r.Description != "" {
		content = "<p>" + html.EscapeString(r.Description) + "</p>\n" + content
	}
	opening := fields{
		"Queue": d.Queue, "Requestor": r.User.ID, "Subject": cmp.Or(r.Title, "A conversation with the bot"),
		"Content": cmp.Or(content, "Nothing was said before."), "ContentType": "text/html",
		"CustomFields": fields{conversationField: r.ConversationID},
	}
	if r.Session.Priority != 0 { // else it is the queue's
		opening["Priority"] = r.Session.Priority
	}
	id, err := d.rt.post(ctx, "/ticket", opening)
	return hitl.Ref{ID: id}, forOwner(err)
}

// ticket reads the ticket of a session. Agents may delete it, move it, or merge it into another one: then the error is Gone. For a
// merged ticket, RT answers with the other one, and writes there, too; but that is somebody else's. If the account can read no ticket
// of the queue, it has lost its right.
func (d *desk) ticket(ctx context.Context, id string) (ticket, error) {
	var t ticket
	err := d.rt.get(ctx, "/ticket/"+id+"?fields%5BQueue%5D=Name", &t)
	gone := hitl.Error{Gone: true, Err: err}
	switch {
	case refused(err, http.StatusNotFound), refused(err, http.StatusForbidden) && d.reads(ctx):
		gone.Message = fmt.Sprintf("Ticket %s is not in the queue %s of Request Tracker any more", id, d.Queue)
	case err != nil:
		return t, forOwner(err)
	case t.ID.String() != id:
		gone.Message = fmt.Sprintf("Ticket %s has been merged into ticket %s in Request Tracker", id, t.ID)
	case !strings.EqualFold(t.Queue.Name, d.Queue) && t.Queue.ID != d.Queue:
		gone.Message = fmt.Sprintf("Ticket %s has been moved from the queue %s to %s in Request Tracker", id, d.Queue, cmp.Or(t.Queue.Name, t.Queue.ID))
	default:
		return t, nil
	}
	return t, &gone
}

// reads reports whether the account can read tickets of the queue.
func (d *desk) reads(ctx context.Context) bool {
	id, err := d.rt.find(ctx, "/tickets", "Queue = "+quote(d.Queue))
	return id != "" && err == nil
}

// StopHitl resolves the ticket, unless it is closed or gone already.
func (d *desk) StopHitl(ctx context.Context, r hitl.StopHitlRequest) error {
	t, err := d.ticket(ctx, r.Session.ID)
	if err != nil || closed(t.Status) {
		return err
	}
	if err := d.rt.put(ctx, "/ticket/"+r.Session.ID, fields{"Status": "resolved"}); err != nil {
		return forOwner(err)
	}
	if t, err = d.ticket(ctx, r.Session.ID); err == nil && !closed(t.Status) {
		err = &hitl.Error{Temporary: true, Message: fmt.Sprintf("Request Tracker does not let the account %s resolve ticket %s: "+
			"give it the right ModifyTicket, and see whether the ticket depends on another one.", account, r.Session.ID)}
	}
	return err
}

// SendMessage writes on the ticket: what the end user says as correspondence in their name, what the bot says as a comment.
func (d *desk) SendMessage(ctx context.Context, r hitl.SendMessageRequest) (hitl.Ref, error) {
	return d.once(ctx, r.Session.ID, r.Key(), func() (string, error) {
		said := d.said(ctx, r.Message)
		id, err := d.write(ctx, r, said)
		if said["Attachments"] != nil && lasting(err) != nil {
			d.in.Logger.WarnContext(ctx, "RT, or the web server before it, does not take a file, so RT gets its address", "error", err)
			id, err = d.write(ctx, r, words(r.Message))
		}
		return id, err
	})
}

// Notify tells the agents, in a comment, what they would not know: for instance that a reply reached nobody.
func (d *desk) Notify(ctx context.Context, n hitl.Notice) error {
	key := "notice/" + n.MessageID
	_, err := d.once(ctx, n.Session.ID, key, func() (string, error) {
		said := words(message.Text{Text: n.Text})
		said["TxnCustomFields"] = fields{messageField: key}
		return d.rt.post(ctx, "/ticket/"+n.Session.ID+"/comment", said)
	})
	return err
}

// once writes on a ticket what has a key, unless an earlier attempt has written it.
func (d *desk) once(ctx context.Context, ticket, key string, write func() (id string, err error)) (hitl.Ref, error) {
	query := fmt.Sprintf("TicketId = %s AND CF.{%s} = %s", quote(ticket), messageField, quote(key))
	if id, err := d.rt.find(ctx, "/transactions", query); id != "" || err != nil {
		return hitl.Ref{ID: id}, forOwner(err)
	}
	if _, err := d.ticket(ctx, ticket); err != nil {
		return hitl.Ref{}, err
	}
	id, err := write()
	return hitl.Ref{ID: id}, forOwner(err)
}

// write writes on the ticket.
func (d *desk) write(ctx context.Context, r hitl.SendMessageRequest, said fields) (id string, err error) {
	said["TxnCustomFields"] = fields{messageField: r.Key()}
	where, author := "/ticket/"+r.Session.ID+"/comment", d.rt // for the agents alone, and opens no closed ticket again
	if r.Author.ID != "" && !r.Stopped {
		where, author = "/ticket/"+r.Session.ID+"/correspond", d.rt.as(r.Author.ID, d.password(r.Author.ID))
	}
	id, err = author.post(ctx, where, said)
	if author != d.rt && refused(err, http.StatusUnauthorized, http.StatusForbidden, http.StatusBadRequest) {
		d.in.Logger.WarnContext(ctx, "RT does not let an end user write, so it is done for them", "user", r.Author.ID, "error", err)
		said["Content"] = fmt.Sprintf("%s says:\n\n%s", cmp.Or(r.Name, r.Author.ID), said["Content"])
		id, err = d.rt.post(ctx, where, said)
	}
	return id, err
}

// words makes of a message what RT keeps, without files.
func words(m message.Message) fields {
	return fields{"Content": message.PlainText(m), "ContentType": "text/plain"}
}

// said makes of a message what RT keeps. Files are attached, if they can be fetched: their addresses may not last.
func (d *desk) said(ctx context.Context, m message.Message) fields {
	said := words(m)
	source, title, ok := message.Media(m)
	if !ok {
		return said
	}
	file, err := media.Fetch(ctx, source, title, d.files)
	if err != nil || len(file.Data) == 0 { // RT refuses empty ones
		d.in.Logger.WarnContext(ctx, "a file cannot be fetched, so RT gets its address", "error", err)
		return said
	}
	said["Content"] = title
	said["Attachments"] = []fields{{"FileName": file.Name, "FileType": file.ContentType, "FileContent": file.Data}}
	return said
}
