// Package tunnel receives requests of Botpress on a machine without a public address: it holds a WebSocket to Botpress'
// development tunnel, which sends the requests for https://tunnel.botpress.cloud/<id> over it.
package tunnel

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/sync/semaphore"
)

const (
	helloEvery   = 5 * time.Second  // keeps the connection, and finds out if it is gone
	pongTimeout  = 40 * time.Second // a large response may be on its way meanwhile
	dialTimeout  = 20 * time.Second
	writeTimeout = 30 * time.Second

	firstBackoff   = 500 * time.Millisecond
	longestBackoff = 15 * time.Second
	// conflictTime is how long the tunnel may take our last connection for another one's, after it can be reached again.
	conflictTime = 30 * time.Second

	maxFrame       = 64 << 20 // bytes; a body of 10 MiB whose every byte is escaped
	maxBody        = maxFrame / 8
	maxQueued      = 1_000     // requests that are at work or wait for their turn
	maxQueuedBytes = 128 << 20 // of all of them
)

// The codes with which the tunnel closes a connection for good.
const (
	closeInvalidID  = websocket.StatusCode(4000)
	closeIDConflict = websocket.StatusCode(4001)
)

// Errors that trying again does not fix.
var (
	ErrInvalidID = errors.New("the tunnel does not accept the id: it may have letters, digits, _ and - only")
	ErrConflict  = errors.New("another program uses the tunnel's id: stop it, or use another id")
)

// Client is one end of a tunnel. URL, ID and Handler are required.
type Client struct {
	URL     string // of the tunnel, such as wss://tunnel.botpress.cloud
	ID      string
	Handler http.Handler

	// MaxConcurrent is how many requests are answered at once; more wait. Zero means 64.
	MaxConcurrent int
	// HTTPClient dials. Nil means one of its own.
	HTTPClient *http.Client
	// Connected, if set, is called each time that there is a connection, and Broken each time that there is none any more, or yet,
	// with the reason.
	Connected func()
	Broken    func(error)
	// Log has what goes wrong with single requests. Nil discards it.
	Log *slog.Logger
}

// Run answers requests until ctx ends. It connects anew whenever the connection breaks. It returns the context's cause, or
// [ErrInvalidID] or [ErrConflict]. All requests have been answered, or their contexts have ended, when it returns.
func (c *Client) Run(ctx context.Context) error {
	addr, err := c.addr()
	if err != nil {
		return err
	}
	r := runner{Client: c, addr: addr, slots: make(chan struct{}, cmp.Or(max(c.MaxConcurrent, 0), 64)), queue: make(chan struct{}, maxQueued), bytes: semaphore.NewWeighted(maxQueuedBytes)}
	defer r.answers.Wait()
	if r.Log == nil {
		r.Log = slog.New(slog.DiscardHandler)
	}
	var conflict time.Time // since when the tunnel says nothing else
	backoff := firstBackoff
	for {
		began := time.Now()
		err := r.connection(ctx)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		switch websocket.CloseStatus(err) {
		case closeInvalidID:
			return fmt.Errorf("tunnel %s: %w", c.ID, ErrInvalidID)
		case closeIDConflict:
			if conflict.IsZero() || time.Since(began) > conflictTime { // or this was a connection
				conflict = time.Now()
			}
			if time.Since(conflict) > conflictTime {
				return fmt.Errorf("tunnel %s: %w", c.ID, ErrConflict)
			}
		default:
			conflict = time.Time{}
		}
		if c.Broken != nil {
			c.Broken(err)
		}
		if time.Since(began) > helloEvery {
			backoff = firstBackoff
		}
		select {
		case <-time.After(backoff/2 + rand.N(backoff)):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		backoff = min(2*backoff, longestBackoff)
	}
}

func (c *Client) addr() (string, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" {
		return "", fmt.Errorf("the tunnel's address %q is not one like wss://tunnel.botpress.cloud", c.URL)
	}
	return u.JoinPath(c.ID).String(), nil
}

// runner is a client at work.
type runner struct {
	*Client

	addr    string
	slots   chan struct{} // of requests at work
	queue   chan struct{} // of those and of those that wait
	bytes   *semaphore.Weighted
	answers sync.WaitGroup
}

