package cli_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/botpress/botpresstest"
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/hitl/cli"
	"github.com/hitl-go/sdk/internal/acme"
)

// run runs a command line of Acme Desk's adapter, without a Botpress.
func run(t *testing.T, env map[string]string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	s, err := acme.NewServer(acme.Definition(true), &acme.Desk{}, &hitl.Options{Insecure: true, Botpress: botpress.Options{Token: "token"}})
	if err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	app := cli.App{
		Server: s, Name: "acme", Args: append([]string{}, args...), Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs,
		Getenv: func(name string) string { return env[name] },
	}
	code = app.Run(t.Context())
	return code, out.String(), errs.String()
}

func TestWrongCommandLine(t *testing.T) {
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"unknown command":           {[]string{"depoly"}, "acme: there is no command \"depoly\"\nSee 'acme --help'.\n"},
		"unknown command, and help": {[]string{"depoly", "--help"}, "acme: there is no command \"depoly\"\nSee 'acme --help'.\n"},
		"help about it":             {[]string{"help", "depoly"}, "acme: there is no command \"depoly\"\nSee 'acme help --help'.\n"},
		"unknown flag":              {[]string{"deploy", "--force"}, "acme: flag provided but not defined: -force\nSee 'acme deploy --help'.\n"},
		"argument":                  {[]string{"version", "now"}, "acme: acme version takes no arguments, and \"now\" is one\nSee 'acme version --help'.\n"},
		"visibility":                {[]string{"deploy", "--visibility", "secret"}, "acme: --visibility is \"secret\"; it must be private, unlisted or public\nSee 'acme deploy --help'.\n"},
		"--addr without a page":     {[]string{"dev", "--addr", "127.0.0.1:9999"}, "acme: --addr is only for --playground\nSee 'acme dev --help'.\n"},
		"--open without a page":     {[]string{"dev", "--open", "--playground=false"}, "acme: --open is only for --playground\nSee 'acme dev --help'.\n"},
		"a page of what is deleted": {[]string{"dev", "--delete", "--playground"}, "acme: --delete ends the command at once; leave out --playground and --verbose\nSee 'acme dev --help'.\n"},
		"requests to what is gone":  {[]string{"dev", "-v", "--delete"}, "acme: --delete ends the command at once; leave out --playground and --verbose\nSee 'acme dev --help'.\n"},
	} {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := run(t, nil, tc.args...)
			if code != 2 || stdout != "" || stderr != tc.want {
				t.Errorf("exit code %d, stdout %q, stderr %q; want 2 and %q", code, stdout, stderr, tc.want)
			}
		})
	}
}

// An address is refused that is none, or that nothing can be added to.
func TestWrongURL(t *testing.T) {
	for _, address := range []string{
		"desk.example.com", "ftp://desk.example.com", "https://", "https://:8443", "https://me:x@desk.example.com",
		"https://desk.example.com?x=1", "https://desk.example.com/?", "https://desk.example.com#x", "https://desk.example.com/#",
	} {
		code, stdout, stderr := run(t, nil, "deploy", "--url", address)
		want := "acme: --url must be an http or https address like https://desk.example.com, without a user name, a query and a fragment\nSee 'acme deploy --help'.\n"
		if code != 2 || stdout != "" || stderr != want {
			t.Errorf("%s: exit code %d, stdout %q, stderr %q", address, code, stdout, stderr)
		}
	}
}

func TestHelp(t *testing.T) {
	for _, args := range [][]string{{"--help"}, {"serve", "--help"}, {"deploy", "--help"}, {"definition", "--help"}, {"rotate-secret", "--help"}, {"version", "--help"}, {"sessions", "--help"}, {"session", "--help"}, {"help"}, {"help", "deploy"}} {
		code, stdout, stderr := run(t, nil, args...)
		if code != 0 || stderr != "" || !strings.Contains(stdout, "Usage:") {
			t.Errorf("%v: exit code %d, stderr %q, stdout:\n%s", args, code, stderr, stdout)
		}
	}
}

