package playground

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/internal/acme"
	"github.com/hitl-go/sdk/internal/chromium"
)

// replay sends a request of the list again, with the headers that the page shows, as its curl command does.
func (w *world) replay(seq uint64, body string) (status int, answer string) {
	w.t.Helper()
	x, ok := w.view.exchange(seq)
	if !ok {
		w.t.Fatalf("there is no request %d", seq)
	}
	r, err := http.NewRequestWithContext(w.t.Context(), x.method, fmt.Sprintf("%s/api/replay/%d", w.url, seq), strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	for _, line := range w.wire.secrets.header(x.header) {
		r.Header.Add(line[0], line[1])
	}
	return w.do(r)
}

func (w *world) row(operation string) row {
	w.t.Helper()
	for _, r := range w.state().Rows {
		if r.Operation == operation {
			return r
		}
	}
	w.t.Fatalf("there is no request %s", operation)
	return row{}
}

// Requests in each direction can be sent again and changed, although the page does not know their secrets.
func TestReplay(t *testing.T) {
	w := newWorld(t)
	w.must("escalate", map[string]any{"title": "Help"})
	w.eventually(func() bool { return w.state().Session.Active })
	w.reports(1)
	w.contains(w.chat, "How can I help?")
	shown := func(r row) string {
		x, _ := w.view.exchange(r.Seq)
		text, missing := w.wire.secrets.body(x.body, x.gone)
		if missing != "" {
			t.Fatal(missing)
		}
		return text
	}

	hook := w.row("webhook")
	if status, answer := w.replay(hook.Seq, strings.Replace(shown(hook), "How can I help?", "Still there?", 1)); status != http.StatusOK {
		t.Errorf("the webhook is answered %d %s", status, answer)
	}
	received := w.row("webhook_received")
	if status, answer := w.replay(received.Seq, shown(received)); status != http.StatusOK {
		t.Errorf("the operation is answered %d %s", status, answer)
	}
	call := w.row("listMessages")
	if status, answer := w.replay(call.Seq, ""); status != http.StatusOK || !strings.Contains(answer, `"messages"`) {
		t.Errorf("the call is answered %d %s", status, answer)
	}
	register := w.row("register")
	if !strings.Contains(shown(register), "webhookUrl") {
		t.Fatalf("register is %s", shown(register))
	}
	if status, answer := w.replay(register.Seq, `{"webhookUrl":"[secret]"}`); status != http.StatusBadRequest || !strings.Contains(answer, "write what is meant") {
		t.Errorf("a body with a hidden secret is answered %d %s", status, answer)
	}
	if status, _ := w.post("replay/999999", nil); status != http.StatusNotFound {
		t.Errorf("a request that is not there is answered %d", status)
	}
}

// The headers of the command are those that are sent: secrets that it names are put in, what it leaves out is left out, and what is
// curl's own is not sent.
func TestReplayHeaders(t *testing.T) {
	p := newPage()
	p.wire.secrets.learn("bp_pat_secret")
	var sent http.Header
	p.resendBy(atDesk, roundTripper(func(r *http.Request) (*http.Response, error) {
		sent = r.Header
		return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
	}))
	was := http.Header{
		"Agent-Key": {"k-1"}, "X-API-Key": {"k-2"}, "Authorization": {"Bearer k-3"}, "X-Two": {"1", "of bp_pat_secret"}, "X-Group": {"a"}, "User-Agent": {"Desk/1"},
		"Content-Length": {"2"}, "Accept-Encoding": {"gzip"},
	}
	seq := p.view.begin(exchange{row: row{From: atIntegration, To: atDesk}, method: http.MethodPost, url: "http://desk.test/", header: was})
	all := "Agent-Key: [secret]|Authorization: Bearer [secret]|User-Agent: Desk/1|X-API-Key: [secret]|X-Group: a|X-Two: 1|X-Two: of [secret]"
	const wrong = "has been changed, and still says [secret]; write what is meant"
	for command, want := range map[string]string{
		all:                                     "Agent-Key: k-1|Authorization: Bearer k-3|User-Agent: Desk/1|X-Api-Key: k-2|X-Group: a|X-Two: 1|X-Two: of bp_pat_secret",
		"X-Group: b|Agent-Key: mine|X-New: new": "Agent-Key: mine|X-Group: b|X-New: new",
		"Accept: */*|User-Agent: curl/8.14.1|Content-Length: 7|Connection: close": "",
		"Accept: text/*|User-Agent: Desk/2":                                       "Accept: text/*|User-Agent: Desk/2",
		"Agent-Key: [secret]-2":                                                   "Agent-Key " + wrong,
		"X-Two: of [secret]":                                                      "X-Two " + wrong,
		"X-New: [secret]":                                                         "X-New " + wrong,
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, fmt.Sprintf("/api/replay/%d", seq), nil)
		for line := range strings.SplitSeq(command, "|") {
			name, value, _ := strings.Cut(line, ": ")
			r.Header.Add(name, value)
		}
		answer := httptest.NewRecorder()
		sent = nil
		p.routes().ServeHTTP(answer, r)
		var lines []string
		for name, values := range sent {
			for _, v := range values {
				lines = append(lines, name+": "+v)
			}
		}
		slices.Sort(lines)
		if got := strings.Join(lines, "|"); answer.Code == http.StatusOK && got != want || answer.Code != http.StatusOK && !strings.Contains(answer.Body.String(), want) {
			t.Errorf("%s is answered %d %s, and sent as %s", command, answer.Code, answer.Body, got)
		}
		if refused := answer.Code == http.StatusBadRequest; refused != strings.Contains(want, wrong) {
			t.Errorf("%s is answered %d", command, answer.Code)
		}
	}
}

