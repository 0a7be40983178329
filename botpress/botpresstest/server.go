// Package botpresstest is a Botpress cloud in memory, behind a real HTTP listener: the runtime API, files, the webhooks of
// installed integrations, the calls to them, and the behaviour of the HITL plugin 1.4.2 with a bot and end users around
// it. Tests drive a whole session with it, and so does the playground: the package does not import testing.
//
//	s := botpresstest.NewServer(nil)
//	defer s.Close()
//	in, err := s.Install(ctx, botpresstest.Integration{Name: "zendesk", URL: adapterURL})
//	u := in.NewEndUser(botpresstest.Profile{Name: "Jane"})
//	err = u.Say(ctx, message.Text{Text: "I need help"})
//	err = u.Escalate(ctx, botpresstest.Escalation{Title: "Help me"})
//	// The desk calls in.WebhookURL; what the agent writes arrives at u.Next(ctx).
//
// It shares no code with package botpress, so that a mistake in the client is not mirrored here. Where the real cloud's
// behaviour is not public, it takes the stricter guess, and a comment says so.
package botpresstest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/hitl-go/sdk/message"
)

// Options configure a [Server]. The zero value, like nil, is a server on a free port of the loopback interface.
type Options struct {
	// Listener is where the server listens; the server closes it. Nil: a free port of 127.0.0.1. With a listener in memory
	// the server runs in a testing/synctest bubble; Client must then dial on the same network.
	Listener net.Listener
	// Client calls the integrations. Nil: a client of the server's own. Redirects are followed as the client says.
	Client *http.Client
	// Logger gets the lines that the real cloud would log. Nil: no log.
	Logger *slog.Logger
	// Seed determines what is random: ids, the order of what is due at the same time, faults with a probability.
	Seed uint64
	// Plugin is the HITL plugin's configuration. An [Escalation] can override it.
	Plugin PluginConfig
	// Bot answers what an end user says while no session is active. Nil: the bot is silent.
	Bot func(message.Message) []message.Message
	// PageSize is how many items a list returns at once. Zero: 20.
	PageSize int
	// Attempts is how often an action or a message is sent to an integration that responds with 5xx or not at all. Then it is
	// given up. Zero: 3. The real cloud's number is not public.
	Attempts int
	// RetryDelay is the unit of the linear backoff between attempts. Zero: 1 second. A Retry-After header of an integration is
	// not honoured, and its 429 is not retried; what the real cloud does is not public.
	RetryDelay time.Duration
	// Dispatch is the order in which the messages of one conversation are sent to its integration.
	Dispatch Dispatch
	// Timeout is how long an integration may take to respond. Zero: 60 seconds.
	Timeout time.Duration
	// ClockSkew is how far Botpress' clock is ahead of the caller's; negative: behind. By it go all times that Botpress tells
	// or is told: createdAt and the like, the time in x-bp-signature, the Date of responses, the time in ids, schedule.dateTime
	// and what expires. Delays and timeouts are as long as without it. A [Call] has the caller's times.
	ClockSkew time.Duration
	// SchedulerJitter is by how much what is scheduled may be late, at random for each piece: what is scheduled at times less
	// apart than this may swap. Scheduled calls of register are late likewise. What is not scheduled is not late.
	SchedulerJitter time.Duration
	// Middleware wraps the whole server, for instance to check every exchange against the OpenAPI.
	Middleware func(http.Handler) http.Handler
}

// Dispatch is the order in which the messages of one conversation are sent to its integration. The real cloud's is not
// public.
type Dispatch int

// The orders of messages.
const (
	DispatchSerial   Dispatch = iota // One after the other: a message waits until the one before has arrived or is given up.
	DispatchParallel                 // Each at once. A retry does not hold up later messages.
	DispatchShuffled                 // Like parallel, but each is up to 50 ms late, at random, so that later ones overtake it.
)

// shuffling is by how much a message is late with DispatchShuffled.
const shuffling = 50 * time.Millisecond

// maxPending bounds the queued work: beyond it, the API responds with 429.
const maxPending = 1 << 14

