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
func (d Definition) describe(t types) (botpress.CreateIntegrationParams, error) {
	c := checker{subject: "Definition", names: map[string]string{}}
	c.definition(d)
	config := c.object("the configuration", t.config)
	session := c.object("the session", t.session)
	iface, err := Interface(d.InterfaceVersion)
	if err != nil {
		c.problems = append(c.problems, err)
		return botpress.CreateIntegrationParams{}, c.err()
	}

	n, x := d.Names, d.Texts
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
	body.Configuration = &botpress.ConfigurationDefinition{Schema: config, Identifier: &botpress.ConfigurationIdentifierDefinition{}}
	for name, alternative := range d.Configurations {
		put(&body.Configurations, name, &botpress.ConfigurationDefinition{
			Title: alternative.Title, Description: alternative.Description, Identifier: &botpress.ConfigurationIdentifierDefinition{},
			Schema: c.object(fmt.Sprintf("Configurations[%q].Type", name), reflect.TypeOf(alternative.Type)),
		})
	}

	entity := iface.Entities["hitlSession"]
	put(&body.Entities, n.Session, &botpress.EntityDefinition{
		Title: cmp.Or(x.Session.Title, entity.Title), Description: cmp.Or(x.Session.Description, entity.Description), Schema: session,
	})
	start := iface.Actions["startHitl"]
	start.Input.Schema = withSession(start.Input.Schema, session)
	put(&body.Actions, n.CreateUser, action(iface.Actions["createUser"], n.CreateUser, "createUser", x.CreateUser))
	put(&body.Actions, n.StartHitl, action(start, n.StartHitl, "startHitl", x.StartHitl))
	put(&body.Actions, n.StopHitl, action(iface.Actions["stopHitl"], n.StopHitl, "stopHitl", x.StopHitl))
	put(&body.Events, n.Assigned, event(iface.Events["hitlAssigned"], n.Assigned, "hitlAssigned", x.Assigned))
	put(&body.Events, n.Stopped, event(iface.Events["hitlStopped"], n.Stopped, "hitlStopped", x.Stopped))
	for name, e := range d.Events {
		put(&body.Events, name, &botpress.EventDefinition{
			Title: e.Title, Description: e.Description, Schema: c.object(fmt.Sprintf("Events[%q].Payload", name), reflect.TypeOf(e.Payload)),
		})
	}

	channel := iface.Channels["hitl"]
	channel.Name, channel.Title, channel.Description = renamed(n.Channel, "hitl"), x.Channel.Title, x.Channel.Description
	channel.Conversation = &botpress.Tagged{Tags: tagDefinitions(ownConversationTags(), d.ConversationTags)}
	channel.Message = &botpress.Tagged{Tags: tagDefinitions(ownMessageTags(), d.MessageTags)}
	put(&body.Channels, n.Channel, channel)
	body.User = &botpress.Tagged{Tags: tagDefinitions(ownUserTags(), d.UserTags)}

	for name, state := range ownStates() {
		put(&body.States, name, &botpress.StateDefinition{Type: botpress.StateOfConversation, Schema: c.object(name, reflect.TypeOf(state))})
	}
	for name, state := range d.States {
		put(&body.States, name, &botpress.StateDefinition{
			Type:   cmp.Or(state.Of, botpress.StateOfIntegration),
			Schema: c.object(fmt.Sprintf("States[%q].Payload", name), reflect.TypeOf(state.Payload)),
		})
	}

	put(&body.Interfaces, fmt.Sprintf("%s<%s>", interfaceName, n.Session), &botpress.InterfaceImplementation{
		Name: interfaceName, Version: d.InterfaceVersion,
		Entities: map[string]botpress.Alias{"hitlSession": {Name: n.Session}},
		Actions: map[string]botpress.Alias{
			"createUser": {Name: n.CreateUser}, "startHitl": {Name: n.StartHitl}, "stopHitl": {Name: n.StopHitl},
		},
		Events:   map[string]botpress.Alias{"hitlAssigned": {Name: n.Assigned}, "hitlStopped": {Name: n.Stopped}},
		Channels: map[string]botpress.Alias{"hitl": {Name: n.Channel}},
	})
	return body, c.err()
}

func put[V any](m *map[string]V, name string, v V) {
	if *m == nil {
		*m = map[string]V{}
	}
	(*m)[name] = v
}

// renamed is a name as the definition carries it: only where it is not the interface's own.
func renamed(name, original string) string {
	if name == original {
		return ""
	}
	return name
}

func action(a *botpress.ActionDefinition, name, original string, text Text) *botpress.ActionDefinition {
	a.Name = renamed(name, original)
	a.Title, a.Description = cmp.Or(text.Title, a.Title), cmp.Or(text.Description, a.Description)
	return a
}

func event(e *botpress.EventDefinition, name, original string, text Text) *botpress.EventDefinition {
	e.Name = renamed(name, original)
	e.Title, e.Description = cmp.Or(text.Title, e.Title), cmp.Or(text.Description, e.Description)
	return e
}

func tagDefinitions(own, declared map[string]Text) map[string]*botpress.TagDefinition {
	tags := map[string]*botpress.TagDefinition{}
	for _, texts := range []map[string]Text{own, declared} {
		for name, text := range texts {
			tags[name] = &botpress.TagDefinition{Title: text.Title, Description: text.Description}
		}
	}
	return tags
}

// withSession puts the session's schema where the interface's input refers to it.
func withSession(input, session json.RawMessage) json.RawMessage {
	if len(session) == 0 {
		return input // The session type is at fault, and the error is on its way.
	}
	var s map[string]any
	if err := json.Unmarshal(input, &s); err != nil {
		panic(err) // The schema is our own.
	}
	s["properties"].(map[string]any)["hitlSession"] = session
	out, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return out
}

// sortedKeys makes errors come in the same order each time.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
