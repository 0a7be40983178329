package hitl_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/botpress/botpresstest"
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/internal/racetest"
	"github.com/hitl-go/sdk/message"
)

// otherSecret is the next signing secret, while one is replaced by another.
const otherSecret = "b3RoZXItc2VjcmV0LW9mLXRoZS10ZXN0cw"

// watched serves a desk of which everything is noted that it is told, and every call of the API.
type watched struct {
	server *hitl.Server
	mu     sync.Mutex
	saw    []string
}

func (w *watched) note(what string, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		text = []byte(err.Error())
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.saw = append(w.saw, what+" "+string(text))
}

func newWatched(t *testing.T) *watched {
	t.Helper()
	w := &watched{}
	api := botpressAPI{seen: func(r *http.Request) { w.note(r.Method, r.URL.String()) }}
	opts := hitl.Options{Insecure: true, SweepEvery: -1, Botpress: botpress.Options{Token: apiToken, HTTPClient: &http.Client{Transport: api}}}
	connect := func(_ context.Context, _ hitl.Installation, c watchedConfig) (*watchedDesk, error) {
		w.note("connect", c)
		return &watchedDesk{w}, nil
	}
	var err error
	if w.server, err = hitl.NewServer(hitl.Definition{Name: "fake", Version: "1.0.0", Title: "Fake Desk"}, connect, &opts); err != nil {
		t.Fatal(err)
	}
	shutDown(t, w.server)
	return w
}

type watchedConfig struct {
	Token string            `json:"token,omitempty"`
	Names map[string]string `json:"names,omitempty"`
}

type watchedSession struct {
	Priority string `json:"priority,omitempty"`
}

type watchedDesk struct{ w *watched }

func (d *watchedDesk) CreateUser(_ context.Context, r hitl.CreateUserRequest) (hitl.Ref, error) {
	d.w.note("CreateUser", r)
	return hitl.Ref{ID: "ext-1"}, nil
}

func (d *watchedDesk) StartHitl(ctx context.Context, r hitl.StartHitlRequest[watchedSession]) (hitl.Ref, error) {
	d.w.note("StartHitl", []any{r.ConversationID, r.UserID, r.User, r.Title, r.Description, r.Session, message.Transcript(ctx, r.History, nil)})
	return hitl.Ref{ID: "T-1"}, nil
}

func (d *watchedDesk) StopHitl(_ context.Context, r hitl.StopHitlRequest) error {
	d.w.note("StopHitl", r)
	return nil
}

func (d *watchedDesk) SendMessage(_ context.Context, r hitl.SendMessageRequest) (hitl.Ref, error) {
	d.w.note("SendMessage", []any{r.ConversationID, r.Session, r.MessageID, r.Author, r.UserID, message.Envelope{Message: r.Message}})
	return hitl.Ref{ID: "C-1"}, nil
}

func (d *watchedDesk) HandleWebhook(_ context.Context, r *http.Request) (hitl.Webhook, error) {
	body, err := io.ReadAll(r.Body)
	d.w.note("HandleWebhook", []any{r.Method, r.URL.String(), r.Header, string(body)})
	return hitl.Webhook{}, err
}

func (d *watchedDesk) Register(_ context.Context, url string) error {
	d.w.note("Register", url)
	return nil
}

func (d *watchedDesk) Unregister(_ context.Context, url string) error {
	d.w.note("Unregister", url)
	return nil
}

// variants are keys that encoding/json takes for key.
func variants(key string) []string {
	all := []string{strings.ToUpper(key), strings.ToUpper(key[:1]) + key[1:]}
	if strings.Contains(key, "s") {
		all = append(all, strings.Replace(key, "s", "ſ", 1))
	}
	return slices.DeleteFunc(all, func(v string) bool { return v == key })
}

