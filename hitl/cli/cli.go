// Package cli is the command line of an adapter: it serves the adapter, prints its definition, deploys it to Botpress, and
// looks into its sessions. A whole main is
//
//	func main() { cli.Main(hitl.NewServer(definition, connect, nil)) }
package cli

import (
	"cmp"
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
// prints the error if there is one. On an interrupt or SIGTERM it shuts down gracefully, on the second one at once.
func Main(s *hitl.Server, err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(exitFailed)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	ctx = context.WithValue(ctx, restartsKey{}, func() (<-chan os.Signal, func()) {
		c := make(chan os.Signal, 1)
		if len(restartSignals) > 0 {
			signal.Notify(c, restartSignals...)
		}
		return c, func() { signal.Stop(c) }
	})
	os.Exit(App{Server: s}.Run(ctx))
}

// restartsKey finds in the context of [Main] a function that has the signal to restart an adapter sent to a channel.
type restartsKey struct{}

func restarts(ctx context.Context) (<-chan os.Signal, func()) {
	if notify, ok := ctx.Value(restartsKey{}).(func() (<-chan os.Signal, func())); ok {
		return notify()
	}
	return nil, func() {}
}

// App is a command line that does not depend on the process. Only Server is required. Other fields that are zero default to
// those of the process.
type App struct {
	Server *hitl.Server

	// Default is the command that runs without a command. Empty means serve.
	Default string

	// Commands are added to the app's own, and replace those of the same name.
	Commands []Command

	Name   string   // of the program; empty means the base name of os.Args[0]
	Args   []string // without the name of the program; nil means os.Args[1:]
	Stdin  io.Reader
	Stdout io.Writer // results, for other programs to read
	Stderr io.Writer // messages, questions and logs
	Getenv func(string) string

	// HTTPClient calls the Botpress API.
	HTTPClient *http.Client
}

// Run runs the command that the arguments name, until it is done or ctx ends, and returns the exit code: 0 for
// success, 1 for failure, 2 for a command line that is wrong. An error becomes one line on Stderr.
func (a App) Run(ctx context.Context) int {
	a = a.withDefaults()
	root := a.root() //nolint:contextcheck // Commands have the context from cobra.
	var wrong error
	help := root.HelpFunc()
	root.SetHelpFunc(func(c *cobra.Command, args []string) {
		// Cobra shows the help of the app for "bogus --help", and reports success.
		if wrong = noArgs(root, root.Flags().Args()); wrong == nil {
			help(c, args)
		}
	})
	command, err := root.ExecuteContextC(ctx)
	err = cmp.Or(err, wrong)
	var usage *usageError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &usage):
		fmt.Fprintf(a.Stderr, "%s: %s\nSee '%s --help'.\n", a.Name, oneLine(err), command.CommandPath())
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
	byDefault := cmp.Or(a.Default, "serve")
	root := &cobra.Command{
		Use:   a.Name,
		Short: body.Title + " for Botpress",
		Long: fmt.Sprintf(`%s %s connects Botpress with a help desk.

Without a command it runs '%s'. To deploy it for the first time:

  export BP_TOKEN=…         your personal access token, from the Botpress dashboard
  export BP_WORKSPACE_ID=…  the id of the workspace
  %s deploy --url https://where-this-will-run.example.com --access-key

The command prints the environment variables that the adapter needs.`, body.Name, body.Version, byDefault, a.Name),
		Args:          noArgs,
		SilenceErrors: true, // Run prints them.
		SilenceUsage:  true,
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetArgs(a.Args)
	root.SetIn(a.Stdin)
	root.SetOut(a.Stdout)
	root.SetErr(a.Stderr)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })
	root.SetHelpCommand(help())
	for _, own := range []*cobra.Command{a.serve(), a.dev(), a.playground(), a.definition(), a.deploy(), a.rotate(), a.sessions(), a.session(), a.version()} {
		replaced := func(c Command) bool { return c.Name == own.Name() }
		if !slices.ContainsFunc(a.Commands, replaced) {
			root.AddCommand(own)
		}
	}
	for _, c := range a.Commands {
		root.AddCommand(c.cobra())
	}
	root.RunE = func(*cobra.Command, []string) error {
		return fmt.Errorf("App.Default is %q, and there is no such command", byDefault)
	}
	for _, c := range root.Commands() {
		if c.Name() == byDefault {
			c.Short += " (the default)"
			root.RunE = c.RunE
			root.Flags().AddFlagSet(c.Flags())
		}
	}
	return root
}

// oneLine removes the line breaks that errors.Join puts between errors.
func oneLine(err error) string {
	return strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", "; ")
}
