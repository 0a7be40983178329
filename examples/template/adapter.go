package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/hitl/verify"
	"github.com/hitl-go/sdk/message"
)

// Config is what the bot's owner fills in.
type Config struct {
	URL    string          `json:"url" jsonschema:"title=Address,format=uri,pattern=^https?://" jsonschema_description:"Where Acme Desk is, such as https://acme.example.com."`
	Token  botpress.Secret `json:"token" jsonschema:"title=API token,minLength=1"`
	Secret botpress.Secret `json:"secret" jsonschema:"title=Signing secret,minLength=1" jsonschema_description:"Acme Desk signs its webhooks with it."`
}

// Session is what a bot may say about a conversation that it hands over. Use struct{} if there is nothing to say.
type Session struct {
	Priority string `json:"priority,omitzero" jsonschema:"title=Priority,enum=low,enum=normal,enum=high"`
}

// Decide: how long may a text be, and in which unit does the desk count? Without MaxText it takes any. Can it neither take nor find an
// id of ours? Then set SendOnce.
var definition = hitl.Definition{
	Name: "acme", Version: "0.1.0",
	Title: "Acme Desk", Description: "Hands conversations over to the agents of Acme Desk.",
	Session: hitl.Part{Name: "ticket"},
	MaxText: longestText, TextUnit: message.Runes,
}

const longestText = 50_000 // that the desk takes

// adapter is one Acme Desk, as one installation of the integration sees it. It remembers nothing: any number of replicas take turns.
//
// Decide: what else can it be? A [hitl.Notifier] tells agents that nobody has read what they wrote; a [hitl.Receiver] polls a
// desk that does not call; a [hitl.AgentReader] says who an agent is in whose webhooks are IDs alone.
type adapter struct {
	url, token string
	http       *http.Client
	genuine    verify.Func
}

// connect is called once for each installation. Register, which runs after it, notices a wrong token.
func connect(_ context.Context, in hitl.Installation, c Config) (*adapter, error) {
	in.HTTPClient.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse } // A POST would become a GET.
	return &adapter{
		url: strings.TrimSuffix(c.URL, "/"), token: string(c.Token), http: in.HTTPClient,
		genuine: verify.HMAC{Header: "Acme-Signature", TimeHeader: "Acme-Timestamp"}.Func(string(c.Secret)),
	}, nil
}

// CreateUser finds users by our id. An e-mail address would find people who are somebody else: anybody can type any.
func (a *adapter) CreateUser(ctx context.Context, r hitl.CreateUserRequest) (hitl.Ref, error) {
	return a.create(ctx, "/users", fields{"externalId": r.UserID, "name": r.Name, "email": r.Email})
}

// StartHitl opens a ticket that has the conversation's id from birth. The desk returns the same one for the same id.
//
// Decide: which of title, description and history do agents need, and where, and how long may they be?
func (a *adapter) StartHitl(ctx context.Context, r hitl.StartHitlRequest[Session]) (hitl.Ref, error) {
	const longestSubject, longestAbout, blank = 200, 10_000, "\n\n"
	about := append(message.Split(r.Description, longestAbout, message.Runes), "")[0] // However long it is, the ticket is opened.
	history := r.Transcript(ctx, &message.TranscriptOptions{Limit: longestText - longestAbout - len(blank), Unit: message.Runes})
	return a.create(ctx, "/tickets", fields{
		"externalId": r.ConversationID, "requester": r.User.ID, "priority": r.Session.Priority,
		"subject": cmp.Or(message.Title(r.Title, longestSubject, message.Runes), "A conversation with the bot"),
		"text":    strings.TrimSpace(about + blank + history),
	})
}

// SendMessage writes as the end user, or as the account of the API when the bot speaks.
//
// Decide: does the desk take files? Package media fetches them; here they are addresses in the text. Does it reopen a ticket on
// which the end user writes? Then write as the account if r.Stopped is set.
func (a *adapter) SendMessage(ctx context.Context, r hitl.SendMessageRequest) (hitl.Ref, error) {
	return a.create(ctx, ticketPath(r.Session)+"/messages", fields{
		"externalId": r.Key(), "author": r.Author.ID, "text": message.PlainText(r.Message),
	})
}

// StopHitl closes the ticket. One that is closed or gone already is no error.
func (a *adapter) StopHitl(ctx context.Context, r hitl.StopHitlRequest) error {
	return a.call(ctx, http.MethodPost, ticketPath(r.Session)+"/close", nil, nil)
}

// HandleWebhook says only that something has happened in a ticket, and the server calls Backfill. So webhooks may come late,
// twice or in another order, and what a lost one was about is found later.
func (a *adapter) HandleWebhook(_ context.Context, r *http.Request) (hitl.Webhook, error) {
	if err := a.genuine(r); err != nil {
		return hitl.Webhook{}, err
	}
	var hook struct {
		Ticket string `json:"ticket"`
	}
	if err := verify.JSON(r, &hook); err != nil || hook.Ticket == "" {
		return hitl.Webhook{}, &hitl.Error{Message: "A webhook does not name a ticket.", Err: err}
	}
	return hitl.Webhook{Events: []hitl.Event{hitl.Changed{SessionID: hook.Ticket}}}, nil
}

