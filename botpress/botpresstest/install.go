package botpresstest

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Integration is an integration that implements the HITL interface, and the configuration of one installation. Name and
// URL are required. An installation whose URL is the one of the deployed integration of this Name and Version follows its
// updates, and one whose SigningSecret is its newest follows its rotations.
type Integration struct {
	Name    string
	Version string // Empty: "1.0.0".
	URL     string // Where operations are posted to.
	Alias   string // Name of this installation in the bot. Empty: Name.
	// SigningSecret is the base64url secret with which operations are signed. Empty: they are not signed.
	SigningSecret string
	// Configuration becomes a JSON object. Nil: {}.
	Configuration any
	// ConfigurationType is the name of the alternative configuration that is used. Empty: the default one.
	ConfigurationType string

	// The definition, as far as the API checks calls against it.
	Names    Names    // The names of the parts of the HITL interface.
	Tags     Tags     // The tags that may be used.
	Events   []string // Events besides the interface's.
	Channels []string // Channels besides the interface's.
	States   []string // States. Nil: any state may be used.
	// StateTypes are the types of states by name: "conversation", "user" or "integration". A state may be used with any of
	// them if it has none here. No integration may use a bot's states.
	StateTypes map[string]string
}

// Names are a definition's names for the parts of the HITL interface. Empty: the interface's own name.
type Names struct {
	CreateUser, StartHitl, StopHitl string // Actions.
	Assigned, Stopped               string // Events.
	Channel                         string
}

// Tags are the tags that a definition declares, besides "id", which every kind has, and "email" of users.
type Tags struct {
	User, Conversation, Message []string
}

// Installation is an integration installed in the bot.
type Installation struct {
	Integration

	IntegrationID string // The same for every installation of one name and version.
	WebhookID     string
	WebhookURL    string // What the desk calls.

	server     *Server
	config     json.RawMessage // Guarded by server.mu, like what follows.
	schedule   string          // How often register is called.
	identifier string          // What the integration set, such as the account that is connected.
	timer      *time.Timer     // Of the next scheduled call of register.

	followsURL, followsSecret bool // The deployed integration's.

	registered time.Time // The last timestamp of a call of register or unregister.
}

// Install installs an integration and registers it. If the registration fails, it is not installed, and the error is an
// [*Error] with its message.
func (s *Server) Install(ctx context.Context, spec Integration) (*Installation, error) {
	if spec.Name == "" || spec.URL == "" {
		return nil, errors.New("botpresstest: an integration needs a Name and a URL")
	}
	if _, err := decodeSecret(spec.SigningSecret); err != nil {
		return nil, fmt.Errorf("botpresstest: the signing secret must be base64url: %w", err)
	}
	config, err := configuration(spec.Configuration)
	if err != nil {
		return nil, err
	}
	in := &Installation{Integration: spec, server: s, config: config}
	in.Version, in.Alias = cmp.Or(in.Version, "1.0.0"), cmp.Or(in.Alias, in.Name)
	in.Names = Names{
		CreateUser: cmp.Or(spec.Names.CreateUser, "createUser"), StartHitl: cmp.Or(spec.Names.StartHitl, "startHitl"),
		StopHitl: cmp.Or(spec.Names.StopHitl, "stopHitl"), Assigned: cmp.Or(spec.Names.Assigned, "hitlAssigned"),
		Stopped: cmp.Or(spec.Names.Stopped, "hitlStopped"), Channel: cmp.Or(spec.Names.Channel, "hitl"),
	}

	s.mu.Lock()
	for _, other := range s.installations {
		if other.Alias == in.Alias {
			s.mu.Unlock()
			return nil, fmt.Errorf("botpresstest: there is an installation with the alias %q already", in.Alias)
		}
		if other.Name == in.Name && other.Version == in.Version {
			in.IntegrationID = other.IntegrationID
		}
	}
	if d := s.deployed(in.Name, in.Version); d != nil {
		in.IntegrationID = d.id
		in.followsURL = d.definition["url"] == in.URL
		in.followsSecret = d.signing[0].value == in.SigningSecret
	}
	in.IntegrationID = cmp.Or(in.IntegrationID, s.newID("intver"))
	in.WebhookID = s.newID("wh")
	in.WebhookURL = s.URL + "/webhook/" + in.WebhookID
	s.installations = append(s.installations, in) // Before it is registered: register may call the API.
	s.mu.Unlock()

	if err := in.register(ctx, opRegister); err != nil {
		in.remove()
		return nil, err
	}
	return in, nil
}

// Configure saves a new configuration and registers the integration again. If that fails, the old configuration stays.
func (in *Installation) Configure(ctx context.Context, config any) error {
	data, err := configuration(config)
	if err != nil {
		return err
	}
	old := in.swapConfig(data)
	if err := in.register(ctx, opRegister); err != nil {
		in.swapConfig(old)
		return err
	}
	return nil
}

// Uninstall unregisters the integration and removes it from the bot. If that fails, it stays installed.
func (in *Installation) Uninstall(ctx context.Context) error {
	if err := in.register(ctx, opUnregister); err != nil {
		return err
	}
	in.remove()
	return nil
}

// Ping sends the operation ping, to which an integration must respond with 200.
func (in *Installation) Ping(ctx context.Context) error {
	return in.once(ctx, opPing, struct{}{})
}

// url is where operations are posted to now.
func (in *Installation) url() string {
	in.server.mu.Lock()
	defer in.server.mu.Unlock()
	if d, err := in.server.integration(in.IntegrationID); err == nil && in.followsURL {
		if url, _ := d.definition["url"].(string); url != "" {
			return url
		}
	}
	return in.URL
}

// secrets are what operations are signed with now. Hold server.mu.
func (in *Installation) secrets(now time.Time) []string {
	if d, err := in.server.integration(in.IntegrationID); err == nil && in.followsSecret {
		return d.secretsAt(now)
	}
	if in.SigningSecret == "" {
		return nil
	}
	return []string{in.SigningSecret}
}

func (in *Installation) register(ctx context.Context, op string) error {
	return in.once(ctx, op, map[string]string{"webhookUrl": in.WebhookURL})
}

func (in *Installation) installed() bool {
	in.server.mu.Lock()
	defer in.server.mu.Unlock()
	return slices.Contains(in.server.installations, in)
}

func (in *Installation) remove() {
	s := in.server
	s.mu.Lock()
	defer s.mu.Unlock()
	s.installations = slices.DeleteFunc(s.installations, func(other *Installation) bool { return other == in })
	in.reschedule("")
	maps.DeleteFunc(s.states, func(k stateKey, _ *state) bool { return k.owner == in })
}

func (in *Installation) swapConfig(config json.RawMessage) (old json.RawMessage) {
	in.server.mu.Lock()
	defer in.server.mu.Unlock()
	old, in.config = in.config, config
	return old
}

func configuration(config any) (json.RawMessage, error) {
	if config == nil {
		return json.RawMessage("{}"), nil
	}
	data, err := json.Marshal(config)
	if err != nil {
		return nil, fmt.Errorf("botpresstest: the configuration cannot be written as JSON: %w", err)
	}
	if object("configuration", data) != nil {
		return nil, errors.New("botpresstest: the configuration must be a JSON object")
	}
	return data, nil
}

// declared are the tags that the definition declares for a kind of thing.
func (in *Installation) declared(k kind) []string {
	switch k {
	case onUser:
		return append([]string{"id", "email"}, in.Tags.User...)
	case onConversation:
		return append([]string{"id"}, in.Tags.Conversation...)
	case onMessage:
		return append([]string{"id"}, in.Tags.Message...)
	}
	return nil
}
