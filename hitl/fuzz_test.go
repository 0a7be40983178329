package hitl_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/message"
)

// curiousDesk looks at all that it is given, and logs too much.
func curiousDesk(connected *slog.Logger) *fakeDesk {
	return &fakeDesk{
		connect: func(_ context.Context, in hitl.Installation, c fakeConfig) error {
			in.Logger.Debug("connect", "config", c)
			connected.Debug("connect")
			return nil
		},
		sendMessage: func(_ context.Context, r hitl.SendMessageRequest) (hitl.Ref, error) {
			return hitl.Ref{ID: message.PlainText(r.Message)[:0] + "C-1"}, nil
		},
		handleWebhook: func(_ context.Context, r *http.Request) (hitl.Webhook, error) {
			body, err := io.ReadAll(r.Body)
			return hitl.Webhook{Events: []hitl.Event{hitl.Replied{
				ConversationID: r.URL.Path, SessionID: r.URL.RawQuery, Author: hitl.Agent{ID: r.Header.Get("X-Agent"), Name: r.Host},
				ID: r.RequestURI, Message: message.Text{Text: string(body)},
			}}}, err
		},
	}
}

const fuzzSecret = "s3cr3t-0123456789"

// FuzzOperation sends whatever a sender can get wrong. A server must refuse it for good: what is malformed now will be
// malformed later. And whatever it logs, it must not be the configuration.
func FuzzOperation(f *testing.F) {
	for _, operation := range [][2]string{
		createUser, webhook, sendMessage, ping,
		{"action_triggered", `{"type":"startHitl","input":{"userId":"user_1","title":"t","hitlSession":{},"messageHistory":[{"source":{"type":"bot"},"type":"text","payload":{"text":"hi"}}]}}`},
		{"action_triggered", `{"type":"stopHitl","input":{"conversationId":".."}}`},
		{"action_triggered", `{"type":5,"input":[]}`},
		{"action_triggered", `[]`},
		{"message_created", `{"type":"bloc","payload":{"items":[{"type":"nope","payload":{}}],"userId":".."},"conversation":{"id":"c","channel":"hitl"},"message":{"id":"m"}}`},
		{"message_created", "null"},
		{"message_updated", `{"conversation":{"channel":"hitl"}}`},
		{"conversation_updated", "{"},
		{"register", `{"webhookUrl":"https://webhook.botpress.cloud/wh_1"}`},
		{"unregister", "null"},
		{"create_user", ""},
		{"create_conversation", ""},
		{"nope", "{}"},
	} {
		f.Add(operation[0], operation[1], "bot_1", "fake", "wh_1", "", "")
	}
	f.Add(createUser[0], createUser[1], "caf\u00e9", "fake", "wh_1", "", "")
	f.Add("ping", "{}", "caf\u00e9", "\xff", "", "\x80", "a=\u00e9")

	var log bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s := curiousDesk(logger).server(f, hitl.Options{Logger: logger})
	f.Fuzz(func(t *testing.T, operation, body, bot, alias, webhookID, traceparent, tracestate string) {
		log.Reset()
		r := configured(request([2]string{operation, body}), `{"token":"`+fuzzSecret+`"}`)
		for name, value := range map[string]string{
			"X-Bot-Id": bot, "X-Integration-Alias": alias, "X-Webhook-Id": webhookID, "Traceparent": traceparent, "Tracestate": tracestate,
		} {
			r.Header.Set(name, value)
		}
		a := ask(s, r)
		if a.status >= http.StatusInternalServerError {
			t.Errorf("got %d %s\n%s", a.status, a.body, &log)
		}
		if a.status >= http.StatusBadRequest {
			if f := a.failure(t); f.ID == "" || f.Type == "" || f.Message == "" || f.Code == 0 {
				t.Errorf("the error has not all that it should: %s", a.body)
			}
		}
		if strings.Contains(log.String(), fuzzSecret) || strings.Contains(log.String(), apiToken) {
			t.Errorf("the log has a secret:\n%s", &log)
		}
	})
}

