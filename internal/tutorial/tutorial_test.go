//go:build unix

package tutorial

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/hitl-go/sdk/botpress/botpresstest"
	"github.com/hitl-go/sdk/message"
)

const module = "github.com/hitl-go/sdk"

// TestTutorial follows docs/tutorial.md without the network: with this checkout in place of the released module, and with the
// caches of this machine.
func TestTutorial(t *testing.T) {
	if testing.Short() {
		t.Skip("building and testing each step takes a minute: the whole run has the time")
	}
	w := newWalk(t)
	checkout, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	w.env = append(w.env, "GOPROXY=off", "GOSUMDB=off", "GOFLAGS=")
	// These two may fetch modules that nothing here has needed yet. The checkout's own requirements are enough.
	w.instead["go get "+module+"@latest"] = fmt.Sprintf("sed 's,^module .*,module example.com/inhouse,' %[1]s/go.mod >go.mod && cp %[1]s/go.sum . && "+
		"go mod edit -require %[2]s@v0.0.0 -replace %[2]s=%[1]s", checkout, module)
	w.instead["go mod tidy"] = "true"
	w.follow(t)
}

// TestCleanMachine follows it as somebody does who has just installed Go: all modules are fetched, and everything is compiled. The
// checkout is released as v0.1.0 on a proxy of its own.
func TestCleanMachine(t *testing.T) {
	if os.Getenv("HITL_TUTORIAL") == "" {
		t.Skip("HITL_TUTORIAL is not set: this needs the network and minutes")
	}
	w := newWalk(t)
	w.patience = 15 * time.Minute
	out, err := exec.CommandContext(t.Context(), "go", "env", "GOPROXY").Output()
	if err != nil {
		t.Fatal(err)
	}
	w.env = append(w.env, "GOPATH="+t.TempDir(), "GOMODCACHE="+t.TempDir(), "GOCACHE="+t.TempDir(), "GOFLAGS=-modcacherw",
		"GOPROXY=file://"+release(t, "v0.1.0")+","+strings.TrimSpace(string(out)), "GONOSUMDB="+module)
	w.follow(t)
}

