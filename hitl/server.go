package hitl

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sync/semaphore"
	"golang.org/x/sync/singleflight"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/internal/keyed"
	"github.com/hitl-go/sdk/internal/schema"
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

	// Logger receives one line an operation, with the cause if it failed. Values of configurations that are longer than a
	// few characters, tokens and signing secrets do not appear in it, nor in what is logged through [Installation.Logger].
	// Nil discards all.
	Logger *slog.Logger

	// OnOperation, if set, is called for each operation once it is answered, for metrics. It must be safe for concurrent
	// use and should return quickly; the context has the operation's trace.
	OnOperation func(context.Context, Operation)

	// Timeout is the deadline of one operation, the author's part included; their contexts end then, and not when the sender
	// hangs up. The default is 50 seconds.
	Timeout time.Duration

	// MaxBody is the largest request body in bytes. The default is 10 MiB.
	MaxBody int64

	// MaxConcurrent is how many operations run at once; further ones are answered 503. The default is 256.
	MaxConcurrent int

	// Handover is how long after the answer to startHitl the HITL plugin may still be preparing the session.
	// It ignores what comes before, so events of that time are delivered after it. The default is 5 seconds.
	Handover time.Duration
}

// Server speaks the HITL protocol with Botpress on behalf of an [Integration]. It is an [http.Handler] and safe for
// concurrent use. Several servers, in one process or many, may serve the same integration: what they
// must agree on is kept in Botpress.
type Server struct {
	def      Definition
	opts     Options
	client   *botpress.Client
	verifier *botpress.Verifier
	notReady error
	log      *slog.Logger

	configure     func(configuration json.RawMessage) (connector, error)
	decodeSession func(json.RawMessage) (any, error)
	types         types
	configs       map[string]*schema.Checker // of the configurations, by the name of the alternative
	actions       map[string]*addedAction

	closing     atomic.Bool
	slots       *semaphore.Weighted // operations at work
	large       *semaphore.Weighted // large bodies that are being read
	connections *lru.Cache[string, *connection]
	connecting  singleflight.Group
	waiting     sync.WaitGroup // goroutines that wait for an adapter

	conversations keyed.Mutex // one thing at a time in a conversation, in both directions
	users         keyed.Mutex // one createUser at a time for an end user
	starts        starts      // sessions that are being opened by this process
	refs          *lru.Cache[string, Ref]
	sessions      *lru.Cache[string, *session]
	agents        *lru.Cache[string, string] // agents as they were told to Botpress last, and who they are there
	known         *lru.Cache[string, bool]   // messages of desks that are in Botpress, ours and theirs
	sent          *lru.Cache[string, int]    // messages to the desk, and how many parts of them it has
}

// connector makes an author's adapter for an installation; the configuration is bound already.
type connector func(context.Context, Installation) (Integration[any], error)

const (
	maxConnections = 1_000  // installations whose adapters are kept ready
	maxRefs        = 10_000 // users whose desk ids are remembered
	maxSessions    = 20_000 // names of sessions that are remembered; each has two
	maxSent        = 10_000 // messages whose delivery to the desk is remembered
	maxWaiting     = 64     // operations that wait for one conversation: fewer than run by default, so that one cannot starve the others
)

// NewServer makes the server of an integration.
//
// The connect function is called once for each installation and configuration that shows up, and its result serves
// all operations of that installation, concurrently. It should be cheap and check the configuration: its error, if made
// with [Errorf], is what the bot's owner reads when saving a wrong one. Config is a struct: the installation's
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
		config, err := decodeStrictly[Config](raw)
		if err != nil {
			return nil, Errorf("The configuration does not fit: %s", hiding(scalars(raw)...).Replace(err.Error()))
		}
		return func(ctx context.Context, in Installation) (Integration[any], error) {
			i, err := connect(ctx, in, config)
			if err != nil {
				return nil, err
			}
			return untyped[Session]{i}, nil
		}, nil
	}
	s.decodeSession = func(raw json.RawMessage) (any, error) {
		session, err := decodeStrictly[Session](raw)
		return session, err
	}
	return s, nil
}

func newServer(def Definition, t types, opts Options) (*Server, error) {
	def = def.withDefaults()
	body, err := def.describe(t)
	if err != nil {
		return nil, err
	}
	configs, err := configCheckers(body)
	if err != nil {
		return nil, err
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.Timeout == 0 {
		opts.Timeout = 50 * time.Second
	}
	if opts.MaxBody == 0 {
		opts.MaxBody = 10 << 20
	}
	if opts.MaxConcurrent == 0 {
		opts.MaxConcurrent = 256
	}
	if opts.Handover == 0 {
		opts.Handover = 5 * time.Second
	}
	s := &Server{def: def, types: t, configs: configs, actions: map[string]*addedAction{}, opts: opts}
	secrets := hiding(append(slices.Clone(opts.Secrets), opts.Botpress.Token)...)
	s.log = slog.New(redactor{opts.Logger.Handler(), func() *strings.Replacer { return secrets }})
	s.slots = semaphore.NewWeighted(int64(opts.MaxConcurrent))
	s.large = semaphore.NewWeighted(maxLarge)
	s.conversations.MaxWaiting = maxWaiting
	s.users.MaxWaiting = maxWaiting
	s.connections = newCache[string, *connection](maxConnections)
	s.refs = newCache[string, Ref](maxRefs)
	s.sessions = newCache[string, *session](maxSessions)
	s.agents = newCache[string, string](maxRefs)
	s.known = newCache[string, bool](maxSent)
	s.sent = newCache[string, int](maxSent)
	s.notReady = s.connectBotpress()
	return s, nil
}

func newCache[K comparable, V any](size int) *lru.Cache[K, V] {
	c, err := lru.New[K, V](size)
	if err != nil {
		panic(err) // only for a size below 1, and the sizes are constants
	}
	return c
}

// connectBotpress prepares both ways between us and Botpress: the client and the signatures.
func (s *Server) connectBotpress() error {
	var errs []error
	var err error
	api := s.opts.Botpress
	api.OnCall = counting(api.OnCall)
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
