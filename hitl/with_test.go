package hitl_test

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/botpress/botpresstest"
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/internal/acme"
	"github.com/hitl-go/sdk/message"
)

// A server that was made for the environment serves its integration to another Botpress.
func TestWith(t *testing.T) {
	desk := &acme.Desk{}
	base, err := acme.NewServer(acme.Definition(true), desk, &hitl.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := base.Ready(); err == nil {
		t.Fatal("a server without a token is ready")
	}

	cloud := botpresstest.NewServer(nil)
	defer cloud.Close()
	server, err := base.With(func(o *hitl.Options) {
		o.Botpress, o.Secrets = botpress.Options{BaseURL: cloud.URL, Token: cloud.Token}, []string{signingSecret}
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(body(t, base), body(t, server)); diff != "" {
		t.Errorf("the definition has changed (-before +after):\n%s", diff)
	}
	front := httptest.NewServer(server)
	defer front.Close()
	spec := integrationOf(t, server, front.URL)
	spec.SigningSecret = signingSecret
	in, err := cloud.Install(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	jane := in.NewEndUser(botpresstest.Profile{Name: "Jane"})
	if err := jane.Say(t.Context(), message.Text{Text: "Help!"}); err != nil {
		t.Fatal(err)
	}
	if err := jane.Escalate(t.Context(), botpresstest.Escalation{Title: "Help"}); err != nil {
		t.Fatal(err)
	}
	if !jane.Active() {
		t.Error("no session is active")
	}
	if err := server.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// body is what Botpress would be told of an integration.
func body(t *testing.T, s *hitl.Server) string {
	t.Helper()
	b, err := json.MarshalIndent(s.Describe(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// What was added to a server is also served by the servers made from it, and not the other way round.
func TestWithActions(t *testing.T) {
	add := func(s *hitl.Server, name string) {
		t.Helper()
		run := func(context.Context, hitl.Integration[acme.Session], struct{}) (struct{}, error) {
			return struct{}{}, nil
		}
		if err := hitl.AddAction(s, hitl.Action{Name: name}, run); err != nil {
			t.Fatal(err)
		}
	}
	base, err := acme.NewServer(acme.Definition(false), &acme.Desk{}, &hitl.Options{})
	if err != nil {
		t.Fatal(err)
	}
	add(base, "listAgents")
	other, err := base.With(func(*hitl.Options) {})
	if err != nil {
		t.Fatal(err)
	}
	add(other, "listQueues")
	names := func(s *hitl.Server) string {
		var names []string
		for _, name := range []string{"listAgents", "listQueues"} {
			if s.Describe().Actions[name] != nil {
				names = append(names, name)
			}
		}
		return strings.Join(names, " ")
	}
	if got := names(base) + " / " + names(other); got != "listAgents / listAgents listQueues" {
		t.Errorf("the actions are %s", got)
	}
}
