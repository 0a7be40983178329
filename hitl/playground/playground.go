// Package playground serves a web page to try an integration on, without a Botpress account: the end user's chat with the bot
// on the left, the agent's desk on the right, and every HTTP request below. The integration is the real one; Botpress is
// in memory, see [botpresstest].
//
//	err := playground.Run(ctx, playground.Options{Server: server, Configuration: config, Output: os.Stdout})
package playground

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/botpress/botpresstest"
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/internal/proxy"
	"github.com/hitl-go/sdk/internal/schema"
	"github.com/hitl-go/sdk/message"
)

// Options configure the playground. Server is required.
type Options struct {
	// Server is the integration. The playground serves a copy of it, connected to the in-memory Botpress.
	Server *hitl.Server

	// Configuration is the configuration of the installation: anything that marshals to a JSON object. Nil is {}.
	Configuration any

	// Desk is the agent's side of the page. If it is nil, the page shows the messages to and from the integration, and people
	// send the webhooks of the desk.
	Desk Desk

	// Webhooks are templates for webhooks that people send.
	Webhooks []Webhook

	// Bot answers the end user while no session is active. Nil means a bot with every type of message.
	Bot func(message.Message) []message.Message

	// Cloud is the in-memory Botpress: its clock, its order of messages, its plugin. Of what is zero, Attempts is 8 and
	// RetryDelay 500 ms. Bot is the one above.
	Cloud botpresstest.Options

	// HTTPClient carries the integration's calls of Botpress. Nil: a client of its own.
	HTTPClient *http.Client

	// Addr is the address of the page, on the loopback interface. Empty means 127.0.0.1:8072, or a free port if that is in use.
	Addr string

	// Open opens the page in the browser.
	Open bool

	// Output receives the address of the page. Nil discards it.
	Output io.Writer

	// Logger receives the integration's log. Nil discards it.
	Logger *slog.Logger
}

const (
	defaultAddr     = "127.0.0.1:8072"
	handover        = 200 * time.Millisecond // The in-memory plugin is ready at once; this delay makes the phase visible.
	attempts        = 8                      // With the delay below, Botpress retries for 14 seconds: enough to switch a fault off.
	retryDelay      = 500 * time.Millisecond
	shutdownTimeout = 3 * time.Second // A desk that does not answer must not keep the process from ending.
)

// Run serves the page until the context ends. It fails if it cannot listen, or if the integration cannot be installed, for
// instance because of its configuration.
func Run(ctx context.Context, opts Options) (err error) {
	if opts.Server == nil {
		return errors.New("playground: Options.Server is missing")
	}
	listener, err := listen(ctx, opts.Addr)
	if err != nil {
		return err
	}
	p, err := start(ctx, opts)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	defer func() { err = errors.Join(err, p.close(ctx)) }()

	address := "http://" + listener.Addr().String()
	if opts.Output != nil {
		_, _ = fmt.Fprintf(opts.Output, "Playground: %s\nA simulation: no Botpress account is involved. Ctrl+C ends it.\n", address)
	}
	if opts.Open {
		if err := open(ctx, address); err != nil && opts.Output != nil {
			_, _ = fmt.Fprintf(opts.Output, "The browser did not open (%v). Open the page yourself.\n", err)
		}
	}
	return serve(ctx, listener, p.routes())
}

// listen listens on the address of the page, which must be on the loopback interface.
func listen(ctx context.Context, addr string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(cmp.Or(addr, defaultAddr))
	if err != nil {
		return nil, fmt.Errorf("playground: the address %q needs a host and a port, such as %s: %w", addr, defaultAddr, err)
	}
	if !loopback(host) {
		return nil, fmt.Errorf("playground: %s is reachable from outside; use 127.0.0.1, because the page needs no password", host)
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", cmp.Or(addr, defaultAddr))
	if err != nil && addr == "" {
		listener, err = config.Listen(ctx, "tcp", "127.0.0.1:0")
	}
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("playground: %w; choose another one", err)
	}
	if err != nil {
		return nil, fmt.Errorf("playground: %w", err)
	}
	return listener, nil
}

// playground is a running playground.
type playground struct {
	*page

	opts   Options
	faults *faults
	cloud  *botpresstest.Server
	in     *botpresstest.Installation
	desk   Desk // Never nil.
	client *http.Client

	openings openings

	dispatches http.RoundTripper // From Botpress to the integration.

	running context.Context //nolint:containedctx // For background work. It ends with close.
	stop    context.CancelFunc
	work    sync.WaitGroup
	served  chan error // The result of the integration's server.

	mu        sync.Mutex // Guards what follows.
	chatUser  chatUser
	chatUsers int // How many end users there were.
	closed    bool
}

