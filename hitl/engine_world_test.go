package hitl_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/botpress/botpresstest"
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/internal/acme"
	"github.com/hitl-go/sdk/internal/memnet"
)

// features are what a world has and what goes wrong in it.
type features struct {
	replicas int // zero means one
	sessions int

	dispatch botpresstest.Dispatch
	attempts int           // of a dispatch; zero means two
	patience time.Duration // of a dispatch, which a desk that opens a ticket often overtaxes; zero means a minute

	skew, jitter time.Duration // of Botpress' clock and scheduler

	faults     float64 // of each kind, at each call of the API and each dispatch
	deskFaults float64 // refusals of the desk
	deskLoses  float64 // answers of the desk that are lost
	outages    bool    // of the desk, for minutes
	kills      bool    // of replicas, at any call
	pauses     bool    // of replicas, for longer than a lease

	slow, early      time.Duration
	echo             bool
	echoDelay        time.Duration
	noConversationID bool
	forgetful        bool
	polled           bool
	readBack         bool
	notes            bool
	lost             float64 // webhooks
	once             bool
	shuffle          time.Duration

	twoChats bool // each end user has two sessions at a time
	again    bool // each end user escalates again at once
}

func (f features) String() string {
	var s []string
	add := func(yes bool, format string, args ...any) {
		if yes {
			s = append(s, fmt.Sprintf(format, args...))
		}
	}
	add(true, "%d replicas", max(1, f.replicas))
	add(f.dispatch == botpresstest.DispatchParallel, "parallel")
	add(f.dispatch == botpresstest.DispatchShuffled, "shuffled")
	add(f.attempts > 0, "%d attempts", f.attempts)
	add(f.patience > 0, "patience %s", f.patience)
	add(f.skew != 0, "skew %s", f.skew)
	add(f.jitter != 0, "jitter %s", f.jitter)
	add(f.faults > 0, "faults %g", f.faults)
	add(f.deskFaults > 0, "desk refuses %g", f.deskFaults)
	add(f.deskLoses > 0, "desk's answers lost %g", f.deskLoses)
	add(f.outages, "outages")
	add(f.kills, "kills")
	add(f.pauses, "pauses")
	add(f.slow > 0, "slow %s", f.slow)
	add(f.early > 0, "early %s", f.early)
	add(f.echo, "echo %s", f.echoDelay)
	add(f.noConversationID, "no conversation id")
	add(f.forgetful, "forgetful")
	add(f.polled, "polled")
	add(f.readBack, "backfill")
	add(f.notes, "notes")
	add(f.lost > 0, "webhooks lost %g", f.lost)
	add(f.once, "webhooks once")
	add(f.shuffle > 0, "webhooks shuffled %s", f.shuffle)
	add(f.twoChats, "two chats")
	add(f.again, "again")
	return strings.Join(s, ", ")
}

// calm reports whether nothing goes wrong, so that everything arrives within seconds.
func (f features) calm() bool {
	return f.faults+f.deskFaults+f.deskLoses+f.lost == 0 && !f.outages && !f.kills && !f.pauses && !f.once && f.slow == 0 && f.patience == 0
}

// engineWorld is Botpress, Acme Desk, and replicas that come and go.
type engineWorld struct {
	t       *testing.T
	f       features
	network *memnet.Network
	cloud   *botpresstest.Server
	in      *botpresstest.Installation
	desk    *acme.Desk
	log     *slog.Logger

	began   time.Time
	calm    atomic.Bool  // nothing goes wrong any more
	doubt   atomic.Int64 // how often a desk has worked and nobody knows: a forgetful one then works twice
	working sync.WaitGroup

	mu       sync.Mutex // of the fields below
	rng      *rand.Rand
	replicas []*replica
	gaveUp   map[string]bool // titles of sessions that Botpress gave up
	linked   map[string]bool // tickets
	answers  map[string]bool // titles of sessions whose startHitl a server has answered, as far as it knows
	arrived  map[string]bool // actions that have reached a server, with their conversations
	early    map[string]bool // tickets whose reports were taken too early
	late     map[string]int  // assignments that a pause has held up, by conversation
	tally    engineTally
}

// replica is a process. It dies by being cut off.
type replica struct {
	w      *engineWorld
	server *hitl.Server
	client *http.Client
	ctx    context.Context //nolint:containedctx // It ends when the replica dies.
	die    context.CancelFunc

	mu          sync.Mutex
	calls       int // of the API and the desk, until it dies; negative: it does not
	pausedUntil time.Time
}

