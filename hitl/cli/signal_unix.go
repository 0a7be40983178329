//go:build unix

package cli

import (
	"fmt"
	"os"
	"syscall"
)

// restartSignals restart an adapter that 'dev' runs.
var restartSignals = []os.Signal{syscall.SIGUSR1}

func restartHint() string { return fmt.Sprintf("; kill -USR1 %d restarts the adapter", os.Getpid()) }
