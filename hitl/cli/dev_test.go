package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"

	"github.com/hitl-go/sdk/botpress/botpresstest"
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/hitl/cli"
	"github.com/hitl-go/sdk/internal/acme"
	"github.com/hitl-go/sdk/message"
)

// fakeTunnel is the development tunnel in memory: requests for /<id> go to who holds the WebSocket of that id.
type fakeTunnel struct {
	t      *testing.T
	refuse websocket.StatusCode // closes each connection with it

	mu      sync.Mutex
	tails   map[string]*websocket.Conn
	waiting map[string]chan tunnelled
	last    int
}

type tunnelled struct {
	RequestID string            `json:"requestId"`
	Status    int               `json:"status"`
	Headers   map[string]string `json:"headers"`
	Body      string            `json:"body"`
}

func newTunnel(c *cloud) *fakeTunnel {
	f := &fakeTunnel{t: c.t, tails: map[string]*websocket.Conn{}, waiting: map[string]chan tunnelled{}}
	listener, err := c.network.Listen("tunnel.test:80")
	if err != nil {
		c.t.Fatal(err)
	}
	srv := &http.Server{Handler: f}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(listener)
	}()
	c.t.Cleanup(func() {
		f.cut()
		_ = srv.Close()
		<-done
	})
	return f
}

func (f *fakeTunnel) cut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, conn := range f.tails {
		_ = conn.CloseNow()
	}
}

func (f *fakeTunnel) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := strings.Split(r.URL.Path, "/")[1]
	if r.Header.Get("Upgrade") != "" {
		f.hold(w, r, id)
		return
	}
	body, _ := io.ReadAll(r.Body)
	headers := map[string]string{}
	for name, values := range r.Header {
		headers[strings.ToLower(name)] = values[0]
	}
	f.mu.Lock()
	f.last++
	request := strconv.Itoa(f.last)
	tail, answer := f.tails[id], make(chan tunnelled, 1)
	f.waiting[request] = answer
	f.mu.Unlock()
	if tail == nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	frame, _ := json.Marshal(map[string]any{"type": "request", "id": request, "method": r.Method, "path": "/", "headers": headers, "body": string(body)})
	if err := tail.Write(r.Context(), websocket.MessageText, frame); err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	select {
	case a := <-answer:
		for name, value := range a.Headers {
			w.Header().Set(name, value)
		}
		w.WriteHeader(a.Status)
		_, _ = io.WriteString(w, a.Body)
	case <-time.After(time.Minute):
		w.WriteHeader(http.StatusGatewayTimeout)
	}
}

// hold keeps a WebSocket and takes the responses that come over it.
func (f *fakeTunnel) hold(w http.ResponseWriter, r *http.Request, id string) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		f.t.Errorf("accept: %v", err)
		return
	}
	if f.refuse != 0 {
		_ = conn.Close(f.refuse, "")
		return
	}
	conn.SetReadLimit(1 << 20)
	f.mu.Lock()
	f.tails[id] = conn
	f.mu.Unlock()
	for {
		_, frame, err := conn.Read(context.Background())
		if err != nil {
			f.mu.Lock()
			delete(f.tails, id)
			f.mu.Unlock()
			return
		}
		var a tunnelled
		if err := json.Unmarshal(frame, &a); err != nil {
			f.t.Errorf("a frame is %s", frame)
		}
		f.mu.Lock()
		if answer := f.waiting[a.RequestID]; answer != nil {
			answer <- a
		}
		f.mu.Unlock()
	}
}

