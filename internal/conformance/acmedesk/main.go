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
	p, err := parse(args)
	if err != nil {
		return err
	}
	if p.printOnly {
		return printDefinition(p.def, &p.opts)
	}
	replicas, ctx := errgroup.WithContext(ctx)
	for _, addr := range p.addrs {
		s, err := p.replica()
		if err != nil {
			return err
		}
		replicas.Go(func() error { return serve(ctx, addr, s) })
	}
	return replicas.Wait()
}

// program is what the flags ask for.
type program struct {
	addrs     []string
	printOnly bool
	def       hitl.Definition
	desk      acme.Desk
	opts      hitl.Options
}

func parse(args []string) (*program, error) {
	p := &program{opts: hitl.FromEnv()}
	flags := flag.NewFlagSet("acmedesk", flag.ContinueOnError)
	addrs := flags.String("addr", "127.0.0.1:8072", "addresses to listen on, separated by commas: a replica on each")
	secret := flags.String("secret", "", "signing secret that requests must be signed with")
	insecure := flags.Bool("insecure", false, "accept unsigned requests")
	plain := flags.Bool("plain", false, "keep the interface's own names")
	version := flags.String("interface", hitl.InterfaceV2_1, "version of the HITL interface to declare")
	flags.BoolVar(&p.printOnly, "definition", false, "print what creates the integration in Botpress, and exit")
	flags.BoolVar(&p.desk.Forgetful, "forgetful", false, "let the desk recognise no repetition of a ticket or comment")
	flags.BoolVar(&p.desk.NoConversationID, "no-conversation-id", false, "let the desk's webhooks name tickets only")
	flags.BoolVar(&p.desk.ReadBack, "backfill", false, "let the adapter read the desk back")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	p.addrs = strings.Split(*addrs, ",")
	p.opts.Botpress.Token = cmp.Or(p.opts.Botpress.Token, "acmedesk") // a recorded Botpress asks for none
	if *insecure {
		p.opts.Insecure, p.opts.Secrets = true, nil
	}
	if *secret != "" {
		p.opts.Secrets = []string{*secret}
	}
	p.def = acme.Definition(!*plain)
	p.def.InterfaceVersion = *version
	p.def.SendOnce = p.desk.Forgetful
	return p, nil
}

// replica is a server that shares the desk with the others, and nothing else.
func (p *program) replica() (*hitl.Server, error) {
	s, err := acme.NewServer(p.def, &p.desk, &p.opts)
	if err != nil {
		return nil, err
	}
	return s, s.Ready()
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
