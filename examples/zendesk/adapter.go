package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/hitl/verify"
	"github.com/hitl-go/sdk/message"
	"github.com/hitl-go/sdk/message/media"
)

// Config is what the bot's owner fills in to install the integration.
type Config struct {
	Subdomain   string `json:"subdomain" jsonschema:"title=Subdomain" jsonschema_description:"The first part of your Zendesk address: acme for acme.zendesk.com."`
	Email       string `json:"email,omitzero" jsonschema:"title=E-mail address" jsonschema_description:"The address of the administrator to whom the API token belongs."`
	APIToken    string `json:"apiToken,omitzero" jsonschema:"title=API token" jsonschema_description:"Created in the Admin Center under Apps and integrations, APIs. Needs the e-mail address."`
	AccessToken string `json:"accessToken,omitzero" jsonschema:"title=OAuth access token" jsonschema_description:"Instead of e-mail address and API token."`
}

// Session is what a bot can say about a ticket when it hands a conversation over.
type Session struct {
	Priority        string `json:"priority,omitzero" jsonschema:"title=Priority,enum=low,enum=normal,enum=high,enum=urgent" jsonschema_description:"Priority of the ticket. Leave empty for none."`
	TicketFormID    string `json:"ticketFormId,omitzero" jsonschema:"title=Ticket form ID,pattern=^[0-9]+$" jsonschema_description:"The number of the ticket form to use, which must exist in Zendesk."`
	RequesterName   string `json:"requesterName,omitzero" jsonschema:"title=Requester name" jsonschema_description:"The end user's name, if the bot knows a better one than the channel does."`
	RequesterEmail  string `json:"requesterEmail,omitzero" jsonschema:"title=Requester e-mail" jsonschema_description:"The end user's e-mail address, if the bot has asked for it. Needs the name."`
	ChatbotName     string `json:"chatbotName,omitzero" jsonschema:"title=Chatbot name" jsonschema_description:"The name under which the bot writes in this ticket: Botpress if left empty."`
	ChatbotPhotoURL string `json:"chatbotPhotoUrl,omitzero" jsonschema:"title=Chatbot photo URL" jsonschema_description:"The bot's picture in this ticket: a public address of at most 255 characters."`
}

func definition() hitl.Definition {
	return hitl.Definition{
		Name: "zendesk", Version: "1.0.0", Title: "Zendesk",
		Description:      "Hand conversations over to agents who work in Zendesk tickets.",
		Session:          hitl.Part{Name: "hitlTicket"},
		ConversationTags: []hitl.Part{{Name: tagBot, Title: "Bot's user", Description: "The Zendesk user as whom the bot writes in the ticket."}},
	}
}

const (
	tagBot     = "botUserId"
	mark       = "botpress" // The tag of our tickets, and the metadata of our comments.
	maxPhoto   = 255        // Characters that Zendesk takes of a picture's address.
	maxComment = 60_000     // Bytes of a transcript: Zendesk takes 65,535 of HTML in a comment.
)

// adapter is one Zendesk account, as one installation of the integration sees it.
type adapter struct {
	in    hitl.Installation
	api   *api
	files media.Options

	mu      sync.Mutex  // Guards what follows.
	genuine verify.Func // Knows the signing secrets of our webhooks.
	asked   time.Time   // When they were asked for.
}

// world is what surrounds the integration: tests and the demo have one of their own.
type world struct {
	zendesk string // Where accounts are; the asterisk stands for the subdomain.
	files   media.Options
}

var subdomain = regexp.MustCompile(`^[a-z0-9][a-z0-9-]*$`)

