package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
)

// Command is a command that an adapter adds to its [App]. Name and Run are required.
type Command struct {
	Name  string
	Short string        // a line for the help
	Args  string        // how the usage line names the arguments, as in "FILE…"; empty means that there are none
	Flags *flag.FlagSet // parsed before Run; nil means none

	// Run runs the command until ctx ends. Its error makes the exit code 1, or 2 if it is from [Usagef].
	Run func(ctx context.Context, args []string) error
}

// command is a command with its whole help. The app itself is one without a name.
type command struct {
	Command

	long string // empty means that Short is all
}

// newCommand makes a command whose flags and Run are still to come.
func newCommand(name, short, long string) *command {
	return &command{Command{Name: name, Short: short, Flags: flag.NewFlagSet(name, flag.ContinueOnError)}, long}
}

// parse parses the flags, which may stand anywhere before --, and returns the arguments. The error is [flag.ErrHelp] if the
// help is asked for.
func (c *command) parse(path string, args []string) (rest []string, err error) {
	c.Flags.Init(c.Name, flag.ContinueOnError)
	c.Flags.SetOutput(io.Discard) // Run prints the error.
	c.Flags.Usage = func() {}
	for {
		if err := c.Flags.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				return nil, err
			}
			return nil, &usageError{err}
		}
		parsed := len(args) - c.Flags.NArg()
		if c.Flags.NArg() == 0 || parsed > 0 && args[parsed-1] == "--" {
			rest = append(rest, c.Flags.Args()...)
			break
		}
		rest, args = append(rest, c.Flags.Arg(0)), c.Flags.Args()[1:]
	}
	if c.Args == "" && len(rest) > 0 {
		return nil, Usagef("%s takes no arguments, and %q is one", path, rest[0])
	}
	return rest, nil
}

func hasFlags(flags *flag.FlagSet) (yes bool) {
	flags.VisitAll(func(*flag.Flag) { yes = true })
	return yes
}

// isSet reports whether the command line sets a flag.
func isSet(flags *flag.FlagSet, name string) (yes bool) {
	flags.Visit(func(f *flag.Flag) { yes = yes || f.Name == name })
	return yes
}

// onlyWith refuses flags that do nothing without another one.
func onlyWith(flags *flag.FlagSet, other string, names ...string) (err error) {
	flags.Visit(func(f *flag.Flag) {
		if slices.Contains(names, f.Name) && flags.Lookup(other).Value.String() == "false" {
			err = Usagef("--%s is only for --%s", f.Name, other)
		}
	})
	return err
}

// printFlags prints the help about flags.
func printFlags(out io.Writer, flags *flag.FlagSet) {
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	head := "\nFlags:\n"
	flags.VisitAll(func(f *flag.Flag) {
		dashes := "      --"
		if len(f.Name) == 1 {
			dashes = "  -"
		}
		value, usage := flag.UnquoteUsage(f)
		if value != "" {
			value = " " + value
		}
		switch f.DefValue {
		case "", "false", "0", "0s":
		default:
			format := " (default %s)"
			if getter, ok := f.Value.(flag.Getter); ok {
				if _, isText := getter.Get().(string); isText {
					format = " (default %q)"
				}
			}
			usage += fmt.Sprintf(format, f.DefValue)
		}
		fmt.Fprintf(w, "%s%s%s%s\t%s\n", head, dashes, f.Name, value, usage)
		head = ""
	})
	_ = w.Flush() // Help that cannot be written has nowhere to be reported.
}

// Usagef returns an error about the command line. It makes the exit code 2.
func Usagef(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }
