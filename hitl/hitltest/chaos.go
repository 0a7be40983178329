package hitltest

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"maps"
	mathrand "math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hitl-go/sdk/botpress/botpresstest"
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/internal/memnet"
	"github.com/hitl-go/sdk/message"
)

// ChaosOptions vary [Chaos]. The zero value runs twenty sessions at two replicas.
type ChaosOptions struct {
	Sessions int // zero means 20
	Replicas int // zero means 2

	// Seed decides who says how much, and what goes wrong. Zero means a random one, which is logged. Which call a fault strikes
	// depends on the scheduler as well: a seed makes a failure likely again, not certain.
	Seed uint64

	// Patience is how long after the faults everything may take to arrive. Zero means two hours. See [Chaos] on time.
	Patience time.Duration
}

// Chaos runs sessions of several end users at once while everything goes wrong: calls of Botpress fail or their answers get
// lost, Botpress repeats operations and gives them up, the desk is down or loses answers, processes die and others take their
// place, and a desk that can be read back loses webhooks. Then nothing goes wrong any more, and Chaos compares what everybody
// has said with what has arrived:
//
//   - What the end user said is in the desk, once and in order. It may be there twice if the definition has SendOnce.
//   - What the agent said has reached the end user, once and in order.
//   - The session is over on both sides.
//
// The fields of Desk are used as by [Run]. Chaos needs Replied, checks the desk if there is Heard, closes sessions in the desk
// if there are Stopped and Open, and lets the desk fail if there is Wire. Of the case's Bot, only options of the server count.
//
// What a dead process had in its hands is left alone for minutes, and a webhook that was lost may be noticed an hour later. So call
// Chaos in a bubble of testing/synctest, where that takes no time. Botpress and the server are connected in memory. The
// adapter must reach its desk without sockets, too: give its HTTP client [Wire.RoundTripper] over a transport that calls the fake
// desk's handler. Elsewhere Chaos runs in real time.
func Chaos[Config, Session any, I hitl.Integration[Session]](
	t *testing.T, connect func(context.Context, hitl.Installation, Config) (I, error), c Case[Config, Session], opts ChaosOptions,
) {
	t.Helper()
	chaos(testRunner{t}, connect, c, opts)
}

