package botpress

import (
	"context"
	"encoding/json"
)

// CallActionParams names an action and its input.
type CallActionParams struct {
	// Type is the alias of the integration and the name of the action, joined
	// by a colon, e.g. zendesk:startHitl.
	Type string `json:"type"`
	// Input is a JSON object. Nil means an empty one.
	Input json.RawMessage `json:"input"`
}

// CallActionResult is what an action returned.
type CallActionResult struct {
	// Output is a JSON object.
	Output json.RawMessage
	// Cached reports that the output is that of an earlier call.
	Cached bool
}

// CallAction lets an integration installed in the bot perform an action. A
// failure that the integration reports on purpose is an [*Error] of
// [TypeRuntime].
func (c *Client) CallAction(ctx context.Context, p CallActionParams) (CallActionResult, error) {
	p.Input = object(p.Input)
	reply, err := do[struct {
		Output json.RawMessage `json:"output"`
		Meta   struct {
			Cached bool `json:"cached"`
		} `json:"meta"`
	}](ctx, c, post(p, "/v1/chat/actions"))
	return CallActionResult{Output: reply.Output, Cached: reply.Meta.Cached}, err
}

// RegisterSchedule is how often an integration is asked to register again.
type RegisterSchedule string

// The schedules of registration.
const (
	Hourly    RegisterSchedule = "hourly"
	Daily     RegisterSchedule = "daily"
	Weekly    RegisterSchedule = "weekly"
	BiWeekly  RegisterSchedule = "bi-weekly"
	Monthly   RegisterSchedule = "monthly"
	BiMonthly RegisterSchedule = "bi-monthly"
	Quarterly RegisterSchedule = "quarterly"
	Yearly    RegisterSchedule = "yearly"
)

// ConfigureIntegrationParams is what an integration sets about its own
// installation.
type ConfigureIntegrationParams struct {
	// Identifier tells incoming requests of one installation from those of
	// another.
	Identifier           Optional[string] `json:"identifier,omitzero"`
	ScheduleRegisterCall RegisterSchedule `json:"scheduleRegisterCall,omitempty"`
	// SandboxIdentifiers is a JSON object; the API calls it experimental.
	SandboxIdentifiers Optional[json.RawMessage] `json:"sandboxIdentifiers,omitzero"`
}

// ConfigureIntegration configures the installation of the calling integration.
// It is idempotent.
func (c *Client) ConfigureIntegration(ctx context.Context, p ConfigureIntegrationParams) error {
	_, err := do[struct{}](ctx, c, idempotentPost(p, "/v1/chat/integrations/configure"))
	return err
}