// hostile returns all texts in which one object of v has one more key, for each way to choose them: before and after the key
// that it looks like.
func hostile(t *testing.T, v any, extra func(key string) []string, value string) []string {
	t.Helper()
	var texts []string
	var write func(b *strings.Builder, v any, at *int, insert int, pick string, after bool)
	write = func(b *strings.Builder, v any, at *int, insert int, pick string, after bool) {
		switch v := v.(type) {
		case map[string]any:
			b.WriteString("{")
			for i, key := range slices.Sorted(maps.Keys(v)) {
				if i > 0 {
					b.WriteString(",")
				}
				mine := *at == insert
				*at++
				if mine && !after {
					fmt.Fprintf(b, "%q:%s,", pick, value)
				}
				fmt.Fprintf(b, "%q:", key)
				write(b, v[key], at, insert, pick, after)
				if mine && after {
					fmt.Fprintf(b, ",%q:%s", pick, value)
				}
			}
			b.WriteString("}")
		case []any:
			b.WriteString("[")
			for i, item := range v {
				if i > 0 {
					b.WriteString(",")
				}
				write(b, item, at, insert, pick, after)
			}
			b.WriteString("]")
		default:
			text, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			b.Write(text)
		}
	}
	keys := keysOf(v)
	for insert, key := range keys {
		for _, pick := range extra(key) {
			for _, after := range []bool{false, true} {
				var b strings.Builder
				write(&b, v, new(int), insert, pick, after)
				texts = append(texts, b.String())
			}
		}
	}
	return texts
}

// keysOf lists the keys of all objects, in the order in which they are written.
func keysOf(v any) (all []string) {
	switch v := v.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			all = append(append(all, key), keysOf(v[key])...)
		}
	case []any:
		for _, item := range v {
			all = append(all, keysOf(item)...)
		}
	}
	return all
}

// hostileBodies are whole bodies of operations, with every key that decides something.
var hostileBodies = map[string]string{
	"message_created": `{"type":"text","payload":{"text":"hi","userId":"user_1","additionalData":"more"},"conversation":{"id":"conv_1","channel":"hitl","tags":{"id":"T-1"}},
		"message":{"id":"msg_2","createdAt":"2026-01-01T00:00:00.000Z","tags":{"other":"x"}},"user":{"name":"Bot"}}`,
	"createUser": `{"type":"createUser","input":{"name":"Jane","email":"jane@example.com","pictureUrl":"https://example.com/jane.png"}}`,
	"startHitl": `{"type":"startHitl","input":{"userId":"user_1","title":"Help","description":"Long","hitlSession":{"priority":"high"},
		"messageHistory":[{"source":{"type":"user","userId":"user_1"},"type":"text","payload":{"text":"hi"}}]}}`,
	"stopHitl":         `{"type":"stopHitl","input":{"conversationId":"conv_1"}}`,
	"webhook_received": `{"req":{"method":"POST","path":"/a","query":"b=c","headers":{"x-signature":"abc"},"body":"hello"}}`,
	"register":         `{"webhookUrl":"https://webhook.botpress.cloud/wh_1"}`,
	"unregister":       `{"webhookUrl":"https://webhook.botpress.cloud/wh_1"}`,
}

func (w *watched) operate(name, body string) (answer, []string) {
	operation := name
	if !strings.Contains(name, "_") && !strings.Contains(name, "register") {
		operation = "action_triggered"
	}
	a := ask(w.server, configured(request([2]string{operation, body}), `{"token":"t","names":{"a":"b"}}`))
	return a, w.saw
}

// A key that looks like one that decides who speaks, or where it goes, changes nothing: the adapter and Botpress see what they
// see without it.
func TestKeysThatLookAlike(t *testing.T) {
	for name, text := range hostileBodies {
		synctest.Test(t, func(t *testing.T) {
			var v any
			if err := json.Unmarshal([]byte(text), &v); err != nil {
				t.Fatal(err)
			}
			a, want := newWatched(t).operate(name, text)
			if a.status != http.StatusOK || len(want) < 2 {
				t.Fatalf("%s: without it: %d %s, %q", name, a.status, a.body, want)
			}
			values := []string{`"mallory"`, `""`, `null`}
			for _, value := range values[:max(1, len(values)/racetest.Slowdown)] {
				for _, body := range hostile(t, v, variants, value) {
					a, got := newWatched(t).operate(name, body)
					if strings.Contains(body, `"headers":{"X-`) || strings.Contains(body, `,"X-`) || strings.Contains(body, "x-ſ") {
						continue // names of headers are equal in any case: TestHeadersThatLookAlike
					}
					if a.status != http.StatusOK {
						t.Errorf("%s: %s: %d %s", name, body, a.status, a.body)
					}
					if diff := cmp.Diff(want, got); diff != "" {
						t.Errorf("%s: %s (-want +got):\n%s", name, body, diff)
					}
				}
			}
		})
	}
}

