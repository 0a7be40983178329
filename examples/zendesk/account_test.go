package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/botpress/botpresstest"
	"github.com/hitl-go/sdk/examples/zendesk/zendesktest"
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/hitl/verify"
	"github.com/hitl-go/sdk/message"
	"github.com/hitl-go/sdk/message/richtext"
)

// What a real account does, and an adapter has to cope with.

// calls runs something and returns the requests to the API meanwhile, tokens left out.
func (w *theatre) calls(do func()) []string {
	before := len(w.desk.Requests())
	do()
	return slices.DeleteFunc(w.desk.Requests()[before:], func(r string) bool { return strings.Contains(r, "/oauth/") })
}

// Tokens end, and nobody notices.
func TestTokenEnds(t *testing.T) {
	w := newTheatre(t)
	u, ticket := w.jane()
	tokens := func() (n int) {
		for _, r := range w.desk.Requests() {
			if strings.Contains(r, "/oauth/tokens") {
				n++
			}
		}
		return n
	}
	if n := tokens(); n != 1 {
		t.Errorf("%d tokens were asked for at first", n)
	}
	w.desk.ExpireTokens()
	w.must(u.Say(t.Context(), text("Hello")))
	w.must(w.desk.Reply(ticket, w.rosa, "<p>Hi</p>"))
	w.written(ticket, "Jane: Hello", "Rosa Diaz: Hi")
	w.shown(u, "bot: joined", "Rosa Diaz: Hi")
	if n := tokens(); n != 2 {
		t.Errorf("%d tokens were asked for", n)
	}
}

// Ten messages of an end user and two replies cost what they must: one update a message, two reads a reply, and one look at the
// ticket of which nothing is known yet. Our own comments call nobody.
func TestCallsOfASession(t *testing.T) {
	w := newTheatre(t)
	u, ticket := w.jane()
	calls := w.calls(func() {
		for i := range 10 {
			w.must(u.Say(t.Context(), text(fmt.Sprint("message ", i))))
			if i == 3 || i == 7 {
				w.must(w.desk.Reply(ticket, w.rosa, fmt.Sprintf("<p>reply %d</p>", i)))
			}
		}
	})
	if len(calls) > 16 {
		t.Errorf("%d calls:\n%s", len(calls), strings.Join(calls, "\n"))
	}
	t.Logf("%d calls", len(calls))
	if n := len(w.desk.Deliveries()); n != 2 {
		t.Errorf("%d webhooks were sent for two replies", n)
	}
	var want []string
	for i := range 10 {
		want = append(want, fmt.Sprint("Jane: message ", i))
		if i == 3 || i == 7 {
			want = append(want, fmt.Sprint("Rosa Diaz: reply ", i))
		}
	}
	w.written(ticket, want...)
}

// A bloc is one comment. A ticket that waits for the end user is opened by the comment that answers.
func TestUpdatesAreFew(t *testing.T) {
	w := newTheatre(t)
	u, ticket := w.jane()
	w.must(u.Say(t.Context(), text("Hello")))
	for _, status := range []string{"pending", "hold"} {
		w.must(w.desk.Submit(ticket, w.rosa, zendesktest.Update{HTML: "Well?", Status: status}))
		picture := w.desk.Host(zendesktest.File{Name: "a.png", ContentType: "image/png", Data: []byte("\x89PNG\r\n\x1a\n")})
		calls := w.calls(func() {
			w.must(u.Say(t.Context(), message.Bloc{Items: []message.BlocItem{
				text("one"), text("two"), message.Image{ImageURL: picture, Title: "three"}, text("four"), text("five"),
			}}))
		})
		updates := slices.DeleteFunc(calls, func(r string) bool { return !strings.HasPrefix(r, "PUT ") })
		if len(updates) != 1 || w.ticket(ticket).Status != "open" {
			t.Errorf("a bloc in a %s ticket made the updates %q, and it is %s", status, updates, w.ticket(ticket).Status)
		}
		comments := w.ticket(ticket).Comments
		last := comments[len(comments)-1]
		if got := message.PlainText(message.Text{Text: last.HTML}); len(last.Attachments) != 1 || !strings.Contains(got, "one") || !strings.Contains(got, "five") {
			t.Errorf("the comment is %+v", last)
		}
	}
}