func (w world) connect(_ context.Context, in hitl.Installation, c Config) (*adapter, error) {
	name := strings.TrimPrefix(strings.ToLower(strings.TrimSpace(c.Subdomain)), "https://")
	name = strings.TrimSuffix(strings.TrimSuffix(name, "/"), ".zendesk.com")
	auth := "Bearer " + c.AccessToken
	switch {
	case !subdomain.MatchString(name):
		return nil, hitl.Errorf("The subdomain %q is none: it is acme if you open Zendesk at acme.zendesk.com.", c.Subdomain)
	case c.AccessToken == "" && (c.Email == "" || c.APIToken == ""):
		return nil, hitl.Errorf("The configuration needs an e-mail address and its API token, or an OAuth access token.")
	case c.AccessToken == "":
		auth = "Basic " + base64.StdEncoding.EncodeToString([]byte(c.Email+"/token:"+c.APIToken))
	}
	client := *in.HTTPClient
	client.Timeout = 20 * time.Second
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &adapter{in: in, files: w.files, api: &api{
		base: strings.Replace(w.zendesk, "*", name, 1), auth: auth, http: &client,
	}}, nil
}

// CreateUser makes the end user a user of Zendesk, with the Botpress user as its external id.
func (a *adapter) CreateUser(ctx context.Context, r hitl.CreateUserRequest) (hitl.Ref, error) {
	id, err := a.endUser(ctx, r.UserID, r.Name, r.Email, r.PictureURL)
	return hitl.Ref{ID: string(id)}, err
}

// endUser finds or creates an end user. Anyone can type any address into a chat: so an address finds a customer but
// changes nothing, and it does not find agents at all.
func (a *adapter) endUser(ctx context.Context, externalID, name, email, photo string) (id, error) {
	if len((&url.URL{Path: photo}).EscapedPath()) > maxPhoto {
		photo = "" // Half an address is of no use.
	}
	if email != "" {
		found, err := a.api.call(ctx, http.MethodGet, "users/search.json?query="+url.QueryEscape("email:"+email), nil)
		if err != nil {
			return "", err
		}
		for _, f := range found.Users {
			switch {
			case !strings.EqualFold(f.Email, email) || strings.EqualFold(f.ExternalID, externalID):
			case f.Role == "end-user":
				return f.ID, nil
			default:
				email = ""
			}
		}
	}
	out, err := a.api.call(ctx, http.MethodPost, "users/create_or_update.json", object{
		"user": filled(object{"external_id": externalID, "name": name, "email": email, "remote_photo_url": photo, "skip_verify_email": true}),
	})
	return out.User.ID, err
}

// bot returns the end user as whom the bot writes. Each name and picture is a user of its own, so that sessions that run
// at the same time do not rename each other's bot. It is looked up first: Zendesk takes five updates of a user a minute.
func (a *adapter) bot(ctx context.Context, name, photo string) (id, error) {
	sum := sha256.Sum256([]byte(name + "\n" + photo))
	externalID := a.in.BotUserID + "-" + hex.EncodeToString(sum[:8])
	found, err := a.api.call(ctx, http.MethodGet, "users/search.json?external_id="+url.QueryEscape(externalID), nil)
	if err != nil || len(found.Users) == 0 {
		return a.endUser(ctx, externalID, cmp.Or(name, "Botpress"), "", photo)
	}
	return found.Users[0].ID, nil
}

// StartHitl opens a ticket that carries the conversation's id from birth: triggers may fire before we have the answer.
func (a *adapter) StartHitl(ctx context.Context, r hitl.StartHitlRequest[Session]) (hitl.Ref, error) {
	bot, err := a.bot(ctx, r.Session.ChatbotName, r.Session.ChatbotPhotoURL)
	if err != nil {
		return hitl.Ref{}, err
	}
	requester, s := id(r.User.ID), r.Session
	if s.RequesterName != "" {
		if requester, err = a.endUser(ctx, r.UserID, s.RequesterName, s.RequesterEmail, ""); err != nil {
			return hitl.Ref{}, err
		}
	}
	out, err := a.api.call(ctx, http.MethodPost, "tickets.json", object{"ticket": filled(object{
		"external_id": r.ConversationID, "subject": cmp.Or(r.Title, "Conversation handed over by the bot"), "tags": []string{mark},
		"requester_id": requester, "submitter_id": bot, "priority": s.Priority, "ticket_form_id": s.TicketFormID,
		"comment": object{"author_id": bot, "html_body": opening(ctx, r)}, "metadata": object{mark: r.ConversationID},
	})}, "Idempotency-Key", r.ConversationID)
	if refused(err, http.StatusBadRequest) { // The key was used already, perhaps with a transcript that read differently.
		found, _ := a.api.call(ctx, http.MethodGet, "tickets.json?external_id="+url.QueryEscape(r.ConversationID), nil)
		if len(found.Tickets) > 0 {
			out.Ticket, err = found.Tickets[0], nil
		}
	}
	return hitl.Ref{ID: string(out.Ticket.ID), Tags: map[string]string{tagBot: string(bot)}}, err
}

