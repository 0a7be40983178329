// Package cli is the command line of an adapter: it serves the adapter, prints its definition, and deploys it to
// Botpress. A whole main is
//
//	func main() { cli.Main(hitl.NewServer(definition, connect, nil)) }
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/hitl-go/sdk/hitl"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2 // the command line is wrong
)

// Main runs the command line of the process for a server and exits. It takes what [hitl.NewServer] returns, and
// prints the error if there is one. The process ends early but in order when it is interrupted or terminated, and at once
// the second time.
func Main(s *hitl.Server, err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(exitFailed)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	os.Exit(App{Server: s}.Run(ctx))
}

// App is a command line that does not depend on the process. Only Server is required: what else is zero is taken from
// the process.
type App struct {
	Server *hitl.Server

	// Commands are added to the app's own, and replace those of the same name.
	Commands []*cobra.Command

	Name   string   // of the program; else the base name of os.Args[0]
	Args   []string // without the name of the program; nil means those of the process
	Stdin  io.Reader
	Stdout io.Writer // results, for other programs to read
	Stderr io.Writer // everything else
	Getenv func(string) string

	// HTTPClient calls the Botpress API.
	HTTPClient *http.Client
}

// Run runs the command that the arguments name, until it is done or ctx ends, and returns the exit code: 0 for
// success, 1 for failure, 2 for a command line that makes no sense. An error becomes one line on Stderr.
func (a App) Run(ctx context.Context) int {
	a = a.withDefaults()
	root := a.root() //nolint:contextcheck // Commands have the context from cobra.
	err := root.ExecuteContext(ctx)
	var usage *usageError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &usage):
		fmt.Fprintf(a.Stderr, "%s: %v\nSee '%s --help'.\n", a.Name, err, usage.command)
		return exitUsage
	default:
		fmt.Fprintf(a.Stderr, "%s: %s\n", a.Name, oneLine(err))
		return exitFailed
	}
}

func (a App) withDefaults() App {
	if a.Name == "" {
		a.Name = filepath.Base(os.Args[0])
	}
	if a.Args == nil {
		a.Args = os.Args[1:]
	}
	if a.Stdin == nil {
		a.Stdin = os.Stdin
	}
	if a.Stdout == nil {
		a.Stdout = os.Stdout
	}
	if a.Stderr == nil {
		a.Stderr = os.Stderr
	}
	if a.Getenv == nil {
		a.Getenv = os.Getenv
	}
	return a
}

func (a App) root() *cobra.Command {
	body := a.Server.Describe()
	serve := a.serve()
	root := &cobra.Command{
		Use:   a.Name,
		Short: body.Title + " for Botpress",
		Long: fmt.Sprintf(`%s %s connects Botpress with a help desk.

Without a command it serves. To bring it to a workspace of yours for the first time:

  export BP_TOKEN=…         a personal access token of yours, from Botpress' dashboard
  export BP_WORKSPACE_ID=…  the workspace
  %s deploy --url https://where-this-will-run.example.com --access-key

It prints what to set where it runs.`, body.Name, body.Version, a.Name),
		Args:          noArgs,
		SilenceErrors: true, // Run prints them.
		SilenceUsage:  true,
		RunE:          serve.RunE,
	}
	root.Flags().AddFlagSet(serve.Flags())
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetArgs(a.Args)
	root.SetIn(a.Stdin)
	root.SetOut(a.Stdout)
	root.SetErr(a.Stderr)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return &usageError{err: err, command: c.CommandPath()} })
	for _, own := range []*cobra.Command{serve, a.playground(), a.definition(), a.deploy(), a.rotate(), a.version()} {
		replaced := func(c *cobra.Command) bool { return c.Name() == own.Name() }
		if !slices.ContainsFunc(a.Commands, replaced) {
			root.AddCommand(own)
		}
	}
	root.AddCommand(a.Commands...)
	return root
}

// usageError is a command line that makes no sense.
type usageError struct {
	err     error
	command string
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usagef(c *cobra.Command, format string, args ...any) error {
	return &usageError{err: fmt.Errorf(format, args...), command: c.CommandPath()}
}

// noArgs refuses words that are neither a command nor a flag.
func noArgs(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if c.HasSubCommands() {
		return usagef(c, "there is no command %q", args[0])
	}
	return usagef(c, "%s takes no arguments, and %q is one", c.CommandPath(), args[0])
}

// oneLine keeps an error to a line, also one that several were joined to.
func oneLine(err error) string {
	return strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", "; ")
}