func TestDefinition(t *testing.T) {
	_, stdout, _ := run(t, nil, "definition")
	var body botpress.CreateIntegrationParams
	if err := json.Unmarshal([]byte(stdout), &body); err != nil {
		t.Fatal(err)
	}
	if body.Name != "acme-desk" || body.Actions["createTicket"] == nil {
		t.Errorf("got %s", stdout)
	}

	_, stdout, _ = run(t, nil, "definition", "--interface")
	var published botpress.CreateInterfaceParams
	if err := json.Unmarshal([]byte(stdout), &published); err != nil {
		t.Fatal(err)
	}
	if published.Name != "hitl" || published.Version != "2.1.0" || published.Actions["startHitl"] == nil {
		t.Errorf("got %s", stdout)
	}
}

func TestVersion(t *testing.T) {
	_, stdout, _ := run(t, nil, "version")
	lines := strings.Split(stdout, "\n")
	if diff := cmp.Diff([]string{"acme-desk 1.0.0", "interface hitl 2.1.0"}, lines[:2]); diff != "" || len(lines) != 5 {
		t.Errorf("-want +got:\n%s%s", diff, stdout)
	}
}

func TestServeChecksTheLog(t *testing.T) {
	for env, want := range map[string]string{
		"LOG_LEVEL=loud": `LOG_LEVEL is "loud"; set it to debug, info, warn or error`, "BP_LOG_FORMAT=xml": `BP_LOG_FORMAT is "xml"; set it to json`,
	} {
		name, value, _ := strings.Cut(env, "=")
		code, _, stderr := run(t, map[string]string{name: value}, "serve", "--addr", "127.0.0.1:0")
		if code != 1 || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit code %d: %s", env, code, stderr)
		}
	}
}

func TestServe(t *testing.T) {
	s, err := acme.NewServer(acme.Definition(true), &acme.Desk{}, &hitl.Options{Insecure: true, Botpress: botpress.Options{Token: "token"}})
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		args []string
	}{
		"by default": {args: []string{"--addr", "127.0.0.1:0"}},
		"by name":    {args: []string{"serve", "--addr=127.0.0.1:0"}},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := s.With(func(*hitl.Options) {}) // a server serves once
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			read, write := io.Pipe()
			done := make(chan int, 1)
			go func() {
				app := cli.App{Server: s, Name: "acme", Args: tt.args, Stdout: io.Discard, Stderr: write, Getenv: func(string) string { return "" }}
				done <- app.Run(ctx)
				_ = write.Close()
			}()
			line, err := bufio.NewReader(read).ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			addr, ok := strings.CutPrefix(strings.TrimSpace(line), "acme-desk 1.0.0 is listening on ")
			if !ok {
				t.Fatalf("it says %q", line)
			}
			if status := get(t, "http://"+addr+"/health"); status != http.StatusOK {
				t.Errorf("/health answers %d", status)
			}
			cancel()
			if code := <-done; code != 0 {
				t.Errorf("exit code %d after an interrupt", code)
			}
		})
	}
}

func get(t *testing.T, url string) int {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	res, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode
}

