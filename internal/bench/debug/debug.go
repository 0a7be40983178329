// Package debug lets the driver of the benchmarks look into a Go server that it measures. No other program has it.
package debug

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime/metrics"
	"time"
)

// Variable is the environment variable with the address to listen on; without it, nobody listens.
const Variable = "BENCH_DEBUG"

// AllocationsPath answers how many objects the process has allocated on the heap.
const AllocationsPath = "/allocations"

// These answer profiles of so many seconds, if the program was built for it with the tag profile.
const (
	CPUPath   = "/cpu"
	AllocPath = "/allocs"
)

// Serve answers the driver for as long as the process lives.
func Serve() error {
	addr := os.Getenv(Variable)
	if addr == "" {
		return nil
	}
	listener, err := net.Listen("tcp", addr) //nolint:noctx // It is opened once, before there is anything to cancel.
	if err != nil {
		return fmt.Errorf("listen for the driver: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+AllocationsPath, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, allocations())
	})
	profile(mux)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			fmt.Fprintln(os.Stderr, "the driver is not answered any more:", err)
		}
	}()
	return nil
}

func allocations() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:objects"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
