package hitltest

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hitl-go/sdk/botpress/botpresstest"
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/message"
)

func wholeSession(t *trial) {
	desk := t.suite.desk
	u := t.escalate()
	s := u.Session()
	if desk.Heard != nil {
		word := unique("hello")
		u.Say(word)
		if n := t.heard(s, word); n != 1 {
			t.Errorf("The end user said %q, and it is in the desk %d times.", word, n)
		}
	}
	if desk.Assigned != nil {
		t.mustNotify(u, desk.Assigned(s), "(assigned)", "The agent took the session over")
	}
	word := unique("help")
	reply := word + " & so on"
	t.mustDeliver(t.report(desk.Replied(s, reply)))
	lines := t.linesOf(u)
	if count(lines, word) != 1 {
		t.Errorf("The agent replied %q, and the end user received it %d times: %q", reply, count(lines, word), lines)
	}
	for _, line := range lines {
		if strings.Contains(line, word) && (tag.MatchString(line) || !strings.Contains(line, reply)) {
			t.Errorf("The agent replied %q, and the end user reads %q. Package message/richtext makes text of HTML.", reply, line)
		}
	}
	if desk.Stopped != nil {
		t.mustNotify(u, desk.Stopped(s), "(stopped)", "The agent closed the session")
	}
}

// tag is one of HTML.
var tag = regexp.MustCompile(`</?[A-Za-z][^<>]*>`)

// mustNotify reports an event of which the plugin notifies the end user.
func (t *trial) mustNotify(u *EndUser, r *http.Request, text, what string) {
	t.Helper()
	rep := t.report(r)
	t.mustDeliver(rep)
	if !u.sees(func(r botpresstest.Received) bool {
		return r.From == botpresstest.FromBot && message.PlainText(r.Message) == text
	}) {
		t.Errorf("%s, and the end user was not notified within %s. The session is %s. HandleWebhook reads the request as: %s",
			what, shortTimeout, summary(u.Session()), t.meaning(rep))
	}
}

func agentName(t *trial) {
	desk := t.suite.desk
	if desk.Agent.Name == "" {
		t.skip("the case has no Desk.Agent with a Name")
	}
	u := t.escalate()
	if desk.Assigned != nil {
		t.mustDeliver(t.report(desk.Assigned(u.Session())))
	}
	if lines := t.linesOf(u); count(lines, desk.Agent.Name+": ") == 0 {
		t.Errorf("The agent is called %q, and the end user received: %q", desk.Agent.Name, lines)
	}
}

func webhookTwice(t *trial) {
	u := t.escalate()
	word := unique("twice")
	rep := t.report(t.suite.desk.Replied(u.Session(), word))

	var ids [2][]string
	for i := range ids {
		for _, e := range t.mustHandle(t.replica(), rep).Events {
			if e, ok := e.(hitl.Replied); ok {
				ids[i] = append(ids[i], e.ID)
			}
		}
	}
	if !slices.Equal(ids[0], ids[1]) {
		t.Errorf("The same request was read twice, and the messages in it had the ids %q, and then %q.", ids[0], ids[1])
	}

	var both sync.WaitGroup
	for range 2 {
		both.Go(func() { _ = t.deliver(rep) }) // A desk retries.
	}
	both.Wait()
	t.mustDeliver(rep)
	if lines := t.linesOf(u); count(lines, word) != 1 {
		t.Errorf("The desk sent the same webhook three times, and the end user received the message %d times: %q", count(lines, word), lines)
	}
}

func webhookOrder(t *trial) {
	desk := t.suite.desk
	u := t.escalate()
	s := u.Session()
	words := []string{unique("one"), unique("two"), unique("three")}
	var reps []report
	for _, word := range words {
		reps = append(reps, t.report(desk.Replied(s, word)))
	}
	for _, rep := range slices.Backward(reps) {
		t.mustDeliver(rep)
	}
	if desk.Assigned != nil {
		t.mustDeliver(t.report(desk.Assigned(s)))
	}
	lines := t.linesOf(u)
	for _, word := range words {
		if n := count(lines, word); n != 1 {
			t.Errorf("Three replies were reported, the last one first, and the end user received %q %d times: %q", word, n, lines)
		}
	}
}

func lateReply(t *trial) {
	desk := t.suite.desk
	u := t.escalate()
	s := u.Session()
	n, notifies := optional[hitl.Notifier](t.replica())
	if notifies {
		word := t.mustNote(n, s)
		if lines := t.linesOf(u); count(lines, word) > 0 {
			t.Errorf("Notify left the note %q, and it was shown to the end user: %q", word, lines)
		}
	}
	late := t.report(desk.Replied(s, unique("late")))
	over := t.report(desk.Stopped(s))
	for _, rep := range []report{over, late, over} {
		if err := t.deliver(rep); err != nil {
			t.Errorf("The desk reported the end of the session, then a reply, then the end again, and a webhook was rejected: %v", err)
		}
	}
	if !notifies {
		return
	}
	word := t.mustNote(n, s)
	if desk.Open != nil && desk.Open(s) {
		t.Errorf("The session was over, Notify left the note %q, and now it is open.", word)
	}
}

