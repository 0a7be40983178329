package playground

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/hitl-go/sdk/internal/proxy"
	"github.com/hitl-go/sdk/internal/schema"
	"github.com/hitl-go/sdk/message"
)

// Requests of other sites and with other host names are rejected.
func TestGuard(t *testing.T) {
	w := newWorld(t)
	host := strings.TrimPrefix(w.url, "http://")
	_, port, _ := strings.Cut(host, ":")
	const order = `{"type": "text", "payload": {"text": "hello"}}`
	for _, tt := range []struct {
		name, method, path, host string
		header                   map[string]string
		want                     int
	}{
		{"the page", "GET", "/", host, nil, 200},
		{"the page, as localhost", "GET", "/", "localhost:" + port, nil, 200},
		{"the page, through a tunnel", "GET", "/", "localhost:9999", nil, 200},
		{"the page, by a name that points here", "GET", "/", "evil.example:" + port, nil, 421},
		{"events, by a name that points here", "GET", "/api/about", "evil.example", nil, 421},
		{"a name that looks like an address", "GET", "/", "127.0.0.1.evil.example", nil, 421},
		{"a command", "POST", "/api/say", host, nil, 204},
		{"a command of the page", "POST", "/api/say", host, map[string]string{"Origin": w.url, "Sec-Fetch-Site": "same-origin"}, 204},
		{"a command of another site", "POST", "/api/say", host, map[string]string{"Origin": "https://evil.example"}, 403},
		{"a command of another port", "POST", "/api/say", host, map[string]string{"Origin": "http://127.0.0.1:1"}, 403},
		{"a command of a page without an origin", "POST", "/api/say", host, map[string]string{"Origin": "null"}, 403},
		{"a command that the browser calls foreign", "POST", "/api/say", host, map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
		{"a command by a name that points here", "POST", "/api/say", "evil.example", map[string]string{"Origin": "http://evil.example"}, 421},
		{"a command as a form sends it", "POST", "/api/say", host, map[string]string{"Content-Type": "text/plain"}, 415},
		{"something read by another site", "GET", "/api/about", host, map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
		{"a link on another site", "GET", "/", host, map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, 200},
		{"a command in the address", "GET", "/api/say", host, nil, 404},
		{"a folder", "GET", "/..%2fpage.go", host, nil, 404},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var body io.Reader
			if tt.method == http.MethodPost {
				body = strings.NewReader(order)
			}
			r, err := http.NewRequestWithContext(t.Context(), tt.method, w.url+tt.path, body)
			if err != nil {
				t.Fatal(err)
			}
			r.Host = tt.host
			r.Header.Set("Content-Type", "application/json")
			for name, value := range tt.header {
				r.Header.Set(name, value)
			}
			res, err := w.http.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			if res.StatusCode != tt.want {
				t.Errorf("the answer is %s", res.Status)
			}
			policy := res.Header.Get("Content-Security-Policy")
			if !strings.HasPrefix(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
				t.Errorf("the content security policy is %q", policy)
			}
		})
	}
}

// The page says that it is a simulation, and loads nothing from other hosts.
func TestAssets(t *testing.T) {
	w := newWorld(t)
	for path, kind := range map[string]string{
		"": "text/html", "style.css": "text/css", "app.js": "text/javascript", "wire.js": "text/javascript", "icon.svg": "image/svg+xml",
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.url+"/"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := w.http.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != http.StatusOK || !strings.HasPrefix(res.Header.Get("Content-Type"), kind) {
			t.Errorf("%q is answered %s as %s, %v", path, res.Status, res.Header.Get("Content-Type"), err)
		}
		if path == "" && !strings.Contains(string(body), "Simulation") {
			t.Error("the page does not say that it is a simulation")
		}
		for _, outside := range []string{`src="http`, `href="http`, "url(http", "@import", "innerHTML", "outerHTML", "insertAdjacent", "document.write"} {
			if strings.Contains(string(body), outside) {
				t.Errorf("%q has %s", path, outside)
			}
		}
	}
}

