package botpresstest

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// hitlInterface is the name of the interface that the HITL plugin looks for.
const hitlInterface = "hitl"

// FromDefinition reads an [Integration] from the body of createIntegration: its name and version, its names for the parts
// of the HITL interface, and the tags, events, channels and states that it declares. Undeclared ones may not be used. The
// caller sets how the integration is installed: URL, SigningSecret, Configuration. The alias is the name without the
// workspace's handle.
//
// Tags of conversations and messages may be used on every channel, whichever declares them. It fails on a body that is no
// definition or does not implement the HITL interface exactly once.
func FromDefinition(body []byte) (Integration, error) {
	var d definition
	if err := json.Unmarshal(body, &d); err != nil {
		return Integration{}, fmt.Errorf("botpresstest: the definition cannot be read: %w", err)
	}
	if d.Name == "" {
		return Integration{}, errors.New("botpresstest: the definition has no name")
	}
	hitl, err := d.hitl()
	if err != nil {
		return Integration{}, err
	}
	spec := Integration{Name: d.Name, Version: d.Version, Names: hitl.names(), States: present(d.States), StateTypes: map[string]string{}}
	for _, name := range spec.States {
		spec.StateTypes[name] = d.States[name].Type
	}
	_, spec.Alias, _ = strings.Cut(d.Name, "/") // Aliases in a bot have no workspace handle.
	spec.Events = present(d.Events, spec.Names.Assigned, spec.Names.Stopped)
	spec.Channels = present(d.Channels, spec.Names.Channel)
	spec.Tags.User = present(d.User.Tags)
	for _, name := range present(d.Channels) {
		spec.Tags.Conversation = append(spec.Tags.Conversation, present(d.Channels[name].Conversation.Tags)...)
		spec.Tags.Message = append(spec.Tags.Message, present(d.Channels[name].Message.Tags)...)
	}
	return spec, nil
}

// definition is the body of createIntegration, as far as calls are checked against it. In an update, null removes what is
// deployed.
type definition struct {
	Name       string                    `json:"name"`
	Version    string                    `json:"version"`
	User       tagged                    `json:"user"`
	Events     map[string]*struct{}      `json:"events"`
	States     map[string]*stateType     `json:"states"`
	Interfaces map[string]implementation `json:"interfaces"`
	Channels   map[string]*struct {
		Conversation tagged `json:"conversation"`
		Message      tagged `json:"message"`
	} `json:"channels"`
}

type stateType struct {
	Type string `json:"type"`
}

type tagged struct {
	Tags map[string]*struct{} `json:"tags"`
}

// implementation holds the integration's names for the parts of an interface.
type implementation struct {
	Name     string           `json:"name"`
	Actions  map[string]alias `json:"actions"`
	Events   map[string]alias `json:"events"`
	Channels map[string]alias `json:"channels"`
}

type alias struct {
	Name string `json:"name"`
}

func (i implementation) names() Names {
	return Names{
		CreateUser: i.Actions["createUser"].Name, StartHitl: i.Actions["startHitl"].Name, StopHitl: i.Actions["stopHitl"].Name,
		Assigned: i.Events["hitlAssigned"].Name, Stopped: i.Events["hitlStopped"].Name, Channel: i.Channels["hitl"].Name,
	}
}

// hitl finds the implementation of the HITL interface.
func (d definition) hitl() (implementation, error) {
	var found []implementation
	for _, i := range d.Interfaces {
		if i.Name == hitlInterface {
			found = append(found, i)
		}
	}
	if len(found) != 1 {
		return implementation{}, fmt.Errorf("botpresstest: %s implements the interface %q %d times, and one is needed", d.Name, hitlInterface, len(found))
	}
	return found[0], nil
}

// present returns the keys of m that have a value, in order, except some. It is never nil, because nil would allow
// everything.
func present[V any](m map[string]*V, except ...string) []string {
	names := make([]string, 0, len(m))
	for name, v := range m {
		if v != nil && !slices.Contains(except, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
