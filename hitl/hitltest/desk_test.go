package hitltest

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/hitl/verify"
	"github.com/hitl-go/sdk/message"
)

// deskAPI is a help desk with an HTTP API. It signs its webhooks.
type deskAPI struct {
	mu       sync.Mutex
	serial   int
	users    map[string]string // Ids, by external id.
	sessions map[string]*deskSession
	hooks    []string // URLs.
	log      []entry
}

type deskSession struct {
	ID       string `json:"id"`
	External string `json:"external"`
	Open     bool   `json:"open"`

	said  []string
	notes []string
	keys  map[string]string // Ids of messages, by idempotency key.
}

const deskSecret = "webhook-secret"

func (d *deskAPI) next(kind string) string {
	d.serial++
	return fmt.Sprintf("%s-%d", kind, d.serial)
}

// entry is an event in the log of the desk.
type entry struct {
	event

	Serial int       `json:"serial"`
	At     time.Time `json:"at"`
}

// record appends an event to the log. Hold d.mu.
func (d *deskAPI) record(e event) {
	d.log = append(d.log, entry{e, len(d.log) + 1, time.Now()})
}

// ServeHTTP serves POST of /users, /sessions, /sessions/{id}/messages, /sessions/{id}/notes, /sessions/{id}/close and /hooks,
// DELETE of /hooks?url=…, and GET of /sessions?external=…, /hooks, and /log?after=…&session=…, which has pages of ten entries.
func (d *deskAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var in struct{ External, Key, Text, Author, URL string }
	if r.Method == http.MethodPost {
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	}
	path := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	switch {
	case path[0] == "users":
		id := d.users[in.External]
		if id == "" {
			id = d.next("user")
			d.users[in.External] = id
		}
		answer(w, map[string]string{"id": id})
	case path[0] == "hooks" && r.Method == http.MethodDelete:
		d.hooks = slices.DeleteFunc(d.hooks, func(url string) bool { return !r.URL.Query().Has("url") || url == r.URL.Query().Get("url") })
		answer(w, d.hooks)
	case path[0] == "hooks":
		if in.URL != "" {
			d.hooks = append(d.hooks, in.URL)
		}
		answer(w, d.hooks)
	case path[0] == "log":
		session := r.URL.Query().Get("session")
		if session != "" && d.sessions[session] == nil {
			noSuchSession(w)
			return
		}
		page := []entry{}
		after, _ := strconv.Atoi(r.URL.Query().Get("after"))
		for _, e := range d.log {
			if e.Serial > after && len(page) < 10 && (session == "" || e.Session == session) {
				page = append(page, e)
			}
		}
		answer(w, page)
	case path[0] == "sessions" && r.Method == http.MethodGet:
		found := []*deskSession{}
		for _, s := range d.sessions {
			if s.External == r.URL.Query().Get("external") {
				found = append(found, s)
			}
		}
		answer(w, found)
	case path[0] == "sessions" && len(path) == 1:
		s := &deskSession{ID: d.next("session"), External: in.External, Open: true, keys: map[string]string{}}
		d.sessions[s.ID] = s
		answer(w, s)
	case len(path) != 3 || d.sessions[path[1]] == nil:
		noSuchSession(w)
	case path[2] == "close":
		s := d.sessions[path[1]]
		if !s.Open {
			http.Error(w, "it is closed", http.StatusConflict)
			return
		}
		s.Open = false
		answer(w, s)
	case path[2] == "notes":
		s := d.sessions[path[1]]
		s.notes = append(s.notes, in.Text)
		answer(w, s)
	default:
		s := d.sessions[path[1]]
		id := s.keys[in.Key]
		if id == "" {
			id = d.next("message")
			s.said = append(s.said, in.Text)
			s.Open = s.Open || strings.HasPrefix(in.Author, "user-") // As many desks reopen.
			author := deskPerson{ID: in.Author, Name: "Jane Doe", Staff: in.Author == alice.ID}
			d.record(event{Kind: "message", Session: s.ID, Author: &author, Message: &deskText{ID: id, Text: in.Text, Public: true}})
		}
		if in.Key != "" {
			s.keys[in.Key] = id
		}
		answer(w, map[string]string{"id": id})
	}
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// noSuchSession is the desk's own 404.
func noSuchSession(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusNotFound)
}

func signature(body []byte) string {
	mac := hmac.New(sha256.New, []byte(deskSecret))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

func (d *deskAPI) heard(s Session) []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.sessions[s.ID] == nil {
		return nil
	}
	return slices.Clone(d.sessions[s.ID].said)
}

