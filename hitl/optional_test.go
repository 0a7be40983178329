package hitl_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/hitl/bplog"
	"github.com/hitl-go/sdk/message"
)

// fullDesk has all optional interfaces. What a test does not set does as little as it may.
type fullDesk struct {
	fakeDesk

	receive  func(ctx context.Context, deliver func(context.Context, ...hitl.Event) error) error
	backfill func(context.Context, hitl.BackfillRequest) ([]hitl.Event, error)
	notify   func(context.Context, hitl.Notice) error
	register func(context.Context, string) error
}

func (d *fullDesk) Receive(ctx context.Context, deliver func(context.Context, ...hitl.Event) error) error {
	if d.receive == nil {
		<-ctx.Done()
		return nil
	}
	return d.receive(ctx, deliver)
}

func (d *fullDesk) Register(ctx context.Context, url string) error {
	if d.register == nil {
		return nil
	}
	return d.register(ctx, url)
}

func (*fullDesk) Unregister(context.Context, string) error { return nil }

// readableDesk can be read back, and notifies.
type readableDesk struct{ *fullDesk }

func (d readableDesk) Backfill(ctx context.Context, r hitl.BackfillRequest) ([]hitl.Event, error) {
	return d.backfill(ctx, r)
}

func (d readableDesk) Notify(ctx context.Context, n hitl.Notice) error {
	if d.notify == nil {
		return nil
	}
	return d.notify(ctx, n)
}

// serve serves a desk of any type in memory.
func serve[I hitl.Integration[struct{}]](t *testing.T, desk I, opts hitl.Options) *hitl.Server {
	t.Helper()
	opts.Insecure = true
	opts.Botpress.Token = apiToken
	if opts.Botpress.HTTPClient == nil {
		opts.Botpress.HTTPClient = &http.Client{Transport: botpressAPI{}}
	}
	connect := func(context.Context, hitl.Installation, fakeConfig) (I, error) { return desk, nil }
	s, err := hitl.NewServer(hitl.Definition{Name: "fake", Version: "1.0.0"}, connect, &opts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func replied(id, text string) hitl.Event {
	return hitl.Replied{SessionID: "T-1", ConversationID: "conv_1", Author: hitl.Agent{ID: "1"}, ID: id, Message: message.Text{Text: text}}
}

func TestReceive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log journal
		var api spy
		runs := 0
		desk := &fullDesk{receive: func(ctx context.Context, deliver func(context.Context, ...hitl.Event) error) error {
			runs++
			log.add(fmt.Sprintf("run %d at %s", runs, time.Now().Format("05")))
			switch runs {
			case 1:
				return errors.New("the socket broke")
			case 2:
				panic("oh")
			}
			if err := deliver(ctx, replied("", "no id")); err == nil {
				t.Error("a reply without an id is taken, which would be sent again each time")
			}
			if err := deliver(ctx, replied("A-1", "Hello"), replied("A-1", "Hello")); err != nil {
				t.Errorf("deliver: %v", err)
			}
			log.add("delivered")
			<-ctx.Done()
			log.add("ended")
			return ctx.Err()
		}}
		s := serve(t, desk, hitl.Options{SweepEvery: -1, Botpress: botpress.Options{HTTPClient: api.client()}})
		ask(s, request(webhook)) // the installation is seen
		<-time.After(10 * time.Second)
		if err := s.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := log.all(); len(got) != 5 || got[3] != "delivered" || got[4] != "ended" {
			t.Errorf("what happened: %q", got)
		}
		if n := len(api.sent("/v1/chat/initialize-incoming-message")); n != 1 {
			t.Errorf("the reply was sent %d times, want once", n)
		}
	})
}

// slowAPI takes two seconds for an agent's message.
type slowAPI struct{ begun chan struct{} }

func (a slowAPI) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasSuffix(r.URL.Path, "/initialize-incoming-message") {
		close(a.begun)
		select {
		case <-r.Context().Done():
			return nil, context.Cause(r.Context())
		case <-time.After(2 * time.Second):
		}
	}
	return botpressAPI{}.RoundTrip(r)
}

// What Receive delivers while the server shuts down is delivered: the desk need not send it again.
func TestReceiveIsNotCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		delivered := errors.New("it was not")
		desk := &fullDesk{receive: func(ctx context.Context, deliver func(context.Context, ...hitl.Event) error) error {
			delivered = deliver(ctx, replied("A-1", "Hello"))
			return ctx.Err()
		}}
		api := slowAPI{begun: make(chan struct{})}
		s := serve(t, desk, hitl.Options{SweepEvery: -1, Botpress: botpress.Options{HTTPClient: &http.Client{Transport: api}}})
		ask(s, request(webhook))
		<-api.begun
		if err := s.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		if delivered != nil {
			t.Errorf("the reply was not delivered: %v", delivered)
		}
	})
}