// opening is the first comment: why the bot hands over, and what was said until then.
func opening(ctx context.Context, r hitl.StartHitlRequest[Session]) string {
	reason := message.ToHTML(message.Text{Text: cmp.Or(r.Description, "The end user asks for a human.")})
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
		var me answer
		if me, err = a.api.call(ctx, http.MethodGet, "users/me.json", nil); err == nil {
			_, err = a.update(ctx, r.Session, object{"status": "solved", "assignee_id": me.User.ID})
		}
	}
	if refused(err, http.StatusUnprocessableEntity) || refused(err, http.StatusNotFound) {
		a.in.Logger.InfoContext(ctx, "the ticket of a session that is over cannot be solved", "ticket", r.Session.ID, "error", err)
		return nil
	}
	return err
}

func (a *adapter) update(ctx context.Context, session hitl.Ref, ticket object) (answer, error) {
	return a.api.call(ctx, http.MethodPut, "tickets/"+url.PathEscape(session.ID)+".json", object{"ticket": ticket})
}

// SendMessage writes a public comment, as the end user or the bot. Comments have no idempotency keys, so it looks first
// whether an earlier attempt has written it.
func (a *adapter) SendMessage(ctx context.Context, r hitl.SendMessageRequest) (hitl.Ref, error) {
	part := fmt.Sprintf("%s/%d", r.MessageID, r.Part)
	out, err := a.newest(ctx, r.Session.ID, 10, "")
	for _, c := range out.Comments {
		if c.Metadata.Custom[mark] == part {
			return hitl.Ref{ID: string(c.ID)}, nil
		}
	}
	if err == nil {
		out, err = a.update(ctx, r.Session, object{"metadata": object{mark: part}, "comment": object{
			"author_id": cmp.Or(r.Author.ID, r.Session.Tags[tagBot]), "public": true,
			"html_body": message.ToHTML(r.Message), "uploads": a.upload(ctx, r.Message),
		}})
	}
	switch {
	case gone(err) && r.Stopped:
		return hitl.Ref{}, nil // The last words come too late; nobody misses them.
	case gone(err):
		return hitl.Ref{}, &hitl.Error{Message: "Ticket " + r.Session.ID + " is closed or deleted: nobody sees what the end user writes.", Err: err}
	case err != nil:
		return hitl.Ref{}, err
	}
	if status := out.Ticket.Status; r.UserID != "" && !r.Stopped && (status == "pending" || status == "hold") {
		_, _ = a.update(ctx, r.Session, object{"status": "open"}) // Only e-mails reopen tickets by themselves.
	}
	var ref hitl.Ref
	for _, e := range out.Audit.Events {
		if e.Type == "Comment" {
			ref.ID = string(e.ID)
		}
	}
	return ref, nil
}

// upload stores the file of a message, so that agents have it when its URL has expired. It may fail: the URL is in the text.
func (a *adapter) upload(ctx context.Context, m message.Message) []string {
	from, title, ok := message.Media(m)
	if !ok {
		return nil
	}
	file, err := media.Fetch(ctx, from, title, &a.files)
	if err == nil {
		var out answer
		path := "uploads.json?filename=" + url.QueryEscape(file.Name)
		if out, err = a.api.call(ctx, http.MethodPost, path, file.Data, "Content-Type", file.ContentType); err == nil {
			return []string{out.Upload.Token}
		}
	}
	a.in.Logger.InfoContext(ctx, "a file reaches the agents as a link only", "error", err)
	return nil
}
