package tunnel_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hitl-go/sdk/botpress/botpresstest"
	"github.com/hitl-go/sdk/message"
)

// docs/dev.md is followed to the letter, in a module of its own: each command is run, and says what the page says that it does.
func TestDocs(t *testing.T) {
	n := startNode(t)
	page, err := os.ReadFile("../../../docs/dev.md")
	if err != nil {
		t.Fatal(err)
	}
	var commands, outputs []string
	for _, block := range regexp.MustCompile("(?sm)^```(\\w*)\n(.*?)^```$").FindAllStringSubmatch(string(page), -1) {
		if block[1] == "sh" {
			commands = append(commands, block[2])
		} else {
			outputs = append(outputs, block[2])
		}
	}
	if len(commands) != 4 || len(outputs) != 1 {
		t.Fatalf("the page has %d commands and %d outputs", len(commands), len(outputs))
	}
	cloud := botpresstest.NewServer(&botpresstest.Options{Attempts: 5})
	t.Cleanup(cloud.Close)
	d := &reader{t: t, folder: newModule(t), env: []string{"BP_API_URL=" + cloud.URL, "BP_TUNNEL_URL=http://127.0.0.1:" + n.port, "AGENT_KEY=of-the-example"}}
	values := map[string]string{"BP_TOKEN": cloud.Token, "BP_WORKSPACE_ID": botpresstest.WorkspaceID}
	for name, value := range values {
		if !strings.Contains(commands[0], "export "+name+"=…") {
			t.Fatalf("the page does not say where %s goes", name)
		}
		commands[0] = strings.Replace(commands[0], name+"=…", name+"="+value, 1)
		d.env = append(d.env, name+"="+value) // of the same terminal, for the commands that follow
	}

	begin := time.Now()
	d.start(commands[0])
	d.shown.waitFor(t, "Live.")
	spec, ok := cloud.Deployed("acme/minimal", "1.0.0")
	if !ok {
		t.Fatal("nothing is deployed")
	}
	in, err := cloud.Install(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	d.shown.waitFor(t, "register ")
	t.Logf("from 'go run . dev' to the first operation, its compilation included: %v", time.Since(begin).Round(100*time.Millisecond))
	jane := in.NewEndUser(botpresstest.Profile{Name: "Jane", Email: "jane@example.com"})
	say := func(text string) {
		t.Helper()
		if err := jane.Say(t.Context(), message.Text{Text: text}); err != nil {
			t.Fatal(err)
		}
		if err := cloud.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := jane.Escalate(t.Context(), botpresstest.Escalation{Title: "Help"}); err != nil {
		t.Fatal(err)
	}
	say("Hello")
	d.shown.waitFor(t, "message_created ")
	if promised, said := shape(outputs[0]), shape(d.shown.String()); !strings.HasPrefix(said, promised) {
		t.Errorf("the page says\n%s\nand the command says\n%s\nin the page's terms:\n%s", outputs[0], d.shown, said)
	}
	restart := regexp.MustCompile(`kill -USR1 \d+`).FindString(d.shown.String())
	d.run(restart)
	d.shown.waitFor(t, "Restarting the adapter…")
	say("After the restart")
	d.end()

	d.start(commands[1])
	d.shown.waitFor(t, "Live.")
	d.shown.waitFor(t, "is up to date.")
	say("With the page")
	address := regexp.MustCompile(`http://\S+`).FindString(d.shown.String())
	if rows := d.run("curl -sS --max-time 2 " + address + "api/events || true"); !strings.Contains(rows, `"operation":"message_created"`) {
		t.Errorf("the page at %q says %s", address, rows)
	}
	d.end()

	d.start(commands[2])
	d.shown.waitFor(t, "Live.")
	say("In the terminal")
	d.shown.waitFor(t, "In the terminal")
	if err := in.Uninstall(t.Context()); err != nil {
		t.Error(err)
	}
	d.end()

	if said := d.run(commands[3]); !strings.Contains(said, "is deleted") {
		t.Errorf("dev --delete says %s", said)
	}
	if _, ok := cloud.Deployed("acme/minimal", "1.0.0"); ok {
		t.Error("the version is still there")
	}
}

// reader does what the page says.
type reader struct {
	t      *testing.T
	folder string
	env    []string

	cmd   *exec.Cmd
	shown *output
}

func (d *reader) command(script string) *exec.Cmd {
	c := exec.CommandContext(d.t.Context(), "bash", "-c", script)
	c.Dir = d.folder
	c.Env = append(os.Environ(), append(d.env, "HOME="+d.folder, "GOPATH="+goEnv(d.t, "GOPATH"), "GOCACHE="+goEnv(d.t, "GOCACHE"), "GOFLAGS=-mod=mod")...)
	return c
}

func (d *reader) run(script string) string {
	d.t.Helper()
	out, err := d.command(script).CombinedOutput()
	if err != nil {
		d.t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return string(out)
}

// start runs a command until end ends it.
func (d *reader) start(script string) {
	d.t.Helper()
	d.cmd, d.shown = d.command(script), &output{}
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	d.cmd.Stdout, d.cmd.Stderr = &output{}, d.shown
	if err := d.cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	started := d.cmd.Process.Pid
	d.t.Cleanup(func() { _ = syscall.Kill(-started, syscall.SIGKILL) })
}

// end types Ctrl+C, which the terminal sends to all processes of the command.
func (d *reader) end() {
	d.t.Helper()
	if err := syscall.Kill(-d.cmd.Process.Pid, syscall.SIGINT); err != nil {
		d.t.Fatal(err)
	}
	if err := d.cmd.Wait(); err != nil {
		d.t.Logf("the shell ended with %v", err) // It was interrupted, too.
	}
}

func goEnv(t *testing.T, name string) string {
	t.Helper()
	value, err := exec.CommandContext(t.Context(), "go", "env", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(value))
}

// newModule is the minimal example in a module of its own, with this checkout of the SDK.
func newModule(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	for from, to := range map[string]string{"go.mod": "go.mod", "go.sum": "go.sum", "examples/minimal/main.go": "main.go"} {
		text, err := os.ReadFile(filepath.Join(root, from))
		if err != nil {
			t.Fatal(err)
		}
		if to == "go.mod" {
			text = bytes.Replace(text, []byte("module github.com/hitl-go/sdk"), []byte("module example.com/minimal"), 1)
			text = fmt.Appendf(text, "\nrequire github.com/hitl-go/sdk v0.0.0\n\nreplace github.com/hitl-go/sdk => %s\n", root)
		}
		if err := os.WriteFile(filepath.Join(folder, to), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// shape is what is the same in each run: no times, ids, numbers and names.
func shape(said string) string {
	for _, part := range [][2]string{
		{`\d\d:\d\d:\d\d`, "TIME"}, {`\bconv_\w+`, "CONVERSATION"}, {` +\d+ ms`, " MS"}, {`USR1 \d+`, "USR1 PID"}, {`workspace "[^"]*"`, "WORKSPACE"}, {` {2,}`, " "},
	} {
		said = regexp.MustCompile(part[0]).ReplaceAllString(said, part[1])
	}
	return said
}
