// Command requesttracker connects Request Tracker 5 to Botpress. Run without a word, it serves; the word help lists what else it can
// do. README.md tells how to prepare RT.
package main

import (
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/hitl/cli"
)

func main() { cli.Main(hitl.NewServer(definition, connector(nil), nil)) }
