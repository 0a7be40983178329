package playground

import (
	"context"
	"os/exec"
	"runtime"
)

// open opens an address in the browser, which stays open when the playground ends.
func open(ctx context.Context, address string) error {
	command := []string{"xdg-open"}
	switch runtime.GOOS {
	case "darwin":
		command = []string{"open"}
	case "windows":
		command = []string{"rundll32", "url.dll,FileProtocolHandler"}
	}
	c := exec.CommandContext(context.WithoutCancel(ctx), command[0], append(command[1:], address)...) //nolint:gosec // The address is our own.
	if err := c.Start(); err != nil {
		return err
	}
	return c.Process.Release()
}
