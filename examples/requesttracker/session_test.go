package main

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hitl-go/sdk/botpress/botpresstest"
	"github.com/hitl-go/sdk/examples/requesttracker/rttest"
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/message"
)

// What RT and the HITL plugin say in all sessions.
const (
	escalated = "bot: I have escalated this conversation to a human agent. They should be with you shortly."
	joined    = "bot: A human agent has joined the conversation."
	ended     = "bot: You have ended the session with the human agent. I will continue assisting you."
	over      = "bot: The human agent closed the conversation. I will continue assisting you."
)

// transcript is what the first message on a ticket looks like, as Go writes it in quotes.
func transcript(name, said string) string {
	return `<h3 dir=\"auto\">` + name + `</h3>\n<blockquote><p dir=\"auto\">` + said + `</p></blockquote>\n` +
		`<h3 dir=\"auto\">Bot</h3>\n<blockquote><p dir=\"auto\">` + strings.TrimPrefix(escalated, "bot: ") + `</p></blockquote>`
}

// TestRequestTracker runs whole sessions between Botpress, in memory, and a real RT.
func TestRequestTracker(t *testing.T) {
	w := newWorld(t)
	t.Run("session", w.testSession)
	t.Run("closed by the end user", w.testClosedByEndUser)
	t.Run("closed unheard", w.testClosedUnheard)
	t.Run("forged", w.testForged)
	t.Run("asked again", w.testAskedAgain)
	t.Run("refused", w.testRefused)
	t.Run("mail", w.testMail)
	t.Run("strangers", w.testStrangers)
	t.Run("among mail", w.testAmongMail)
	t.Run("merged", w.testMerged)
	t.Run("moved", w.testMoved)
	t.Run("late", w.testLate)
	t.Run("rights", w.testRights)
	t.Run("uninstalled", w.testUninstalled)
}