// Somebody else has updated the ticket since: the message is written once all the same, also if its answer was lost.
func TestUpdateInBetween(t *testing.T) {
	desk := zendesktest.NewDesk()
	defer desk.Close()
	a := direct(t, desk)
	jane := hitl.Ref{ID: fmt.Sprint(desk.NewCustomer("Jane", "", "").ID)}
	session, err := a.StartHitl(t.Context(), hitl.StartHitlRequest[Session]{ConversationID: "conv", User: jane})
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := direct(t, desk)
	message := func(id string, repeated bool) hitl.SendMessageRequest {
		return hitl.SendMessageRequest{Session: session, UserID: "user", Author: jane, MessageID: id, Message: text(id), Repeated: repeated}
	}
	send := func(id string) (hitl.Ref, error) { return a.SendMessage(t.Context(), message(id, false)) }
	if _, err := send("one"); err != nil {
		t.Fatal(err)
	}
	k := a.known(session.ID)
	k.stamp = "2026-01-01T00:00:00Z" // The ticket has been updated since.
	a.learn(session.ID, k)
	if _, err := send("two"); err != nil {
		t.Fatal(err)
	}
	desk.Fault(zendesktest.Fault{Method: http.MethodPut, Path: "/tickets/", AfterWork: true, Status: 504})
	if _, err := elsewhere.SendMessage(t.Context(), message("two and a half", false)); err == nil { // In the same second.
		t.Error("its answer was lost")
	}
	if _, err := a.SendMessage(t.Context(), message("two and a half", true)); err != nil {
		t.Fatal(err)
	}
	desk.Fault(zendesktest.Fault{Method: http.MethodPut, Path: "/tickets/", AfterWork: true, Status: 504})
	if ref, err := send("three"); err == nil {
		t.Errorf("its answer was lost, and there is %v", ref)
	}
	again, err := send("three")
	ticket, _ := desk.Ticket(1)
	var got []string
	for _, c := range ticket.Comments[1:] {
		got = append(got, richtext.Text(c.HTML, nil))
	}
	if diff := cmp.Diff([]string{"one", "two", "two and a half", "three"}, got); diff != "" || err != nil || again.ID != fmt.Sprint(ticket.Comments[4].ID) {
		t.Errorf("the last message is %v, %v (-want +got):\n%s", again, err, diff)
	}
}

// Nobody is mailed by us: no address is to be verified, and with the trigger of the set-up page no requester reads their own words.
func TestMails(t *testing.T) {
	for _, asTheSetUpSays := range []bool{false, true} {
		w := newTheatre(t)
		if asTheSetUpSays {
			w.desk.ExcludeFromMails(mark)
		}
		u, ticket := w.jane()
		w.must(u.Say(t.Context(), text("Hello")))
		w.must(w.desk.Reply(ticket, w.rosa, "<p>Hi</p>"))
		for _, m := range w.desk.Mails() {
			if m.Why == zendesktest.MailVerification || asTheSetUpSays {
				t.Errorf("as the set-up says: %t: %+v", asTheSetUpSays, m)
			}
		}
		if !asTheSetUpSays && len(w.desk.Mails()) == 0 {
			t.Error("the desk mails nobody at first, so this test shows nothing")
		}
	}
}

// Whatever address somebody types, no customer is renamed, and no ticket is refused.
func TestAddressesOfOthers(t *testing.T) {
	w := newTheatre(t)
	mary := w.desk.NewCustomer("Mary Stone", "mary@example.com", "crm-1")
	w.desk.AddAddress(mary.ID, "mary@home.example.com")
	bad := w.desk.NewCustomer("Bad Actor", "bad@example.com", "crm-2")
	w.desk.Suspend(bad.ID, true)
	w.desk.SearchLag = time.Hour
	fresh := w.desk.NewCustomer("Fresh Fish", "fresh@example.com", "crm-3") // No search finds him yet.
	w.desk.SearchLag = 0
	before := []zendesktest.User{w.desk.User(mary.ID), w.desk.User(bad.ID), w.desk.User(fresh.ID)}
	for _, lag := range []time.Duration{0, time.Hour} {
		w.desk.SearchLag = lag
		for _, typed := range []string{"mary@example.com", "mary@home.example.com", "MARY@home.example.com", "bad@example.com", "fresh@example.com", "no address", w.rosa.Email} {
			u, ticket := w.session(botpresstest.Profile{Name: "Mallory", Email: typed}, botpresstest.Escalation{})
			w.must(u.Say(t.Context(), text("Hello")))
			if got := w.desk.User(w.ticket(ticket).RequesterID); got.Role != "end-user" || got.ID == bad.ID {
				t.Errorf("%s, searches lag by %v: the requester is %+v", typed, lag, got)
			}
		}
	}
	if diff := cmp.Diff(before, []zendesktest.User{w.desk.User(mary.ID), w.desk.User(bad.ID), w.desk.User(fresh.ID)}); diff != "" {
		t.Errorf("customers were changed (-before +after):\n%s", diff)
	}
}