// start starts everything but the page. If it fails, it stops everything.
func start(ctx context.Context, opts Options) (*playground, error) {
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // It never fails.
	signing := base64.RawURLEncoding.EncodeToString(secret)
	configuration, err := json.Marshal(opts.Configuration)
	if err != nil {
		return nil, fmt.Errorf("playground: the configuration cannot be written as JSON: %w", err)
	}

	p := &playground{page: newPage(), opts: opts, served: make(chan error, 1), client: &http.Client{Transport: &http.Transport{}}}
	p.running, p.stop = context.WithCancel(context.WithoutCancel(ctx))
	p.faults = p.wire.faults
	p.cloud = botpresstest.NewServer(p.cloudOptions())
	p.faults.cloud = p.cloud
	definition := opts.Server.Describe()
	p.wire.secrets.learn(append(schema.Secrets(definition.Configuration.Schema, configuration), p.cloud.Token, signing, string(secret))...)

	server, err := opts.Server.With(func(o *hitl.Options) {
		o.Botpress = botpress.Options{BaseURL: p.cloud.URL, Token: p.cloud.Token, HTTPClient: opts.HTTPClient}
		o.Secrets, o.Insecure, o.Logger, o.ActivationDelay = []string{signing}, false, opts.Logger, handover
		o.HTTPClient = proxy.Client(o.HTTPClient, p.wire.calls)
		p.resendBy(atIntegration, signer{signing, p.dispatches})
		p.resendBy(atBotpress, p.client.Transport)
		p.resendBy(atDesk, o.HTTPClient.Transport)
	})
	if err == nil {
		err = server.Ready()
	}
	var listener net.Listener
	if err == nil {
		listener, err = new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	}
	if err != nil {
		p.served <- nil
		return nil, errors.Join(fmt.Errorf("playground: %w", err), p.close(ctx))
	}
	go func() { p.served <- server.Serve(p.running, listener) }()

	p.describe(definition, opts)
	spec, err := fromDefinition(definition)
	if err != nil {
		return nil, errors.Join(err, p.close(ctx))
	}
	spec.URL, spec.SigningSecret = "http://"+listener.Addr().String(), signing
	if string(configuration) != "null" {
		spec.Configuration = json.RawMessage(configuration)
	}
	if p.in, err = p.cloud.Install(ctx, spec); err != nil {
		return nil, errors.Join(fmt.Errorf("playground: the integration was not installed: %w", err), p.close(ctx))
	}
	if p.desk = opts.Desk; p.desk == nil {
		p.desk = &downstream{cloud: p.cloud, in: p.in, openings: &p.openings}
	}
	p.nextEndUser() //nolint:contextcheck // The end user outlives the start.
	p.watch()
	return p, nil
}

// cloudOptions are those that were given, with the page's own ways to and from Botpress around them.
func (p *playground) cloudOptions() *botpresstest.Options {
	o := p.opts.Cloud
	dispatches := func(base http.RoundTripper) http.RoundTripper { return noter{&p.openings, p.wire.dispatches(base)} }
	o.Client, o.Bot = proxy.Client(o.Client, dispatches), p.answer
	p.dispatches = o.Client.Transport
	o.Attempts, o.RetryDelay = cmp.Or(o.Attempts, attempts), cmp.Or(o.RetryDelay, retryDelay)
	o.Middleware = p.wire.botpress
	if given := p.opts.Cloud.Middleware; given != nil {
		o.Middleware = func(next http.Handler) http.Handler { return p.wire.botpress(given(next)) }
	}
	return &o
}

// fromDefinition converts a definition for the in-memory Botpress.
func fromDefinition(d botpress.CreateIntegrationParams) (botpresstest.Integration, error) {
	body, err := json.Marshal(d)
	if err != nil {
		return botpresstest.Integration{}, fmt.Errorf("playground: the definition cannot be written as JSON: %w", err)
	}
	return botpresstest.FromDefinition(body)
}

// close stops everything and waits for it, even if the context has ended.
func (p *playground) close(ctx context.Context) error {
	p.faults.lift()
	if p.in != nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
		if err := p.in.Uninstall(ctx); err != nil && p.opts.Logger != nil {
			p.opts.Logger.WarnContext(ctx, "the integration was not unregistered", "error", err)
		}
		cancel()
	}
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.stop()
	p.work.Wait()
	err := <-p.served
	p.cloud.Close()
	p.client.CloseIdleConnections()
	return err
}

// background runs work for which close waits.
func (p *playground) background(work func(context.Context)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.work.Go(func() { work(p.running) })
	}
}
