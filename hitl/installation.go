package hitl

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/internal/strictjson"
)

// Installation is one place where the integration is installed: a bot, with a configuration.
type Installation struct {
	// BotID is the bot, BotUserID the Botpress user that stands for it in conversations.
	BotID     string
	BotUserID string

	// IntegrationID is the integration (one name and version), Alias what it is called in this bot.
	IntegrationID string
	Alias         string

	// WebhookID identifies the installation's webhook, and so the installation.
	WebhookID string

	// ConfigurationType names the alternative configuration in use; empty for the default one.
	ConfigurationType string

	// Logger writes to the server's log, with the bot, the integration and the alias in each line.
	Logger *slog.Logger

	// Client calls the Botpress API for this bot, for what the five methods do not cover.
	Client *botpress.Client

	// HTTPClient calls the help desk; the playground and "dev --playground" show what it sends. It has no timeout of its own: requests
	// end with their context. It is this installation's and may be changed; its Transport is shared, so wrap it.
	HTTPClient *http.Client

	// State keeps what the adapter must remember, such as credentials.
	State State
}

// State is the integration's own memory in Botpress, shared by all replicas: the states of the installation. A state has a
// name, which the [Definition] must declare, and holds a JSON object.
type State struct {
	declared      []StateDefinition
	client        *botpress.Client
	integrationID string
	leases        *leases
}

// Get reads the state into v, a pointer to a struct or map, and reports whether there was one.
func (s State) Get(ctx context.Context, name string, v any) (bool, error) {
	if err := s.check(name); err != nil {
		return false, err
	}
	state, err := s.client.GetState(ctx, s.key(name))
	if errors.Is(err, botpress.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("hitl: read state %q: %w", name, err)
	}
	if err := strictjson.Unmarshal(state.Payload, v); err != nil {
		return false, fmt.Errorf("hitl: state %q does not fit %T: %w", name, v, err)
	}
	return true, nil
}

// Set stores v, a struct or map; nil deletes the state. The last writer wins.
func (s State) Set(ctx context.Context, name string, v any) error {
	if err := s.check(name); err != nil {
		return err
	}
	var p botpress.SetStateParams
	if v != nil {
		payload, err := json.Marshal(v)
		if err != nil {
			return fmt.Errorf("hitl: state %q: %w", name, err)
		}
		p.Payload = payload
	}
	if _, err := s.client.SetState(ctx, s.key(name), p); err != nil {
		return fmt.Errorf("hitl: write state %q: %w", name, err)
	}
	return nil
}

// Update reads the state into v, a pointer, and stores what change has made of it. A lease keeps all replicas from doing so at
// the same time, so no change gets lost; other writers should use Update as well. If there is no state, v is as it came. An
// error of change stores nothing, and what it leaves as it was is not written. The lease is that of all states of the installation, and ends a little after
// [Options.Timeout]: change should be quick, and must not call Update.
func (s State) Update(ctx context.Context, name string, v any, change func(context.Context) error) error {
	if err := s.check(name); err != nil {
		return err
	}
	key := s.key(stateUpdate)
	held, err := s.leases.acquireKey(ctx, key, nil)
	if err != nil {
		return err
	}
	defer s.leases.release(ctx, held)
	if _, err := s.Get(ctx, name, v); err != nil {
		return err
	}
	before, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("hitl: state %q: %w", name, err)
	}
	if err := change(ctx); err != nil {
		return err
	}
	if after, err := json.Marshal(v); err == nil && bytes.Equal(before, after) {
		return nil
	}
	return s.Set(ctx, name, v)
}

// check reports a state that Botpress does not have, in words that say where to add it.
func (s State) check(name string) error {
	if slices.ContainsFunc(s.declared, func(d StateDefinition) bool { return d.Name == name }) {
		return nil
	}
	return fmt.Errorf("hitl: the state %q is not declared: add it to Definition.States", name)
}

func (s State) key(name string) botpress.StateKey {
	return botpress.StateKey{Type: botpress.StateOfIntegration, ID: s.integrationID, Name: name}
}
