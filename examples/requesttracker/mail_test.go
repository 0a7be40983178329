package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/internal/corpus"
	"github.com/hitl-go/sdk/message"
	"github.com/hitl-go/sdk/message/media"
)

// An agent who writes mails is heard in full, and says nothing twice.
func TestMails(t *testing.T) {
	var mail []map[string]any
	files := newFileServer(t)
	server := httptest.NewServer(files.middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/REST/2.0/transaction/") {
			_ = json.NewEncoder(w).Encode(map[string]any{"items": mail})
			return
		}
		n, err := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/REST/2.0/attachment/"))
		if err != nil || n < 1 || n > len(mail) {
			http.NotFound(w, r)
			return
		}
		_ = json.NewEncoder(w).Encode(mail[n-1])
	})))
	t.Cleanup(server.Close)
	api, err := botpress.New(botpress.Options{BaseURL: server.URL, Token: "t"})
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{rt: client{url: server.URL, http: http.DefaultClient}, in: hitl.Installation{Client: api, WebhookID: "w"}}
	for _, kind := range corpus.Load(t, "testdata/mails.txt") {
		t.Run(kind.Name, func(t *testing.T) {
			for _, c := range kind.Cases {
				mail = parts(c.In)
				content, err := d.content(t.Context(), transaction{ID: 7})
				if err != nil {
					t.Fatal(err)
				}
				var got []string
				for item := range message.Flatten(content) {
					if _, title, ok := message.Media(item); ok {
						got = append(got, title)
					} else {
						got = append(got, message.PlainText(item))
					}
				}
				if said := strings.ReplaceAll(strings.Join(got, " / "), "\n", "¶"); said != c.Want {
					t.Errorf("line %d: %q says %q, want %q", c.Line, c.In, said, c.Want)
				}
			}
		})
	}
}

// parts makes RT's attachments of the lines of a case.
func parts(lines string) (parts []map[string]any) {
	parents := []string{"0"}
	for i, line := range strings.Split(lines, "\n") {
		depth := len(line) - len(strings.TrimLeft(line, " "))
		kind, rest, _ := strings.Cut(line[depth:], "|")
		name, content, _ := strings.Cut(rest, "|")
		content = strings.ReplaceAll(content, "¶", "\n")
		id := strconv.Itoa(i + 1)
		parent := any(0)
		if depth > 0 {
			parent = map[string]string{"type": "attachment", "id": parents[depth]}
		}
		parts = append(parts, map[string]any{
			"id": id, "Parent": parent, "ContentType": kind, "Filename": name, "ContentLength": fmt.Sprint(len(content)),
			"Content": base64.StdEncoding.EncodeToString([]byte(content)),
		})
		parents = append(parents[:depth+1], id)
	}
	return parts
}

// answering is a client of an RT that gives the same answer to every request.
func answering(t *testing.T, status *int, body *string) client {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(*status)
		_, _ = io.WriteString(w, *body)
	}))
	t.Cleanup(server.Close)
	return client{url: server.URL, http: http.DefaultClient}
}

// Whom RT does not know is no agent. If it lets us read nobody, that says nothing of anybody.
func TestReadAgentRefused(t *testing.T) {
	var status int
	var body string
	d := &desk{rt: answering(t, &status, &body)}
	status, body = http.StatusNotFound, rtsOwn
	if agent, err := d.ReadAgent(t.Context(), "b@example.com"); agent.ID != "" || err != nil {
		t.Errorf("of somebody unknown: %+v, %v", agent, err)
	}
	status, body = http.StatusNotFound, webServers // Apache answers so of its own accord to an address with %2F.
	if agent, err := d.ReadAgent(t.Context(), "a/b@example.com"); agent.ID != "" || err != nil {
		t.Errorf("of somebody with a slash: %+v, %v", agent, err)
	}
	for _, c := range []struct {
		status int
		body   string
	}{{http.StatusForbidden, rtsOwn}, {http.StatusUnauthorized, rtsOwn}, {http.StatusForbidden, webServers}, {http.StatusNotFound, webServers}} {
		status, body = c.status, c.body
		_, err := d.ReadAgent(t.Context(), "alice")
		var own *hitl.Error
		if !errors.As(err, &own) || !own.Temporary {
			t.Errorf("after %d: %v, want what the owner can mend", status, err)
		}
	}
}