// The bot knows the customer's address: what the end user writes comes from the requester of the ticket.
func TestRequesterWrites(t *testing.T) {
	w := newTheatre(t)
	mary := w.desk.NewCustomer("Mary Stone", "mary@example.com", "crm-1")
	u, ticket := w.session(botpresstest.Profile{Name: "visitor 12"}, botpresstest.Escalation{
		Session: Session{RequesterName: "M. Stone", RequesterEmail: "mary@example.com"},
	})
	if got := w.ticket(ticket).RequesterID; got != mary.ID {
		t.Errorf("the requester is %+v", w.desk.User(got))
	}
	w.must(u.Say(t.Context(), text("It is me")))
	w.written(ticket, "Mary Stone: It is me")
}

// Zendesk's words are in the language of the account.
func TestGermanAccount(t *testing.T) {
	w := newTheatre(t)
	w.desk.Language = "de"
	u, ticket := w.jane()
	w.desk.Mute(true)
	w.must(w.desk.Solve(ticket, w.rosa))
	w.must(w.desk.CloseTicket(ticket))
	w.must(u.Say(t.Context(), text("Hello?")))
	if !w.refused("message_created", "is closed or deleted") {
		t.Error("the bot's owner is not told that nobody sees the message")
	}
}

// A file of an agent reaches the end user, whether or not it is for those who have signed in to Zendesk.
func TestSecureDownloads(t *testing.T) {
	w := newTheatre(t)
	u, ticket := w.jane()
	w.desk.SecureDownloads = true
	w.must(w.desk.Reply(ticket, w.rosa, "", zendesktest.File{Name: "bill.pdf", ContentType: "application/pdf", Data: []byte("%PDF-1.7 bill")}))
	m, ok := u.Received()[1].Message.(message.File)
	if !ok || m.Title != "bill.pdf" {
		t.Fatalf("the end user was shown %+v", u.Received())
	}
	res, err := http.Get(m.FileURL)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "application/pdf" || res.ContentLength != int64(len("%PDF-1.7 bill")) {
		t.Errorf("at %s there is %s, %d bytes of %s", m.FileURL, res.Status, res.ContentLength, res.Header.Get("Content-Type"))
	}
	calls := w.calls(func() { w.must(w.desk.Reply(ticket, w.rosa, "<p>Look</p>")) })
	if downloads := slices.DeleteFunc(calls, func(r string) bool { return !strings.Contains(r, "/attachments/") }); len(downloads) != 0 {
		t.Errorf("a file was read again: %q", downloads)
	}
}

// The look-up after a refused key fails: then that is the problem, and it passes.
func TestLookUpFails(t *testing.T) {
	w := newTheatre(t)
	w.desk.Fault(zendesktest.Fault{Method: http.MethodPost, Path: "/tickets", Status: 400})
	w.desk.Fault(zendesktest.Fault{Method: http.MethodGet, Path: "/tickets", Status: 503, RetryAfter: time.Second})
	w.jane() // Botpress repeats what fails for a while.
	if n := len(w.desk.Tickets()); n != 1 {
		t.Errorf("there are %d tickets", n)
	}
}

// A desk that asks for two minutes gets its webhook answered with less, since it would not send it again otherwise.
func TestLongRetryAfter(t *testing.T) {
	w := newTheatre(t)
	u, ticket := w.jane()
	w.desk.Fault(zendesktest.Fault{Path: "/comments", Status: 429, RetryAfter: 2 * time.Minute})
	w.must(w.desk.Reply(ticket, w.rosa, "<p>Hello</p>"))
	w.shown(u, "bot: joined", "Rosa Diaz: Hello")
}

