package hitl

import (
	"cmp"

	"github.com/hitl-go/sdk/botpress"
)

// Definition describes the integration to Botpress and to the people who install it. Name and Version are required.
// [NewServer] checks it, and takes the schemas of the configuration and of the session from the types it is given.
type Definition struct {
	// Name identifies the integration: lower-case letters, digits and hyphens. Where the workspace has a handle,
	// its name on Botpress is handle/name; deploying takes care of that.
	Name string

	// Version is a semantic one: "1.0.0". Bots stay on the version they have installed. Botpress refuses to
	// change a version so that it breaks them: that needs a new one.
	Version string

	// Title has at most 64 characters, Description 256.
	Title       string
	Description string

	// Icon is an SVG and Readme a Markdown text, both best embedded with go:embed. They may be empty.
	Icon   []byte
	Readme []byte

	// Attributes are facts for the hub, such as its category.
	Attributes map[string]string

	// InterfaceVersion is the version of the HITL interface that is declared. Empty means [Interface2_1].
	InterfaceVersion string

	// Names renames parts of the HITL interface for this integration, and Texts says what the parts are called in
	// the Studio. Empty ones stay as in the interface.
	Names Names
	Texts Texts

	// UserTags, ConversationTags and MessageTags declare, by their names, the tags that the adapter sets through
	// [Ref.Tags]. The server's own tags are declared without being named here.
	UserTags         map[string]Text
	ConversationTags map[string]Text
	MessageTags      map[string]Text

	// Configurations are alternatives to the configuration that [NewServer] takes its schema from, by name.
	// Whoever installs the integration chooses one. Its values are decoded into the same type, which therefore has the
	// fields of all of them; [Installation.ConfigurationType] tells which one it is.
	Configurations map[string]ConfigurationDefinition

	// Events are events of the integration besides those of the interface, by name. [Installation.Client]
	// emits them.
	Events map[string]EventDefinition

	// States are what the integration remembers, by name. [Installation.State] reads and writes them.
	States map[string]StateDefinition

	// Secrets are the names of values that Botpress keeps for integrations that it hosts. One that hosts itself
	// seldom needs any.
	Secrets []string
}

// Names is what the integration calls the parts of the HITL interface. Empty fields keep the interface's own names.
type Names struct {
	CreateUser string // action
	StartHitl  string // action
	StopHitl   string // action
	Assigned   string // event, hitlAssigned
	Stopped    string // event, hitlStopped
	Channel    string // hitl
	Session    string // entity, hitlSession
}

// Text is what people read about a part of a definition. A title has at most 64 characters, a description 256.
type Text struct {
	Title       string
	Description string
}

// Texts are the texts of the parts of the HITL interface. Empty fields keep the interface's own texts.
type Texts struct {
	CreateUser Text
	StartHitl  Text
	StopHitl   Text
	Assigned   Text
	Stopped    Text
	Channel    Text
	Session    Text
}

// ConfigurationDefinition is an alternative configuration.
type ConfigurationDefinition struct {
	Text

	// Type is a value of the struct that gives the schema, such as OAuth{}. Its fields do not matter.
	Type any
}

// EventDefinition is an event of the integration.
type EventDefinition struct {
	Text

	// Payload is a value of the struct that gives the schema, such as TicketRated{}. Its fields do not matter.
	Payload any
}

// StateDefinition is something that the integration remembers.
type StateDefinition struct {
	// Of is what the state belongs to. Empty means the installation: [botpress.StateOfIntegration].
	Of botpress.StateType

	// Payload is a value of the struct that gives the schema, such as Credentials{}. Its fields do not matter.
	Payload any
}

func (d Definition) withDefaults() Definition {
	d.InterfaceVersion = cmp.Or(d.InterfaceVersion, Interface2_1)
	d.Names = Names{
		CreateUser: cmp.Or(d.Names.CreateUser, "createUser"),
		StartHitl:  cmp.Or(d.Names.StartHitl, "startHitl"),
		StopHitl:   cmp.Or(d.Names.StopHitl, "stopHitl"),
		Assigned:   cmp.Or(d.Names.Assigned, "hitlAssigned"),
		Stopped:    cmp.Or(d.Names.Stopped, "hitlStopped"),
		Channel:    cmp.Or(d.Names.Channel, "hitl"),
		Session:    cmp.Or(d.Names.Session, "hitlSession"),
	}
	return d
}