// Receive ends with the configuration that it was begun under, and another one begins.
func TestReceiveEndsWithTheConfiguration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var running atomic.Int32
		desk := &fullDesk{receive: func(ctx context.Context, _ func(context.Context, ...hitl.Event) error) error {
			running.Add(1)
			defer running.Add(-1)
			<-ctx.Done()
			return nil
		}}
		s := serve(t, desk, hitl.Options{SweepEvery: -1})
		for limit := range 3 {
			ask(s, under(webhook, limit))
			synctest.Wait()
			if n := running.Load(); n != 1 {
				t.Errorf("under configuration %d, Receive runs %d times", limit, n)
			}
		}
		ask(s, under([2]string{"unregister", `{"webhookUrl":"https://example.com"}`}, 2))
		synctest.Wait()
		if running.Load() != 0 {
			t.Error("Receive runs after unregister")
		}
		if err := s.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

func TestHungReceiveDoesNotKeepAServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		desk := &fullDesk{receive: func(context.Context, func(context.Context, ...hitl.Event) error) error {
			<-release
			return nil
		}}
		s := serve(t, desk, hitl.Options{SweepEvery: -1})
		ask(s, request(webhook))
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown: %v, want that its time is up", err)
		}
		close(release)
		if err := s.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

func TestHungDeskDoesNotKeepAServer(t *testing.T) {
	const open = `{"id":"T-1","startedAt":"1999-01-01T00:00:00.000Z","phase":"open"}`
	const closed = `{"id":"T-1","startedAt":"1999-01-01T00:00:00.000Z","closedAt":"1999-01-01T00:10:00.000Z","phase":"closed"}`
	for _, test := range []struct{ method, tags string }{{"Backfill", open}, {"Notify", closed}} {
		t.Run(test.method, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				release := make(chan struct{})
				hung := false
				hang := func(method string) error {
					if method == test.method {
						hung = true
						<-release // and does not look at the context
					}
					return nil
				}
				desk := readableDesk{&fullDesk{}}
				desk.handleWebhook = func(context.Context, *http.Request) (hitl.Webhook, error) {
					return hitl.Webhook{Events: []hitl.Event{replied("A-1", "Hello")}}, nil
				}
				desk.backfill = func(context.Context, hitl.BackfillRequest) ([]hitl.Event, error) { return nil, hang("Backfill") }
				desk.notify = func(context.Context, hitl.Notice) error { return hang("Notify") }
				api := conversationAPI{tags: test.tags}
				s := serve(t, desk, hitl.Options{SweepEvery: -1, Botpress: botpress.Options{HTTPClient: &http.Client{Transport: api}}})
				var asking sync.WaitGroup
				asking.Go(func() { ask(s, request(webhook)) })
				synctest.Wait()
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) || !hung {
					t.Errorf("Shutdown: %v, want that its time is up; %s was called: %v", err, test.method, hung)
				}
				close(release)
				asking.Wait()
				if err := s.Shutdown(t.Context()); err != nil {
					t.Fatal(err)
				}
			})
		})
	}
}

// conversationAPI is a Botpress with a session: T-1, with these messages, newest first.
type conversationAPI struct {
	botpressAPI

	tags     string // of the conversation, as JSON
	messages string
}

func (a conversationAPI) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	w.Header().Set("Content-Type", "application/json")
	switch {
	case r.Method == http.MethodGet && r.URL.Path == "/v1/chat/messages":
		_, _ = io.WriteString(w, `{"messages":[`+a.messages+`],"meta":{}}`)
	case r.Method == http.MethodGet && strings.HasPrefix(r.URL.Path, "/v1/chat/conversations/") && a.tags != "":
		_, _ = io.WriteString(w, `{"conversation":{"id":"conv_1","channel":"hitl","tags":`+a.tags+`}}`)
	case r.URL.Path == "/v1/chat/initialize-incoming-message" && a.tags != "":
		if a.seen != nil {
			a.seen(r)
		}
		_, _ = io.WriteString(w, `{"user":{"id":"user_1"},"conversation":{"id":"conv_1","channel":"hitl","tags":`+a.tags+`},"message":{"id":"msg_1"}}`)
	default:
		return a.botpressAPI.RoundTrip(r)
	}
	return w.Result(), nil
}

