package cli_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hitl-go/sdk/botpress/botpresstest"
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/hitl/cli"
)

// TestHeaders: every call has the headers of Botpress' own command line.
func TestHeaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud(t)
		var calls []http.Header
		next := c.client.Transport
		c.client.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
			calls = append(calls, r.Header.Clone())
			return next.RoundTrip(r)
		})
		for _, tc := range []struct {
			args     []string
			bypasses string
		}{
			{append([]string{"deploy", "--access-key"}, yes...), ""},
			{[]string{"deploy", "--yes", "--bypass-breaking-changes"}, "true"},
			{[]string{"rotate-secret", "--yes"}, ""},
		} {
			calls = nil
			if code, _, stderr := c.run(c.adapter(hitl.Options{}), "", tc.args...); code != 0 || len(calls) < 3 {
				t.Fatalf("%v: exit code %d after %d calls: %s", tc.args, code, len(calls), stderr)
			}
			for _, header := range calls {
				multiple, bypasses := header.Get("x-multiple-integrations"), header.Get("x-bypass-breaking-changes-detection")
				if multiple != "true" || bypasses != tc.bypasses {
					t.Errorf("%v: a call had x-multiple-integrations %q and x-bypass-breaking-changes-detection %q", tc.args, multiple, bypasses)
				}
			}
		}
	})
}

// TestDeployRetries: a deployment survives transient failures of every call that may be repeated, and a call that takes three minutes.
func TestDeployRetries(t *testing.T) {
	type fault = botpresstest.Fault
	for name, fault := range map[string]fault{
		"429 to a create":        {Operation: "createIntegration", Kind: botpresstest.RateLimited, Times: 3},
		"500 to a create":        {Operation: "createIntegration", Kind: botpresstest.InternalError, Times: 3},
		"503 to a create":        {Operation: "createIntegration", Kind: botpresstest.Unavailable, Times: 3},
		"429 to an access key":   {Operation: "createIntegrationApiKey", Kind: botpresstest.RateLimited, Times: 3},
		"503 to a lookup":        {Operation: "getIntegrationByName", Kind: botpresstest.Unavailable, Times: 3},
		"a create of 3 minutes":  {Operation: "createIntegration", Kind: botpresstest.Delay, Delay: 179 * time.Second},
		"a lookup of 3 minutes":  {Operation: "getIntegrationByName", Kind: botpresstest.Delay, Delay: 179 * time.Second},
		"a connection that ends": {Operation: "getIntegrationByName", Kind: botpresstest.DropAfter, Times: 3},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCloud(t)
				c.Fault(fault)
				code, stdout, stderr := c.run(c.adapter(hitl.Options{}), "", append([]string{"deploy", "--access-key"}, yes...)...)
				if code != 0 || !strings.Contains(stdout, "BP_SIGNING_SECRET=") || !strings.Contains(stdout, "BP_TOKEN=") {
					t.Errorf("exit code %d, stdout %q, stderr %q", code, stdout, stderr)
				}
			})
		})
	}
	t.Run("not forever", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := newCloud(t)
			c.Fault(fault{Operation: "createIntegration", Kind: botpresstest.Unavailable})
			code, _, stderr := c.run(c.adapter(hitl.Options{}), "", append([]string{"deploy"}, yes...)...)
			if want := "Botpress has failed; retry later"; code != 1 || !strings.Contains(stderr, want) {
				t.Errorf("exit code %d, stderr %q", code, stderr)
			}
			if n := c.count("createIntegration"); n != 4 {
				t.Errorf("%d attempts, want 4", n)
			}
		})
	})
}

func (c *cloud) count(operation string) (n int) {
	for _, call := range c.Calls() {
		if call.Operation == operation {
			n++
		}
	}
	return n
}

