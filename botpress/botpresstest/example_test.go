package botpresstest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/hitl-go/sdk/botpress/botpresstest"
	"github.com/hitl-go/sdk/message"
)

// A whole session with an integration that is wired by hand; an integration on package hitl is served the same way.
func Example() {
	ctx := context.Background()
	cloud := botpresstest.NewServer(nil)
	defer cloud.Close()

	call := func(r *http.Request, path, body string) (answer map[string]botpresstest.User) {
		req, _ := http.NewRequestWithContext(r.Context(), http.MethodPost, cloud.URL+"/v1/chat/"+path, strings.NewReader(body))
		req.Header = r.Header.Clone() // x-bot-id and x-integration-id.
		req.Header.Set("Authorization", "Bearer "+cloud.Token)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			panic(err)
		}
		defer func() { _ = res.Body.Close() }()
		_ = json.NewDecoder(res.Body).Decode(&answer)
		return answer
	}
	adapter := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var op struct {
			Type    string            `json:"type"`
			Payload map[string]string `json:"payload"`
		}
		_ = json.NewDecoder(r.Body).Decode(&op)
		switch {
		case op.Type == "createUser":
			user := call(r, "users", `{"tags":{"id":"u-1"}}`)["user"]
			_, _ = fmt.Fprintf(w, `{"output":{"userId":%q}}`, user.ID)
		case op.Type == "startHitl":
			conversation := call(r, "conversations", `{"channel":"hitl","tags":{"id":"T-1"}}`)["conversation"]
			_, _ = fmt.Fprintf(w, `{"output":{"conversationId":%q}}`, conversation.ID)
		case op.Type == "text":
			fmt.Println("the desk hears:", op.Payload["text"])
		case r.Header.Get("x-bp-operation") == "webhook_received":
			call(r, "initialize-incoming-message", `{
				"user": {"tags": {"id": "agent-7"}, "discriminateByTags": ["id"], "name": "Alice"},
				"conversation": {"channel": "hitl", "tags": {"id": "T-1"}, "discriminateByTags": ["id"]},
				"message": {"type": "text", "payload": {"text": "How can I help?"}, "tags": {"id": "m-1"}, "discriminateByTags": ["id"]}
			}`)
		}
	}))
	defer adapter.Close()

	in, err := cloud.Install(ctx, botpresstest.Integration{Name: "acme-desk", URL: adapter.URL})
	if err != nil {
		panic(err)
	}
	jane := in.NewEndUser(botpresstest.Profile{Name: "Jane"})
	if err := jane.Escalate(ctx, botpresstest.Escalation{Title: "Help me"}); err != nil {
		panic(err)
	}
	_ = jane.Say(ctx, message.Text{Text: "Hello?"})
	_ = cloud.Settle(ctx)
	if res, err := http.Post(in.WebhookURL, "application/json", nil); err == nil {
		_ = res.Body.Close()
	}
	for range 3 {
		r, _ := jane.Next(ctx)
		fmt.Printf("Jane sees (%s %s): %s\n", r.From, r.Name, message.PlainText(r.Message))
	}
	// Output:
	// the desk hears: Hello?
	// Jane sees (bot ): I have escalated this conversation to a human agent. They should be with you shortly.
	// Jane sees (bot ): A human agent has joined the conversation.
	// Jane sees (agent Alice): How can I help?
}
