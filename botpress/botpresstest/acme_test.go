package botpresstest_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/hitl-go/sdk/botpress/botpresstest"
)

// acme is an integration without an SDK: it answers operations with the calls that the recorded one makes.
type acme struct {
	server *botpresstest.Server
	client *http.Client

	mu       sync.Mutex
	users    int
	tickets  int
	received []operation
	reply    func(op operation) (status int, body string) // Nil, or status 0: the usual answer.
}

// acmeConfig is the configuration in the recording.
const acmeConfig = `{"apiUrl":"https://desk.example.com","apiToken":"s3cr3t"}`

// operation is what Botpress has sent.
type operation struct {
	name   string
	header http.Header
	body   json.RawMessage
}

// answer sets how operations are answered while some may be on their way.
func (a *acme) answer(reply func(op operation) (status int, body string)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.reply = reply
}

func (a *acme) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(err)
	}
	op := operation{r.Header.Get("x-bp-operation"), r.Header, body}
	a.mu.Lock()
	a.received = append(a.received, op)
	reply := a.reply
	a.mu.Unlock()
	if reply != nil {
		if status, body := reply(op); status != 0 {
			w.Header().Set("Retry-After", "60") // Botpress does not honour it.
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
			return
		}
	}
	output, err := a.handle(r.Context(), op)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		output = map[string]any{"id": "err_1", "code": 400, "type": "Runtime", "message": err.Error()}
	}
	_ = json.NewEncoder(w).Encode(output)
}

func (a *acme) handle(ctx context.Context, op operation) (any, error) {
	var in struct {
		Type  string `json:"type"`
		Input struct {
			Name           string `json:"name"`
			Email          string `json:"email"`
			UserID         string `json:"userId"`
			ConversationID string `json:"conversationId"`
		} `json:"input"`
		Payload struct {
			UserID string `json:"userId"`
		} `json:"payload"`
		Req struct {
			Body string `json:"body"`
		} `json:"req"`
	}
	if err := json.Unmarshal(op.body, &in); err != nil {
		return nil, err
	}
	switch {
	case op.name == "action_triggered" && in.Type == "createUser":
		if strings.HasPrefix(in.Input.Email, "reject") {
			return nil, errors.New("Acme Desk rejected the e-mail address")
		}
		u := a.call(ctx, op, "POST", "/v1/chat/users/get-or-create", map[string]any{
			"tags": map[string]string{"id": a.next("ext", &a.users), "email": in.Input.Email}, "name": in.Input.Name, "discriminateByTags": []string{"email"},
		})
		return output("userId", u.User.ID), nil
	case op.name == "action_triggered" && in.Type == "startHitl":
		a.call(ctx, op, "GET", "/v1/chat/users/"+in.Input.UserID, nil)
		return output("conversationId", a.conversation(ctx, op, a.next("T", &a.tickets))), nil
	case op.name == "action_triggered":
		a.call(ctx, op, "GET", "/v1/chat/conversations/"+in.Input.ConversationID, nil)
		return map[string]any{"output": struct{}{}, "meta": map[string]int{"cost": 0}}, nil
	case op.name == "message_created" && in.Payload.UserID != "":
		a.call(ctx, op, "GET", "/v1/chat/users/"+in.Payload.UserID, nil)
	case op.name == "webhook_received" && in.Req.Body != "":
		var hook struct {
			Type           string `json:"type"`
			TicketID       string `json:"ticketId"`
			Text           string `json:"text"`
			AdditionalData string `json:"additionalData"`
			Agent          struct {
				ID    string `json:"id"`
				Name  string `json:"name"`
				Email string `json:"email"`
			} `json:"agent"`
		}
		if err := json.Unmarshal([]byte(in.Req.Body), &hook); err != nil {
			return nil, err
		}
		conversation := a.conversation(ctx, op, hook.TicketID)
		if hook.Type == "closed" {
			a.call(ctx, op, "POST", "/v1/chat/events", map[string]any{"type": "hitlStopped", "payload": map[string]string{"conversationId": conversation}})
			break
		}
		agent := a.call(ctx, op, "POST", "/v1/chat/users/get-or-create", map[string]any{
			"tags": map[string]string{"id": hook.Agent.ID, "email": hook.Agent.Email}, "name": hook.Agent.Name, "discriminateByTags": []string{"id"},
		}).User.ID
		if hook.Type == "assigned" {
			a.call(ctx, op, "POST", "/v1/chat/events", map[string]any{
				"type": "hitlAssigned", "payload": map[string]string{"conversationId": conversation, "userId": agent},
			})
			break
		}
		payload := map[string]string{"text": hook.Text}
		if hook.AdditionalData != "" {
			payload["additionalData"] = hook.AdditionalData
		}
		a.call(ctx, op, "POST", "/v1/chat/messages", map[string]any{
			"payload": payload, "userId": agent, "conversationId": conversation, "type": "text", "tags": struct{}{},
		})
	}
	return struct{}{}, nil
}