// connection connects, and answers what comes until the connection breaks. It returns why.
func (c *runner) connection(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var working sync.WaitGroup
	defer working.Wait()
	defer cancel() // who has asked is not there any more

	dialing, stop := context.WithTimeout(ctx, dialTimeout)
	defer stop()
	conn, res, err := websocket.Dial(dialing, c.addr, &websocket.DialOptions{ //nolint:bodyclose // The package closes it.
		HTTPClient: c.HTTPClient, HTTPHeader: http.Header{"User-Agent": {"tunnel-client"}},
	})
	if err != nil {
		if res != nil {
			return fmt.Errorf("the tunnel answers %s: %w", res.Status, err)
		}
		return fmt.Errorf("the tunnel cannot be reached: %w", err)
	}
	defer func() { _ = conn.CloseNow() }()
	conn.SetReadLimit(maxFrame)
	working.Go(func() {
		defer cancel()
		c.keepUp(ctx, conn)
	})
	for {
		_, frame, err := conn.Read(ctx)
		if err != nil {
			return err
		}
		req, err := decodeRequest(frame)
		if err != nil {
			c.Log.WarnContext(ctx, "the tunnel has sent what is no request", "error", err)
			continue
		}
		if req == nil { // a hello
			continue
		}
		leave, ok := c.enter(int64(len(frame)))
		if !ok {
			c.Log.WarnContext(ctx, "too many requests wait for an answer; one is dropped, and Botpress repeats it")
			continue
		}
		c.answers.Go(func() { // it may outlast the connection, and must not keep the next one waiting
			defer leave()
			select {
			case c.slots <- struct{}{}:
				defer func() { <-c.slots }()
				c.answer(ctx, conn, req)
			case <-ctx.Done():
			}
		})
	}
}

// enter takes a place in the queue for a request of that many bytes, if there is one.
func (c *runner) enter(size int64) (leave func(), ok bool) {
	select {
	case c.queue <- struct{}{}:
	default:
		return nil, false
	}
	if !c.bytes.TryAcquire(size) {
		<-c.queue
		return nil, false
	}
	return func() {
		c.bytes.Release(size)
		<-c.queue
	}, true
}

// keepUp says hello every now and then, until the connection breaks. Once there is an answer, the tunnel has accepted us.
func (c *runner) keepUp(ctx context.Context, conn *websocket.Conn) {
	for first := true; ; first = false {
		waiting, stop := context.WithTimeout(ctx, pongTimeout)
		err := conn.Write(waiting, websocket.MessageText, []byte(`{"type":"hello"}`))
		if err == nil {
			err = conn.Ping(waiting)
		}
		stop()
		if err != nil {
			return
		}
		if first && c.Connected != nil {
			c.Connected()
		}
		select {
		case <-time.After(helloEvery):
		case <-ctx.Done():
			return
		}
	}
}

// answer has the handler answer a request.
func (c *runner) answer(ctx context.Context, conn *websocket.Conn, req *request) {
	r, err := req.http(ctx)
	w := &recorder{header: http.Header{}}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
	} else {
		c.serve(ctx, w, r)
	}
	frame, err := w.frame(req.ID)
	if err != nil {
		c.Log.WarnContext(ctx, "a response cannot be sent through the tunnel", "error", err)
		w = &recorder{header: http.Header{}}
		http.Error(w, "the response cannot be sent through the tunnel: "+err.Error(), http.StatusBadGateway)
		if frame, err = w.frame(req.ID); err != nil {
			return
		}
	}
	writing, stop := context.WithTimeout(ctx, writeTimeout)
	defer stop()
	if err := conn.Write(writing, websocket.MessageText, frame); err != nil {
		c.Log.WarnContext(ctx, "a response did not get through the tunnel", "error", err)
	}
}

// serve calls the handler as a server does: a panic is a broken response.
func (c *runner) serve(ctx context.Context, w *recorder, r *http.Request) {
	defer func() {
		if v := recover(); v != nil {
			c.Log.ErrorContext(ctx, "the handler panicked", "panic", v)
			*w = recorder{header: http.Header{}}
			http.Error(w, "the handler panicked", http.StatusInternalServerError)
		}
	}()
	c.Handler.ServeHTTP(w, r)
}