// direct is an adapter without a server.
func direct(t *testing.T, desk *zendesktest.Desk) *adapter {
	t.Helper()
	a, err := world{zendesk: desk.URL}.connect(t.Context(),
		hitl.Installation{BotUserID: "bot", WebhookID: "wh", Logger: slog.New(slog.DiscardHandler), HTTPClient: new(http.Client), ConfigurationType: withAPIToken},
		Config{Subdomain: "acme", Email: desk.Email, APIToken: botpress.Secret(desk.Token)})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// A webhook that is signed with a secret newer than the one we know is asked to come again; what is not signed is refused.
func TestNewSecret(t *testing.T) {
	desk := zendesktest.NewDesk()
	defer desk.Close()
	a := direct(t, desk)
	ctx := context.Background()
	if err := a.Register(ctx, "https://example.com/1"); err != nil {
		t.Fatal(err)
	}
	report := func(endpoint string) *http.Request {
		r := httptest.NewRequest(http.MethodPost, endpoint, strings.NewReader(`{"event":"replied","ticketId":"1","conversationId":"conv"}`))
		desk.SignRequest(r)
		return r
	}
	if _, err := a.HandleWebhook(ctx, report("https://example.com/1")); err != nil {
		t.Fatal(err)
	}
	if err := direct(t, desk).Register(ctx, "https://example.com/2"); err != nil { // Another replica, so that this one does not know.
		t.Fatal(err)
	}
	_, err := a.HandleWebhook(ctx, report("https://example.com/2"))
	if want := hitl.Retryable(patience, nil); err == nil || fmt.Sprintf("%T", err) != fmt.Sprintf("%T", want) {
		t.Errorf("signed with a new secret: %v, of %T", err, err)
	}
	unsigned := report("https://example.com/2")
	unsigned.Header.Del("X-Zendesk-Webhook-Signature")
	if _, err := a.HandleWebhook(ctx, unsigned); !errors.Is(err, verify.ErrInvalid) {
		t.Errorf("not signed: %v", err)
	}
	a.mu.Lock()
	a.asked = a.asked.Add(-patience)
	a.mu.Unlock()
	if hook, err := a.HandleWebhook(ctx, report("https://example.com/2")); err != nil || len(hook.Events) != 1 {
		t.Errorf("ten seconds later: %v, %v", hook, err)
	}
}

// What Zendesk writes when tickets are merged is for agents.
func TestMergedTickets(t *testing.T) {
	w := newTheatre(t)
	u, ticket := w.jane()
	other, second := w.session(botpresstest.Profile{Name: "Omar"}, botpresstest.Escalation{})
	w.must(w.desk.Assign(ticket, w.rosa))
	w.must(w.desk.Merge(second, ticket, w.rosa))
	w.shown(u, "bot: joined")
	w.shown(other, "bot: over")
}

// A registration that is as it should be writes nothing.
func TestRegisterWritesNothing(t *testing.T) {
	w := newTheatre(t)
	calls := w.calls(func() { w.must(w.in.Configure(t.Context(), w.in.Configuration)) })
	for _, c := range calls {
		if !strings.HasPrefix(c, "GET ") {
			t.Errorf("it has called %s", c)
		}
	}
}

// Triggers are made in an order that does not change, and each leaves out our own updates.
func TestTriggers(t *testing.T) {
	w := newTheatre(t)
	prefix := "Botpress " + w.in.WebhookID + ": "
	want := []string{prefix + assigned, prefix + replied, prefix + solved}
	var got []string
	for _, title := range w.desk.Triggers() {
		if strings.HasPrefix(title, prefix) {
			got = append(got, title)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// An account that is not there, or a proxy, answers 404: that is no word about a ticket, and ends no session.
func TestNoSuchAccount(t *testing.T) {
	desk := zendesktest.NewDesk()
	defer desk.Close()
	a := direct(t, desk)
	a.api.base = "http://" + nothing(t)
	events, err := a.Backfill(t.Context(), hitl.BackfillRequest{ConversationID: "conv", Session: hitl.Ref{ID: "1"}})
	var owner *hitl.Error
	if len(events) != 0 || !errors.As(err, &owner) || !owner.Temporary || !strings.Contains(owner.Message, "check the subdomain") {
		t.Errorf("read back: %v, %v", events, err)
	}
}

// nothing is an address where every path is answered as Zendesk does that knows no such account.
func nothing(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		_, _ = fmt.Fprint(w, `{"error":{"title":"No help desk at acme.zendesk.com","message":"There is no help desk here."}}`)
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

// What is not the file, such as a page to sign in, is not passed on as the agent's file.
func TestPageInsteadOfAFile(t *testing.T) {
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, "<html>Sign in</html>") }))
	defer page.Close()
	desk := zendesktest.NewDesk()
	defer desk.Close()
	a := direct(t, desk)
	if got := a.passOn(t.Context(), attachment{ID: "1", Name: "bill.pdf", URL: page.URL, Type: "application/pdf", Size: 4711}); got != page.URL {
		t.Errorf("it is at %s", got)
	}
}

// Tickets that others make through the API are none of our business.
func TestTicketsOfOthers(t *testing.T) {
	w := newTheatre(t)
	a := direct(t, w.desk)
	out, err := call[ticketAnswer](t.Context(), a.api, http.MethodPost, "tickets.json", object{"ticket": object{
		"subject": "An order", "external_id": "order-4711", "comment": object{"body": "One parcel."},
	}})
	if err != nil {
		t.Fatal(err)
	}
	id, err := strconv.ParseInt(string(out.Ticket.ID), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	w.must(w.desk.Assign(id, w.rosa))
	w.must(w.desk.Reply(id, w.rosa, "<p>On its way</p>"))
	w.must(w.desk.Solve(id, w.rosa))
	if n := len(w.desk.Deliveries()); n != 0 {
		t.Errorf("%d webhooks were sent", n)
	}
}