// event is the body of a webhook.
type event struct {
	Kind    string      `json:"kind"` // assigned, message, closed, tagged or status
	Session string      `json:"session"`
	Author  *deskPerson `json:"author,omitempty"`
	Message *deskText   `json:"message,omitempty"`
}

type deskPerson struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Staff bool   `json:"staff"`
}

type deskText struct {
	ID     string `json:"id"`
	Text   string `json:"text"`
	Public bool   `json:"public"`
}

var alice = deskPerson{ID: "agent-7", Name: "Alice Agent", Staff: true}

func (d *deskAPI) post(e event) *http.Request {
	d.mu.Lock()
	defer d.mu.Unlock()
	if e.Message != nil && e.Message.ID == "" {
		e.Message.ID = d.next("message")
	}
	d.record(e)
	if s := d.sessions[e.Session]; s != nil && e.Kind == "closed" {
		s.Open = false
	}
	body, err := json.Marshal(e)
	if err != nil {
		panic(err) // It is plain data.
	}
	return httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
}

func (d *deskAPI) replied(s Session, text string) *http.Request {
	return d.post(event{Kind: "message", Session: s.ID, Author: &alice, Message: &deskText{Text: text, Public: true}})
}

// desk implements all fields of [Desk].
func (d *deskAPI) desk(wire *Wire) Desk {
	return Desk{
		Agent:    hitl.Agent{ID: alice.ID, Name: alice.Name},
		Assigned: func(s Session) *http.Request { return d.post(event{Kind: "assigned", Session: s.ID, Author: &alice}) },
		Replied:  d.replied,
		Stopped:  func(s Session) *http.Request { return d.post(event{Kind: "closed", Session: s.ID}) },
		Note: func(s Session, text string) *http.Request {
			return d.post(event{Kind: "message", Session: s.ID, Author: &alice, Message: &deskText{Text: text}})
		},
		Customer: func(s Session, text string) *http.Request {
			jane := deskPerson{ID: "user-1", Name: "Jane Doe"}
			return d.post(event{Kind: "message", Session: s.ID, Author: &jane, Message: &deskText{Text: text, Public: true}})
		},
		Echo: func(s Session, sent hitl.Ref, text string) *http.Request {
			api := deskPerson{ID: "agent-1", Name: "API", Staff: true}
			return d.post(event{Kind: "message", Session: s.ID, Author: &api, Message: &deskText{ID: sent.ID, Text: text, Public: true}})
		},
		Sign: func(r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			r.Header.Set("X-Desk-Signature", signature(body))
		},
		Act: func(s Session, text string) { d.replied(s, text) },
		Noise: func(s Session) []*http.Request {
			return []*http.Request{d.post(event{Kind: "tagged", Session: s.ID, Author: &alice}), d.post(event{Kind: "status", Session: s.ID, Author: &alice})}
		},
		Heard: d.heard,
		Noted: func(s Session) []string {
			d.mu.Lock()
			defer d.mu.Unlock()
			return slices.Clone(d.sessions[s.ID].notes)
		},
		Open: func(s Session) bool {
			d.mu.Lock()
			defer d.mu.Unlock()
			return d.sessions[s.ID].Open
		},
		Vanish: func(s Session) {
			d.mu.Lock()
			defer d.mu.Unlock()
			delete(d.sessions, s.ID)
		},
		Wire: wire,
	}
}

// config, ticket and quirky are an adapter. A quirk is the rule that it breaks.
type config struct {
	URL string `json:"url"`
}

type ticket struct {
	Priority string `json:"priority,omitempty"`
}

var definition = hitl.Definition{
	Name: "quirky", Version: "1.0.0",
	ConversationTags: []hitl.Part{{Name: "external", Title: "External", Description: "The conversation, once more"}},
}

// limited is the definition of a desk that takes short texts only.
func limited() hitl.Definition {
	d := definition
	d.MaxText, d.TextUnit = 1_000, message.Runes
	return d
}

type quirky struct {
	url    string
	client *http.Client
	in     hitl.Installation
	quirk  string

	mu     sync.Mutex // Guards what only quirks need.
	latest hitl.Ref
	serial int
}

// polling is the adapter of a desk that is polled, and reading that of one that is read back. Complete is both.
type (
	polling struct {
		*quirky

		cursor    int
		delivered map[int]int // How often, by serial number.
	}
	reading  struct{ *quirky }
	complete struct {
		*polling
		reader reading
	}
)

