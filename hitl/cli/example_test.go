package cli_test //nolint:testableexamples // Main ends the process.

import (
	"context"
	"net/http"

	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/hitl/cli"
)

func ExampleMain() {
	definition := hitl.Definition{Name: "acme-desk", Version: "1.0.0", Title: "Acme Desk"}
	cli.Main(hitl.NewServer(definition, connect, nil))
}

type config struct {
	URL string `json:"url" jsonschema:"title=Address,format=uri"`
}

type adapter struct{ url string }

func connect(_ context.Context, _ hitl.Installation, c config) (*adapter, error) {
	return &adapter{url: c.URL}, nil
}

func (*adapter) CreateUser(context.Context, hitl.CreateUserRequest) (hitl.Ref, error) {
	return hitl.Ref{ID: "user"}, nil
}

func (*adapter) StartHitl(context.Context, hitl.StartHitlRequest[struct{}]) (hitl.Ref, error) {
	return hitl.Ref{ID: "ticket"}, nil
}

func (*adapter) StopHitl(context.Context, hitl.StopHitlRequest) error { return nil }

func (*adapter) SendMessage(context.Context, hitl.SendMessageRequest) (hitl.Ref, error) {
	return hitl.Ref{}, nil
}

func (*adapter) HandleWebhook(context.Context, *http.Request) (hitl.Webhook, error) {
	return hitl.Webhook{}, nil
}
