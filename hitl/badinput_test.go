package hitl_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/botpress/botpresstest"
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/internal/acme"
)

func TestServerWithoutTokenOrSecret(t *testing.T) {
	server, err := acme.NewServer(acme.Definition(true), &acme.Desk{}, &hitl.Options{})
	if err != nil {
		t.Fatal(err) // the definition can be printed without either
	}
	ready := server.Ready()
	if ready == nil {
		t.Fatal("the server says that it is ready")
	}
	for _, name := range []string{"BP_TOKEN", "BP_SIGNING_SECRET"} {
		if !strings.Contains(ready.Error(), name) {
			t.Errorf("the error does not say to set %s: %v", name, ready)
		}
	}
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("{}"))
	r.Header.Set("X-Bp-Operation", "register")
	server.ServeHTTP(w, r)
	if w.Code != http.StatusServiceUnavailable {
		t.Errorf("a request was answered %d %s, want 503", w.Code, w.Body)
	}
}

// dispatch sends an operation to acmedesk as Botpress does, and returns the answer.
func dispatch(t *testing.T, configuration, operation, body string) (status int, answer struct{ Type, Message string }) {
	t.Helper()
	cloud := botpresstest.NewServer(nil)
	defer cloud.Close()
	server, err := acme.NewServer(acme.Definition(false), &acme.Desk{}, &hitl.Options{
		Insecure: true, Botpress: botpress.Options{BaseURL: cloud.URL, Token: cloud.Token},
	})
	if err != nil {
		t.Fatal(err)
	}
	shutDown(t, server)
	integration := httptest.NewServer(server)
	defer integration.Close()
	in, err := cloud.Install(t.Context(), integrationOf(t, server, integration.URL))
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/", bytes.NewBufferString(body))
	for name, value := range map[string]string{
		"x-bot-id": cloud.BotID, "x-bot-user-id": cloud.BotID, "x-integration-id": in.IntegrationID, "x-integration-alias": in.Alias,
		"x-webhook-id": in.WebhookID, "x-bp-operation": operation,
		"x-bp-configuration": base64.StdEncoding.EncodeToString([]byte(configuration)),
	} {
		r.Header.Set(name, value)
	}
	before := len(cloud.Conversations()) + len(cloud.Users())
	w := httptest.NewRecorder()
	server.ServeHTTP(w, r)
	if after := len(cloud.Conversations()) + len(cloud.Users()); after != before {
		t.Errorf("bad input left %d things in Botpress", after-before)
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		t.Fatalf("the answer %q is no JSON: %v", w.Body, err)
	}
	return w.Code, answer
}

func TestBadInput(t *testing.T) {
	const good = `{"apiUrl": "https://desk.example.com", "apiToken": "s3cr3t"}`
	webhook := func(body string) string {
		raw, err := json.Marshal(map[string]any{"req": map[string]any{"method": "POST", "path": "", "query": "", "headers": map[string]string{}, "body": body}})
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	tests := []struct {
		name          string
		configuration string
		operation     string
		body          string
		status        int
		kind          string
		message       string // a part of it
	}{
		{"a field of the configuration has the wrong type", `{"apiUrl": 5, "apiToken": "s3cr3t"}`, "register", `{"webhookUrl": "x"}`, 400, "Runtime", "apiUrl"},
		{"the configuration lacks a field", `{"apiUrl": "https://desk.example.com"}`, "register", `{"webhookUrl": "x"}`, 400, "Runtime", "apiToken"},
		{"a webhook that is no JSON", good, "webhook_received", webhook("hello"), 400, "Runtime", "no JSON"},
		{"an unknown session", good, "webhook_received", webhook(`{"type":"comment","ticketId":"T-99","agent":{"id":"1"},"text":"hi"}`), 200, "", ""},
		{"a user who was never linked", good, "action_triggered", `{"type":"startHitl","input":{"userId":"user_01ABCDEFGHJKMNPQRSTVWXYZ00","messageHistory":[]}}`, 400, "Runtime", "call createUser first"},
		{"a conversation that was never started", good, "message_created", `{"type":"text","payload":{"text":"hi"},"conversation":{"id":"conv_01ABCDEFGHJKMNPQRSTVWXYZ00","channel":"hitl"},"message":{"id":"msg_01ABCDEFGHJKMNPQRSTVWXYZ000"}}`, 400, "Runtime", "call startHitl first"},
		{"an unknown channel", good, "message_created", `{"type":"text","payload":{"text":"hi"},"conversation":{"id":"c","channel":"sms"},"message":{"id":"m"}}`, 400, "InvalidPayload", "sms"},
		{"startHitl without a user", good, "action_triggered", `{"type":"startHitl","input":{}}`, 400, "InvalidPayload", "userId"},
		{"a session of the wrong shape", good, "action_triggered", `{"type":"startHitl","input":{"userId":"u","hitlSession":{"priority":5}}}`, 400, "InvalidPayload", "priority"},
		{"stopHitl of a conversation that is gone", good, "action_triggered", `{"type":"stopHitl","input":{"conversationId":"conv_01ABCDEFGHJKMNPQRSTVWXYZ00"}}`, 200, "", ""},
		{"stopHitl without a conversation", good, "action_triggered", `{"type":"stopHitl","input":{}}`, 400, "InvalidPayload", "conversationId"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			status, answer := dispatch(t, test.configuration, test.operation, test.body)
			if status != test.status || answer.Type != test.kind || !strings.Contains(answer.Message, test.message) {
				t.Errorf("answered %d %s %q, want %d %s with %q in it", status, answer.Type, answer.Message, test.status, test.kind, test.message)
			}
			if strings.Contains(answer.Message, "s3cr3t") {
				t.Errorf("the answer holds a secret: %s", answer.Message)
			}
		})
	}
}
