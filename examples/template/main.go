// Acme connects Acme Desk to Botpress. "go run . playground" serves a page on which you are the end user and the agent, with
// Botpress and Acme Desk in memory.
package main

import (
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/hitl/cli"
)

func main() {
	server, err := hitl.NewServer(definition, connect, nil)
	cli.Main(server, err, playgroundCommand(server))
}