// running is a 'dev' at work.
type running struct {
	c       *cloud
	stderr  *safeBuffer
	restart chan os.Signal
	ended   chan struct{}
	end     func() int
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func (c *cloud) startDev(s *hitl.Server, args ...string) *running {
	c.t.Helper()
	r := &running{c: c, stderr: &safeBuffer{}, restart: make(chan os.Signal, 1), ended: make(chan struct{})}
	ctx, cancel := context.WithCancel(cli.WithRestarts(context.Background(), r.restart))
	code := make(chan int, 1)
	app := cli.App{
		Server: s, Name: "acme", Args: append([]string{"dev", "--tunnel", "http://tunnel.test"}, args...), Stdout: io.Discard, Stderr: r.stderr,
		Getenv: func(name string) string { return c.env[name] }, HTTPClient: c.client,
	}
	go func() {
		defer close(r.ended)
		code <- app.Run(ctx)
	}()
	r.end = sync.OnceValue(func() int {
		cancel()
		return <-code
	})
	c.t.Cleanup(func() { r.end() })
	r.says("Live.")
	return r
}

func (r *running) says(what string) {
	r.c.t.Helper()
	for range 100 {
		if strings.Contains(r.stderr.String(), what) {
			return
		}
		<-time.After(100 * time.Millisecond)
	}
	r.c.t.Fatalf("%q is not said, but:\n%s", what, r.stderr)
}

// installDev installs the development version, as its owner does in a bot.
func (c *cloud) installDev() *botpresstest.Installation {
	c.t.Helper()
	spec, ok := c.Deployed("acme/acme-desk", "1.0.0")
	if !ok {
		c.t.Fatal("nothing is deployed")
	}
	if !strings.HasPrefix(spec.URL, "http://tunnel.test/") {
		c.t.Errorf("the address is %s", spec.URL)
	}
	spec.Configuration = acme.Config{APIURL: "https://desk.example.com", APIToken: "s3cr3t-of-the-desk"}
	in, err := c.Install(c.t.Context(), spec)
	if err != nil {
		c.t.Fatal(err)
	}
	return in
}

// From one command to a session in a bot, through a connection that breaks; then again, with a definition that has changed; then
// without a trace.
func TestDev(t *testing.T) {
	t.Chdir(t.TempDir())
	synctest.Test(t, func(t *testing.T) {
		c := newCloud(t)
		tunnel := newTunnel(c)
		dev := c.startDev(c.adapter(hitl.Options{}), "--verbose")
		in := c.installDev()
		jane := in.NewEndUser(botpresstest.Profile{Name: "Jane", Email: "jane@example.com"})
		c.step(jane.Escalate(t.Context(), botpresstest.Escalation{Title: "Help"}))
		tunnel.cut()
		dev.says("connecting again")
		c.step(jane.Say(t.Context(), message.Text{Text: "Are you there?"}))
		<-time.After(time.Minute)
		if got := c.desk.Tickets(); len(got) != 1 || !slices.Contains(got[0].Log, "Jane: Are you there?") {
			t.Errorf("the desk has %+v", got)
		}
		shown := dev.stderr.String()
		for _, want := range []string{
			`\d\d:\d\d:\d\d register +\d+ ms  done\n`, `createTicket +\d+ ms  done  conv_\w+ T-1\n`, `message_created +\d+ ms  done  conv_\w+ T-1\n`, `> \{.*"Are you there\?"`, `< \{\}`,
		} {
			if !regexp.MustCompile(want).MatchString(shown) {
				t.Errorf("%s is not shown, but:\n%s", want, shown)
			}
		}
		for _, secret := range []string{"s3cr3t-of-the-desk", c.Token} {
			if strings.Contains(shown, secret) {
				t.Errorf("a secret is shown:\n%s", shown)
			}
		}
		if code := dev.end(); code != 0 {
			t.Errorf("exit code %d", code)
		}

		state := readState(t)
		again := c.startDev(c.adapter(hitl.Options{}))
		again.says("is up to date")
		again.end()
		changed := c.startDev(withRating(t, c.adapter(hitl.Options{})))
		changed.says("+ action rate")
		def := acme.Definition(true)
		def.Version = "2.0.0"
		next, err := acme.NewServer(def, c.desk, &hitl.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if code, _, stderr := c.run(next, "", "dev", "--tunnel", "http://tunnel.test"); code != 1 || !strings.Contains(stderr, "belongs to the development version of acme/acme-desk 1.0.0; delete that") {
			t.Errorf("another version: exit code %d: %s", code, stderr)
		}
		code, _, stderr := c.run(c.adapter(hitl.Options{}), "", "dev", "--delete")
		if code != 1 || !strings.Contains(stderr, "uninstall it there while 'dev' runs") {
			t.Errorf("--delete of what is installed: exit code %d: %s", code, stderr)
		}
		c.step(in.Uninstall(t.Context()))
		changed.end()
		if now := readState(t); now != state {
			t.Errorf("the state was %s, and is %s", state, now)
		}
		code, _, stderr = c.run(c.adapter(hitl.Options{}), "", "dev", "--delete")
		if _, deployed := c.Deployed("acme/acme-desk", "1.0.0"); code != 0 || deployed {
			t.Errorf("after --delete: exit code %d, deployed: %t\n%s", code, deployed, stderr)
		}
		if _, err := os.Stat(".hitl-dev"); !os.IsNotExist(err) {
			t.Errorf("something is kept: %v", err)
		}
	})
}

// --verbose masks what has the name of a secret, too, and cuts after that.
func TestDevMasksByName(t *testing.T) {
	t.Chdir(t.TempDir())
	synctest.Test(t, func(t *testing.T) {
		c := newCloud(t)
		newTunnel(c)
		dev := c.startDev(c.adapter(hitl.Options{}), "--verbose")
		in := c.installDev()
		// Half of it is too long to be shown, but for the masks.
		body := `{"client_secret":"hush-body","long":"` + strings.Repeat("s3cr3t-of-the-desk ", 150) + `"}`
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, in.WebhookURL+"?from=mail&code=hush-code&state=hush-state", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range map[string]string{
			"Agent-Key": "hush-key", "Authorization": "Bearer hush-token", "X-Gitlab-Token": "hush-gitlab", "Idempotency-Key": "to-be-seen",
		} {
			r.Header.Set(name, value)
		}
		res, err := c.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		dev.says("to-be-seen")
		shown := dev.stderr.String()
		if strings.Contains(shown, "hush") || !strings.Contains(shown, "from=mail") || !strings.Contains(shown, "[secret] [secret]") {
			t.Errorf("it is shown as:\n%s", shown)
		}
	})
}

func readState(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"state.json", ".gitignore"} {
		info, err := os.Stat(filepath.Join(".hitl-dev", name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has the mode %s", name, info.Mode())
		}
	}
	text, err := os.ReadFile(filepath.Join(".hitl-dev", "state.json"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// What comes unsigned through the tunnel is served, with a warning once. What is signed wrongly is refused.
func TestDevSignatures(t *testing.T) {
	t.Chdir(t.TempDir())
	synctest.Test(t, func(t *testing.T) {
		c := newCloud(t)
		newTunnel(c)
		dev := c.startDev(c.adapter(hitl.Options{}))
		in := c.installDev()
		send := func(signature string) int {
			t.Helper()
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, in.URL, strings.NewReader(`{"webhookUrl":"`+in.WebhookURL+`"}`))
			if err != nil {
				t.Fatal(err)
			}
			for name, value := range map[string]string{
				"x-bp-operation": "register", "x-bot-id": c.BotID, "x-bot-user-id": c.BotID, "x-integration-id": in.IntegrationID,
				"x-integration-alias": in.Alias, "x-webhook-id": in.WebhookID,
				"x-bp-configuration": "eyJhcGlVcmwiOiJodHRwczovL2Rlc2suZXhhbXBsZS5jb20iLCJhcGlUb2tlbiI6InMzY3IzdCJ9",
			} {
				r.Header.Set(name, value)
			}
			if signature != "" {
				r.Header.Set("x-bp-signature", signature)
			}
			res, err := c.client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			return res.StatusCode
		}
		for range 2 {
			<-time.After(time.Second)
			if got := send(""); got != http.StatusOK {
				t.Errorf("unsigned: %d, want 200", got)
			}
		}
		if n := strings.Count(dev.stderr.String(), "does not sign"); n != 1 {
			t.Errorf("the warning is there %d times, want once", n)
		}
		if got := send(strconv.FormatInt(time.Now().UnixMilli(), 10) + "," + strings.Repeat("A", 43)); got != http.StatusUnauthorized {
			t.Errorf("signed wrongly: %d, want 401", got)
		}
	})
}

// Each failure that a newcomer meets ends in a line that says what to do.
func TestDevRefuses(t *testing.T) {
	home := t.TempDir()
	write := func(path, text string) func(*cloud, *fakeTunnel) {
		return func(c *cloud, _ *fakeTunnel) {
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				c.t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				c.t.Fatal(err)
			}
		}
	}
	noToken := func(c *cloud, _ *fakeTunnel) { delete(c.env, "BP_TOKEN") }
	all := func(fs ...func(*cloud, *fakeTunnel)) func(*cloud, *fakeTunnel) {
		return func(c *cloud, f *fakeTunnel) {
			for _, g := range fs {
				g(c, f)
			}
		}
	}
	inUse, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = inUse.Close() })
	profiles := filepath.Join(home, ".botpress", "profiles.json")
	global := filepath.Join(home, ".botpress", "global.cache.json")
	for name, tc := range map[string]struct {
		given func(*cloud, *fakeTunnel)
		args  []string
		want  string
	}{
		"no token":                         {noToken, nil, "BP_TOKEN is not set; set it to a personal access token from the Botpress dashboard, or log in with 'bp login'"},
		"a wrong token":                    {func(c *cloud, _ *fakeTunnel) { c.env["BP_TOKEN"] = "bp_pat_wrong" }, nil, "BP_TOKEN is not a valid personal access token"},
		"no workspace":                     {func(c *cloud, _ *fakeTunnel) { delete(c.env, "BP_WORKSPACE_ID") }, nil, "set BP_WORKSPACE_ID or --workspace"},
		"another workspace":                {nil, []string{"--workspace", "wkspace_other"}, "could not read workspace wkspace_other"},
		"no such profile":                  {write(profiles, `{"other":{"token":"t"}}`), []string{"--profile", "mine"}, `has no profile "mine"; choose another --profile`},
		"no file of profiles":              {nil, []string{"--profile", "mine"}, "log in with 'bp login'"},
		"a profile without a token":        {write(profiles, `{"mine":{"workspaceId":"w"}}`), []string{"--profile", "mine"}, "log in again with 'bp login'"},
		"profiles that are no JSON":        {all(noToken, write(profiles, `{`)), nil, "profiles.json is not valid JSON; log in again"},
		"a chosen profile that is no JSON": {all(noToken, write(global, `[]`)), nil, "global.cache.json is not valid JSON"},
		"a state that is no JSON":          {write(".hitl-dev/state.json", `{`), nil, "remove it to begin anew"},
		"a state of another workspace":     {write(".hitl-dev/state.json", `{"workspaceId":"wkspace_other"}`), nil, "belongs to workspace wkspace_other; use that one"},
		"a folder that is none":            {write(".hitl-dev", `x`), nil, "remove .hitl-dev to begin anew"},
		"the id is in use":                 {func(_ *cloud, f *fakeTunnel) { f.refuse = 4001 }, nil, "another 'dev' runs with the same folder .hitl-dev; stop it"},
		"the id is none":                   {func(_ *cloud, f *fakeTunnel) { f.refuse = 4000 }, nil, "the tunnel does not accept the id"},
		"an argument":                      {nil, []string{"x"}, "dev takes no arguments"},
		"a port in use":                    {nil, []string{"--playground", "--addr", inUse.Addr().String()}, "address already in use; choose another one"},
		"a page for everybody":             {nil, []string{"--playground", "--addr", "0.0.0.0:0"}, "0.0.0.0 is reachable from outside; use 127.0.0.1"},
		"a workspace without a handle":     {func(c *cloud, _ *fakeTunnel) { c.SetHandle("") }, nil, "has no handle, with which the names of its integrations must begin; choose one in its settings"},
		"Botpress is down":                 {func(c *cloud, _ *fakeTunnel) { c.env["BP_API_URL"] = "http://nowhere.test" }, nil, "could not read workspace"},
		"a definition that Botpress refuses": {func(c *cloud, _ *fakeTunnel) {
			c.Fault(botpresstest.Fault{Operation: "createIntegration", Kind: botpresstest.InternalError})
		}, nil, "Botpress has failed; retry later"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.RemoveAll(filepath.Join(home, ".botpress")); err != nil {
				t.Fatal(err)
			}
			t.Chdir(t.TempDir())
			synctest.Test(t, func(t *testing.T) {
				c := newCloud(t)
				c.env["HOME"] = home
				f := newTunnel(c)
				if tc.given != nil {
					tc.given(c, f)
				}
				args := append([]string{"dev"}, tc.args...)
				if !slices.Contains(args, "--tunnel") {
					args = append(args, "--tunnel", "http://tunnel.test")
				}
				code, _, stderr := c.run(c.adapter(hitl.Options{}), "", args...)
				last := stderr[strings.LastIndex(strings.TrimSuffix(stderr, "\n"), "\n")+1:]
				if name == "an argument" {
					last = stderr
				}
				if code == 0 || !strings.Contains(last, tc.want) {
					t.Errorf("exit code %d, want a last line with %q:\n%s", code, tc.want, stderr)
				}
			})
		})
	}
}

