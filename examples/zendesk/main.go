// Zendesk connects the tickets of Zendesk Support to Botpress. Run without a word, it serves the playground: a page on which
// you are the end user and the agent, with an in-memory Botpress and an in-memory Zendesk.
//
// docs/zendesk-setup.md says what to prepare in a real account.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/hitl/cli"
	"github.com/hitl-go/sdk/message/media"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run runs a command, which is the playground if there is none, and returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	outside := world{zendesk: "https://*.zendesk.com", files: media.Options{MaxBytes: 20 << 20, Timeout: 15 * time.Second}}
	server, err := hitl.NewServer(definition(), outside.connect, nil)
	if err != nil {
		fmt.Fprintln(stderr, "zendesk:", err)
		return 1
	}
	return cli.App{
		Server: server, Name: "zendesk", Default: "playground", Args: args, Stdout: stdout, Stderr: stderr,
		Commands: []cli.Command{demoCommand(stdout), playgroundCommand(stdout, stderr)},
	}.Run(ctx)
}

func demoCommand(stdout io.Writer) cli.Command {
	return cli.Command{
		Name:  "demo",
		Short: "Play three sessions between end users, a bot and an agent",
		Run:   func(ctx context.Context, _ []string) error { return demo(ctx, stdout) },
	}
}

func playgroundCommand(stdout, stderr io.Writer) cli.Command {
	flags := flag.NewFlagSet("playground", flag.ContinueOnError)
	addr := flags.String("addr", "", "`address` of the page, on this computer (default 127.0.0.1:8072, or a free port)")
	open := flags.Bool("open", false, "open the page in the browser")
	return cli.Command{
		Name:  "playground",
		Short: "Try it in the browser, without Botpress and Zendesk",
		Flags: flags,
		Run:   func(ctx context.Context, _ []string) error { return play(ctx, *addr, *open, stdout, stderr) },
	}
}
