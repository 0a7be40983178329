package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/botpress/botpresstest"
	"github.com/hitl-go/sdk/examples/zendesk/zendesktest"
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/message"
	"github.com/hitl-go/sdk/message/richtext"
)

// theatre is a stage for tests: nothing waits there.
type theatre struct {
	*stage
	*testing.T

	rosa zendesktest.User
	told map[*botpresstest.EndUser]int // How much of what an end user was shown has been looked at.
}

func newTheatre(t *testing.T) *theatre {
	t.Helper()
	quiet := botpresstest.PluginConfig{HandoffMessage: "NULL", AssignedMessage: "joined", StoppedMessage: "over", CloseMessage: "NULL"}
	s, err := newStage(t.Context(),
		botpresstest.Options{RetryDelay: time.Millisecond, Plugin: quiet}, hitl.Options{ActivationDelay: time.Nanosecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.close(); err != nil {
			t.Error(err)
		}
	})
	s.desk.RetryAtOnce = true
	return &theatre{stage: s, T: t, rosa: s.desk.NewAgent("Rosa Diaz"), told: map[*botpresstest.EndUser]int{}}
}

// must insists on success and waits for all that follows.
func (w *theatre) must(err error) {
	w.Helper()
	if err := errors.Join(err, w.settle(w.Context())); err != nil {
		w.Fatal(err)
	}
}

// session starts a session and returns the end user and the ticket.
func (w *theatre) session(p botpresstest.Profile, e botpresstest.Escalation) (*botpresstest.EndUser, int64) {
	w.Helper()
	u := w.in.NewEndUser(p)
	w.must(u.Escalate(w.Context(), e))
	return u, w.ticketOf(u).ID
}

func (w *theatre) jane() (*botpresstest.EndUser, int64) {
	w.Helper()
	return w.session(botpresstest.Profile{Name: "Jane", Email: "jane@example.com"}, botpresstest.Escalation{Title: "Help"})
}

func (w *theatre) ticketOf(u *botpresstest.EndUser) zendesktest.Ticket {
	w.Helper()
	for _, t := range w.desk.Tickets() {
		if t.ExternalID == u.DownstreamID() {
			return t
		}
	}
	w.Fatalf("there is no ticket for conversation %s", u.DownstreamID())
	return zendesktest.Ticket{}
}

// ticket returns a ticket that must be there.
func (w *theatre) ticket(id int64) zendesktest.Ticket {
	w.Helper()
	t, ok := w.desk.Ticket(id)
	if !ok {
		w.Fatalf("there is no ticket %d", id)
	}
	return t
}

// shown compares what an end user was shown since the last look, each as "speaker: text".
func (w *theatre) shown(u *botpresstest.EndUser, want ...string) {
	w.Helper()
	var got []string
	all := u.Received()
	for _, r := range all[w.told[u]:] {
		speaker := string(r.From)
		if r.Name != "" {
			speaker = r.Name
		}
		got = append(got, speaker+": "+message.PlainText(r.Message))
	}
	w.told[u] = len(all)
	if diff := cmp.Diff(want, got); diff != "" {
		w.Errorf("what the end user was shown (-want +got):\n%s", diff)
	}
}

// written compares the comments after the first one, each as "author: text".
func (w *theatre) written(ticket int64, want ...string) {
	w.Helper()
	var got []string
	for _, c := range w.ticket(ticket).Comments[1:] {
		got = append(got, w.desk.User(c.AuthorID).Name+": "+richtext.Text(c.HTML, nil))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		w.Errorf("what stands in the ticket (-want +got):\n%s", diff)
	}
}

func text(s string) message.Text { return message.Text{Text: s} }

func TestSessionClosedByAgent(t *testing.T) {
	w := newTheatre(t)
	u := w.in.NewEndUser(botpresstest.Profile{Name: "Jane", Email: "jane@example.com", PictureURL: "https://example.com/jane.png"})
	w.must(u.Say(t.Context(), text("It is <broken> & I am sad")))
	w.must(u.Escalate(t.Context(), botpresstest.Escalation{
		Title: "Broken", Description: "The thing is broken.", Session: Session{Priority: "high", TicketFormID: "42"},
	}))
	ticket := w.ticketOf(u)
	opening := richtext.Text(ticket.Comments[0].HTML, nil)
	for _, want := range []string{"The thing is broken.", "Jane", "It is <broken> & I am sad"} {
		if strings.Count(opening, want) != 1 {
			t.Errorf("the first comment should have %q once:\n%s", want, opening)
		}
	}
	requester := w.desk.User(ticket.RequesterID)
	if requester.ExternalID != u.DownstreamUserID() || requester.Email != "jane@example.com" || requester.Role != "end-user" || requester.Photo.URL != "https://example.com/jane.png" {
		t.Errorf("the requester is %+v", requester)
	}
	if got := fmt.Sprint(ticket.Subject, "/", ticket.Priority, "/", ticket.FormID, ticket.Tags, ticket.Status); got != "Broken/high/42 [botpress]new" {
		t.Errorf("the ticket is %s", got)
	}

	w.must(w.desk.Assign(ticket.ID, w.rosa))
	w.must(w.desk.Reply(ticket.ID, w.rosa, "<p>Hello <b>Jane</b></p>"))
	w.must(u.Say(t.Context(), message.Bloc{Items: []message.BlocItem{text("Here:"), message.Image{ImageURL: "http://127.0.0.1:1/x.png", Title: "It"}}}))
	w.shown(u, "bot: joined", "Rosa Diaz: Hello Jane")
	w.written(ticket.ID, "Rosa Diaz: Hello Jane", "Jane: Here:\n\nImage: It <http://127.0.0.1:1/x.png>")
	if got := u.Received()[1].PictureURL; got != w.rosa.Photo.URL {
		t.Errorf("Rosa's picture is %q", got)
	}

	w.must(w.desk.Solve(ticket.ID, w.rosa))
	w.shown(u, "bot: over")
	if u.Active() {
		t.Error("the session is not over")
	}
}

