package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/hitl-go/sdk/hitl"
)

// Secrets that Botpress shows once go to a file that only its owner can read, and not to the terminal. What was there before is
// left alone, and nothing is left behind if there are none.
func TestEnvFile(t *testing.T) {
	folder := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		c := newCloud(t)
		s := c.adapter(hitl.Options{})
		ok := func(args ...string) (stderr string) {
			t.Helper()
			code, stdout, stderr := c.run(s, "", args...)
			if code != 0 || stdout != "" {
				t.Fatalf("%v: exit code %d, stdout %q: %s", args, code, stdout, stderr)
			}
			return stderr
		}
		read := func(name string) string {
			t.Helper()
			path := filepath.Join(folder, name)
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			if info.Mode().Perm() != 0o600 {
				t.Errorf("%s has the mode %s", name, info.Mode())
			}
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			return string(text)
		}
		first, second, third := filepath.Join(folder, "first.env"), filepath.Join(folder, "second.env"), filepath.Join(folder, "third.env")
		if stderr := ok("deploy", "--url", "http://acme.test", "--access-key", "--yes", "--env-file", first); !strings.HasSuffix(
			stderr, "\nWhat to set in the environment of the adapter is in "+first+". Botpress does not show it again.\n") {
			t.Errorf("it says %q", stderr)
		}
		before := read("first.env")
		if strings.Count(before, "\n") != 2 || value(t, before, "BP_SIGNING_SECRET") == "" || value(t, before, "BP_TOKEN") == "" {
			t.Errorf("the file has %q", before)
		}
		for _, args := range [][]string{{"deploy", "--access-key", "--yes", "--env-file", first}, {"rotate-secret", "--yes", "--env-file", first}} {
			code, _, stderr := c.run(s, "", args...)
			if code != 1 || !strings.Contains(stderr, "is there already") || read("first.env") != before {
				t.Errorf("%v: exit code %d: %s", args, code, stderr)
			}
		}
		// It has no secrets to tell, and says so.
		if stderr, want := ok("deploy", "--yes", "--env-file", second), second+" is not written, since no secret is new; add --access-key for a new access key, or make a new signing secret with 'rotate-secret'.\n"; !strings.HasSuffix(stderr, want) {
			t.Errorf("it says %q, want %q at the end", stderr, want)
		}
		for _, flags := range [][]string{{"--access-key"}, {"--env-file", second}} {
			stderr, want := ok(append([]string{"deploy", "--dry-run"}, flags...)...), "Nothing has changed. No secret is made or written; deploy without --dry-run for that.\n"
			if !strings.HasSuffix(stderr, want) {
				t.Errorf("%v: it says %q, want %q at the end", flags, stderr, want)
			}
		}
		if _, err := os.Stat(second); !os.IsNotExist(err) {
			t.Errorf("an empty file is left: %v", err)
		}
		if stderr := ok("rotate-secret", "--yes", "--env-file", third); !strings.Contains(stderr, "It is in "+third+".\n") {
			t.Errorf("it says %q", stderr)
		}
		if text := read("third.env"); value(t, text, "BP_SIGNING_SECRET") == value(t, before, "BP_SIGNING_SECRET") {
			t.Errorf("the secret is the old one: %s", text)
		}
		code, _, stderr := c.run(s, "", "deploy", "--access-key", "--yes", "--env-file", filepath.Join(folder, "nowhere", "x"))
		if code != 1 || !strings.Contains(stderr, "--env-file") {
			t.Errorf("a folder that is not there: exit code %d: %s", code, stderr)
		}
	})
	if entries, err := os.ReadDir(folder); err != nil || len(entries) != 2 {
		t.Errorf("%v, %v", entries, err)
	}
}

// An address where only monitoring is answered would lose everything.
func TestDeployRefusesTheAddressOfMonitoring(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud(t)
		for _, url := range []string{"https://acme.test/health", "https://acme.test/ready/"} {
			code, _, stderr := c.run(c.adapter(hitl.Options{}), "", "deploy", "--url", url, "--yes")
			if code != 2 || !strings.Contains(stderr, "only monitoring") {
				t.Errorf("%s: exit code %d: %s", url, code, stderr)
			}
		}
	})
}
