//go:build profile

package debug

import (
	"net/http"
	"net/http/pprof"
)

// profile lets "go tool pprof" look in, too. It is not there by default, because it makes the binaries larger that are measured.
func profile(mux *http.ServeMux) {
	mux.HandleFunc("GET "+CPUPath, pprof.Profile)
	mux.Handle("GET "+AllocPath, pprof.Handler("allocs"))
}