// Without a token in the environment, all comes from the profile that Botpress' own command line has chosen.
func TestDevWithProfile(t *testing.T) {
	home := t.TempDir()
	t.Chdir(t.TempDir())
	synctest.Test(t, func(t *testing.T) {
		c := newCloud(t)
		newTunnel(c)
		profiles, err := json.Marshal(map[string]any{
			"default": map[string]string{"token": "bp_pat_other", "workspaceId": "wkspace_other", "apiUrl": "http://nowhere.test"},
			"mine":    map[string]string{"token": c.Token, "workspaceId": botpresstest.WorkspaceID, "apiUrl": "http://botpress.test"},
		})
		if err != nil {
			t.Fatal(err)
		}
		folder := filepath.Join(home, ".botpress")
		if err := os.MkdirAll(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		for name, text := range map[string]string{"profiles.json": string(profiles), "global.cache.json": `{"activeProfile":"mine"}`} {
			if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		c.env = map[string]string{"HOME": home}
		dev := c.startDev(c.adapter(hitl.Options{}))
		dev.says("A development version of acme/acme-desk 1.0.0 is in workspace")
	})
}

// A development version whose create has succeeded, though its answer was lost, is this folder's: it runs, or is deleted.
func TestDevLostCreate(t *testing.T) {
	for name, tc := range map[string]struct {
		given func(*cloud) context.Context
		code  int // of the run in which the answer is lost; -1 if it goes on
	}{
		"the connection ends": {func(c *cloud) context.Context {
			c.Fault(botpresstest.Fault{Operation: "createIntegration", Kind: botpresstest.DropAfter, Times: 1})
			return c.t.Context()
		}, -1},
		"an answer without the secret": {func(c *cloud) context.Context {
			next := c.client.Transport
			c.client.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
				res, err := next.RoundTrip(r)
				if err == nil && r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/integrations") {
					_ = res.Body.Close()
					res.Body = io.NopCloser(strings.NewReader(`{"integration": {"id": "intver_1"}}`))
				}
				return res, err
			})
			return c.t.Context()
		}, -1},
		"an interrupt": {func(c *cloud) context.Context { return c.interrupt("/integrations") }, 1},
	} {
		for _, remove := range []bool{false, true} {
			if remove && tc.code < 0 {
				continue
			}
			t.Run(fmt.Sprintf("%s, remove: %t", name, remove), func(t *testing.T) {
				t.Chdir(t.TempDir())
				synctest.Test(t, func(t *testing.T) {
					c := newCloud(t)
					newTunnel(c)
					before := c.client.Transport
					ctx := tc.given(c)
					if tc.code >= 0 {
						if code, _, stderr := c.runUntil(ctx, c.adapter(hitl.Options{}), "", "dev", "--tunnel", "http://tunnel.test"); code != tc.code {
							t.Errorf("exit code %d: %s", code, stderr)
						}
						c.client.Transport = before
					}
					if remove && tc.code >= 0 {
						code, _, stderr := c.run(c.adapter(hitl.Options{}), "", "dev", "--tunnel", "http://tunnel.test", "--delete")
						if _, there := c.Deployed("acme/acme-desk", "1.0.0"); code != 0 || there || !strings.Contains(stderr, "is deleted") {
							t.Errorf("--delete: exit code %d, still there: %t: %s", code, there, stderr)
						}
						return
					}
					c.startDev(c.adapter(hitl.Options{}))
					in := c.installDev() // with the new secret
					jane := in.NewEndUser(botpresstest.Profile{Name: "Jane", Email: "jane@example.com"})
					c.step(jane.Escalate(t.Context(), botpresstest.Escalation{Title: "Help"}))
					if n := c.count("rotateIntegrationSigningSecrets"); n != 1 {
						t.Errorf("rotated %d times, want once", n)
					}
				})
			})
		}
	}
}