// connectQuirky makes adapters that break the rule called quirk, or none.
func connectQuirky(quirk string, transport http.RoundTripper) func(context.Context, hitl.Installation, config) (hitl.Integration[ticket], error) {
	return func(_ context.Context, in hitl.Installation, c config) (hitl.Integration[ticket], error) {
		if c.URL == "" {
			return nil, hitl.Errorf("The configuration needs a URL.")
		}
		q := &quirky{url: c.URL, client: &http.Client{Transport: transport}, in: in, quirk: quirk}
		p := &polling{quirky: q, delivered: map[int]int{}}
		switch kind, _, _ := strings.Cut(quirk, "-"); kind {
		case "receive":
			return p, nil
		case "backfill":
			return reading{q}, nil
		case "agents":
			return knowing{reading{q}}, nil
		case "complete":
			return complete{p, reading{q}}, nil
		default:
			return q, nil
		}
	}
}

func (p *polling) Receive(ctx context.Context, deliver func(context.Context, ...hitl.Event) error) error {
	if p.quirk == "receive-slow end" {
		defer func() { <-time.After(2 * quick.prompt) }()
	}
	first := true
	for {
		page, err := p.log(ctx, p.cursor, "")
		if err != nil {
			return err
		}
		for _, e := range page {
			p.cursor = e.Serial
			if p.quirk == "receive-restart" && first {
				continue // What is there already is not news.
			}
			if p.quirk == "receive-twice" && e.Message != nil {
				if p.delivered[e.Serial]++; p.delivered[e.Serial] > 1 {
					e.Message.ID = fmt.Sprintf("%s, delivery %d", e.Message.ID, p.delivered[e.Serial])
				}
			}
			if err := deliver(ctx, p.events(e.event)...); err != nil {
				if p.quirk != "receive-cursor first" {
					p.cursor--
				}
				return err
			}
		}
		if len(page) > 0 {
			continue
		}
		first = false
		again := time.NewTimer(20 * time.Millisecond)
		select {
		case <-again.C:
		case <-ctx.Done():
			again.Stop()
			return ctx.Err()
		}
	}
}

func (r reading) Backfill(ctx context.Context, b hitl.BackfillRequest) (events []hitl.Event, err error) {
	if r.quirk == "backfill-patient" {
		ctx = context.WithoutCancel(ctx)
	}
	for after := 0; ; {
		session := b.Session.ID
		if r.quirk == "backfill-all sessions" {
			session = ""
		}
		page, err := r.log(ctx, after, session)
		for _, e := range page {
			after = e.Serial
			switch {
			case r.quirk == "backfill-other ids" && e.Message != nil:
				e.Message.ID = "comment " + e.Message.ID
			case r.quirk == "backfill-no ids" && e.Message != nil:
				e.Message.ID = ""
			case r.quirk == "backfill-one id" && e.Message != nil:
				e.Message.ID = session
			case r.quirk == "backfill-notes" && e.Message != nil:
				e.Message.Public = true
			case r.quirk == "backfill-own words" && e.Message != nil && !e.Author.Staff:
				e.Message.ID, e.Author.Staff = "comment "+e.Message.ID, true
			case r.quirk == "backfill-no end" && e.Kind == "closed":
				continue
			}
			if e.At.Before(b.Since) || r.quirk == "backfill-since" && e.At.UTC().Format(time.DateTime) < b.Since.Format(time.DateTime) {
				continue
			}
			events = append(events, r.events(e.event)...)
		}
		if r.quirk == "backfill-gone" && err != nil {
			events, err = append(events, hitl.Assigned{SessionID: session, Agent: hitl.Agent{ID: "nobody"}}), nil
		}
		if refused(err, http.StatusNotFound) && r.quirk != "backfill-stays" {
			err = &hitl.Error{Message: "The session is gone.", Gone: true}
		}
		if r.quirk == "backfill-first pages" && err != nil && len(events) > 0 {
			return events, nil
		}
		if r.quirk == "backfill-newest first" && len(page) == 0 {
			slices.Reverse(events)
		}
		if r.quirk == "backfill-changed" && len(page) == 0 {
			events = append(events, hitl.Changed{SessionID: session})
		}
		if err != nil || len(page) == 0 || r.quirk == "backfill-complete" {
			return events, err
		}
	}
}

func (c complete) Backfill(ctx context.Context, b hitl.BackfillRequest) ([]hitl.Event, error) {
	return c.reader.Backfill(ctx, b)
}