func chaos[Config, Session any, I hitl.Integration[Session]](
	t tb, connect func(context.Context, hitl.Installation, Config) (I, error), c Case[Config, Session], opts ChaosOptions,
) {
	t.Helper()
	if c.Desk.Replied == nil {
		t.Fatalf("hitltest: Chaos needs Desk.Replied")
	}
	opts.Sessions, opts.Replicas = cmp.Or(opts.Sessions, 20), cmp.Or(opts.Replicas, 2)
	opts.Seed, opts.Patience = cmp.Or(opts.Seed, mathrand.Uint64N(1<<32)), cmp.Or(opts.Patience, 2*time.Hour)
	t.Logf("hitltest: Chaos with the seed %d", opts.Seed)

	m := &chaosRun{t: t, desk: c.Desk, sendOnce: c.Definition.SendOnce, opts: opts, rng: mathrand.New(mathrand.NewPCG(opts.Seed, 0))}
	key := make([]byte, 32)
	_, _ = rand.Read(key) // It never fails.
	secret := base64.RawURLEncoding.EncodeToString(key)
	m.bot = &Bot{t: t, http: m.transport(), tags: c.Definition.ConversationTags}
	t.Cleanup(m.bot.http.CloseIdleConnections)
	listener, err := m.network.Listen("botpress.test:80")
	if err != nil {
		t.Fatalf("hitltest: %v", err)
	}
	cloud := m.transport()
	t.Cleanup(cloud.CloseIdleConnections)
	m.bot.Cloud = botpresstest.NewServer(&botpresstest.Options{
		Listener: listener, Client: &http.Client{Transport: cloud}, Seed: opts.Seed, Attempts: 3, RetryDelay: time.Second,
	})
	t.Cleanup(m.bot.Cloud.Close)
	m.serve = func(client *http.Client) (*hitl.Server, error) {
		server := c.Bot.withDefaults(t).Server
		server.Botpress.BaseURL, server.Botpress.Token, server.Botpress.HTTPClient = "http://botpress.test", m.bot.Cloud.Token, client
		server.Secrets, server.Timeout, server.ActivationDelay = []string{secret}, 20*time.Second, 3*time.Second
		server.Logger = slog.New(slog.NewTextHandler(&m.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		s, err := hitl.NewServer(c.Definition, func(ctx context.Context, in hitl.Installation, config Config) (hitl.Integration[Session], error) {
			a, err := connect(ctx, in, config)
			if err != nil {
				return nil, err
			}
			if _, ok := any(a).(hitl.Backfiller); ok {
				m.readBack.Store(true)
			}
			return a, nil
		}, &server)
		if err != nil {
			return nil, err
		}
		return s, s.Ready()
	}
	m.run(secret, c.Config, c.Session)
}

// chaosRun is one run of Chaos.
type chaosRun struct {
	t        tb
	bot      *Bot
	desk     Desk
	sendOnce bool
	opts     ChaosOptions
	serve    func(*http.Client) (*hitl.Server, error)
	readBack atomic.Bool // the desk can be
	log      serverLog

	network memnet.Network // between Botpress and the server
	acting  sync.Mutex     // functions of the desk are not called concurrently

	mu        sync.Mutex
	rng       *mathrand.Rand
	processes []*process
	ending    sync.WaitGroup
	kills     int
	outages   int
	lost      int // webhooks
}

func (m *chaosRun) transport() *http.Transport {
	return &http.Transport{DialContext: m.network.DialContext}
}

func (m *chaosRun) random(n int) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.rng.IntN(n)
}

func (m *chaosRun) run(secret string, config, session any) {
	m.t.Helper()
	for range m.opts.Replicas {
		p, err := m.start()
		if err != nil {
			m.t.Fatalf("hitltest: the server cannot be made: %v", err)
		}
		m.processes = append(m.processes, p)
	}
	listener, err := m.network.Listen("server.test:80")
	if err != nil {
		m.t.Fatalf("hitltest: %v", err)
	}
	front := &http.Server{Handler: http.HandlerFunc(m.balance), ReadHeaderTimeout: time.Minute}
	m.ending.Go(func() { _ = front.Serve(listener) }) // it ends with Close
	m.t.Cleanup(func() {
		_ = front.Close()
		for _, p := range m.processes {
			p.end()
		}
		m.ending.Wait()
	})
	spec, err := integration(m.processes[0].server)
	if err != nil {
		m.t.Fatalf("hitltest: Botpress cannot install the definition: %v", err)
	}
	spec.URL, spec.SigningSecret, spec.Configuration = "http://server.test", secret, config
	if m.bot.Installation, err = m.bot.Cloud.Install(m.t.Context(), spec); err != nil {
		m.t.Fatalf("hitltest: the integration was not installed: %v", err)
	}

	ctx, cancel := context.WithTimeout(m.t.Context(), 2*m.opts.Patience+time.Hour)
	defer cancel()
	calm := m.disturb(ctx)
	var talking, all sync.WaitGroup
	scenes := make([]*scene, m.opts.Sessions)
	for i := range scenes {
		s := &scene{
			chaosRun: m, title: fmt.Sprintf("session %d", i), rng: mathrand.New(mathrand.NewPCG(m.opts.Seed, uint64(i)+1)),
			user: m.bot.EndUser(fmt.Sprintf("User %d", i)),
		}
		scenes[i] = s
		talking.Add(1)
		all.Go(func() { s.play(ctx, session, sync.OnceFunc(talking.Done)) })
	}
	talking.Wait()
	calm()
	waking, sleep := context.WithCancel(ctx)
	var hourly sync.WaitGroup
	hourly.Go(func() { m.wakeUp(waking) })
	all.Wait()
	sleep()
	hourly.Wait()
	for _, s := range scenes {
		if !s.check() {
			m.log.copyLines(m.t.Output(), s.session.ConversationID)
		}
	}
	said, gaveUp := 0, 0
	for _, s := range scenes {
		said += len(s.said) + len(s.replied)
		if s.gaveUp {
			gaveUp++
		}
	}
	if 2*gaveUp > len(scenes) { // of which nothing is checked
		m.t.Errorf("Botpress gave %d of %d sessions up: the adapter opens hardly any.", gaveUp, len(scenes))
	}
	m.t.Logf("hitltest: %d sessions, %d messages; %d processes were killed, the desk was down %d times, %d webhooks were lost; Botpress gave %d sessions up",
		len(scenes), said, m.kills, m.outages, m.lost, gaveUp)
}

// wakeUp is Botpress that calls register every hour.
func (m *chaosRun) wakeUp(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Hour):
			_ = m.bot.Installation.Configure(ctx, m.bot.Installation.Configuration) // it is logged
		}
	}
}