// release writes the checkout as a version for a proxy, and returns the proxy's folder.
func release(t *testing.T, version string) string {
	t.Helper()
	list := exec.CommandContext(t.Context(), "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	list.Dir = "../.."
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	files := strings.Split(strings.TrimRight(string(out), "\x00"), "\x00")
	var others []string // modules in it
	for _, name := range files {
		if folder, ok := strings.CutSuffix(name, "/go.mod"); ok {
			others = append(others, folder+"/")
		}
	}
	var archive bytes.Buffer
	z := zip.NewWriter(&archive)
	for _, name := range files {
		info, err := os.Lstat(filepath.Join("../..", name))
		if err != nil || !info.Mode().IsRegular() || slices.ContainsFunc(others, func(folder string) bool { return strings.HasPrefix(name, folder) }) {
			continue
		}
		content, err := os.ReadFile(filepath.Join("../..", name))
		if err != nil {
			t.Fatal(err)
		}
		f, err := z.Create(module + "@" + version + "/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	proxy := t.TempDir()
	folder := filepath.Join(proxy, module, "@v")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{
		"list": []byte(version + "\n"), version + ".info": []byte(`{"Version":"` + version + `"}`), version + ".mod": mod, version + ".zip": archive.Bytes(),
	} {
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return proxy
}

// walk follows the page.
type walk struct {
	folder   string // where the commands run
	env      []string
	instead  map[string]string // commands that are others here
	sections []section
	cloud    *botpresstest.Server
	desk     string // the address that the page's desk has here
	adapter  string // the same of the adapter
	running  []*process
	sessions int
	patience time.Duration // with one command
}

func newWalk(t *testing.T) *walk {
	t.Helper()
	page, err := os.ReadFile("../../docs/tutorial.md")
	if err != nil {
		t.Fatal(err)
	}
	w := &walk{patience: 3 * time.Minute, folder: t.TempDir(), instead: map[string]string{}, desk: freeAddr(t), adapter: freeAddr(t)}
	_, port, _ := net.SplitHostPort(w.adapter)
	if w.sections, err = read(strings.NewReplacer("127.0.0.1:9000", w.desk, "…:8072", "…:"+port).Replace(string(page))); err != nil {
		t.Fatal(err)
	}
	w.cloud = botpresstest.NewServer(nil)
	t.Cleanup(w.cloud.Close)
	w.env = append(os.Environ(), "GOWORK=off", "PORT="+port, "BP_API_URL="+w.cloud.URL, "BP_TOKEN="+w.cloud.Token,
		"BP_WORKSPACE_ID="+botpresstest.WorkspaceID, "BP_TUNNEL_URL="+tunnel(t))
	return w
}

// freeAddr is an address of this machine on which nobody listens.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// tunnel is a development tunnel that holds connections, and through which nothing comes.
func tunnel(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		for err == nil {
			_, _, err = conn.Read(r.Context())
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func (w *walk) follow(t *testing.T) {
	t.Helper()
	for _, s := range w.sections {
		ok := t.Run(s.title, func(t *testing.T) {
			defer w.interrupt(t)
			for _, b := range s.blocks {
				w.do(t, b)
			}
			if s.title == served {
				w.session(t)
			}
		})
		if !ok {
			t.Fatal("the steps that follow need this one")
		}
	}
	if w.sessions != 1 {
		t.Errorf("there were %d sessions with the deployed integration: is there a section %q?", w.sessions, served)
	}
}

// do does what a block of the page says.
func (w *walk) do(t *testing.T, b block) {
	t.Helper()
	switch {
	case b.file != "":
		if err := b.write(w.folder); err != nil {
			t.Fatalf("line %d: %v", b.line, err)
		}
		return
	case !strings.HasPrefix(b.kind, "console"):
		return
	}
	commands := regexp.MustCompile(`(?m)^\$ `).Split(b.content, -1)
	if commands[0] != "" {
		t.Fatalf("line %d: there is output before the first command", b.line)
	}
	for i, c := range commands[1:] {
		command, output, _ := strings.Cut(c, "\n")
		promised := strings.FieldsFunc(output, func(r rune) bool { return r == '\n' })
		if folder, ok := strings.CutPrefix(command, "cd "); ok {
			w.folder = filepath.Join(w.folder, folder)
			continue
		}
		if variable, ok := strings.CutPrefix(command, "export "); ok {
			name, _, _ := strings.Cut(variable, "=")
			if !slices.ContainsFunc(w.env, func(v string) bool { return strings.HasPrefix(v, name+"=") }) {
				t.Fatalf("line %d: nobody sets %s", b.line, name)
			}
			continue
		}
		if other, ok := w.instead[command]; ok {
			command = other
		}
		begun := time.Now()
		p := w.start(t, command)
		if b.kind == "console stays" {
			w.running = append(w.running, p)
			if line, ok := p.wait(promised); ok {
				t.Fatalf("line %d: %s\ndoes not print\n%s\nbut\n%s", b.line, command, line, p)
			}
		} else {
			fails := b.kind == "console fails" && i == len(commands)-2
			if err := p.end(); (err != nil) != fails {
				t.Fatalf("line %d: %s\nends with: %v\n%s", b.line, command, err, p)
			}
			if line, ok := missing(promised, p.String()); ok {
				t.Fatalf("line %d: %s\ndoes not print\n%s\nbut\n%s", b.line, command, line, p)
			}
		}
		t.Logf("%6.1f s  %s", time.Since(begun).Seconds(), command)
	}
}

// process is a command at work.
type process struct {
	patience time.Duration
	command  *exec.Cmd
	stdin    io.WriteCloser
	end      func() error // waits for its end

	mu      sync.Mutex
	printed bytes.Buffer
	news    chan struct{} // has something if more was printed
}

func (w *walk) start(t *testing.T, command string) *process {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), w.patience)
	p := &process{patience: w.patience, command: exec.CommandContext(ctx, "sh", "-c", command), news: make(chan struct{}, 1)}
	p.command.Dir, p.command.Env, p.command.Stdout, p.command.Stderr = w.folder, w.env, p, p
	p.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // "go run" has a child
	p.command.Cancel = func() error { return p.signal(syscall.SIGKILL) }
	p.command.WaitDelay = 10 * time.Second
	var err error
	if p.stdin, err = p.command.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := p.command.Start(); err != nil {
		t.Fatal(err)
	}
	p.end = sync.OnceValue(func() error {
		defer cancel()
		return p.command.Wait()
	})
	return p
}

func (p *process) signal(s syscall.Signal) error { return syscall.Kill(-p.command.Process.Pid, s) }

// Write takes what the process prints.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case p.news <- struct{}{}:
	default:
	}
	return p.printed.Write(b)
}

func (p *process) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.printed.String()
}

// wait waits until lines are printed, and returns the first one that is not.
func (p *process) wait(promised []string) (string, bool) {
	ended := make(chan struct{})
	go func() {
		_ = p.end()
		close(ended)
	}()
	late := time.After(p.patience)
	for {
		line, ok := missing(promised, p.String())
		if !ok {
			return "", false
		}
		select {
		case <-p.news:
		case <-ended:
			return line, true
		case <-late:
			return line, true
		}
	}
}

// interrupt ends what runs, as Ctrl+C does, the last one first.
func (w *walk) interrupt(t *testing.T) {
	t.Helper()
	for _, p := range slices.Backward(w.running) {
		if err := p.signal(syscall.SIGINT); err != nil {
			t.Errorf("%s has ended: %v\n%s", p.command.Args[2], err, p)
		}
		_ = p.end() // "go run" and the desk fail when they are interrupted
		if s := p.String(); strings.Contains(s, "panic") || strings.Contains(s, "level=ERROR") {
			t.Errorf("%s printed\n%s", p.command.Args[2], s)
		}
	}
	w.running = nil
}

// served is the section in which the desk runs, and the integration that was deployed.
const served = "11. Serve it"

// session installs the deployed integration in a bot, and has an end user and an agent talk.
func (w *walk) session(t *testing.T) {
	t.Helper()
	spec, ok := w.cloud.Deployed("acme/inhouse", "0.1.0")
	if !ok || len(w.running) != 2 {
		t.Fatalf("the integration is deployed: %v; %d processes run, want the desk and the integration", ok, len(w.running))
	}
	desk := w.running[0]
	spec.URL = "http://" + w.adapter
	spec.Configuration = map[string]string{"url": "http://" + w.desk, "token": "t0ken", "secret": "s3cret"}
	in, err := w.cloud.Install(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	jane := in.NewEndUser(botpresstest.Profile{Name: "Jane"})
	if err := jane.Escalate(t.Context(), botpresstest.Escalation{Title: "Where is my parcel?"}); err != nil {
		t.Fatal(err)
	}
	if err := jane.Say(t.Context(), message.Text{Text: "It was due on Monday"}); err != nil {
		t.Fatal(err)
	}
	if line, ok := desk.wait([]string{"ticket 1, Jane: It was due on Monday"}); ok {
		t.Fatalf("the desk does not print %q, but\n%s", line, desk)
	}
	if _, err := fmt.Fprintln(desk.stdin, "1 Hello"); err != nil {
		t.Fatal(err)
	}
	for {
		said, err := jane.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if said.From == botpresstest.FromAgent && message.PlainText(said.Message) == "Hello" {
			break
		}
	}
	if err := jane.End(t.Context()); err != nil {
		t.Fatal(err)
	}
	if line, ok := desk.wait([]string{"ticket 1 is closed"}); ok {
		t.Fatalf("the desk does not print %q, but\n%s", line, desk)
	}
	if err := w.cloud.Settle(t.Context()); err != nil { // The desk prints it before stopHitl is answered.
		t.Error(err)
	}
	if err := in.Uninstall(t.Context()); err != nil {
		t.Error(err)
	}
	w.sessions++
}
