package hitl_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/internal/memnet"
)

func TestMonitoring(t *testing.T) {
	s := (&fakeDesk{}).server(t, hitl.Options{})
	status := func(method, path string) int {
		return ask(s, httptest.NewRequest(method, path, http.NoBody)).status
	}
	want := map[string]int{
		"GET /health": 200, "HEAD /health": 200, "POST /health": 200, "PUT /health": 405, "DELETE /health": 405,
		"GET /ready": 200, "HEAD /ready": 200, "GET /": 405, "GET /health/": 405, "PUT /": 405,
	}
	check := func() {
		t.Helper()
		got := map[string]int{}
		for line := range want {
			method, path, _ := strings.Cut(line, " ")
			got[line] = status(method, path)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("answers (-want +got):\n%s", diff)
		}
	}
	check()
	for _, path := range []string{"/health", "/ready"} { // a deployment to the wrong address
		r := request(webhook)
		r.URL.Path = path
		if a := ask(s, r); a.status != http.StatusNotFound || !strings.Contains(a.body, path) {
			t.Errorf("an operation at %s is answered %d %s", path, a.status, a.body)
		}
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	want["GET /ready"], want["HEAD /ready"] = 503, 503
	check()
}

func TestNotReady(t *testing.T) {
	connect := func(context.Context, hitl.Installation, fakeConfig) (*fakeDesk, error) { return &fakeDesk{}, nil }
	for _, test := range []struct {
		name string
		opts hitl.Options
		says string
	}{
		{"no token", hitl.Options{Insecure: true}, "BP_TOKEN"},
		{"no secret", hitl.Options{Botpress: botpress.Options{Token: apiToken}}, "BP_SIGNING_SECRET"},
		{"a secret that is none", hitl.Options{Botpress: botpress.Options{Token: apiToken}, Secrets: []string{"!"}}, "signing secret 1 of 1"},
		{"a secret and Insecure", hitl.Options{Botpress: botpress.Options{Token: apiToken}, Secrets: []string{signingSecret}, Insecure: true}, "contradict"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, err := hitl.NewServer(hitl.Definition{Name: "fake", Version: "1.0.0", Title: "Fake Desk"}, connect, &test.opts)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Ready(); err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("Ready: %v, want an error with %q", err, test.says)
			}
			for _, operation := range [][2]string{createUser, ping} {
				a := ask(s, request(operation))
				if f := a.failure(t); a.status != http.StatusServiceUnavailable || !strings.Contains(f.Message, test.says) {
					t.Errorf("%s: got %d %q, want 503 and the reason", operation[0], a.status, f.Message)
				}
			}
			if err := s.Shutdown(t.Context()); err != nil {
				t.Errorf("Shutdown: %v", err)
			}
		})
	}
}

func TestSignature(t *testing.T) {
	const old, unknown = "b2xkLXNlY3JldC1vZi10aGUtdGVzdHM", "dW5rbm93bi1zZWNyZXQtb2YtdGhlLXRlc3Rz"
	var log bytes.Buffer
	s := (&fakeDesk{}).server(t, hitl.Options{Secrets: []string{signingSecret, old}, Logger: logTo(&log)})
	tampered := signed(t, request(createUser), signingSecret)
	tampered.Body = io.NopCloser(strings.NewReader(strings.Replace(createUser[1], "Jane", "Eve", 1)))
	for _, test := range []struct {
		name string
		r    *http.Request
		want int
	}{
		{"signed", signed(t, request(createUser), signingSecret), 200},
		{"with the second secret", signed(t, request(createUser), old), 200},
		{"with another secret", signed(t, request(createUser), unknown), 401},
		{"unsigned", request(createUser), 401},
		{"another body", tampered, 401},
		{"a ping does nothing", request(ping), 200},
		{"an unknown operation", request([2]string{"nope", "{}"}), 401},
	} {
		if a := ask(s, test.r); a.status != test.want {
			t.Errorf("%s: got %d %s, want %d", test.name, a.status, a.body, test.want)
		}
	}
	for _, operation := range []string{
		"action_triggered", "message_created", "message_updated", "conversation_updated", "webhook_received", "register", "unregister",
		"create_user", "create_conversation",
	} {
		if a := ask(s, request([2]string{operation, "{}"})); a.status != http.StatusUnauthorized {
			t.Errorf("%s, unsigned: got %d %s, want 401", operation, a.status, a.body)
		}
	}
	if !strings.Contains(log.String(), "botpress: the request is not signed") {
		t.Errorf("the log does not say why a request was refused:\n%s", &log)
	}
	for _, secret := range []string{signingSecret, old, unknown, "Bearer", tampered.Header.Get(botpress.SignatureHeader)} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log has %q:\n%s", secret, &log)
		}
	}
}