// mustNote leaves a note in a session, and returns a word of its text.
func (t *trial) mustNote(n hitl.Notifier, s Session) (word string) {
	t.Helper()
	notice, word := newNotice(s)
	if _, err := ask(t, "Notify", notice, func(ctx context.Context) (ok string, err error) { return "ok", n.Notify(ctx, notice) }); err != nil {
		t.Fatalf("Notify failed: %v", err)
	}
	if noted := t.suite.desk.Noted; noted != nil && count(noted(s), word) == 0 {
		t.Errorf("Notify has left %q, which is not among the internal notes of the session: %q", word, noted(s))
	}
	return word
}

// newNotice makes a notice for the agents of a session.
func newNotice(s Session) (n hitl.Notice, word string) {
	word = unique("notice")
	return hitl.Notice{ConversationID: s.ConversationID, Session: s.Ref, MessageID: unique("message"), Text: "Nobody has seen this: " + word}, word
}

func noise(t *trial) {
	u := t.escalate()
	for _, r := range t.suite.desk.Noise(u.Session()) {
		rep := t.report(r)
		before := len(u.lines())
		t.mustDeliver(rep)
		t.bot.settle()
		if lines := u.lines(); len(lines) > before {
			t.Fatalf("A webhook that means nothing was delivered, and the end user received %q.\nHandleWebhook reads the request as: %s",
				lines[before:], t.meaning(rep))
		}
	}
	t.linesOf(u) // The session goes on.
}

func webhookEarly(t *trial) {
	desk := t.suite.desk
	word := unique("early")
	var answers errgroup.Group
	read := make(chan struct{}, 2)
	var first sync.Once
	started := func(ref hitl.Ref, conversationID string) {
		// The adapter has opened the session, but the server does not know yet.
		s := Session{ref, conversationID}
		reps := []report{t.report(desk.Replied(s, word))}
		if desk.Assigned != nil {
			reps = append(reps, t.report(desk.Assigned(s)))
		}
		late := time.NewTimer(shortTimeout / 2)
		defer late.Stop()
		for _, rep := range reps {
			answers.Go(func() error {
				err := t.deliver(rep)
				return err
			})
			select {
			case <-read:
			case <-late.C: // The adapter may wait for StartHitl.
				return
			}
		}
	}
	handled := func() {
		select {
		case read <- struct{}{}:
		default: // The desk has sent more webhooks than the suite.
		}
	}
	t.in.watch(watchers{
		started: func(ref hitl.Ref, conversationID string) { first.Do(func() { started(ref, conversationID) }) },
		handled: handled,
	})
	u := t.escalate()
	t.in.watch(watchers{})
	if err := answers.Wait(); err != nil {
		t.Fatalf("A webhook before StartHitl had returned was rejected: %v", err)
	}
	if lines := t.linesOf(u); count(lines, word) != 1 {
		t.Errorf("The desk reported the reply %q before StartHitl had returned, and the end user received it %d times: %q", word, count(lines, word), lines)
	}
	if desk.Assigned != nil && !t.assigned(u) {
		t.Errorf("The desk reported an assignment before StartHitl had returned, and the bot was not notified.")
	}
}

// assigned reports whether the plugin has processed the assignment.
func (t *trial) assigned(u *EndUser) bool {
	in := t.bot.Installation
	return slices.ContainsFunc(t.bot.Cloud.Events(), func(e botpresstest.Event) bool {
		return e.Type == in.Alias+":"+in.Names.Assigned && e.ConversationID == u.DownstreamID() && e.Status == "processed"
	})
}

func webhookGarbage(t *trial) {
	a := t.replica()
	post := func(kind, body string) report {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)
		r.Header.Set("Content-Type", kind)
		return t.signed(t.unsigned(r, []byte(body)))
	}
	bare := func(method, target string) report {
		return t.signed(t.unsigned(httptest.NewRequestWithContext(t.Context(), method, target, nil), nil))
	}
	const asJSON, form = "application/json", "application/x-www-form-urlencoded"
	garbage := []report{
		bare(http.MethodGet, "/?a=%00&b&=c"), bare(http.MethodDelete, "/a/../b//%2e"),
		post("", ""), post(asJSON, ""), post(asJSON, "null"), post(asJSON, "{}"), post(asJSON, "[]"), post(asJSON, "[null]"), post(asJSON, `"a"`),
		post(asJSON, "42"), post(asJSON, "{"), post(asJSON, "\xff\xfe\x00"), post(asJSON, strings.Repeat("[", 100_000)), post(asJSON, strings.Repeat("a", 1<<20)),
		post(form, "payload=%7B%7D&%zz"), post("text/xml", "<a><b></a>"), post("multipart/form-data; boundary=x", "--x\r\n\r\n"),
	}
	for _, rep := range garbage {
		if hook, err := t.handleWebhook(a, rep); err == nil && slices.ContainsFunc(hook.Events, named) {
			t.Errorf("A meaningless request became %s.", summary(hook))
		}
	}
	for _, rep := range t.genuine() {
		for _, body := range mutations(rep.body) {
			rep.body = body
			// The result does not matter; ask ends the trial if the adapter panics.
			_, _ = t.handleWebhook(a, t.signed(rep))
		}
	}
}