// A page receives the whole state, and then the changes.
func TestEvents(t *testing.T) {
	w := newWorld(t)
	w.says("Show me a card")
	w.contains(w.chat, "bot: card")
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.url+"/api/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := w.http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if kind := res.Header.Get("Content-Type"); kind != "text/event-stream" {
		t.Fatalf("the events are %s", kind)
	}
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, 1<<20)
	next := func(event string) (data string) {
		t.Helper()
		for lines.Scan() {
			if lines.Text() == "event: "+event && lines.Scan() {
				return strings.TrimPrefix(lines.Text(), "data: ")
			}
		}
		t.Fatalf("no event %s has come: %v", event, lines.Err())
		return ""
	}
	if data := next("state"); !strings.Contains(data, "Show me a card") || !strings.Contains(data, `"operation":"register"`) {
		t.Errorf("the state is %s", data)
	}
	w.says("Line one\nline two\r\nevent: nonsense \u2028")
	if data := next("chat"); !strings.Contains(data, `Line one\nline two\r\nevent: nonsense`) {
		t.Errorf("the message is %s", data)
	}
	w.must("faults", map[string]any{"name": faultSlow, "on": true})
	if data := next("faults"); !strings.Contains(data, `"slow":true`) {
		t.Errorf("the faults are %s", data)
	}
	w.must("restart", map[string]any{})
	if data := next("restart"); !strings.Contains(data, "Omar Haddad") {
		t.Errorf("the next one is %s", data)
	}
}

// The page shows requests in full, with the secrets redacted.
func TestSecrets(t *testing.T) {
	w := newWorld(t)
	w.must("escalate", map[string]any{"title": "Help"})
	w.eventually(func() bool { return w.state().Session.Active })
	w.reports(1)
	w.contains(w.chat, "How can I help?")
	for _, row := range w.state().Rows {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprintf("%s/api/wire/%d", w.url, row.Seq), nil)
		if err != nil {
			t.Fatal(err)
		}
		status, answer := w.do(r)
		if status != http.StatusOK {
			t.Fatalf("request %d is answered %d %s", row.Seq, status, answer)
		}
		x, _ := w.view.exchange(row.Seq)
		for _, secret := range []string{apiToken, w.cloud.Token, w.in.SigningSecret, x.header.Get("X-Bp-Signature"), x.header.Get("X-Bp-Configuration")} {
			if secret != "" && strings.Contains(answer, secret) {
				t.Errorf("%s %s shows a secret: %s", row.Operation, row.Detail, answer)
			}
		}
		if !strings.Contains(answer, `"method":"`+x.method+`"`) {
			t.Errorf("%s %s is shown as %s", row.Operation, row.Detail, answer)
		}
	}
}

// What is no secret can be read, next to one that is: the desk's address, for instance.
func TestDeskIsReadable(t *testing.T) {
	w := newWorld(t)
	const desk = "https://desk.example.com"
	w.must("webhook", map[string]any{
		"path": "/tickets/" + apiToken + "?from=" + desk, "body": `{"type": "unknown", "url": "` + desk + `", "key": "` + apiToken + `"}`,
	})
	rows := w.state().Rows
	for _, row := range rows[len(rows)-2:] {
		if strings.Contains(row.Detail, apiToken) {
			t.Errorf("the list shows %s", row.Detail)
		}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprintf("%s/api/wire/%d", w.url, row.Seq), nil)
		if err != nil {
			t.Fatal(err)
		}
		_, answer := w.do(r)
		if strings.Contains(answer, apiToken) || !strings.Contains(answer, "/tickets/[secret]") || strings.Count(answer, desk) < 2 {
			t.Errorf("%s %s is shown as %s", row.Operation, row.Detail, answer)
		}
	}
}

