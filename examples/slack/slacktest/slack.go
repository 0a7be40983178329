package slacktest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Options make another workspace of it. The zero value is a workspace whose app has every scope that it needs.
type Options struct {
	// Listener is where the HTTP server listens, so that a test can bring a network of its own. [Slack.URL] is then the
	// listener's address. Nil is a free port of the loopback interface.
	Listener net.Listener

	// Client delivers to the request URL. Nil is a client of its own.
	Client *http.Client

	// RateLimits refuses what is called more often than Slack allows.
	RateLimits bool

	// IgnoreNames is what becomes of names and icons without the scope chat:write.customize: they are passed over, as
	// people have seen it. Otherwise the message is refused with missing_scope.
	IgnoreNames bool
}

// Slack is a workspace with one app and one channel. Create it with [New]; it is safe for concurrent use.
type Slack struct {
	URL           string // Without a slash at its end; the API is at URL + "/api/".
	BotToken      string
	AppToken      string // For Socket Mode.
	SigningSecret string // Of requests to the request URL.
	TeamID        string
	AppID         string
	BotID         string
	BotUserID     string
	Channel       string // The id of the channel "support".

	opts   Options
	http   *http.Server
	client *http.Client
	ctx    context.Context //nolint:containedctx // The life of the workspace, not of a call.
	cancel context.CancelFunc
	wg     sync.WaitGroup
	wake   chan struct{} // There is something in the queue.

	mu            sync.Mutex // Guards everything below.
	closed        bool
	lastTS        int64 // In microseconds.
	users         map[string]*user
	order         []string // Ids of users, oldest first.
	in            map[string]bool
	archived      bool
	revoked       bool
	scopes        []string
	messages      []*message // Oldest first.
	ephemerals    []Ephemeral
	files         map[string]*file
	requestURL    string
	tickets       map[string]bool // Unused WebSocket URLs.
	sockets       []*socket
	turn          int
	refusing      bool
	acks          map[string]chan struct{} // By envelope.
	queue         []*delivery
	pending       int
	idle          chan struct{} // Closed when pending falls to zero.
	requests      []string
	buckets       map[string]*bucket
	down          bool
	muted         bool
	twice         bool
	lose          map[string]bool
	limited       map[string]int
	refused       map[string]string
	slow          time.Duration
	failDownloads int
}

// allScopes is what the app is granted at first.
var allScopes = []string{
	"channels:history", "channels:read", "chat:write", "chat:write.customize", "files:read", "files:write", "metadata.message:read",
	"reactions:read", "users:read", "users:read.email",
}

// New starts an empty workspace in memory with one installed app and one public channel, "support", of which the app is a
// member. It panics if it cannot listen on the loopback interface.
func New(opts Options) *Slack {
	if opts.Listener == nil {
		listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // Nothing to wait for on loopback.
		if err != nil {
			panic(fmt.Sprintf("slacktest: cannot listen on the loopback interface: %v", err))
		}
		opts.Listener = listener
	}
	s := &Slack{
		URL:      "http://" + opts.Listener.Addr().String(),
		BotToken: "xoxb-" + rand.Text(), AppToken: "xapp-1-" + rand.Text(), SigningSecret: rand.Text(),
		TeamID: newID("T"), AppID: newID("A"), BotID: newID("B"), Channel: newID("C"),
		opts: opts, client: opts.Client, wake: make(chan struct{}, 1),
		users: map[string]*user{}, in: map[string]bool{}, scopes: slices.Clone(allScopes), files: map[string]*file{},
		tickets: map[string]bool{}, acks: map[string]chan struct{}{}, buckets: map[string]*bucket{}, lose: map[string]bool{}, limited: map[string]int{}, refused: map[string]string{},
	}
	if s.client == nil {
		s.client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4}}
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	bot := s.hire("Support", func(u *user) { u.bot, u.botID, u.appID = true, s.BotID, s.AppID })
	s.BotUserID = bot.ID
	s.http = &http.Server{Handler: s.routes(), ReadHeaderTimeout: time.Minute}
	s.wg.Go(func() { _ = s.http.Serve(opts.Listener) }) // Ends with Close.
	s.wg.Go(s.dispatch)
	return s
}

// Close ends the workspace: connections are cut, and what has not been delivered is given up. It returns when every goroutine
// has ended.
func (s *Slack) Close() {
	s.mu.Lock()
	s.closed = true
	sockets := slices.Clone(s.sockets)
	s.mu.Unlock()
	s.cancel()
	for _, c := range sockets {
		c.cut()
	}
	_ = s.http.Close() // Only a listener that is closed already makes it fail.
	s.wg.Wait()
	s.client.CloseIdleConnections()
}

// ServeHTTP answers a request as the workspace does on its port.
func (s *Slack) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.http.Handler.ServeHTTP(w, r) }

// Wait returns when no event is on its way any more, neither at first nor to be tried again.
func (s *Slack) Wait() {
	s.mu.Lock()
	idle, pending := s.idle, s.pending
	s.mu.Unlock()
	if pending == 0 {
		return
	}
	select {
	case <-idle:
	case <-s.ctx.Done():
	}
}

// Requests returns the names of the API's methods that have been called so far.
func (s *Slack) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// goes runs f until Close, which waits for it, and says false if that has happened already. Hold s.mu.
func (s *Slack) goes(f func()) bool {
	if s.closed {
		return false
	}
	s.wg.Go(f)
	return true
}

// sleep waits, but not longer than the workspace lives.
func (s *Slack) sleep(d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-s.ctx.Done():
		return s.ctx.Err()
	}
}

// newID returns an id such as C0123456789: a letter for what it is of, and ten capitals or digits.
func newID(kind string) string { return kind + "0" + rand.Text()[:9] }

// newTS returns a timestamp that no message has yet. Hold s.mu.
func (s *Slack) newTS() string {
	s.lastTS = max(time.Now().UnixMicro(), s.lastTS+1)
	return fmt.Sprintf("%d.%06d", s.lastTS/1e6, s.lastTS%1e6)
}

var errArchived = errors.New("slacktest: the channel is archived")
