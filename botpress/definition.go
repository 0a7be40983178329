package botpress

import "encoding/json"

// The parts of the definitions of integrations, interfaces and bots. In an
// update, what is left out stays as it is, and a nil entry in a map of pointers
// removes the part with that name.

// Removable are named strings of a definition. An entry with an empty value is
// sent as null, which in an update removes it.
type Removable map[string]string

// MarshalJSON encodes empty values as null.
func (r Removable) MarshalJSON() ([]byte, error) {
	wire := make(map[string]*string, len(r))
	for name, value := range r {
		wire[name] = nil
		if value != "" {
			wire[name] = &value
		}
	}
	return json.Marshal(wire)
}

// SchemaDefinition holds a JSON Schema (draft 7, every $ref resolved).
type SchemaDefinition struct {
	Schema json.RawMessage `json:"schema"`
}

// ActionDefinition describes an action.
type ActionDefinition struct {
	// Name is set if the action of an interface goes by another name here.
	Name        string           `json:"name,omitempty"`
	Title       string           `json:"title,omitempty"`
	Description string           `json:"description,omitempty"`
	Billable    bool             `json:"billable,omitempty"`
	Cacheable   bool             `json:"cacheable,omitempty"`
	Input       SchemaDefinition `json:"input"`
	Output      SchemaDefinition `json:"output"`
	Attributes  Removable        `json:"attributes,omitzero"`
}

// EventDefinition describes an event.
type EventDefinition struct {
	// Name is set if the event of an interface goes by another name here.
	Name        string          `json:"name,omitempty"`
	Title       string          `json:"title,omitempty"`
	Description string          `json:"description,omitempty"`
	Schema      json.RawMessage `json:"schema"`
	Attributes  Removable       `json:"attributes,omitzero"`
}

// EntityDefinition describes an entity, such as a ticket.
type EntityDefinition struct {
	Title       string          `json:"title,omitempty"`
	Description string          `json:"description,omitempty"`
	Schema      json.RawMessage `json:"schema"`
}

// StateDefinition describes a state.
type StateDefinition struct {
	Type   StateType       `json:"type"`
	Schema json.RawMessage `json:"schema"`
	// Expiry is in milliseconds; only bots have it. 0 means never.
	Expiry int64 `json:"expiry,omitempty"`
}

// TagDefinition describes a tag.
type TagDefinition struct {
	Title       string `json:"title,omitempty"`
	Description string `json:"description,omitempty"`
}

// Tagged describes the tags of users, conversations or messages.
type Tagged struct {
	Tags     map[string]*TagDefinition `json:"tags,omitzero"`
	Creation *CreationDefinition       `json:"creation,omitempty"`
}

// CreationDefinition says whether bots may create users or conversations of an
// integration.
type CreationDefinition struct {
	Enabled      bool     `json:"enabled"`
	RequiredTags []string `json:"requiredTags"`
}

// ChannelDefinition describes a channel. Messages maps each type of message to
// its schema.
type ChannelDefinition struct {
	// Name is set if the channel of an interface goes by another name here.
	Name         string                       `json:"name,omitempty"`
	Title        string                       `json:"title,omitempty"`
	Description  string                       `json:"description,omitempty"`
	Messages     map[string]*SchemaDefinition `json:"messages,omitzero"`
	Conversation *Tagged                      `json:"conversation,omitempty"`
	Message      *Tagged                      `json:"message,omitempty"`
}

// ConfigurationDefinition describes what the bot's owner fills in when an
// integration is installed.
type ConfigurationDefinition struct {
	Title       string                             `json:"title,omitempty"`
	Description string                             `json:"description,omitempty"`
	Schema      json.RawMessage                    `json:"schema,omitempty"`
	Identifier  *ConfigurationIdentifierDefinition `json:"identifier,omitempty"`
}

// ConfigurationIdentifierDefinition lets the bot's owner link an account
// instead of, or before, filling in a configuration.
type ConfigurationIdentifierDefinition struct {
	Required           bool             `json:"required,omitempty"`
	LinkTemplateScript Optional[string] `json:"linkTemplateScript,omitzero"`
}

// IdentifierDefinition routes an incoming request to an installation. The
// scripts are in VRL.
type IdentifierDefinition struct {
	ExtractScript         Optional[string] `json:"extractScript,omitzero"`
	FallbackHandlerScript Optional[string] `json:"fallbackHandlerScript,omitzero"`
}

// InterfaceImplementation says under which names an integration implements an
// interface.
type InterfaceImplementation struct {
	ID string `json:"id"`
	// Name and Version are those of the interface.
	Name     string           `json:"name,omitempty"`
	Version  string           `json:"version,omitempty"`
	Entities map[string]Alias `json:"entities,omitzero"`
	Actions  map[string]Alias `json:"actions,omitzero"`
	Events   map[string]Alias `json:"events,omitzero"`
	Channels map[string]Alias `json:"channels,omitzero"`
}

// Alias is the name that an integration gives to a part of an interface.
type Alias struct {
	Name string `json:"name"`
}

// ExtraOperation switches an optional operation of an integration on or off.
type ExtraOperation struct {
	Enabled bool `json:"enabled"`
}
