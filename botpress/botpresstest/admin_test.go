package botpresstest_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/botpress/botpresstest"
)

// newAdmin starts a server, whose answers are checked, and a client of its administration with a token.
func newAdmin(t *testing.T) (*botpresstest.Server, func(token string) *botpress.Client) {
	t.Helper()
	s := botpresstest.NewServer(&botpresstest.Options{Middleware: checked(t)})
	t.Cleanup(s.Close)
	return s, func(token string) *botpress.Client {
		t.Helper()
		c, err := botpress.New(botpress.Options{
			BaseURL: s.URL, Token: token, WorkspaceID: botpresstest.WorkspaceID, BotID: s.BotID, Retry: botpress.Retry{Max: -1},
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.CloseIdleConnections)
		return c
	}
}

// desk is an integration that can be deployed; the function changes it.
func desk(interfaceID string, change func(*botpress.CreateIntegrationParams)) botpress.CreateIntegrationParams {
	object := botpress.SchemaDefinition{Schema: []byte(`{"type":"object"}`)}
	action := &botpress.ActionDefinition{Input: object, Output: object}
	event := &botpress.EventDefinition{Schema: object.Schema}
	p := botpress.CreateIntegrationParams{Name: "acme/desk", Version: "1.0.0", URL: "http://127.0.0.1:1"}
	p.Title = "Desk"
	p.Actions = map[string]*botpress.ActionDefinition{"createUser": action, "open": action, "stopHitl": action}
	p.Events = map[string]*botpress.EventDefinition{"hitlAssigned": event, "hitlStopped": event, "rated": event}
	p.States = map[string]*botpress.StateDefinition{"claim": {Type: botpress.StateOfConversation, Schema: object.Schema}}
	p.Entities = map[string]*botpress.EntityDefinition{"ticket": {Schema: object.Schema}}
	p.Channels = map[string]*botpress.ChannelDefinition{"chat": {
		Messages:     map[string]*botpress.SchemaDefinition{"text": &object},
		Conversation: &botpress.Tagged{Tags: map[string]*botpress.TagDefinition{"ticket": {}}},
	}}
	p.Interfaces = map[string]*botpress.InterfaceImplementation{"hitl<ticket>": {
		ID: interfaceID, Entities: map[string]botpress.Alias{"hitlSession": {Name: "ticket"}},
		Actions:  map[string]botpress.Alias{"createUser": {Name: "createUser"}, "startHitl": {Name: "open"}, "stopHitl": {Name: "stopHitl"}},
		Events:   map[string]botpress.Alias{"hitlAssigned": {Name: "hitlAssigned"}, "hitlStopped": {Name: "hitlStopped"}},
		Channels: map[string]botpress.Alias{"hitl": {Name: "chat"}},
	}}
	if change != nil {
		change(&p)
	}
	return p
}

func TestAdministration(t *testing.T) {
	s, client := newAdmin(t)
	me, ctx := client(s.Token), t.Context()
	hitl, err := me.GetPublicInterface(ctx, "hitl", "2.1.0")
	if err != nil {
		t.Fatal(err)
	}
	created, err := me.CreateIntegration(ctx, desk(hitl.ID, nil))
	if err != nil {
		t.Fatal(err)
	}
	again, err := me.GetIntegrationByName(ctx, "acme/desk", "1.0.0")
	if err != nil || again.ID != created.ID || again.SigningSecret != "" || created.SigningSecret == "" {
		t.Errorf("got %v with the secret %q, want %s without the secret it was created with: %v", again.ID, string(again.SigningSecret), created.ID, err)
	}

	spec, ok := s.Deployed("acme/desk", "1.0.0")
	if !ok || spec.Names.StartHitl != "open" || spec.Names.Channel != "chat" || spec.SigningSecret != string(created.SigningSecret) || spec.StateTypes["claim"] != "conversation" {
		t.Errorf("Deployed returns %+v", spec)
	}
	adapter := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer adapter.Close()
	spec.URL = adapter.URL
	in, err := s.Install(ctx, spec)
	if err != nil || in.IntegrationID != created.ID {
		t.Fatalf("installed %+v: %v", in, err)
	}
	if err := me.DeleteIntegration(ctx, created.ID); !errors.Is(err, botpress.ErrConflict) {
		t.Errorf("an integration that is installed was deleted: %v", err)
	}

	key, err := me.CreateIntegrationAPIKey(ctx, botpress.CreateIntegrationAPIKeyParams{IntegrationID: created.ID, Note: "test"})
	if err != nil {
		t.Fatal(err)
	}
	its := client(string(key.Value))
	if _, err := its.GetIntegration(ctx, created.ID); !errors.Is(err, botpress.ErrForbidden) {
		t.Errorf("a key of the integration administrates: %v", err)
	}
	if _, err := its.CreateUser(ctx, botpress.CreateUserParams{}); !errors.Is(err, botpress.ErrUnauthorized) {
		t.Errorf("a key of the integration calls for the bot: %v", err)
	}
	if _, err := its.With(botpress.Scope{IntegrationID: created.ID}).CreateUser(ctx, botpress.CreateUserParams{}); err != nil {
		t.Errorf("a key of the integration does not call for it: %v", err)
	}
	if keys, err := me.ListIntegrationAPIKeys(ctx, created.ID); err != nil || len(keys) != 1 || keys[0].ID != key.ID || keys[0].Value != "" {
		t.Errorf("the keys are %+v: %v", keys, err)
	}
	if err := me.DeleteIntegrationAPIKey(ctx, key.ID); err != nil {
		t.Error(err)
	}
	if _, err := its.With(botpress.Scope{IntegrationID: created.ID}).CreateUser(ctx, botpress.CreateUserParams{}); !errors.Is(err, botpress.ErrUnauthorized) {
		t.Errorf("a deleted key still works: %v", err)
	}

	if err := in.Uninstall(ctx); err != nil {
		t.Fatal(err)
	}
	if err := me.DeleteIntegration(ctx, created.ID); err != nil {
		t.Error(err)
	}
	for i, err := range me.ListIntegrations(ctx, botpress.ListIntegrationsParams{}) {
		t.Errorf("there is still %v: %v", i, err)
	}
}

func TestAdministrationRefuses(t *testing.T) {
	s, client := newAdmin(t)
	me, ctx := client(s.Token), t.Context()
	hitl, err := me.GetPublicInterface(ctx, "hitl", "2.0.0")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := me.CreateIntegration(ctx, desk(hitl.ID, nil)); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		change func(*botpress.CreateIntegrationParams)
		want   botpress.ErrorType
	}{
		"the same again":   {nil, botpress.TypeAlreadyExists},
		"no handle":        {func(p *botpress.CreateIntegrationParams) { p.Name = "desk" }, botpress.TypeForbidden},
		"another's handle": {func(p *botpress.CreateIntegrationParams) { p.Name = "emca/desk" }, botpress.TypeForbidden},
		"PNG for an icon":  {func(p *botpress.CreateIntegrationParams) { p.Icon = "iVBORw0KGgo=" }, botpress.TypeInvalidPayload},
		"reference":        {func(p *botpress.CreateIntegrationParams) { p.Entities["ticket"].Schema = []byte(`{"$ref":"#/x"}`) }, botpress.TypeInvalidJSONSchema},
		"unknown interface": {func(p *botpress.CreateIntegrationParams) {
			p.Interfaces["hitl<ticket>"].ID = "iface_00000000000000000000000000"
		}, botpress.TypeReferenceNotFound},
		"part of the interface missing": {func(p *botpress.CreateIntegrationParams) { delete(p.Actions, "open") }, botpress.TypeInvalidPayload},
	} {
		t.Run(name, func(t *testing.T) {
			p := desk(hitl.ID, func(p *botpress.CreateIntegrationParams) {
				if tc.change != nil {
					p.Version = "2.0.0"
					tc.change(p)
				}
			})
			for _, err := range []error{me.ValidateIntegrationCreation(ctx, p), second(me.CreateIntegration(ctx, p))} {
				var refusal *botpress.Error
				if !errors.As(err, &refusal) || refusal.Type != tc.want {
					t.Errorf("got %v, want %s", err, tc.want)
				}
			}
		})
	}
}