func (w *world) testSession(t *testing.T) {
	broken, whole := []byte("\x89PNG\r\n\x1a\nbroken"), []byte("\x89PNG\r\n\x1a\nwhole")
	jane := w.escalate(botpresstest.Profile{Name: "Jane Doe", Email: "jane@example.com"}, "Where is my <order>?",
		botpresstest.Escalation{Title: "Order 42 never arrived", Description: "Says that it's late", Session: Session{Priority: 50}})
	w.say(jane, message.Text{Text: "Anybody there? 你好"})
	w.say(jane, message.Image{ImageURL: w.files.put("/end-user/1", "image/png", broken), Title: "It looks like this"})

	w.agent(rttest.Alice, http.MethodPost, "/ticket/1/comment", fields{"Content": "She is a VIP.", "ContentType": "text/plain"})
	w.agent(rttest.Alice, http.MethodPut, "/ticket/1/take", fields{})
	w.heard()
	w.agent(rttest.Alice, http.MethodPost, "/ticket/1/correspond", fields{
		"Content": "<p>Hi Jane, <b>Alice</b> here &amp; happy to help.</p>", "ContentType": "text/html",
	})
	w.heard()
	w.agent(rttest.Alice, http.MethodPost, "/ticket/1/correspond", fields{
		"Content": "Should it look like this?", "ContentType": "text/plain",
		"Attachments": []fields{{"FileName": "whole.png", "FileType": "image/png", "FileContent": whole}},
	})
	w.heard()
	w.agent(rttest.Bob, http.MethodPut, "/ticket/1/steal", fields{})
	w.heard()

	w.down()
	w.agent(rttest.Bob, http.MethodPost, "/ticket/1/correspond", fields{"Content": "I take over.", "ContentType": "text/plain"})
	w.unheard()
	w.agent("root", http.MethodPost, "/ticket", fields{"Queue": rttest.Queue, "Subject": "This is no conversation"})
	w.agent(rttest.Bob, http.MethodPost, "/ticket/2/correspond", fields{"Content": "Nor is this", "ContentType": "text/plain"})
	w.up()
	w.agent(rttest.Bob, http.MethodPost, "/ticket/1/correspond", fields{"Content": "Are you still there?", "ContentType": "text/plain"})
	w.heard()
	if status := w.notifyAgain(); status != http.StatusOK {
		t.Errorf("the same webhook was answered %d the second time", status)
	}
	w.say(jane, message.Text{Text: "Yes"})
	w.browse(rttest.Bob, "/Ticket/Update.html", url.Values{
		"id": {"1"}, "SubmitTicket": {"1"}, "Status": {"resolved"},
		"UpdateType": {"response"}, "UpdateContentType": {"text/html"}, "UpdateContent": {"<p>A new one is on its way.</p>"},
	})
	w.heard()

	account := "botpress-" + jane.DownstreamUserID()
	want := []string{
		"Order 42 never arrived: resolved, owner bob, priority 50",
		"for " + account + ": Jane Doe <jane@example.com>, privileged 0",
		"botpress Create:",
		`  text/html "<p>Says that it&#39;s late</p>\n` + transcript("Jane Doe", "Where is my &lt;order&gt;?") + `"`,
		account + " Correspond:",
		`  text/plain "Anybody there? 你好"`,
		"RT_System Status: new to open",
		account + " Correspond:",
		`  text/plain "It looks like this"`,
		`  image/png "\x89PNG\r\n\x1a\nbroken" It looks like this.png`,
		"alice Comment:",
		`  text/plain "She is a VIP."`,
		"alice Set Owner: Nobody to alice",
		"alice Correspond:",
		`  text/html "<p>Hi Jane, <b>Alice</b> here &amp; happy to help.</p>"`,
		"alice Correspond:",
		`  text/plain "Should it look like this?"`,
		`  image/png "\x89PNG\r\n\x1a\nwhole" whole.png`,
		"bob Set Owner: alice to bob",
		"bob Correspond:",
		`  text/plain "I take over."`,
		"bob Correspond:",
		`  text/plain "Are you still there?"`,
		account + " Correspond:",
		`  text/plain "Yes"`,
		"bob Correspond:",
		`  text/html "<p>A new one is on its way.</p>"`,
		"bob Status: open to resolved",
	}
	if diff := cmp.Diff(want, w.stored("1")); diff != "" {
		t.Errorf("RT stores (-want +got):\n%s", diff)
	}
	path := "/botpress/hitl/" + w.in.WebhookID + "/16/whole.png"
	want = []string{
		escalated,
		joined,
		"Alice Agent: Hi Jane, Alice here & happy to help.",
		"Alice Agent: Should it look like this?",
		"Alice Agent: Image: whole.png <" + w.files.url + path + ">",
		joined,
		"Bob Agent: I take over.",
		"Bob Agent: Are you still there?",
		"Bob Agent: A new one is on its way.",
		over,
	}
	if diff := cmp.Diff(want, shown(jane)); diff != "" {
		t.Errorf("Jane saw (-want +got):\n%s", diff)
	}
	if f, _ := w.files.get(path); !bytes.Equal(f.content, whole) || f.contentType != "image/png" {
		t.Errorf("Jane saw a picture of %s: %q", f.contentType, f.content)
	}
}

