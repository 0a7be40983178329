// Minimal makes a help desk of what every developer has: end users are heard on the terminal and answered with curl.
//
//	BP_TOKEN=… BP_SIGNING_SECRET=… AGENT_KEY=… go run ./examples/minimal # serves
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"

	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/hitl/cli"
	"github.com/hitl-go/sdk/hitl/verify"
	"github.com/hitl-go/sdk/message"
)

// desk serves an installation of the integration. It remembers nothing: what must be known later stands in a [hitl.Ref],
// and Botpress keeps it.
type desk struct {
	genuine verify.Func // Tells the agent's reports from anybody else's.
}

func connect(context.Context, hitl.Installation, struct{}) (desk, error) {
	key := os.Getenv("AGENT_KEY")
	if key == "" {
		return desk{}, hitl.Errorf("set AGENT_KEY to a secret of your choice, which the agent's reports come with")
	}
	return desk{verify.Header("Agent-Key", key)}, nil
}

// Register gives the agent a shell function to answer with, whenever the integration is installed in a bot.
func (desk) Register(_ context.Context, webhookURL string) error {
	fmt.Printf("Paste this into another shell that has AGENT_KEY:\n\n"+
		"answer() { curl -H \"Agent-Key: $AGENT_KEY\" -d session=$1 -d id=$RANDOM$RANDOM --data-urlencode text=\"$2\" %s; }\n", webhookURL)
	return nil
}

func (desk) Unregister(context.Context, string) error { return nil }

func (desk) CreateUser(_ context.Context, r hitl.CreateUserRequest) (hitl.Ref, error) {
	return hitl.Ref{ID: r.UserID}, nil // A real desk has ids of its own, and should store ours.
}

func (desk) StartHitl(ctx context.Context, r hitl.StartHitlRequest[struct{}]) (hitl.Ref, error) {
	fmt.Printf("\nsession %s: %s\n\n%s\n", r.ConversationID, r.Title, r.Transcript(ctx, nil))
	fmt.Printf("To answer (without a text, to close it):\n\nanswer %s \"Hello\"\n", r.ConversationID)
	return hitl.Ref{ID: r.ConversationID}, nil
}

func (desk) SendMessage(_ context.Context, r hitl.SendMessageRequest) (hitl.Ref, error) {
	fmt.Printf("\nsession %s: %s\n", r.Session.ID, message.PlainText(r.Message))
	return hitl.Ref{}, nil
}

func (desk) StopHitl(_ context.Context, r hitl.StopHitlRequest) error {
	fmt.Printf("\nsession %s is over\n", r.Session.ID)
	return nil
}

// HandleWebhook reads what the agent has sent.
func (d desk) HandleWebhook(_ context.Context, r *http.Request) (hitl.Webhook, error) {
	if err := d.genuine(r); err != nil {
		return hitl.Webhook{}, err
	}
	session, text := r.FormValue("session"), r.FormValue("text")
	if text == "" {
		return hitl.Webhook{Events: []hitl.Event{hitl.Stopped{SessionID: session}}}, nil
	}
	return hitl.Webhook{Events: []hitl.Event{hitl.Replied{
		SessionID: session, Author: hitl.Agent{ID: "1", Name: "Your agent"}, Message: message.Text{Text: text},
		ID: r.FormValue("id"), // By it, one report that comes twice is told from the same words said twice.
	}}}, nil
}

func main() {
	cli.Main(hitl.NewServer(hitl.Definition{Name: "minimal", Version: "1.0.0", SendOnce: true}, connect, nil))
}
