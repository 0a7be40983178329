package playground

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/internal/acme"
)

// apiToken is the secret of the installation's configuration.
const apiToken = "s3cr3t-of-the-desk"

// world is a playground of Acme Desk without Options.Desk.
type world struct {
	*playground

	t    *testing.T
	url  string
	http *http.Client
}

func newWorld(t *testing.T, change ...func(*Options)) *world {
	t.Helper()
	opts := options(t)
	for _, f := range change {
		f(&opts)
	}
	p, err := start(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	page := httptest.NewServer(protected(p.routes()))
	w := &world{playground: p, t: t, url: page.URL, http: page.Client()}
	t.Cleanup(func() {
		page.CloseClientConnections() // Event streams, for instance.
		page.Close()
		if err := p.close(t.Context()); err != nil {
			t.Error(err)
		}
	})
	return w
}

func options(t *testing.T) Options {
	t.Helper()
	server, err := acme.NewServer(acme.Definition(true), &acme.Desk{}, &hitl.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return Options{
		Server: server, Configuration: acme.Config{APIURL: "https://desk.example.com", APIToken: apiToken}, Webhooks: acmeWebhooks(),
	}
}

// acmeWebhooks are templates of Acme Desk's webhooks.
func acmeWebhooks() []Webhook {
	template := func(name, body string) Webhook {
		return Webhook{Name: name, Header: map[string]string{"Content-Type": "application/json"}, Body: body}
	}
	const agent = `"agent": {"id": "agent-7", "name": "Alice Agent"}`
	return []Webhook{
		template("Assigned", `{"type": "assigned", "ticketId": "{{session}}", `+agent+`}`),
		template("Reply", `{"type": "comment", "ticketId": "{{session}}", "commentId": "{{new}}", "text": "How can I help?", `+agent+`}`),
		template("Closed", `{"type": "closed", "ticketId": "{{session}}"}`),
	}
}

// post sends a command to the page's server.
func (w *world) post(what string, body any) (status int, answer string) {
	w.t.Helper()
	b, err := json.Marshal(body)
	if err != nil {
		w.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.url+"/api/"+what, bytes.NewReader(b))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	return w.do(r)
}

func (w *world) do(r *http.Request) (status int, answer string) {
	w.t.Helper()
	res, err := w.http.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

// must is a post that succeeds.
func (w *world) must(what string, body any) {
	w.t.Helper()
	if status, answer := w.post(what, body); status != http.StatusNoContent && status != http.StatusOK {
		w.t.Fatalf("%s was answered %d %s", what, status, answer)
	}
}

func (w *world) says(text string) {
	w.t.Helper()
	w.must("say", map[string]any{"type": "text", "payload": map[string]string{"text": text}})
}

// reports sends one of the desk's webhooks about the latest session.
func (w *world) reports(template int) {
	w.t.Helper()
	var ticket string
	w.eventually(func() bool {
		tickets := w.state().Tickets
		if len(tickets) == 0 {
			return false
		}
		latest := tickets[len(tickets)-1]
		ticket = latest.ID
		return strings.HasSuffix(latest.Subject, ")") // Of the session's id in the desk.
	})
	t := w.opts.Webhooks[template]
	w.must("webhook", map[string]any{"ticket": ticket, "header": t.Header, "body": t.Body})
}

// stateOfPage is the whole state, as a page receives it first.
type stateOfPage struct {
	Session session
	Chat    []struct {
		From    Role
		Name    string
		Message struct {
			Type    string
			Payload json.RawMessage
		}
	}
	Tickets []Ticket
	Entries map[string][]struct {
		Author  string
		By      Role
		Message struct{ Payload struct{ Text string } }
	}
	Rows        []row
	Faults      map[string]bool
	DeskProblem string
	Run         string
}

func (w *world) state() stateOfPage {
	w.t.Helper()
	watcher, leave := w.view.watch()
	defer leave()
	_, data, _ := strings.Cut(string(w.view.news(watcher)[0]), "\ndata: ")
	var s stateOfPage
	if err := json.Unmarshal([]byte(data), &s); err != nil {
		w.t.Fatal(err)
	}
	return s
}

// chat is the chat, one message a line.
func (w *world) chat() string {
	var lines []string
	for _, m := range w.state().Chat {
		var text struct{ Text string }
		_ = json.Unmarshal(m.Message.Payload, &text)
		if m.Message.Type != "text" {
			text.Text = m.Message.Type
		}
		lines = append(lines, string(m.From)+": "+text.Text)
	}
	return strings.Join(lines, "\n")
}

// transcript is the transcript of the latest session, one message a line.
func (w *world) transcript() string {
	s := w.state()
	if len(s.Tickets) == 0 {
		return ""
	}
	var lines []string
	for _, e := range s.Entries[s.Tickets[len(s.Tickets)-1].ID] {
		lines = append(lines, e.Author+": "+e.Message.Payload.Text)
	}
	return strings.Join(lines, "\n")
}

// eventually waits until a condition is true, and checks it after each event.
func (w *world) eventually(is func() bool) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 20*time.Second)
	defer cancel()
	watcher, leave := w.view.watch()
	defer leave()
	for !is() {
		select {
		case <-watcher.wake:
			w.view.news(watcher)
		case <-ctx.Done():
			w.t.Fatalf("it never became true. The chat:\n%s\nThe transcript:\n%s", w.chat(), w.transcript())
		}
	}
}

// contains waits until a text contains another.
func (w *world) contains(in func() string, text string) {
	w.t.Helper()
	w.eventually(func() bool { return strings.Contains(in(), text) })
}