// lose replaces the answers of the first so many calls to a path, which have done their work, by that of a gateway that gives up.
func (c *cloud) lose(path string, times int) {
	next := c.client.Transport
	c.client.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
		res, err := next.RoundTrip(r)
		if err != nil || times == 0 || r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, path) {
			return res, err
		}
		times--
		_ = res.Body.Close()
		return &http.Response{StatusCode: http.StatusGatewayTimeout, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("<html>")), Request: r}, nil
	})
}

// interrupt ends ctx when a call to a path has done its work, and before its answer has come.
func (c *cloud) interrupt(path string) (ctx context.Context) {
	ctx, cancel := context.WithCancel(c.t.Context())
	next := c.client.Transport
	c.client.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
		if err := r.Context().Err(); err != nil {
			return nil, err
		}
		res, err := next.RoundTrip(r)
		if err == nil && r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, path) {
			cancel()
			_ = res.Body.Close()
			return nil, context.Canceled
		}
		return res, err
	})
	return ctx
}

// TestLostCreate: if the answer that has the signing secret does not arrive, the command fails and says how to get another one.
func TestLostCreate(t *testing.T) {
	const created = "acme: acme/acme-desk 1.0.0 is created, and the answer with its signing secret was lost; make a new one with 'rotate-secret'"
	const perhaps = "acme: acme/acme-desk 1.0.0 may have been created; deploy it again, and if it is there, make a new signing secret with 'rotate-secret'"
	none := func(c *cloud) context.Context { return c.t.Context() }
	down := func(c *cloud) {
		c.Fault(botpresstest.Fault{Operation: "getIntegrationByName", Kind: botpresstest.Unavailable, Skip: 1})
	}
	for name, tc := range map[string]struct {
		given func(*cloud) context.Context
		want  string // the last line begins with it
		there bool
	}{
		"the connection ends": {func(c *cloud) context.Context {
			c.Fault(botpresstest.Fault{Operation: "createIntegration", Kind: botpresstest.DropAfter, Times: 1})
			return none(c)
		}, created, true},
		"each connection ends": {func(c *cloud) context.Context {
			c.Fault(botpresstest.Fault{Operation: "createIntegration", Kind: botpresstest.DropAfter})
			return none(c)
		}, created, true},
		"a gateway gives up": {func(c *cloud) context.Context {
			c.lose("/integrations", 1)
			return none(c)
		}, created, true},
		"a gateway gives up each time": {func(c *cloud) context.Context {
			c.lose("/integrations", -1)
			return none(c)
		}, created, true},
		"it takes too long": {func(c *cloud) context.Context {
			c.Fault(botpresstest.Fault{Operation: "createIntegration", Kind: botpresstest.Late, Delay: 5 * time.Minute})
			return none(c)
		}, perhaps, false},
		"an interrupt": {func(c *cloud) context.Context { return c.interrupt("/integrations") }, created, true},
		"an interrupt, and nobody knows": {func(c *cloud) context.Context {
			down(c)
			return c.interrupt("/integrations")
		}, perhaps, true},
		"Botpress fails": {func(c *cloud) context.Context {
			c.Fault(botpresstest.Fault{Operation: "createIntegration", Kind: botpresstest.Unavailable})
			return none(c)
		}, perhaps + ": could not create acme/acme-desk 1.0.0: Botpress has failed; retry later", false},
		"an answer without the secret": {func(c *cloud) context.Context {
			answering("POST", "/integrations", `{"integration": {"id": "intver_1"}}`)(c)
			return none(c)
		}, "acme: acme/acme-desk 1.0.0 is created, and Botpress did not return its signing secret; make a new one with 'rotate-secret'", false},
		"an answer that is none": {func(c *cloud) context.Context {
			answering("POST", "/integrations", `<html>`)(c)
			return none(c)
		}, perhaps, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCloud(t)
				before := c.client.Transport
				code, stdout, stderr := c.runUntil(tc.given(c), c.adapter(hitl.Options{}), "", append([]string{"deploy", "--access-key"}, yes...)...)
				lines := strings.Split(strings.TrimSpace(stderr), "\n")
				if code != 1 || stdout != "" || !strings.HasPrefix(lines[len(lines)-1], tc.want) {
					t.Errorf("exit code %d, stdout %q, stderr %q", code, stdout, stderr)
				}
				if _, there := c.Deployed("acme/acme-desk", "1.0.0"); there != tc.there {
					t.Errorf("created: %t", there)
				}
				if !tc.there {
					<-time.After(10 * time.Minute)
					return
				}
				c.client.Transport = before
				if code, _, stderr := c.run(c.adapter(hitl.Options{}), "", "rotate-secret", "--yes"); tc.want == created && code != 0 {
					t.Errorf("rotate-secret: exit code %d: %s", code, stderr)
				}
			})
		})
	}
}

