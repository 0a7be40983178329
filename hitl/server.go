package hitl

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/internal/redact"
	"github.com/hitl-go/sdk/internal/schema"
	"github.com/hitl-go/sdk/internal/strictjson"
)

// Options changes what a [Server] does by default. The zero value of each field is its default.
type Options struct {
	// Botpress says how to reach the Botpress API. The token is required.
	Botpress botpress.Options

	// Secrets are the integration's signing secrets. A request from Botpress must be signed by one of them;
	// there are two while a secret is being rotated.
	Secrets []string

	// Insecure accepts unsigned requests: whoever can reach the server can act as Botpress. For tests only.
	Insecure bool

	// Logger receives one line an operation, with the cause if it failed. Secrets are masked in it, and in what is logged
	// through [Installation.Logger]: tokens, signing secrets, and the fields of configurations that are secret
	// ([botpress.Secret]). Nil discards all.
	Logger *slog.Logger

	// OnOperation, if set, is called for each operation once it is answered, for metrics. It must be safe for concurrent
	// use and should return quickly; the context has the operation's trace.
	OnOperation func(context.Context, Operation)

	// HTTPClient is what adapters call their help desks with, see [Installation.HTTPClient]. Nil is a client without changes.
	HTTPClient *http.Client

	// Timeout is the deadline of one operation, the author's part included; their contexts end then, and not when the sender
	// hangs up. The default is 50 seconds.
	Timeout time.Duration

	// MaxBody is the largest request body in bytes. The default is 10 MiB.
	MaxBody int64

	// MaxBodyMemory bounds the bytes of all request bodies together, from their first byte until their operation has ended. What
	// is decoded of them comes on top, at most as much again. Bodies beyond it wait for 15 seconds, and are answered 503 then; one of
	// them at a time is read meanwhile.
	// It is at least eight times MaxBody, and half a MiB for each of MaxConcurrent. The default is 128 MiB.
	MaxBodyMemory int64

	// MaxConcurrent is how many operations run at once; further ones are answered 503. The default is 256.
	MaxConcurrent int

	// MaxPerInstallation is how many operations of one installation run at once; further ones are answered 503. The default is
	// a quarter of MaxConcurrent. Webhooks take half of these places at most.
	MaxPerInstallation int

	// SweepEvery is how often the server looks through the sessions of an installation that it serves, and finishes what was left
	// undone: by the desk's outages, by webhooks that got lost, by processes that died. The default is 15 minutes; a negative
	// number means never, and no hourly [Registrar.Register] either.
	SweepEvery time.Duration

	// ActivationDelay is how long after the answer to startHitl the HITL plugin may still be activating the session.
	// It ignores what comes before, so events of that time are delivered after it. The default is 5 seconds.
	ActivationDelay time.Duration
}

// Server speaks the HITL protocol with Botpress on behalf of an [Integration]. It is an [http.Handler] and safe for
// concurrent use. Several servers, in one process or many, may serve the same integration: what they
// must agree on is kept in Botpress.
//
// A server whose adapters are [io.Closer] must be shut down, by [Server.Shutdown] or by the end of [Server.Serve].
type Server struct {
	def      Definition
	given    Options // as they were given, for With
	opts     Options
	client   *botpress.Client
	verifier *botpress.Verifier
	notReady error
	log      *slog.Logger
	mask     *redact.Masker // hides the server's own secrets

	configure     func(configuration json.RawMessage) (connector, error)
	decodeSession func(json.RawMessage) (any, error)
	types         types
	configs       map[string]*configuration // by the name of the alternative
	session       *schema.Checker
	actions       map[string]*addedAction

	closing  atomic.Bool
	slots    *semaphore.Weighted // operations at work
	bodies   *bodies
	bulkhead bulkhead

	signatures signatures
	adapters   *adapters
	memory     *memory
	clock      clock
	replica    string // names this process among the replicas
}

// connector makes an author's adapter for an installation; the configuration is bound already.
type connector func(context.Context, Installation) (Integration[any], error)