func TestSessionClosedByEndUser(t *testing.T) {
	for _, order := range []botpresstest.Farewell{botpresstest.FarewellFirst, botpresstest.FarewellLast} {
		w := newTheatre(t)
		u, ticket := w.session(botpresstest.Profile{Name: "Jane"}, botpresstest.Escalation{
			Config: &botpresstest.PluginConfig{AssignedMessage: "NULL", Farewell: order},
		})
		w.must(w.desk.Assign(ticket, w.rosa))
		w.must(u.End(t.Context()))
		if got := w.ticket(ticket).Status; got != "solved" {
			t.Errorf("the ticket is %s", got)
		}
		w.written(ticket, "Botpress: ( The user has ended the session. )")
		if n := w.cloud.Count("createEvent"); n != 1 {
			t.Errorf("%d events were sent, and only Rosa's assignment is one", n)
		}
	}
}

// Zendesk takes 65,535 bytes of HTML in a comment, of which an ampersand is five, and twice that in an address.
func TestLongTexts(t *testing.T) {
	for what, long := range map[string]string{
		"log":     strings.Repeat("log line ", 8_000),
		"escaped": strings.Repeat("\"A & B\"\n", 8_000),
		"address": strings.Repeat("https://example.com/?"+strings.Repeat("&", 11_000)+" ", 2),
	} {
		w := newTheatre(t)
		first, ticket := w.session(botpresstest.Profile{Name: "Jane"}, botpresstest.Escalation{Title: "Help", Description: long})
		start := strings.Join(strings.Fields(long[:200]), " ")
		if opening := richtext.Text(w.ticket(ticket).Comments[0].HTML, nil); !strings.HasPrefix(strings.Join(strings.Fields(opening), " "), start) || !strings.Contains(opening, "…") {
			t.Errorf("%s: the ticket begins with %.200q", what, opening)
		}
		w.must(first.Say(t.Context(), text(long)))
		var said strings.Builder
		for _, c := range w.ticket(ticket).Comments[1:] {
			said.WriteString(richtext.Text(c.HTML, nil))
		}
		if got, want := strings.Join(strings.Fields(said.String()), ""), strings.Join(strings.Fields(long), ""); got != want {
			t.Errorf("%s: of %d characters, %d are in the ticket", what, len(want), len(got))
		}
	}
}

// Nobody has taken the ticket, and Zendesk wants a solved ticket to be somebody's. The API user takes it, of which the end
// user must hear nothing.
func TestStopUnassigned(t *testing.T) {
	w := newTheatre(t)
	u, ticket := w.jane()
	w.must(u.End(t.Context()))
	got := w.ticket(ticket)
	if got.Status != "solved" || w.desk.User(got.AssigneeID).Role != "admin" {
		t.Errorf("the ticket is %s, of %v", got.Status, w.desk.User(got.AssigneeID))
	}
	if n := w.cloud.Count("createEvent"); n != 0 {
		t.Errorf("%d events were sent", n)
	}
}

// Zendesk demands more of a solved ticket than we know. That is not the end user's problem.
func TestStopWhatCannotBeSolved(t *testing.T) {
	w := newTheatre(t)
	u, ticket := w.session(botpresstest.Profile{Name: "Jane"}, botpresstest.Escalation{
		Config: &botpresstest.PluginConfig{Farewell: botpresstest.FarewellLast},
	})
	w.desk.Fault(zendesktest.Fault{Method: http.MethodPut, Path: "/tickets/", Status: 422, Times: 2})
	w.must(u.StopHitl(t.Context()))
	w.written(ticket, "Botpress: ( The user has ended the session. )")
}

func TestStopTicketThatIsGone(t *testing.T) {
	w := newTheatre(t)
	u, ticket := w.session(botpresstest.Profile{Name: "Jane"}, botpresstest.Escalation{
		Config: &botpresstest.PluginConfig{Farewell: botpresstest.FarewellLast},
	})
	w.must(w.desk.Assign(ticket, w.rosa))
	w.desk.Mute(true) // Its webhooks are lost, so that we do not know.
	w.must(w.desk.Solve(ticket, w.rosa))
	w.must(w.desk.CloseTicket(ticket))
	w.must(u.StopHitl(t.Context()))
	if w.refused("", "") {
		t.Error("the bot's owner is troubled by last words that come too late")
	}
}

func TestMessageToTicketThatIsGone(t *testing.T) {
	w := newTheatre(t)
	u, ticket := w.jane()
	w.desk.Mute(true)
	w.must(w.desk.Solve(ticket, w.rosa))
	w.must(w.desk.CloseTicket(ticket))
	w.must(u.Say(t.Context(), text("Hello?")))
	if !w.refused("message_created", "is closed or deleted") {
		t.Error("the bot's owner is not told that nobody sees the message")
	}
}

