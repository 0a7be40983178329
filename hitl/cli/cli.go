// Package cli is the command line of an adapter: it serves the adapter, prints its definition, deploys it to Botpress, makes
// new signing secrets, and looks into its sessions. The command dev runs the adapter on the author's machine in a real bot,
// and playground serves a page to try it on without Botpress. A whole main is
//
//	func main() { cli.Main(hitl.NewServer(definition, connect, nil)) }
package cli

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"

	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/internal/sessionview"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2 // the command line is wrong
)

// Main runs the command line of the process for a server, with commands of its own if there are any, and exits. It takes what
// [hitl.NewServer] returns, and prints the error if there is one. On an interrupt or SIGTERM it shuts down gracefully, on the
// second one at once.
func Main(s *hitl.Server, err error, commands ...Command) {
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
	os.Exit(App{Server: s, Commands: commands}.Run(ctx))
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
// success, 1 for failure, 2 for a command line that is wrong. Each error becomes one line on Stderr.
func (a App) Run(ctx context.Context) int {
	a = a.withDefaults()
	called, err := a.run(ctx)
	var usage *usageError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &usage):
		fmt.Fprintf(a.Stderr, "%s: %s\nSee '%s --help'.\n", a.Name, oneLine(err), called)
		return exitUsage
	default:
		for _, one := range each(err) {
			fmt.Fprintf(a.Stderr, "%s: %s\n", a.Name, oneLine(one))
		}
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

// run runs the command and returns how it is called.
func (a App) run(ctx context.Context) (called string, err error) {
	c, args := a.root(), a.Args
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		if c, err = a.find(args[0]); err != nil {
			return a.Name, err
		}
		args = args[1:]
	}
	called = a.called(c)
	args, err = c.parse(called, args)
	if errors.Is(err, flag.ErrHelp) {
		a.printHelp(c)
		return called, nil
	}
	if err != nil {
		return called, err
	}
	return called, c.Run(ctx, args)
}

func (a App) called(c *command) string { return strings.TrimSpace(a.Name + " " + c.Name) }

// root is what runs without the name of a command: the default one.
func (a App) root() *command {
	body := a.Server.Describe()
	root, err := a.find(a.byDefault())
	if err != nil {
		root = newCommand("", "", "")
		root.Run = func(context.Context, []string) error {
			return fmt.Errorf("App.Default is %q, and there is no such command", a.Default)
		}
	}
	root.Name = ""
	root.long = fmt.Sprintf(`%s %s connects Botpress with a help desk.

Without a command it runs '%s'. To deploy it for the first time:

  export BP_TOKEN=…         your personal access token, from the Botpress dashboard
  export BP_WORKSPACE_ID=…  the id of the workspace
  %s deploy --url https://where-this-will-run.example.com --access-key

The command prints the environment variables that the adapter needs.`, body.Name, body.Version, a.byDefault(), a.Name)
	return root
}

func (a App) byDefault() string { return cmp.Or(a.Default, "serve") }

// commands are the app's own and the adapter's, sorted by name.
func (a App) commands() []*command {
	own := []*command{a.serve(), a.dev(), a.playground(), a.definition(), a.deploy(), a.rotate(), a.sessions(), a.session(), a.version(), a.help()}
	all := slices.DeleteFunc(own, func(c *command) bool {
		return slices.ContainsFunc(a.Commands, func(other Command) bool { return other.Name == c.Name })
	})
	for _, c := range a.Commands {
		if c.Flags == nil {
			c.Flags = &flag.FlagSet{}
		}
		all = append(all, &command{Command: c})
	}
	for _, c := range all {
		if c.Name == a.byDefault() {
			c.Short += " (the default)"
		}
	}
	slices.SortFunc(all, func(a, b *command) int { return strings.Compare(a.Name, b.Name) })
	return all
}

func (a App) find(name string) (*command, error) {
	for _, c := range a.commands() {
		if c.Name == name {
			return c, nil
		}
	}
	return nil, Usagef("there is no command %q", name)
}

func (a App) help() *command {
	c := newCommand("help", "Print help about a command", "")
	c.Args = "[command]"
	c.Run = func(_ context.Context, args []string) error {
		about := a.root()
		switch len(args) {
		case 0:
		case 1:
			var err error
			if about, err = a.find(args[0]); err != nil {
				return err
			}
		default:
			return Usagef("help takes the name of one command, and %q is another argument", args[1])
		}
		a.printHelp(about)
		return nil
	}
	return c
}

// printHelp prints the help about a command.
func (a App) printHelp(c *command) {
	called := a.called(c)
	if about := cmp.Or(c.long, c.Short); about != "" {
		fmt.Fprintln(a.Stdout, about+"\n")
	}
	usage := []string{called}
	if c.Args != "" {
		usage = append(usage, c.Args)
	}
	if hasFlags(c.Flags) {
		usage = append(usage, "[flags]")
	}
	fmt.Fprintf(a.Stdout, "Usage:\n  %s\n", strings.Join(usage, " "))
	if c.Name == "" {
		fmt.Fprintf(a.Stdout, "  %s [command]\n\nCommands:\n", called)
		w := tabwriter.NewWriter(a.Stdout, 0, 0, 1, ' ', 0)
		for _, one := range a.commands() {
			fmt.Fprintf(w, "  %s\t%s\n", one.Name, one.Short)
		}
		_ = w.Flush() // Help that cannot be written has nowhere to be reported.
	}
	printFlags(a.Stdout, c.Flags)
	if c.Name == "" {
		fmt.Fprintf(a.Stdout, "\n%s [command] --help says more about a command.\n", called)
	}
}

// each returns what errors.Join has joined.
func each(err error) (all []error) {
	joined, ok := err.(interface{ Unwrap() []error }) // What is within another error is part of its sentence.
	if !ok || err.Error() != errors.Join(joined.Unwrap()...).Error() {
		return []error{err}
	}
	for _, one := range joined.Unwrap() {
		all = append(all, each(one)...)
	}
	return all
}

// oneLine is an error on one line: errors.Join puts line breaks between errors, and others may bring what a terminal would obey.
func oneLine(err error) string {
	return sessionview.Printable(strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", "; "))
}
