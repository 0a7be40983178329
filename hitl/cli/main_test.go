package cli_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/hitl-go/sdk/botpress/botpresstest"
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/hitl/cli"
	"github.com/hitl-go/sdk/internal/acme"
)

// asProgram is an environment variable with which the tests are Acme Desk's program.
const asProgram = "HITL_TEST_PROGRAM"

// Times are printed in the zone of this computer, which is the same one in every test.
func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		opts := hitl.FromEnv()
		s, err := acme.NewServer(acme.Definition(true), &acme.Desk{}, &opts)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(cli.App{Server: s}.Run(context.Background()))
	}
	time.Local = time.FixedZone("", 2*60*60)
	os.Exit(m.Run())
}

// A secret that is written into a pipe that nobody reads is lost, and whoever runs the command reads what to do.
func TestSecretsIntoAPipeThatNobodyReads(t *testing.T) {
	s := botpresstest.NewServer(nil)
	t.Cleanup(s.Close)
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"deploy", "--url", "https://acme.example.com", "--yes"}, "its signing secret could not be written; make a new one with 'rotate-secret': "},
		{[]string{"rotate-secret", "--yes"}, "is rotated, and the new one could not be written; run 'rotate-secret' again within 24 hours"},
	} {
		reader, writer, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		_ = reader.Close()
		program := exec.CommandContext(t.Context(), os.Args[0], test.args...)
		program.Env = append(os.Environ(), asProgram+"=1", "BP_API_URL="+s.URL, "BP_TOKEN="+s.Token, "BP_WORKSPACE_ID="+botpresstest.WorkspaceID)
		var stderr strings.Builder
		program.Stdout, program.Stderr = writer, &stderr
		err = program.Run()
		_ = writer.Close()
		if program.ProcessState.ExitCode() != 1 || !strings.Contains(stderr.String(), test.want) {
			t.Errorf("%v: %v, and it says %q, want %q", test.args, err, &stderr, test.want)
		}
	}
}
