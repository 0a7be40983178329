//go:build !unix

package cli

import "os"

var restartSignals []os.Signal // there is none

func restartHint() string { return "" }