func TestServeWhatIsNotReady(t *testing.T) {
	s, err := acme.NewServer(acme.Definition(true), &acme.Desk{}, &hitl.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var errs bytes.Buffer
	app := cli.App{Server: s, Name: "acme", Args: []string{}, Stderr: &errs, Getenv: func(string) string { return "" }}
	code := app.Run(t.Context())
	want := "acme: BP_TOKEN is not set; set it to the integration access key that 'deploy --access-key' prints\n" +
		"acme: BP_SIGNING_SECRET is not set; set it to the signing secret that 'deploy' prints\n"
	if code != 1 || errs.String() != want {
		t.Errorf("exit code %d: %s", code, errs.String())
	}
}

// TestRefusals checks that every failure prints a line that says what to do.
func TestRefusals(t *testing.T) {
	for name, tc := range map[string]struct {
		before func(*cloud)
		args   []string
		want   string
	}{
		"no token": {func(c *cloud) { delete(c.env, "BP_TOKEN") }, nil, "BP_TOKEN is not set; set it to a personal access token from the Botpress dashboard"},
		"no workspace": {
			func(c *cloud) { delete(c.env, "BP_WORKSPACE_ID") }, nil,
			"the workspace is not set; set BP_WORKSPACE_ID or --workspace to its id, which is in the URL of the Botpress dashboard",
		},
		"wrong token": {
			func(c *cloud) { c.env["BP_TOKEN"] = "wrong" }, nil,
			"could not read workspace {workspace}: BP_TOKEN is not a valid personal access token; create one in the Botpress dashboard: …",
		},
		"another's workspace": {
			nil,
			[]string{"--workspace", "wkspace_other"},
			"could not read workspace wkspace_other: the owner of BP_TOKEN has no permission for this in the workspace; check BP_WORKSPACE_ID, or ask an administrator of the workspace: …",
		},
		"no handle": {
			func(c *cloud) { c.SetHandle("") }, nil,
			`workspace "Acme Inc." has no handle, with which the names of its integrations must begin; choose one in its settings`,
		},
		"no URL": {nil, nil, "acme/acme-desk 1.0.0 is not deployed yet; add --url with the public address of the adapter to create it"},
		"nobody answers": {
			nil,
			[]string{"--url", "https://example.com"},
			`acme/acme-desk 1.0.0 will be created in workspace "Acme Inc.": private, at https://example.com.⏎Create it? [y/N] ⏎acme: nobody can confirm on standard input; add --yes to skip the question`,
		},
		"unknown secret": {
			nil, []string{"--secret", "KEY=value"}, "--secret KEY: the definition declares no such secret; add it to Definition.Secrets",
		},
		"interface not on the hub": {
			refusing("GET", "/hub/interfaces/", 404, "ResourceNotFound"), nil,
			"the interface hitl 2.1.0 is not on Botpress' hub; set Definition.InterfaceVersion to one that is: …",
		},
		"another's integration": {
			answering("GET", "/hub/integrations/", `{"integration": {"ownerWorkspace": {"handle": "emca"}}}`), nil,
			"acme/acme-desk 1.0.0 belongs to another workspace (emca); choose that workspace, or another Definition.Name",
		},
		"already exists": {
			refusing("POST", "/integrations", 409, "AlreadyExists"), yes,
			"could not create acme/acme-desk 1.0.0: somebody else has just deployed it; retry to update it: …",
		},
		"conflict": {
			refusing("POST", "/integrations", 409, "ResourceLockedConflict"), yes,
			"could not create acme/acme-desk 1.0.0: somebody else is changing it; retry in a moment: …",
		},
		"quota": {
			refusing("POST", "/integrations", 403, "QuotaExceeded"), yes,
			"could not create acme/acme-desk 1.0.0: the plan of the workspace does not allow it; see its billing in the Botpress dashboard: …",
		},
		"bad schema": {
			refusing("POST", "/integrations", 400, "InvalidJsonSchema"), yes,
			"could not create acme/acme-desk 1.0.0: Botpress rejects the definition; the command 'definition' prints it: …",
		},
		"access key": {
			refusing("POST", "/integrations/iaks", 403, "Forbidden"), append(yes, "--access-key"),
			"could not create an access key (the integration is deployed): the owner of BP_TOKEN has no permission for this in the workspace; check BP_WORKSPACE_ID, or ask an administrator of the workspace: …",
		},
		"no network": {
			func(c *cloud) { c.env["BP_API_URL"] = "http://nobody.test" }, nil,
			"could not read workspace {workspace}: Botpress cannot be reached; check the network, the proxy, and BP_API_URL if it is set: …",
		},
		"no such workspace": {
			refusing("GET", "/workspaces/", 404, "ResourceNotFound"), nil,
			"could not read workspace {workspace}: check BP_WORKSPACE_ID, and BP_API_URL if it is set: …",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCloud(t)
				if tc.before != nil {
					tc.before(c)
				}
				code, _, stderr := c.run(c.adapter(hitl.Options{}), "", append([]string{"deploy"}, tc.args...)...)
				want := strings.ReplaceAll(tc.want, "{workspace}", botpresstest.WorkspaceID)
				if !strings.HasPrefix(want, "acme/") || strings.Contains(want, "add --url") {
					want = "acme: " + want
				}
				if want = strings.ReplaceAll(want, "⏎", "\n") + "\n"; !strings.HasSuffix(fold(stderr), want) {
					t.Errorf("-want +got:\n%s", cmp.Diff(want, fold(stderr)))
				}
				if code != 1 {
					t.Errorf("exit code %d", code)
				}
			})
		})
	}
}