// NewServer makes the server of an integration.
//
// The connect function is called once for each installation and configuration that shows up, and its result serves
// all operations of that installation, concurrently. It should be cheap and check the configuration: its error, if made
// with [Errorf], is what the bot's owner reads when saving a wrong one. After any other error it is called again, with the next
// operation and with backoff for a day. Config is a struct: the installation's
// configuration is decoded into it.
//
// A nil opts means [FromEnv]. An error names what is wrong with the definition or the types; whether the token and
// the secrets are there is checked by [Server.Ready] and by each request.
func NewServer[Config, Session any, I Integration[Session]](
	def Definition, connect func(context.Context, Installation, Config) (I, error), opts *Options,
) (*Server, error) {
	if opts == nil {
		env := FromEnv()
		opts = &env
	}
	s, err := newServer(def, types{reflect.TypeFor[Config](), reflect.TypeFor[Session](), reflect.TypeFor[I]()}, *opts)
	if err != nil {
		return nil, err
	}
	s.configure = func(raw json.RawMessage) (connector, error) {
		config, err := decodeAs[Config](raw)
		if err != nil {
			return nil, Errorf("The configuration is invalid: %w", err)
		}
		return func(ctx context.Context, in Installation) (Integration[any], error) {
			i, err := connect(ctx, in, config)
			if err != nil {
				return nil, err
			}
			if v := reflect.ValueOf(i); !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() {
				return nil, errors.New("hitl: the connect function returned neither an adapter nor an error")
			}
			return untyped[Session]{i}, nil
		}, nil
	}
	s.decodeSession = func(raw json.RawMessage) (any, error) {
		if len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
			raw = json.RawMessage("{}")
		}
		if err := strictjson.Unique(raw); err != nil {
			return nil, err
		}
		raw = s.session.Normalize(raw)
		if err := s.session.Check(raw); err != nil {
			return nil, err
		}
		return decodeAs[Session](raw)
	}
	return s, nil
}

func newServer(def Definition, t types, opts Options) (*Server, error) {
	def.withDefaults()
	if err := checkOptional(t.adapter); err != nil {
		return nil, err
	}
	body, err := def.describe(t)
	if err != nil {
		return nil, err
	}
	configs, err := configurations(body)
	if err != nil {
		return nil, err
	}
	session, err := schema.NewChecker(body.Entities[def.Session.Name].Schema)
	if err != nil {
		return nil, fmt.Errorf("hitl: the session: %w", err)
	}
	s := &Server{def: def, types: t, configs: configs, session: session, actions: map[string]*addedAction{}, given: opts}
	opts = opts.withDefaults()
	s.opts = opts
	s.mask = redact.New(opts.secrets()...)
	s.log = slog.New(redact.Handler(sessionHandler{opts.Logger.Handler()}, func() *redact.Masker { return s.mask }))
	s.slots = semaphore.NewWeighted(int64(opts.MaxConcurrent))
	s.bodies = newBodies(opts.MaxBodyMemory)
	s.bulkhead.max, s.bulkhead.maxLarge = opts.MaxPerInstallation, opts.MaxBodyMemory/8
	s.memory = newMemory(max(1, opts.MaxPerInstallation/4)) // so that one conversation cannot take all places that webhooks have
	s.replica = rand.Text()[:8]
	s.adapters = newAdapters(opts.Timeout, s.log, s.connect, s.start)
	s.notReady = s.connectBotpress()
	return s, nil
}

// secrets are what the server must not write anywhere. A signing secret is the base64 of what signatures are made with.
func (o Options) secrets() []string {
	secrets := append(slices.Clone(o.Secrets), o.Botpress.Token)
	for _, s := range o.Secrets {
		if key, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(s, "=")); err == nil {
			secrets = append(secrets, string(key))
		}
	}
	return secrets
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.HTTPClient == nil {
		o.HTTPClient = &http.Client{}
	}
	o.Timeout = cmp.Or(o.Timeout, 50*time.Second)
	o.MaxBody = cmp.Or(o.MaxBody, 10<<20)
	o.MaxConcurrent = cmp.Or(o.MaxConcurrent, 256)
	// As many small bodies as there may be connections fit into their half, so that strangers cannot take all of it.
	o.MaxBodyMemory = max(cmp.Or(o.MaxBodyMemory, 128<<20), 8*o.MaxBody, int64(2*connectionsPerOperation*o.MaxConcurrent*smallBody))
	o.MaxPerInstallation = cmp.Or(o.MaxPerInstallation, max(1, o.MaxConcurrent/4))
	o.SweepEvery = cmp.Or(o.SweepEvery, 15*time.Minute)
	o.ActivationDelay = cmp.Or(o.ActivationDelay, 5*time.Second)
	return o
}

// connectBotpress prepares both ways between us and Botpress: the client and the signatures.
func (s *Server) connectBotpress() error {
	var errs []error
	var err error
	api := s.opts.Botpress
	api.OnCall = s.onCall(api.OnCall)
	if s.client, err = botpress.New(api); err != nil {
		errs = append(errs, err)
	}
	switch {
	case s.opts.Insecure && len(s.opts.Secrets) > 0:
		errs = append(errs, errors.New("hitl: signing secrets and Insecure contradict each other: set one of them"))
	case len(s.opts.Secrets) > 0:
		if s.verifier, err = botpress.NewVerifier(s.opts.Secrets...); err != nil {
			errs = append(errs, err)
		}
	case !s.opts.Insecure:
		errs = append(errs, errors.New("hitl: no signing secret: set BP_SIGNING_SECRET to the secret that was shown when the "+
			"integration was created (or Options.Insecure in a test)"))
	}
	return errors.Join(errs...)
}