// process is a replica. It dies by being cut off.
type process struct {
	server *hitl.Server
	client *http.Transport
	alive  context.Context //nolint:containedctx // It ends when the process dies.
	die    context.CancelFunc
}

func (m *chaosRun) start() (*process, error) {
	p := &process{client: m.transport()}
	p.alive, p.die = context.WithCancel(context.Background())
	var err error
	p.server, err = m.serve(&http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		ctx, cancel := context.WithCancel(r.Context())
		stop := context.AfterFunc(p.alive, cancel)
		res, err := p.client.RoundTrip(r.WithContext(ctx))
		if err != nil {
			stop()
			cancel()
			return nil, err
		}
		res.Body = closing{res.Body, func() { stop(); cancel() }}
		return res, nil
	})})
	return p, err
}

// end shuts a process down. What it has begun ends first, or fails because it is cut off.
func (p *process) end() {
	ctx, cancel := context.WithTimeout(context.Background(), longTimeout)
	defer cancel()
	_ = p.server.Shutdown(ctx) // It is dead, or nobody waits for what it does.
	p.die()
	p.client.CloseIdleConnections()
}

// closing runs a function when a body is closed.
type closing struct {
	io.ReadCloser

	closed func()
}

func (c closing) Close() error {
	defer c.closed()
	return c.ReadCloser.Close()
}

// kill cuts a process off, and starts another in its place.
func (m *chaosRun) kill() {
	fresh, err := m.start()
	if err != nil {
		m.t.Errorf("hitltest: the server cannot be made again: %v", err)
		return
	}
	m.mu.Lock()
	i := m.rng.IntN(len(m.processes))
	dead := m.processes[i]
	m.processes[i] = fresh
	m.kills++
	m.mu.Unlock()
	dead.die()
	m.ending.Go(dead.end)
}

// balance is the load balancer. A request to a process that dies has no answer.
func (m *chaosRun) balance(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	m.mu.Lock()
	p := m.processes[m.rng.IntN(len(m.processes))]
	m.mu.Unlock()
	answer := httptest.NewRecorder()
	answered := make(chan struct{})
	m.ending.Go(func() {
		defer close(answered)
		in := r.Clone(context.WithoutCancel(r.Context()))
		in.Body = io.NopCloser(bytes.NewReader(body))
		p.server.ServeHTTP(answer, in)
	})
	select {
	case <-answered:
	case <-p.alive.Done():
		panic(http.ErrAbortHandler)
	}
	maps.Copy(w.Header(), answer.Header())
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes()) // Whoever asked may be gone.
}

