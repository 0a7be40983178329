package hitl_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/internal/racetest"
	"github.com/hitl-go/sdk/message"
)

// operations are what Botpress asks for most, as requests that differ, since repetitions are recognised.
var operations = []struct {
	name        string
	make        func(n int) [2]string
	allocations float64 // at most: some tenth more than it takes
}{
	{"ping", func(int) [2]string { return ping }, 20},
	{"createUser", func(int) [2]string { return createUser }, 130},
	{"message_created", func(n int) [2]string {
		said := strings.NewReplacer("msg_1", fmt.Sprintf("msg_%d", n), `"text":"hello"`, `"text":"hello","userId":"user_1"`)
		return [2]string{sendMessage[0], said.Replace(sendMessage[1])}
	}, 139},
	{"webhook_received", func(n int) [2]string {
		return [2]string{webhook[0], strings.Replace(webhook[1], "hello", fmt.Sprintf("hello %d", n), 1)}
	}, 109},
}

// cannedAPI answers calls of the API at little cost.
type cannedAPI struct{}

func (cannedAPI) RoundTrip(r *http.Request) (*http.Response, error) {
	const (
		user         = `"user":{"id":"user_1","name":"Jane","tags":{"id":"ext-1"}}`
		conversation = `"conversation":{"id":"conv_1","channel":"hitl","tags":{"id":"T-1","startedAt":"1999-01-01T00:00:00.000Z","phase":"open"}}`
		settled      = `{"messages":[{"id":"msg_0","direction":"outgoing","createdAt":"2026-01-01T00:00:00.000Z","tags":{"delivered":"1/1"}}],"meta":{}}`
	)
	body := "{" + user + "," + conversation + `,"message":{"id":"msg_1","tags":{}},"meta":{"created":true},"state":{"payload":null},"conversations":[]}`
	if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/messages") {
		body = settled
	}
	if r.Body != nil {
		_, _ = io.Copy(io.Discard, r.Body)
		_ = r.Body.Close()
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: r}, nil
}

// operator serves the operations, signed, with the log that a server has.
func operator(tb testing.TB) func(operation [2]string) {
	tb.Helper()
	n := 0
	desk := &fakeDesk{
		sendMessage: func(context.Context, hitl.SendMessageRequest) (hitl.Ref, error) {
			n++
			return hitl.Ref{ID: fmt.Sprintf("C-%d", n)}, nil
		},
		handleWebhook: func(context.Context, *http.Request) (hitl.Webhook, error) {
			n++
			return hitl.Webhook{Events: []hitl.Event{hitl.Replied{ // The API knows the agent by this name, so nobody is renamed.
				SessionID: "T-1", ConversationID: "conv_1", Author: hitl.Agent{ID: "1", Name: "Jane"}, ID: fmt.Sprintf("A-%d", n), Message: message.Text{Text: "Hello"},
			}}}, nil
		},
	}
	server := desk.server(tb, hitl.Options{
		Secrets: []string{signingSecret}, SweepEvery: -1, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Botpress: botpress.Options{HTTPClient: &http.Client{Transport: cannedAPI{}}},
	})
	return func(operation [2]string) {
		w := httptest.NewRecorder()
		server.ServeHTTP(w, signed(tb, request(operation), signingSecret))
		if w.Code != http.StatusOK {
			tb.Fatalf("%s was answered %d %s", operation[0], w.Code, w.Body)
		}
	}
}

// An operation allocates no more than it did. What the test itself allocates is taken off.
func TestAllocationsOfOperations(t *testing.T) {
	if racetest.Slowdown > 1 {
		t.Skip("the race detector allocates, too")
	}
	for _, op := range operations {
		t.Run(op.name, func(t *testing.T) {
			operate, n := operator(t), 0
			own := testing.AllocsPerRun(200, func() {
				n++
				_, _ = httptest.NewRecorder(), signed(t, request(op.make(n)), signingSecret)
			})
			got := testing.AllocsPerRun(200, func() { n++; operate(op.make(n)) }) - own
			if t.Logf("%.0f allocations", got); got > op.allocations {
				t.Errorf("%.0f allocations, want at most %.0f", got, op.allocations)
			}
		})
	}
}

func BenchmarkOperation(b *testing.B) {
	for _, op := range operations {
		b.Run(op.name, func(b *testing.B) {
			operate, n := operator(b), 0
			b.ReportAllocs()
			for b.Loop() {
				n++
				operate(op.make(n))
			}
		})
	}
}
