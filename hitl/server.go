package hitl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"reflect"
	"time"

	"github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sync/semaphore"
	"golang.org/x/sync/singleflight"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/internal/keyed"
	"github.com/hitl-go/sdk/internal/wire"
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

	// Logger receives one line an operation, and the causes of failures. Nil discards them.
	Logger *slog.Logger

	// Timeout is the deadline of one operation, the author's part included. The default is 50 seconds.
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
	configType    reflect.Type
	sessionType   reflect.Type

	slots       *semaphore.Weighted
	connections *lru.Cache[string, *connection]
	connecting  singleflight.Group

	conversations keyed.Mutex // one thing at a time in a conversation, in both directions
	users         keyed.Mutex // one createUser at a time for an end user
	starts        starts      // sessions that are being opened by this process
	refs          *lru.Cache[string, Ref]
	sessions      *lru.Cache[string, *session]
	sent          *lru.Cache[string, int] // messages to the desk, and how many parts of them it has
}

// connector makes an author's adapter for an installation; the configuration is bound already.
type connector func(context.Context, Installation) (Integration[any], error)

const (
	maxConnections = 1_000  // installations whose adapters are kept ready
	maxRefs        = 10_000 // users whose desk ids are remembered
	maxSessions    = 20_000 // names of sessions that are remembered; each has two
	maxSent        = 10_000 // messages whose delivery to the desk is remembered
	maxWaiting     = 1_000  // operations that wait for one conversation
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
	s, err := newServer(def, *opts)
	if err != nil {
		return nil, err
	}
	s.configType, s.sessionType = reflect.TypeFor[Config](), reflect.TypeFor[Session]()
	s.configure = func(raw json.RawMessage) (connector, error) {
		config, err := decodeStrictly[Config](raw)
		if err != nil {
			return nil, Errorf("The configuration does not fit: %w", err)
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

func newServer(def Definition, opts Options) (*Server, error) {
	if err := def.validate(); err != nil {
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
	s := &Server{def: def.withDefaults(), opts: opts, log: opts.Logger}
	s.slots = semaphore.NewWeighted(int64(opts.MaxConcurrent))
	s.conversations.MaxWaiting = maxWaiting
	s.users.MaxWaiting = maxWaiting
	s.connections = newCache[string, *connection](maxConnections)
	s.refs = newCache[string, Ref](maxRefs)
	s.sessions = newCache[string, *session](maxSessions)
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
	if s.client, err = botpress.New(s.opts.Botpress); err != nil {
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

// Ready reports what keeps the server from working: a missing token or signing secret, for instance.
// Until it returns nil, every request from Botpress is answered 503.
func (s *Server) Ready() error { return s.notReady }

// ServeHTTP answers Botpress. GET or HEAD of /health answers 200 "ok"; everything else must be a POST from Botpress.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/health" && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		_, _ = io.WriteString(w, "ok")
		return
	}
	start := time.Now()
	ctx, cancel := context.WithTimeout(r.Context(), s.opts.Timeout)
	defer cancel()

	op := wire.Operation(r.Header.Get(wire.HeaderOperation))
	res, err := s.serve(ctx, op, w, r)
	if err != nil {
		res = s.fail(ctx, op, err)
	}
	res.write(w)
	s.log.InfoContext(ctx, "operation", "operation", op, "bot", r.Header.Get(wire.HeaderBotID),
		"alias", r.Header.Get(wire.HeaderIntegrationAlias), "status", res.status,
		"duration", time.Since(start), "error_id", res.errorID)
}

// serve lets a request in and runs its operation. Panics of the author's code become errors here.
func (s *Server) serve(ctx context.Context, op wire.Operation, w http.ResponseWriter, r *http.Request) (res response, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = panicked(v)
		}
	}()
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return response{}, &statusError{http.StatusMethodNotAllowed, botpress.TypeMethodNotFound, "only POST is served here"}
	}
	if s.notReady != nil {
		return response{}, &statusError{http.StatusServiceUnavailable, botpress.TypeInternal, "the integration is not set up: " + s.notReady.Error()}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, s.opts.MaxBody))
	if err != nil {
		if tooBig := (*http.MaxBytesError)(nil); errors.As(err, &tooBig) {
			return response{}, &statusError{
				http.StatusRequestEntityTooLarge, botpress.TypePayloadTooLarge,
				fmt.Sprintf("the body is larger than %d bytes", tooBig.Limit),
			}
		}
		return response{}, invalidf("the body could not be read to its end")
	}
	// A ping does nothing, so it needs no signature: it tells a deployment that the address is right.
	if s.verifier != nil && op != wire.Ping {
		if err := s.verifier.Verify(r, body); err != nil {
			s.log.WarnContext(ctx, "request refused", "operation", op, "reason", err)
			return response{}, &statusError{http.StatusUnauthorized, botpress.TypeUnauthorized, "the signature of the request is not valid"}
		}
	}
	if !s.slots.TryAcquire(1) {
		return response{}, Retryable(time.Second, errors.New("hitl: too many operations at once"))
	}
	defer s.slots.Release(1)
	return s.operate(ctx, op, r.Header, body)
}

// response is what goes back to Botpress.
type response struct {
	status  int
	header  http.Header
	body    []byte
	errorID string // for the log
}

func (res response) write(w http.ResponseWriter) {
	for name, values := range res.header {
		w.Header()[http.CanonicalHeaderKey(name)] = values
	}
	w.WriteHeader(res.status)
	_, _ = w.Write(res.body) // the sender is gone if this fails, and will ask again
}

// jsonResponse answers 200 with v.
func jsonResponse(v any) (response, error) { return encodeResponse(http.StatusOK, v) }

func encodeResponse(status int, v any) (response, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return response{}, fmt.Errorf("hitl: encode the answer: %w", err)
	}
	return response{status: status, header: http.Header{"Content-Type": {"application/json"}}, body: body}, nil
}