// liveWorld is an integration that runs elsewhere, has served one request, and called Botpress and the desk for it.
type liveWorld struct {
	*world

	live       *Live
	authorized []string // What Botpress and the desk were shown as authorization.
	unsigned   []bool   // Which operations came without a signature.
}

func newLiveWorld(t *testing.T) *liveWorld {
	t.Helper()
	w := &liveWorld{}
	other := httptest.NewServer(http.HandlerFunc(func(res http.ResponseWriter, r *http.Request) { // Botpress and the desk.
		body, _ := io.ReadAll(r.Body)
		w.authorized = append(w.authorized, r.Header.Get("Authorization"))
		_, _ = fmt.Fprintf(res, "%s %s", r.URL.Path, body)
	}))
	t.Cleanup(other.Close)
	server, err := acme.NewServer(acme.Definition(true), &acme.Desk{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	integration := httptest.NewUnstartedServer(nil)
	t.Cleanup(integration.Close)
	said := make(line, 1)
	w.live = NewLive(LiveOptions{
		Definition: server.Describe(), URL: "http://" + integration.Listener.Addr().String(), Secrets: []string{"bp_pat_secret"}, Addr: "127.0.0.1:0", Output: said,
	})
	w.world = &world{t: t, http: &http.Client{}, playground: &playground{page: w.live.page}}
	call := func(ctx context.Context, transport http.RoundTripper, path, body string) {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, other.URL+path, strings.NewReader(body))
		if err != nil {
			t.Error(err)
			return
		}
		r.Header.Set("Authorization", "Bearer bp_pat_secret")
		res, err := transport.RoundTrip(r)
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.Copy(io.Discard, res.Body)
		res.Body.Close()
	}
	toBotpress, toDesk := w.live.ToBotpress(nil), w.live.ToDesk(nil)
	integration.Config.Handler = w.live.FromBotpress(http.HandlerFunc(func(res http.ResponseWriter, r *http.Request) {
		w.unsigned = append(w.unsigned, r.Header.Get("X-Bp-Signature") == "")
		call(r.Context(), toBotpress, "/v1/chat/messages", `{"type":"text"}`)
		call(r.Context(), toDesk, "/comments", `{"token":"s3cr3t-of-the-desk"}`)
		_, _ = io.WriteString(res, "{}")
	}))
	integration.Start()

	w.url, _ = runLive(t, w.live, said)

	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, integration.URL, strings.NewReader(`{"type":"startHitl","input":{}}`))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"X-Bp-Operation": "action_triggered", "X-Bp-Signature": "1,x", "Traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		"X-Empty": "", "X-Bp-Configuration": "eyJhcGlVcmwiOiJodHRwczovL2Rlc2suZXhhbXBsZS5jb20iLCJhcGlUb2tlbiI6InMzY3IzdC1vZi10aGUtZGVzayJ9",
	} {
		r.Header.Set(name, value)
	}
	if status, answer := w.do(r); status != http.StatusOK {
		t.Fatalf("the operation is answered %d %s", status, answer)
	}
	return w
}

// runLive serves the page until stop is called or the test ends.
func runLive(t *testing.T, l *Live, said line) (url string, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return strings.TrimSuffix(regexp.MustCompile(`http://\S+`).FindString(<-said), "/"), stop
}

func (w *liveWorld) listed() (all []string) {
	for _, r := range w.view.rows.rows() {
		all = append(all, strings.TrimSpace(fmt.Sprintf("%s>%s %s %s %d %t", r.From, r.To, r.Operation, r.Detail, r.Status, r.Again)))
	}
	return all
}