func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		started := make(chan context.Context, 1)
		desk := &fakeDesk{createUser: func(ctx context.Context, _ hitl.CreateUserRequest) (hitl.Ref, error) {
			started <- ctx
			<-ctx.Done()
			return hitl.Ref{}, ctx.Err()
		}}
		s := desk.server(t, hitl.Options{Timeout: 7 * time.Second})
		sender, hangUp := context.WithCancel(t.Context())
		begin := time.Now()
		var wg sync.WaitGroup
		wg.Go(func() {
			if a := ask(s, request(createUser).WithContext(sender)); a.status != http.StatusInternalServerError {
				t.Errorf("got %d %s, want 500", a.status, a.body)
			}
		})
		ctx := <-started
		hangUp()
		synctest.Wait()
		if err := ctx.Err(); err != nil {
			t.Errorf("what had begun was broken off when the sender hung up: %v", err)
		}
		wg.Wait()
		if took := time.Since(begin); took != 7*time.Second || !errors.Is(ctx.Err(), context.DeadlineExceeded) {
			t.Errorf("the author's context ended with %v after %s, want its deadline after 7s", ctx.Err(), took)
		}
	})
}

func TestConcurrencyIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		desk := &fakeDesk{handleWebhook: func(context.Context, *http.Request) (hitl.Webhook, error) {
			<-release
			return hitl.Webhook{}, nil
		}}
		s := desk.server(t, hitl.Options{MaxConcurrent: 2, MaxPerInstallation: 4})
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				if a := ask(s, request(webhook)); a.status != http.StatusOK {
					t.Errorf("got %d %s", a.status, a.body)
				}
			})
		}
		synctest.Wait()
		a := ask(s, request(webhook))
		if a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") != "1" {
			t.Errorf("beyond the bound: got %d with Retry-After %q, want 503 and 1", a.status, a.header.Get("Retry-After"))
		}
		if a := ask(s, httptest.NewRequest(http.MethodGet, "/health", http.NoBody)); a.status != http.StatusOK {
			t.Errorf("/health: got %d meanwhile", a.status)
		}
		close(release)
		wg.Wait()
		if a := ask(s, request(webhook)); a.status != http.StatusOK {
			t.Errorf("afterwards: got %d %s", a.status, a.body)
		}
	})
}

func TestShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		desk := &fakeDesk{handleWebhook: func(context.Context, *http.Request) (hitl.Webhook, error) {
			<-time.After(10 * time.Second)
			return hitl.Webhook{}, nil
		}}
		s := desk.server(t, hitl.Options{})
		var wg sync.WaitGroup
		wg.Go(func() {
			if a := ask(s, request(webhook)); a.status != http.StatusOK {
				t.Errorf("what was at work: got %d %s, want 200", a.status, a.body)
			}
		})
		synctest.Wait()

		impatient, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.Shutdown(impatient); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown: got %v, want that its time is up", err)
		}
		a := ask(s, request(createUser))
		if a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" {
			t.Errorf("a new operation: got %d with Retry-After %q, want 503", a.status, a.header.Get("Retry-After"))
		}
		if err := s.Shutdown(t.Context()); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if took := time.Since(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)); took != 10*time.Second {
			t.Errorf("Shutdown returned after %s, want 10s", took)
		}
		wg.Wait()
	})
}

// What is still being received has not begun.
func TestShutdownRefusesWhatIsBeingReceived(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := (&fakeDesk{}).server(t, hitl.Options{})
		body, sender := io.Pipe()
		r := request(webhook)
		r.Body, r.ContentLength = body, -1
		var wg sync.WaitGroup
		wg.Go(func() {
			if a := ask(s, r); a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" {
				t.Errorf("got %d %s, want 503", a.status, a.body)
			}
		})
		synctest.Wait()
		if err := s.Shutdown(t.Context()); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		_, _ = io.WriteString(sender, webhook[1])
		_ = sender.Close()
		wg.Wait()
	})
}

