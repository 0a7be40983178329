package playground

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"time"
)

// Tap is a proxy in front of a desk's API, for [Options.Tap]. The playground shows and delays the requests through it. Create
// it with [NewTap].
type Tap struct {
	URL string // The address of the tap, for the integration, without a trailing slash.

	proxy  http.Handler
	idle   func() // Closes idle connections to the desk.
	wire   atomic.Pointer[wire]
	server *http.Server
	served chan error
}

// NewTap starts a tap for the API at this address, on a free port of the loopback interface. Call Close when done.
func NewTap(ctx context.Context, api string) (*Tap, error) {
	target, err := url.Parse(api)
	if err != nil {
		return nil, fmt.Errorf("playground: the desk's address is not a URL: %w", err)
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("playground: %w", err)
	}
	t := &Tap{URL: "http://" + listener.Addr().String(), served: make(chan error, 1)}
	transport := &http.Transport{MaxIdleConnsPerHost: 16}
	t.idle = transport.CloseIdleConnections
	t.proxy = &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport: transport,
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			http.Error(w, "the desk does not answer: "+err.Error(), http.StatusBadGateway)
		},
	}
	t.server = &http.Server{Handler: t, ReadHeaderTimeout: time.Minute}
	go func() { t.served <- t.server.Serve(listener) }()
	return t, nil
}

// Close stops the tap, and closes the connections of requests in flight.
func (t *Tap) Close() error {
	err := t.server.Close()
	if stopped := <-t.served; !errors.Is(stopped, http.ErrServerClosed) {
		err = errors.Join(err, stopped)
	}
	t.idle()
	return err
}

// ServeHTTP forwards a request to the desk.
func (t *Tap) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	seen := t.wire.Load()
	if seen == nil {
		t.proxy.ServeHTTP(w, r)
		return
	}
	slow := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if seen.faults.delay(r.Context()) == nil {
			t.proxy.ServeHTTP(w, r)
		}
	})
	seen.record(slow, deskRequest).ServeHTTP(w, r)
}

// attach shows the requests on a playground; nil on none.
func (t *Tap) attach(w *wire) { t.wire.Store(w) }
