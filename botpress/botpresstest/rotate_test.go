package botpresstest_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/botpress/botpresstest"
	"github.com/hitl-go/sdk/internal/memnet"
)

// A rotated secret and an updated URL reach installations that exist already.
func TestInstalledFollowsDeployed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network memnet.Network
		cloud, err := network.Listen("botpress.test:80")
		if err != nil {
			t.Fatal(err)
		}
		s := botpresstest.NewServer(&botpresstest.Options{Listener: cloud, Client: network.Client()})
		defer s.Close()
		hc := network.Client()
		defer hc.CloseIdleConnections()
		me, err := botpress.New(botpress.Options{
			BaseURL: s.URL, Token: s.Token, WorkspaceID: botpresstest.WorkspaceID, BotID: s.BotID, HTTPClient: hc,
		})
		if err != nil {
			t.Fatal(err)
		}
		type arrival struct {
			host string
			req  *http.Request
			body []byte
		}
		var last arrival
		for _, host := range []string{"one.test:80", "two.test:80"} {
			l, err := network.Listen(host)
			if err != nil {
				t.Fatal(err)
			}
			adapter := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				last = arrival{host, r, body}
				_, _ = io.WriteString(w, "{}")
			})}
			go func() { _ = adapter.Serve(l) }()
			defer func() { _ = adapter.Close() }()
		}
		ctx := t.Context()
		hitl, err := me.GetPublicInterface(ctx, "hitl", "2.1.0")
		if err != nil {
			t.Fatal(err)
		}
		created, err := me.CreateIntegration(ctx, desk(hitl.ID, func(p *botpress.CreateIntegrationParams) { p.URL = "http://one.test:80" }))
		if err != nil {
			t.Fatal(err)
		}
		spec, _ := s.Deployed("acme/desk", "1.0.0")
		in, err := s.Install(ctx, spec)
		if err != nil {
			t.Fatal(err)
		}
		verify := func(when string, secrets ...string) {
			t.Helper()
			if err := in.Ping(ctx); err != nil {
				t.Fatal(err)
			}
			if n := strings.Count(last.req.Header.Get("x-bp-signature"), ","); n != len(secrets) {
				t.Errorf("%s: %d hashes, want %d", when, n, len(secrets))
			}
			for i, secret := range secrets {
				v, err := botpress.NewVerifier(secret)
				if err != nil {
					t.Fatal(err)
				}
				if err := v.Verify(last.req, last.body); err != nil {
					t.Errorf("%s: an integration that knows secret %d of those that are valid refuses: %v", when, i, err)
				}
			}
		}
		first := string(created.SigningSecret)
		verify("at first", first)
		second, err := me.RotateIntegrationSigningSecrets(ctx, created.ID)
		if err != nil {
			t.Fatal(err)
		}
		verify("after a rotation", string(second), first)
		time.Sleep(24*time.Hour - time.Minute)
		verify("within a day", string(second), first)
		time.Sleep(time.Minute)
		verify("after a day", string(second))

		if _, err := me.UpdateIntegration(ctx, created.ID, botpress.UpdateIntegrationParams{URL: botpress.Set("http://two.test:80")}); err != nil {
			t.Fatal(err)
		}
		if verify("after an update", string(second)); last.host != "two.test:80" {
			t.Errorf("an operation went to %s after the URL was updated", last.host)
		}
	})
}
