// Acme connects Acme Desk to Botpress. "go run . playground" serves a page on which you are the end user and the agent, with
// Botpress and Acme Desk in memory.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/hitl/cli"
)

func main() {
	server, err := hitl.NewServer(definition, connect, nil)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	os.Exit(cli.App{Server: server, Commands: []cli.Command{playgroundCommand(server)}}.Run(ctx))
}