var yes = []string{"--url", "https://example.com", "--yes"}

// fold removes the client's description of the call.
func fold(stderr string) string {
	if head, _, found := strings.Cut(stderr, ": botpress: "); found {
		return head + ": …\n"
	}
	return stderr
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// answering answers calls to a path instead of Botpress.
func answering(method, path, body string) func(*cloud) {
	return func(c *cloud) { c.intercept(method, path, http.StatusOK, body) }
}

func refusing(method, path string, status int, kind string) func(*cloud) {
	return func(c *cloud) {
		c.intercept(method, path, status, fmt.Sprintf(`{"id": "err_1", "code": %d, "type": %q, "message": "words of\nthe API"}`, status, kind))
	}
}

func (c *cloud) intercept(method, path string, status int, body string) {
	next := c.client.Transport
	c.client.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
		if r.Method != method || !strings.Contains(r.URL.Path, path) || strings.HasSuffix(path, "s") && !strings.HasSuffix(r.URL.Path, path) {
			return next.RoundTrip(r)
		}
		return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
	})
}

func TestBreakingChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud(t)
		if code, _, stderr := c.run(withRating(t, c.adapter(hitl.Options{})), "", "deploy", "--url", "https://example.com", "--visibility", "public", "--yes"); code != 0 {
			t.Fatal(stderr)
		}
		for _, args := range [][]string{{"deploy", "--yes"}, {"deploy", "--dry-run"}} {
			code, _, stderr := c.run(c.adapter(hitl.Options{}), "", args...)
			if want := "it would break bots that have this version installed; increase Definition.Version and deploy that"; code != 1 || !strings.Contains(stderr, want) {
				t.Errorf("%v: exit code %d: %s", args, code, stderr)
			}
		}
	})
}

func TestDryRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud(t)
		dry := func(s *hitl.Server) {
			t.Helper()
			code, stdout, stderr := c.run(s, "", "deploy", "--url", "https://example.com", "--dry-run")
			if code != 0 || stdout != "" || !strings.HasSuffix(stderr, "Botpress would accept it. Nothing has changed.\n") {
				t.Errorf("exit code %d, stdout %q, stderr %q", code, stdout, stderr)
			}
		}
		dry(c.adapter(hitl.Options{}))
		if _, there := c.Deployed("acme/acme-desk", "1.0.0"); there {
			t.Fatal("it has been deployed")
		}
		if code, _, stderr := c.run(c.adapter(hitl.Options{}), "", "deploy", "--url", "https://example.com", "--yes"); code != 0 {
			t.Fatal(stderr)
		}
		before := c.integration()
		dry(withRating(t, c.adapter(hitl.Options{})))
		if diff := cmp.Diff(before, c.integration()); diff != "" {
			t.Errorf("it has been updated:\n%s", diff)
		}
	})
}

func TestRotateSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud(t)
		code, _, stderr := c.run(c.adapter(hitl.Options{}), "", "rotate-secret", "--yes")
		if want := "acme: acme/acme-desk 1.0.0 is not deployed in workspace \"Acme Inc.\"; run 'deploy', which prints its first secret\n"; code != 1 || stderr != want {
			t.Errorf("exit code %d: %s", code, stderr)
		}
		_, first, _ := c.run(c.adapter(hitl.Options{}), "", "deploy", "--url", "https://example.com", "--yes")
		code, second, stderr := c.run(c.adapter(hitl.Options{}), "y\n", "rotate-secret")
		if code != 0 {
			t.Fatal(stderr)
		}
		newest := value(t, second, "BP_SIGNING_SECRET")
		spec, _ := c.Deployed("acme/acme-desk", "1.0.0")
		if newest == value(t, first, "BP_SIGNING_SECRET") || newest != spec.SigningSecret {
			t.Errorf("%s is not a new secret", newest)
		}
	})
}