// What this folder has not made is neither taken nor deleted, and the command says so.
func TestDevOfAnotherFolder(t *testing.T) {
	const another, production = "there is one already, which is not of this folder; run 'dev' in the folder", "it is deployed for production; change Definition.Version to develop\n"
	for name, tc := range map[string]struct {
		first []string
		want  string
	}{
		"a development version":    {nil, another},
		"what is in production":    {[]string{"deploy", "--url", "https://example.com", "--yes"}, production},
		"production at a tunnel's": {[]string{"deploy", "--url", "http://tunnel.test/x", "--yes"}, production},
	} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			synctest.Test(t, func(t *testing.T) {
				c := newCloud(t)
				newTunnel(c)
				if tc.first == nil {
					c.startDev(c.adapter(hitl.Options{})).end()
				} else if code, _, stderr := c.run(c.adapter(hitl.Options{}), "", tc.first...); code != 0 {
					t.Fatal(stderr)
				}
				if err := os.RemoveAll(".hitl-dev"); err != nil {
					t.Fatal(err)
				}
				remove := func() {
					t.Helper()
					code, _, stderr := c.run(c.adapter(hitl.Options{}), "", "dev", "--tunnel", "http://tunnel.test", "--delete")
					if want := "acme: .hitl-dev in this folder names no development version, so nothing is deleted; run this where 'dev' ran"; code != 1 || !strings.HasPrefix(stderr, want) {
						t.Errorf("--delete: exit code %d: %s", code, stderr)
					}
				}
				remove()
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				code, _, stderr := c.runUntil(ctx, c.adapter(hitl.Options{}), "", "dev", "--tunnel", "http://tunnel.test")
				if want := "acme: could not create the development version of acme/acme-desk 1.0.0: " + tc.want; code != 1 || !strings.HasPrefix(stderr, want) {
					t.Errorf("exit code %d: %s", code, stderr)
				}
				remove()
				if _, there := c.Deployed("acme/acme-desk", "1.0.0"); !there || c.count("rotateIntegrationSigningSecrets") != 0 {
					t.Errorf("it is still there: %t", there)
				}
			})
		})
	}
}