// refused reports whether Botpress was answered 400 to an operation, or to any if it is empty, with these words.
func (w *theatre) refused(operation, words string) bool {
	return slices.ContainsFunc(w.cloud.Calls(), func(c botpresstest.Call) bool {
		return strings.Contains(c.Operation, operation) && c.Status == http.StatusBadRequest && strings.Contains(string(c.Response), words)
	})
}

func TestWhatIsNotRelayed(t *testing.T) {
	w := newTheatre(t)
	u, ticket := w.jane()
	w.must(w.desk.Note(ticket, w.rosa, "<p>secret</p>"))
	w.must(w.desk.CustomerEmails(ticket, "by e-mail"))
	w.must(w.desk.Assign(ticket, w.rosa))
	w.must(w.desk.Assign(ticket, zendesktest.User{}))
	group := int64(7)
	w.must(w.desk.Submit(ticket, w.rosa, zendesktest.Update{GroupID: &group}))
	w.shown(u, "bot: joined")
	w.must(w.desk.Reply(ticket, w.rosa, "<p>public</p>"))
	w.shown(u, "Rosa Diaz: public")
	for _, d := range w.desk.Deliveries() {
		if d.Status != 200 {
			t.Errorf("%s was answered %d", d.Body, d.Status)
		}
	}
}

// What an agent writes into the ticket of a session that is over, or what Botpress does not take, reaches nobody. The agent reads so.
func TestAgentsAreTold(t *testing.T) {
	for _, test := range []struct {
		html, note string
		isOver     bool
	}{
		{"<p>Let me see</p>", "The conversation with the bot has ended.", true},
		{"<p>" + strings.Repeat("log line ", 20_000) + "</p>", "The bot cannot pass this reply on.", false},
	} {
		w := newTheatre(t)
		u, ticket := w.jane()
		w.must(w.desk.Assign(ticket, w.rosa))
		w.shown(u, "bot: joined")
		if test.isOver {
			w.must(w.desk.Solve(ticket, w.rosa))
			w.shown(u, "bot: over")
			w.must(w.desk.CustomerEmails(ticket, "It is not solved")) // That opens the ticket, and no session.
		}
		before := len(w.ticket(ticket).Comments)
		for range 2 {
			w.must(w.desk.Reply(ticket, w.rosa, test.html))
		}
		var notes []string
		for _, c := range w.ticket(ticket).Comments[before:] {
			if !c.Public {
				notes = append(notes, richtext.Text(c.HTML, nil))
			}
		}
		if len(notes) != 2 || !strings.Contains(notes[0], test.note) {
			t.Errorf("of two replies that reach nobody, the agents read %q", notes)
		}
		if !test.isOver {
			w.must(w.desk.Reply(ticket, w.rosa, "<p>Shorter</p>"))
			w.must(u.Say(t.Context(), text("Thanks")))
			w.shown(u, "Rosa Diaz: Shorter")
		}
		if got := w.ticket(ticket).Status; got != "open" {
			t.Errorf("the ticket is %s", got)
		}
	}
}

// A notice is a note, however often it comes, and changes nothing else in the ticket.
func TestNoticeTwice(t *testing.T) {
	w := newTheatre(t)
	_, ticket := w.jane()
	w.must(w.desk.Solve(ticket, w.rosa))
	before, called := w.ticket(ticket), len(w.desk.Deliveries())
	a, err := world{zendesk: w.desk.URL}.connect(t.Context(), hitl.Installation{
		BotUserID: "bot", Logger: slog.New(slog.DiscardHandler), HTTPClient: new(http.Client), ConfigurationType: withAPIToken,
	}, Config{Subdomain: "acme", Email: w.desk.Email, APIToken: botpress.Secret(w.desk.Token)})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"1", "1", "2"} {
		if err := a.Notify(t.Context(), hitl.Notice{Session: hitl.Ref{ID: fmt.Sprint(ticket)}, MessageID: id, Text: "A & B"}); err != nil {
			t.Fatal(err)
		}
	}
	w.must(nil)
	after := w.ticket(ticket)
	notes := after.Comments[len(before.Comments):]
	if len(notes) != 2 || notes[0].Public || richtext.Text(notes[0].HTML, nil) != "⚠️ A & B" {
		t.Errorf("of two notices, the ticket has %+v", notes)
	}
	if after.Status != "solved" || after.AssigneeID != before.AssigneeID || len(w.desk.Deliveries()) != called {
		t.Errorf("the ticket is %s, and %d webhooks more were sent", after.Status, len(w.desk.Deliveries())-called)
	}
}

// Somebody has made agents of the bot and of the end user. What they say in the chat is not sent back to it, and least of
// all the transcript.
func TestPromoted(t *testing.T) {
	w := newTheatre(t)
	u, ticket := w.jane()
	w.desk.SetRole(w.ticket(ticket).RequesterID, "agent")
	w.desk.SetRole(w.ticket(ticket).SubmitterID, "agent")
	w.must(u.Say(t.Context(), message.Bloc{Items: []message.BlocItem{text("hello"), text("there")}}))
	w.must(w.desk.Reply(ticket, w.rosa, "Hi"))
	w.shown(u, "bot: joined", "Rosa Diaz: Hi")
}