// A key that is there twice is refused, and nothing is done.
func TestKeysThatAreThereTwice(t *testing.T) {
	for name, text := range hostileBodies {
		synctest.Test(t, func(t *testing.T) {
			var v any
			if err := json.Unmarshal([]byte(text), &v); err != nil {
				t.Fatal(err)
			}
			for _, key := range slices.Compact(slices.Sorted(slices.Values(keysOf(v)))) {
				same := func(k string) []string {
					if k == key {
						return []string{k}
					}
					return nil
				}
				for _, body := range hostile(t, v, same, `"mallory"`) {
					a, got := newWatched(t).operate(name, body)
					if a.status == http.StatusBadRequest {
						if slices.ContainsFunc(got, func(line string) bool {
							return !strings.HasPrefix(line, "connect ") && !strings.HasPrefix(line, "GET ")
						}) {
							t.Errorf("%s: %s: refused, and yet: %q", name, body, got)
						}
						continue
					}
					if key != "text" { // it says what is said, and not by whom or to whom
						t.Errorf("%s: %s: %d %s, want 400; %q", name, body, a.status, a.body, got)
					}
				}
			}
		})
	}
}

func TestConfigurationWithAKeyTwice(t *testing.T) {
	w := newWatched(t)
	a := ask(w.server, configured(request(createUser), `{"token":"t","names":{"a":"b","a":"c"}}`))
	if a.status != http.StatusBadRequest || len(w.saw) > 0 {
		t.Errorf("%d %s, want 400; %q", a.status, a.body, w.saw)
	}
}

func TestHeadersThatLookAlike(t *testing.T) {
	s := (&fakeDesk{handleWebhook: func(context.Context, *http.Request) (hitl.Webhook, error) {
		t.Error("the adapter is asked")
		return hitl.Webhook{}, nil
	}}).server(t, hitl.Options{})
	body := strings.Replace(webhook[1], `"headers":{}`, `"headers":{"x-signature":"a","X-Signature":"b"}`, 1)
	if a := ask(s, request([2]string{webhook[0], body})); a.status != http.StatusBadRequest {
		t.Errorf("a header that is there twice: %d %s, want 400", a.status, a.body)
	}
}

// Nothing that an end user can write makes somebody else its author, in any type of message that the plugin relays, at any depth.
func TestEndUserWhoWritesKeys(t *testing.T) {
	payloads := map[message.Type]string{
		message.TypeText:  `{"text":"hi"%s}`,
		message.TypeImage: `{"imageUrl":"https://example.com/a.png"%s}`,
		message.TypeFile:  `{"fileUrl":"https://example.com/a.pdf","title":"A"%s}`,
		message.TypeBloc:  `{"items":[{"type":"text","payload":{"text":"hi"%[1]s}%[1]s}]%[1]s}`,
	}
	inBubble(t, setting{}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
		mallory := w.in.NewEndUser(botpresstest.Profile{Name: "Mallory", Email: "mallory@example.com"})
		w.escalate(jane, "Help")
		w.escalate(mallory, "Mine")
		said := 0
		for kind, payload := range payloads {
			for _, key := range []string{
				"userid", "USERID", "uſerId", "UserId", "userId", "conversationId", "ConversationID", "conversation", "type", "Type", "payload",
				"channel", "additionaldata", "source", "author", "user", "message", "tags",
			} {
				for _, value := range []string{`"` + jane.DownstreamUserID() + `"`, `"` + jane.DownstreamID() + `"`, `""`, `"bot"`, `null`, `{"id":"` + jane.DownstreamID() + `"}`} {
					more := fmt.Sprintf(`,%q:%s`, key, value)
					w.say(mallory, message.Unknown{Kind: kind, Payload: fmt.Appendf(nil, payload, more)})
					if key != "type" { // the plugin goes by this one, and relays none of these
						said++
					}
				}
			}
		}
		if got := w.log("T-1"); len(got) > 0 {
			t.Errorf("another session has %q", got)
		}
		got := w.log("T-2")
		if len(got) != said {
			t.Errorf("%d of %d messages have arrived", len(got), said)
		}
		for _, line := range got {
			if !strings.HasPrefix(line, "Mallory: ") {
				t.Errorf("somebody else seems to have said %q", line)
			}
		}
	})
}

