package cli

import (
	"context"
	"flag"
	"fmt"

	"github.com/spf13/cobra"
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

func (c Command) cobra() *cobra.Command {
	command := &cobra.Command{
		Use: c.Name, Short: c.Short, Args: noArgs,
		RunE: func(command *cobra.Command, args []string) error { return c.Run(command.Context(), args) },
	}
	if c.Args != "" {
		command.Use, command.Args = c.Name+" "+c.Args, cobra.ArbitraryArgs
	}
	if c.Flags != nil {
		command.Flags().AddGoFlagSet(c.Flags)
	}
	return command
}

// Usagef returns an error about the command line. It makes the exit code 2.
func Usagef(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// noArgs rejects arguments, which at the root are names of unknown commands.
func noArgs(c *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return nil
	case c.HasSubCommands():
		return Usagef("there is no command %q", args[0])
	}
	return Usagef("%s takes no arguments, and %q is one", c.CommandPath(), args[0])
}

// help replaces cobra's command, which exits 0 when the command does not exist.
func help() *cobra.Command {
	return &cobra.Command{
		Use:   "help [command]",
		Short: "Print help about a command",
		RunE: func(c *cobra.Command, args []string) error {
			about, rest, err := c.Root().Find(args)
			if err != nil {
				return err
			}
			if err := noArgs(about, rest); err != nil {
				return err
			}
			about.InitDefaultHelpFlag()
			return about.Help()
		},
	}
}