// Whatever an agent does in one go, it is one webhook, and its events are in order.
func TestSeveralThingsAtOnce(t *testing.T) {
	for _, test := range []struct {
		before []zendesktest.Update
		update zendesktest.Update
		want   []string
	}{
		{nil, zendesktest.Update{HTML: "Hi"}, []string{"bot: joined", "Rosa Diaz: Hi"}},
		{nil, zendesktest.Update{Status: "solved"}, []string{"bot: over"}},
		{nil, zendesktest.Update{HTML: "Bye", Status: "solved"}, []string{"bot: joined", "Rosa Diaz: Bye", "bot: over"}},
		{nil, zendesktest.Update{AssigneeID: new(int64), HTML: "Hi"}, []string{"bot: joined", "Rosa Diaz: Hi"}},
		{nil, zendesktest.Update{AssigneeID: new(int64), HTML: "Bye", Status: "solved"}, []string{"bot: joined", "Rosa Diaz: Bye", "bot: over"}},
		{[]zendesktest.Update{{AssigneeID: new(int64)}}, zendesktest.Update{HTML: "Bye", Status: "solved"}, []string{"bot: joined", "Rosa Diaz: Bye", "bot: over"}},
	} {
		w := newTheatre(t)
		u, ticket := w.jane()
		updates := append(test.before, test.update)
		for _, update := range updates {
			if update.AssigneeID != nil {
				*update.AssigneeID = w.rosa.ID
			}
			w.must(w.desk.Submit(ticket, w.rosa, update))
		}
		w.shown(u, test.want...)
		if n := len(w.desk.Deliveries()); n != len(updates) {
			t.Errorf("%+v made %d webhooks", updates, n)
		}
	}
}

func TestReopened(t *testing.T) {
	w := newTheatre(t)
	u, ticket := w.jane()
	w.must(w.desk.Solve(ticket, w.rosa))
	w.shown(u, "bot: over")
	w.must(w.desk.CustomerEmails(ticket, "It is not solved"))
	w.must(w.desk.Reply(ticket, w.rosa, "<p>Let me see</p>"))
	w.must(w.desk.Solve(ticket, w.rosa))
	w.must(w.desk.CloseTicket(ticket))
	w.shown(u)
}

func TestTransfer(t *testing.T) {
	w := newTheatre(t)
	u, ticket := w.jane()
	ben := w.desk.NewAgent("Ben Okri")
	for _, agent := range []zendesktest.User{w.rosa, w.rosa, ben} {
		w.must(w.desk.Assign(ticket, agent))
	}
	w.must(w.desk.Reply(ticket, ben, "<p>My turn</p>"))
	w.shown(u, "bot: joined", "bot: joined", "Ben Okri: My turn")
}

// A rule assigns the ticket while it is being created: the webhook may come before we know the ticket's number.
func TestAssignedAtBirth(t *testing.T) {
	w := newTheatre(t)
	w.desk.AutoAssign(w.rosa)
	u, _ := w.jane()
	r, err := u.Next(t.Context())
	if err != nil || message.PlainText(r.Message) != "joined" {
		t.Errorf("the end user was shown %v, %v", r.Message, err)
	}
}

func TestAttachmentsOfAgents(t *testing.T) {
	w := newTheatre(t)
	u, ticket := w.jane()
	w.must(w.desk.Reply(ticket, w.rosa, "<p>Look</p>",
		zendesktest.File{Name: "a.png", ContentType: "image/png"}, zendesktest.File{Name: "b.mp3", ContentType: "audio/mpeg"},
		zendesktest.File{Name: "c.mp4", ContentType: "video/mp4"}, zendesktest.File{Name: "d.pdf", ContentType: "application/pdf"}))
	w.must(w.desk.Reply(ticket, w.rosa, "", zendesktest.File{Name: "e.png", ContentType: "image/png"}))

	var got []message.Type
	for _, r := range u.Received() {
		for m := range message.Flatten(r.Message) {
			got = append(got, m.Type())
		}
	}
	want := []message.Type{"text", "text", "image", "audio", "video", "file", "image"} // The first says that somebody has joined.
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("types (-want +got):\n%s", diff)
	}
	if m := u.Received()[2].Message; m.(message.Image).Title != "e.png" {
		t.Errorf("the last one is %v", m)
	}
}

// An attachment's own picture is sent as a file. All others are seen only between the words.
func TestPicturesBetweenTheWords(t *testing.T) {
	a := &adapter{in: hitl.Installation{Logger: slog.New(slog.DiscardHandler)}}
	const picture = "https://acme.zendesk.com/attachments/token/x/?name=a.png&y=1"
	c := comment{Attachments: []attachment{{ID: "1", Name: "a.png", Type: "image/png", URL: picture}}} // It is empty, so it stays there.
	for html, want := range map[string]string{
		`Look <img src="https://acme.zendesk.com/attachments/token/x/?name=a.png&amp;y=1" alt="a.png"> here`: "Look here",
		`<img alt="a > b" src="https://acme.zendesk.com/attachments/token/x/?name=a.png&amp;y=1">Look`:       "Look",
		`Look <img src="https://example.com/chart.png" alt="chart">`:                                         "Look chart <https://example.com/chart.png>",
		`Look <img src="https://example.com/1f44d.png" alt="👍">`:                                             "Look 👍",
		`Look <img alt="a > b" src="https://example.com/chart.png">`:                                         "Look a > b <https://example.com/chart.png>",
	} {
		c.HTML = html
		bloc := message.Bloc{Items: []message.BlocItem{message.Text{Text: want}, message.Image{ImageURL: picture, Title: "a.png"}}}
		if diff := cmp.Diff(message.Message(bloc), a.content(t.Context(), c)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", html, diff)
		}
	}
}