// JSON may be null where an object belongs, which no decoder minds.
func TestNull(t *testing.T) {
	s := (&fakeDesk{}).server(t, hitl.Options{})
	for _, operation := range []string{"action_triggered", "message_created", "message_updated", "webhook_received", "register", "unregister"} {
		a := ask(s, request([2]string{operation, " null "}))
		if a.status != http.StatusBadRequest || a.failure(t).Type != "InvalidPayload" {
			t.Errorf("%s: got %d %s, want 400 InvalidPayload", operation, a.status, a.body)
		}
	}
}

// The making of an adapter may outlive the request that began it. Nobody may be left behind.
func TestShutdownWaitsForAdapters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		done := false
		desk := &fakeDesk{connect: func(ctx context.Context, _ hitl.Installation, _ fakeConfig) error {
			<-ctx.Done()
			<-time.After(time.Second)
			done = true
			return ctx.Err()
		}}
		s := desk.server(t, hitl.Options{Timeout: 3 * time.Second})
		if a := ask(s, request(createUser)); a.status != http.StatusInternalServerError {
			t.Errorf("got %d %s, want 500 at the deadline", a.status, a.body)
		}
		if err := s.Shutdown(t.Context()); err != nil || !done {
			t.Errorf("Shutdown: %v; was the adapter's making done? %t", err, done)
		}
	})
}

// onNetwork serves s in memory until the test ends, as its own HTTP server.
func onNetwork(t *testing.T, s *hitl.Server) (network *memnet.Network, client *http.Client, stop func() error) {
	t.Helper()
	network = &memnet.Network{}
	listener, err := network.Listen("acme.test:80")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, listener) }()
	client = network.Client()
	stop = sync.OnceValue(func() error {
		defer client.CloseIdleConnections()
		cancel()
		return <-served
	})
	t.Cleanup(func() { _ = stop() })
	return network, client, stop
}

// send sends a request as it was made for a recorder.
func send(client *http.Client, r *http.Request) (answer, error) {
	r.RequestURI = ""
	res, err := client.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Header, string(body)}, err
}

func TestServe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		desk := &fakeDesk{handleWebhook: func(context.Context, *http.Request) (hitl.Webhook, error) {
			<-time.After(40 * time.Second)
			return hitl.Webhook{}, nil
		}}
		s := desk.server(t, hitl.Options{})
		_, client, stop := onNetwork(t, s)
		var wg sync.WaitGroup
		wg.Go(func() {
			// Longer than any limit on reading: what is at work must not suffer from it.
			if a, err := send(client, request(webhook)); err != nil || a.status != http.StatusOK {
				t.Errorf("what was at work: got %d, %v, want 200", a.status, err)
			}
		})
		synctest.Wait()
		if err := stop(); err != nil {
			t.Errorf("Serve: %v", err)
		}
		wg.Wait()
	})
}

func TestServeReportsABrokenListener(t *testing.T) {
	network := &memnet.Network{}
	listener, err := network.Listen("acme.test:80")
	if err != nil {
		t.Fatal(err)
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	s := (&fakeDesk{}).server(t, hitl.Options{})
	if err := s.Serve(t.Context(), listener); err == nil {
		t.Error("Serve: no error")
	}
	w := httptest.NewRecorder()
	if s.ServeHTTP(w, request(ping)); w.Code != http.StatusServiceUnavailable {
		t.Errorf("after Serve has returned, the server answers %d: it was not shut down", w.Code)
	}
}

func TestTrace(t *testing.T) {
	const parent, state = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "a=b"
	for _, test := range []struct{ name, parent, state, wantParent, wantState string }{
		{"both", parent, state, parent, state},
		{"none", "", "", "", ""},
		{"malformed", "\xff\x80", state, "", ""},
		{"malformed state", parent, "caf\u00e9", parent, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			var forwarded []string
			api := botpressAPI{seen: func(r *http.Request) {
				forwarded = append(forwarded, r.Header.Get("Traceparent"), r.Header.Get("Tracestate"))
			}}
			var author botpress.Trace
			desk := &fakeDesk{createUser: func(ctx context.Context, _ hitl.CreateUserRequest) (hitl.Ref, error) {
				author = botpress.TraceFromContext(ctx)
				return hitl.Ref{ID: "ext-1"}, nil
			}}
			r := request(createUser)
			r.Header.Set("Traceparent", test.parent)
			r.Header.Set("Tracestate", test.state)
			s := desk.server(t, hitl.Options{Botpress: botpress.Options{HTTPClient: &http.Client{Transport: api}}})
			if a := ask(s, r); a.status != http.StatusOK {
				t.Fatalf("got %d %s", a.status, a.body)
			}
			if want := (botpress.Trace{Parent: test.wantParent, State: test.wantState}); author != want {
				t.Errorf("the author sees %+v, want %+v", author, want)
			}
			if want := []string{test.wantParent, test.wantState, test.wantParent, test.wantState}; !cmp.Equal(forwarded, want) {
				t.Errorf("the API sees %q, want %q", forwarded, want)
			}
		})
	}
}