func TestSecretsInBodies(t *testing.T) {
	var s secrets
	s.learn(schema.Secrets(
		json.RawMessage(`{"properties": {"password": {"x-zui": {"secret": true}}}}`),
		json.RawMessage(`{"url": "https://jane:pa55word@desk.example.com", "password": "pass\"word", "id": 12345678, "level": "high"}`))...)
	s.learn("bp_pat_secret")
	for body, want := range map[string]string{
		`{"signing_secret": {"secret": "abc"}, "nextToken": "page2"}`:                                      `{"signing_secret": {"secret": "[secret]"}, "nextToken": "page2"}`,
		`{"level": "high", "said": "my pass\"word"}`:                                                       `{"level": "high", "said": "my [secret]"}`,
		`{"body": "{\"api_token\": \"abc\"}"}`:                                                             `{"body": "{\"api_token\": \"[secret]\"}"}`,
		`{"headers": {"x-desk-signature": "v1=abc", "x-id": "7"}}`:                                         `{"headers": {"x-desk-signature": "[secret]", "x-id": "7"}}`,
		`Bearer bp_pat_secret`:                                                                             `Bearer [secret]`,
		`Basic YnBfcGF0X3NlY3JldDp4`:                                                                       `Basic [secret]p4`,
		`{"url": "https://jane:pa55word@desk.example.com/12345678"}`:                                       `{"url": "https://jane:[secret]@desk.example.com/12345678"}`,
		`grant_type=refresh_token&refresh_token=abc&client_secret=d%20e&scope=read`:                        `grant_type=refresh_token&refresh_token=[secret]&client_secret=[secret]&scope=read`,
		`{"refresh_token": "abc", "token_type": "bearer"}`:                                                 `{"refresh_token": "[secret]", "token_type": "bearer"}`,
		`{"query": "code=abc&state=wh.d.e"}`:                                                               `{"query": "code=[secret]&state=[secret]"}`,
		`grant_type=authorization_code&code=abc&code_verifier=d-e`:                                         `grant_type=authorization_code&code=[secret]&code_verifier=[secret]`,
		`{"grants": {"a": {"token": {"access_token": "b", "refresh_token": "c"}}}, "signing_secret": "d"}`: `{"grants": {"a": {"token": {"access_token": "[secret]", "refresh_token": "[secret]"}}}, "signing_secret": "[secret]"}`,
		`https://desk.example.com/?access_token=abc&nextToken=page2#top`:                                   `https://desk.example.com/?access_token=[secret]&nextToken=page2#top`,

		`{"headers": {"agent-key": "a\"}b", "x-gitlab-token": "c", "x-api-key":"d", "idempotency-key": "e"}, "group-key": "f"}`: `{"headers": {"agent-key": "[secret]", "x-gitlab-token": "[secret]", "x-api-key":"[secret]", "idempotency-key": "e"}, "group-key": "f"}`,
		`{"private_key": "a", "key": "b", "project_key": "c"}`:                                                                  `{"private_key": "[secret]", "key": "b", "project_key": "c"}`,
		`{"query": "from=mail\u0026code=abc\u0026page=2", "body": "a\\u0026b"}`:                                                 `{"query": "from=mail\u0026code=[secret]\u0026page=2", "body": "a\\u0026b"}`,
		`{"body": "a=1\u0026client_secret=b\u00e9c"}`:                                                                           `{"body": "a=1\u0026client_secret=[secret]"}`,
		`{"body": "{\"url\": \"https://desk.example.com/?access_token=abc\"}"}`:                                                 `{"body": "{\"url\": \"https://desk.example.com/?access_token=[secret]\"}"}`,
		`{"a": 1}`: `{"a": 1}`,
	} {
		if got, missing := s.body([]byte(body), false); got != want || missing != "" {
			t.Errorf("%s is shown as %s (%s)", body, got, missing)
		}
	}
	for _, body := range []string{strings.Repeat("a", maxBody+1), "\xff\xfe"} {
		if got, missing := s.body([]byte(body), false); got != "" || missing == "" {
			t.Errorf("%.10q… is shown as %.10q…", body, got)
		}
	}
	h := http.Header{
		"Authorization": {"Basic YTpi"}, "X-Hub-Signature": {"sha1=abc"}, "Set-Cookie": {"a=b"}, "X-Api-Key": {"k"}, "Content-Type": {"text/plain"},
		"Private-Token": {"t"}, "Agent-Key": {"k"}, "Idempotency-Key": {"7"}, "Location": {"https://desk.example.com/bp_pat_secret"},
	}
	want := "[[Agent-Key [secret]] [Authorization Basic [secret]] [Content-Type text/plain] [Idempotency-Key 7] [Location https://desk.example.com/[secret]] [Private-Token [secret]] [Set-Cookie [secret]] " +
		"[X-Api-Key [secret]] [X-Hub-Signature [secret]]]"
	if got := fmt.Sprint(s.header(h)); got != want {
		t.Errorf("the header is shown as %s", got)
	}
}