// disturb lets things go wrong until calm is called.
func (m *chaosRun) disturb(ctx context.Context) (calm func()) {
	var lifts []func()
	const probability = 0.01
	for _, operation := range []string{botpresstest.AnyAPICall, botpresstest.AnyDispatch} {
		for _, kind := range []botpresstest.FaultKind{
			botpresstest.DropBefore, botpresstest.DropAfter, botpresstest.BadGateway, botpresstest.Reset, botpresstest.Delay,
			botpresstest.Unavailable, botpresstest.InternalError,
		} {
			lifts = append(lifts, m.bot.Cloud.Fault(botpresstest.Fault{
				Operation: operation, Kind: kind, Probability: probability, Delay: 100 * time.Millisecond,
			}))
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	var trouble sync.WaitGroup
	trouble.Go(func() {
		for m.pause(ctx, 10*time.Second) {
			m.kill()
		}
	})
	if m.desk.Wire != nil {
		trouble.Go(func() {
			for m.pause(ctx, 20*time.Second) {
				repair := m.desk.Wire.set([]fault{{kind: refuse, status: http.StatusServiceUnavailable}, {kind: reset}, {kind: lose}}[m.random(3)])
				m.mu.Lock()
				m.outages++
				m.mu.Unlock()
				m.pause(ctx, 10*time.Second)
				repair()
			}
		})
	}
	return func() {
		cancel()
		trouble.Wait()
		for _, lift := range lifts {
			lift()
		}
	}
}

// pause waits for a random time. It reports false if the context ended.
func (m *chaosRun) pause(ctx context.Context, most time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(time.Duration(m.random(int(most)))):
		return true
	}
}

// scene is one session, and what was said in it by whom.
type scene struct {
	*chaosRun

	title   string
	rng     *mathrand.Rand
	user    *EndUser
	session Session

	said, replied []string
	gaveUp        bool // Botpress has given startHitl up

	refusedMu sync.Mutex
	refused   []string // what nobody should have refused
}

func (s *scene) play(ctx context.Context, session any, talked func()) {
	defer talked()
	if err := s.user.EndUser.Say(ctx, message.Text{Text: "hello"}); err != nil {
		s.refuse("The end user cannot speak to the bot: %v", err)
		return
	}
	if err := s.user.EndUser.Escalate(ctx, botpresstest.Escalation{Title: s.title, Session: session}); err != nil {
		s.gaveUp = true
		return
	}
	s.session = s.user.Session()
	words, replies, closer := 1+s.rng.IntN(12), 1+s.rng.IntN(6), s.closer()
	var talking sync.WaitGroup
	talking.Go(func() {
		for i := range words {
			s.said = append(s.said, fmt.Sprintf("%s, word %d.", s.title, i))
			if err := s.user.EndUser.Say(ctx, message.Text{Text: s.said[i]}); err != nil {
				s.refuse("The end user cannot speak: %v", err)
			}
			s.pause(ctx, 5*time.Second)
		}
	})
	talking.Go(func() {
		if s.desk.Assigned != nil {
			s.report(ctx, func() *http.Request { return s.desk.Assigned(s.session) })
		}
		for i := range replies {
			s.replied = append(s.replied, fmt.Sprintf("%s, reply %d.", s.title, i))
			s.report(ctx, func() *http.Request { return s.desk.Replied(s.session, s.replied[i]) })
			s.pause(ctx, 5*time.Second)
		}
	})
	talking.Wait()
	talked()

	if !s.await(ctx, func() bool { return len(s.arrived()) >= len(s.replied) && s.heard() >= len(s.said) }) {
		return // check says what is missing
	}
	switch closer {
	case "agent":
		s.report(ctx, func() *http.Request { return s.desk.Stopped(s.session) })
	case "user":
		_ = s.user.EndUser.End(ctx) // what comes of it is checked
	default:
		_ = s.user.StopHitl(ctx)
	}
	s.await(ctx, s.over)
}

func (s *scene) refuse(format string, args ...any) {
	s.refusedMu.Lock()
	defer s.refusedMu.Unlock()
	s.refused = append(s.refused, fmt.Sprintf(format, args...))
}

// closer is who ends the session.
func (s *scene) closer() string {
	if s.desk.Stopped != nil {
		return []string{"agent", "user", "bot"}[s.rng.IntN(3)]
	}
	return []string{"user", "bot"}[s.rng.IntN(2)]
}

// await waits until something is so, for as long as the patience lasts.
func (s *scene) await(ctx context.Context, is func() bool) bool {
	deadline := time.Now().Add(s.opts.Patience)
	for !is() {
		if ctx.Err() != nil || time.Now().After(deadline) {
			return false
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second): // nobody reports what has arrived in the desk
		}
	}
	return true
}