func TestBackfill(t *testing.T) {
	newest := time.Now().Add(-time.Hour).UTC().Truncate(time.Millisecond)
	stamp := func(t time.Time) string { return t.Format("2006-01-02T15:04:05.000Z") }
	var sent []string
	api := conversationAPI{messages: fmt.Sprintf(`{"id":"m3","direction":"outgoing","createdAt":%q,"tags":{"delivered":"1/1","id":"C-1"}},`+
		`{"id":"m2","direction":"incoming","createdAt":%q,"tags":{"id":"A-2"}},{"id":"m1","direction":"incoming","createdAt":%q,"tags":{"id":"A-1"}}`,
		stamp(newest.Add(time.Minute)), stamp(newest), stamp(newest.Add(-time.Hour)))}
	api.tags = fmt.Sprintf(`{"id":"T-1","startedAt":"1999-01-01T00:00:00.000Z","phase":"open","readUntil":%q}`, stamp(newest))
	api.seen = func(r *http.Request) {
		if r.URL.Path != "/v1/chat/initialize-incoming-message" {
			return
		}
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		var p struct {
			Message struct{ Payload struct{ Text string } }
		}
		if err := json.Unmarshal(body, &p); err != nil {
			t.Error(err)
		}
		sent = append(sent, p.Message.Payload.Text)
	}
	var asked []hitl.BackfillRequest
	var event hitl.Event = hitl.Changed{SessionID: "T-1", ConversationID: "conv_1"}
	var fail error
	desk := readableDesk{&fullDesk{}}
	desk.handleWebhook = func(context.Context, *http.Request) (hitl.Webhook, error) {
		return hitl.Webhook{Events: []hitl.Event{event}}, nil
	}
	desk.backfill = func(_ context.Context, r hitl.BackfillRequest) ([]hitl.Event, error) {
		asked = append(asked, r)
		return []hitl.Event{replied("A-2", "known"), replied("C-1", "an echo"), replied("A-3", "three"), replied("A-4", "four")}, fail
	}
	s := serve(t, desk, hitl.Options{SweepEvery: -1, Botpress: botpress.Options{HTTPClient: &http.Client{Transport: api}}})
	shutDown(t, s)
	if a := ask(s, request(webhook)); a.status != http.StatusOK {
		t.Fatalf("answered %d %s", a.status, a.body)
	}
	if diff := cmp.Diff([]string{"three", "four"}, sent); diff != "" {
		t.Errorf("sent (-want +got):\n%s", diff)
	}
	if r := asked[0]; r.ConversationID != "conv_1" || r.Session.ID != "T-1" || !r.Since.Before(newest) || r.Since.Before(newest.Add(-10*time.Minute)) {
		t.Errorf("asked for %+v, read last at %v", r, newest)
	}

	// A reply that was reported is passed on after what was missed, and once.
	sent, event = nil, replied("A-5", "five")
	ask(s, request(webhook))
	ask(s, request(webhook))
	if diff := cmp.Diff([]string{"five"}, sent); diff != "" {
		t.Errorf("sent (-want +got):\n%s", diff)
	}

	fail, event = errors.New("the desk is down"), hitl.Changed{SessionID: "T-1", ConversationID: "conv_1"}
	if a := ask(s, request(webhook)); a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" {
		t.Errorf("while the desk cannot be read, answered %d", a.status)
	}
}

func TestChangedNeedsABackfiller(t *testing.T) {
	desk := &fakeDesk{handleWebhook: func(context.Context, *http.Request) (hitl.Webhook, error) {
		return hitl.Webhook{Events: []hitl.Event{hitl.Changed{SessionID: "T-1", ConversationID: "conv_1"}}}, nil
	}}
	if a := ask(desk.server(t, hitl.Options{}), request(webhook)); a.status < http.StatusInternalServerError {
		t.Errorf("answered %d %s", a.status, a.body)
	}
}