func TestFilesOfEndUsers(t *testing.T) {
	w := newTheatre(t)
	u, ticket := w.jane()
	for _, m := range []func(string) message.Message{
		func(url string) message.Message { return message.Image{ImageURL: url, Title: "thing"} },
		func(url string) message.Message { return message.Audio{AudioURL: url, Title: "thing"} },
		func(url string) message.Message { return message.Video{VideoURL: url, Title: "thing"} },
		func(url string) message.Message { return message.File{FileURL: url, Title: "thing"} },
	} {
		url := w.desk.Host(zendesktest.File{Name: "thing.pdf", ContentType: "application/pdf", Data: []byte("%PDF-1.7 thing")})
		w.must(u.Say(t.Context(), m(url)))
		comments := w.ticket(ticket).Comments
		last := comments[len(comments)-1]
		if len(last.Attachments) != 1 || string(w.desk.Content(last.Attachments[0])) != "%PDF-1.7 thing" || !strings.Contains(last.HTML, url) {
			t.Errorf("%T: the comment is %+v", m(url), last)
		}
	}
	w.desk.Fault(zendesktest.Fault{Path: "/uploads", Status: 413})
	w.must(u.Say(t.Context(), message.Image{ImageURL: w.desk.Host(zendesktest.File{Name: "x.png", ContentType: "image/png"}), Title: "large"}))
	comments := w.ticket(ticket).Comments
	if last := comments[len(comments)-1]; len(last.Attachments) != 0 || !strings.Contains(last.HTML, "large") {
		t.Errorf("what cannot be uploaded should be a link: %+v", last)
	}
}

func TestForgedWebhooks(t *testing.T) {
	w := newTheatre(t)
	u, ticket := w.jane()
	w.must(w.desk.Reply(ticket, w.rosa, "<p>Hello</p>"))
	w.shown(u, "bot: joined", "Rosa Diaz: Hello")
	genuine := w.desk.Deliveries()[0]
	events := w.cloud.Count("createEvent")

	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	post := func(body string, change func(http.Header)) int {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.in.WebhookURL, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header = genuine.Header.Clone()
		change(r.Header)
		res, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		return res.StatusCode
	}
	solve := strings.Replace(string(genuine.Body), `"replied"`, `"solved"`, 1)
	for name, test := range map[string]struct {
		body   string
		change func(http.Header)
		want   int
	}{
		"again":        {string(genuine.Body), func(http.Header) {}, 200},
		"other body":   {solve, func(http.Header) {}, 503}, // It may be signed with a secret that is newer than the one we know.
		"no signature": {solve, func(h http.Header) { h.Del("X-Zendesk-Webhook-Signature") }, 401},
		"no headers":   {solve, func(h http.Header) { clear(h) }, 401},
		"other secret": {solve, func(h http.Header) {
			h.Set("X-Zendesk-Webhook-Signature", zendesktest.Sign("guess", h.Get("X-Zendesk-Webhook-Signature-Timestamp"), []byte(solve)))
		}, 503},
	} {
		if got := post(test.body, test.change); got != test.want {
			t.Errorf("%s: %d, want %d", name, got, test.want)
		}
	}
	w.must(nil)
	w.shown(u)
	if !u.Active() || w.cloud.Count("createEvent") != events {
		t.Error("a forged webhook had an effect")
	}
	asked := 0
	for _, r := range w.desk.Requests() {
		if strings.HasSuffix(r, "/signing_secret") {
			asked++
		}
	}
	if asked != 1 {
		t.Errorf("Zendesk was asked for the secret %d times: strangers can use up what it answers in a minute", asked)
	}
}

func TestGarbage(t *testing.T) {
	w := newTheatre(t)
	u, _ := w.jane()
	for body, want := range map[string]int{
		`no JSON`: 400,
		`[]`:      400,
		`{}`:      400,
		`{"event":"solved","ticketId":"99","conversationId":""}`:                     200, // Somebody else's.
		`{"event":"solved","ticketId":"99","conversationId":"order-4711"}`:           200,
		`{"event":"new","ticketId":"1","conversationId":"` + u.DownstreamID() + `"}`: 200, // From the future.
	} {
		w.desk.Send(body)
		w.must(nil)
		sent := w.desk.Deliveries()
		if got := sent[len(sent)-1].Status; got != want {
			t.Errorf("%s: %d, want %d", body, got, want)
		}
	}
	w.shown(u)
	if !u.Active() || len(w.cloud.Conversations()) != 2 {
		t.Error("garbage had an effect")
	}
}

// Zendesk sends a webhook again only if it is asked to by 429 or 503 with Retry-After: whatever fails must ask.
func TestZendeskFailsDuringWebhook(t *testing.T) {
	for _, fault := range []zendesktest.Fault{
		{Path: "/comments", Status: 429, RetryAfter: 7 * time.Second},
		{Path: "/comments", Status: 503, RetryAfter: -1},
		{Path: "/comments", Status: 500},
		{Path: "/comments", Times: 2}, // The first time, the HTTP client tries again by itself.
		{Path: "/signing_secret", Status: 502},
	} {
		w := newTheatre(t)
		u, ticket := w.jane()
		w.desk.Fault(fault)
		w.must(w.desk.Reply(ticket, w.rosa, "<p>Hello</p>"))
		w.shown(u, "bot: joined", "Rosa Diaz: Hello")
	}
}

