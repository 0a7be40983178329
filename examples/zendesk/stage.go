package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/botpress/botpresstest"
	"github.com/hitl-go/sdk/examples/zendesk/zendesktest"
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/message/media"
)

// stage is a Botpress, a Zendesk, and the integration between them: three servers on the loopback interface.
type stage struct {
	cloud *botpresstest.Server
	desk  *zendesktest.Desk
	in    *botpresstest.Installation

	stop   context.CancelFunc
	served chan error
}

// newStage starts the servers and installs the integration. Nothing is left running if it fails.
func newStage(ctx context.Context, cloud botpresstest.Options, opts hitl.Options) (*stage, error) {
	s := &stage{cloud: botpresstest.NewServer(&cloud), desk: zendesktest.NewDesk(), served: make(chan error, 1)}
	var running context.Context
	running, s.stop = context.WithCancel(context.WithoutCancel(ctx))

	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // It never fails.
	signing := base64.RawURLEncoding.EncodeToString(secret)
	opts.Botpress = botpress.Options{BaseURL: s.cloud.URL, Token: s.cloud.Token}
	opts.Secrets = []string{signing}
	inside := world{zendesk: s.desk.URL, files: media.Options{AllowPrivate: true}}
	server, err := hitl.NewServer(definition(), inside.connect, &opts)
	if err == nil {
		err = server.Ready()
	}
	var listener net.Listener
	if err == nil {
		listener, err = new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	}
	if err != nil {
		s.served <- nil
		return nil, errors.Join(err, s.close())
	}
	go func() { s.served <- server.Serve(running, listener) }()

	spec, err := integration(server)
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	spec.URL, spec.SigningSecret = "http://"+listener.Addr().String(), signing
	spec.Configuration = withClient(s.desk.NewOAuthClient())
	if s.in, err = s.cloud.Install(ctx, spec); err != nil {
		return nil, errors.Join(fmt.Errorf("install the integration: %w", err), s.close())
	}
	return s, nil
}

// integration is what Botpress knows of a server.
func integration(server *hitl.Server) (botpresstest.Integration, error) {
	definition, err := json.Marshal(server.Describe())
	if err != nil {
		return botpresstest.Integration{}, err
	}
	return botpresstest.FromDefinition(definition)
}

// settle returns when everything that anybody has sent has arrived, whatever it led to included.
func (s *stage) settle(ctx context.Context) error {
	return errors.Join(s.cloud.Settle(ctx), s.desk.Wait(ctx), s.cloud.Settle(ctx))
}

// close stops the servers and waits for them; those who call come before the one who is called.
func (s *stage) close() error {
	s.cloud.Close()
	s.desk.Close()
	s.stop()
	return <-s.served
}

// withClient is the configuration with an OAuth client.
func withClient(c zendesktest.OAuthClient) Config {
	return Config{Subdomain: "acme", ClientID: c.ID, ClientSecret: botpress.Secret(c.Secret)}
}
