// Command prometheus serves an integration whose operations Prometheus can watch: on a port of their own, so that
// Botpress' side of the server shows nothing of them.
//
// It is a module of its own, so that the SDK does not depend on the client of Prometheus.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/errgroup"

	"github.com/hitl-go/sdk/hitl"
)

func main() {
	addr := flag.String("addr", ":8072", "address for Botpress")
	metricsAddr := flag.String("metrics", "127.0.0.1:9090", "address for Prometheus, which asks for /metrics")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // The second signal ends it at once.
	if err := run(ctx, *addr, *metricsAddr); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, addr, metricsAddr string) error {
	registry := prometheus.NewRegistry()
	opts := hitl.FromEnv()
	server, err := newServer(opts, newMetrics(registry))
	if err != nil {
		return err
	}
	if err := server.Ready(); err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	opts.Logger.InfoContext(ctx, "listening", "botpress", listener.Addr(), "metrics", metricsAddr)
	both, ctx := errgroup.WithContext(ctx)
	both.Go(func() error { return server.Serve(ctx, listener) })
	both.Go(func() error { return serveMetrics(ctx, metricsAddr, registry) })
	return both.Wait()
}

// newServer counts what a server does.
func newServer(opts hitl.Options, m *metrics) (*hitl.Server, error) {
	opts.OnOperation = m.operation
	opts.Botpress.OnCall = m.call
	def := hitl.Definition{Name: "counted", Version: "0.1.0", Title: "Counted", Description: "A desk that says nothing."}
	connect := func(context.Context, hitl.Installation, struct{}) (silent, error) { return silent{}, nil }
	return hitl.NewServer(def, connect, &opts)
}

func serveMetrics(ctx context.Context, addr string, registry *prometheus.Registry) error {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{Registry: registry}))
	srv := &http.Server{Addr: addr, Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = srv.Close() })
	defer stop()
	if err := srv.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// silent is a desk that takes everything and says nothing. See the other examples for desks that do.
type silent struct{}

func (silent) CreateUser(_ context.Context, r hitl.CreateUserRequest) (hitl.Ref, error) {
	return hitl.Ref{ID: r.UserID}, nil
}

func (silent) StartHitl(_ context.Context, r hitl.StartHitlRequest[struct{}]) (hitl.Ref, error) {
	return hitl.Ref{ID: r.ConversationID}, nil
}

func (silent) StopHitl(context.Context, hitl.StopHitlRequest) error { return nil }

func (silent) SendMessage(context.Context, hitl.SendMessageRequest) (hitl.Ref, error) {
	return hitl.Ref{}, nil
}

func (silent) HandleWebhook(context.Context, *http.Request) (hitl.Webhook, error) {
	return hitl.Webhook{}, nil
}