// A message whose payload does not fit is refused. When the outbox delivers it all the same, it is still the end user's.
func TestEndUserWhoWritesWhatDoesNotFit(t *testing.T) {
	inBubble(t, setting{}, func(t *testing.T, w *world, mallory *botpresstest.EndUser) {
		w.escalate(mallory, "Help")
		w.say(mallory, message.Unknown{Kind: message.TypeText, Payload: json.RawMessage(`{"text":"hi","additionalData":5}`)})
		w.pass(5 * time.Minute)
		w.say(mallory, message.Text{Text: "Hello?"})
		w.wantLog("T-1", []string{"Jane: hi", "Jane: Hello?"})
	})
}

// A captured request that is sent for another bot, with another configuration or as another operation is refused, though its
// signature is right. Botpress' own repetitions pass.
func TestCapturedRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := (&fakeDesk{}).server(t, hitl.Options{Secrets: []string{signingSecret, otherSecret}})
		captured := signed(t, request(webhook), signingSecret)
		body := webhook[1]
		replay := func(change func(http.Header)) int {
			r := request(webhook)
			r.Header = captured.Header.Clone()
			change(r.Header)
			return ask(s, r).status
		}
		same := func(http.Header) {}
		if got := replay(same); got != http.StatusOK {
			t.Fatalf("the request itself: %d", got)
		}
		stamp, sum, _ := strings.Cut(captured.Header.Get(botpress.SignatureHeader), ",")
		at := time.Now()
		other, err := botpress.Sign(otherSecret, at, []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		_, otherSum, _ := strings.Cut(other, ",")
		spellings := map[string]string{
			"as it was": stamp + "," + sum, "with more hashes": stamp + "," + strings.Repeat("A", 43) + "," + sum, "with the hash of the other secret": stamp + "," + otherSum,
		}
		headers := map[string]string{
			"X-Bot-Id": "bot_2", "X-Bot-User-Id": "user_bot_2", "X-Integration-Id": "int_2", "X-Integration-Alias": "other", "X-Webhook-Id": "wh_2",
			"X-Bp-Configuration": "e30", "X-Bp-Configuration-Type": "other", "X-Bp-Operation": "unregister",
		}
		for spelling, signature := range spellings {
			sign := func(h http.Header) { h.Set(botpress.SignatureHeader, signature) }
			for name, value := range headers {
				if got := replay(func(h http.Header) { sign(h); h.Set(name, value) }); got != http.StatusUnauthorized {
					t.Errorf("with another %s, %s: %d, want 401", name, spelling, got)
				}
			}
			if got := replay(sign); got != http.StatusOK {
				t.Errorf("a repetition %s: %d, want 200", spelling, got)
			}
			if got := replay(func(h http.Header) { sign(h); h.Set("Traceparent", "00-1-2-01") }); got != http.StatusOK {
				t.Errorf("with another trace, %s: %d, want 200", spelling, got)
			}
		}
		<-time.After(4*time.Minute + 50*time.Second)
		if got := replay(func(h http.Header) { h.Set("X-Bot-Id", "bot_2") }); got != http.StatusUnauthorized {
			t.Errorf("minutes later: %d, want 401", got)
		}
		if got := replay(same); got != http.StatusOK {
			t.Errorf("the same minutes later: %d, want 200", got)
		}
	})
}

