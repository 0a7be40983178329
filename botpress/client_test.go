package botpress_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hitl-go/sdk/botpress"
)

func TestNewRefuses(t *testing.T) {
	for _, test := range []struct {
		name    string
		options botpress.Options
		says    string
	}{
		{"no token", botpress.Options{}, "BP_TOKEN"},
		{"token with a newline", botpress.Options{Token: "bp_pat_s3cret\n"}, "line break"},
		{"token with a header in it", botpress.Options{Token: "s3cret\r\nX-Bot-Id: b"}, "line break"},
		{"token with a space", botpress.Options{Token: "Bearer s3cret"}, "space"},
		{"bot id with a newline", botpress.Options{Token: "t", BotID: "b\r\nX-A: s3cret"}, "BotID"},
		{"workspace id with a newline", botpress.Options{Token: "t", WorkspaceID: "\n"}, "WorkspaceID"},
		{"header without a name", botpress.Options{Token: "t", Header: http.Header{"": {"s3cret"}}}, "name"},
		{"header with a colon", botpress.Options{Token: "t", Header: http.Header{"X-Key: s3cret": {"1"}}}, "colon"},
		{"header with an umlaut", botpress.Options{Token: "t", Header: http.Header{"X-Schlüssel": {"1"}}}, "name"},
		{"header with a newline", botpress.Options{Token: "t", Header: http.Header{"X-Key": {"1", "s3cret\r\nX-Bot-Id: b"}}}, "value of X-Key"},
		{"header twice", botpress.Options{Token: "t", Header: http.Header{"X-Key": {"s3cret"}, "x-key": {"s3cret"}}}, "X-Key twice"},
		{"no scheme", botpress.Options{Token: "t", BaseURL: "api.botpress.cloud"}, "base URL"},
		{"other scheme", botpress.Options{Token: "t", BaseURL: "ftp://api.botpress.cloud"}, "base URL"},
		{"no host", botpress.Options{Token: "t", BaseURL: "https:///v1"}, "base URL"},
		{"password", botpress.Options{Token: "t", BaseURL: "https://u:s3cret@api.botpress.cloud"}, "base URL"},
		{"query", botpress.Options{Token: "t", BaseURL: "https://api.botpress.cloud?token=s3cret"}, "base URL"},
		{"control character", botpress.Options{Token: "t", BaseURL: "https://s3cret\x7f.cloud"}, "base URL"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := botpress.New(test.options)
			if err == nil {
				t.Fatal("no error")
			}
			if !strings.Contains(err.Error(), test.says) {
				t.Errorf("%q does not mention %q", err, test.says)
			}
			if strings.Contains(err.Error(), "s3cret") {
				t.Errorf("%q repeats the secret", err)
			}
		})
	}
}

func TestFromEnv(t *testing.T) {
	for name, value := range map[string]string{
		"BP_API_URL": "https://api.example.com", "BP_TOKEN": "t", "BP_BOT_ID": "b", "BP_INTEGRATION_ID": "i", "BP_WORKSPACE_ID": "w",
	} {
		t.Setenv(name, value)
	}
	want := botpress.Options{BaseURL: "https://api.example.com", Token: "t", BotID: "b", IntegrationID: "i", WorkspaceID: "w"}
	if diff := cmp.Diff(want, botpress.FromEnv()); diff != "" {
		t.Error(diff)
	}
}

func TestWith(t *testing.T) {
	var got http.Header
	c := newClient(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Header
		fmt.Fprint(w, `{"user": {"id": "u"}}`)
	}))
	view := c.With(botpress.Scope{BotID: "bot-2", IntegrationAlias: "zweite"})
	ctx := botpress.ContextWithTrace(t.Context(), botpress.Trace{Parent: "00-abc-def-01", State: "a=b"})
	if _, err := view.GetUser(ctx, "u"); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"Authorization":       "Bearer bp_test_token",
		"X-Bot-Id":            "bot-2",
		"X-Integration-Id":    "intver_0123456789012345678901234",
		"X-Integration-Alias": "zweite",
		"X-Workspace-Id":      "wkspace_012345678901234567890123",
		"Traceparent":         "00-abc-def-01",
		"Tracestate":          "a=b",
		"Accept":              "application/json",
	}
	for name, value := range want {
		if got.Get(name) != value {
			t.Errorf("%s is %q, want %q", name, got.Get(name), value)
		}
	}
	if _, err := c.GetUser(t.Context(), "u"); err != nil {
		t.Fatal(err)
	}
	if bot := got.Get("X-Bot-Id"); bot != "bot_0123456789012345678901234567" {
		t.Errorf("the view changed the client: X-Bot-Id is %q", bot)
	}
	if trace := got.Get("Traceparent"); trace != "" {
		t.Errorf("a call without a trace has %q", trace)
	}
}

