package hitltest

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/botpress/botpresstest"
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/message"
)

// What the checks ask of adapters. A method that begins with must fails the trial if the adapter does not do it.

// person is an end user, in Botpress and in the desk.
type person struct {
	id  string
	ref hitl.Ref
}

// talk is an open session of a person.
type talk struct {
	Session

	with person
}

// stranger makes a user in Botpress whom the desk does not know yet.
func (t *trial) stranger() hitl.CreateUserRequest {
	t.Helper()
	u, err := t.in.client().CreateUser(t.Context(), botpress.CreateUserParams{Name: "Jane Doe"})
	if err != nil {
		t.Fatalf("The suite cannot create a user: %v", err)
	}
	return hitl.CreateUserRequest{UserID: u.ID, Name: "Jane Doe", Email: unique("jane") + "@example.com"}
}

func (t *trial) createUser(a adapter, r hitl.CreateUserRequest) (hitl.Ref, error) {
	t.Helper()
	return ask(t, "CreateUser", r, func(ctx context.Context) (hitl.Ref, error) { return a.CreateUser(ctx, r) })
}

func (t *trial) mustCreateUser(a adapter, r hitl.CreateUserRequest) hitl.Ref {
	t.Helper()
	ref, err := t.createUser(a, r)
	if err != nil {
		t.Fatalf("CreateUser failed: %v", err)
	}
	return ref
}

func (t *trial) mustMeet(a adapter) person {
	t.Helper()
	r := t.stranger()
	return person{r.UserID, t.mustCreateUser(a, r)}
}

// start describes a session that nobody has started yet.
func (t *trial) start(p person) hitl.StartHitlRequest[any] {
	t.Helper()
	c, err := t.in.client().CreateConversation(t.Context(), botpress.CreateConversationParams{Channel: t.bot.Installation.Names.Channel})
	if err != nil {
		t.Fatalf("The suite cannot create a conversation: %v", err)
	}
	return hitl.StartHitlRequest[any]{
		ConversationID: c.ID, UserID: p.id, User: p.ref,
		Title: "An order is missing", Description: "The end user asks for order 42.",
		History: []message.Turn{
			{UserID: p.id, Message: message.Text{Text: "Where is my order?"}},
			{Message: message.Text{Text: "Let me get somebody for you."}},
		},
	}
}

func (t *trial) startHitl(a adapter, r hitl.StartHitlRequest[any]) (hitl.Ref, error) {
	t.Helper()
	return ask(t, "StartHitl", r, func(ctx context.Context) (hitl.Ref, error) { return a.StartHitl(ctx, r) })
}

func (t *trial) mustStart(a adapter, r hitl.StartHitlRequest[any]) hitl.Ref {
	t.Helper()
	ref, err := t.startHitl(a, r)
	if err != nil {
		t.Fatalf("StartHitl failed: %v", err)
	}
	return ref
}

// mustOpen opens a session with somebody new.
func (t *trial) mustOpen(a adapter) talk {
	t.Helper()
	p := t.mustMeet(a)
	r := t.start(p)
	return talk{Session{t.mustStart(a, r), r.ConversationID}, p}
}

func (t *trial) stopHitl(a adapter, s Session) error {
	t.Helper()
	r := hitl.StopHitlRequest{ConversationID: s.ConversationID, Session: s.Ref}
	_, err := ask(t, "StopHitl", r, func(ctx context.Context) (ok string, err error) { return "ok", a.StopHitl(ctx, r) })
	return err
}

// said is a new message of the end user.
func said(s talk, m message.Message) hitl.SendMessageRequest {
	return hitl.SendMessageRequest{
		ConversationID: s.ConversationID, Session: s.Ref, UserID: s.with.id, Author: s.with.ref,
		MessageID: "msg_" + rand.Text(), Message: m,
	}
}

func (t *trial) sendMessage(a adapter, r hitl.SendMessageRequest) (hitl.Ref, error) {
	t.Helper()
	return ask(t, "SendMessage", r, func(ctx context.Context) (hitl.Ref, error) { return a.SendMessage(ctx, r) })
}

func (t *trial) mustSend(a adapter, r hitl.SendMessageRequest) hitl.Ref {
	t.Helper()
	ref, err := t.sendMessage(a, r)
	if err != nil {
		t.Fatalf("SendMessage failed: %v", err)
	}
	return ref
}

// heard is how many messages of a session have something in them.
func (t *trial) heard(s Session, what string) int { return count(t.suite.desk.Heard(s), what) }

// report is a webhook request, which can be sent any number of times.
type report struct {
	method string
	url    *url.URL // With the webhook's own address.
	header http.Header
	body   []byte
}

// report is a request of the case's, signed.
func (t *trial) report(r *http.Request) report {
	t.Helper()
	return t.signed(t.read(r))
}

// read takes a request of the case's over.
func (t *trial) read(r *http.Request) report {
	t.Helper()
	if r == nil {
		t.Fatalf("A function of the case's Desk returned no request.")
	}
	body, err := readBody(r)
	if err != nil {
		t.Fatalf("The case's request cannot be read: %v", err)
	}
	return t.unsigned(r, body)
}

