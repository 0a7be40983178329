package botpress_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/hitl-go/sdk/botpress"
)

const smallAnswer = `{"event": {"id": "evt_0123456789012345678901234567", "createdAt": "2026-11-21T10:20:30.456Z",
	"type": "acme:hitlStopped", "payload": {"conversationId": "conv_012345678901234567890123456"}, "status": "pending", "failureReason": null}}`

var smallEvent = botpress.CreateEventParams{
	Type:    "hitlStopped",
	Payload: json.RawMessage(`{"conversationId": "conv_012345678901234567890123456"}`),
}

func smallServer(tb testing.TB) *httptest.Server {
	tb.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, smallAnswer)
	}))
	tb.Cleanup(server.Close)
	return server
}

// A small POST through the client.
func BenchmarkPost(b *testing.B) {
	c := newClient(b, smallServer(b).Config.Handler)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.CreateEvent(b.Context(), smallEvent); err != nil {
			b.Fatal(err)
		}
	}
}

// The same by hand, with encoding, headers and decoding.
func BenchmarkPostBare(b *testing.B) {
	server := smallServer(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := bare(b.Context(), server.Client(), server.URL); err != nil {
			b.Fatal(err)
		}
	}
}

func bare(ctx context.Context, c *http.Client, base string) (botpress.Event, error) {
	var reply struct {
		Event botpress.Event `json:"event"`
	}
	body, err := json.Marshal(smallEvent)
	if err != nil {
		return reply.Event, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/v1/chat/events", bytes.NewReader(body))
	if err != nil {
		return reply.Event, err
	}
	req.Header.Set("Authorization", "Bearer bp_test_token")
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("X-Bot-Id", "bot_0123456789012345678901234567")
	req.Header.Set("X-Integration-Id", "intver_0123456789012345678901234")
	req.Header.Set("X-Integration-Alias", "acme")
	req.Header.Set("X-Workspace-Id", "wkspace_012345678901234567890123")
	res, err := c.Do(req)
	if err != nil {
		return reply.Event, err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		return reply.Event, err
	}
	return reply.Event, json.Unmarshal(data, &reply)
}
