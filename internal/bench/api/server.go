// Package api is as much of the Botpress API as the benchmarks need, at as little cost as net/http allows: it shares a core with the
// load, and must not be what is measured. What is said and changed is there when it is read. Nothing is checked: for that there is
// botpress/botpresstest.
//
// It is served in the driver's own process: so the driver makes the messages that it dispatches, and reads the counts, without
// calls between processes.
package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Server is the API.
type Server struct {
	// URL is its address.
	URL string

	http    *http.Server
	latency atomic.Int64
	counts  map[string]*atomic.Int64 // by route
	unknown atomic.Pointer[string]

	mu   sync.Mutex
	data *data
}

// Listen serves the API on a port of this machine until Close.
func Listen(ctx context.Context) (*Server, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("serve the Botpress API: %w", err)
	}
	s := &Server{URL: "http://" + listener.Addr().String(), data: newData(), counts: map[string]*atomic.Int64{}}
	mux := http.NewServeMux()
	for route, do := range routes() {
		s.counts[route] = &atomic.Int64{}
		mux.Handle(route, s.handler(s.counts[route], do))
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		called := r.Method + " " + r.URL.Path
		s.unknown.CompareAndSwap(nil, &called)
		http.NotFound(w, r)
	})
	s.http = &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	go func() { _ = s.http.Serve(listener) }() // It ends when Close is called.
	return s, nil
}

// Close ends the server.
func (s *Server) Close() error { return s.http.Close() }

// SetLatency makes each call last at least so long.
func (s *Server) SetLatency(d time.Duration) { s.latency.Store(int64(d)) }

// Counts is how often routes were called.
type Counts map[string]int64

// Counts returns how often each route was called since the start.
func (s *Server) Counts() Counts {
	counts := Counts{}
	for route, n := range s.counts {
		if n := n.Load(); n > 0 {
			counts[route] = n
		}
	}
	return counts
}

// Since subtracts earlier counts, and leaves out the sweeps, which a server makes by its own clock.
func (c Counts) Since(before Counts) Counts {
	since := Counts{}
	for route, n := range c {
		if n -= before[route]; n > 0 && !sweeps(route) {
			since[route] = n
		}
	}
	return since
}

// Total is how many calls they are.
func (c Counts) Total() (total int64) {
	for _, n := range c {
		total += n
	}
	return total
}

// Err says which call was made that nobody has expected.
func (s *Server) Err() error {
	if called := s.unknown.Load(); called != nil {
		return fmt.Errorf("a server has called %s, which this API does not have", *called)
	}
	return nil
}

// caller is who calls what.
type caller struct {
	*http.Request

	bot string
}

// errUnknown is answered with 404.
var errUnknown = errors.New("there is no such thing")

func (s *Server) handler(count *atomic.Int64, do handle) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		count.Add(1)
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = s.wait(r.Context())
		}
		if err != nil {
			return // The caller is gone.
		}
		answer, err := s.answer(caller{r, r.Header.Get("X-Bot-Id")}, body, do)
		w.Header()["Content-Type"] = []string{"application/json"}
		switch {
		case errors.Is(err, errUnknown):
			w.WriteHeader(http.StatusNotFound)
			answer = []byte(`{"id":"err_1","code":404,"type":"ResourceNotFound","message":"There is no such thing."}`)
		case err != nil:
			w.WriteHeader(http.StatusBadRequest)
			answer = []byte(`{"id":"err_1","code":400,"type":"InvalidPayload","message":"The body is not valid."}`)
		}
		_, _ = w.Write(answer)
	})
}

// answer encodes the answer under the lock: what it shows may be changed afterwards.
func (s *Server) answer(c caller, body []byte, do handle) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, err := do(s.data, c, body)
	if err != nil {
		return nil, err
	}
	return json.Marshal(v)
}

func (s *Server) wait(ctx context.Context) error {
	latency := time.Duration(s.latency.Load())
	if latency == 0 {
		return nil
	}
	timer := time.NewTimer(latency)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