func second[T any](_ T, err error) error { return err }

func TestListIntegrations(t *testing.T) {
	s, as := newAdmin(t)
	c := as(s.Token)
	iface, err := c.GetPublicInterface(t.Context(), "hitl", "2.1.0")
	if err != nil {
		t.Fatal(err)
	}
	for i, version := range []string{"1.0.0", "1.0.1", "2.0.0"} {
		_, err := c.CreateIntegration(t.Context(), desk(iface.ID, func(p *botpress.CreateIntegrationParams) {
			p.Version, p.Title, p.Dev = version, "Desk of "+version, i == 2
			if i == 1 {
				p.Name, p.Interfaces, p.Visibility = "acme/other", nil, "public"
			}
		}))
		if err != nil {
			t.Fatal(err)
		}
	}
	installed, _ := s.Deployed("acme/desk", "1.0.0")
	desk := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("{}")) }))
	defer desk.Close()
	installed.URL = desk.URL
	if _, err := s.Install(t.Context(), installed); err != nil {
		t.Fatal(err)
	}
	for other, err := range c.ListIntegrations(t.Context(), botpress.ListIntegrationsParams{Visibility: "public"}) {
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(2 * time.Millisecond) // Times have milliseconds.
		if _, err := c.UpdateIntegration(t.Context(), other.ID, botpress.UpdateIntegrationParams{}); err != nil {
			t.Fatal(err)
		}
	}
	type params = botpress.ListIntegrationsParams
	shared := func(p botpress.ListPublicIntegrationsParams) params {
		return params{ListPublicIntegrationsParams: p}
	}
	for name, tc := range map[string]struct {
		p    params
		want string
	}{
		"all, the newest first": {params{}, "2.0.0 1.0.1 1.0.0"},
		"page by page":          {shared(botpress.ListPublicIntegrationsParams{PageSize: 1}), "2.0.0 1.0.1 1.0.0"},
		"by name":               {shared(botpress.ListPublicIntegrationsParams{SortBy: botpress.SortByName, Direction: "asc"}), "1.0.0 2.0.0 1.0.1"},
		"one name":              {shared(botpress.ListPublicIntegrationsParams{Name: "acme/other"}), "1.0.1"},
		"one version":           {shared(botpress.ListPublicIntegrationsParams{Version: "2.0.0"}), "2.0.0"},
		"those of an interface": {shared(botpress.ListPublicIntegrationsParams{InterfaceName: "hitl"}), "2.0.0 1.0.0"},
		"of another interface":  {shared(botpress.ListPublicIntegrationsParams{InterfaceID: "other"}), ""},
		"installed":             {shared(botpress.ListPublicIntegrationsParams{InstalledByBotID: s.BotID}), "1.0.0"},
		"by another bot":        {shared(botpress.ListPublicIntegrationsParams{InstalledByBotID: "bot_2"}), ""},
		"changed last":          {shared(botpress.ListPublicIntegrationsParams{SortBy: botpress.SortByUpdatedAt}), "1.0.1 2.0.0 1.0.0"},
		"the most popular":      {shared(botpress.ListPublicIntegrationsParams{SortBy: botpress.SortByInstallCount}), "1.0.0 2.0.0 1.0.1"},
		"approved":              {shared(botpress.ListPublicIntegrationsParams{VerificationStatus: "approved"}), ""},
		"a search":              {shared(botpress.ListPublicIntegrationsParams{Search: "desk OF 1"}), "1.0.1 1.0.0"},
		"public":                {params{Visibility: "public"}, "1.0.1"},
		"for development":       {params{Dev: botpress.Set(true)}, "2.0.0"},
		"not for development":   {params{Dev: botpress.Set(false)}, "1.0.1 1.0.0"},
	} {
		var got []string
		for d, err := range c.ListIntegrations(t.Context(), tc.p) {
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			got = append(got, d.Version)
		}
		if strings.Join(got, " ") != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
	for _, query := range []string{"pageSize=1", "limit=0", "dev=yes", "visibility=all", "color=red", "nextToken=x"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/v1/admin/integrations?"+query, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header = http.Header{"Authorization": {"Bearer " + s.Token}, "X-Workspace-Id": {botpresstest.WorkspaceID}}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: answered %d, want 400", query, res.StatusCode)
		}
	}
}
