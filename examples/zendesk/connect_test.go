package main

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/hitl-go/sdk/botpress/botpresstest"
	"github.com/hitl-go/sdk/internal/chromium"
)

// Somebody connects an account in a browser: the button's page, Zendesk's question, and back. Then there are sessions, also after the
// token's end. Links that were used, or made up, connect nothing.
func TestConnectInBrowser(t *testing.T) {
	path, ok := chromium.Path()
	if !ok {
		t.Skip(t.Name(), chromium.HowTo)
	}
	w := newTheatre(t)
	client := w.desk.NewOAuthClient(w.in.WebhookURL + "/oauth/callback")
	w.in.ConfigurationType = withAccount
	w.must(w.in.Configure(t.Context(), withClient(client)))
	refused := w.in.NewEndUser(botpresstest.Profile{Name: "Early"}).Escalate(t.Context(), botpresstest.Escalation{})
	if refused == nil || !strings.Contains(refused.Error(), "Zendesk is not connected. Connect Zendesk in the configuration") {
		t.Errorf("before anybody has connected an account: %v", refused)
	}

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	browser, err := chromium.Launch(ctx, path, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := browser.Close(); err != nil {
			t.Error(err)
		}
	}()
	visit := func(address string) *chromium.Visitor {
		t.Helper()
		page, err := browser.Open(ctx, address, desktop)
		if err != nil {
			t.Fatal(err)
		}
		return &chromium.Visitor{T: t, Page: page, Context: ctx, Pictures: "../../.cache/screenshots"}
	}
	// leadsTo waits until the browser has followed a link or a redirect to a page with this text.
	leadsTo := func(v *chromium.Visitor, text string) {
		t.Helper()
		for ctx.Err() == nil {
			var shown bool
			if v.Page.Eval(ctx, fmt.Sprintf("document.readyState === 'complete' && document.body.textContent.includes(%q)", text), &shown) == nil && shown {
				return
			}
		}
		t.Fatalf("the browser does not show %q", text)
	}
	v := visit(w.in.WebhookURL + "/oauth/start")
	leadsTo(v, "Deny")
	v.Clicks("#deny")
	leadsTo(v, "Zendesk was not connected: access_denied.")

	v = visit(w.in.WebhookURL + "/oauth/start")
	leadsTo(v, "Allow")
	v.Picture("zendesk-connect-1-consent")
	v.Clicks("#allow")
	leadsTo(v, "Zendesk is connected")
	v.Picture("zendesk-connect-2-connected")
	var used string
	v.Eval(`location.href`, &used)
	if w.in.Identifier() == "" || len(w.desk.Webhooks()) == 0 {
		t.Errorf("Botpress shows the account %q, and Zendesk has the webhooks %q", w.in.Identifier(), w.desk.Webhooks())
	}

	session := func() {
		t.Helper()
		u, ticket := w.session(botpresstest.Profile{Name: "Jane"}, botpresstest.Escalation{})
		w.must(u.Say(t.Context(), text("Hello")))
		w.must(w.desk.Reply(ticket, w.rosa, "<p>Hi</p>"))
		w.shown(u, "bot: joined", "Rosa Diaz: Hi")
		w.must(u.End(t.Context()))
	}
	session()
	w.desk.ExpireTokens()
	session()

	leadsTo(visit(used), "This link has been used already.")
	forged, err := url.Parse(used)
	if err != nil {
		t.Fatal(err)
	}
	q := forged.Query()
	q.Set("state", q.Get("state")+"x")
	forged.RawQuery = q.Encode()
	leadsTo(visit(forged.String()), "was not made here")
	session()

	w.desk.RevokeTokens()
	refused = w.in.NewEndUser(botpresstest.Profile{Name: "Late"}).Escalate(t.Context(), botpresstest.Escalation{})
	if refused == nil || !strings.Contains(refused.Error(), "Connect Zendesk again") || w.in.Identifier() != "" {
		t.Errorf("after Zendesk has taken back the sign-in: %v, and Botpress shows the account %q", refused, w.in.Identifier())
	}
}