// A webhook is lost for good; the next one brings what it would have brought, in order.
func TestLostWebhook(t *testing.T) {
	w := newTheatre(t)
	u, ticket := w.jane()
	w.desk.Mute(true)
	w.must(w.desk.Reply(ticket, w.rosa, "<p>one</p>"))
	w.desk.Mute(false)
	w.must(w.desk.Reply(ticket, w.rosa, "<p>two</p>"))
	w.shown(u, "bot: joined", "Rosa Diaz: one", "Rosa Diaz: two")
}

func TestFailuresOfMessages(t *testing.T) {
	for _, fault := range []zendesktest.Fault{
		{Status: 429, RetryAfter: time.Second},
		{Status: 503, RetryAfter: -1},
		{Status: 409},
		{},                             // The connection is cut before,
		{AfterWork: true},              // after,
		{AfterWork: true, Status: 504}, // or by somebody in between.
	} {
		w := newTheatre(t)
		u, ticket := w.jane()
		fault.Method, fault.Path = http.MethodPut, "/tickets/"
		w.desk.Fault(fault)
		w.must(u.Say(t.Context(), text("Hello")))
		w.must(u.Say(t.Context(), text("Hello")))
		w.written(ticket, "Jane: Hello", "Jane: Hello")
	}
}

func TestAnswerOfStartIsLost(t *testing.T) {
	for _, status := range []int{0, 502} {
		w := newTheatre(t)
		w.desk.Fault(zendesktest.Fault{Method: http.MethodPost, Path: "/tickets", AfterWork: true, Status: status})
		w.jane()
		if n := len(w.desk.Tickets()); n != 1 {
			t.Errorf("there are %d tickets", n)
		}
	}
}

// The first attempt to start has made a ticket, but the second one has another transcript: names could not be found.
func TestTranscriptDiffersWhenStartIsRepeated(t *testing.T) {
	desk := zendesktest.NewDesk()
	defer desk.Close()
	a, err := world{zendesk: desk.URL}.connect(t.Context(),
		hitl.Installation{BotUserID: "bot", Logger: slog.New(slog.DiscardHandler), HTTPClient: new(http.Client), ConfigurationType: withAPIToken},
		Config{Subdomain: "acme", Email: desk.Email, APIToken: botpress.Secret(desk.Token)})
	if err != nil {
		t.Fatal(err)
	}
	var refs []hitl.Ref
	for _, said := range []string{"one", "other"} {
		ref, err := a.StartHitl(t.Context(), hitl.StartHitlRequest[Session]{
			ConversationID: "conv", User: hitl.Ref{ID: fmt.Sprint(desk.NewCustomer("Jane", "", "").ID)}, Description: said,
		})
		if err != nil {
			t.Fatal(err)
		}
		refs = append(refs, ref)
	}
	if diff := cmp.Diff(refs[0], refs[1]); diff != "" || len(desk.Tickets()) != 1 {
		t.Errorf("there are %d tickets (-first +second):\n%s", len(desk.Tickets()), diff)
	}
}

func TestOwnerIsTold(t *testing.T) {
	for name, test := range map[string]struct {
		fault   zendesktest.Fault
		session Session
		want    string
	}{
		"priority":  {session: Session{Priority: "huge"}, want: "priority must be one of low, normal, high, urgent"},
		"token":     {fault: zendesktest.Fault{Path: "/api/", Status: 401, Times: 2}, want: "does not accept the sign-in"},
		"rights":    {fault: zendesktest.Fault{Status: 403}, want: "use the credentials of an administrator"},
		"moved":     {fault: zendesktest.Fault{Status: 301}, want: "POST users/create_or_update.json"},
		"not found": {fault: zendesktest.Fault{Path: "/tickets", Status: 404}, want: "Zendesk has no such account"},
	} {
		w := newTheatre(t)
		if test.fault.Status != 0 {
			w.desk.Fault(test.fault)
		}
		err := w.in.NewEndUser(botpresstest.Profile{Name: "Jane"}).Escalate(t.Context(), botpresstest.Escalation{Session: test.session})
		var refused *botpresstest.Error
		if !errors.As(err, &refused) || refused.Status != 400 || !strings.Contains(refused.Message, test.want) {
			t.Errorf("%s: %v, want 400 with %q", name, err, test.want)
		}
	}
}

func TestReopensWaitingTickets(t *testing.T) {
	w := newTheatre(t)
	u, ticket := w.jane()
	for status, want := range map[string]string{"pending": "open", "hold": "open", "open": "open"} {
		w.must(w.desk.Submit(ticket, w.rosa, zendesktest.Update{Status: status}))
		w.must(u.Say(t.Context(), text("I am back")))
		if got := w.ticket(ticket).Status; got != want {
			t.Errorf("the end user has answered, and a %s ticket is %s", status, got)
		}
	}
}