// An end user who claims the address of an agent gets an account without it; one who may not write in RT is heard anyway.
func (w *world) testClosedByEndUser(t *testing.T) {
	mallory := w.escalate(botpresstest.Profile{Name: "Mallory", Email: "alice@desk.test"}, "Let me in", botpresstest.Escalation{})
	account := "botpress-" + mallory.DownstreamUserID()
	w.agent("root", http.MethodPut, "/user/"+account, fields{"Disabled": 1})
	w.say(mallory, message.Text{Text: "I am Alice"})
	w.end(mallory)

	want := []string{
		"A conversation with the bot: resolved, owner Nobody, priority 0",
		"for " + account + ": Mallory <>, privileged 0",
		"botpress Create:",
		`  text/html "` + transcript("Mallory", "Let me in") + `"`,
		"botpress Correspond:",
		`  text/plain "Mallory says:\n\nI am Alice"`,
		"RT_System Status: new to open",
		"botpress Comment:",
		`  text/plain "( The user has ended the session. )"`,
		"botpress Status: open to resolved",
	}
	if diff := cmp.Diff(want, w.stored("3")); diff != "" {
		t.Errorf("RT stores (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{escalated, ended}, shown(mallory)); diff != "" {
		t.Errorf("Mallory saw (-want +got):\n%s", diff)
	}
}

// An agent resolves the ticket, Botpress does not hear of it, and the end user ends the session.
func (w *world) testClosedUnheard(t *testing.T) {
	joe := w.escalate(botpresstest.Profile{Name: "Joe"}, "Hello", botpresstest.Escalation{Title: "Help"})
	w.down()
	w.agent(rttest.Alice, http.MethodPut, "/ticket/4", fields{"Status": "rejected"})
	w.unheard()
	w.up()
	w.end(joe)
	if joe.Active() {
		t.Error("the session is still active")
	}
	want := []string{
		"Help: rejected, owner Nobody, priority 0",
		"for botpress-" + joe.DownstreamUserID() + ": Joe <>, privileged 0",
		"botpress Create:",
		`  text/html "` + transcript("Joe", "Hello") + `"`,
		"alice Status: new to rejected",
		"botpress Comment:",
		`  text/plain "( The user has ended the session. )"`,
	}
	if diff := cmp.Diff(want, w.stored("4")); diff != "" {
		t.Errorf("RT stores (-want +got):\n%s", diff)
	}
}

// An agent answers by mail, which RT takes apart.
func (w *world) testMail(t *testing.T) {
	ann := w.escalate(botpresstest.Profile{Name: "Ann"}, "Hello", botpresstest.Escalation{Title: "Mail"})
	ticket := w.lastTicket()
	w.agent(rttest.Alice, http.MethodPut, "/ticket/"+ticket+"/take", fields{})
	w.heard()
	const mail = "From: alice@desk.test\nSubject: Mail\nMessage-ID: <1@desk.test>\nMIME-Version: 1.0\n" +
		"Content-Type: multipart/mixed; boundary=o\n\n--o\nContent-Type: multipart/alternative; boundary=i\n\n" +
		"--i\nContent-Type: text/html\n\n<p>Look</p>\n--i\nContent-Type: text/plain\n\nLook\n--i--\n" +
		"--o\nContent-Type: image/png\nContent-Transfer-Encoding: base64\n\niVBORw0KGgo=\n" +
		"--o\nContent-Type: text/html\n\n<p>Is it this one?</p>\n--o--\n"
	w.mail(ticket, mail)
	w.heard()
	said := shown(ann)
	if n := len(said); n < 3 || said[n-3] != "Alice Agent: Look" || !strings.Contains(said[n-2], "/file.png") || said[n-1] != "Alice Agent: Is it this one?" {
		t.Errorf("the end user was shown %q", said)
	}
}

// Whoever is no agent may write on a ticket by mail, where RT lets them, and we may own it: the end user hears of neither.
func (w *world) testStrangers(t *testing.T) {
	if out, err := w.rt.Insert(t.Context(), []byte(`@ACL = (
		{ UserId => 'botpress', Queue => 'Support', Right => 'OwnTicket' },
		{ GroupDomain => 'SystemInternal', GroupType => 'Everyone', Queue => 'Support', Right => [qw(ReplyToTicket)] },
	); 1;`)); err != nil {
		t.Fatal(err, out)
	}
	bea := w.escalate(botpresstest.Profile{Name: "Bea"}, "Hello", botpresstest.Escalation{Title: "Strangers"})
	ticket, before := w.lastTicket(), shown(bea)
	w.agent("root", http.MethodPut, "/ticket/"+ticket, fields{"Owner": account})
	w.heard()
	for n, from := range []string{"eve@example.com", "a/b@example.com"} { // By a name with a slash, RT finds nobody.
		w.mail(ticket, fmt.Sprintf("From: %s\nSubject: Mail\nMessage-ID: <stranger%d@desk.test>\n\nI am a stranger\n", from, n))
		w.heard()
	}
	if diff := cmp.Diff(before, shown(bea)); diff != "" {
		t.Errorf("the end user was shown (-want +got):\n%s", diff)
	}
	w.agent(rttest.Alice, http.MethodPut, "/ticket/"+ticket, fields{"Status": "resolved"})
	w.heard()
}

// The queue takes mail, too: more happens there between two notifications than RT lists at once.
func (w *world) testAmongMail(t *testing.T) {
	w.agent("root", http.MethodPost, "/ticket", fields{"Queue": rttest.Queue, "Subject": "By mail", "Requestor": "vip@example.com"})
	other := w.lastTicket()
	for range pageSize + 1 {
		w.agent(rttest.Bob, http.MethodPost, "/ticket/"+other+"/correspond", plain("We are working on it."))
	}
	hal := w.escalate(botpresstest.Profile{Name: "Hal"}, "Hello", botpresstest.Escalation{Title: "Chat"})
	w.agent(rttest.Alice, http.MethodPost, "/ticket/"+w.lastTicket()+"/correspond", plain("Hello Hal"))
	w.heard()
	if want := []string{escalated, joined, "Alice Agent: Hello Hal"}; !cmp.Equal(want, shown(hal)) {
		t.Errorf("the end user was shown %q", shown(hal))
	}
}

// An agent merges the conversation's ticket into somebody else's. Nothing more is written there, and that one stays open.
func (w *world) testMerged(t *testing.T) {
	w.agent("root", http.MethodPost, "/ticket", fields{"Queue": rttest.Queue, "Subject": "By mail", "Requestor": "vip@example.com"})
	other := w.lastTicket()
	dan := w.escalate(botpresstest.Profile{Name: "Dan"}, "Hello", botpresstest.Escalation{Title: "Chat"})
	ticket := w.lastTicket()
	w.agent("root", http.MethodPost, "/ticket", fields{"Queue": rttest.Queue, "Subject": "By mail", "Requestor": "vip@example.com"})
	w.agent("root", http.MethodPut, "/ticket/"+w.lastTicket(), fields{"MergeInto": ticket}) // ends nothing
	w.agent(rttest.Alice, http.MethodPost, "/ticket/"+ticket+"/correspond", plain("Hi"))
	w.heard()
	w.browse("root", "/Ticket/ModifyLinks.html", url.Values{"id": {ticket}, ticket + "-MergeInto": {other}, "SubmitTicket": {"1"}})
	w.heard()
	if want := []string{escalated, joined, "Alice Agent: Hi", over}; !cmp.Equal(want, shown(dan)) || dan.Active() {
		t.Errorf("the end user was shown %q; active: %v", shown(dan), dan.Active())
	}

	// RT's notifications are lost, and the end user is faster than the next one.
	eva := w.escalate(botpresstest.Profile{Name: "Eva"}, "Hello", botpresstest.Escalation{Title: "Chat"})
	ticket = w.lastTicket()
	w.down()
	w.agent("root", http.MethodPut, "/ticket/"+ticket, fields{"MergeInto": other})
	w.unheard()
	w.up()
	before := w.stored(other)
	_ = eva.Say(t.Context(), message.Text{Text: "Are you there?"})
	w.settle()
	if err := w.desk(t, w.config).StopHitl(t.Context(), hitl.StopHitlRequest{Session: hitl.Ref{ID: ticket}}); !isGone(err) {
		t.Errorf("the end of a session whose ticket was merged: %v", err)
	}
	if diff := cmp.Diff(before, w.stored(other)); diff != "" {
		t.Errorf("of somebody else, RT stores (-want +got):\n%s", diff)
	}
	fay := w.escalate(botpresstest.Profile{Name: "Fay"}, "Hello", botpresstest.Escalation{Title: "Chat"})
	w.agent(rttest.Alice, http.MethodPut, "/ticket/"+w.lastTicket(), fields{"Status": "resolved"})
	w.heard()
	if eva.Active() || fay.Active() {
		t.Error("a lost notification was not made up for by the next one")
	}
}

// An agent moves the conversation's ticket to a queue of which the account knows nothing.
func (w *world) testMoved(t *testing.T) {
	w.agent("root", http.MethodPost, "/queue", fields{"Name": "Second"})
	gus := w.escalate(botpresstest.Profile{Name: "Gus"}, "Hello", botpresstest.Escalation{Title: "Chat"})
	ticket := w.lastTicket()
	w.agent("root", http.MethodPut, "/ticket/"+ticket, fields{"Queue": "Second"})
	w.heard()
	if want := []string{escalated, over}; !cmp.Equal(want, shown(gus)) || gus.Active() {
		t.Errorf("the end user was shown %q; active: %v", shown(gus), gus.Active())
	}
	if _, err := w.rt.Insert(t.Context(), []byte(`@ACL = ( { UserId => 'botpress', Queue => 'Second', Right => [qw(SeeQueue ShowTicket ModifyTicket)] } ); 1;`)); err != nil {
		t.Fatal(err)
	}
	err := w.desk(t, w.config).StopHitl(t.Context(), hitl.StopHitlRequest{Session: hitl.Ref{ID: ticket}})
	if !isGone(err) || !strings.Contains(err.Error(), "Second") {
		t.Errorf("the end of a session whose ticket was moved: %v", err)
	}
	if status := w.read("/ticket/"+ticket, nil)["Status"]; status == "resolved" {
		t.Error("the ticket was resolved in the other queue")
	}
}

// An agent answers when the session is over, and reads that nobody has read it. RT mails that to nobody.
func (w *world) testLate(t *testing.T) {
	ida := w.escalate(botpresstest.Profile{Name: "Ida", Email: "ida@example.com"}, "Hello", botpresstest.Escalation{Title: "Chat"})
	ticket := w.lastTicket()
	w.agent(rttest.Alice, http.MethodPut, "/ticket/"+ticket, fields{"Status": "resolved"})
	w.heard()
	before := shown(ida)
	w.agent(rttest.Alice, http.MethodPost, "/ticket/"+ticket+"/correspond", plain("Too late"))
	w.heard()
	if diff := cmp.Diff(before, shown(ida)); diff != "" {
		t.Errorf("the end user was shown (-want +got):\n%s", diff)
	}
	stored := w.stored(ticket)
	want := []string{"botpress Comment:", `  text/plain "The conversation with the bot has ended. The customer did not get this reply."`}
	if len(stored) < 2 || !cmp.Equal(want, stored[len(stored)-2:]) {
		t.Errorf("RT stores %q", stored)
	}
	for _, txn := range w.history(ticket) {
		if txn["Type"] == "CommentEmailRecord" {
			t.Errorf("RT mails the comment: %v", txn)
		}
	}
}

// The account loses its rights, and gets them back: nothing is lost, and no ticket stays open.
func (w *world) testRights(t *testing.T) {
	d := w.desk(t, w.config)
	user, err := d.CreateUser(t.Context(), hitl.CreateUserRequest{UserID: "user_rights", Name: "Hal"})
	if err != nil {
		t.Fatal(err)
	}
	session, err := d.StartHitl(t.Context(), hitl.StartHitlRequest[Session]{ConversationID: "conv_rights", User: user})
	if err != nil {
		t.Fatal(err)
	}
	do := map[string]func() error{
		"the end of a session": func() error { return d.StopHitl(t.Context(), hitl.StopHitlRequest{Session: session}) },
		"what the bot says": func() error {
			_, err := d.SendMessage(t.Context(), hitl.SendMessageRequest{Session: session, MessageID: "msg_rights", Message: message.Text{Text: "Hello"}})
			return err
		},
	}
	rights := func(method, names string) {
		t.Helper()
		if out, err := w.rt.Insert(t.Context(), fmt.Appendf(nil, `@Final = ( sub {
			my ( $user, $queue ) = ( RT::User->new( RT->SystemUser ), RT::Queue->new( RT->SystemUser ) );
			$user->Load('botpress');
			$queue->Load('%s');
			for my $right (qw(%s)) {
				my ( $ok, $problem ) = $user->PrincipalObj->%s( Right => $right, Object => $queue );
				die $problem unless $ok;
			}
		} ); 1;`, rttest.Queue, names, method)); err != nil {
			t.Fatal(out, err)
		}
	}
	for _, names := range []string{"CommentOnTicket ReplyToTicket ModifyTicket", "ShowTicket"} {
		rights("RevokeRight", names)
		for what, do := range do {
			if own, ok := errors.AsType[*hitl.Error](do()); !ok || !own.Temporary || own.Gone || !strings.Contains(own.Message, "give") {
				t.Errorf("without %s, %s: %v", names, what, own)
			}
		}
		rights("GrantRight", names)
	}
	for _, what := range []string{"what the bot says", "the end of a session"} {
		if err := do[what](); err != nil {
			t.Errorf("with the rights again, %s: %v", what, err)
		}
	}
	if stored := w.stored(session.ID); !strings.Contains(stored[0], "resolved") || !slices.Contains(stored, `  text/plain "Hello"`) {
		t.Errorf("RT stores %q", stored)
	}
}

func isGone(err error) bool {
	own, ok := errors.AsType[*hitl.Error](err)
	return ok && own.Gone
}

// mail hands RT a mail about a ticket.
func (w *world) mail(ticket, mail string) {
	w.t.Helper()
	res, err := http.PostForm(w.rt.URL+"/REST/1.0/NoAuth/mail-gateway", url.Values{
		"SessionType": {"REST"}, "queue": {rttest.Queue}, "action": {"correspond"}, "ticket": {ticket}, "message": {mail},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	_ = res.Body.Close()
}

// lastTicket is the id of the newest ticket.
func (w *world) lastTicket() string {
	w.t.Helper()
	tickets := w.read("/tickets", url.Values{"query": {"id > 0"}, "orderby": {"id"}, "order": {"DESC"}})["items"].([]any)
	return tickets[0].(map[string]any)["id"].(string)
}

func (w *world) testForged(t *testing.T) {
	now := strconv.FormatInt(time.Now().Unix(), 10)
	if status := w.notify(`{"transaction":1}`, now, strings.Repeat("0", 64)); status != http.StatusUnauthorized {
		t.Errorf("a forged webhook was answered %d", status)
	}
}

// desk is the adapter without a server.
func (w *world) desk(t *testing.T, c Config) *desk {
	t.Helper()
	d, err := connector(nil)(t.Context(), hitl.Installation{Logger: slog.New(slog.DiscardHandler), HTTPClient: http.DefaultClient}, c)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// What was done but not answered, is asked for again, and must not be done twice.
func (w *world) testAskedAgain(t *testing.T) {
	ctx, d := t.Context(), w.desk(t, w.config)
	twice := func(do func() (hitl.Ref, error)) hitl.Ref {
		t.Helper()
		first, err := do()
		if err != nil {
			t.Fatal(err)
		}
		second, err := do()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(first, second); diff != "" {
			t.Errorf("the second time gave something else (-first +second):\n%s", diff)
		}
		return first
	}
	user := twice(func() (hitl.Ref, error) {
		return d.CreateUser(ctx, hitl.CreateUserRequest{UserID: "user_again", Name: "Jim O'Neill", Email: "jim@example.com"})
	})
	session := twice(func() (hitl.Ref, error) {
		return d.StartHitl(ctx, hitl.StartHitlRequest[Session]{ConversationID: "conv_it's", User: user})
	})
	for part := range 2 {
		twice(func() (hitl.Ref, error) {
			return d.SendMessage(ctx, hitl.SendMessageRequest{
				Session: session, Author: user, MessageID: "msg_again", Part: part, Message: message.Text{Text: "Hello"},
			})
		})
	}
	for range 2 {
		if err := d.StopHitl(ctx, hitl.StopHitlRequest{Session: session}); err != nil {
			t.Error(err)
		}
	}
	twice(func() (hitl.Ref, error) {
		return d.SendMessage(ctx, hitl.SendMessageRequest{
			Session: session, MessageID: "msg_late", Stopped: true, Message: message.Text{Text: "The user has left."},
		})
	})
	for range 2 {
		if err := d.Notify(ctx, hitl.Notice{Session: session, MessageID: "7", Text: "Nobody got this."}); err != nil {
			t.Error(err)
		}
	}
	if err := d.StopHitl(ctx, hitl.StopHitlRequest{Session: hitl.Ref{ID: "4711"}}); !isGone(err) {
		t.Errorf("a ticket that is gone: %v", err)
	}
	want := []string{
		"A conversation with the bot: resolved, owner Nobody, priority 0",
		"for botpress-user_again: Jim O'Neill <jim@example.com>, privileged 0",
		"botpress Create:",
		`  text/html "Nothing was said before."`,
		"botpress-user_again Correspond:",
		`  text/plain "Hello"`,
		"RT_System Status: new to open",
		"botpress-user_again Correspond:",
		`  text/plain "Hello"`,
		"botpress Status: open to resolved",
		"botpress Comment:",
		`  text/plain "The user has left."`,
		"botpress Comment:",
		`  text/plain "Nobody got this."`,
	}
	if diff := cmp.Diff(want, w.stored("5")); diff != "" {
		t.Errorf("RT stores (-want +got):\n%s", diff)
	}
}

// What RT refuses, the bot's owner reads.
func (w *world) testRefused(t *testing.T) {
	wrongToken, wrongQueue := w.config, w.config
	wrongToken.Token, wrongQueue.Queue = "1-1-0123456789abcdef", "General"
	for name, c := range map[string]Config{"token": wrongToken, "queue": wrongQueue} {
		err := w.desk(t, c).Register(t.Context(), "https://webhook.example.com/1")
		var told *hitl.Error
		if !errors.As(err, &told) {
			t.Errorf("a wrong %s is not for the owner to read: %v", name, err)
		}
	}
}

func (w *world) testUninstalled(t *testing.T) {
	webhook := func() string {
		q := w.read("/queue/"+rttest.Queue, nil)
		for _, field := range q["CustomFields"].([]any) {
			if values := field.(map[string]any)["values"].([]any); len(values) > 0 {
				return values[0].(string)
			}
		}
		return ""
	}
	if got := webhook(); got != w.in.WebhookURL {
		t.Errorf("RT calls %q", got)
	}
	if err := w.in.Uninstall(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := webhook(); got != "" {
		t.Errorf("RT still calls %q", got)
	}
}
