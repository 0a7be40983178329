package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/hitl-go/sdk/internal/deployment"
)

// isTerminal reports whether a stream is a terminal. A stream that is not a file belongs to a test, which simulates one.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	if !ok {
		return true
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// confirm asks a question. Any answer but yes is an error, and so is the end of ctx.
func (a App) confirm(ctx context.Context, question string) error {
	nobody := errors.New("nobody can confirm on standard input; add --yes to skip the question")
	if !isTerminal(a.Stdin) {
		return nobody
	}
	fmt.Fprintf(a.Stderr, "%s [y/N] ", question)
	var answer string
	var err error
	answered := make(chan struct{})
	go func() { // nothing ends the reading of a terminal
		defer close(answered)
		answer, err = bufio.NewReader(a.Stdin).ReadString('\n')
	}()
	cancelled := errors.New("cancelled; nothing has changed")
	select {
	case <-answered:
	case <-ctx.Done():
		a.say("")
		return cancelled
	}
	switch {
	case errors.Is(err, io.EOF) && answer == "":
		a.say("")
		return nobody
	case err != nil && !errors.Is(err, io.EOF):
		return err
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return cancelled
}

// say prints a line for people.
func (a App) say(format string, args ...any) { fmt.Fprintf(a.Stderr, format+"\n", args...) }

// show lists changes, in colours on a terminal, unless NO_COLOR is set: see no-color.org.
func (a App) show(changes []deployment.Change) {
	_, isFile := a.Stderr.(*os.File)
	colours := isFile && isTerminal(a.Stderr) && a.Getenv("NO_COLOR") == "" && a.Getenv("TERM") != "dumb"
	for _, c := range changes {
		line := fmt.Sprintf("%s %s", c.Kind, c.Part)
		if colours {
			line = fmt.Sprintf("\x1b[%dm%s\x1b[0m", map[deployment.Kind]int{deployment.Added: 32, deployment.Changed: 33, deployment.Removed: 31}[c.Kind], line)
		}
		a.say("  %s", line)
	}
}
