package main

import (
	"bytes"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/botpress/botpresstest"
	"github.com/hitl-go/sdk/examples/requesttracker/rttest"
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/message"
	"github.com/hitl-go/sdk/message/media"
)

//go:embed botpress.initialdata
var initialdata []byte

const (
	signingSecret = "c2VjcmV0LW9mLXRoZS10ZXN0cy1vZi1oaXRsLWdv" // Botpress and the adapter have it
	rtSecret      = "RT and the adapter have it"
)

// world is a real RT, a Botpress in memory, and the adapter between them.
type world struct {
	t       *testing.T
	rt      *rttest.Server
	cloud   *botpresstest.Server
	in      *botpresstest.Installation
	files   *fileServer
	config  Config
	adapter atomic.Pointer[hitl.Server] // nil while it is down
	answers chan int                    // how the adapter has answered RT's notifications: the status, or 0 while it was down
}

// newWorld skips the test where RT is not installed.
func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, answers: make(chan int, 100)}
	w.startRT(initialdata)
	w.files = newFileServer(t)
	w.cloud = botpresstest.NewServer(&botpresstest.Options{
		Middleware: w.files.middleware,
		Plugin:     botpresstest.PluginConfig{Farewell: botpresstest.FarewellFirst},
	})
	t.Cleanup(w.cloud.Close)
	w.up()
	adapter := httptest.NewServer(http.HandlerFunc(w.serve))
	t.Cleanup(adapter.Close)

	body, err := json.Marshal(w.adapter.Load().Describe())
	if err != nil {
		t.Fatal(err)
	}
	spec, err := botpresstest.FromDefinition(body)
	if err != nil {
		t.Fatal(err)
	}
	spec.URL, spec.SigningSecret, spec.Configuration = adapter.URL, signingSecret, w.config
	if w.in, err = w.cloud.Install(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	return w
}

// startRT skips the test unless HITL_RT asks for it: RT takes its time.
func (w *world) startRT(data []byte) {
	w.t.Helper()
	if os.Getenv("HITL_RT") == "" {
		w.t.Skip("to run this test against a real Request Tracker, install it, as root, and set HITL_RT=1: " + rttest.Install)
	}
	if err := rttest.Missing(); err != nil {
		w.t.Fatal(err)
	}
	var err error
	w.rt, err = rttest.Start(w.t.Context(), w.t.TempDir(), "Set($BotpressSecret, '"+rtSecret+"');")
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if strings.Contains(w.rt.Log(), "at (eval") {
			w.t.Error("Perl warns of the scrip")
		}
		if w.t.Failed() {
			w.t.Logf("RT's log:\n%s", w.rt.Log())
		}
		if err := w.rt.Stop(); err != nil {
			w.t.Error(err)
		}
	})
	out, err := w.rt.Insert(w.t.Context(), data, "BOTPRESS_QUEUE="+rttest.Queue)
	if err != nil {
		w.t.Fatal(err)
	}
	token := regexp.MustCompile(`(?m)^token: (.+)$`).FindStringSubmatch(out)
	if token == nil {
		w.t.Fatalf("botpress.initialdata printed no token:\n%s", out)
	}
	w.config = Config{URL: w.rt.URL, Token: botpress.Secret(token[1]), Queue: rttest.Queue, Secret: rtSecret}
}