func TestChatbotsHaveNamesOfTheirOwn(t *testing.T) {
	w := newTheatre(t)
	var bots []string
	for _, name := range []string{"", "Ada", "Bob", "Ada"} {
		u, _ := w.session(botpresstest.Profile{Name: "Jane"}, botpresstest.Escalation{Session: Session{ChatbotName: name}})
		ticket := w.ticketOf(u)
		bots = append(bots, w.desk.User(ticket.Comments[0].AuthorID).Name)
	}
	if diff := cmp.Diff([]string{"Botpress", "Ada", "Bob", "Ada"}, bots); diff != "" {
		t.Errorf("authors of the first comments (-want +got):\n%s", diff)
	}
	if n := len(w.desk.Users()); n != 2+3+4 { // The API user and Rosa, three bots, four Janes without an address.
		t.Errorf("there are %d users", n)
	}
}

// Anybody can type any address into a chat.
func TestAddresses(t *testing.T) {
	w := newTheatre(t)
	known := w.desk.NewCustomer("Mary Stone", "mary@example.com", "crm-1")
	for name, test := range map[string]struct{ typed, want string }{
		"an agent's":           {w.rosa.Email, ""},
		"the administrator's":  {w.desk.Email, ""},
		"a known customer's":   {"Mary@Example.com", "mary@example.com"},
		"a new customer's":     {"new@example.com", "new@example.com"},
		"made up by the cloud": {"", ""},
	} {
		u, _ := w.session(botpresstest.Profile{Name: "Mallory", Email: test.typed}, botpresstest.Escalation{})
		requester := w.desk.User(w.ticketOf(u).RequesterID)
		if requester.Email != test.want || requester.Role != "end-user" {
			t.Errorf("%s: the requester is %+v", name, requester)
		}
	}
	if diff := cmp.Diff([]zendesktest.User{w.rosa, known}, []zendesktest.User{w.desk.User(w.rosa.ID), w.desk.User(known.ID)}); diff != "" {
		t.Errorf("users were changed (-before +after):\n%s", diff)
	}
}

func TestRequesterOfTheBotsChoice(t *testing.T) {
	w := newTheatre(t)
	u, ticket := w.session(botpresstest.Profile{Name: "visitor 12"}, botpresstest.Escalation{
		Session: Session{RequesterName: "Jane Miller", RequesterEmail: "jane@example.com"},
	})
	if got := w.desk.User(w.ticket(ticket).RequesterID); got.Name != "Jane Miller" || got.Email != "jane@example.com" {
		t.Errorf("the requester is %+v", got)
	}
	w.must(u.Say(t.Context(), text("It is me")))
	w.written(ticket, "Jane Miller: It is me")
}

func TestLongPictureAddress(t *testing.T) {
	w := newTheatre(t)
	u, _ := w.session(botpresstest.Profile{Name: "Jane", PictureURL: "https://example.com/" + strings.Repeat("ü", 100)}, botpresstest.Escalation{})
	if got := w.desk.User(w.ticketOf(u).RequesterID); got.Photo != nil {
		t.Errorf("the picture is %v", got.Photo)
	}
}

func TestLongName(t *testing.T) {
	w := newTheatre(t)
	long := strings.Repeat("Jane ", 60)
	_, ticket := w.session(botpresstest.Profile{Name: long}, botpresstest.Escalation{Title: "Help", Session: Session{ChatbotName: long}})
	u := w.desk.User(w.ticket(ticket).RequesterID)
	if n := len([]rune(u.Name)); n > 255 || !strings.HasPrefix(u.Name, "Jane Jane ") {
		t.Errorf("Zendesk has a name of %d characters: %q", n, u.Name)
	}
}

func TestLongTranscript(t *testing.T) {
	w := newTheatre(t)
	u := w.in.NewEndUser(botpresstest.Profile{Name: "Jane"})
	for range 10 {
		w.must(u.Say(t.Context(), text(strings.Repeat("<word> ", 2_000))))
	}
	w.must(u.Say(t.Context(), text("the last words")))
	w.must(u.Escalate(t.Context(), botpresstest.Escalation{Title: "Long"}))
	if html := w.ticketOf(u).Comments[0].HTML; !strings.Contains(html, "the last words") || !strings.Contains(html, "left out") {
		t.Errorf("the first comment has %d bytes, but not the last words and what is missing", len(html))
	}
}

func TestRegisterAgain(t *testing.T) {
	w := newTheatre(t)
	u, ticket := w.jane()
	others := w.desk.NewWebhook("Copy of Botpress "+w.in.WebhookID, "https://example.com/other")
	w.must(w.desk.Reply(ticket, w.rosa, "<p>one</p>"))
	w.in.WebhookURL += "?moved"
	w.must(w.in.Configure(t.Context(), w.in.Configuration))
	w.must(w.desk.Reply(ticket, w.rosa, "<p>two</p>"))
	w.shown(u, "bot: joined", "Rosa Diaz: one", "Rosa Diaz: two")
	if diff := cmp.Diff([]string{others, w.in.WebhookURL}, w.desk.Webhooks()); diff != "" {
		t.Errorf("webhooks (-want +got):\n%s", diff)
	}
	if got := w.desk.Triggers(); len(got) != 3 {
		t.Errorf("triggers: %q", got)
	}

	w.must(w.in.Uninstall(t.Context()))
	if diff := cmp.Diff([]string{others}, w.desk.Webhooks()); diff != "" || len(w.desk.Triggers()) > 0 {
		t.Errorf("after uninstalling, webhooks (-want +got):\n%s\ntriggers: %q", diff, w.desk.Triggers())
	}
}