func TestOnOperation(t *testing.T) {
	var got []string
	opts := hitl.Options{OnOperation: func(_ context.Context, o hitl.Operation) {
		got = append(got, fmt.Sprintf("%s/%s %s %d, %d calls, error %t", o.Name, o.Action, o.Outcome(), o.Status, o.APICalls, o.Err != nil))
	}}
	desk := &fakeDesk{
		createUser: func(_ context.Context, r hitl.CreateUserRequest) (hitl.Ref, error) {
			if r.Name == "" {
				return hitl.Ref{}, hitl.Errorf("no name")
			}
			return hitl.Ref{ID: "ext-1"}, nil
		},
		sendMessage: func(context.Context, hitl.SendMessageRequest) (hitl.Ref, error) {
			return hitl.Ref{}, errors.New("down")
		},
	}
	s := desk.server(t, opts)
	for _, operation := range [][2]string{
		createUser,
		{"action_triggered", `{"type":"createUser","input":{}}`},
		{"action_triggered", `{"type":"\u0000nope"}`},
		sendMessage, ping,
		{"\x00nope", "{}"},
	} {
		ask(s, request(operation))
	}
	ask(s, httptest.NewRequest(http.MethodGet, "/health", http.NoBody))
	want := []string{
		"action_triggered/createUser done 200, 2 calls, error false",
		"action_triggered/createUser refused 400, 1 calls, error true",
		"action_triggered/ refused 400, 0 calls, error true",
		"message_created/ failed 500, 4 calls, error true",
		"ping/ done 200, 0 calls, error false",
		"unknown/ refused 400, 0 calls, error true",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("operations (-want +got):\n%s", diff)
	}
}

// What the reference answers for each thing that a handler may leave out is in the corpus of internal/conformance/probe.
func TestWebhookReply(t *testing.T) {
	for _, test := range []struct {
		name   string
		reply  hitl.Webhook
		status int
		header http.Header
		body   string
	}{
		{"nothing", hitl.Webhook{}, 200, http.Header{"Content-Type": {"application/json"}}, "{}"},
		{"headers", hitl.Webhook{Header: http.Header{"x-a": {"1", "2"}}}, 200, http.Header{"Content-Type": {"application/json"}, "X-A": {"1", "2"}}, "{}"},
		{"a body", hitl.Webhook{Body: []byte("<html>")}, 200, http.Header{"Content-Type": nil}, "<html>"},
		{"an empty body", hitl.Webhook{Body: []byte{}}, 200, http.Header{"Content-Type": nil}, ""},
		{"no content", hitl.Webhook{Status: 204}, 204, http.Header{"Content-Type": nil}, ""},
		{"a length that lies", hitl.Webhook{Header: http.Header{"content-length": {"1"}}, Body: []byte("long")}, 200, http.Header{"Content-Type": nil}, "long"},
		{"an error of its own", hitl.Webhook{Status: 500, Body: []byte("oh no")}, 500, http.Header{"Content-Type": nil}, "oh no"},
	} {
		t.Run(test.name, func(t *testing.T) {
			desk := &fakeDesk{handleWebhook: func(context.Context, *http.Request) (hitl.Webhook, error) {
				return test.reply, nil
			}}
			a := ask(desk.server(t, hitl.Options{}), request(webhook))
			want := answer{test.status, test.header, test.body}
			if diff := cmp.Diff(want, a, cmp.AllowUnexported(answer{})); diff != "" {
				t.Errorf("the answer (-want +got):\n%s", diff)
			}
		})
	}
	for _, status := range []int{1, 99, 101, 600, 1000, -200} {
		desk := &fakeDesk{handleWebhook: func(context.Context, *http.Request) (hitl.Webhook, error) {
			return hitl.Webhook{Status: status}, nil
		}}
		if a := ask(desk.server(t, hitl.Options{}), request(webhook)); a.status != http.StatusInternalServerError {
			t.Errorf("a reply with status %d: got %d %s", status, a.status, a.body)
		}
	}
}
