// Zendesk connects the tickets of Zendesk Support to Botpress. Run without a word, it plays two sessions between an
// in-memory Botpress and an in-memory Zendesk.
//
// Every ticket has the tag botpress. Zendesk's standard trigger that mails requesters each public comment would mail them
// what they have written or read in the chat: let it leave out tickets with this tag.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/message/media"
)

const usage = `usage: zendesk [demo]
       zendesk serve [-addr :8072]

demo   plays two sessions between end users, a bot and an agent; it needs nothing but this program
serve  serves the integration, with BP_TOKEN and BP_SIGNING_SECRET from the environment; PORT sets the port
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "zendesk:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	word := "demo"
	if len(args) > 0 {
		word, args = args[0], args[1:]
	}
	switch {
	case word == "demo" && len(args) == 0:
		return demo(ctx, stdout)
	case word == "serve":
		return serve(ctx, args, stderr)
	case word == "help" || word == "-h" || word == "--help":
		_, err := io.WriteString(stdout, usage)
		return err
	}
	_, _ = io.WriteString(stderr, usage)
	return fmt.Errorf("these words make no command: %q", append([]string{word}, args...))
}

// serve serves the integration until the context ends, and then until what is under way is done.
func serve(ctx context.Context, args []string, stderr io.Writer) error {
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	flags.SetOutput(stderr)
	addr := flags.String("addr", ":"+cmp.Or(os.Getenv("PORT"), "8072"), "address to listen on")
	if err := flags.Parse(args); err != nil {
		return err
	}
	opts := hitl.FromEnv()
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.NewTextHandler(stderr, nil))
	}
	outside := world{zendesk: "https://*.zendesk.com", files: media.Options{MaxBytes: 20 << 20, Timeout: 15 * time.Second}}
	server, err := hitl.NewServer(definition(), outside.connect, &opts)
	if err != nil {
		return err
	}
	if err := server.Ready(); err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", *addr)
	if err != nil {
		return err
	}
	opts.Logger.Info("serving", "addr", listener.Addr())
	return server.Serve(ctx, listener)
}