// A development version is not taken for what is in production: it stays at its tunnel, with its secret.
func TestDevIsNotProduction(t *testing.T) {
	t.Chdir(t.TempDir())
	synctest.Test(t, func(t *testing.T) {
		c := newCloud(t)
		newTunnel(c)
		c.startDev(c.adapter(hitl.Options{})).end()
		before := c.integration()
		for _, args := range [][]string{append([]string{"deploy", "--access-key"}, yes...), {"deploy", "--dry-run"}, {"rotate-secret", "--yes"}} {
			code, stdout, stderr := c.run(withRating(t, c.adapter(hitl.Options{})), "", args...)
			want := "acme: acme/acme-desk 1.0.0 is a development version; delete it with 'dev --delete', or change Definition.Version\n"
			if code != 1 || stdout != "" || stderr != want {
				t.Errorf("%v: exit code %d, stdout %q, stderr %q", args, code, stdout, stderr)
			}
		}
		if diff := cmp.Diff(before, c.integration()); diff != "" || c.count("rotateIntegrationSigningSecrets") != 0 {
			t.Errorf("it has changed:\n%s", diff)
		}
		if code, _, stderr := c.run(c.adapter(hitl.Options{}), "", "dev", "--delete"); code != 0 {
			t.Fatal(stderr)
		}
		if code, _, stderr := c.run(c.adapter(hitl.Options{}), "", append([]string{"deploy"}, yes...)...); code != 0 || c.integration()["dev"] == true {
			t.Errorf("afterwards: exit code %d: %s", code, stderr)
		}
	})
}

