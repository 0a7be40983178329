// Command acmedesk serves the integration that the recordings of the real Botpress stack were made with.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"golang.org/x/sync/errgroup"

	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/internal/acme"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "acmedesk:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("acmedesk", flag.ContinueOnError)
	addrs := flags.String("addr", "127.0.0.1:8072", "addresses to listen on, separated by commas: a replica on each")
	secret := flags.String("secret", "", "signing secret that requests must be signed with")
	insecure := flags.Bool("insecure", false, "accept unsigned requests")
	plain := flags.Bool("plain", false, "keep the interface's own names")
	version := flags.String("interface", hitl.InterfaceV2_1, "version of the HITL interface to declare")
	definition := flags.Bool("definition", false, "print what creates the integration in Botpress, and exit")
	var desk acme.Desk
	flags.BoolVar(&desk.Forgetful, "forgetful", false, "let the desk recognise no repetition of a ticket or comment")
	flags.BoolVar(&desk.NoConversationID, "no-conversation-id", false, "let the desk's webhooks name tickets only")
	flags.BoolVar(&desk.ReadBack, "backfill", false, "let the adapter read the desk back")
	if err := flags.Parse(args); err != nil {
		return err
	}

	opts := hitl.FromEnv()
	opts.Botpress.Token = cmp.Or(opts.Botpress.Token, "acmedesk") // a recorded Botpress asks for none
	if *insecure {
		opts.Insecure, opts.Secrets = true, nil
	}
	if *secret != "" {
		opts.Secrets = []string{*secret}
	}

	def := acme.Definition(!*plain)
	def.InterfaceVersion = *version
	def.SendOnce = desk.Forgetful
	if *definition {
		return printDefinition(def, &opts)
	}

	replicas, ctx := errgroup.WithContext(ctx)
	for addr := range strings.SplitSeq(*addrs, ",") {
		s, err := acme.NewServer(def, &desk, &opts)
		if err != nil {
			return err
		}
		if err := s.Ready(); err != nil {
			return err
		}
		replicas.Go(func() error { return serve(ctx, addr, s) })
	}
	return replicas.Wait()
}

// printDefinition prints the definition, deployed as it was when it was recorded.
func printDefinition(def hitl.Definition, opts *hitl.Options) error {
	s, err := acme.NewServer(def, &acme.Desk{}, opts)
	if err != nil {
		return err
	}
	body := s.Describe()
	body.URL = "https://example.com/acme"
	body.Interfaces["hitl<ticket>"].ID = "iface_hitl"
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	out.SetIndent("", "  ")
	return out.Encode(body)
}

func serve(ctx context.Context, addr string, s *hitl.Server) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	fmt.Println("acmedesk is listening on", listener.Addr())
	return s.Serve(ctx, listener)
}
