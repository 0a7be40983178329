package hitl_test

import (
	"context"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/hitl"
)

// stub is an adapter that does nothing.
type stub[Session any] struct{}

func (stub[Session]) CreateUser(context.Context, hitl.CreateUserRequest) (hitl.Ref, error) {
	return hitl.Ref{}, nil
}

func (stub[Session]) StartHitl(context.Context, hitl.StartHitlRequest[Session]) (hitl.Ref, error) {
	return hitl.Ref{}, nil
}

func (stub[Session]) StopHitl(context.Context, hitl.StopHitlRequest) error { return nil }

func (stub[Session]) SendMessage(context.Context, hitl.SendMessageRequest) (hitl.Ref, error) {
	return hitl.Ref{}, nil
}

func (stub[Session]) HandleWebhook(context.Context, *http.Request) (hitl.Webhook, error) {
	return hitl.Webhook{}, nil
}

// newStub makes a server of the definition, with a configuration and a session of the given types.
func newStub[Config, Session any](def hitl.Definition) (*hitl.Server, error) {
	connect := func(context.Context, hitl.Installation, Config) (stub[Session], error) { return stub[Session]{}, nil }
	return hitl.NewServer(def, connect, &hitl.Options{Insecure: true, SweepEvery: -1, Botpress: botpress.Options{Token: "token"}})
}

func TestBadDefinition(t *testing.T) {
	type def = hitl.Definition
	for name, tc := range map[string]struct {
		change func(*def)
		want   string
	}{
		"no name":               {func(d *def) { d.Name = "" }, `Definition.Name: it is empty`},
		"name with capitals":    {func(d *def) { d.Name = "AcmeDesk" }, `Definition.Name: "AcmeDesk" must consist of lower-case letters, digits and hyphens, at most 200, and start with a letter`},
		"no version":            {func(d *def) { d.Version = "" }, `Definition.Version: it is empty; the first one is usually 1.0.0`},
		"version with v":        {func(d *def) { d.Version = "v1.0" }, `Definition.Version: "v1.0" is not a semantic version like 1.0.0`},
		"long title":            {func(d *def) { d.Title = strings.Repeat("é", 65) }, `Definition.Title: it has 65 characters, and Botpress takes 64`},
		"long description":      {func(d *def) { d.Description = strings.Repeat("é", 257) }, `Definition.Description: it has 257 characters, and Botpress takes 256`},
		"PNG for an icon":       {func(d *def) { d.Icon = []byte("\x89PNG\r\n\x1a\n") }, `Definition.Icon: it is not an SVG image`},
		"HTML for an icon":      {func(d *def) { d.Icon = []byte("<html/>") }, `Definition.Icon: it is not an SVG image`},
		"readme in Latin-1":     {func(d *def) { d.Readme = []byte("caf\xe9") }, `Definition.Readme: it is not text in UTF-8`},
		"empty attribute":       {func(d *def) { d.Attributes = map[string]string{"category": ""} }, `Definition.Attributes["category"]: it is empty; leave the attribute out`},
		"interface version":     {func(d *def) { d.InterfaceVersion = "1.0.0" }, `the interface version "1.0.0" is not known here; use 2.1.0 or 2.0.0`},
		"name with a space":     {func(d *def) { d.StartHitl.Name = "open ticket" }, `Definition.StartHitl.Name: the name "open ticket" must consist of letters, digits, hyphens and underscores, at most 200, and start with a letter`},
		"two actions of a name": {func(d *def) { d.StartHitl.Name = "stopHitl" }, `Definition.StopHitl.Name: the action "stopHitl" is there already, by StartHitl.Name`},
		"two events of a name": {
			func(d *def) { d.Events = []hitl.EventDefinition{{Name: "hitlStopped", Payload: struct{}{}}} },
			`Definition.Events[0].Name: the event "hitlStopped" is there already, by Stopped.Name`,
		},
		"long title of a part": {func(d *def) { d.Channel.Title = strings.Repeat("x", 65) }, `Definition.Channel.Title: it has 65 characters, and Botpress takes 64`},
		"the server's tag":     {func(d *def) { d.ConversationTags = []hitl.Part{{Name: "startedAt"}} }, `Definition.ConversationTags[0]: the server keeps and declares the tag "startedAt" itself; use another name`},
		"the server's state":   {func(d *def) { d.States = []hitl.StateDefinition{{Name: "hitlStart", Payload: struct{}{}}} }, `Definition.States[0].Name: the state "hitlStart" is there already, by the server itself`},
		"state of a task": {func(d *def) {
			d.States = []hitl.StateDefinition{{Name: "x", Scope: botpress.StateOfTask, Payload: struct{}{}}}
		}, `Definition.States[0].Scope: a state of an integration belongs to an integration, a conversation or a user, not to a task`},
		"state without a type": {func(d *def) { d.States = []hitl.StateDefinition{{Name: "x"}} }, `States["x"].Payload: it has no type; give it a value of a struct`},
		"event of a number":    {func(d *def) { d.Events = []hitl.EventDefinition{{Name: "x", Payload: 1}} }, `Events["x"].Payload: int is not a struct, and Botpress wants an object`},
		"bad alternative configuration": {
			func(d *def) {
				d.Configurations = []hitl.ConfigurationDefinition{{Name: "oauth", Type: struct{ Done chan int }{}}}
			},
			`Configurations["oauth"].Type: Done: a chan has no JSON`,
		},
		"secret twice": {func(d *def) { d.Secrets = []string{"KEY", "KEY"} }, `Definition.Secrets[1]: the secret "KEY" is there already, by Secrets[0]`},
	} {
		t.Run(name, func(t *testing.T) {
			d := def{Name: "acme-desk", Version: "1.0.0"}
			tc.change(&d)
			_, err := newStub[struct{}, struct{}](d)
			if err == nil || err.Error() != "hitl: "+tc.want {
				t.Errorf("got  %v\nwant hitl: %s", err, tc.want)
			}
		})
	}
}