// What is in production is neither changed nor deleted, even if the folder names it.
func TestDevKeepsOffProduction(t *testing.T) {
	t.Chdir(t.TempDir())
	synctest.Test(t, func(t *testing.T) {
		c := newCloud(t)
		newTunnel(c)
		if code, _, stderr := c.run(c.adapter(hitl.Options{}), "", append([]string{"deploy"}, yes...)...); code != 0 {
			t.Fatal(stderr)
		}
		before := c.integration()
		state := fmt.Sprintf(`{"tunnelId":"abc","integrationId":%q,"workspaceId":%q}`, before["id"], botpresstest.WorkspaceID)
		if err := os.Mkdir(".hitl-dev", 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(".hitl-dev/state.json", []byte(state), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{{"dev", "--tunnel", "http://tunnel.test"}, {"dev", "--delete"}} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			code, _, stderr := c.runUntil(ctx, c.adapter(hitl.Options{}), "", args...)
			want := "acme: .hitl-dev names acme/acme-desk 1.0.0, which is deployed for production; remove the folder, and change Definition.Version to develop\n"
			if code != 1 || stderr != want {
				t.Errorf("%v: exit code %d: %s", args, code, stderr)
			}
		}
		if _, there := c.Deployed("acme/acme-desk", "1.0.0"); !there {
			t.Fatal("it is deleted")
		}
		if diff := cmp.Diff(before, c.integration()); diff != "" {
			t.Errorf("it has changed:\n%s", diff)
		}
	})
}

// An address that no tunnel has is refused before anything is deployed with it. One of a WebSocket is that of its server.
func TestDevTunnelAddress(t *testing.T) {
	for address, ok := range map[string]bool{
		"ws://tunnel.test": true, "HTTP://tunnel.test/": true,
		"tunnel.test": false, "//tunnel.test": false, "ftp://tunnel.test": false, "http://": false, "http://:80": false, "http://tunnel.test?": false, "http://me:x@tunnel.test": false,
		"http://tunnel.test?x=1": false, "http://tunnel.test#x": false, ":": false, "": false,
	} {
		t.Run(address, func(t *testing.T) {
			t.Chdir(t.TempDir())
			synctest.Test(t, func(t *testing.T) {
				c := newCloud(t)
				newTunnel(c)
				if ok {
					c.startDev(c.adapter(hitl.Options{}), "--tunnel", address)
					c.installDev() // at an address of HTTP
					return
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				code, _, stderr := c.runUntil(ctx, c.adapter(hitl.Options{}), "", "dev", "--tunnel", address)
				if want := "acme: --tunnel, or BP_TUNNEL_URL, must be an address like https://tunnel.botpress.cloud\n"; code != 2 || !strings.HasPrefix(stderr, want) {
					t.Errorf("exit code %d: %s", code, stderr)
				}
				if calls := c.Calls(); len(calls) != 0 {
					t.Errorf("there were %d calls", len(calls))
				}
			})
		})
	}
}

// What goes wrong in the tunnel is told.
func TestDevTellsOfTheTunnel(t *testing.T) {
	t.Chdir(t.TempDir())
	synctest.Test(t, func(t *testing.T) {
		c := newCloud(t)
		tunnel := newTunnel(c)
		dev := c.startDev(c.adapter(hitl.Options{}))
		tunnel.mu.Lock()
		for _, tail := range tunnel.tails {
			if err := tail.Write(t.Context(), websocket.MessageText, []byte(`{`)); err != nil {
				t.Error(err)
			}
		}
		tunnel.mu.Unlock()
		dev.says(`level=WARN msg="the tunnel has sent what is no request"`)
	})
}

// A restart makes a new server, also if an operation of the one before hangs.
func TestDevRestart(t *testing.T) {
	for name, hangs := range map[string]time.Duration{"no operation": 0, "one that ends in time": 50 * time.Second, "one that hangs": 10 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			synctest.Test(t, func(t *testing.T) {
				c := newCloud(t)
				newTunnel(c)
				var hung atomic.Bool
				c.desk.Before = func(_ context.Context, method string) error {
					if method == "SendMessage" && !hung.Swap(true) {
						<-time.After(hangs) // without regard to its context
					}
					return nil
				}
				dev := c.startDev(c.adapter(hitl.Options{}))
				jane := c.installDev().NewEndUser(botpresstest.Profile{Name: "Jane", Email: "jane@example.com"})
				c.step(jane.Escalate(t.Context(), botpresstest.Escalation{Title: "Help"}))
				go func() { _ = jane.Say(t.Context(), message.Text{Text: "Are you there?"}) }()
				<-time.After(2 * time.Second)
				dev.restart <- syscall.SIGUSR1
				<-time.After(2 * time.Minute)
				select {
				case <-dev.ended:
					t.Fatalf("it has ended:\n%s", dev.stderr)
				default:
				}
				if told := strings.Contains(dev.stderr.String(), "What it did before has not ended: "); told != (hangs > time.Minute) {
					t.Errorf("it says:\n%s", dev.stderr)
				}
				<-time.After(10 * time.Minute)
			})
		})
	}
}