// A failed registration leaves the old one at work and nothing of its own.
func TestRegisterFails(t *testing.T) {
	w := newTheatre(t)
	u, ticket := w.jane()
	w.desk.Fault(zendesktest.Fault{Method: http.MethodPost, Path: "/triggers", Status: 403, Skip: 1})
	w.in.WebhookURL += "?moved"
	err := w.in.Configure(t.Context(), w.in.Configuration)
	if err == nil || !strings.Contains(err.Error(), "administrator") {
		t.Errorf("the bot's owner is told %v", err)
	}
	if n, m := len(w.desk.Webhooks()), len(w.desk.Triggers()); n != 1 || m != 3 {
		t.Errorf("there are %d webhooks and %d triggers", n, m)
	}
	w.must(w.desk.Reply(ticket, w.rosa, "<p>still here</p>"))
	w.shown(u, "bot: joined", "Rosa Diaz: still here")
}

func TestUninstallWithoutRights(t *testing.T) {
	w := newTheatre(t)
	w.desk.Fail(10, 401, -1)
	w.must(w.in.Uninstall(t.Context()))
}

func TestConfiguration(t *testing.T) {
	w := newTheatre(t)
	client := w.desk.NewOAuthClient()
	for name, test := range map[string]struct {
		config Config
		kind   string
		want   string
	}{
		"an OAuth client":  {withClient(client), "", ""},
		"a whole address":  {Config{Subdomain: "https://Acme.zendesk.com/ ", ClientID: client.ID, ClientSecret: botpress.Secret(client.Secret)}, "", ""},
		"an API token":     {Config{Subdomain: " Acme ", Email: w.desk.Email, APIToken: botpress.Secret(w.desk.Token)}, withAPIToken, ""},
		"an account":       {withClient(client), withAccount, ""}, // Nobody has connected it yet.
		"nothing":          {Config{}, "", "is not a Zendesk subdomain"},
		"another host":     {Config{Subdomain: "evil.com/", ClientID: "x", ClientSecret: "x"}, "", "is not a Zendesk subdomain"},
		"no secret":        {Config{Subdomain: "acme", ClientID: client.ID}, "", "needs the identifier and the secret of an OAuth client"},
		"a wrong secret":   {Config{Subdomain: "acme", ClientID: client.ID, ClientSecret: "s3cr3t"}, "", "Zendesk does not accept the client (invalid_client)"},
		"a wrong token":    {Config{Subdomain: "acme", Email: w.desk.Email, APIToken: "s3cr3t"}, withAPIToken, "does not accept the credentials"},
		"a token's fields": {Config{Subdomain: "acme", Email: w.desk.Email, APIToken: "s3cr3t"}, "", "configuration"},
	} {
		t.Run(name, func(t *testing.T) {
			w.in.ConfigurationType = test.kind
			err := w.in.Configure(t.Context(), test.config)
			switch {
			case test.want == "" && err != nil:
				t.Error(err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "s3cr3t")):
				t.Errorf("%v, want %q", err, test.want)
			}
		})
	}
}

func TestDemo(t *testing.T) {
	var out bytes.Buffer
	if code := run(t.Context(), []string{"demo"}, &out, &out); code != 0 {
		t.Fatalf("exit code %d\n%s", code, out.String())
	}
	for _, want := range []string{
		"Where is my parcel?", "It is 4711.", "Track it", "Where it was handed over",
		"But I have no neighbours!", "Hello Jane, I am Rosa. Have you got a photo of the slip?", "Image: The slip",
		"And this is my street.", "Location: Home", "The driver mixed up 1 and 11 again.", "Found it, next door but ten.",
		"refund.pdf <", "You are wonderful.", "ticket #1 is solved",
		"Do you deliver on Sundays?", "We do not, I am afraid.", "A pity. Thank you!", "( The user has ended the session. )",
		"You have ended the session with the human agent.", "ticket #2 is solved", "→ ticket #3  It rains into your van.", "Zendesk's API is back", "ticket #3 is solved",
		"All sessions are over, and everything has arrived, once and in order",
	} {
		if n := strings.Count(out.String(), want); n != 1 {
			t.Errorf("%q is there %d times", want, n)
		}
	}
	if strings.Contains(out.String(), "\x1b") {
		t.Error("a buffer is no terminal, but there are colours")
	}
	if t.Failed() {
		t.Log(out.String())
	}
}

func TestDemoStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out bytes.Buffer
	if code := run(ctx, []string{"demo"}, &out, &out); code == 0 {
		t.Error("the demo was stopped, and says that it was not")
	}
}

func TestWords(t *testing.T) {
	t.Setenv("BP_TOKEN", "")
	for _, test := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"help"}, 0, "playground"},
		{[]string{"dmeo"}, 2, "dmeo"},
		{[]string{"demo", "now"}, 2, "demo takes no arguments"},
		{[]string{"serve", "--addr", "127.0.0.1:0"}, 1, "BP_TOKEN"},
	} {
		var out bytes.Buffer
		if code := run(t.Context(), test.args, &out, &out); code != test.code || !strings.Contains(out.String(), test.says) {
			t.Errorf("%q: exit code %d, want %d and %q in\n%s", test.args, code, test.code, test.says, out.String())
		}
	}
}