// A header of the caller goes to the API and does not change after New.
func TestHeader(t *testing.T) {
	var got http.Header
	given := http.Header{"x-multiple-integrations": {"true"}, "X-List": {"a", "b"}, "User-Agent": {"acme"}, "X-None": nil}
	c := newClient(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Header
		fmt.Fprint(w, `{"user": {}}`)
	}), func(o *botpress.Options) { o.Header = given })
	given["X-List"][0] = "changed"
	given.Set("X-Late", "too late")
	for _, view := range []*botpress.Client{c, c.With(botpress.Scope{BotID: "bot-2"})} {
		if _, err := view.UpdateUser(t.Context(), "u", botpress.UpdateUserParams{}); err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string][]string{
			"X-Multiple-Integrations": {"true"}, "X-List": {"a", "b"}, "User-Agent": {"acme"}, "X-None": nil, "X-Late": nil,
			"Authorization": {"Bearer bp_test_token"}, "Content-Type": {"application/json"},
		} {
			if diff := cmp.Diff(want, got[name]); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
	}
}

func TestReservedHeaders(t *testing.T) {
	for _, name := range []string{
		"Authorization", "authorization", "X-Bot-Id", "x-bot-id", "X-Integration-Id", "X-Integration-Alias", "X-Workspace-Id",
		"Traceparent", "Tracestate", "Accept", "Accept-Encoding", "Content-Type", "Content-Encoding", "Content-Length",
		"Cookie", "Host", "Expect", "Range", "Connection", "Keep-Alive", "Proxy-Authorization", "Proxy-Connection", "TE",
		"Trailer", "Transfer-Encoding", "Upgrade",
	} {
		_, err := botpress.New(botpress.Options{Token: "t", Header: http.Header{name: {"s3cret"}}})
		if err == nil || !strings.Contains(err.Error(), http.CanonicalHeaderKey(name)) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestHeaderInjection(t *testing.T) {
	c := newClient(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a request was sent") }))
	_, err := c.With(botpress.Scope{BotID: "b\r\nX-Evil: 1"}).GetUser(t.Context(), "u")
	if err == nil || !strings.Contains(err.Error(), "X-Bot-Id") {
		t.Errorf("error: %v", err)
	}
}

// A trace comes from outside: a broken one is dropped, the call is not.
func TestBrokenTrace(t *testing.T) {
	c := newClient(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Traceparent") != "" || r.Header.Get("Tracestate") != "" {
			t.Errorf("header: %v", r.Header)
		}
		fmt.Fprint(w, `{"user": {}}`)
	}))
	ctx := botpress.ContextWithTrace(t.Context(), botpress.Trace{Parent: "00-abc-def-01", State: "a\nb"})
	if _, err := c.GetUser(ctx, "u"); err != nil {
		t.Error(err)
	}
}

// The HTTP client that the caller gives is used, and stays as it was.
func TestHTTPClientIsCopied(t *testing.T) {
	used := 0
	given := &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		used++
		return answer(200, `{"user": {}}`), nil
	})}
	before := *given
	c, err := botpress.New(botpress.Options{Token: "t", HTTPClient: given})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.GetUser(t.Context(), "u"); err != nil {
		t.Fatal(err)
	}
	if used != 1 {
		t.Errorf("the given transport was used %d times", used)
	}
	if given.CheckRedirect != nil || given.Jar != nil || given.Timeout != before.Timeout {
		t.Errorf("the caller's client was changed: %+v", given)
	}
}