// unsigned is a request to the webhook, whatever the address in r.
func (t *trial) unsigned(r *http.Request, body []byte) report {
	t.Helper()
	u, err := url.Parse(t.bot.Installation.WebhookURL)
	if err != nil {
		t.Fatalf("The webhook has no address: %v", err)
	}
	if strings.Trim(r.URL.Path, "/") != "" {
		u = u.JoinPath(r.URL.EscapedPath())
	}
	u.RawQuery = r.URL.RawQuery
	header := r.Header.Clone()
	if header == nil {
		header = http.Header{}
	}
	return report{r.Method, u, header, body}
}

func (t *trial) signed(rep report) report {
	if t.suite.desk.Sign == nil {
		return rep
	}
	r := rep.request(t.Context())
	u := *rep.url
	r.URL = &u
	t.suite.desk.Sign(r)
	r.Header.Del("Host") // It is there for schemes that sign it.
	rep.url, rep.header = r.URL, r.Header
	return rep
}

// request makes the request as the server hands it to an adapter.
func (rep report) request(ctx context.Context) *http.Request {
	r := &http.Request{
		Method: rep.method, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		URL: &url.URL{Path: "/", RawQuery: rep.url.RawQuery}, Host: rep.url.Host, RequestURI: "/",
		Header: rep.header.Clone(), Body: io.NopCloser(bytes.NewReader(rep.body)), ContentLength: int64(len(rep.body)),
	}
	if below := strings.SplitN(strings.TrimPrefix(rep.url.Path, "/"), "/", 3); len(below) == 3 { // webhook, its id, and more
		r.URL.Path = "/" + below[2]
		r.RequestURI = r.URL.Path
	}
	if rep.url.RawQuery != "" {
		r.RequestURI += "?" + rep.url.RawQuery
	}
	r.Header.Set("Host", r.Host)
	return r.WithContext(ctx)
}

func (rep report) String() string {
	var header strings.Builder
	for _, name := range slices.Sorted(maps.Keys(rep.header)) {
		fmt.Fprintf(&header, " %s: %s;", name, strings.Join(rep.header[name], ", "))
	}
	return shorten(fmt.Sprintf("%s %s {%s } %s", rep.method, rep.url.RequestURI(), header.String(), rep.body))
}

func (t *trial) handleWebhook(a adapter, rep report) (hitl.Webhook, error) {
	t.Helper()
	return ask(t, "HandleWebhook", rep.String(), func(ctx context.Context) (hitl.Webhook, error) {
		return a.HandleWebhook(ctx, rep.request(ctx))
	})
}

// deliver sends a webhook request through Botpress and the server.
func (t *trial) deliver(rep report) error {
	r := rep.request(t.Context())
	r.URL = rep.url
	status, answer, err := t.bot.post(r, rep.body)
	if err != nil {
		t.note("webhook %s → %v", rep, err)
		return err
	}
	t.note("webhook %s → %d %s", rep, status, shorten(answer))
	if status < 200 || status > 299 {
		return fmt.Errorf("the answer was %d %s", status, shorten(answer))
	}
	return nil
}

func (t *trial) mustDeliver(rep report) {
	t.Helper()
	if err := t.deliver(rep); err != nil {
		t.Fatalf("A webhook of the desk was not taken: %v", err)
	}
}

// What the plugin says in the suite's sessions.
var plugin = botpresstest.PluginConfig{HandoffMessage: "NULL", AssignedMessage: "(assigned)", StoppedMessage: "(stopped)"}

// escalate starts a session through Botpress and the server.
func (t *trial) escalate() *EndUser {
	t.Helper()
	u := t.bot.EndUser("Jane Doe")
	u.Say("I need help")
	u.escalate(botpresstest.Escalation{Title: "An order is missing", Session: t.suite.session, Config: &plugin})
	return u
}

// hears waits for an agent's reply that comes after all that was reported before, and returns all that the end user has been
// shown. It needs Replied.
func (t *trial) hears(u *EndUser) (lines []string) {
	t.Helper()
	last := unique("last")
	rep := t.report(t.suite.desk.Replied(u.Session(), last))
	t.mustDeliver(rep)
	if !u.sees(func(r botpresstest.Received) bool { return strings.Contains(message.PlainText(r.Message), last) }) {
		t.Fatalf("The agent's reply %q did not reach the end user within %s, who was shown: %q\n"+
			"The session is %s. The request, read once more, means: %s", last, patience, u.lines(), sketch(u.Session()), t.meaning(rep))
	}
	t.bot.settle() // What was reported just before may have been overtaken.
	return u.lines()
}

// meaning is what an adapter reads out of a webhook request.
func (t *trial) meaning(rep report) string {
	hook, err := attempt(t.Context(), t, "HandleWebhook", rep.String(), func(ctx context.Context) (hitl.Webhook, error) {
		return t.replica().HandleWebhook(ctx, rep.request(ctx))
	})
	if err != nil {
		return "the error " + err.Error()
	}
	return sketch(hook)
}

// count is how many of some lines have something in them.
func count(lines []string, what string) (n int) {
	for _, line := range lines {
		if strings.Contains(line, what) {
			n++
		}
	}
	return n
}

// unique is a word that stands nowhere else.
func unique(word string) string { return word + strings.ToLower(rand.Text()[:10]) }