func TestReplyAfterTheEnd(t *testing.T) {
	api := conversationAPI{tags: `{"id":"T-1","startedAt":"1999-01-01T00:00:00.000Z","closedAt":"1999-01-01T00:10:00.000Z","phase":"closed"}`}
	opts := func(out *bytes.Buffer) hitl.Options {
		return hitl.Options{
			SweepEvery: -1, Logger: slog.New(bplog.NewHandler(out, nil)), Botpress: botpress.Options{HTTPClient: &http.Client{Transport: api}},
		}
	}
	hook := func(context.Context, *http.Request) (hitl.Webhook, error) {
		return hitl.Webhook{Events: []hitl.Event{replied("A-1", "too late")}}, nil
	}

	var out bytes.Buffer
	var notices []hitl.Notice
	var fail error
	desk := readableDesk{&fullDesk{}}
	desk.handleWebhook = hook
	desk.backfill = func(context.Context, hitl.BackfillRequest) ([]hitl.Event, error) { return nil, nil }
	desk.notify = func(_ context.Context, n hitl.Notice) error {
		notices = append(notices, n)
		return fail
	}
	s := serve(t, desk, opts(&out))
	shutDown(t, s)
	for range 2 {
		if a := ask(s, request(webhook)); a.status != http.StatusOK {
			t.Errorf("answered %d %s", a.status, a.body)
		}
	}
	if len(notices) != 1 || notices[0].MessageID != "A-1" || notices[0].Session.ID != "T-1" || notices[0].Text == "" {
		t.Errorf("the agent was notified with %+v", notices)
	}
	if strings.Contains(out.String(), `"visible_to_bot_owner":true`) {
		t.Errorf("the bot's owner is told as well:\n%s", &out)
	}

	for name, s := range map[string]*hitl.Server{
		"no Notifier": (&fakeDesk{handleWebhook: hook}).server(t, opts(&out)),
		"it fails":    serve(t, desk, opts(&out)),
	} {
		fail = errors.New("the desk is down")
		out.Reset()
		if a := ask(s, request(webhook)); a.status != http.StatusOK {
			t.Errorf("%s: answered %d %s", name, a.status, a.body)
		}
		if !strings.Contains(out.String(), `"visible_to_bot_owner":true`) {
			t.Errorf("%s: nobody is told:\n%s", name, &out)
		}
		if err := s.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRegisterTellsTheOwner(t *testing.T) {
	for name, test := range map[string]struct {
		err    error
		status int
		says   string
	}{
		"no such host":   {fmt.Errorf("acme: set up the webhook: %w", errDown), 400, "The help desk cannot be reached: acme: set up the webhook"},
		"its own words":  {hitl.Errorf("The token is not that of an administrator"), 400, "administrator"},
		"something else": {errors.New("acme answered 500"), 500, "unexpected error"},
	} {
		t.Run(name, func(t *testing.T) {
			desk := &fullDesk{register: func(context.Context, string) error { return test.err }}
			s := serve(t, desk, hitl.Options{SweepEvery: -1})
			shutDown(t, s)
			a := ask(s, request([2]string{"register", `{"webhookUrl":"https://example.com"}`}))
			if a.status != test.status || !strings.Contains(a.failure(t).Message, test.says) {
				t.Errorf("answered %d %s", a.status, a.body)
			}
		})
	}
}

// It is not the desk that is out of reach when Botpress is.
func TestRegisterWhileBotpressIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := roundTrip(func(*http.Request) (*http.Response, error) { return nil, errDown })
		desk := &fullDesk{}
		s := serve(t, desk, hitl.Options{SweepEvery: -1, Botpress: botpress.Options{HTTPClient: &http.Client{Transport: down}}})
		shutDown(t, s)
		client, err := botpress.New(botpress.Options{Token: apiToken, HTTPClient: &http.Client{Transport: down}})
		if err != nil {
			t.Fatal(err)
		}
		desk.register = func(ctx context.Context, _ string) error {
			_, err := client.GetUser(ctx, "user_1")
			return err
		}
		a := ask(s, request([2]string{"register", `{"webhookUrl":"https://example.com"}`}))
		if a.status != 500 || strings.Contains(a.body, "help desk") {
			t.Errorf("answered %d %s", a.status, a.body)
		}
	})
}

