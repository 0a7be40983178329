// Package hitlinterface holds the HITL interface as it is published on Botpress' hub, and the schemas of messages.
package hitlinterface

import (
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/internal/schema"
	"github.com/hitl-go/sdk/internal/wire"
	"github.com/hitl-go/sdk/message"
)

// The versions that are known here.
const (
	V2_1 = "2.1.0" // adds additionalData to the messages of the channel
	V2_0 = "2.0.0"
)

// Name is what the interface is called on the hub.
const Name = "hitl"

// hidden keeps the parts of the interface out of the Studio: they are for the HITL plugin, not for a bot's builder.
func hidden() botpress.Removable { return botpress.Removable{"bpActionHiddenInStudio": "true"} }

// Of returns the interface of a version.
func Of(version string) (botpress.CreateInterfaceParams, error) {
	p := botpress.CreateInterfaceParams{Name: Name, Version: version}
	messages := channelMessages[wire.Extras]()
	switch version {
	case V2_1:
	case V2_0:
		messages = channelMessages[extras2_0]()
	default:
		return p, fmt.Errorf("hitl: the interface version %q is not known here; use %s or %s", version, V2_1, V2_0)
	}

	var b schemas
	p.Public = true
	p.Entities = map[string]*botpress.EntityDefinition{"hitlSession": {
		Title: "Session", Description: "A conversation with a human agent, which the help desk may call a ticket", Schema: b.of(reflect.TypeFor[struct{}]()),
	}}
	p.Actions = map[string]*botpress.ActionDefinition{
		"createUser": {
			Title: "Create external user", Description: "Finds or creates the end user in the help desk",
			Input:  botpress.SchemaDefinition{Schema: b.of(reflect.TypeFor[wire.CreateUserInput]())},
			Output: botpress.SchemaDefinition{Schema: b.of(reflect.TypeFor[wire.UserRef]())}, Attributes: hidden(),
		},
		"startHitl": {
			Title: "Start session", Description: "Opens a session in the help desk",
			Input:  botpress.SchemaDefinition{Schema: b.of(reflect.TypeFor[wire.StartHitlInput]())},
			Output: botpress.SchemaDefinition{Schema: b.of(reflect.TypeFor[wire.ConversationRef]())}, Attributes: hidden(),
		},
		"stopHitl": {
			Title: "Stop session", Description: "Ends a session in the help desk",
			Input:  botpress.SchemaDefinition{Schema: b.of(reflect.TypeFor[wire.ConversationRef]())},
			Output: botpress.SchemaDefinition{Schema: b.of(reflect.TypeFor[struct{}]())}, Attributes: hidden(),
		},
	}
	p.Events = map[string]*botpress.EventDefinition{
		"hitlAssigned": {Schema: b.of(reflect.TypeFor[wire.AssignedPayload]()), Attributes: hidden()},
		"hitlStopped":  {Schema: b.of(reflect.TypeFor[wire.ConversationRef]()), Attributes: hidden()},
	}
	channel := &botpress.ChannelDefinition{Messages: map[string]*botpress.SchemaDefinition{}}
	for name, t := range messages {
		channel.Messages[string(name)] = &botpress.SchemaDefinition{Schema: b.of(t)}
	}
	p.Channels = map[string]*botpress.ChannelDefinition{"hitl": channel}
	return p, b.err
}

// schemas makes schemas of types and keeps the first error. The interface's own types give none.
type schemas struct{ err error }

func (b *schemas) of(t reflect.Type) json.RawMessage {
	s, err := SchemaOf(t)
	if b.err == nil {
		b.err = err
	}
	return s
}

// SchemaOf returns the schema of a type's JSON, in which messages look as they do in the interface.
func SchemaOf(t reflect.Type) (json.RawMessage, error) {
	return schema.Of(t, map[reflect.Type]reflect.Type{
		reflect.TypeFor[message.Turn]():     reflect.TypeFor[turns](),
		reflect.TypeFor[message.BlocItem](): reflect.TypeFor[blocItems](),
		// These have a MarshalJSON method, which changes nothing about the shape; defined types have no methods.
		reflect.TypeFor[message.Card]():     reflect.TypeFor[card](),
		reflect.TypeFor[message.Carousel](): reflect.TypeFor[carousel](),
		reflect.TypeFor[message.Choice]():   reflect.TypeFor[choice](),
		reflect.TypeFor[message.Dropdown](): reflect.TypeFor[dropdown](),
		reflect.TypeFor[message.Bloc]():     reflect.TypeFor[bloc](),
	})
}