// Server is a Botpress cloud with one workspace and one bot. Create it with [NewServer]; its methods and those of the
// values it hands out are safe for concurrent use.
type Server struct {
	URL   string // Base URL of the API, without a trailing slash.
	Token string // The bearer token; any other is Unauthorized.
	BotID string // Id of the bot, and of the user that represents it.

	opts    Options
	clock   clock
	log     *slog.Logger
	handler http.Handler
	http    *http.Server
	client  *http.Client
	ctx     context.Context //nolint:containedctx // For background work; it ends with Close.
	cancel  context.CancelFunc
	wg      sync.WaitGroup // The server's goroutines and the requests in flight.

	mu            sync.Mutex // Guards everything below.
	closed        bool
	numbers       uint64 // How many were given.
	rand          *rand.Rand
	installations []*Installation
	users         table[*user]
	conversations table[*conversation]
	messages      table[*msg]
	events        []*event
	eventByID     map[string]*event
	states        map[stateKey]*state
	files         []*file
	copies        map[string]*user // Agents' copies in the webchat, by the agent's id.
	lines         map[string][]func(context.Context)
	pending       int           // Pieces of work not yet done.
	idle          chan struct{} // Closed when pending falls to zero.
	due           schedule
	timer         *time.Timer
	faults        []*armedFault
	calls         ring
	admin         admin
}

// NewServer starts a server. Nil options are the zero [Options]. Close it when done. It panics if it cannot listen on
// the loopback interface, as httptest does.
func NewServer(opts *Options) *Server {
	if opts == nil {
		opts = new(Options)
	}
	s := &Server{
		opts: *opts, clock: clock(opts.ClockSkew), log: opts.Logger, client: opts.Client,
		rand:  rand.New(rand.NewPCG(opts.Seed, 0)),
		users: newTable[*user](), conversations: newTable[*conversation](), messages: newTable[*msg](),
		eventByID: make(map[string]*event), states: make(map[stateKey]*state), copies: make(map[string]*user),
		lines: make(map[string][]func(context.Context)), calls: newRing(), admin: newAdmin(),
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.client == nil {
		s.client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}}
	}
	withoutRedirects := *s.client
	withoutRedirects.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse } // They are for the caller of the webhook.
	s.client = &withoutRedirects
	if s.opts.PageSize <= 0 {
		s.opts.PageSize = 20
	}
	if s.opts.Attempts <= 0 {
		s.opts.Attempts = 3
	}
	if s.opts.RetryDelay <= 0 {
		s.opts.RetryDelay = time.Second
	}
	if s.opts.Timeout <= 0 {
		s.opts.Timeout = time.Minute
	}
	listener := opts.Listener
	if listener == nil {
		var err error
		if listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil { //nolint:noctx // Nothing to wait for on loopback.
			panic(fmt.Sprintf("botpresstest: cannot listen on the loopback interface: %v", err))
		}
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.URL = "http://" + listener.Addr().String()
	s.Token = s.newID("bp_pat")
	s.BotID = s.newID("bot")
	bot := &user{entity: s.newEntity("bot", nil, nil), name: "Bot"}
	bot.id = s.BotID
	s.users.add(bot)

	s.handler = s.clock.dated(s.routes())
	if opts.Middleware != nil {
		s.handler = opts.Middleware(s.handler)
	}
	s.http = &http.Server{Handler: s.tracked(s.handler), ReadHeaderTimeout: time.Minute}
	s.wg.Go(func() {
		if err := s.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("the server has stopped", "error", err)
		}
	})
	return s
}

// Handler is the whole server as a handler: the API under /v1, the webhooks under /webhook.
func (s *Server) Handler() http.Handler { return s.handler }

// Close stops the server: it closes connections, cancels work in flight, and drops what is queued or scheduled. It returns
// when every goroutine of the server has ended.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	if s.timer != nil {
		s.timer.Stop()
	}
	for _, in := range s.installations {
		in.reschedule("")
	}
	s.mu.Unlock()
	s.cancel()
	_ = s.http.Close() // It fails only if the listener is closed already.
	s.wg.Wait()
	s.client.CloseIdleConnections()
}

// tracked makes Close wait for the requests in flight, and cancels them when the server closes.
func (s *Server) tracked(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			panic(http.ErrAbortHandler)
		}
		s.wg.Add(1)
		s.mu.Unlock()
		defer s.wg.Done()
		ctx, cancel := s.within(r.Context())
		defer cancel()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// within returns a context that also ends with the server.
func (s *Server) within(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(s.ctx, cancel)
	return ctx, func() { stop(); cancel() }
}