// A signature may be from the future by five minutes, and so it is valid for ten.
func TestCapturedRequestFromTheFuture(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := (&fakeDesk{}).server(t, hitl.Options{Secrets: []string{signingSecret}})
		signature, err := botpress.Sign(signingSecret, time.Now().Add(299*time.Second), []byte(webhook[1]))
		if err != nil {
			t.Fatal(err)
		}
		send := func(bot string) int {
			r := request(webhook)
			r.Header.Set(botpress.SignatureHeader, signature)
			r.Header.Set("X-Bot-Id", bot)
			return ask(s, r).status
		}
		if got := send("bot_1"); got != http.StatusOK {
			t.Fatalf("the request itself: %d", got)
		}
		for range 9 {
			<-time.After(time.Minute)
			if got := send("bot_2"); got != http.StatusUnauthorized {
				t.Fatalf("for another bot: %d, want 401", got)
			}
		}
	})
}

func TestRegistrationWithoutAddress(t *testing.T) {
	for _, operation := range []string{"register", "unregister"} {
		for _, body := range []string{`{}`, `{"webhookUrl":""}`, `{"webhookurl":"https://example.com"}`, `{"webhookUrl":null}`} {
			w := newWatched(t)
			if a, saw := w.operate(operation, body); a.status != http.StatusBadRequest || slices.ContainsFunc(saw, func(line string) bool { return strings.Contains(line, "egister") }) {
				t.Errorf("%s %s: %d %s, %q; want 400", operation, body, a.status, a.body, saw)
			}
		}
	}
}

// What strangers and one bot can send at once does not keep another bot's requests waiting.
func TestHostileLoad(t *testing.T) {
	if racetest.Slowdown > 1 {
		t.Skip("it measures; .ci/run runs it without the race detector")
	}
	for name, load := range map[string]func(t *testing.T, addr string){
		"1,500 connections with 60 KB of header":     headersOfStrangers,
		"1,000 connections with 60 KB, then nothing": bodiesOfStrangers,
		"256 webhooks of 9 MB at a hung desk":        largeWebhooks,
	} {
		t.Run(name, func(t *testing.T) {
			release := make(chan struct{})
			desk := &fakeDesk{handleWebhook: func(ctx context.Context, r *http.Request) (hitl.Webhook, error) {
				if r.URL.Path == "/hang" {
					select {
					case <-release:
					case <-ctx.Done():
					}
				}
				return hitl.Webhook{}, nil
			}}
			addr := onLoopback(t, desk.server(t, hitl.Options{Secrets: []string{signingSecret}}))
			t.Cleanup(func() { close(release) })
			before := memory()
			load(t, addr)
			var took []time.Duration
			most := memory() - before
			for n := range 200 {
				transport := &http.Transport{} // a connection of its own each time
				r := signed(t, request([2]string{webhook[0], strings.Replace(webhook[1], "hello", fmt.Sprint("hello ", n), 1)}), signingSecret)
				r.Header.Set("X-Bot-Id", "bot_other")
				r.URL.Host = addr
				began := time.Now()
				a, err := send(&http.Client{Transport: transport, Timeout: 10 * time.Second}, r)
				took = append(took, time.Since(began))
				transport.CloseIdleConnections()
				if err != nil || a.status != http.StatusOK {
					t.Fatalf("another bot's request: %d %s, %v", a.status, a.body, err)
				}
				if n%20 == 0 {
					most = max(most, memory()-before)
				}
			}
			slices.Sort(took)
			p99 := took[len(took)*99/100]
			t.Logf("another bot's requests: p50 %v, p99 %v; %.0f MiB more, the senders included", took[len(took)/2].Round(time.Microsecond), p99.Round(time.Microsecond), most)
			if p99 > 2*time.Second {
				t.Errorf("p99 is %v, want less than 2s", p99)
			}
			if most > 400 {
				t.Errorf("it costs %.0f MiB", most)
			}
		})
	}
}

