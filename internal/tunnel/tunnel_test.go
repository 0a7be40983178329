package tunnel_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/hitl-go/sdk/internal/memnet"
	"github.com/hitl-go/sdk/internal/tunnel"
)

// head is the tunnel's end of the newest connection.
type head struct {
	mu        sync.Mutex
	conn      *websocket.Conn
	connected int
	answered  []string // ids of requests
	status    int      // of the last answer
}

func (h *head) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	h.mu.Lock()
	h.conn = conn
	h.connected++
	h.mu.Unlock()
	for {
		_, frame, err := conn.Read(context.Background())
		if err != nil {
			return
		}
		var answer struct {
			RequestID string `json:"requestId"`
			Status    int    `json:"status"`
		}
		if json.Unmarshal(frame, &answer) == nil && answer.RequestID != "" {
			h.mu.Lock()
			h.answered, h.status = append(h.answered, answer.RequestID), answer.Status
			h.mu.Unlock()
		}
	}
}

func (h *head) send(t *testing.T, frame string) {
	t.Helper()
	h.mu.Lock()
	conn := h.conn
	h.mu.Unlock()
	if err := conn.Write(t.Context(), websocket.MessageText, []byte(frame)); err != nil {
		t.Fatal(err)
	}
}

func (h *head) state() (connected int, answered []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.connected, h.answered
}

// run connects a client with a handler, and returns the other end.
func run(t *testing.T, handler http.HandlerFunc, most int) *head {
	t.Helper()
	network, h := &memnet.Network{}, &head{}
	listener, err := network.Listen("tunnel.test:80")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: h}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = srv.Serve(listener)
	}()
	client := network.Client()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	tail := &tunnel.Client{URL: "ws://tunnel.test", ID: "id", Handler: handler, HTTPClient: client, MaxConcurrent: most}
	go func() { done <- tail.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v", err)
		}
		client.CloseIdleConnections()
		_ = srv.Close()
		<-served
		_ = h.conn.CloseNow()
	})
	<-time.After(time.Second)
	return h
}

// Requests that take long, and those that wait for them, do not break the connection.
func TestSlowRequestsKeepTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := run(t, func(http.ResponseWriter, *http.Request) { <-time.After(50 * time.Second) }, 1)
		for i := range 3 {
			h.send(t, fmt.Sprintf(`{"type":"request","id":"%d","method":"POST","path":"/"}`, i))
			synctest.Wait()
		}
		<-time.After(3 * time.Minute)
		if connected, answered := h.state(); connected != 1 || len(answered) != 3 {
			t.Errorf("connected %d times, %v are answered; want one connection and three answers", connected, answered)
		}
	})
}

// What waits takes so much memory and not more.
func TestLargeRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := run(t, func(http.ResponseWriter, *http.Request) { <-time.After(10 * time.Second) }, 1)
		blanks := strings.Repeat(" ", 60<<20)
		for i, size := range []int{len(blanks), len(blanks), len(blanks), 0} {
			h.send(t, fmt.Sprintf(`{"type":"request","id":"%d","method":"POST","path":"/"}%s`, i, blanks[:size]))
			synctest.Wait()
		}
		<-time.After(time.Minute)
		_, answered := h.state()
		if slices.Sort(answered); strings.Join(answered, " ") != "0 1 3" {
			t.Errorf("%v are answered, want two of the three large ones and the small one", answered)
		}
		h.send(t, `{"type":"request","id":"4","method":"POST","path":"/"}`+blanks)
		<-time.After(time.Minute)
		if _, answered := h.state(); len(answered) != 4 {
			t.Errorf("%v are answered, and nothing else waited", answered)
		}
	})
}

// A connection that breaks is replaced while requests of it are still at work.
func TestReconnectDoesNotWaitForRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := run(t, func(http.ResponseWriter, *http.Request) { <-time.After(50 * time.Second) }, 0)
		h.send(t, `{"type":"request","id":"1","method":"POST","path":"/"}`)
		synctest.Wait()
		_ = h.conn.CloseNow()
		<-time.After(3 * time.Second)
		if connected, _ := h.state(); connected != 2 {
			t.Errorf("three seconds later, connected %d times, want 2", connected)
		}
		h.send(t, `{"id":"2","method":"POST","path":"/"}`)
		<-time.After(time.Minute)
		if _, answered := h.state(); strings.Join(answered, " ") != "2" {
			t.Errorf("%v are answered, want what came over the new connection", answered)
		}
	})
}