// Backfill returns what agents have done. It leaves out notes, and what end user and bot have said.
//
// Decide: which states of a ticket are the end? In one that is pending, somebody waits for the end user.
func (a *adapter) Backfill(ctx context.Context, r hitl.BackfillRequest) (events []hitl.Event, err error) {
	var history []entry
	err = a.call(ctx, http.MethodGet, ticketPath(r.Session)+"/history?since="+r.Since.UTC().Format(time.RFC3339), nil, &history)
	for _, e := range history {
		agent := hitl.Agent{ID: e.Author.ID, Name: e.Author.Name}
		switch {
		case e.Kind == "closed":
			events = append(events, hitl.Stopped{SessionID: r.Session.ID})
		case e.Author.Role != "agent":
		case e.Kind == "assigned":
			events = append(events, hitl.Assigned{SessionID: r.Session.ID, Agent: agent, ID: e.ID})
		case e.Kind == "message":
			events = append(events, hitl.Replied{SessionID: r.Session.ID, Author: agent, ID: e.ID, Message: message.Text{Text: e.Text}})
		}
	}
	return events, err
}

// Register runs every hour, and writes only what differs.
func (a *adapter) Register(ctx context.Context, webhookURL string) error {
	var known []string
	err := a.call(ctx, http.MethodGet, "/webhooks", nil, &known)
	if err != nil || slices.Contains(known, webhookURL) {
		return err
	}
	return a.call(ctx, http.MethodPost, "/webhooks", fields{"url": webhookURL}, nil)
}

// Unregister leaves the webhooks of other installations alone.
func (a *adapter) Unregister(ctx context.Context, webhookURL string) error {
	return a.call(ctx, http.MethodDelete, "/webhooks?url="+url.QueryEscape(webhookURL), nil, nil)
}

// entry is one in the history of a ticket.
type entry struct {
	ID     string    `json:"id"`
	At     time.Time `json:"at"`
	Kind   string    `json:"kind"` // assigned, message, note or closed
	Text   string    `json:"text,omitzero"`
	Author person    `json:"author"`
}

type person struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Role string `json:"role"` // agent, user or bot
}

func ticketPath(session hitl.Ref) string { return "/tickets/" + url.PathEscape(session.ID) }

// noSuchTicket is what the desk says of a ticket that it does not have.
const noSuchTicket = "no_such_ticket"

// fields are what is sent to the desk.
type fields map[string]string

// create creates what has an external id, or finds what an earlier attempt has created.
func (a *adapter) create(ctx context.Context, path string, what fields) (hitl.Ref, error) {
	var created struct {
		ID string `json:"id"`
	}
	err := a.call(ctx, http.MethodPost, path, what, &created)
	return hitl.Ref{ID: created.ID}, err
}

// call calls the desk's API. A *[hitl.Error] is for the bot's owner, and final unless it is Temporary; any other error is retried.
func (a *adapter) call(ctx context.Context, method, path string, in fields, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, method, a.url+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+a.token)
	r.Header.Set("Content-Type", "application/json")
	res, err := a.http.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	const longestAnswer = 10 << 20
	answer := json.NewDecoder(io.LimitReader(res.Body, longestAnswer))
	if res.StatusCode < http.StatusMultipleChoices {
		if out == nil {
			return nil
		}
		return answer.Decode(out)
	}
	return refusal(res, answer, fmt.Errorf("%s %s: %s", method, path, res.Status))
}

// refusal is an answer that is no success. Only the desk's own word ends a session: web servers answer 404, too, during an update for
// instance.
func refusal(res *http.Response, answer *json.Decoder, failed error) error {
	var said struct {
		Error string `json:"error"`
	}
	_ = answer.Decode(&said) // What comes from a proxy is not JSON.
	to, _ := res.Location()
	switch status := res.StatusCode; {
	case said.Error == noSuchTicket:
		return &hitl.Error{Message: "Acme Desk does not have the ticket any more.", Gone: true, Err: failed}
	case status == http.StatusNotFound:
		return &hitl.Error{Message: "Acme Desk has no such address: check the one in the configuration.", Temporary: true, Err: failed}
	case status < http.StatusBadRequest && to != nil:
		return &hitl.Error{Message: "Acme Desk has moved: enter its address that begins with " + to.Scheme + "://" + to.Host, Temporary: true, Err: failed}
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return &hitl.Error{Message: "Acme Desk does not accept the API token.", Temporary: true, Err: failed}
	case status == http.StatusTooManyRequests || status >= http.StatusInternalServerError:
		seconds, _ := strconv.Atoi(res.Header.Get("Retry-After")) // zero leaves the time to the server
		return hitl.Retryable(time.Duration(seconds)*time.Second, failed)
	}
	return &hitl.Error{Message: "Acme Desk refuses a request: " + res.Status, Err: failed}
}