// FuzzConfiguration sends configurations in all forms. Those that do not fit are the bot's owner's to fix.
func FuzzConfiguration(f *testing.F) {
	for _, plain := range []string{
		`{"token":"` + fuzzSecret + `"}`, `{"token":"x","limit":12345678901234567890}`, `{"limit":"` + fuzzSecret + `"}`, "null", "[]", "{", "",
		`{"token":["` + fuzzSecret + `"]}`, `"` + fuzzSecret + `"`, "{}x", "\xff", `{"token":"\ud800"}`,
	} {
		f.Add(base64.StdEncoding.EncodeToString([]byte(plain)))
		f.Add(base64.RawURLEncoding.EncodeToString([]byte(plain)))
		f.Add(plain)
	}
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s := curiousDesk(logger).server(f, hitl.Options{Logger: logger})
	f.Fuzz(func(t *testing.T, configuration string) {
		log.Reset()
		r := request(createUser)
		r.Header.Set("X-Bp-Configuration", configuration)
		a := ask(s, r)
		if a.status >= http.StatusInternalServerError {
			t.Errorf("got %d %s\n%s", a.status, a.body, &log)
		}
		if strings.Contains(log.String(), fuzzSecret) || strings.Contains(a.body, fuzzSecret) {
			t.Errorf("a secret got out: %s\n%s", a.body, &log)
		}
	})
}

// FuzzWebhook checks that the adapter gets the request that the desk sent, byte for byte.
func FuzzWebhook(f *testing.F) {
	f.Add("POST", "/", "", "content-type", "text/plain", "host", "acme.test", "hello")
	f.Add("PUT", "/a%20b/%zz/\u00e9?x#y", "a=1&b=%2&?c#d", "x-sig", "abc", "x-sig", "\x00", "\u2713")
	f.Add("GET", "//evil.example.com/x", "x", "", "", "a b", "", "")
	f.Add("post", "http://evil.example.com", "", "h", "v", "H", "w", "{}")
	f.Add("A B", "", "\n", "content-length", "1", "transfer-encoding", "chunked", "xyz")
	type seen struct {
		Method, Path, Query, URI, Body string
		Header                         map[string][]string
	}
	var got *seen
	desk := &fakeDesk{handleWebhook: func(_ context.Context, r *http.Request) (hitl.Webhook, error) {
		body, err := io.ReadAll(r.Body)
		got = &seen{r.Method, r.URL.Path, r.URL.RawQuery, r.RequestURI, string(body), r.Header}
		if r.Host != r.Header.Get("Host") || r.ContentLength != int64(len(body)) || (len(body) == 0) != (r.Body == http.NoBody) {
			return hitl.Webhook{}, hitl.Errorf("host %q, length %d", r.Host, r.ContentLength)
		}
		return hitl.Webhook{}, err
	}}
	s := desk.server(f, hitl.Options{})
	f.Fuzz(func(t *testing.T, method, path, query, name1, value1, name2, value2, body string) {
		for _, text := range []string{method, path, query, name1, value1, name2, value2, body} {
			if !utf8.ValidString(text) {
				return // it does not survive JSON, whoever decodes it
			}
		}
		got = nil
		raw, err := json.Marshal(map[string]any{"req": map[string]any{
			"method": method, "path": path, "query": query, "headers": map[string]string{name1: value1, name2: value2}, "body": body,
		}})
		if err != nil {
			t.Fatal(err)
		}
		a := ask(s, request([2]string{"webhook_received", string(raw)}))
		if got == nil {
			twice := name1 != name2 && strings.EqualFold(name1, name2)
			if a.status != http.StatusBadRequest || validMethod(method) && !twice {
				t.Fatalf("the adapter was not asked, and the answer was %d %s", a.status, a.body)
			}
			return
		}
		if a.status != http.StatusOK {
			t.Errorf("got %d %s", a.status, a.body)
		}
		if !strings.HasPrefix(path, "/") {
			path = "/" + path
		}
		want := seen{Method: method, Path: path, Query: query, URI: path, Body: body, Header: map[string][]string{}}
		if method == "" {
			want.Method = http.MethodGet
		}
		if plain, err := url.PathUnescape(path); err == nil {
			want.Path = plain
		}
		if query != "" {
			want.URI += "?" + query
		}
		for _, header := range [][2]string{{name1, value1}, {name2, value2}} {
			want.Header[http.CanonicalHeaderKey(header[0])] = []string{header[1]}
		}
		if len(want.Header) == 1 && name1 != name2 {
			want.Header, got.Header = nil, nil // two names for one header: the last one wins, and that is either
		}
		if diff := cmp.Diff(want, *got); diff != "" {
			t.Errorf("the request (-want +got):\n%s", diff)
		}
		if !slices.Equal(slices.Sorted(maps.Keys(want.Header)), slices.Sorted(maps.Keys(got.Header))) {
			t.Errorf("headers %v, want %v", got.Header, want.Header)
		}
	})
}

func validMethod(method string) bool {
	_, err := http.NewRequest(method, "/", http.NoBody)
	return err == nil
}