func headersOfStrangers(t *testing.T, addr string) {
	filler := []byte("POST / HTTP/1.1\r\nHost: acme.test\r\nX-Filler: " + strings.Repeat("x", 60<<10))
	for range 1500 {
		c := dial(t, addr)
		_, _ = c.Write(filler) // the server may have closed it by now
	}
}

func bodiesOfStrangers(t *testing.T, addr string) {
	filler := bytes.Repeat([]byte("x"), 60<<10)
	for range 1000 {
		c := dial(t, addr)
		c.begin("Content-Length: 65000")
		_, _ = c.Write(filler)
	}
}

func largeWebhooks(t *testing.T, addr string) {
	const senders = 256
	var begun atomic.Int64
	var wg sync.WaitGroup
	t.Cleanup(wg.Wait)
	filler := strings.Repeat("x", 9_000_000)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	text := strings.Replace(strings.Replace(webhook[1], `"/"`, `"/hang"`, 1), "hello", filler, 1)
	r := signed(t, request([2]string{webhook[0], text}), signingSecret)
	for range senders {
		wg.Go(func() {
			again, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr, strings.NewReader(text))
			if err != nil {
				t.Error(err)
				return
			}
			again.Header = r.Header.Clone()
			begun.Add(1)
			if res, err := transport.RoundTrip(again); err == nil {
				_ = res.Body.Close()
			}
		})
	}
	for begun.Load() < senders {
		<-time.After(time.Millisecond)
	}
}

// Requests that are signed, captured and changed, in any order: each is served for whom it was signed first, and for nobody else.
func FuzzCapturedRequests(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 0, 0})
	f.Add([]byte{0, 1, 2, 0, 1, 2, 0, 1, 3, 1, 1, 3, 0, 2, 3})
	f.Add([]byte{2, 2, 0x14, 2, 2, 0x24, 2, 2, 0x13, 2, 1, 0x33})
	s := (&fakeDesk{}).server(f, hitl.Options{Secrets: []string{signingSecret, otherSecret}})
	var runs atomic.Int64
	f.Fuzz(func(t *testing.T, script []byte) {
		run, now := runs.Add(1), time.Now()
		type signed struct{ body, stamp int }
		whose := map[signed]byte{}
		for step := range slices.Chunk(script, 3) {
			if len(step) < 3 {
				break
			}
			what, context, spelling := signed{int(step[0] % 3), int(step[1] % 3)}, step[2]%16%5, step[2]/16%4
			body := strings.Replace(webhook[1], "hello", fmt.Sprintf("%d of run %d", what.body, run), 1)
			at := now.Add(time.Duration(what.stamp-1) * 4 * time.Minute)
			r := request([2]string{webhook[0], body})
			first, err := botpress.Sign(signingSecret, at, []byte(body))
			if err != nil {
				t.Fatal(err)
			}
			second, err := botpress.Sign(otherSecret, at, []byte(body))
			if err != nil {
				t.Fatal(err)
			}
			_, secondSum, _ := strings.Cut(second, ",")
			r.Header.Set(botpress.SignatureHeader, []string{first, second, first + "," + secondSum, first + "," + strings.Repeat("A", 43)}[spelling])
			switch context {
			case 1:
				r.Header.Set("X-Bot-Id", "bot_2")
			case 2:
				r.Header.Set("X-Bp-Configuration", "e30")
			case 3:
				r.Header.Set("X-Webhook-Id", "wh_2")
			case 4:
				r.Header.Set("X-Integration-Alias", "other")
			}
			want := http.StatusOK
			if before, ok := whose[what]; ok && before != context {
				want = http.StatusUnauthorized
			} else {
				whose[what] = context
			}
			if a := ask(s, r); a.status != want {
				t.Fatalf("step %v of %v: %d %s, want %d", step, script, a.status, a.body, want)
			}
		}
	})
}
