package botpress

import (
	"context"
	"time"
)

// Workspace owns bots and integrations.
type Workspace struct {
	ID        string    `json:"id"`
	CreatedAt time.Time `json:"createdAt"`
	UpdatedAt time.Time `json:"updatedAt"`
	Name      string    `json:"name"`
	// Handle comes before the names of the workspace's integrations, as in
	// handle/name. Empty means none.
	Handle         string `json:"handle"`
	OwnerID        string `json:"ownerId"`
	BotCount       int    `json:"botCount"`
	BillingVersion string `json:"billingVersion"`
	Plan           string `json:"plan"`
	Blocked        bool   `json:"blocked"`
	// SpendingLimit is in dollars a month.
	SpendingLimit  float64  `json:"spendingLimit"`
	About          string   `json:"about"`
	ProfilePicture string   `json:"profilePicture"`
	ContactEmail   string   `json:"contactEmail"`
	Website        string   `json:"website"`
	SocialAccounts []string `json:"socialAccounts"`
	IsPublic       bool     `json:"isPublic"`
	ActiveTrialID  string   `json:"activeTrialId"`
}

// UpdateWorkspaceParams is what changes in a workspace.
type UpdateWorkspaceParams struct {
	Name           string         `json:"name,omitempty"`
	Handle         string         `json:"handle,omitempty"`
	SpendingLimit  float64        `json:"spendingLimit,omitempty"`
	About          string         `json:"about,omitempty"`
	ProfilePicture string         `json:"profilePicture,omitempty"`
	ContactEmail   string         `json:"contactEmail,omitempty"`
	Website        string         `json:"website,omitempty"`
	SocialAccounts []string       `json:"socialAccounts,omitzero"`
	IsPublic       Optional[bool] `json:"isPublic,omitzero"`
}

// GetWorkspace returns a workspace, or [ErrNotFound].
func (c *Client) GetWorkspace(ctx context.Context, id string) (Workspace, error) {
	return do[Workspace](ctx, c, get("/v1/admin/workspaces/{id}", id))
}

// UpdateWorkspace changes a workspace and returns it as it is now.
func (c *Client) UpdateWorkspace(ctx context.Context, id string, p UpdateWorkspaceParams) (Workspace, error) {
	return do[Workspace](ctx, c, put(p, "/v1/admin/workspaces/{id}", id))
}

// DeleteWorkspace deletes a workspace with everything in it.
func (c *Client) DeleteWorkspace(ctx context.Context, id string) error {
	_, err := do[struct{}](ctx, c, del("/v1/admin/workspaces/{id}", id))
	return err
}
