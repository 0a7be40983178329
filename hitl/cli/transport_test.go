package cli_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hitl-go/sdk/botpress/botpresstest"
	"github.com/hitl-go/sdk/hitl"
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

// TestDeployRetries: a deployment survives transient failures of every call, and a call that takes three minutes.
func TestDeployRetries(t *testing.T) {
	type fault = botpresstest.Fault
	for name, fault := range map[string]fault{
		"429 to a create":        {Operation: "createIntegration", Kind: botpresstest.RateLimited, Times: 3},
		"500 to a create":        {Operation: "createIntegration", Kind: botpresstest.InternalError, Times: 3},
		"503 to a create":        {Operation: "createIntegration", Kind: botpresstest.Unavailable, Times: 3},
		"503 to an access key":   {Operation: "createIntegrationApiKey", Kind: botpresstest.Unavailable, Times: 3},
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

// TestLostCreate: an integration that was created, though the answer was lost, is updated.
func TestLostCreate(t *testing.T) {
	for name, lose := range map[string]func(*cloud){
		"the connection ends": func(c *cloud) {
			c.Fault(botpresstest.Fault{Operation: "createIntegration", Kind: botpresstest.DropAfter, Times: 1})
		},
		"a gateway gives up": func(c *cloud) {
			next, lost := c.client.Transport, false
			c.client.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
				res, err := next.RoundTrip(r)
				if err != nil || lost || r.Method != http.MethodPost {
					return res, err
				}
				lost = true
				_ = res.Body.Close()
				return &http.Response{StatusCode: http.StatusGatewayTimeout, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("<html>")), Request: r}, nil
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCloud(t)
				lose(c)
				code, stdout, stderr := c.run(c.adapter(hitl.Options{}), "", append([]string{"deploy", "--access-key"}, yes...)...)
				if code != 0 || strings.Contains(stdout, "BP_SIGNING_SECRET=") || !strings.Contains(stdout, "BP_TOKEN=") {
					t.Errorf("exit code %d, stdout %q", code, stdout)
				}
				if want := "make a new one with 'rotate-secret'.\n"; !strings.HasSuffix(stderr, want) || !strings.Contains(stderr, "is up to date") {
					t.Errorf("stderr %q does not end with %q", stderr, want)
				}
				if n := c.count("updateIntegration"); n != 1 {
					t.Errorf("%d updates, want 1", n)
				}
			})
		})
	}
}
