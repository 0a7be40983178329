// Bare is the least that a Go server can do for the same answers: net/http, encoding/json and the same calls of the Botpress API.
// It is the limit that the benchmarks measure the SDK against, and no example to follow. It leaves out:
//
//   - the check of signatures, and bounds of bodies, time and concurrency;
//   - the log, and masking secrets in it;
//   - the configuration, which nobody decodes, and schemas;
//   - retries, and any look at what went wrong: a failure is a 500;
//   - order, leases, deduplication, echoes, the outbox and the time in which a session is activated: a session needs fewer calls
//     of the API here, and arrives whole only if nothing fails.
package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/hitl-go/sdk/internal/bench/debug"
)

func main() {
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve() error {
	if err := debug.Serve(); err != nil {
		return err
	}
	const connections = 100
	s := &server{api: &api{
		base: os.Getenv("BP_API_URL"), token: "Bearer " + os.Getenv("BP_TOKEN"),
		client: &http.Client{
			Timeout:   time.Minute,
			Transport: &http.Transport{MaxIdleConnsPerHost: connections, MaxIdleConns: connections},
		},
	}}
	h := &http.Server{Addr: "127.0.0.1:" + os.Getenv("PORT"), Handler: s, ReadHeaderTimeout: 10 * time.Second}
	return h.ListenAndServe()
}

type server struct {
	api  *api
	last atomic.Int64 // The desk hands out ids.
}

func (s *server) newID(kind string) string { return kind + "-" + strconv.FormatInt(s.last.Add(1), 10) }

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/health" {
		fmt.Fprint(w, "ok")
		return
	}
	output, err := s.operate(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(output); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}

// operate answers an operation.
func (s *server) operate(r *http.Request) (any, error) {
	c := call{api: s.api, from: r}
	decode := func(v any) error { return json.NewDecoder(r.Body).Decode(v) }
	switch operation := r.Header.Get("X-Bp-Operation"); operation {
	case "ping":
		return struct{}{}, nil
	case "action_triggered":
		var a action
		if err := decode(&a); err != nil {
			return nil, err
		}
		output, err := s.act(c, a)
		return map[string]any{"output": output, "meta": map[string]int{"cost": 0}}, err
	case "message_created":
		var m created
		if err := decode(&m); err != nil {
			return nil, err
		}
		return struct{}{}, s.message(c, m)
	case "webhook_received":
		var h webhook
		if err := decode(&h); err != nil {
			return nil, err
		}
		return struct{}{}, s.report(c, h)
	default:
		return nil, fmt.Errorf("the operation %q is unknown", operation)
	}
}