// report lets something happen in the desk, and sends its webhook until it is accepted. If the desk can be read back, it may
// get lost.
func (s *scene) report(ctx context.Context, happen func() *http.Request) {
	s.acting.Lock()
	r := happen()
	s.acting.Unlock()
	body, err := readBody(r)
	if err != nil {
		s.refuse("The webhook's body cannot be read: %v", err)
		return
	}
	rep, err := s.bot.unsigned(r, body)
	if err != nil {
		s.refuse("The webhook has no address: %v", err)
		return
	}
	if s.readBack.Load() && s.random(4) == 0 {
		s.mu.Lock()
		s.lost++
		s.mu.Unlock()
		return
	}
	for ctx.Err() == nil {
		s.acting.Lock()
		signed := rep.signed(ctx, s.desk.Sign)
		s.acting.Unlock()
		attempt := signed.request(ctx)
		attempt.URL = signed.url
		status, answer, err := s.bot.post(attempt, signed.body)
		switch {
		case err == nil && status >= 200 && status <= 299:
			return
		case err == nil && status >= 400 && status < 500 && status != http.StatusTooManyRequests:
			s.refuse("The webhook was answered %d: %s", status, answer)
			return
		}
		s.pause(ctx, 10*time.Second)
	}
}

// arrived is what the agent said, as the end user has seen it.
func (s *scene) arrived() (texts []string) {
	for _, r := range s.user.Received() {
		if r.From == botpresstest.FromAgent {
			texts = append(texts, message.PlainText(r.Message))
		}
	}
	return texts
}

// inDesk returns what agents read of this session, or nil if the desk does not tell.
func (s *scene) inDesk() []string {
	if s.desk.Heard == nil {
		return nil
	}
	s.acting.Lock()
	defer s.acting.Unlock()
	return s.desk.Heard(s.session)
}

// heard is how many of the end user's words are in the desk.
func (s *scene) heard() (n int) {
	if s.desk.Heard == nil {
		return len(s.said)
	}
	lines := s.inDesk()
	for _, word := range s.said {
		if slices.ContainsFunc(lines, func(line string) bool { return strings.Contains(line, word) }) {
			n++
		}
	}
	return n
}

func (s *scene) over() bool {
	if s.user.Active() {
		return false
	}
	if s.desk.Open == nil {
		return true
	}
	s.acting.Lock()
	defer s.acting.Unlock()
	return !s.desk.Open(s.session)
}

// check compares what was said with what has arrived.
func (s *scene) check() (ok bool) {
	if s.gaveUp {
		return true
	}
	ok = true
	fail := func(format string, args ...any) {
		ok = false
		s.t.Errorf("%s: %s", s.title, fmt.Sprintf(format, args...))
	}
	for _, what := range s.refused {
		fail("%s", what)
	}
	if got := s.arrived(); !slices.Equal(got, s.replied) {
		fail("The agent said %q, and the end user has seen %q.", s.replied, got)
	}
	if s.desk.Heard != nil {
		lines, got := s.inDesk(), []string(nil)
		for _, line := range lines {
			for _, word := range s.said {
				if strings.Contains(line, word) && (!s.sendOnce || !slices.Contains(got, word)) {
					got = append(got, word)
				}
			}
		}
		if !slices.Equal(got, s.said) {
			fail("The end user said %q, and in the desk is %q.", s.said, lines)
		}
	}
	if ok && !s.over() {
		fail("It has ended, and is still open for the end user (%v) or in the desk.", s.user.Active())
	}
	return ok
}