// named reports whether an event names a session. An event without one has no effect; the server rejects a nil event.
func named(e hitl.Event) bool {
	sessionID, conversationID := sessionOf(e)
	return e == nil || sessionID+conversationID != ""
}

// genuine are the unsigned requests of the case.
func (t *trial) genuine() (all []report) {
	desk := t.suite.desk
	s := t.mustOpen(t.replica()).Session
	if desk.Assigned != nil {
		all = append(all, t.read(desk.Assigned(s)))
	}
	if desk.Replied != nil {
		all = append(all, t.read(desk.Replied(s, "Hello")))
	}
	if desk.Stopped != nil {
		all = append(all, t.read(desk.Stopped(s)))
	}
	return all
}

// mutations are variants of a body: truncated, and, if it is JSON, with each value replaced.
func mutations(body []byte) (all [][]byte) {
	for i := 1; i < 4; i++ {
		all = append(all, body[:len(body)*i/4])
	}
	var v any
	if json.Unmarshal(body, &v) != nil {
		return all
	}
	mutate(v, func(set func(any)) {
		for _, other := range []any{nil, true, -1.5, "", "a", []any{}, []any{nil}, map[string]any{}, map[string]any{"id": nil}} {
			set(other)
			if changed, err := json.Marshal(v); err == nil {
				all = append(all, changed)
			}
		}
	})
	return all
}

// mutate calls visit for each value within v. Visit may replace the value; mutate restores it.
func mutate(v any, visit func(set func(any))) {
	switch v := v.(type) {
	case map[string]any:
		for name, old := range v {
			visit(func(other any) { v[name] = other })
			v[name] = old
			mutate(old, visit)
		}
	case []any:
		for i, old := range v {
			visit(func(other any) { v[i] = other })
			v[i] = old
			mutate(old, visit)
		}
	}
}

func webhookForged(t *trial) {
	a := t.replica()
	unsigned := t.read(t.suite.desk.Replied(t.escalate().Session(), "Hello"))
	signed := t.signed(unsigned)
	if hook, err := t.handleWebhook(a, signed); err != nil || len(hook.Events) == 0 {
		t.Fatalf("A request with the case's signature was rejected (%v), so others prove nothing.", err)
	}
	rejected := func(rep report) (bool, hitl.Webhook) {
		hook, err := t.handleWebhook(a, rep)
		return (err != nil || hook.Status >= 400) && len(hook.Events) == 0, hook
	}
	mustReject := func(how string, rep report) {
		if ok, hook := rejected(rep); !ok {
			t.Errorf("A request %s was not rejected, and became %s.", how, summary(hook))
		}
	}
	mustReject("without a signature", unsigned)
	for _, name := range slices.Sorted(maps.Keys(signed.header)) {
		value := signed.header.Get(name)
		with := func(value string) report {
			rep := signed
			rep.header = signed.header.Clone()
			rep.header.Set(name, value)
			return rep
		}
		if ok, _ := rejected(with("")); !ok {
			continue // The signature is somewhere else.
		}
		mustReject("with a wrong "+name, with(corrupt(value)))
		mustReject("with half of the "+name, with(value[:len(value)/2]))
	}
	if query := signed.url.RawQuery; query != unsigned.url.RawQuery {
		rep, u := signed, *signed.url
		u.RawQuery = corrupt(query)
		rep.url = &u
		mustReject("with a wrong query", rep)
	}
}

// corrupt changes the last letter or digit.
func corrupt(s string) string {
	i := strings.LastIndexFunc(s, func(r rune) bool { return r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' })
	if i < 0 {
		return s + "x"
	}
	other := "a"
	if s[i] == 'a' {
		other = "b"
	}
	return s[:i] + other + s[i+1:]
}

func notes(t *trial) {
	u := t.escalate()
	word := unique("secret")
	t.mustNotShow(u, word, t.suite.desk.Note(u.Session(), word), "An internal note")
}

func customers(t *trial) {
	u := t.escalate()
	word := unique("mail")
	t.mustNotShow(u, word, t.suite.desk.Customer(u.Session(), word), "What the end user wrote in the desk")
}

func echoes(t *trial) {
	u := t.escalate()
	word := unique("echo")
	u.Say(word)
	var sent hitl.Ref
	for _, m := range t.bot.Cloud.Messages(u.DownstreamID()) {
		if strings.Contains(string(m.Payload), word) {
			sent.ID = m.Tags[t.bot.Installation.Alias+":id"]
		}
	}
	t.mustNotShow(u, word, t.suite.desk.Echo(u.Session(), sent, word), "What the adapter sent to the desk itself")
}

// mustNotShow reports a message that must not reach the end user.
func (t *trial) mustNotShow(u *EndUser, word string, r *http.Request, what string) {
	t.Helper()
	rep := t.report(r)
	t.mustDeliver(rep)
	if lines := t.linesOf(u); count(lines, word) > 0 {
		t.Errorf("%s was shown to the end user: %q\nHandleWebhook reads the request as: %s", what, lines, t.meaning(rep))
	}
}