func newEngineWorld(t *testing.T, f features, seed uint64) *engineWorld {
	t.Helper()
	w := &engineWorld{
		t: t, f: f, network: &memnet.Network{}, rng: rand.New(rand.NewPCG(seed, 7)), log: engineLog(t),
		began: time.Now(), gaveUp: map[string]bool{}, linked: map[string]bool{}, early: map[string]bool{}, late: map[string]int{}, arrived: map[string]bool{}, answers: map[string]bool{},
	}
	listener, err := w.network.Listen("botpress.test:80")
	if err != nil {
		t.Fatal(err)
	}
	cloudClient := w.network.Client()
	t.Cleanup(cloudClient.CloseIdleConnections)
	attempts := f.attempts
	if attempts == 0 {
		attempts = 2
	}
	w.cloud = botpresstest.NewServer(&botpresstest.Options{
		Listener: listener, Client: cloudClient, Seed: seed, Attempts: attempts, Dispatch: f.dispatch, Timeout: f.patience,
		ClockSkew: f.skew, SchedulerJitter: f.jitter,
	})
	t.Cleanup(w.cloud.Close)

	deskClient := w.network.Client()
	t.Cleanup(deskClient.CloseIdleConnections)
	w.desk = &acme.Desk{
		Forgetful: f.forgetful, NoConversationID: f.noConversationID, Slow: f.slow, Early: f.early, Echo: f.echo, EchoDelay: f.echoDelay,
		Polled: f.polled, ReadBack: f.readBack, TakesNotes: f.notes, Before: w.refuse, After: w.loseAnswer,
	}
	hooks := &acme.Webhooks{Client: deskClient, Once: f.once, Shuffle: f.shuffle, Lost: f.lost, Seed: seed, Answered: w.answered}
	if !f.polled {
		w.desk.Webhooks = hooks
	}
	t.Cleanup(w.desk.StopReporting)

	for range max(1, f.replicas) {
		w.replicas = append(w.replicas, w.newReplica())
	}
	t.Cleanup(w.shutDown)
	w.serve("acme.test:80")
	in := integrationOf(t, w.replicas[0].server, "http://acme.test")
	in.SigningSecret = signingSecret
	for tries := 0; ; tries++ { // a process may pause at once
		if w.in, err = w.cloud.Install(t.Context(), in); err == nil {
			break
		}
		if tries == 5 {
			t.Fatal(err)
		}
	}
	hooks.URL = w.in.WebhookURL
	return w
}

