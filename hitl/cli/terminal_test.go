package cli_test

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/hitl/cli"
)

// An interrupt ends a question, and nothing has changed: there is no file, either.
func TestInterruptAtAQuestion(t *testing.T) {
	folder := t.TempDir()
	for _, command := range []string{"deploy", "rotate-secret"} {
		synctest.Test(t, func(t *testing.T) {
			c := newCloud(t)
			args := []string{"deploy", "--url", "https://example.com", "--env-file", filepath.Join(folder, "adapter.env")}
			if command == "rotate-secret" {
				if code, _, stderr := c.run(c.adapter(hitl.Options{}), "", append([]string{"deploy"}, yes...)...); code != 0 {
					t.Fatal(stderr)
				}
				args = []string{command, "--env-file", filepath.Join(folder, "adapter.env")}
			}
			stdin, typist := io.Pipe()
			stderr := &safeBuffer{}
			app := cli.App{
				Server: c.adapter(hitl.Options{}), Name: "acme", Args: args, Stdin: stdin, Stdout: io.Discard, Stderr: stderr,
				Getenv: func(name string) string { return c.env[name] }, HTTPClient: c.client,
			}
			ctx, cancel := context.WithCancel(t.Context())
			code := make(chan int, 1)
			go func() { code <- app.Run(ctx) }()
			<-time.After(time.Hour)
			if entries, err := os.ReadDir(folder); err != nil || len(entries) != 0 {
				t.Errorf("%s: at the question there are files: %v, %v", command, entries, err)
			}
			cancel()
			select {
			case n := <-code:
				if n != 1 || !strings.HasSuffix(stderr.String(), "[y/N] \nacme: cancelled; nothing has changed\n") {
					t.Errorf("%s: exit code %d: %s", command, n, stderr)
				}
			case <-time.After(time.Minute):
				t.Errorf("%s: the question goes on after the interrupt", command)
			}
			_ = typist.Close()
			if n := c.count("rotateIntegrationSigningSecrets"); n != 0 {
				t.Errorf("rotated %d times", n)
			}
		})
	}
}

// Whatever is answered, only yes is a yes.
func TestAnswers(t *testing.T) {
	for answer, want := range map[string]string{
		"y\n": "", " YES \n": "", "yes": "", "n\n": "cancelled; nothing has changed", "\n": "cancelled; nothing has changed", "yess\n": "cancelled; nothing has changed",
		"": "add --yes to skip the question",
	} {
		synctest.Test(t, func(t *testing.T) {
			c := newCloud(t)
			code, _, stderr := c.run(c.adapter(hitl.Options{}), answer, "deploy", "--url", "https://example.com")
			if (code == 0) != (want == "") || !strings.Contains(stderr, want) {
				t.Errorf("%q: exit code %d: %s", answer, code, stderr)
			}
		})
	}
}

// A file that a command has left without secrets is no reason to fear for some.
func TestEmptyEnvFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "adapter.env")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		c := newCloud(t)
		code, _, stderr := c.run(c.adapter(hitl.Options{}), "", append([]string{"deploy", "--env-file", path}, yes...)...)
		if want := path + " is there already, and empty; remove it"; code != 1 || !strings.Contains(stderr, want) {
			t.Errorf("exit code %d: %s", code, stderr)
		}
	})
}