func TestGoodDefinition(t *testing.T) {
	type credentials struct {
		Token string `json:"token"`
	}
	type rated struct {
		Stars int `json:"stars" jsonschema:"minimum=1,maximum=5"`
	}
	s, err := newStub[struct{}, struct{}](hitl.Definition{
		Name: "acme/acme-desk", Version: "1.0.0-rc.1+build.5",
		Icon:             []byte("\ufeff<?xml version=\"1.0\"?>\n<!DOCTYPE svg>\n<!-- a drawing -->\n<svg xmlns:x=\"&ns;\"/>"),
		InterfaceVersion: hitl.InterfaceV2_0,
		Attributes:       map[string]string{"category": "support"},
		MessageTags:      []hitl.Part{{Name: "thread", Title: "Thread"}},
		UserTags:         []hitl.Part{{Name: "id", Title: "Acme ID"}, {Name: "email", Description: "In Acme Desk"}},
		Events:           []hitl.EventDefinition{{Name: "ticketRated", Title: "Rated", Payload: rated{}, Attributes: map[string]string{"bpActionHiddenInStudio": "true"}}},
		ExtraOperations:  map[string]bool{"message_updated": true},
		States:           []hitl.StateDefinition{{Name: "credentials", Payload: credentials{}}},
		Configurations:   []hitl.ConfigurationDefinition{{Name: "token", Title: "Token", Type: &credentials{}, LinkTemplate: "script 2"}},
		LinkTemplate:     "script 1",
	})
	if err != nil {
		t.Fatal(err)
	}
	const token = `{"type":"object","properties":{"token":{"type":"string"}},"required":["token"],"additionalProperties":false}`
	body := s.Describe()
	got := map[string]any{
		"attributes": encoded(t, body)["attributes"], "event": body.Events["ticketRated"],
		"state": body.States["credentials"], "configuration": body.Configurations["token"], "tag": body.Channels["hitl"].Message.Tags["thread"],
		"id": body.User.Tags["id"], "email": body.User.Tags["email"], "operations": body.ExtraOperations, "link": body.Configuration.Identifier,
	}
	want := map[string]any{
		"attributes": map[string]any{"category": "support"},
		"event": &botpress.EventDefinition{
			Title:      "Rated",
			Attributes: botpress.Removable{"bpActionHiddenInStudio": "true"},
			Schema:     []byte(`{"properties":{"stars":{"type":"integer","minimum":1,"maximum":5}},"additionalProperties":false,"type":"object","required":["stars"]}`),
		},
		"state":         &botpress.StateDefinition{Type: botpress.StateOfIntegration, Schema: []byte(token)},
		"configuration": &botpress.ConfigurationDefinition{Title: "Token", Schema: []byte(token), Identifier: &botpress.ConfigurationIdentifierDefinition{LinkTemplateScript: botpress.Set("script 2")}},
		"link":          &botpress.ConfigurationIdentifierDefinition{LinkTemplateScript: botpress.Set("script 1")},
		"tag":           &botpress.TagDefinition{Title: "Thread"},
		"id":            &botpress.TagDefinition{Title: "Acme ID", Description: "The user in the help desk"},
		"email":         &botpress.TagDefinition{Title: "Email", Description: "In Acme Desk"},
		"operations":    map[string]*botpress.ExtraOperation{"message_updated": {Enabled: true}},
	}
	if diff := cmp.Diff(encoded(t, want), encoded(t, got)); diff != "" {
		t.Errorf("the definition is another one (-want +got):\n%s", diff)
	}
	if _, ok := body.Interfaces["hitl<hitlSession>"]; !ok {
		t.Error("the interface is not declared under hitl<hitlSession>")
	}
	if text := string(body.Channels["hitl"].Messages["text"].Schema); strings.Contains(text, "additionalData") {
		t.Error("additionalData is not of interface 2.0.0")
	}
}

func TestAllMistakesAtOnce(t *testing.T) {
	type node struct {
		Next *node `json:"next"`
	}
	type config struct {
		URL  string `json:"url" jsonschema:"description=Where it is, or was"`
		Hook func() `json:"hook"`
		Any  any    `json:"any"`
	}
	_, err := newStub[config, node](hitl.Definition{Version: "one"})
	if err == nil {
		t.Fatal("no error")
	}
	want, readErr := os.ReadFile("testdata/mistakes.txt")
	if readErr != nil {
		t.Fatal(readErr)
	}
	if diff := cmp.Diff(string(want), err.Error()+"\n"); diff != "" {
		t.Errorf("other errors (-want +got):\n%s", diff)
	}
}