// What Botpress sends is shown, and what is sent to Botpress and the desk; all of it can be sent again.
func TestLive(t *testing.T) {
	w := newLiveWorld(t)
	want := "[botpress>integration action_triggered startHitl 200 false integration>botpress createMessage text 200 false integration>desk POST /comments 200 false]"
	if got := fmt.Sprint(w.listed()); got != want {
		t.Errorf("the list is\n%s, want\n%s", got, want)
	}
	for seq := uint64(1); seq <= 3; seq++ {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprintf("%s/api/wire/%d", w.url, seq), nil)
		if err != nil {
			t.Fatal(err)
		}
		if status, answer := w.do(r); status != http.StatusOK || strings.Contains(answer, "bp_pat_secret") || strings.Contains(answer, "s3cr3t") {
			t.Errorf("request %d is shown as %d %s", seq, status, answer)
		}
		before := len(w.authorized)
		x, _ := w.view.exchange(seq)
		shown := w.wire.secrets.text(string(x.body))
		status, answer := w.replay(seq, shown)
		if status != http.StatusOK {
			t.Errorf("request %d, sent again, is answered %d %s", seq, status, answer)
		}
		if now := w.authorized[before:]; seq > 1 && (fmt.Sprint(now) != "[Bearer bp_pat_secret]" || !strings.HasSuffix(answer, shown)) {
			t.Errorf("request %d, sent again, arrived as %v; the answer is %s", seq, now, answer)
		}
	}
	if got := w.listed(); len(got) != 8 || got[3] != "botpress>integration action_triggered startHitl 200 true" {
		t.Errorf("after sending all again the list is %q", got)
	}
	if fmt.Sprint(w.unsigned) != "[false true]" {
		t.Errorf("unsigned: %v; an old signature must not be sent again", w.unsigned)
	}
	withoutKey, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.url[:strings.LastIndex(w.url, "/")]+"/api/about", nil)
	if err != nil {
		t.Fatal(err)
	}
	if status, _ := w.do(withoutKey); status != http.StatusNotFound {
		t.Errorf("without its key the page is answered %d", status)
	}
}

func TestLiveInBrowser(t *testing.T) {
	w := newLiveWorld(t)
	v := visit(t, w.url+"/")
	v.Sees("played", "Live")
	v.Sees("wire-count", "3 in all")
	v.Sees("rows", "createMessage")
	v.Clicks("#rows [role=option]")
	v.Sees("detail", "startHitl")
	var shown struct{ Chat, Faults int }
	v.Eval(`({chat: document.getElementById("chat").offsetHeight, faults: document.querySelector(".faults").offsetHeight})`, &shown)
	if shown.Chat != 0 || shown.Faults != 0 {
		t.Errorf("the simulation is shown: %+v", shown)
	}
	var command string
	v.Eval(`(async () => {
		navigator.clipboard.writeText = async (text) => { window.copied = text; };
		[...document.querySelectorAll("#detail button")].find((b) => b.textContent === "Copy as curl").click();
		return window.copied;
	})()`, &command)
	output, err := exec.CommandContext(t.Context(), "sh", "-c", strings.Replace(command, "curl ", "curl -sS ", 1)).CombinedOutput()
	if err != nil || string(output) != "{}" {
		t.Errorf("the command says %q, %v:\n%s", output, err, command)
	}
	v.Sees("wire-count", "6 in all")
	first, _ := w.view.exchange(1)
	again, _ := w.view.exchange(4)
	first.header.Del("X-Bp-Signature") // It is of another time.
	for _, header := range []http.Header{first.header, again.header} {
		header.Del("User-Agent") // The page's server is another client.
	}
	if !maps.EqualFunc(first.header, again.header, slices.Equal) {
		t.Errorf("%v is sent again as %v:\n%s", first.header, again.header, command)
	}
	v.Picture("live")
	v.Shows(chromium.Screen{Width: 390, Height: 844, Phone: true})
	v.Picture("live-phone")
	for _, problem := range v.Complaints(w.url[:strings.LastIndex(w.url, "/")]) {
		t.Error(problem)
	}
}

// The page of a run that has ended cannot connect to the next one, whose address has another key.
func TestLiveThatHasEndedInBrowser(t *testing.T) {
	run := func(addr string) (string, func()) {
		said := make(line, 1)
		return runLive(t, NewLive(LiveOptions{
			Definition: botpress.CreateIntegrationParams{Name: "acme", Version: "1.0.0"}, Addr: addr, Output: said,
		}), said)
	}
	url, stop := run("127.0.0.1:0")
	v := visit(t, url+"/")
	v.Finds(`document.getElementById("link").textContent === "live"`)
	stop()
	v.Sees("link", "connecting again…")
	run(strings.Split(url, "/")[2])
	v.SeesWithin(20*time.Second, "link", "ended: open the address in your terminal")
	v.Picture("ended")
	v.Shows(chromium.Screen{Width: 390, Height: 844, Phone: true})
	v.Finds(`document.getElementById("link").offsetHeight > 0 && document.documentElement.scrollWidth <= innerWidth`)
	v.Picture("ended-phone")
}

// line receives what is written.
type line chan string

func (l line) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}
