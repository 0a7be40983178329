package playground_test

import (
	"context"
	"fmt"

	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/hitl/playground"
)

// A program may have the playground as a command of its own, with its fake desk on the agent's side. Package cli has one for
// every integration.
func ExampleRun() {
	play := func(ctx context.Context, server *hitl.Server, desk playground.Desk) error {
		return playground.Run(ctx, playground.Options{Server: server, Desk: desk, Open: true})
	}
	fmt.Println(play(context.Background(), nil, nil))
	// Output: playground: Options.Server is missing
}
