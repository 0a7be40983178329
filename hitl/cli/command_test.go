package cli_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"
	"testing"

	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/hitl/cli"
	"github.com/hitl-go/sdk/internal/acme"
)

func TestCommands(t *testing.T) {
	for name, tc := range map[string]struct {
		byDefault      string
		args           []string
		code           int
		stdout, stderr string // what they contain
	}{
		"arguments and flags":     {args: []string{"export", "--dir", "out", "T-1", "T-2"}, stdout: "[T-1 T-2] to out\n"},
		"flags after arguments":   {args: []string{"export", "T-1", "--dir=out", "T-2"}, stdout: "[T-1 T-2] to out\n"},
		"nothing but arguments":   {args: []string{"export", "--dir", "out", "--", "T-1", "--dir"}, stdout: "[T-1 --dir] to out\n"},
		"flags of the app only":   {args: []string{"--addr", ":0", "version"}, code: 2, stderr: "acme: acme takes no arguments, and \"version\" is one\nSee 'acme --help'.\n"},
		"help without flags":      {args: []string{"help", "version"}, stdout: "Prints the versions of the integration, of its interface, of this SDK and of Go.\n\nUsage:\n  acme version\n"},
		"help of the app":         {args: []string{"--help"}, stdout: "export        Export tickets\n"},
		"help of the command":     {args: []string{"export", "--help"}, stdout: "acme export TICKET… [flags]\n\nFlags:\n      --dir directory   directory to write to (default \".\")\n"},
		"failure":                 {args: []string{"export", "T-3"}, code: 1, stderr: "acme: the desk is down\n"},
		"wrong argument":          {args: []string{"export", "3"}, code: 2, stderr: "acme: \"3\" is not the id of a ticket\nSee 'acme export --help'.\n"},
		"wrong flag":              {args: []string{"export", "--force"}, code: 2, stderr: "acme: flag provided but not defined: -force\nSee 'acme export --help'.\n"},
		"unwanted argument":       {args: []string{"playground", "T-1"}, code: 2, stderr: "acme: acme playground takes no arguments, and \"T-1\" is one\n"},
		"instead of the app's":    {args: []string{"playground"}, stdout: "own playground\n"},
		"the default":             {byDefault: "export", args: []string{"--dir", "out"}, stdout: "[] to out\n"},
		"help about the default":  {byDefault: "export", args: []string{"--help"}, stdout: "Without a command it runs 'export'."},
		"the default in the list": {byDefault: "export", args: []string{"--help"}, stdout: "Export tickets (the default)\n"},
		"without a default":       {args: []string{"--help"}, stdout: "Serve the integration (the default)\n"},
		"unknown, with a default": {byDefault: "export", args: []string{"exprot", "--help"}, code: 2, stderr: "acme: there is no command \"exprot\"\n"},
		"one that does not exist": {byDefault: "exprot", code: 1, stderr: "acme: App.Default is \"exprot\", and there is no such command\n"},
		"the app's are there too": {args: []string{"version"}, stdout: "acme-desk 1.0.0\n"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := acme.NewServer(acme.Definition(true), &acme.Desk{}, &hitl.Options{})
			if err != nil {
				t.Fatal(err)
			}
			var stdout, stderr bytes.Buffer
			flags := flag.NewFlagSet("export", flag.ContinueOnError)
			dir := flags.String("dir", ".", "`directory` to write to")
			export := func(_ context.Context, args []string) error {
				switch {
				case len(args) > 0 && !strings.HasPrefix(args[0], "T-"):
					return cli.Usagef("%q is not the id of a ticket", args[0])
				case len(args) > 0 && args[0] == "T-3":
					return errors.New("the desk is down")
				}
				fmt.Fprintln(&stdout, args, "to", *dir)
				return nil
			}
			playground := func(ctx context.Context, _ []string) error {
				fmt.Fprintln(&stdout, "own playground")
				return ctx.Err()
			}
			app := cli.App{Server: s, Name: "acme", Default: tc.byDefault, Args: append([]string{}, tc.args...), Stdout: &stdout, Stderr: &stderr, Commands: []cli.Command{
				{Name: "export", Short: "Export tickets", Args: "TICKET…", Flags: flags, Run: export},
				{Name: "playground", Run: playground},
			}}
			if code := app.Run(t.Context()); code != tc.code {
				t.Errorf("exit code %d, want %d", code, tc.code)
			}
			for _, stream := range []struct{ name, got, want string }{{"stdout", stdout.String(), tc.stdout}, {"stderr", stderr.String(), tc.stderr}} {
				if !strings.Contains(stream.got, stream.want) || stream.want == "" && stream.got != "" {
					t.Errorf("%s is %q, want %q in it", stream.name, stream.got, stream.want)
				}
			}
		})
	}
}