// TestCreatedMeanwhile: an integration that somebody else creates while the question waits is updated.
func TestCreatedMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud(t)
		next, first := c.client.Transport, true
		c.client.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodPost && first {
				first = false
				if code, _, stderr := c.run(c.adapter(hitl.Options{}), "", append([]string{"deploy"}, yes...)...); code != 0 {
					t.Errorf("exit code %d: %s", code, stderr)
				}
			}
			return next.RoundTrip(r)
		})
		code, stdout, stderr := c.run(c.adapter(hitl.Options{}), "", append([]string{"deploy", "--access-key"}, yes...)...)
		if code != 0 || strings.Contains(stdout, "BP_SIGNING_SECRET=") || !strings.Contains(stdout, "BP_TOKEN=") {
			t.Errorf("exit code %d, stdout %q", code, stdout)
		}
		if want := "Its signing secret has not changed; if it is lost, make a new one with 'rotate-secret'.\n"; !strings.HasSuffix(stderr, want) {
			t.Errorf("stderr %q does not end with %q", stderr, want)
		}
	})
}

// TestLostRotation: a rotation is made once, and whoever does not get the new secret is told to rotate again while the old one is valid.
func TestLostRotation(t *testing.T) {
	const again = "; run 'rotate-secret' again within 24 hours, while the old one is valid: "
	const perhaps = "acme: the signing secret of acme/acme-desk 1.0.0 may have been rotated" + again
	const rotated = "acme: the signing secret of acme/acme-desk 1.0.0 is rotated, and the new one could not be written" + again
	const rotate = "rotateIntegrationSigningSecrets"
	for name, tc := range map[string]struct {
		given func(*cloud) context.Context
		want  string // the last line begins with it
		times int    // how often Botpress is asked
	}{
		"the connection ends": {func(c *cloud) context.Context {
			c.Fault(botpresstest.Fault{Operation: rotate, Kind: botpresstest.DropAfter})
			return c.t.Context()
		}, perhaps, 1},
		"a gateway gives up": {func(c *cloud) context.Context {
			c.lose("/rotate", -1)
			return c.t.Context()
		}, perhaps, 1},
		"an interrupt": {func(c *cloud) context.Context { return c.interrupt("/rotate") }, perhaps, 1},
		"no secret": {func(c *cloud) context.Context {
			answering("POST", "/rotate", `{"newSigningSecret": ""}`)(c)
			return c.t.Context()
		}, perhaps, 0},
		"what is no secret": {func(c *cloud) context.Context {
			answering("POST", "/rotate", `{"newSigningSecret": "$(id)"}`)(c)
			return c.t.Context()
		}, rotated, 0},
		"refused": {func(c *cloud) context.Context {
			refusing("POST", "/rotate", http.StatusForbidden, "Forbidden")(c)
			return c.t.Context()
		}, "acme: could not make a new secret for acme/acme-desk 1.0.0: the owner of BP_TOKEN has no permission", 0},
		"too many calls": {func(c *cloud) context.Context {
			c.Fault(botpresstest.Fault{Operation: rotate, Kind: botpresstest.RateLimited})
			return c.t.Context()
		}, "acme: could not make a new secret for acme/acme-desk 1.0.0: there were too many calls", 4},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCloud(t)
				if code, _, stderr := c.run(c.adapter(hitl.Options{}), "", append([]string{"deploy"}, yes...)...); code != 0 {
					t.Fatal(stderr)
				}
				code, stdout, stderr := c.runUntil(tc.given(c), c.adapter(hitl.Options{}), "", "rotate-secret", "--yes")
				lines := strings.Split(strings.TrimSpace(stderr), "\n")
				if code != 1 || stdout != "" || !strings.HasPrefix(lines[len(lines)-1], tc.want) {
					t.Errorf("exit code %d, stdout %q, stderr %q", code, stdout, stderr)
				}
				if n := c.count(rotate); n != tc.times {
					t.Errorf("Botpress was asked %d times, want %d", n, tc.times)
				}
			})
		})
	}
	t.Run("nowhere to write", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := newCloud(t)
			if code, _, stderr := c.run(c.adapter(hitl.Options{}), "", append([]string{"deploy"}, yes...)...); code != 0 {
				t.Fatal(stderr)
			}
			var stderr strings.Builder
			app := cli.App{
				Server: c.adapter(hitl.Options{}), Name: "acme", Args: []string{"rotate-secret", "--yes"}, Stdout: full{}, Stderr: &stderr,
				Getenv: func(name string) string { return c.env[name] }, HTTPClient: c.client,
			}
			if code := app.Run(t.Context()); code != 1 || !strings.Contains(stderr.String(), rotated+"no space left on device") {
				t.Errorf("exit code %d: %s", code, stderr.String())
			}
		})
	})
}

