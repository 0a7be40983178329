package hitl

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/internal/hitlinterface"
	"github.com/hitl-go/sdk/internal/strictjson"
)

// types are those that an author gives to [NewServer].
type types struct{ config, session, adapter reflect.Type }

// protocolVersion is the release of Botpress' own SDK that this one behaves like. Botpress is told, because
// it may treat integrations of older SDKs in older ways.
const protocolVersion = "7.2.2"

// Describe returns what is sent to Botpress to create the integration. What only its deployment knows is left out:
// the URL, the values of secrets, which are empty, and the id of the HITL interface. The result is the caller's.
func (s *Server) Describe() botpress.CreateIntegrationParams {
	body, err := s.def.describe(s.types)
	if err != nil {
		panic(err) // NewServer made the same description of the same values, without an error.
	}
	for name, a := range s.actions {
		definition := a.definition
		body.Actions[name] = &definition
	}
	return body
}

// describe makes the definition as Botpress wants it. The names have their defaults already.
func (d *Definition) describe(t types) (botpress.CreateIntegrationParams, error) {
	c := checker{subject: "Definition", names: map[string]string{}}
	c.definition(d)
	config := c.object("the configuration", t.config)
	session := c.object("the session", t.session)
	iface, err := hitlinterface.Of(d.InterfaceVersion)
	if err != nil {
		c.problems = append(c.problems, err)
		return botpress.CreateIntegrationParams{}, c.err()
	}

	body := botpress.CreateIntegrationParams{Name: d.Name, Version: d.Version}
	body.Title, body.Description = d.Title, d.Description
	body.Icon, body.Readme = base64.StdEncoding.EncodeToString(d.Icon), base64.StdEncoding.EncodeToString(d.Readme)
	body.SDKVersion = protocolVersion
	body.Visibility = botpress.Private
	body.Secrets = botpress.Removable{}
	for _, name := range d.Secrets {
		body.Secrets[name] = "" // only the deployment knows the value
	}
	body.Attributes = d.Attributes
	body.Identifier = &botpress.IdentifierDefinition{}
	body.Configuration = &botpress.ConfigurationDefinition{Schema: config, Identifier: link(d.LinkTemplate)}
	for _, alternative := range d.Configurations {
		put(&body.Configurations, alternative.Name, &botpress.ConfigurationDefinition{
			Title: alternative.Title, Description: alternative.Description, Identifier: link(alternative.LinkTemplate),
			Schema: c.object(fmt.Sprintf("Configurations[%q].Type", alternative.Name), reflect.TypeOf(alternative.Type)),
		})
	}
	for name, enabled := range d.ExtraOperations {
		put(&body.ExtraOperations, name, &botpress.ExtraOperation{Enabled: enabled})
	}

	entity := iface.Entities["hitlSession"]
	put(&body.Entities, d.Session.Name, &botpress.EntityDefinition{
		Title: cmp.Or(d.Session.Title, entity.Title), Description: cmp.Or(d.Session.Description, entity.Description), Schema: session,
	})
	start := iface.Actions["startHitl"]
	start.Input.Schema = withSession(start.Input.Schema, session)
	implementation := &botpress.InterfaceImplementation{
		Name: hitlinterface.Name, Version: d.InterfaceVersion,
		Entities: map[string]botpress.Alias{"hitlSession": {Name: d.Session.Name}},
		Channels: map[string]botpress.Alias{"hitl": {Name: d.Channel.Name}},
	}
	for _, p := range d.parts() {
		switch p.kind {
		case "action":
			a := iface.Actions[p.original]
			a.Name = p.renamed()
			a.Title, a.Description = cmp.Or(p.Title, a.Title), cmp.Or(p.Description, a.Description)
			put(&body.Actions, p.Name, a)
			put(&implementation.Actions, p.original, botpress.Alias{Name: p.Name})
		case "event":
			e := iface.Events[p.original]
			e.Name = p.renamed()
			e.Title, e.Description = cmp.Or(p.Title, e.Title), cmp.Or(p.Description, e.Description)
			put(&body.Events, p.Name, e)
			put(&implementation.Events, p.original, botpress.Alias{Name: p.Name})
		}
	}
	put(&body.Interfaces, fmt.Sprintf("%s<%s>", hitlinterface.Name, d.Session.Name), implementation)
	for _, e := range d.Events {
		put(&body.Events, e.Name, &botpress.EventDefinition{
			Title: e.Title, Description: e.Description, Attributes: e.Attributes,
			Schema: c.object(fmt.Sprintf("Events[%q].Payload", e.Name), reflect.TypeOf(e.Payload)),
		})
	}

	channel := iface.Channels["hitl"]
	channel.Title, channel.Description = d.Channel.Title, d.Channel.Description
	if d.Channel.Name != "hitl" {
		channel.Name = d.Channel.Name
	}
	channel.Conversation = &botpress.Tagged{Tags: tagDefinitions(ownConversationTags, d.ConversationTags)}
	channel.Message = &botpress.Tagged{Tags: tagDefinitions(ownMessageTags, d.MessageTags)}
	put(&body.Channels, d.Channel.Name, channel)
	body.User = &botpress.Tagged{Tags: tagDefinitions(ownUserTags, d.UserTags)}

	for name, state := range ownStates() {
		put(&body.States, name, &botpress.StateDefinition{Type: state.scope, Schema: c.object(name, reflect.TypeOf(state.payload))})
	}
	for _, state := range d.States {
		put(&body.States, state.Name, &botpress.StateDefinition{
			Type:   cmp.Or(state.Scope, botpress.StateOfIntegration),
			Schema: c.object(fmt.Sprintf("States[%q].Payload", state.Name), reflect.TypeOf(state.Payload)),
		})
	}
	return body, c.err()
}

func put[V any](m *map[string]V, name string, v V) {
	if *m == nil {
		*m = map[string]V{}
	}
	(*m)[name] = v
}

// renamed is the part's name where it is not the interface's own: only then does the definition carry it.
func (p interfacePart) renamed() string {
	if p.Name == p.original {
		return ""
	}
	return p.Name
}

// tagDefinitions declares the server's tags and the author's. Where both name one, the author's texts count.
func tagDefinitions(own, declared []Part) map[string]*botpress.TagDefinition {
	tags := map[string]*botpress.TagDefinition{}
	for _, p := range slices.Concat(own, declared) {
		def := &botpress.TagDefinition{Title: p.Title, Description: p.Description}
		if old := tags[p.Name]; old != nil {
			def.Title, def.Description = cmp.Or(p.Title, old.Title), cmp.Or(p.Description, old.Description)
		}
		tags[p.Name] = def
	}
	return tags
}

// withSession puts the session's schema where the interface's input refers to it.
func withSession(input, session json.RawMessage) json.RawMessage {
	if len(session) == 0 {
		return input // The session type is at fault, and the error is on its way.
	}
	var s map[string]any
	if err := strictjson.Unmarshal(input, &s); err != nil {
		panic(err) // The schema is our own.
	}
	s["properties"].(map[string]any)["hitlSession"] = session
	out, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return out
}

// sortedKeys returns a map's keys in an order that is always the same.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func link(template string) *botpress.ConfigurationIdentifierDefinition {
	var i botpress.ConfigurationIdentifierDefinition
	if template != "" {
		i.LinkTemplateScript = botpress.Set(template)
	}
	return &i
}
