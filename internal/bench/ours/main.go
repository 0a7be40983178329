// Ours is the integration on this SDK that the benchmarks measure: what an author writes, and nothing left out of what the SDK
// does around it. Only the desk is none: it hands out ids, so that no time is spent in it.
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/hitl/cli"
	"github.com/hitl-go/sdk/hitl/verify"
	"github.com/hitl-go/sdk/internal/bench/debug"
	"github.com/hitl-go/sdk/message"
)

type config struct {
	APIURL   string          `json:"apiUrl"`
	APIToken botpress.Secret `json:"apiToken"`
}

// desk numbers what it is given.
type desk struct{ last atomic.Int64 }

func (d *desk) newRef(kind string) hitl.Ref {
	return hitl.Ref{ID: kind + "-" + strconv.FormatInt(d.last.Add(1), 10)}
}

func (d *desk) CreateUser(context.Context, hitl.CreateUserRequest) (hitl.Ref, error) {
	return d.newRef("user"), nil
}

func (d *desk) StartHitl(context.Context, hitl.StartHitlRequest[struct{}]) (hitl.Ref, error) {
	return d.newRef("ticket"), nil
}

func (*desk) StopHitl(context.Context, hitl.StopHitlRequest) error { return nil }

func (d *desk) SendMessage(context.Context, hitl.SendMessageRequest) (hitl.Ref, error) {
	return d.newRef("comment"), nil
}

// report is a webhook of the desk.
type report struct {
	ConversationID string `json:"conversationId"`
	CommentID      string `json:"commentId"`
	Text           string `json:"text"`
	Agent          struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	} `json:"agent"`
}

func (*desk) HandleWebhook(_ context.Context, r *http.Request) (hitl.Webhook, error) {
	var rep report
	if err := verify.JSON(r, &rep); err != nil {
		return hitl.Webhook{}, hitl.Errorf("the webhook is no report: %w", err)
	}
	return hitl.Webhook{Events: []hitl.Event{hitl.Replied{
		ConversationID: rep.ConversationID, Author: hitl.Agent{ID: rep.Agent.ID, Name: rep.Agent.Name},
		ID: rep.CommentID, Message: message.Text{Text: rep.Text},
	}}}, nil
}

func main() {
	if err := debug.Serve(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	all := &desk{} // Ids are unique among all installations.
	connect := func(context.Context, hitl.Installation, config) (*desk, error) { return all, nil }
	cli.Main(hitl.NewServer(hitl.Definition{Name: "bench", Version: "1.0.0"}, connect, nil))
}
