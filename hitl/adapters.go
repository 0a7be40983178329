package hitl

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/sync/singleflight"

	"github.com/hitl-go/sdk/internal/redact"
)

// maxConnections is how many installations are connected at once. Beyond that, the one that was used least recently ends.
const maxConnections = 1_000

// fingerprint identifies what an adapter was made for. Another one needs another adapter.
type fingerprint digest

func fingerprintOf(in Installation, configuration string) fingerprint {
	return fingerprint(digestOf(in.WebhookID, in.BotUserID, in.ConfigurationType, configuration))
}

// adapters holds the one live adapter of each installation. An adapter that is an [io.Closer] is closed once, after its
// last operation: when another configuration has replaced it, when the installation is unregistered, when too many others
// are in use, and at shutdown.
type adapters struct {
	connect connectFunc
	start   func(*connection) // runs once the connection is live
	timeout time.Duration     // of connecting
	log     *slog.Logger

	connecting singleflight.Group
	work       sync.WaitGroup // connects, reconnect loops, background work and closes

	mu      sync.Mutex // of what follows, and of the fields of connections that belong here
	live    *simplelru.LRU[scope, *connection]
	broken  map[scope]*unconnectedInstallation // those that are being reconnected; nil ones need it no more
	stopped bool

	stopping chan struct{} // closed when stopped is set
}

// connectFunc makes a connection. The masker hides the configuration's secrets, also in the error.
type connectFunc func(context.Context, Installation, json.RawMessage) (*connection, *redact.Masker, error)

func newAdapters(timeout time.Duration, log *slog.Logger, connect connectFunc, start func(*connection)) *adapters {
	a := &adapters{connect: connect, start: start, timeout: timeout, log: log, broken: map[scope]*unconnectedInstallation{}, stopping: make(chan struct{})}
	live, err := simplelru.NewLRU(maxConnections, func(_ scope, c *connection) { a.end(c) })
	if err != nil {
		panic(err) // only for a size below 1
	}
	a.live = live
	return a
}

// acquire returns the installation's connection, and makes it if there is none with this configuration. It ends when nobody
// uses it any more, so the caller calls done.
func (a *adapters) acquire(ctx context.Context, in Installation, configuration string) (*connection, error) {
	want := fingerprintOf(in, configuration)
	for {
		if c := a.use(scopeOf(in), want); c != nil {
			return c, nil
		}
		if err := a.replace(ctx, in, configuration, want); err != nil {
			return nil, err
		}
		// By now another configuration may have replaced this one.
	}
}

// done ends a use of a connection.
func (a *adapters) done(c *connection) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.release(c)
}

// use counts one more use of the live connection, if it is the one that is wanted.
func (a *adapters) use(in scope, want fingerprint) *connection {
	a.mu.Lock()
	defer a.mu.Unlock()
	c, ok := a.live.Get(in)
	if !ok || c.fingerprint != want {
		return nil
	}
	c.uses++
	return c
}

func (a *adapters) isLive(in scope, want fingerprint) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	c, ok := a.live.Peek(in)
	return ok && c.fingerprint == want
}

// replace connects the installation and retires the connection that it had. Concurrent callers share the work, which has a
// deadline of its own and does not end with the caller that happened to come first.
func (a *adapters) replace(ctx context.Context, in Installation, configuration string, want fingerprint) error {
	raw, err := decodeConfiguration(configuration)
	if err != nil {
		return err
	}
	scope := scopeOf(in)
	done := make(chan singleflight.Result, 1)
	a.work.Go(func() {
		mask, err, _ := a.connecting.Do(string(scope[:])+string(want[:]), func() (any, error) {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.timeout)
			defer cancel()
			if a.isLive(scope, want) {
				return nil, nil // another caller was done before this one began
			}
			c, mask, err := a.connect(ctx, in, raw)
			if err == nil {
				a.enter(scope, want, c)
			}
			return mask, err
		})
		done <- singleflight.Result{Val: mask, Err: err}
	})
	select {
	case res := <-done:
		if mask, ok := res.Val.(*redact.Masker); ok {
			observed(ctx).mask.Store(mask)
		}
		return res.Err
	case <-ctx.Done():
		return fmt.Errorf("hitl: connect to the desk: %w", context.Cause(ctx))
	}
}

// enter makes a connection the live one of its installation.
func (a *adapters) enter(in scope, want fingerprint, c *connection) {
	a.mu.Lock()
	defer a.mu.Unlock()
	c.fingerprint, c.uses = want, 1
	c.retire = func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		if current, ok := a.live.Peek(in); ok && current == c {
			a.live.Remove(in)
		}
	}
	c.background.begin = func() (end func(), ok bool) { return a.beginWork(c) }
	if old, ok := a.live.Peek(in); ok {
		c.background.inherit(&old.background)
	}
	a.live.Remove(in) // Add would replace it without ending it
	a.live.Add(in, c)
	a.stopReconnecting(in)
	if a.stopped {
		a.live.Remove(in)
		return
	}
	a.start(c)
}

// beginWork counts background work of a connection, unless it has ended.
func (a *adapters) beginWork(c *connection) (end func(), ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if c.retired {
		return nil, false
	}
	c.uses++
	a.work.Add(1)
	return func() {
		defer a.work.Done()
		a.mu.Lock()
		defer a.mu.Unlock()
		a.release(c)
	}, true
}

// end retires a connection that is no longer live. Hold a.mu.
func (a *adapters) end(c *connection) {
	c.retired = true
	c.background.stop()
	a.release(c)
}

// release counts one use less, and closes the adapter after the last one. Hold a.mu.
func (a *adapters) release(c *connection) {
	if c.uses--; c.uses > 0 {
		return
	}
	closer, ok := adapterAs[io.Closer](c.adapter)
	if !ok {
		return
	}
	a.work.Go(func() {
		if err := closeAdapter(closer); err != nil {
			c.toDesk.log.Warn("an adapter could not be closed", "error", err)
		}
	})
}

func closeAdapter(c io.Closer) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = panicked(v)
		}
	}()
	return c.Close()
}

// shutdown retires all connections, and waits until their adapters are closed.
func (a *adapters) shutdown(ctx context.Context) error {
	a.mu.Lock()
	if !a.stopped {
		close(a.stopping)
	}
	a.stopped = true
	a.live.Purge()
	a.mu.Unlock()
	done := make(chan struct{})
	go func() {
		defer close(done)
		a.work.Wait()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("hitl: shut down while an adapter is being made or closed: %w", context.Cause(ctx))
	}
}

// untyped hides the session type of an adapter: the server hands over the session as any, which holds a Session.
type untyped[Session any] struct{ Integration[Session] }

func (u untyped[Session]) StartHitl(ctx context.Context, r StartHitlRequest[any]) (Ref, error) {
	session, _ := r.Session.(Session) // the zero value if Session is an interface and holds nothing
	return u.Integration.StartHitl(ctx, StartHitlRequest[Session]{
		ConversationID: r.ConversationID,
		UserID:         r.UserID,
		User:           r.User,
		UserName:       r.UserName,
		UserEmail:      r.UserEmail,
		Title:          r.Title,
		Description:    r.Description,
		Session:        session,
		History:        r.History,
		name:           r.name,
	})
}

func (u untyped[Session]) unwrap() any { return u.Integration }

// adapterAs finds an optional interface of the author's adapter.
func adapterAs[T any](adapter Integration[any]) (T, bool) {
	if u, ok := adapter.(interface{ unwrap() any }); ok {
		t, ok := u.unwrap().(T)
		return t, ok
	}
	t, ok := adapter.(T)
	return t, ok
}