// up starts the adapter, which remembers nothing of an earlier life.
func (w *world) up() {
	w.t.Helper()
	server, err := hitl.NewServer(definition, connector(&media.Options{AllowPrivate: true}), &hitl.Options{
		Botpress:        botpress.Options{BaseURL: w.cloud.URL, Token: w.cloud.Token},
		Secrets:         []string{signingSecret},
		ActivationDelay: time.Millisecond, // the plugin in memory needs none
		Logger:          slog.New(slog.NewTextHandler(w.t.Output(), nil)),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.adapter.Store(server)
}

func (w *world) down() { w.adapter.Store(nil) }

// serve is the adapter's port.
func (w *world) serve(rw http.ResponseWriter, r *http.Request) {
	server, answer := w.adapter.Load(), &statusWriter{ResponseWriter: rw}
	if server != nil {
		server.ServeHTTP(answer, r)
	}
	if r.Header.Get("X-Bp-Operation") == "webhook_received" {
		w.answers <- answer.status
	}
	if server == nil {
		panic(http.ErrAbortHandler) // the connection breaks, as to a process that is gone
	}
}

// statusWriter remembers the status.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *world) settle() {
	w.t.Helper()
	if err := w.cloud.Settle(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// escalate hands a new end user over, who has said something before.
func (w *world) escalate(p botpresstest.Profile, said string, e botpresstest.Escalation) *botpresstest.EndUser {
	w.t.Helper()
	u := w.in.NewEndUser(p)
	w.say(u, message.Text{Text: said})
	if err := u.Escalate(w.t.Context(), e); err != nil {
		w.t.Fatal(err)
	}
	w.settle()
	return u
}

func (w *world) say(u *botpresstest.EndUser, m message.Message) {
	w.t.Helper()
	if err := u.Say(w.t.Context(), m); err != nil {
		w.t.Fatal(err)
	}
	w.settle()
}

func (w *world) end(u *botpresstest.EndUser) {
	w.t.Helper()
	if err := u.End(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	w.settle()
}

// shown is what the end user was shown, as lines.
func shown(u *botpresstest.EndUser) []string {
	var lines []string
	for _, m := range u.Received() {
		who := string(m.From)
		if m.Name != "" {
			who = m.Name
		}
		for item := range message.Flatten(m.Message) {
			lines = append(lines, who+": "+message.PlainText(item))
		}
	}
	return lines
}

// heard waits until the adapter has heard of what somebody just did in RT, and all that follows has happened.
func (w *world) heard() {
	w.t.Helper()
	for status := <-w.answers; status != http.StatusOK; status = <-w.answers {
		if status != http.StatusServiceUnavailable { // RT has not committed yet, and calls again
			w.t.Fatalf("the adapter answered RT's notification with %d", status)
		}
	}
	w.settle()
}

// unheard waits until RT has called in vain for the last time.
func (w *world) unheard() {
	w.t.Helper()
	for range 3 {
		if status := <-w.answers; status != 0 {
			w.t.Fatalf("the adapter, which should have been down, answered RT's notification with %d", status)
		}
	}
}

// notifyAgain repeats RT's last notification, and returns the answer's status.
func (w *world) notifyAgain() int {
	w.t.Helper()
	calls := w.cloud.Calls()
	slices.Reverse(calls)
	i := slices.IndexFunc(calls, func(c botpresstest.Call) bool { return c.Operation == "webhook_received" })
	if i < 0 {
		w.t.Fatal("RT has sent no notification yet")
	}
	var operation struct {
		Req struct {
			Body    string            `json:"body"`
			Headers map[string]string `json:"headers"`
		} `json:"req"`
	}
	if err := json.Unmarshal(calls[i].Request, &operation); err != nil {
		w.t.Fatal(err)
	}
	return w.notify(operation.Req.Body, operation.Req.Headers["x-rt-timestamp"], operation.Req.Headers["x-rt-signature"])
}

func (w *world) notify(body, timestamp, signature string) int {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.in.WebhookURL, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("X-RT-Timestamp", timestamp)
	r.Header.Set("X-RT-Signature", signature)
	status, _ := do(w.t, r)
	<-w.answers
	w.settle()
	return status
}

// agent does something over RT's API as a human agent, or as root.
func (w *world) agent(name, method, path string, body fields) {
	w.t.Helper()
	data, err := json.Marshal(body)
	if err != nil {
		w.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.rt.URL+"/REST/2.0"+path, bytes.NewReader(data))
	if err != nil {
		w.t.Fatal(err)
	}
	r.SetBasicAuth(name, name+"-secret")
	r.Header.Set("Content-Type", "application/json")
	if status, answer := do(w.t, r); status >= http.StatusMultipleChoices {
		w.t.Fatalf("RT answered %s's %s %s with %d: %s", name, method, path, status, answer)
	}
}

// browse fills in a form of RT's web pages as a human agent. RT commits what is done there later than what the API does.
func (w *world) browse(name, page string, form url.Values) {
	w.t.Helper()
	form.Set("user", name)
	form.Set("pass", name+"-secret")
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.rt.URL+page, strings.NewReader(form.Encode()))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Referer", w.rt.URL+"/")
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusFound {
		w.t.Fatalf("RT answered %s's POST %s with %s", name, page, res.Status)
	}
}

func do(t *testing.T, r *http.Request) (int, []byte) {
	t.Helper()
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, body
}

// read asks RT as its administrator, without the adapter's own client.
func (w *world) read(path string, query url.Values) map[string]any {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, w.rt.URL+"/REST/2.0"+path+"?"+query.Encode(), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	r.SetBasicAuth("root", "root-secret")
	status, body := do(w.t, r)
	var v map[string]any
	if err := json.Unmarshal(body, &v); err != nil || status != http.StatusOK {
		w.t.Fatalf("RT answered GET %s with %d: %s", path, status, body)
	}
	return v
}

// stored is all that RT has of a ticket, as lines.
func (w *world) stored(id string) []string {
	w.t.Helper()
	t := w.read("/ticket/"+id, nil)
	requestor := w.requestor(id)
	u := w.read("/user/"+requestor, nil)
	lines := []string{
		fmt.Sprintf("%s: %s, owner %s, priority %s", t["Subject"], t["Status"], t["Owner"].(map[string]any)["id"], t["Priority"]),
		fmt.Sprintf("for %s: %s <%v>, privileged %v", requestor, u["RealName"], u["EmailAddress"], u["Privileged"]),
	}
	for _, t := range w.history(id) {
		who := t["Creator"].(map[string]any)["id"].(string)
		switch t["Type"] {
		case "Create", "Correspond", "Comment":
			lines = append(lines, fmt.Sprintf("%s %s:", who, t["Type"]))
			for _, a := range w.attachments(t["id"].(string)) {
				lines = append(lines, strings.TrimRight(fmt.Sprintf("  %s %q %s", a.contentType, a.content, a.name), " "))
			}
		case "Status":
			lines = append(lines, fmt.Sprintf("%s %s: %s to %s", who, t["Type"], t["OldValue"], t["NewValue"]))
		case "Set":
			lines = append(lines, fmt.Sprintf("%s %s %s: %s to %s", who, t["Type"], t["Field"], w.name(t["OldValue"]), w.name(t["NewValue"])))
		}
	}
	return lines
}

func (w *world) requestor(ticket string) string {
	w.t.Helper()
	return w.read("/ticket/"+ticket, nil)["Requestor"].([]any)[0].(map[string]any)["id"].(string)
}

func (w *world) name(user any) string {
	w.t.Helper()
	return w.read("/user/"+user.(string), nil)["Name"].(string)
}

// history is all transactions of a ticket.
func (w *world) history(ticket string) []map[string]any {
	w.t.Helper()
	return w.items("/ticket/"+ticket+"/history", "Type,Field,OldValue,NewValue,Creator")
}

func (w *world) items(path, fields string) (items []map[string]any) {
	w.t.Helper()
	for _, item := range w.read(path, url.Values{"fields": {fields}, "per_page": {"100"}})["items"].([]any) {
		items = append(items, item.(map[string]any))
	}
	return items
}

// attachments are those of a transaction that have a content.
func (w *world) attachments(transaction string) (all []file) {
	w.t.Helper()
	for _, item := range w.items("/transaction/"+transaction+"/attachments", "Filename") {
		a := w.read("/attachment/"+item["id"].(string), nil)
		encoded, _ := a["Content"].(string)
		content, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			w.t.Fatal(err)
		}
		if len(content) > 0 {
			name, _ := a["Filename"].(string)
			all = append(all, file{name, a["ContentType"].(string), content})
		}
	}
	return all
}

// fileServer is where files are: those that end users send, and those that an integration uploads to Botpress.
type fileServer struct {
	url   string
	mu    sync.Mutex
	files map[string]file
}

type file struct {
	name, contentType string
	content           []byte
}

func newFileServer(t *testing.T) *fileServer {
	t.Helper()
	s := &fileServer{files: map[string]file{}}
	server := httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

func (s *fileServer) put(path, contentType string, content []byte) (address string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[path] = file{path, contentType, content}
	return s.url + path
}

func (s *fileServer) get(path string) (file, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, ok := s.files[path]
	return f, ok
}

func (s *fileServer) serve(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPut {
		content, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		s.put(r.URL.Path, r.Header.Get("Content-Type"), content)
		return
	}
	f, ok := s.get(r.URL.Path)
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", f.contentType)
	_, _ = w.Write(f.content)
}

// middleware adds Botpress' files to the cloud in memory, which has none.
func (s *fileServer) middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPut || r.URL.Path != "/v1/files" {
			next.ServeHTTP(w, r)
			return
		}
		var f struct {
			ID          string `json:"id"`
			Key         string `json:"key"`
			ContentType string `json:"contentType"`
			URL         string `json:"url"`
			UploadURL   string `json:"uploadUrl"`
		}
		if err := json.NewDecoder(r.Body).Decode(&f); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		f.ID, f.URL = "file_1", s.url+"/botpress/"+f.Key
		f.UploadURL = f.URL
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"file": f})
	})
}