// engineLog is where the servers log.
func engineLog(t *testing.T) *slog.Logger {
	if *engineLogFile == "" {
		return slog.New(slog.DiscardHandler)
	}
	f, err := os.OpenFile(*engineLogFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return slog.New(slog.NewTextHandler(f, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// random draws from the world's own source.
func (w *engineWorld) random(n int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.rng.IntN(n)
}

func (w *engineWorld) chance(p float64) bool {
	if p <= 0 || w.calm.Load() {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.rng.Float64() < p
}

// Processes.

func (w *engineWorld) newReplica() *replica {
	rep := &replica{w: w, calls: -1}
	rep.ctx, rep.die = context.WithCancel(context.Background())
	rep.client = &http.Client{Transport: cuttable{rep, w.network.Client().Transport}}
	def := acme.Definition(true)
	def.SendOnce = w.f.forgetful
	server, err := acme.NewServer(def, w.desk, &hitl.Options{
		Secrets: []string{signingSecret}, Logger: w.log,
		Botpress: botpress.Options{BaseURL: "http://botpress.test", Token: w.cloud.Token, HTTPClient: rep.client},
	}, acme.Via(rep.desk))
	if err == nil {
		err = server.Ready()
	}
	if err != nil {
		w.t.Error(err)
	}
	rep.server = server
	if w.f.kills {
		rep.calls = 10 + w.rng.IntN(30*w.f.sessions+1)
	}
	return rep
}

// kill cuts a replica off, and starts another in its place.
func (rep *replica) kill() {
	rep.die()
	w := rep.w
	w.doubt.Add(1)
	w.working.Go(func() {
		rep.end()
		<-time.After(time.Duration(w.random(20_000)) * time.Millisecond)
		w.mu.Lock()
		defer w.mu.Unlock()
		for i, other := range w.replicas {
			if other == rep {
				w.replicas[i] = w.newReplica()
				w.tally.kills++
			}
		}
	})
}

func (rep *replica) end() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	if err := rep.server.Shutdown(ctx); err != nil {
		rep.w.t.Errorf("Shutdown: %v", err)
	}
	rep.client.CloseIdleConnections()
}

func (w *engineWorld) shutDown() {
	w.calm.Store(true)
	w.working.Wait()
	for _, rep := range w.living() {
		rep.end()
		rep.die()
	}
}

func (w *engineWorld) living() []*replica {
	w.mu.Lock()
	defer w.mu.Unlock()
	var living []*replica
	for _, rep := range w.replicas {
		if rep.ctx.Err() == nil {
			living = append(living, rep)
		}
	}
	return living
}

var errDead = &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ENETUNREACH}

// leaving is the way of each call that leaves the process. It may be its last one, before or after the call has worked.
func (rep *replica) leaving(ctx context.Context, call func(ctx context.Context, late bool) error) error {
	late := rep.pause()
	if rep.ctx.Err() != nil {
		return errDead
	}
	if late && ctx.Err() != nil && rep.w.random(2) == 0 {
		return context.Cause(ctx)
	}
	if late { // written before the pause, or by who does not look at the clock after it
		ctx = context.WithoutCancel(ctx)
	}
	dies, before := rep.lastCall()
	if dies && before {
		rep.kill()
		return errDead
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(rep.ctx, cancel)()
	err := call(ctx, late)
	if dies {
		rep.kill()
	}
	if rep.ctx.Err() != nil {
		return errDead
	}
	return err
}

// killingFor is how long replicas are killed: later, sessions wait only for Botpress' hourly wake-up.
const killingFor = 5 * time.Minute

// lastCall reports whether the replica dies at this call.
func (rep *replica) lastCall() (dies, before bool) {
	rep.mu.Lock()
	defer rep.mu.Unlock()
	if rep.calls < 0 || rep.w.calm.Load() || time.Since(rep.w.began) > killingFor {
		return false, false
	}
	rep.calls--
	return rep.calls < 0, rep.w.random(2) == 0
}

// pause holds everything that leaves the process, now and then.
func (rep *replica) pause() (paused bool) {
	if !rep.w.f.pauses {
		return false
	}
	rep.mu.Lock()
	if rep.w.chance(0.03/float64(rep.w.f.sessions+1)) && time.Now().After(rep.pausedUntil) {
		rep.pausedUntil = time.Now().Add(time.Duration(70+rep.w.random(130)) * time.Second)
		rep.w.doubt.Add(1)
		rep.w.tallyUp(func(t *engineTally) { t.pauses++ })
	}
	wait := time.Until(rep.pausedUntil)
	rep.mu.Unlock()
	if wait <= 0 {
		return false
	}
	select {
	case <-time.After(wait):
	case <-rep.ctx.Done():
	}
	return true
}

// desk is the way to the desk.
func (rep *replica) desk(ctx context.Context, _ string, call func() error) error {
	return rep.leaving(ctx, func(context.Context, bool) error {
		err := call()
		if ctx.Err() != nil { // it may have worked when the operation's time was up
			rep.w.doubt.Add(1)
		}
		return err
	})
}

// cuttable is the way to Botpress.
type cuttable struct {
	rep  *replica
	next http.RoundTripper
}

func (c cuttable) RoundTrip(r *http.Request) (res *http.Response, err error) {
	err = c.rep.leaving(r.Context(), func(ctx context.Context, late bool) error {
		if late {
			c.rep.w.goesLate(r)
		}
		if res, err = c.next.RoundTrip(r.WithContext(ctx)); err != nil {
			return err
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		res.Body = io.NopCloser(bytes.NewReader(body))
		return err
	})
	if err != nil {
		return nil, err
	}
	return res, nil
}

// goesLate notes an assignment that a pause has held up on its way, whatever the answer. Whoever looked for it meanwhile has sent another one.
func (w *engineWorld) goesLate(r *http.Request) {
	if r.Method != http.MethodPost || r.URL.Path != "/v1/chat/events" {
		return
	}
	body, err := r.GetBody()
	var event struct {
		Type           string `json:"type"`
		ConversationID string `json:"conversationId"`
	}
	if err != nil || json.NewDecoder(body).Decode(&event) != nil {
		w.t.Errorf("an event that cannot be read is sent")
	}
	if event.Type == "agentAssigned" {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.late[event.ConversationID]++
	}
}

// CloseIdleConnections is for [http.Client.CloseIdleConnections].
func (c cuttable) CloseIdleConnections() {
	if t, ok := c.next.(*http.Transport); ok {
		t.CloseIdleConnections()
	}
}

// serve is a load balancer in front of those replicas that live. Answers of the dead are lost.
func (w *engineWorld) serve(addr string) {
	listener, err := w.network.Listen(addr)
	if err != nil {
		w.t.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(w.balance)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(listener)
	}()
	w.t.Cleanup(func() {
		_ = srv.Close()
		<-done
	})
}

func (w *engineWorld) balance(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	<-time.After(latency)
	living := w.living()
	if err != nil || len(living) == 0 {
		panic(http.ErrAbortHandler)
	}
	rep := living[w.random(len(living))]
	rec := httptest.NewRecorder()
	answered := make(chan struct{})
	w.working.Go(func() {
		defer close(answered)
		in := r.Clone(r.Context())
		in.Body = io.NopCloser(bytes.NewReader(body))
		rep.server.ServeHTTP(rec, in)
		if rec.Code != http.StatusServiceUnavailable || !strings.Contains(rec.Body.String(), "at once") { // it was admitted
			w.receive(r, body, rec.Code)
		}
		rep.pause()
	})
	select {
	case <-answered:
	case <-rep.ctx.Done():
		panic(http.ErrAbortHandler)
	}
	if rep.ctx.Err() != nil {
		panic(http.ErrAbortHandler)
	}
	maps.Copy(rw.Header(), rec.Header())
	rw.WriteHeader(rec.Code)
	_, _ = rw.Write(rec.Body.Bytes())
}

// receive notes what has reached a server.
func (w *engineWorld) receive(r *http.Request, body []byte, status int) {
	if r.Header.Get("x-bp-operation") != "action_triggered" {
		return
	}
	var action struct {
		Type  string `json:"type"`
		Input struct {
			ConversationID string `json:"conversationId"`
			Title          string `json:"title"`
		} `json:"input"`
	}
	if json.Unmarshal(body, &action) != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.arrived[action.Type+" "+action.Input.ConversationID] = true
	if action.Type == "startHitl" && status == http.StatusOK && r.Context().Err() == nil {
		w.answers[action.Input.Title] = true
	}
}

// received reports whether an action of a conversation has ever reached a server.
func (w *engineWorld) received(action, conversationID string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.arrived[action+" "+conversationID]
}

// Faults.

func (w *engineWorld) refuse(_ context.Context, method string) error {
	if w.chance(w.f.deskFaults) {
		w.tallyUp(func(t *engineTally) { t.refusals++ })
		return fmt.Errorf("the desk hiccups in %s", method)
	}
	return nil
}

func (w *engineWorld) loseAnswer(ctx context.Context, method string) error {
	if method == "StartHitl" && w.f.patience > 0 && w.chance(0.5) {
		<-time.After(w.f.patience + time.Second)
	}
	if ctx.Err() != nil {
		w.doubt.Add(1)
		return context.Cause(ctx)
	}
	if w.chance(w.f.deskLoses) {
		w.doubt.Add(1)
		w.tallyUp(func(t *engineTally) { t.answersLost++ })
		return errors.New("the connection to the desk broke")
	}
	return nil
}

// disturb lets things go wrong until calm is called.
func (w *engineWorld) disturb() (calm func()) {
	lift := (&world{cloud: w.cloud}).everythingFails(w.f.faults)
	ctx, cancel := context.WithCancel(context.Background())
	if w.f.outages {
		w.working.Go(func() { w.outages(ctx) })
	}
	return func() {
		w.calm.Store(true)
		cancel()
		lift()
	}
}

// outagesFor is how long the desk is down again and again.
const outagesFor = 20 * time.Minute

func (w *engineWorld) outages(ctx context.Context) {
	wait := func(most time.Duration) bool {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(time.Duration(w.random(int(most)))):
			return true
		}
	}
	for wait(90*time.Second) && time.Since(w.began) < outagesFor {
		w.doubt.Add(1) // it may have worked and not have answered
		w.desk.SetDown(true)
		w.tallyUp(func(t *engineTally) { t.outages++ })
		wait(4 * time.Minute)
		w.desk.SetDown(false)
	}
}

// wakeUp is Botpress that calls register every hour, as it was asked to.
func (w *engineWorld) wakeUp(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Hour):
			for range 5 { // the real cloud's own patience is not public
				if w.in.Configure(ctx, w.in.Configuration) == nil {
					break
				}
				<-time.After(10 * time.Second)
			}
		}
	}
}

func (w *engineWorld) tallyUp(f func(*engineTally)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f(&w.tally)
}