// A webhook of the list can be redelivered unchanged; other requests cannot.
func TestAgain(t *testing.T) {
	w := newWorld(t)
	w.must("escalate", map[string]any{"title": "Help"})
	w.eventually(func() bool { return w.state().Session.Active })
	w.reports(1)
	w.contains(w.chat, "How can I help?")
	var hook, other row
	for _, r := range w.state().Rows {
		if r.Operation == "webhook" {
			hook = r
		} else {
			other = r
		}
	}
	w.must("again", map[string]any{"seq": hook.Seq})
	first, _ := w.view.exchange(hook.Seq)
	rows := w.state().Rows
	for _, r := range rows[hook.Seq:] {
		if r.Operation != "webhook" {
			continue
		}
		x, _ := w.view.exchange(r.Seq)
		if string(x.body) != string(first.body) || x.Status != http.StatusOK || x.url != first.url {
			t.Errorf("it was sent as %s %s, and answered %d", x.url, x.body, x.Status)
		}
		hook = r
	}
	if hook.Seq == first.Seq {
		t.Error("it was not sent again")
	}
	if n := strings.Count(w.chat(), "How can I help?"); n != 1 {
		t.Errorf("the end user was told %d times", n)
	}
	for _, seq := range []uint64{0, other.Seq, 1 << 40} {
		if status, answer := w.post("again", map[string]any{"seq": seq}); status != http.StatusBadRequest {
			t.Errorf("request %d: %d %s", seq, status, answer)
		}
	}
}

// A webhook reaches the integration with the method, the path and the query of its form.
func TestWebhookByHand(t *testing.T) {
	w := newWorld(t)
	w.must("webhook", map[string]any{"method": "GET", "path": "/tickets?open=1", "header": map[string]string{"X-Test": "yes"}})
	rows := w.state().Rows
	var seen []string
	for _, r := range rows[len(rows)-2:] {
		x, _ := w.view.exchange(r.Seq)
		seen = append(seen, fmt.Sprintf("%s→%s %s %s %d", r.From, r.To, r.Operation, r.Detail, r.Status))
		if r.Operation == "webhook" && x.header.Get("X-Test") != "yes" {
			t.Errorf("the header is %v", x.header)
		}
	}
	want := "desk→botpress webhook GET /tickets?open=1 200, botpress→integration webhook_received GET /tickets 200"
	if got := strings.Join(seen, ", "); got != want {
		t.Errorf("the wire has %s", got)
	}
}

// The placeholders of a webhook are escaped as the place where they stand wants it.
func TestPlaceholders(t *testing.T) {
	const id = `<a+b@x.com> "7"&c/é`
	const asJSON, asForm = `<a+b@x.com> \"7\"&c/é`, "%3Ca%2Bb%40x.com%3E+%227%22%26c%2F%C3%A9"
	w := newWorld(t, func(o *Options) { o.Desk = slowDesk{} })
	send := func(webhook map[string]any) exchange {
		t.Helper()
		webhook["ticket"] = id
		w.must("webhook", webhook)
		rows := w.state().Rows
		x, _ := w.view.exchange(rows[len(rows)-2].Seq) // The integration's is the last one.
		return x
	}
	for kind, want := range map[string]string{
		"": asJSON, "application/json": asJSON, "Application/Desk+JSON; charset=utf-8": asJSON, "application/x-www-form-urlencoded": asForm,
		"application/xml": "&lt;a+b@x.com&gt; &#34;7&#34;&amp;c/é", "image/svg+xml": "&lt;a+b@x.com&gt; &#34;7&#34;&amp;c/é", "text/plain": id,
	} {
		header := map[string]string{"X-Id": "id {{session}}"}
		if kind != "" {
			header["Content-Type"] = kind
		}
		x := send(map[string]any{"header": header, "body": "{{session}}."})
		if string(x.body) != want+"." {
			t.Errorf("in a body of the type %q it is %s, want %s", kind, x.body, want)
		}
		if got := x.header.Get("X-Id"); got != "id "+id {
			t.Errorf("in a header it is %s", got)
		}
	}
	x := send(map[string]any{"path": "/of/{{session}}?id={{session}}&new={{new}}", "header": map[string]string{"X-New": "{{new}}"}})
	_, path, _ := strings.Cut(x.url, "/of/")
	if want := "%3Ca+b@x.com%3E%20%227%22&c%2F%C3%A9?id=" + asForm + "&new=" + x.header.Get("X-New"); path != want {
		t.Errorf("the path is %s, want %s", path, want)
	}
}