// The token of a profile goes to the address of that profile, whatever the environment has.
func TestTokenOfAProfileStaysAtItsAddress(t *testing.T) {
	home := t.TempDir()
	if err := os.MkdirAll(filepath.Join(home, ".botpress"), 0o700); err != nil {
		t.Fatal(err)
	}
	profiles := `{"staging": {"token": "bp_pat_staging", "workspaceId": "wkspace_staging", "apiUrl": "http://staging.test"},
		"bare": {"token": "bp_pat_bare"}, "default": {"token": "bp_pat_default", "workspaceId": "wkspace_default", "apiUrl": "http://default.test"}}`
	if err := os.WriteFile(filepath.Join(home, ".botpress", "profiles.json"), []byte(profiles), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		args []string
		env  map[string]string
		call string // the first one
		want string // what is said
	}{
		"all is the profile's": {
			[]string{"--profile", "staging"},
			nil,
			"http://staging.test/v1/admin/workspaces/wkspace_staging Bearer bp_pat_staging", `with the token and the address of the profile "staging": could not read workspace wkspace_staging`,
		},
		"but the workspace of the command line": {
			[]string{"--profile", "staging", "--workspace", "wkspace_mine"},
			nil,
			"http://staging.test/v1/admin/workspaces/wkspace_mine Bearer bp_pat_staging", `of the profile "staging"`,
		},
		"a profile without an address": {
			[]string{"--profile", "bare", "--workspace", "wkspace_mine"},
			nil,
			"https://api.botpress.cloud/v1/admin/workspaces/wkspace_mine Bearer bp_pat_bare", `of the profile "bare"`,
		},
		"a profile without a workspace": {[]string{"--profile", "bare"}, nil, "", `the profile "bare" names no workspace; set --workspace`},
		"no token in the environment": {
			nil,
			map[string]string{"BP_TOKEN": ""},
			"http://default.test/v1/admin/workspaces/wkspace_environment Bearer bp_pat_default", `of the profile "default"`,
		},
		"a token in the environment": {
			nil, nil,
			"http://environment.test/v1/admin/workspaces/wkspace_environment Bearer bp_pat_environment", `acme: could not read workspace wkspace_environment`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			synctest.Test(t, func(t *testing.T) {
				c := newCloud(t)
				c.env = map[string]string{"HOME": home, "BP_TOKEN": "bp_pat_environment", "BP_WORKSPACE_ID": "wkspace_environment", "BP_API_URL": "http://environment.test"}
				maps.Copy(c.env, tc.env)
				var calls []string
				c.client.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
					calls = append(calls, r.URL.String()+" "+r.Header.Get("Authorization"))
					return &http.Response{StatusCode: http.StatusForbidden, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
				})
				code, _, stderr := c.run(c.adapter(hitl.Options{}), "", append([]string{"dev"}, tc.args...)...)
				if code != 1 || strings.Join(calls, "\n") != tc.call || !strings.Contains(stderr, tc.want) {
					t.Errorf("exit code %d, calls %q: %s", code, calls, stderr)
				}
			})
		})
	}
}
