//go:build unix

package cli

import (
	"os"
	"syscall"
)

// restartSignals restart an adapter that 'dev' runs.
var restartSignals = []os.Signal{syscall.SIGUSR1}