// With a wrong access key nothing works. Whoever saves the configuration reads it, and so does whoever reads the log.
func TestRefusedAccessKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refuses := roundTrip(func(*http.Request) (*http.Response, error) {
			w := httptest.NewRecorder()
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{"id":"err_1","code":401,"type":"Unauthorized","message":"no valid bearer token"}`)
			return w.Result(), nil
		})
		var out bytes.Buffer
		for name, desk := range map[string]*fullDesk{
			"an adapter that does not need Botpress": {},
			"one that does": {register: func(context.Context, string) error {
				return fmt.Errorf("read a state: %w", &botpress.Error{Status: 401, Type: botpress.TypeUnauthorized, Method: "GET", Path: "/v1/chat/states"})
			}},
		} {
			s := serve(t, desk, hitl.Options{
				Botpress: botpress.Options{HTTPClient: &http.Client{Transport: refuses}}, Logger: slog.New(slog.NewTextHandler(&out, nil)),
			})
			shutDown(t, s)
			for operation, status := range map[[2]string]int{
				{"register", `{"webhookUrl":"https://example.com"}`}:                                    400,
				{"action_triggered", `{"type":"stopHitl","input":{"conversationId":"conv_1"}}`}:         500,
				{"action_triggered", `{"type":"startHitl","input":{"userId":"u","messageHistory":[]}}`}: 500,
			} {
				out.Reset()
				a := ask(s, request(operation))
				if a.status != status || !strings.Contains(a.failure(t).Message, "must set BP_TOKEN to a new one") {
					t.Errorf("%s: %q is answered %d %s, want %d and what to do", name, operation, a.status, a.body, status)
				}
				if log := out.String(); !strings.Contains(log, "must set BP_TOKEN to a new one") || !strings.Contains(log, "no valid bearer token") && operation[0] != "register" {
					t.Errorf("%s: the log does not say what to do, and why:\n%s", name, log)
				}
			}
		}
	})
}

func TestRegisterAsksForAnHourlyCall(t *testing.T) {
	var api spy
	desk := &fullDesk{}
	s := serve(t, desk, hitl.Options{Botpress: botpress.Options{HTTPClient: api.client()}})
	shutDown(t, s)
	ask(s, request([2]string{"register", `{"webhookUrl":"https://example.com"}`}))
	if sent := api.sent("/v1/chat/integrations/configure"); len(sent) != 1 || !strings.Contains(sent[0], "hourly") {
		t.Errorf("Botpress was asked %q", sent)
	}
}

func TestClearedFieldsAndDefaults(t *testing.T) {
	type config struct {
		URL    string `json:"url" jsonschema:"minLength=1"`
		Region string `json:"region,omitempty" jsonschema:"enum=eu,enum=us,default=eu"`
		Mail   string `json:"mail,omitempty" jsonschema:"format=email"`
		Limit  int    `json:"limit,omitempty" jsonschema:"default=9007199254740993"`
	}
	var got []config
	connect := func(_ context.Context, _ hitl.Installation, c config) (stub[struct{}], error) {
		got = append(got, c)
		return stub[struct{}]{}, nil
	}
	s, err := hitl.NewServer(hitl.Definition{Name: "acme-desk", Version: "1.0.0"}, connect, &hitl.Options{
		Insecure: true, SweepEvery: -1, Botpress: botpress.Options{Token: apiToken},
	})
	if err != nil {
		t.Fatal(err)
	}
	for configuration, want := range map[string]string{
		`{"url":"https://example.com","region":"","mail":"","limit":null}`: "",
		`{"url":"https://example.com","region":"us","limit":5}`:            "",
		`{"url":""}`:                  "url must have at least 1 characters",
		`{"region":"mars","url":"x"}`: "region must be one of eu, us",
	} {
		a := ask(s, configured(request([2]string{"register", `{"webhookUrl":"https://example.com"}`}), configuration))
		if want == "" && a.status != http.StatusOK || want != "" && !strings.Contains(a.body, want) {
			t.Errorf("%s: answered %d %s", configuration, a.status, a.body)
		}
	}
	for _, c := range got {
		cleared := config{URL: "https://example.com", Region: "eu", Limit: 9007199254740993}
		if c != cleared && c != (config{URL: "https://example.com", Region: "us", Limit: 5}) {
			t.Errorf("connected with %+v", c)
		}
	}
	if len(got) != 2 {
		t.Errorf("%d were connected, want 2", len(got))
	}
}

func TestSessionParametersAreChecked(t *testing.T) {
	type params struct {
		Priority string `json:"priority,omitempty" jsonschema:"enum=low,enum=high,default=low"`
		Team     int    `json:"teamId,omitempty" jsonschema:"minimum=1"`
	}
	var got []params
	desk := &sessionDesk[params]{start: func(p params) { got = append(got, p) }}
	connect := func(context.Context, hitl.Installation, fakeConfig) (*sessionDesk[params], error) { return desk, nil }
	transport := roundTrip(func(r *http.Request) (*http.Response, error) {
		res, err := botpressAPI{}.RoundTrip(r)
		if err == nil { // sessions that have not started
			body, _ := io.ReadAll(res.Body)
			res.Body = io.NopCloser(strings.NewReader(strings.Replace(string(body), `"startedAt":"1999-01-01T00:00:00.000Z"`, `"more":"1"`, 1)))
		}
		return res, err
	})
	s, err := hitl.NewServer(hitl.Definition{Name: "acme-desk", Version: "1.0.0"}, connect, &hitl.Options{
		Insecure: true, SweepEvery: -1, Botpress: botpress.Options{Token: apiToken, HTTPClient: &http.Client{Transport: transport}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for session, want := range map[string]string{
		`{"priority":"Bogus"}`:          "priority must be one of low, high",
		`{"teamId":-1}`:                 "teamId must be at least 1",
		`{"teamId":"seven"}`:            "teamId is of the type string and must be integer",
		`{"priority":"","teamId":null}`: "",
		`null`:                          "",
	} {
		a := ask(s, request([2]string{"action_triggered", `{"type":"startHitl","input":{"userId":"user_1","messageHistory":[],"hitlSession":` + session + `}}`}))
		if want == "" && a.status != http.StatusOK || want != "" && (a.status != http.StatusBadRequest || !strings.Contains(a.body, want)) {
			t.Errorf("%s: answered %d %s", session, a.status, a.body)
		}
	}
	if diff := cmp.Diff([]params{{Priority: "low"}, {Priority: "low"}}, got); diff != "" {
		t.Errorf("sessions were started with (-want +got):\n%s", diff)
	}
}

// sessionDesk tells with which parameters a session is started.
type sessionDesk[Session any] struct {
	stub[Session]

	start func(Session)
}

func (d *sessionDesk[Session]) StartHitl(_ context.Context, r hitl.StartHitlRequest[Session]) (hitl.Ref, error) {
	d.start(r.Session)
	return hitl.Ref{ID: "T-1"}, nil
}

// A reply that takes calls to make is made once, and only if it is news.
func TestReplyIsLoaded(t *testing.T) {
	var sent []string
	api := conversationAPI{messages: `{"id":"m1","direction":"incoming","createdAt":"2026-01-01T00:00:00.000Z","tags":{"id":"A-1"}}`}
	api.tags = `{"id":"T-1","startedAt":"1999-01-01T00:00:00.000Z","phase":"open","readUntil":"1999-01-01T00:00:00.000Z"}`
	api.seen = func(r *http.Request) {
		var p struct {
			Message struct{ Payload struct{ Text string } }
		}
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		if json.Unmarshal(body, &p) == nil && r.URL.Path == "/v1/chat/initialize-incoming-message" {
			sent = append(sent, p.Message.Payload.Text)
		}
	}
	loaded := map[string]int{}
	var fail error
	loading := func(id, text string) hitl.Replied {
		return hitl.Replied{SessionID: "T-1", ConversationID: "conv_1", ID: id, Author: hitl.Agent{ID: "7"}, Load: func(context.Context) (message.Message, error) {
			loaded[id]++
			return message.Bloc{Items: []message.BlocItem{message.Text{}, message.Text{Text: text}}}, fail // sent as the only text in it
		}}
	}
	desk := readableDesk{&fullDesk{}}
	desk.handleWebhook = func(context.Context, *http.Request) (hitl.Webhook, error) {
		return hitl.Webhook{Events: []hitl.Event{hitl.Changed{SessionID: "T-1", ConversationID: "conv_1"}}}, nil
	}
	desk.backfill = func(context.Context, hitl.BackfillRequest) ([]hitl.Event, error) {
		return []hitl.Event{loading("A-1", "known"), loading("A-2", "two"), loading("A-3", " "), loading("A-4", "four")}, nil
	}
	s := serve(t, desk, hitl.Options{SweepEvery: -1, Botpress: botpress.Options{HTTPClient: &http.Client{Transport: api}}})
	shutDown(t, s)
	fail = errors.New("the file is not there yet")
	if a := ask(s, request(webhook)); a.status < http.StatusInternalServerError || sent != nil {
		t.Errorf("without the file, answered %d, sent %q", a.status, sent)
	}
	fail = nil
	for range 2 {
		if a := ask(s, request(webhook)); a.status != http.StatusOK {
			t.Errorf("answered %d %s", a.status, a.body)
		}
	}
	if diff := cmp.Diff([]string{"two", "four"}, sent); diff != "" {
		t.Errorf("sent (-want +got):\n%s", diff)
	}
	if loaded["A-1"] > 0 || loaded["A-2"] != 2 || loaded["A-4"] != 1 {
		t.Errorf("loaded %v", loaded)
	}
}

// A receiver that may have missed something has all open sessions read back: soon, once, and after a sweep of another replica.
func TestChangedOfNoSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var held, down atomic.Bool // the lease, by another replica; Botpress
		api := roundTrip(func(r *http.Request) (*http.Response, error) {
			w := httptest.NewRecorder()
			switch {
			case down.Load():
				w.WriteHeader(http.StatusServiceUnavailable)
			case r.URL.Path == "/v1/chat/conversations" && r.URL.Query().Get("tags.phase") == "open":
				_, _ = io.WriteString(w, `{"conversations":[{"id":"conv_1","channel":"hitl","updatedAt":"2026-01-01T00:00:00.000Z","tags":{"id":"T-1","phase":"open","startedAt":"1999-01-01T00:00:00.000Z"}}],"meta":{}}`)
			case strings.HasSuffix(r.URL.Path, "/hitlSweep/get-or-set") && held.Load():
				_, _ = fmt.Fprintf(w, `{"state":{"id":"state_1","payload":{"owner":"another","until":%q}}}`, time.Now().Add(time.Hour).UTC().Format(time.RFC3339Nano))
			default:
				return conversationAPI{tags: `{"id":"T-1","phase":"open","startedAt":"1999-01-01T00:00:00.000Z"}`}.RoundTrip(r)
			}
			return w.Result(), nil
		})
		var read atomic.Int64
		desk := readableDesk{&fullDesk{}}
		desk.handleWebhook = func(context.Context, *http.Request) (hitl.Webhook, error) {
			return hitl.Webhook{Events: []hitl.Event{hitl.Changed{}}}, nil
		}
		desk.backfill = func(_ context.Context, r hitl.BackfillRequest) ([]hitl.Event, error) {
			if r.ConversationID == "conv_1" {
				read.Add(1)
			}
			return nil, nil
		}
		s := serve(t, desk, hitl.Options{SweepEvery: -1, Botpress: botpress.Options{HTTPClient: &http.Client{Transport: api}}})
		defer func() { _ = s.Shutdown(context.Background()) }()
		for range 3 {
			if a := ask(s, request(webhook)); a.status != http.StatusOK {
				t.Fatalf("answered %d %s", a.status, a.body)
			}
		}
		<-time.After(6 * time.Second)
		if read := read.Load(); read != 1 {
			t.Errorf("the session was read back %d times, want once", read)
		}
		held.Store(true)
		ask(s, request(webhook))
		<-time.After(time.Minute)
		if read := read.Load(); read != 1 {
			t.Errorf("while another replica sweeps, the session was read back %d times more", read-1)
		}
		held.Store(false)
		<-time.After(11 * time.Second)
		if read := read.Load(); read != 2 {
			t.Errorf("after another replica's sweep, the session was read back %d times in all, want twice", read)
		}
		down.Store(true)
		ask(s, request(webhook))
		<-time.After(2 * time.Minute)
		down.Store(false)
		<-time.After(6 * time.Minute)
		if read := read.Load(); read != 3 {
			t.Errorf("after Botpress was down, the session was read back %d times in all, want three times", read)
		}
	})
}

// A reply that cannot be read, or that is refused, does not keep back for good what follows it.
func TestReplyThatCannotBeLoaded(t *testing.T) {
	for name, test := range map[string]struct {
		fail  error
		after time.Duration // the others are delivered
	}{
		"for good": {hitl.Errorf("The file was deleted."), 0},
		"for now":  {errors.New("the desk answers 404"), 10 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				var sent []string
				api := conversationAPI{messages: ``}
				api.tags = `{"id":"T-1","startedAt":"1999-01-01T00:00:00.000Z","phase":"open","readUntil":"1999-01-01T00:00:00.000Z"}`
				api.seen = func(r *http.Request) {
					body, _ := io.ReadAll(r.Body)
					r.Body = io.NopCloser(bytes.NewReader(body))
					for _, text := range []string{"one", "three"} {
						if r.URL.Path == "/v1/chat/initialize-incoming-message" && strings.Contains(string(body), `"`+text+`"`) {
							mu.Lock()
							sent = append(sent, text)
							mu.Unlock()
						}
					}
				}
				said := func(id, text string, err error) hitl.Replied {
					return hitl.Replied{SessionID: "T-1", ConversationID: "conv_1", ID: id, Author: hitl.Agent{ID: "7"}, Load: func(context.Context) (message.Message, error) {
						return message.Text{Text: text}, err
					}}
				}
				desk := readableDesk{&fullDesk{}}
				desk.handleWebhook = func(context.Context, *http.Request) (hitl.Webhook, error) {
					return hitl.Webhook{Events: []hitl.Event{hitl.Changed{SessionID: "T-1", ConversationID: "conv_1"}}}, nil
				}
				desk.backfill = func(context.Context, hitl.BackfillRequest) ([]hitl.Event, error) {
					return []hitl.Event{said("A-1", "one", nil), said("A-2", "", test.fail), said("A-3", "three", nil)}, nil
				}
				s := serve(t, desk, hitl.Options{SweepEvery: -1, Botpress: botpress.Options{HTTPClient: &http.Client{Transport: api}}})
				shutDown(t, s)
				ask(s, request(webhook))
				want := []string{"one", "three"}
				if test.after > 0 {
					want = want[:1]
				}
				check := func(when string, want []string) {
					mu.Lock()
					defer mu.Unlock()
					if diff := cmp.Diff(want, sent); diff != "" {
						t.Errorf("%s, sent (-want +got):\n%s", when, diff)
					}
				}
				check("at once", want)
				<-time.After(test.after / 2)
				check("soon", want)
				<-time.After(test.after)
				check("in the end", []string{"one", "three"})
			})
		})
	}
}

// Of what a webhook or a receiver brings, one event is refused for good. The others are delivered.
func TestRefusedEventKeepsNobodyBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent []string
		api := conversationAPI{messages: ``}
		api.tags = `{"id":"T-1","startedAt":"1999-01-01T00:00:00.000Z","phase":"open"}`
		api.seen = func(r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			r.Body = io.NopCloser(bytes.NewReader(body))
			if r.URL.Path == "/v1/chat/initialize-incoming-message" {
				sent = append(sent, string(body))
			}
		}
		events := func(source string) []hitl.Event {
			said := func(id string, err error) hitl.Event {
				return hitl.Replied{SessionID: "T-1", ConversationID: "conv_1", ID: source + id, Author: hitl.Agent{ID: "7"}, Load: func(context.Context) (message.Message, error) {
					return message.Text{Text: source}, err
				}}
			}
			return []hitl.Event{said("-1", hitl.Errorf("The file was deleted.")), said("-2", nil)}
		}
		received := make(chan error, 1)
		d := &fullDesk{}
		d.receive = func(ctx context.Context, deliver func(context.Context, ...hitl.Event) error) error {
			received <- deliver(ctx, events("receiver")...)
			<-ctx.Done()
			return ctx.Err()
		}
		done := 0
		d.handleWebhook = func(context.Context, *http.Request) (hitl.Webhook, error) {
			return hitl.Webhook{Events: events("webhook"), Done: func(context.Context) error { done++; return nil }}, nil
		}
		s := serve(t, d, hitl.Options{SweepEvery: -1, Botpress: botpress.Options{HTTPClient: &http.Client{Transport: api}}})
		shutDown(t, s)
		if a := ask(s, request(webhook)); a.status != http.StatusBadRequest || done != 1 {
			t.Errorf("the webhook was answered %d %s, and Done was called %d times, want 400, since its sender is told, and once", a.status, a.body, done)
		}
		if err := <-received; err != nil {
			t.Errorf("the receiver is told to try again: %v", err)
		}
		all := strings.Join(sent, "\n")
		if len(sent) != 2 || !strings.Contains(all, `"webhook"`) || !strings.Contains(all, `"receiver"`) {
			t.Errorf("sent %q, want the two texts", sent)
		}
	})
}

// A message that was imported stands in the list where it was made, and not where its time belongs. What was said before is found.
func TestOutboxWithAnImportedMessage(t *testing.T) {
	stamp := func(ago time.Duration) string { return time.Now().Add(-ago).UTC().Format("2006-01-02T15:04:05.000Z") }
	api := conversationAPI{messages: fmt.Sprintf(`{"id":"m5","direction":"outgoing","createdAt":%q,"tags":{"id":"C-1","partOf":"m1"}},`+
		`{"id":"m4","direction":"outgoing","createdAt":%q,"type":"text","payload":{"text":"four"}},`+
		`{"id":"m3","direction":"outgoing","createdAt":%q,"type":"text","payload":{"text":"three"},"tags":{"failed":%q}},`+
		`{"id":"m1","direction":"outgoing","createdAt":%q,"tags":{"delivered":"2/2"}}`,
		stamp(time.Minute), stamp(0), stamp(time.Second), stamp(0), stamp(time.Minute))}
	api.tags = `{"id":"T-1","startedAt":"1999-01-01T00:00:00.000Z","phase":"open"}`
	var got []string
	d := &fakeDesk{sendMessage: func(_ context.Context, r hitl.SendMessageRequest) (hitl.Ref, error) {
		got = append(got, message.PlainText(r.Message))
		return hitl.Ref{}, nil
	}}
	s := d.server(t, hitl.Options{SweepEvery: -1, Botpress: botpress.Options{HTTPClient: &http.Client{Transport: api}}})
	four := fmt.Sprintf(`{"type":"text","payload":{"text":"four"},"conversation":{"id":"conv_1","channel":"hitl","tags":%s},`+
		`"message":{"id":"m4","createdAt":%q},"user":{}}`, api.tags, stamp(0))
	if a := ask(s, request([2]string{"message_created", four})); a.status != http.StatusOK {
		t.Errorf("answered %d %s", a.status, a.body)
	}
	if diff := cmp.Diff([]string{"three", "four"}, got); diff != "" {
		t.Errorf("the desk has got (-want +got):\n%s", diff)
	}
}

// Adapters with a method that looks like one of an optional interface, and is none.
type (
	noError    struct{ fakeDesk }
	otherID    struct{ fakeDesk }
	registers  struct{ fakeDesk }
	closesSoon struct{ fakeDesk }
)

func (*noError) Register(context.Context, string)                   {}
func (*otherID) ReadAgent(context.Context, int) (hitl.Agent, error) { return hitl.Agent{}, nil }
func (*registers) Register(context.Context, string) error           { return nil }
func (*closesSoon) Close()                                          {}

func TestOptionalInterfaceThatDoesNotFit(t *testing.T) {
	def := hitl.Definition{Name: "fake", Version: "1.0.0"}
	_, noErr := hitl.NewServer(def, func(context.Context, hitl.Installation, fakeConfig) (*noError, error) { return nil, nil }, &hitl.Options{})
	_, otherErr := hitl.NewServer(def, func(context.Context, hitl.Installation, fakeConfig) (*otherID, error) { return nil, nil }, &hitl.Options{})
	_, lacksErr := hitl.NewServer(def, func(context.Context, hitl.Installation, fakeConfig) (*registers, error) { return nil, nil }, &hitl.Options{})
	_, closeErr := hitl.NewServer(def, func(context.Context, hitl.Installation, fakeConfig) (*closesSoon, error) { return nil, nil }, &hitl.Options{})
	for _, test := range []struct {
		err  error
		says string
	}{
		{noErr, "the method Register as func(context.Context, string), and hitl.Registrar needs func(context.Context, string) error"},
		{otherErr, "the method ReadAgent as func(context.Context, int) (hitl.Agent, error), and hitl.AgentReader needs func(context.Context, string) (hitl.Agent, error)"},
		{lacksErr, "has the method Register of hitl.Registrar, and lacks others of it"},
		{closeErr, "the method Close as func(), and io.Closer needs func() error"},
	} {
		if test.err == nil || !strings.Contains(test.err.Error(), test.says) {
			t.Errorf("got the error %v, want one that says %q", test.err, test.says)
		}
	}
	var anyAdapter hitl.Integration[struct{}]
	if _, err := hitl.NewServer(def, func(context.Context, hitl.Installation, fakeConfig) (hitl.Integration[struct{}], error) {
		return anyAdapter, nil
	}, &hitl.Options{}); err != nil {
		t.Errorf("an adapter whose type is not known: %v", err)
	}
}