// A file that RT does not give us, or not as ever, costs nobody the words.
func TestFileThatRTKeeps(t *testing.T) {
	mail := parts("text/plain||Look\napplication/pdf|a.pdf|…")
	for name, answer := range map[string]http.HandlerFunc{
		"refused":    func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "Forbidden", http.StatusForbidden) },
		"unreadable": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"Content":"?"}`) },
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case strings.HasSuffix(r.URL.Path, "/attachments"):
				_ = json.NewEncoder(w).Encode(map[string]any{"items": mail})
			case strings.HasSuffix(r.URL.Path, "/1"):
				_ = json.NewEncoder(w).Encode(mail[0])
			default:
				answer(w, r)
			}
		}))
		t.Cleanup(server.Close)
		d := &desk{rt: client{url: server.URL, http: http.DefaultClient}, in: hitl.Installation{Logger: slog.New(slog.DiscardHandler)}}
		content, err := d.content(t.Context(), transaction{ID: 7})
		if got := message.PlainText(content); err != nil || got != "Look\n\na.pdf (a file that cannot be passed on)" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// A ticket that agents have merged into another one, or moved, is not the session's any more: nothing is written in it.
func TestTicketThatLeft(t *testing.T) {
	for name, answer := range map[string]string{
		"merged":  `{"id":8,"Queue":{"id":"3","Name":"Support"},"Status":"open"}`,
		"moved":   `{"id":7,"Queue":{"id":"4","Name":"Second"},"Status":"open"}`,
		"hidden":  "",
		"taken":   "",
		"present": `{"id":7,"Queue":{"id":"3","Name":"support"},"Status":"open"}`,
	} {
		var written []string
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.URL.Path == "/REST/2.0/tickets" && name == "hidden":
				_, _ = io.WriteString(w, `{"items":[{"id":"9"}]}`)
			case r.URL.Path == "/REST/2.0/transactions" || r.URL.Path == "/REST/2.0/tickets":
				_, _ = io.WriteString(w, `{"items":[]}`)
			case r.Method == http.MethodGet && answer != "":
				_, _ = io.WriteString(w, answer)
			case r.Method == http.MethodGet:
				w.WriteHeader(http.StatusForbidden)
				_, _ = io.WriteString(w, rtsOwn)
			default:
				written = append(written, r.Method+" "+r.URL.Path)
			}
		}))
		t.Cleanup(server.Close)
		d := &desk{Config: Config{Queue: "Support"}, rt: client{url: server.URL, http: http.DefaultClient}}
		session := hitl.Ref{ID: "7"}
		_, err := d.SendMessage(t.Context(), hitl.SendMessageRequest{Session: session, Message: message.Text{Text: "Hello"}})
		stop := d.StopHitl(t.Context(), hitl.StopHitlRequest{Session: session})
		if left, err := d.hasLeft(t.Context(), "7"); left != (name != "present") || err != nil {
			t.Errorf("%s: the scrip says that the ticket has left, and it has: %v, %v", name, left, err)
		}
		if name == "present" {
			if err != nil || isGone(stop) || len(written) != 2 {
				t.Errorf("%s: %v, %v, %q", name, err, stop, written)
			}
			continue
		}
		if name == "taken" { // The account may read none: the owner can give it the right back.
			own, _ := errors.AsType[*hitl.Error](err)
			late, _ := errors.AsType[*hitl.Error](stop)
			if own == nil || !own.Temporary || own.Gone || late == nil || !late.Temporary || late.Gone || len(written) != 0 {
				t.Errorf("%s: %v, %v, %q", name, err, stop, written)
			}
			continue
		}
		if !isGone(err) || !isGone(stop) || len(written) != 0 {
			t.Errorf("%s: %v, %v, %q", name, err, stop, written)
		}
	}
}

// A notice is a comment, which stays among agents, and is written once for each message.
func TestNotify(t *testing.T) {
	written := map[string]string{} // what was said, by where and its key
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var said struct {
			Content         string
			TxnCustomFields map[string]string
		}
		_ = json.NewDecoder(r.Body).Decode(&said)
		key := regexp.MustCompile(`= '(notice/\d+)'$`).FindStringSubmatch(r.URL.Query().Get("query"))
		switch {
		case r.Method == http.MethodPost:
			written[r.URL.Path+" "+said.TxnCustomFields[messageField]] += said.Content
		case key != nil && written["/REST/2.0/ticket/7/comment "+key[1]] != "":
			_, _ = io.WriteString(w, `{"items":[{"id":"9"}]}`)
		default: // of ticket 8, which was merged into 7, too
			_, _ = io.WriteString(w, `{"id":7,"Queue":{"Name":"Support"},"items":[]}`)
		}
	}))
	t.Cleanup(server.Close)
	d := &desk{Config: Config{Queue: "Support"}, rt: client{url: server.URL, http: http.DefaultClient}}
	for _, id := range []string{"1", "1", "2"} {
		if err := d.Notify(t.Context(), hitl.Notice{Session: hitl.Ref{ID: "7"}, MessageID: id, Text: "Nobody got this."}); err != nil {
			t.Error(err)
		}
	}
	if err := d.Notify(t.Context(), hitl.Notice{Session: hitl.Ref{ID: "8"}, MessageID: "3", Text: "Nobody got this."}); !isGone(err) {
		t.Errorf("of a ticket that is merged: %v", err)
	}
	want := map[string]string{
		"/REST/2.0/ticket/7/comment notice/1": "Nobody got this.",
		"/REST/2.0/ticket/7/comment notice/2": "Nobody got this.",
	}
	if !maps.Equal(written, want) {
		t.Errorf("RT gets %q", written)
	}
}

// A queue may take more mail than RT lists at once, or than is read for one webhook.
func TestNewsAmongMail(t *testing.T) {
	last, asked, before := 0, 0, 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		items := []map[string]any{}
		if r.URL.Path == "/REST/2.0/transactions" {
			asked++
			since := regexp.MustCompile(`id > (\d+)`).FindStringSubmatch(r.URL.Query().Get("query"))[1]
			from, _ := strconv.Atoi(since)
			for id := from + 1; id <= last && len(items) < pageSize; id++ {
				items = append(items, map[string]any{"id": strconv.Itoa(id), "ObjectId": "2", "Type": "Correspond"})
			}
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"items": items})
	}))
	t.Cleanup(server.Close)
	d := &desk{rt: client{url: server.URL, http: http.DefaultClient}}
	for _, c := range []struct {
		last, notified, read int
		reached              bool
	}{
		{30, 30, 30, true},
		{300, 230, 300, true},
		{9000, 8000, backlog, false},
		{120, 130, 120, false},
	} {
		last, before = c.last, asked
		news, reached, err := d.news(t.Context(), 0, c.notified)
		if len(news) != c.read || reached != c.reached || err != nil || asked-before > backlog/pageSize {
			t.Errorf("%+v: %d read, %v, %v, %d requests", c, len(news), reached, err, asked-before)
		}
		events, err := d.events(t.Context(), news)
		if len(events) != 0 || err != nil {
			t.Errorf("mail is news: %v, %v", events, err)
		}
	}
}

// A file that the web server before RT does not take holds nobody up: RT gets its address.
func TestFileThatRTRefuses(t *testing.T) {
	files := newFileServer(t)
	picture := message.Image{ImageURL: files.put("/end-user/1", "image/png", []byte("\x89PNG\r\n\x1a\n")), Title: "Look"}
	for _, c := range []struct {
		status int
		author string
		want   string // what RT gets in the end; empty if nothing, and it is tried later
	}{
		{http.StatusRequestEntityTooLarge, account + "-user_1", message.PlainText(picture)},
		{http.StatusRequestEntityTooLarge, "", message.PlainText(picture)},
		{http.StatusForbidden, "", message.PlainText(picture)},
		{http.StatusTooManyRequests, "", ""},
		{http.StatusBadGateway, "", ""},
	} {
		var got string
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var said struct {
				Content     string
				Attachments []any
			}
			_ = json.NewDecoder(r.Body).Decode(&said)
			switch {
			case r.Method == http.MethodGet:
				_, _ = io.WriteString(w, `{"id":7,"Queue":{"Name":"Support"},"items":[]}`)
			case said.Attachments != nil:
				http.Error(w, "<html>no", c.status)
			default:
				got = said.Content
			}
		}))
		t.Cleanup(server.Close)
		d := &desk{
			Config: Config{Queue: "Support"}, rt: client{url: server.URL, http: http.DefaultClient},
			in: hitl.Installation{Logger: slog.New(slog.DiscardHandler)}, files: &media.Options{AllowPrivate: true},
		}
		_, err := d.SendMessage(t.Context(), hitl.SendMessageRequest{Session: hitl.Ref{ID: "7"}, Author: hitl.Ref{ID: c.author}, Message: picture})
		if _, final := errors.AsType[*hitl.Error](err); got != c.want || final || (err == nil) != (c.want != "") {
			t.Errorf("%+v: RT gets %q, %v", c, got, err)
		}
	}
}

// What RT itself and what a web server before it says when it refuses something.
const rtsOwn, webServers = `{"message":"No"}`, "<html><h1>No</h1></html>"

// What RT refuses for good is not tried again for ever. What a web server before RT refuses may pass, and the owner can give rights back.
func TestRefusals(t *testing.T) {
	const final, temporary, transient = "final", "temporary", "transient"
	var status int
	var body string
	rt := answering(t, &status, &body)
	for _, c := range []struct {
		status    int
		own, webs string
	}{
		{304, temporary, temporary},
		{400, final, temporary},
		{401, temporary, temporary},
		{403, temporary, temporary},
		{404, final, temporary},
		{405, final, temporary},
		{408, transient, transient},
		{409, final, temporary},
		{410, final, temporary},
		{413, final, final},
		{422, final, temporary},
		{425, transient, transient},
		{429, transient, transient},
		{451, final, temporary},
		{500, transient, transient},
		{503, transient, transient},
	} {
		for _, answer := range [][2]string{{rtsOwn, c.own}, {webServers, c.webs}, {`{"message":""}`, c.webs}, {`["No"]`, c.webs}, {"", c.webs}} {
			status, body = c.status, answer[0]
			got := transient
			if own, ok := errors.AsType[*hitl.Error](forOwner(rt.get(t.Context(), "/ticket/7", nil))); ok && own.Temporary {
				got = temporary
			} else if ok {
				got = final
			}
			if got != answer[1] {
				t.Errorf("%d with %q: %s, want %s", status, body, got, answer[1])
			}
		}
	}
	status, body = http.StatusBadRequest, `{"message":"Permission Denied"}`
	if err := rt.get(t.Context(), "/ticket/7", nil); !refused(err, http.StatusForbidden) {
		t.Errorf("RT's 400 for a right that is missing: %v", err)
	}
}

// A web server before RT that is being updated answers 404, or 403, to everything: nothing is lost, and no session gone.
func TestWebServerUpdated(t *testing.T) {
	var status int
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, webServers)
	}))
	t.Cleanup(server.Close)
	d := &desk{
		Config: Config{Queue: "Support"}, rt: client{url: server.URL, http: http.DefaultClient},
		in: hitl.Installation{Logger: slog.New(slog.DiscardHandler)},
	}
	session := hitl.Ref{ID: "7"}
	for _, status = range []int{http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusGone, http.StatusUnavailableForLegalReasons} {
		for what, do := range map[string]func() error{
			"CreateUser": func() error {
				_, err := d.CreateUser(t.Context(), hitl.CreateUserRequest{UserID: "user_1"})
				return err
			},
			"SendMessage": func() error {
				_, err := d.SendMessage(t.Context(), hitl.SendMessageRequest{Session: session, Message: message.Text{Text: "Hello"}})
				return err
			},
			"StopHitl": func() error { return d.StopHitl(t.Context(), hitl.StopHitlRequest{Session: session}) },
			"hasLeft": func() error {
				_, err := d.hasLeft(t.Context(), "7")
				return err
			},
			"events": func() error {
				_, err := d.events(t.Context(), []transaction{{ID: 5, Ticket: "7", Type: "AddLink"}})
				return forOwner(err)
			},
		} {
			own, ok := errors.AsType[*hitl.Error](do())
			if !ok || !own.Temporary || own.Gone || !strings.Contains(own.Message, "web server") || !strings.Contains(own.Message, strconv.Itoa(status)) {
				t.Errorf("%s after %d: %+v", what, status, own)
			}
		}
	}
}

// Who enters http:// where https:// is right reads which address to enter. Nothing is changed by following.
func TestAddressThatMoved(t *testing.T) {
	asked := 0
	rt := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	t.Cleanup(rt.Close)
	var to string
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, strings.ReplaceAll(to, "…", r.URL.RequestURI()), http.StatusMovedPermanently)
	}))
	t.Cleanup(front.Close)
	d := &desk{Config: Config{Queue: "Support"}, rt: client{url: front.URL, http: http.DefaultClient}}
	withSecret := strings.Replace(rt.URL, "//", "//jane:hidden@", 1)
	for _, c := range []struct{ to, want string }{
		{rt.URL + "…", "has moved to " + rt.URL + ": enter"},
		{withSecret + "/rt…?key=hidden#hidden", "has moved to " + rt.URL + "/rt: enter"},
		{"…", "web server before Request Tracker answers 301 Moved Permanently"},
		{rt.URL + "/login?key=hidden&then=…", "web server before Request Tracker answers 301 Moved Permanently"},
		{"", "web server before Request Tracker answers 301 Moved Permanently"},
	} {
		to = c.to
		_, err := d.CreateUser(t.Context(), hitl.CreateUserRequest{UserID: "user_1"})
		own, ok := errors.AsType[*hitl.Error](err)
		if !ok || !own.Temporary || !strings.Contains(own.Message, c.want) || strings.Contains(own.Message, "hidden") || asked != 0 {
			t.Errorf("%q: %v, want %q; RT was asked %d times", c.to, err, c.want, asked)
		}
	}
}
