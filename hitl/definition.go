package hitl

import (
	"cmp"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/internal/hitlinterface"
	"github.com/hitl-go/sdk/message"
)

// The versions of the HITL interface that can be declared.
const (
	InterfaceV2_1 = hitlinterface.V2_1 // adds additionalData to the messages of the channel
	InterfaceV2_0 = hitlinterface.V2_0
)

// Definition describes the integration to Botpress and to the people who install it. Name and Version are required.
// [NewServer] checks it, and takes the schemas of the configuration and of the session from the types it is given.
type Definition struct {
	// Name identifies the integration: lower-case letters, digits and hyphens. Where the workspace has a handle,
	// its name on Botpress is handle/name; deploying takes care of that.
	Name string

	// Version is a semantic one: "1.0.0". Bots stay on the version they have installed. Botpress refuses
	// breaking changes to a version: those need a new one.
	Version string

	// Title has at most 64 characters, Description 256.
	Title       string
	Description string

	// Icon is an SVG and Readme a Markdown text, both best embedded with go:embed. They may be empty.
	Icon   []byte
	Readme []byte

	// Attributes are facts for the hub, such as its category.
	Attributes map[string]string

	// InterfaceVersion is the version of the HITL interface that is declared. Empty means [InterfaceV2_1].
	InterfaceVersion string

	// These rename the parts of the HITL interface for this integration, and say what they are called in the Studio.
	// Empty fields stay as in the interface.
	CreateUser Part // action createUser
	StartHitl  Part // action startHitl
	StopHitl   Part // action stopHitl
	Assigned   Part // event hitlAssigned
	Stopped    Part // event hitlStopped
	Channel    Part // channel hitl
	Session    Part // entity hitlSession

	// UserTags, ConversationTags and MessageTags declare the tags that the adapter sets through [Ref.Tags] and [Agent.Tags].
	// The server declares its own tags itself. One of them that is listed here is the server's as before, with these texts.
	UserTags         []Part
	ConversationTags []Part
	MessageTags      []Part

	// Configurations are alternatives to the configuration that [NewServer] takes its schema from. Whoever installs
	// the integration chooses one. Its values are decoded into the same type, which therefore has the fields of all
	// of them; [Installation.ConfigurationType] is its name.
	Configurations []ConfigurationDefinition

	// LinkTemplate gives the configuration a button that opens an address, on which the bot's owner connects an account: a script in VRL
	// of at most 2,000 characters, which is given webhookUrl, webhookId and env. [oauth.LinkTemplate] is one.
	//
	// [oauth.LinkTemplate]: https://pkg.go.dev/github.com/hitl-go/sdk/hitl/oauth#LinkTemplate
	LinkTemplate string

	// Events are events besides those of the interface. [Installation.Client] emits them.
	Events []EventDefinition

	// States are what the integration stores in Botpress. [Installation.State] reads and writes those of the installation. Those of
	// a conversation or a user are read and written with [botpress.Client.GetState] and [botpress.Client.SetState] of [Installation.Client].
	States []StateDefinition

	// ExtraOperations switches optional operations of Botpress on or off, by name, such as "message_updated". The server
	// acknowledges them, and does nothing else.
	ExtraOperations map[string]bool

	// SendOnce says that the desk has no way to recognise a repetition: no idempotency key, no external id. The server then
	// holds a lease while it sends a message, so that two replicas never send the same one at once. One whose answer was lost
	// is still sent again.
	SendOnce bool

	// JoinBlocs gives [Integration.SendMessage] a [message.Bloc] as one message, and not item by item, unless it is longer than MaxText:
	// for desks that limit how often somebody writes.
	JoinBlocs bool

	// MaxText is how long a text may be that the desk takes, in TextUnit; zero means any length. The server splits longer ones
	// into several [SendMessageRequest.Part].
	MaxText  int
	TextUnit message.Unit

	// Secrets are the names of values that Botpress keeps for integrations that it hosts. A self-hosted one seldom
	// needs any.
	Secrets []string
}

// Part is what one part of a definition is called: by programs (Name), and by the people who read the Studio.
// A title has at most 64 characters, a description 256.
type Part struct {
	Name        string
	Title       string
	Description string
}

// ConfigurationDefinition is an alternative configuration. Its name is required.
type ConfigurationDefinition struct {
	Name        string
	Title       string
	Description string

	// Type is a value of the struct that gives the schema, such as OAuth{}. Its fields do not matter.
	Type any

	// LinkTemplate is as in [Definition].
	LinkTemplate string
}

// EventDefinition is an event of the integration. Its name is required.
type EventDefinition struct {
	Name        string
	Title       string
	Description string

	// Payload is a value of the struct that gives the schema, such as TicketRated{}. Its fields do not matter.
	Payload any

	// Attributes are facts for the Studio.
	Attributes map[string]string
}

// StateDefinition is a JSON object that the integration stores in Botpress. Its name is required.
type StateDefinition struct {
	Name string

	// Scope is what the state belongs to. Empty means the installation: [botpress.StateOfIntegration].
	Scope botpress.StateType

	// Payload is a value of the struct that gives the schema, such as Credentials{}. Its fields do not matter.
	Payload any
}

// withDefaults fills in the interface's own names.
func (d *Definition) withDefaults() {
	d.InterfaceVersion = cmp.Or(d.InterfaceVersion, InterfaceV2_1)
	for _, p := range d.parts() {
		p.Name = cmp.Or(p.Name, p.original)
	}
}

// interfacePart is a part of the HITL interface in a definition.
type interfacePart struct {
	*Part

	field    string // in the Definition
	kind     string // action, event, channel or entity
	original string // its name in the interface
}

// parts returns the parts of the interface. They can be written to.
func (d *Definition) parts() []interfacePart {
	return []interfacePart{
		{&d.CreateUser, "CreateUser", "action", "createUser"},
		{&d.StartHitl, "StartHitl", "action", "startHitl"},
		{&d.StopHitl, "StopHitl", "action", "stopHitl"},
		{&d.Assigned, "Assigned", "event", "hitlAssigned"},
		{&d.Stopped, "Stopped", "event", "hitlStopped"},
		{&d.Channel, "Channel", "channel", "hitl"},
		{&d.Session, "Session", "entity", "hitlSession"},
	}
}