type (
	card     message.Card
	carousel message.Carousel
	choice   message.Choice
	dropdown message.Dropdown
	bloc     message.Bloc
)

// channelMessages are the messages of the channel: those of Botpress with extra fields.
func channelMessages[Extras any]() map[message.Type]reflect.Type {
	return map[message.Type]reflect.Type{
		message.TypeText:  reflect.TypeFor[channelMessage[message.Text, Extras]](),
		message.TypeImage: reflect.TypeFor[channelMessage[message.Image, Extras]](),
		message.TypeAudio: reflect.TypeFor[channelMessage[message.Audio, Extras]](),
		message.TypeVideo: reflect.TypeFor[channelMessage[message.Video, Extras]](),
		message.TypeFile:  reflect.TypeFor[channelMessage[message.File, Extras]](),
		message.TypeBloc:  reflect.TypeFor[channelMessage[bloc, Extras]](),
	}
}

// channelMessage only gives a schema: encoding/json knows no inline.
type channelMessage[M, Extras any] struct {
	Message M      `json:",inline"`
	Extras  Extras `json:",inline"`
}

// extras2_0 is [wire.Extras] before additionalData.
type extras2_0 struct {
	UserID string `json:"userId,omitempty" jsonschema:"description=The end user who speaks instead of the bot"`
}

// kind is the name of a message's type.
type kind[M message.Message] struct{}

func (kind[M]) SchemaConst() string {
	var m M
	return string(m.Type())
}

// envelope is a message with its type beside it.
type envelope[M message.Message] struct {
	Type    kind[M] `json:"type"`
	Payload M       `json:"payload"`
}

// blocItems are the messages that a bloc may hold.
type blocItems struct{}

func (blocItems) SchemaAnyOf() []reflect.Type {
	return []reflect.Type{
		reflect.TypeFor[envelope[message.Text]](),
		reflect.TypeFor[envelope[message.Image]](),
		reflect.TypeFor[envelope[message.Audio]](),
		reflect.TypeFor[envelope[message.Video]](),
		reflect.TypeFor[envelope[message.File]](),
		reflect.TypeFor[envelope[message.Location]](),
		reflect.TypeFor[envelope[message.Markdown]](),
	}
}

// turn is a message in a history.
type turn[M message.Message] struct {
	Source speaker `json:"source"`
	envelope[M]
}

// turns are the messages that a history may hold.
type turns struct{}

func (turns) SchemaAnyOf() []reflect.Type {
	return []reflect.Type{
		reflect.TypeFor[turn[message.Text]](),
		reflect.TypeFor[turn[message.Image]](),
		reflect.TypeFor[turn[message.Audio]](),
		reflect.TypeFor[turn[message.Video]](),
		reflect.TypeFor[turn[message.File]](),
		reflect.TypeFor[turn[message.Location]](),
		reflect.TypeFor[turn[message.Carousel]](),
		reflect.TypeFor[turn[message.Card]](),
		reflect.TypeFor[turn[message.Dropdown]](),
		reflect.TypeFor[turn[message.Choice]](),
		reflect.TypeFor[turn[message.Bloc]](),
		reflect.TypeFor[turn[message.Markdown]](),
	}
}

// speaker is who said something: a user or the bot.
type speaker struct{}

func (speaker) SchemaAnyOf() []reflect.Type {
	return []reflect.Type{
		reflect.TypeFor[struct {
			Type   string `json:"type" jsonschema_extras:"const=user"`
			UserID string `json:"userId"`
		}](),
		reflect.TypeFor[struct {
			Type string `json:"type" jsonschema_extras:"const=bot"`
		}](),
	}
}