// full is a disk without space.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

// TestLostKey: an access key is made once, and whoever does not get it is told that it is there.
func TestLostKey(t *testing.T) {
	const (
		advice  = `delete the newest key "made by acme deploy" from the integration's access keys in the Botpress dashboard, and run 'deploy --access-key' again: `
		perhaps = "acme: the integration is deployed, and an access key may have been made that nobody knows; if it is there, " + advice
		lost    = "acme: the integration is deployed, and its access key could not be written; " + advice
		create  = "createIntegrationApiKey"
	)
	for name, tc := range map[string]struct {
		given func(*cloud) context.Context
		want  string // the last line begins with it
		times int    // how often Botpress is asked
	}{
		"the connection ends": {func(c *cloud) context.Context {
			c.Fault(botpresstest.Fault{Operation: create, Kind: botpresstest.DropAfter})
			return c.t.Context()
		}, perhaps, 1},
		"a gateway gives up": {func(c *cloud) context.Context {
			c.lose("/iaks", -1)
			return c.t.Context()
		}, perhaps, 1},
		"an interrupt": {func(c *cloud) context.Context { return c.interrupt("/iaks") }, perhaps, 1},
		"what is no key": {func(c *cloud) context.Context {
			answering("POST", "/iaks", `{"id": "iak_1", "createdAt": "2026-01-01T00:00:00Z", "note": "", "value": "$(id)"}`)(c)
			return c.t.Context()
		}, lost, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCloud(t)
				code, stdout, stderr := c.runUntil(tc.given(c), c.adapter(hitl.Options{}), "", append([]string{"deploy", "--access-key"}, yes...)...)
				lines := strings.Split(strings.TrimSpace(stderr), "\n")
				if code != 1 || !strings.Contains(stdout, "BP_SIGNING_SECRET=") || !strings.HasPrefix(lines[len(lines)-1], tc.want) {
					t.Errorf("exit code %d, stdout %q, stderr %q", code, stdout, stderr)
				}
				if n := c.count(create); n != tc.times {
					t.Errorf("Botpress was asked %d times, want %d", n, tc.times)
				}
			})
		})
	}
}