// Cookies from one bot's responses must not be sent with another bot's requests.
func TestNoCookies(t *testing.T) {
	c := newClient(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.Cookies()) > 0 {
			t.Errorf("cookies: %v", r.Cookies())
		}
		http.SetCookie(w, &http.Cookie{Name: "session", Value: "of bot A"})
		fmt.Fprint(w, `{"user": {}}`)
	}))
	for range 2 {
		if _, err := c.GetUser(t.Context(), "u"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNothingPrintsSecrets(t *testing.T) {
	var lines bytes.Buffer
	c := newClient(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprintf(w, `{"id": "err_1", "code": 401, "type": "Unauthorized", "message": "bad token %s"}`,
			strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
	}), func(o *botpress.Options) {
		o.Logger = slog.New(slog.NewTextHandler(&lines, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	_, err := c.GetUser(t.Context(), "u")
	if !errors.Is(err, botpress.ErrUnauthorized) {
		t.Fatalf("error: %v", err)
	}
	i := botpress.Integration{SigningSecret: "bp_test_token"}
	data, jsonErr := json.Marshal(i)
	if jsonErr != nil || !bytes.Contains(data, []byte("bp_test_token")) {
		t.Errorf("JSON has to hold the value: %s, %v", data, jsonErr)
	}
	slog.New(slog.NewJSONHandler(&lines, nil)).Info("x", "secret", i.SigningSecret, "client", c)
	for _, text := range []string{
		err.Error(), fmt.Sprintf("%+v", err), lines.String(),
		fmt.Sprint(c), fmt.Sprintf("%v %+v %#v", c, c, c), fmt.Sprintf("%v %+v %#v", i, i, i),
	} {
		if strings.Contains(text, "bp_test_token") {
			t.Errorf("the secret is in: %s", text)
		}
	}
	if !strings.Contains(lines.String(), "status=401") {
		t.Errorf("the log has no line about the call: %s", &lines)
	}
}

func TestOnCall(t *testing.T) {
	var calls []botpress.Call
	statuses := []int{429, 200, 404}
	c := newClient(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "0")
		w.WriteHeader(statuses[0])
		statuses = statuses[1:]
		fmt.Fprint(w, `{"event": {}}`)
	}), func(o *botpress.Options) {
		o.OnCall = func(_ context.Context, call botpress.Call) { calls = append(calls, call) }
	})

	if _, err := c.CreateEvent(t.Context(), botpress.CreateEventParams{Type: "x"}); err != nil {
		t.Fatal(err)
	}
	_, notFound := c.GetEvent(t.Context(), "e")
	_, refused := c.GetEvent(t.Context(), "..")
	for i, call := range calls {
		if call.Duration < 0 {
			t.Errorf("duration %v", call.Duration)
		}
		if answered := call.Status != 0; answered != (time.Since(call.Date).Abs() < time.Minute) {
			t.Errorf("%s with status %d has the date %v", call.Route, call.Status, call.Date)
		}
		calls[i].Duration, calls[i].Date = 0, time.Time{}
	}
	want := []botpress.Call{
		{Method: "POST", Route: "/v1/chat/events", Status: 200, Attempts: 2},
		{Method: "GET", Route: "/v1/chat/events/{id}", Status: 404, Attempts: 1, Err: notFound},
		{Method: "GET", Route: "/v1/chat/events/{id}", Err: refused},
	}
	sameError := cmp.Comparer(func(a, b error) bool { return errors.Is(a, b) || errors.Is(b, a) })
	if diff := cmp.Diff(want, calls, sameError); diff != "" {
		t.Error(diff)
	}
}

// A thousand calls at once share a bounded number of connections, and a second
// thousand opens none.
func TestConnectionsAreReused(t *testing.T) {
	const calls, most = 1000, 100
	var (
		mu     sync.Mutex
		opened int
	)
	server := httptest.NewUnstartedServer(smallServer(t).Config.Handler)
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			mu.Lock()
			opened++
			mu.Unlock()
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	c, err := botpress.New(botpress.Options{BaseURL: server.URL, Token: "t"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdleConnections)
	volley := func() int {
		var wg sync.WaitGroup
		for range calls {
			wg.Go(func() {
				if _, err := c.CreateEvent(t.Context(), smallEvent); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		mu.Lock()
		defer mu.Unlock()
		return opened
	}
	first := volley()
	second := volley()
	if first > most || second > most {
		t.Errorf("%d calls at once opened %d connections, another %d: %d", calls, first, calls, second)
	}
	t.Logf("%d calls at once opened %d connections, another %d opened %d more", calls, first, calls, second-first)
}

// The client allocates no more than the same call by hand.
func TestAllocations(t *testing.T) {
	transport := roundTrip(func(r *http.Request) (*http.Response, error) {
		if _, err := bytes.NewBuffer(nil).ReadFrom(r.Body); err != nil {
			return nil, err
		}
		return answer(200, smallAnswer), r.Body.Close()
	})
	c, err := botpress.New(botpress.Options{
		Token: "t", BotID: "b", IntegrationID: "i", IntegrationAlias: "a", WorkspaceID: "w", HTTPClient: &http.Client{Transport: transport},
	})
	if err != nil {
		t.Fatal(err)
	}
	byHand := &http.Client{Transport: transport, Timeout: botpress.DefaultTimeout}
	ours := testing.AllocsPerRun(200, func() {
		if _, err := c.CreateEvent(t.Context(), smallEvent); err != nil {
			t.Fatal(err)
		}
	})
	theirs := testing.AllocsPerRun(200, func() {
		if _, err := bare(t.Context(), byHand, "http://127.0.0.1"); err != nil {
			t.Fatal(err)
		}
	})
	if ours > theirs {
		t.Errorf("a small POST costs %.0f allocations, by hand %.0f", ours, theirs)
	}
}

// roundTrip is a transport without a network, for fake time and odd responses.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := context.Cause(r.Context()); err != nil {
		return nil, err
	}
	return f(r)
}

func answer(status int, body string) *http.Response {
	w := httptest.NewRecorder()
	w.WriteHeader(status)
	w.Body.WriteString(body)
	return w.Result()
}
