package hitltest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
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
	"github.com/hitl-go/sdk/hitl/verify"
	"github.com/hitl-go/sdk/message"
)

// The calls that the checks make. A method whose name begins with must fails the trial if the adapter returns an error.

// person is an end user, in Botpress and in the desk.
type person struct {
	id  string
	ref hitl.Ref
}

// openSession is a session of a person that is not over.
type openSession struct {
	Session

	owner person
}

// newUser creates a user in Botpress that the desk does not know yet.
func (t *trial) newUser() hitl.CreateUserRequest {
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

func (t *trial) mustCreatePerson(a adapter) person {
	t.Helper()
	r := t.newUser()
	return person{r.UserID, t.mustCreateUser(a, r)}
}

// start returns the request for a new session.
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

// told is something that agents must know of a session, and the word by which it is found.
type told struct{ what, word string }

// telling returns the request for a new session, and what it tells.
func (t *trial) telling(p person) (r hitl.StartHitlRequest[any], all []told) {
	t.Helper()
	word := func(what, word string) string {
		all = append(all, told{what, unique(word)})
		return " " + all[len(all)-1].word
	}
	r = t.start(p)
	r.Title += word("the title", "title")
	r.Description += word("the description", "description")
	r.History = []message.Turn{
		{UserID: p.id, Message: message.Text{Text: "Where is my order?" + word("what the end user said before", "asked")}},
		{Message: message.Text{Text: "Let me get somebody for you." + word("what the bot said before", "answered")}},
	}
	return r, all
}

// untold returns what the desk has not been told of a session, neither by requests after a mark nor by what it has heard.
func (t *trial) untold(all []told, mark int, s Session) (missing []string) {
	var known strings.Builder
	for _, e := range t.suite.desk.Wire.since(mark) {
		if e.status >= 200 && e.status <= 299 {
			known.WriteString(e.target + "\n" + strings.ReplaceAll(e.body, "=\r\n", "") + "\n") // As mails break lines.
		}
	}
	if t.suite.desk.Heard != nil {
		known.WriteString(strings.Join(t.suite.desk.Heard(s), "\n"))
	}
	for _, one := range all {
		if !strings.Contains(known.String(), one.word) {
			missing = append(missing, fmt.Sprintf("%s (%q)", one.what, one.word))
		}
	}
	return missing
}

// heardSoFar is the number of messages that the desk has heard in a session, if the case tells.
func (t *trial) heardSoFar(s Session) int {
	if t.suite.desk.Heard == nil {
		return 0
	}
	return len(t.suite.desk.Heard(s))
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

// mustOpen opens a session for a new person.
func (t *trial) mustOpen(a adapter) openSession {
	t.Helper()
	p := t.mustCreatePerson(a)
	r := t.start(p)
	return openSession{Session{t.mustStart(a, r), r.ConversationID}, p}
}

func (t *trial) stopHitl(a adapter, s Session) error {
	t.Helper()
	r := hitl.StopHitlRequest{ConversationID: s.ConversationID, Session: s.Ref}
	_, err := ask(t, "StopHitl", r, func(ctx context.Context) (ok string, err error) { return "ok", a.StopHitl(ctx, r) })
	return err
}

// newMessage returns the request for a new message of the end user.
func newMessage(s openSession, m message.Message) hitl.SendMessageRequest {
	return hitl.SendMessageRequest{
		ConversationID: s.ConversationID, Session: s.Ref, UserID: s.owner.id, Author: s.owner.ref,
		MessageID: "msg_" + rand.Text(), Message: m,
	}
}

func (t *trial) sendMessage(a adapter, r hitl.SendMessageRequest) (hitl.Ref, error) {
	t.Helper()
	ref, err := t.attemptMessage(t.Context(), a, r)
	if isAborted(err) {
		t.Fatalf("%v", err)
	}
	return ref, err
}

// attemptMessage sends a message, and tells the adapter, as the server does, if there was an attempt before. It is safe for
// concurrent use.
func (t *trial) attemptMessage(ctx context.Context, a adapter, r hitl.SendMessageRequest) (hitl.Ref, error) {
	t.mu.Lock()
	r.Repeated = t.attempted[r.Key()]
	if t.attempted == nil {
		t.attempted = map[string]bool{}
	}
	t.attempted[r.Key()] = true
	t.mu.Unlock()
	return attempt(ctx, t, "SendMessage", r, func(ctx context.Context) (hitl.Ref, error) { return a.SendMessage(ctx, r) })
}

func (t *trial) mustSend(a adapter, r hitl.SendMessageRequest) hitl.Ref {
	t.Helper()
	ref, err := t.sendMessage(a, r)
	if err != nil {
		t.Fatalf("SendMessage failed: %v", err)
	}
	return ref
}

// heard counts the messages of a session that contain a text.
func (t *trial) heard(s Session, what string) int { return count(t.suite.desk.Heard(s), what) }

// report is a webhook request. It can be sent several times.
type report struct {
	method string
	url    *url.URL // The full address of the webhook.
	header http.Header
	body   []byte
}

// report signs a request of the case.
func (t *trial) report(r *http.Request) report {
	t.Helper()
	return t.signed(t.read(r))
}

// read converts a request of the case.
func (t *trial) read(r *http.Request) report {
	t.Helper()
	if r == nil {
		t.Fatalf("A function of the case's Desk returned no request.")
	}
	body, err := readBody(r)
	if err != nil {
		t.Fatalf("The body of the case's request cannot be read: %v", err)
	}
	return t.unsigned(r, body)
}

// unsigned returns a request to the webhook with the method, header, query and subpath of r.
func (t *trial) unsigned(r *http.Request, body []byte) report {
	t.Helper()
	rep, err := t.bot.unsigned(r, body)
	if err != nil {
		t.Fatalf("The webhook has no address: %v", err)
	}
	return rep
}

func (b *Bot) unsigned(r *http.Request, body []byte) (report, error) {
	u, err := url.Parse(b.Installation.WebhookURL)
	if err != nil {
		return report{}, err
	}
	if strings.Trim(r.URL.Path, "/") != "" {
		u = u.JoinPath(r.URL.EscapedPath())
	}
	u.RawQuery = r.URL.RawQuery
	header := r.Header.Clone()
	if header == nil {
		header = http.Header{}
	}
	return report{r.Method, u, header, body}, nil
}

func (t *trial) signed(rep report) report { return rep.signed(t.Context(), t.suite.desk.Sign) }

// signed returns the report with the desk's signature, if it signs.
func (rep report) signed(ctx context.Context, sign func(*http.Request)) report {
	if sign == nil {
		return rep
	}
	r := rep.request(ctx)
	u := *rep.url
	r.URL = &u
	sign(r)
	r.Header.Del("Host") // request adds it again.
	rep.url, rep.header = r.URL, r.Header
	return rep
}

// request returns the request as the server passes it to an adapter.
func (rep report) request(ctx context.Context) *http.Request {
	r := &http.Request{
		Method: rep.method, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		URL: &url.URL{Path: "/", RawQuery: rep.url.RawQuery}, Host: rep.url.Host, RequestURI: "/",
		Header: rep.header.Clone(), Body: io.NopCloser(bytes.NewReader(rep.body)), ContentLength: int64(len(rep.body)),
	}
	if below := strings.SplitN(strings.TrimPrefix(rep.url.Path, "/"), "/", 3); len(below) == 3 { // webhook, its id, and the subpath
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
	return truncate(fmt.Sprintf("%s %s {%s } %s", rep.method, rep.url.RequestURI(), header.String(), rep.body))
}

func (t *trial) handleWebhook(a adapter, rep report) (hitl.Webhook, error) {
	t.Helper()
	return ask(t, "HandleWebhook", rep.String(), func(ctx context.Context) (hitl.Webhook, error) {
		hook, err := a.HandleWebhook(ctx, rep.request(ctx))
		return hook, errors.Join(err, load(ctx, hook.Events))
	})
}

// load makes the messages that the server makes when it needs them.
func load(ctx context.Context, events []hitl.Event) (err error) {
	for i, e := range events {
		r, ok := e.(hitl.Replied)
		if !ok || r.Load == nil {
			continue
		}
		if r.Message, err = r.Load(ctx); err != nil {
			return fmt.Errorf("load the reply %s: %w", r.ID, err)
		}
		r.Load = nil
		events[i] = r
	}
	return nil
}

// mustHandle reads a webhook request that Desk.Sign has signed.
func (t *trial) mustHandle(a adapter, rep report) hitl.Webhook {
	t.Helper()
	hook, err := t.handleWebhook(a, rep)
	switch {
	case errors.Is(err, verify.ErrInvalid) && t.suite.desk.Sign != nil:
		t.Fatalf("HandleWebhook failed: %v. %s", err, notGenuine)
	case err != nil:
		t.Fatalf("HandleWebhook failed: %v", err)
	}
	return hook
}

// notGenuine explains that a signed request was answered 401.
const notGenuine = "The adapter refuses what Desk.Sign signs: is the same secret used, over the raw bytes?"

// deliver sends a webhook request through Botpress and the server.
func (t *trial) deliver(rep report) error {
	r := rep.request(t.Context())
	r.URL = rep.url
	status, answer, err := t.bot.post(r, rep.body)
	if err != nil {
		t.note("webhook %s → %v", rep, err)
		return err
	}
	t.note("webhook %s → %d %s", rep, status, truncate(answer))
	if status == http.StatusUnauthorized && t.suite.desk.Sign != nil {
		return fmt.Errorf("the answer was %d %s. %s", status, truncate(answer), notGenuine)
	}
	if status < 200 || status > 299 {
		return fmt.Errorf("the answer was %d %s", status, truncate(answer))
	}
	return nil
}

func (t *trial) mustDeliver(rep report) {
	t.Helper()
	if err := t.deliver(rep); err != nil {
		t.Fatalf("A webhook of the desk was rejected: %v", err)
	}
}

// plugin has the texts of the plugin in the sessions of the suite.
var plugin = botpresstest.PluginConfig{HandoffMessage: "NULL", AssignedMessage: "(assigned)", StoppedMessage: "(stopped)"}

// escalate starts a session through Botpress and the server.
func (t *trial) escalate() *EndUser {
	t.Helper()
	u := t.bot.EndUser("Jane Doe")
	u.Say("I need help")
	u.escalate(botpresstest.Escalation{Title: "An order is missing", Session: t.suite.session, Config: &plugin})
	return u
}

// linesOf delivers an agent's reply, waits until it has reached the end user, and returns all messages to the end user. What the
// desk reported earlier has arrived by then. It needs Replied.
func (t *trial) linesOf(u *EndUser) (lines []string) {
	t.Helper()
	last := unique("last")
	rep := t.report(t.suite.desk.Replied(u.Session(), last))
	t.mustDeliver(rep)
	if !u.sees(func(r botpresstest.Received) bool { return strings.Contains(message.PlainText(r.Message), last) }) {
		t.Fatalf("The agent's reply %q did not reach the end user within %s. The end user received: %q\n"+
			"The session is %s. HandleWebhook reads the request as: %s", last, shortTimeout, u.lines(), summary(u.Session()), t.meaning(rep))
	}
	t.bot.settle() // An earlier report may still be in flight.
	return u.lines()
}

// meaning describes what an adapter reads from a webhook request.
func (t *trial) meaning(rep report) string {
	hook, err := attempt(t.Context(), t, "HandleWebhook", rep.String(), func(ctx context.Context) (hitl.Webhook, error) {
		return t.replica().HandleWebhook(ctx, rep.request(ctx))
	})
	if err != nil {
		return "the error " + err.Error()
	}
	return summary(hook)
}

// count returns how many lines contain a text.
func count(lines []string, what string) (n int) {
	for _, line := range lines {
		if strings.Contains(line, what) {
			n++
		}
	}
	return n
}

// unique returns a word that occurs nowhere else.
func unique(word string) string { return word + strings.ToLower(rand.Text()[:10]) }
