package botpress

import (
	"context"
	"net/url"
	"time"
)

// IntegrationAPIKey is an integration access key: the token with which a
// self-hosted integration calls the API.
type IntegrationAPIKey struct {
	ID        string    `json:"id"`
	CreatedAt time.Time `json:"createdAt"`
	Note      string    `json:"note"`
	// Value is the token. It is set only in the result of
	// [Client.CreateIntegrationAPIKey].
	Value Secret `json:"value,omitempty"`
}

// CreateIntegrationAPIKeyParams describes a new key.
type CreateIntegrationAPIKeyParams struct {
	// IntegrationID is required.
	IntegrationID string `json:"integrationId"`
	Note          string `json:"note,omitempty"`
}

// CreateIntegrationAPIKey makes a key; its value is not shown again.
func (c *Client) CreateIntegrationAPIKey(ctx context.Context, p CreateIntegrationAPIKeyParams) (IntegrationAPIKey, error) {
	return do[IntegrationAPIKey](ctx, c, post(p, "/v1/admin/integrations/iaks"))
}

// ListIntegrationAPIKeys returns the keys of an integration, without their
// values.
func (c *Client) ListIntegrationAPIKeys(ctx context.Context, integrationID string) ([]IntegrationAPIKey, error) {
	r := get("/v1/admin/integrations/iaks")
	r.query = url.Values{"integrationId": {integrationID}}
	reply, err := do[struct {
		Keys []IntegrationAPIKey `json:"iaks"`
	}](ctx, c, r)
	return reply.Keys, err
}

// DeleteIntegrationAPIKey revokes a key.
func (c *Client) DeleteIntegrationAPIKey(ctx context.Context, id string) error {
	_, err := do[struct{}](ctx, c, del("/v1/admin/integrations/iaks/{id}", id))
	return err
}