// An answer that cannot be sent is an error, and no empty success.
func TestAnswersThatCannotBeSent(t *testing.T) {
	for name, body := range map[string][]string{
		"no text":        {"\xff"},
		"too long":       {strings.Repeat("x", 8<<20+1)},
		"longer by much": {strings.Repeat("x", 8<<20), "x", ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := run(t, func(w http.ResponseWriter, _ *http.Request) {
					for _, part := range body {
						_, _ = io.WriteString(w, part)
					}
				}, 0)
				h.send(t, `{"type":"request","id":"1","method":"GET","path":"/"}`)
				<-time.After(time.Minute)
				h.mu.Lock()
				defer h.mu.Unlock()
				if len(h.answered) != 1 || h.status != http.StatusBadGateway {
					t.Errorf("%v are answered with %d", h.answered, h.status)
				}
			})
		})
	}
}

// What is no request is passed over.
func TestFramesThatAreNoRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		h := run(t, func(http.ResponseWriter, *http.Request) { asked++ }, 0)
		for _, frame := range []string{`{"type":"hello"}`, `{`, `[]`, `null`, `{"type":"request"}`, `{"type":"other","id":"1","method":"GET"}`, `{"type":"request","id":"1","ID":"2"}`} {
			h.send(t, frame)
		}
		h.send(t, `{"type":"request","id":"9","method":"GET","path":"a","headers":{"x":["1","2"],"y":"3"}}`)
		<-time.After(time.Second)
		if connected, answered := h.state(); asked != 1 || connected != 1 || strings.Join(answered, " ") != "9" {
			t.Errorf("asked %d times, connected %d times, answered %v", asked, connected, answered)
		}
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// After an outage, however long, the tunnel may take our last connection for another one's for a while. It may not for ever.
func TestConflict(t *testing.T) {
	for name, tc := range map[string]struct {
		outage, conflict time.Duration // from the tenth second on
		want             error
		after            time.Duration // at least
	}{
		"a short outage":                 {10 * time.Second, 20 * time.Second, context.DeadlineExceeded, 0},
		"a long outage":                  {time.Hour, 20 * time.Second, context.DeadlineExceeded, 0},
		"somebody else, after an outage": {time.Hour, 5 * time.Hour, tunnel.ErrConflict, time.Hour + 40*time.Second},
		"somebody else":                  {0, 5 * time.Hour, tunnel.ErrConflict, 40 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network := &memnet.Network{}
				listener, err := network.Listen("tunnel.test:80")
				if err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				outage, conflict := began.Add(10*time.Second), began.Add(10*time.Second+tc.outage)
				over := conflict.Add(tc.conflict)
				srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					conn, err := websocket.Accept(w, r, nil)
					if err != nil {
						return
					}
					defer func() { _ = conn.CloseNow() }()
					if now := time.Now(); now.After(outage) && now.Before(over) {
						_ = conn.Close(4001, "")
						return
					}
					ctx := context.Background()
					if time.Now().Before(outage) {
						ended, cancel := context.WithDeadline(ctx, outage)
						defer cancel()
						ctx = ended
					}
					for {
						if _, _, err := conn.Read(ctx); err != nil {
							return
						}
					}
				})}
				served := make(chan struct{})
				go func() {
					defer close(served)
					_ = srv.Serve(listener)
				}()
				client := network.Client()
				next := client.Transport
				client.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
					if now := time.Now(); now.After(outage) && now.Before(conflict) {
						return nil, errors.New("the network is down")
					}
					return next.RoundTrip(r)
				})
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Hour)
				defer cancel()
				tail := &tunnel.Client{URL: "ws://tunnel.test", ID: "id", Handler: http.NotFoundHandler(), HTTPClient: client}
				if err := tail.Run(ctx); !errors.Is(err, tc.want) || time.Since(began) < tc.after {
					t.Errorf("after %s: %v, want %v", time.Since(began), err, tc.want)
				}
				client.CloseIdleConnections()
				_ = srv.Close()
				<-served
				<-time.After(time.Minute)
			})
		})
	}
}