// log returns a page of the desk's log.
func (q *quirky) log(ctx context.Context, after int, session string) (page []entry, err error) {
	err = q.call(ctx, http.MethodGet, fmt.Sprintf("/log?after=%d&session=%s", after, session), nil, &page)
	return page, err
}

func (q *quirky) Register(ctx context.Context, webhookURL string) error {
	var hooks []string
	if err := q.call(ctx, http.MethodGet, "/hooks", nil, &hooks); err != nil {
		if q.quirk == "complete-register that is silent" {
			return nil
		}
		return err
	}
	if slices.Contains(hooks, webhookURL) && q.quirk != "register-converges" {
		return nil
	}
	if q.quirk == "complete-register for one" {
		if err := q.call(ctx, http.MethodDelete, "/hooks", nil, &hooks); err != nil {
			return err
		}
	}
	return q.call(ctx, http.MethodPost, "/hooks", map[string]string{"url": webhookURL}, &hooks)
}

func (q *quirky) Unregister(ctx context.Context, webhookURL string) error {
	this := "?url=" + url.QueryEscape(webhookURL)
	if q.quirk == "register-apart" {
		this = ""
	}
	return q.call(ctx, http.MethodDelete, "/hooks"+this, nil, &[]string{})
}

func (q *quirky) Notify(ctx context.Context, n hitl.Notice) error {
	post := func(to, author string) error {
		in := map[string]string{"text": n.Text, "author": author}
		return q.call(ctx, http.MethodPost, "/sessions/"+n.Session.ID+to, in, &hitl.Ref{})
	}
	switch q.quirk {
	case "late-reply":
		return post("/messages", "")
	case "complete-notices that reopen":
		_ = post("/messages", "user-1")
	case "complete-notices for all":
		_ = post("/messages", alice.ID)
	case "complete-notices that are lost":
		_ = post("/notes", "")
		return nil
	}
	return post("/notes", "")
}

type statusError int

func (s statusError) Error() string { return fmt.Sprintf("the desk answered %d", int(s)) }

func refused(err error, status int) bool {
	var s statusError
	return errors.As(err, &s) && int(s) == status
}

func (q *quirky) call(ctx context.Context, method, path string, in, out any) error {
	if q.quirk == "cancelled" {
		ctx = context.WithoutCancel(ctx)
	}
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, method, q.url+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	res, err := q.client.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode == http.StatusTooManyRequests && q.quirk == "complete-sleep" {
		after, _ := strconv.Atoi(res.Header.Get("Retry-After"))
		time.Sleep(time.Duration(after) * time.Second)
	}
	if res.StatusCode != http.StatusOK {
		if q.quirk == "desk-down" && res.StatusCode >= http.StatusTooManyRequests {
			return hitl.Errorf("The desk answered %d.", res.StatusCode)
		}
		if isOwn := res.Header.Get("Content-Type") == "application/json"; res.StatusCode == http.StatusNotFound && !isOwn {
			return q.nowhere()
		}
		return statusError(res.StatusCode)
	}
	return json.NewDecoder(res.Body).Decode(out)
}

// nowhere is the error of a 404 that is not the desk's own.
func (q *quirky) nowhere() error {
	switch q.quirk {
	case "not-found":
		return statusError(http.StatusNotFound)
	case "backfill-ends everywhere":
		return &hitl.Error{Message: "The session is gone.", Gone: true}
	}
	return &hitl.Error{Message: "There is no desk at this address.", Temporary: true}
}

func (q *quirky) CreateUser(ctx context.Context, r hitl.CreateUserRequest) (hitl.Ref, error) {
	external := r.UserID
	switch q.quirk {
	case "user-twice":
		q.mu.Lock()
		q.serial++
		external = fmt.Sprintf("%s-%d-%p", r.UserID, q.serial, q)
		q.mu.Unlock()
	case "user-apart":
		external = r.Email
	}
	var out hitl.Ref
	err := q.call(ctx, http.MethodPost, "/users", map[string]string{"external": external}, &out)
	if err != nil && q.quirk == "user-twice look-up" {
		err = q.call(ctx, http.MethodPost, "/users", map[string]string{"external": external + "-new"}, &out)
	}
	return out, err
}