func output(name, id string) any {
	return map[string]any{"output": map[string]string{name: id}, "meta": map[string]int{"cost": 0}}
}

func (a *acme) next(prefix string, n *int) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	*n++
	return fmt.Sprintf("%s-%d", prefix, *n)
}

func (a *acme) conversation(ctx context.Context, op operation, ticket string) string {
	return a.call(ctx, op, "POST", "/v1/chat/conversations/get-or-create", map[string]any{
		"channel": "hitl", "tags": map[string]string{"id": ticket}, "discriminateByTags": []string{"id"},
	}).Conversation.ID
}

// reply is what acme needs of an answer.
type reply struct {
	User         botpresstest.User         `json:"user"`
	Conversation botpresstest.Conversation `json:"conversation"`
}

func (a *acme) call(ctx context.Context, op operation, method, path string, body any) (out reply) {
	status, data := send(ctx, a.server, a.client, op.header, method, path, body)
	if status >= 300 {
		panic(fmt.Sprintf("%s %s: %d %s", method, path, status, data))
	}
	if err := json.Unmarshal(data, &out); err != nil {
		panic(err)
	}
	return out
}

// send calls the API as the installation that the headers are of.
func send(ctx context.Context, s *botpresstest.Server, client *http.Client, h http.Header, method, path string, body any) (int, []byte) {
	var reader io.Reader
	switch body := body.(type) {
	case nil:
	case string:
		reader = strings.NewReader(body)
	default:
		data, err := json.Marshal(body)
		if err != nil {
			panic(err)
		}
		reader = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, s.URL+path, reader)
	if err != nil {
		panic(err)
	}
	req.Header.Set("Authorization", cmp.Or(h.Get("Authorization"), "Bearer "+s.Token))
	for _, name := range []string{"x-bot-id", "x-integration-id", "x-integration-alias", "traceparent"} {
		if v := h.Get(name); v != "" {
			req.Header.Set(name, v)
		}
	}
	res, err := client.Do(req)
	if err != nil {
		panic(err)
	}
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		panic(err)
	}
	return res.StatusCode, data
}

// installAcme starts a server and installs an acme in it.
func installAcme(t *testing.T, opts *botpresstest.Options, spec botpresstest.Integration) (*acme, *botpresstest.Installation) {
	t.Helper()
	s := botpresstest.NewServer(opts)
	t.Cleanup(s.Close)
	a := &acme{server: s}
	adapter := httptest.NewServer(a)
	t.Cleanup(adapter.Close)
	a.client = adapter.Client()
	spec.Name, spec.URL = "acme-desk", adapter.URL
	in, err := s.Install(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	return a, in
}

// webhook sends what the desk sends.
func webhook(t *testing.T, in *botpresstest.Installation, client *http.Client, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, in.WebhookURL, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		t.Fatalf("webhook %s: %s", body, res.Status)
	}
}