// A picture of a desk on this computer is served by the page, and nothing else is.
func TestPicture(t *testing.T) {
	w := newWorld(t)
	desk := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/picture":
			w.Header().Set("Content-Type", "image/png")
		case "/elsewhere":
			http.Redirect(w, r, "https://desk.example.com/picture", http.StatusFound)
			return
		case "/gone":
			w.Header().Set("Content-Type", "image/png")
			w.WriteHeader(http.StatusNotFound)
		default:
			w.Header().Set("Content-Type", "application/octet-stream")
		}
		_, _ = io.WriteString(w, "lines and colours")
	}))
	defer desk.Close()
	for name, tt := range map[string]struct {
		url, name string
		status    int
		kind      string
	}{
		"a picture":                   {desk.URL + "/picture", "", 200, "image/png"},
		"one that only its name says": {desk.URL + "/file", "Door.SVG", 200, "image/svg+xml"},
		"a file":                      {desk.URL + "/file", "door.html", 502, "application/json"},
		"none":                        {desk.URL + "/gone", "door.png", 502, "application/json"},
		"one that is elsewhere":       {desk.URL + "/elsewhere", "door.png", 502, "application/json"},
		"another computer's":          {"https://desk.example.com/picture", "door.png", 400, "application/json"},
		"a file of this computer":     {"file://localhost/door.png", "door.png", 400, "application/json"},
	} {
		t.Run(name, func(t *testing.T) {
			query := url.Values{"url": {tt.url}, "name": {tt.name}}.Encode()
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.url+"/api/picture?"+query, nil)
			if err != nil {
				t.Fatal(err)
			}
			res, err := w.http.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			body, err := io.ReadAll(res.Body)
			if kind := res.Header.Get("Content-Type"); err != nil || res.StatusCode != tt.status || kind != tt.kind ||
				(string(body) == "lines and colours") != (tt.status == http.StatusOK) {
				t.Errorf("it is answered %s as %s: %s, %v", res.Status, kind, body, err)
			}
		})
	}
}

// The memory is bounded, and a page that is too slow receives the whole state again.
func TestBounds(t *testing.T) {
	v := newView()
	v.clearChat(session{UserID: "user"})
	watcher, leave := v.watch()
	defer leave()
	v.news(watcher)
	body := make([]byte, maxBody)
	const rows, messages = maxRows + 500, maxMessages + 200
	for range rows {
		seq := v.begin(exchange{body: body})
		v.end(seq, outcome{status: http.StatusOK, body: body})
	}
	v.setTicket(Ticket{ID: "1"})
	for i := range messages {
		m := message.Text{Text: fmt.Sprintf("message %d", i)}
		v.addChat("user", chatMessage{From: EndUser, Message: message.Envelope{Message: m}, At: time.Now()})
		v.addEntries("1", i, []Entry{{Author: "Jane", Message: m, At: time.Now()}})
	}
	for i := range maxTickets + 5 {
		v.setTicket(Ticket{ID: fmt.Sprintf("more-%d", i)})
	}
	if n := len(watcher.pending); n > maxPending {
		t.Errorf("%d events wait for a page", n)
	}
	news := v.news(watcher)
	if len(news) != 1 || !strings.HasPrefix(string(news[0]), "event: state\n") {
		t.Fatalf("the page is told %d events", len(news))
	}
	if n := len(v.chat); n != maxMessages {
		t.Errorf("the chat has %d messages", n)
	}
	if n := len(v.tickets); n != maxTickets {
		t.Errorf("there are %d tickets", n)
	}
	if v.rows.kept > maxKept {
		t.Errorf("%d bytes of bodies are kept", v.rows.kept)
	}
	kept := 0
	shown := v.rows.rows()
	for i, r := range shown {
		if want := uint64(rows - maxRows + i + 1); r.Seq != want || !r.Done {
			t.Fatalf("row %d is %+v", i, r)
		}
		x, ok := v.exchange(r.Seq)
		if !ok || x.gone != (x.body == nil) {
			t.Fatalf("row %d is %v", r.Seq, x.gone)
		}
		kept += x.size()
	}
	if len(shown) != maxRows || kept != v.rows.kept {
		t.Errorf("%d rows hold %d bytes, and are said to hold %d", len(shown), kept, v.rows.kept)
	}
	if _, ok := v.exchange(1); ok {
		t.Error("the first row is still there")
	}
	if x, _ := v.exchange(rows); x.size() != 2*maxBody {
		t.Error("the last row has lost its bodies")
	}
}

// Overwritten bodies no longer count.
func TestRing(t *testing.T) {
	v := newView()
	v.rows = newRing(3)
	for range 10 {
		v.end(v.begin(exchange{body: make([]byte, 5)}), outcome{body: make([]byte, 7)})
	}
	if v.rows.kept != 3*12 {
		t.Errorf("%d bytes are said to be kept", v.rows.kept)
	}
	var shown []uint64
	for _, r := range v.rows.rows() {
		shown = append(shown, r.Seq)
	}
	if fmt.Sprint(shown) != "[8 9 10]" {
		t.Errorf("the rows are %v", shown)
	}
	v.end(7, outcome{body: make([]byte, 100)}) // It is no longer in the list.
	if v.rows.kept != 3*12 {
		t.Errorf("%d bytes are said to be kept", v.rows.kept)
	}
}