func (q *quirky) StartHitl(ctx context.Context, r hitl.StartHitlRequest[ticket]) (hitl.Ref, error) {
	external := r.ConversationID
	switch {
	case q.quirk == "start-apart":
		external = r.UserID
	case q.quirk == "start-anything" && r.Title == "":
		return hitl.Ref{}, hitl.Errorf("A ticket needs a title.")
	case q.quirk == "start-long description" && len(r.Description) > 65_535:
		return hitl.Ref{}, hitl.Errorf("The description is too long.")
	}
	var found []hitl.Ref
	if err := q.call(ctx, http.MethodGet, "/sessions?external="+external, nil, &found); err != nil && q.quirk != "start-twice look-up" {
		return hitl.Ref{}, err
	}
	out := hitl.Ref{}
	if len(found) > 0 && q.quirk != "start-twice" {
		out = found[0]
	} else if err := q.open(ctx, external, r, &out); err != nil {
		return hitl.Ref{}, err
	}
	out.Tags = map[string]string{"external": external}
	if q.quirk == "refs" {
		out.Tags["priority"] = r.Session.Priority
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.latest = out
	return out, nil
}

// open opens a session, and tells the desk what it is about.
func (q *quirky) open(ctx context.Context, external string, r hitl.StartHitlRequest[ticket], out *hitl.Ref) error {
	history := r.Transcript(ctx, nil)
	about := r.Title + "\n" + r.Description + "\n" + history
	switch q.quirk {
	case "start-history":
		about = r.Title
	case "complete-start in two steps", "complete-start without history":
		about = r.Title + "\n" + r.Description
	}
	if err := q.call(ctx, http.MethodPost, "/sessions", map[string]string{"external": external, "text": about}, out); err != nil {
		return err
	}
	then := func(text string) error {
		return q.call(ctx, http.MethodPost, "/sessions/"+out.ID+"/messages", map[string]string{"text": text}, &hitl.Ref{})
	}
	switch q.quirk {
	case "complete-start in two steps": // A retry finds the session, and returns it.
		return then(history)
	case "complete-start without history":
		_ = then(history)
	case "complete-start and a word":
		return then("A human is needed.")
	}
	return nil
}

func (q *quirky) StopHitl(ctx context.Context, r hitl.StopHitlRequest) error {
	if q.quirk == "complete-last words lost" { // The first request counts.
		err := q.call(ctx, http.MethodPost, "/sessions/"+r.Session.ID+"/notes", map[string]string{"text": "It is over."}, &hitl.Ref{})
		if err == nil {
			_ = q.call(ctx, http.MethodPost, "/sessions/"+r.Session.ID+"/close", struct{}{}, &hitl.Ref{})
		}
		return err
	}
	err := q.call(ctx, http.MethodPost, "/sessions/"+r.Session.ID+"/close", struct{}{}, &hitl.Ref{})
	if refused(err, http.StatusConflict) && q.quirk != "stop-twice" || refused(err, http.StatusNotFound) && q.quirk != "stop-unknown" {
		return nil
	}
	return err
}

func (q *quirky) SendMessage(ctx context.Context, r hitl.SendMessageRequest) (hitl.Ref, error) {
	key, text, author := r.Key(), message.PlainText(r.Message), r.Author.ID
	switch q.quirk {
	case "stop-stays-closed":
		author = "user-1"
	case "message-types":
		if u, ok := r.Message.(message.Unknown); ok {
			panic("no such message: " + string(u.Kind))
		}
	case "message-types bloc":
		if _, ok := r.Message.(message.Bloc); ok {
			panic("no such message: bloc")
		}
	case "message-types never":
		if _, ok := r.Message.(message.Unknown); ok {
			return hitl.Ref{}, &hitl.Error{Message: "There is no such message.", Temporary: true}
		}
	case "message-types dropped":
		if _, ok := r.Message.(message.Text); !ok {
			return hitl.Ref{}, nil
		}
	case "message-parts":
		key = r.MessageID
	case "message-twice":
		key = ""
	case "bot-speaks":
		if r.Author.ID == "" {
			return hitl.Ref{}, hitl.Errorf("A message needs an author.")
		}
	case "long-text":
		text = text[:min(len(text), 10_000)]
	case "split-text":
		text = text[:min(len(text), limited().MaxText)] // They are bytes, and the unit is runes.
	case "strange-text":
		text = strings.Map(func(r rune) rune {
			if r == '\u200d' {
				return -1
			}
			return r
		}, text)
	case "concurrent":
		q.mu.Lock()
		if q.latest.ID != "" {
			r.Session = q.latest
		}
		q.mu.Unlock()
	}
	var out hitl.Ref
	err := q.call(ctx, http.MethodPost, "/sessions/"+r.Session.ID+"/messages", map[string]string{"key": key, "text": text, "author": author}, &out)
	if refused(err, http.StatusServiceUnavailable) && q.quirk == "message-twice look-up" {
		err = q.call(ctx, http.MethodPost, "/sessions/"+r.Session.ID+"/messages", map[string]string{"text": text, "author": author}, &out)
	}
	return out, err
}

func (q *quirky) HandleWebhook(ctx context.Context, r *http.Request) (hitl.Webhook, error) {
	if q.quirk != "webhook-forged" {
		secret := deskSecret
		if strings.HasSuffix(q.quirk, "another secret") {
			secret = "another"
		}
		if err := (verify.HMAC{Header: "X-Desk-Signature"}).Func(secret)(r); err != nil {
			return hitl.Webhook{}, err
		}
	}
	var e event
	if err := json.NewDecoder(r.Body).Decode(&e); err != nil {
		return hitl.Webhook{}, hitl.Errorf("The desk sent what is no JSON: %w", err)
	}
	if q.quirk == "webhook-early" && !q.knows(ctx, e.Session) {
		return hitl.Webhook{}, nil
	}
	switch {
	case q.quirk == "agent-name" && e.Author != nil:
		e.Author.Name = ""
	case q.quirk == "complete-webhooks that are lost":
		if _, err := q.log(ctx, 0, e.Session); err != nil {
			return hitl.Webhook{}, nil //nolint:nilerr // That is the quirk.
		}
	case q.quirk == "complete-webhooks that are refused":
		if _, err := q.log(ctx, 0, e.Session); err != nil {
			return hitl.Webhook{}, hitl.Errorf("The session cannot be read: %w", err)
		}
	case q.quirk == "complete-webhooks without a look":
		_, _ = q.log(ctx, 0, e.Session)
	}
	return hitl.Webhook{Events: q.events(e)}, nil
}

// events are what an event of the desk means.
func (q *quirky) events(e event) (out []hitl.Event) {
	switch {
	case e.Kind == "assigned" && (e.Author != nil || q.quirk == "webhook-garbage"):
		out = append(out, hitl.Assigned{SessionID: e.Session, Agent: hitl.Agent{ID: e.Author.ID, Name: e.Author.Name}})
	case e.Kind == "message" && e.Author != nil && e.Message != nil:
		out = append(out, q.replied(e))
	case e.Kind == "closed", e.Kind == "status" && q.quirk == "noise":
		out = append(out, hitl.Stopped{SessionID: e.Session})
	}
	return out
}

// knows reports whether Botpress has a session, which it has only after StartHitl.
func (q *quirky) knows(ctx context.Context, session string) bool {
	for range q.in.Client.ListConversations(ctx, botpress.ListConversationsParams{Tags: botpress.Tags{"id": session}}) {
		return true
	}
	return false
}

func (q *quirky) replied(e event) hitl.Replied {
	r := hitl.Replied{
		SessionID: e.Session, ID: e.Message.ID, Message: message.Text{Text: e.Message.Text},
		Author: hitl.Agent{ID: e.Author.ID, Name: e.Author.Name},
	}
	switch {
	case !e.Message.Public && q.quirk != "notes":
		r.Author = hitl.Agent{}
	case !e.Author.Staff && q.quirk != "customers":
		r.Author = hitl.Agent{}
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	switch q.quirk {
	case "whole-session":
		r.SessionID = "ticket/" + r.SessionID
	case "whole-session markup":
		r.Message = message.Text{Text: "<p>" + e.Message.Text + "</p>"}
	case "whole-session entities":
		r.Message = message.Text{Text: html.EscapeString(e.Message.Text)}
	case "webhook-twice":
		if e.Author.ID != alice.ID {
			break
		}
		q.serial++
		r.ID = fmt.Sprintf("%s-%d-%p", r.ID, q.serial, q)
	case "webhook-order":
		if before := q.latest.Tags["reply"]; len(before) > len(r.ID) || len(before) == len(r.ID) && before > r.ID {
			r.Message = message.Text{} // It is older than what was reported last.
		}
		q.latest.Tags = map[string]string{"reply": e.Message.ID}
	case "echoes":
		r.ID = "echo of " + r.ID
	}
	return r
}

func newDesk(t *testing.T, h func(http.Handler) http.Handler) (*deskAPI, string) {
	t.Helper()
	d := &deskAPI{users: map[string]string{}, sessions: map[string]*deskSession{}}
	srv := httptest.NewServer(h(d))
	t.Cleanup(srv.Close)
	return d, srv.URL
}
