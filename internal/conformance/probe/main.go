// Command probe serves an integration that does what its requests tell it: it fails on demand, echoes what it was given, and
// answers webhooks in every way. Botpress' own SDK was recorded with the same one, so that the answers can be compared.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"github.com/hitl-go/sdk/hitl"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "probe:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("probe", flag.ContinueOnError)
	addr := flags.String("addr", "127.0.0.1:8072", "address to listen on")
	insecure := flags.Bool("insecure", false, "accept unsigned requests")
	if err := flags.Parse(args); err != nil {
		return err
	}
	opts := hitl.FromEnv()
	if *insecure {
		opts.Insecure, opts.Secrets = true, nil
		opts.Botpress.Token = cmp.Or(opts.Botpress.Token, "probe")
	}
	server, err := newServer(opts)
	if err != nil {
		return err
	}
	if err := server.Ready(); err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", *addr)
	if err != nil {
		return err
	}
	fmt.Println("probe is listening on", listener.Addr())
	srv := server.HTTPServer()
	srv.Handler = front(server)
	stop := context.AfterFunc(ctx, func() { _ = srv.Close() })
	defer stop()
	if err := srv.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