// The page shows what the integration sends to the desk, and the desk gets it as it is.
func TestCalls(t *testing.T) {
	desk := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.WriteHeader(http.StatusCreated)
		_, _ = fmt.Fprintf(w, "%s %s %d", r.Method, r.URL.RequestURI(), len(body))
	}))
	defer desk.Close()
	for _, size := range []int{0, 5, maxBody, maxBody + 1, 3 * maxBody} {
		p := newPage()
		client := proxy.Client(desk.Client(), p.wire.calls)
		sent := strings.Repeat("x", size)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, desk.URL+"/tickets/a%2Fb?x=1", strings.NewReader(sent))
		if err != nil {
			t.Fatal(err)
		}
		res, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if x, _ := p.view.exchange(1); x.Done {
			t.Error("the answer is shown before it has been read")
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		want := fmt.Sprintf("POST /tickets/a%%2Fb?x=1 %d", size)
		if err != nil || string(body) != want || res.StatusCode != http.StatusCreated {
			t.Errorf("the desk has answered %s %q, %v", res.Status, body, err)
		}
		x, ok := p.view.exchange(1)
		if !ok || x.From != atIntegration || x.To != atDesk || x.Detail != "/tickets/a%2Fb?x=1" || x.Status != http.StatusCreated ||
			string(x.body) != sent[:min(size, maxBody+1)] || string(x.answer) != want {
			t.Errorf("the wire has %+v", x.row)
		}
	}
}

// Operations of the same trace are the same, and those without a trace are not.
func TestSentBefore(t *testing.T) {
	p := newPage()
	h := p.wire.record(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), p.wire.operation)
	for _, trace := range []string{"", "", "a", "b", "a"} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader("{}"))
		r.Header.Set("Traceparent", trace)
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	var again []bool
	for _, r := range p.view.rows.rows() {
		again = append(again, r.Again)
	}
	if want := []bool{false, false, false, false, true}; !slices.Equal(again, want) {
		t.Errorf("sent before: %v, want %v", again, want)
	}
}

// A WebSocket to the desk works, and is shown when it is open.
func TestWebSocketToDesk(t *testing.T) {
	ended := make(chan error, 1)
	desk := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		kind, said, err := conn.Read(r.Context())
		if err == nil {
			err = conn.Write(r.Context(), kind, said)
		}
		if err == nil {
			_, _, err = conn.Read(r.Context())
		}
		ended <- err
	}))
	defer desk.Close()
	p := newPage()
	conn, _, err := websocket.Dial(t.Context(), desk.URL, &websocket.DialOptions{HTTPClient: proxy.Client(desk.Client(), p.wire.calls)})
	if err != nil {
		t.Fatal(err)
	}
	if x, _ := p.view.exchange(1); !x.Done || x.Status != http.StatusSwitchingProtocols || len(x.answer) > 0 {
		t.Errorf("the wire has %+v", x.row)
	}
	if err := conn.Write(t.Context(), websocket.MessageText, []byte("ping")); err != nil {
		t.Fatal(err)
	}
	if _, said, err := conn.Read(t.Context()); err != nil || string(said) != "ping" {
		t.Errorf("the desk says %q, %v", said, err)
	}
	if err := conn.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Error(err)
	}
	if err := <-ended; websocket.CloseStatus(err) != websocket.StatusNormalClosure {
		t.Errorf("it has ended with %v", err)
	}
}

// A call that fails is shown, and one that is delayed ends with its context.
func TestCallsThatFail(t *testing.T) {
	p := newPage()
	client := proxy.Client(&http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) {
		return nil, errors.New("no route")
	})}, p.wire.calls)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for range 2 {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://desk.test/", strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		res, err := client.Do(r)
		if err == nil {
			res.Body.Close()
			t.Error("there is an answer")
		}
		if err := p.wire.faults.set(faultSlow, true); err != nil {
			t.Fatal(err)
		}
		cancel()
	}
	for _, r := range p.view.rows.rows() {
		if !r.Done || r.Status != 0 {
			t.Errorf("the wire has %+v", r)
		}
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
