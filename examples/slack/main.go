// Slack makes a help desk of a Slack channel: each conversation is a thread. Run without a word, it serves the playground: a page on
// which you are the end user and the agent, with an in-memory Botpress and an in-memory Slack.
//
// README.md says how to connect a real workspace.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/slack-go/slack"

	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/hitl/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run runs a command, which is the playground if there is none, and returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	server, err := hitl.NewServer(definition, workspace{url: slack.APIURL}.connect, nil)
	if err != nil {
		fmt.Fprintln(stderr, "slack:", err)
		return 1
	}
	return cli.App{
		Server: server, Name: "slack", Default: "playground", Args: args, Stdout: stdout, Stderr: stderr,
		Commands: []cli.Command{playgroundCommand(stdout, stderr)},
	}.Run(ctx)
}

func playgroundCommand(stdout, stderr io.Writer) cli.Command {
	flags := flag.NewFlagSet("playground", flag.ContinueOnError)
	addr := flags.String("addr", "", "`address` of the page, on this computer (default 127.0.0.1:8072, or a free port)")
	open := flags.Bool("open", false, "open the page in the browser")
	return cli.Command{
		Name:  "playground",
		Short: "Try it in the browser, without Botpress and Slack",
		Flags: flags,
		Run:   func(ctx context.Context, _ []string) error { return play(ctx, *addr, *open, stdout, stderr) },
	}
}
