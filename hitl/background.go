package hitl

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/hitl-go/sdk/internal/sleep"
)

// background is what a connection does on its own initiative: retries, sweeps, and receiving. It keeps timers and no
// goroutines while there is nothing to do, and ends with the connection.
type background struct {
	ctx    context.Context //nolint:containedctx // It ends with the connection.
	cancel context.CancelFunc
	begin  func() (end func(), ok bool) // counts work, so that the adapter is closed after it
	run    func(ctx context.Context, name string, timeout time.Duration, do func(context.Context) error) error

	reconcile func(ctx context.Context, conversationID string) error

	sweeps  bool // whether sessions are swept
	mu      sync.Mutex
	stopped bool
	heir    *background // of the connection that has replaced this one
	timers  map[*time.Timer]bool
	retries map[string]*retry // by conversation
}

// retry is a session that is reconciled later.
type retry struct {
	attempts int
	running  bool
	again    bool // asked for while it is running
}

const (
	maxRetries       = 1_000 // sessions; more are left to the sweep
	maxRetryAttempts = 300   // about a day
	firstRetry       = 5 * time.Second
	longestRetry     = 5 * time.Minute
)

func (b *background) init() { b.ctx, b.cancel = context.WithCancel(context.Background()) }

// stop drops what is planned, and cancels what goes on for long. A session that is being reconciled is finished, in the time of an
// operation: a desk that is hung up on may have taken a message, and would get it again.
func (b *background) stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stopped = true
	b.cancel()
	for t := range b.timers {
		t.Stop()
	}
	b.timers = nil
}

// inherit takes over the retries of the connection that this one replaces, and those that its last operations ask for.
func (b *background) inherit(from *background) {
	from.mu.Lock()
	left := from.retries
	from.heir, from.retries = b, nil
	from.mu.Unlock()
	for conversationID := range left {
		b.retry(conversationID, nil)
	}
}

// later runs do after a delay, unless the connection ends before.
func (b *background) later(delay time.Duration, do func(context.Context)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stopped {
		return
	}
	var t *time.Timer
	t = time.AfterFunc(delay, func() {
		b.mu.Lock()
		delete(b.timers, t)
		b.mu.Unlock()
		end, ok := b.begin()
		if !ok {
			return
		}
		defer end()
		do(b.ctx)
	})
	if b.timers == nil {
		b.timers = map[*time.Timer]bool{}
	}
	b.timers[t] = true
}

// retry reconciles a session later, and again with backoff until that has succeeded. The error may ask for more time, see
// [Retryable].
func (b *background) retry(conversationID string, because error) {
	b.mu.Lock()
	heir := b.heir
	b.mu.Unlock()
	if heir != nil {
		heir.retry(conversationID, because)
		return
	}
	if r := b.addRetry(conversationID); r != nil {
		b.plan(conversationID, r, because)
	}
}

// addRetry returns the retry that is to be planned, or nil if there is one already, or too many.
func (b *background) addRetry(conversationID string) *retry {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r, ok := b.retries[conversationID]; ok {
		r.again = r.again || r.running
		return nil
	}
	if len(b.retries) >= maxRetries {
		return nil
	}
	if b.retries == nil {
		b.retries = map[string]*retry{}
	}
	r := &retry{}
	b.retries[conversationID] = r
	return r
}

func (b *background) plan(conversationID string, r *retry, because error) {
	backoff := min(firstRetry<<min(r.attempts, 10), longestRetry)
	if asked, ok := errors.AsType[*retryableError](because); ok {
		backoff = min(max(backoff, asked.after), longestRetry)
	}
	b.later(backoff+sleep.Jitter(backoff/5), func(ctx context.Context) {
		b.mu.Lock()
		r.attempts++
		r.running, r.again = true, false
		b.mu.Unlock()
		err := b.reconcile(ctx, conversationID)
		if b.endRetry(conversationID, r, err) {
			return
		}
		b.plan(conversationID, r, err)
	})
}

// endRetry notes that an attempt has ended, and reports whether it was the last one.
func (b *background) endRetry(conversationID string, r *retry, err error) (last bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r.running = false
	if err == nil && !r.again || r.attempts >= maxRetryAttempts {
		delete(b.retries, conversationID)
		return true
	}
	if err == nil {
		r.attempts = 0
	}
	return false
}

// background runs work that nobody has asked for, as an operation of its own.
func (s *Server) background(ctx context.Context, c *connection, name string, timeout time.Duration, do func(context.Context) error) (err error) {
	start := time.Now()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	ctx, seen := observe(ctx)
	seen.mask.Store(c.mask)
	seen.hungUp = nobody()
	defer func() {
		if v := recover(); v != nil {
			err = panicked(v)
		}
		err = explained(err)
		in := c.toDesk.in
		done := Operation{
			Name: name, BotID: in.BotID, IntegrationID: in.IntegrationID, Alias: in.Alias, Err: err, Status: http.StatusOK,
			Duration: time.Since(start), APICalls: int(seen.apiCalls.Load()),
		}
		if err != nil {
			f := failureOf(err)
			done.Status, done.ErrorID = f.status, f.body.ID
		}
		s.report(ctx, done, seen)
		if err != nil {
			c.toDesk.owner.tell(ctx, err)
		}
	}()
	return do(ctx)
}

// nobody is who waits for an answer that nobody has asked for.
func nobody() <-chan struct{} {
	gone := make(chan struct{})
	close(gone)
	return gone
}
