package botpress

import (
	"context"
	"errors"
	"iter"
	"net/url"
	"time"
)

// Visibility says who can find and install an integration.
type Visibility string

// The visibilities of an integration.
const (
	Public   Visibility = "public"
	Private  Visibility = "private"
	Unlisted Visibility = "unlisted"
)

// VerificationStatus says whether Botpress has reviewed an integration.
type VerificationStatus string

// The verification statuses of an integration.
const (
	VerificationUnapproved VerificationStatus = "unapproved"
	VerificationPending    VerificationStatus = "pending"
	VerificationApproved   VerificationStatus = "approved"
	VerificationRejected   VerificationStatus = "rejected"
)

// LifecycleStatus says whether an integration, an interface or a plugin should
// still be used.
type LifecycleStatus string

// The lifecycle statuses.
const (
	Published  LifecycleStatus = "published"
	Deprecated LifecycleStatus = "deprecated"
)

// IntegrationDefinition is what an integration is made of. In an update, parts
// that are nil stay as they are.
type IntegrationDefinition struct {
	Title          string                              `json:"title,omitempty"`
	Description    string                              `json:"description,omitempty"`
	Configuration  *ConfigurationDefinition            `json:"configuration,omitempty"`
	Configurations map[string]*ConfigurationDefinition `json:"configurations,omitzero"`
	Identifier     *IdentifierDefinition               `json:"identifier,omitempty"`
	Entities       map[string]*EntityDefinition        `json:"entities,omitzero"`
	Actions        map[string]*ActionDefinition        `json:"actions,omitzero"`
	Events         map[string]*EventDefinition         `json:"events,omitzero"`
	Channels       map[string]*ChannelDefinition       `json:"channels,omitzero"`
	States         map[string]*StateDefinition         `json:"states,omitzero"`
	User           *Tagged                             `json:"user,omitempty"`
	// Interfaces are keyed by the interface's name with the names of its
	// entities, e.g. hitl<ticket>.
	Interfaces map[string]*InterfaceImplementation `json:"interfaces,omitzero"`
	Attributes Removable                           `json:"attributes,omitzero"`
	Visibility Visibility                          `json:"visibility,omitempty"`
	// Public is the older form of Visibility.
	Public bool `json:"public,omitempty"`
}

// Integration is an integration as it is deployed.
type Integration struct {
	ID        string    `json:"id"`
	CreatedAt time.Time `json:"createdAt"`
	UpdatedAt time.Time `json:"updatedAt"`
	Name      string    `json:"name"`
	Version   string    `json:"version"`
	IntegrationDefinition
	// URL is where Botpress sends the integration's operations.
	URL string `json:"url"`
	// SigningSecret is shown in full when the integration is created, and else
	// empty or masked. See [NewVerifier].
	SigningSecret      Secret             `json:"signingSecret,omitempty"`
	Dev                bool               `json:"dev"`
	MaxExecutionTime   int                `json:"maxExecutionTime,omitempty"` // seconds
	IconURL            string             `json:"iconUrl"`
	ReadmeURL          string             `json:"readmeUrl"`
	VerificationStatus VerificationStatus `json:"verificationStatus"`
	LifecycleStatus    LifecycleStatus    `json:"lifecycleStatus"`
	Sandbox            Sandbox            `json:"sandbox,omitzero"`
	// Secrets are the names of the secrets, not their values.
	Secrets []string `json:"secrets"`
}

// Sandbox routes the messages of a shared account to bots. The scripts are in
// VRL.
type Sandbox struct {
	IdentifierExtractScript string `json:"identifierExtractScript,omitempty"`
	MessageExtractScript    string `json:"messageExtractScript,omitempty"`
}

// PublicIntegration is an integration on the hub.
type PublicIntegration struct {
	Integration
	OwnerWorkspace WorkspaceSummary `json:"ownerWorkspace"`
	Meta           IntegrationUsage `json:"meta"`
}

// WorkspaceSummary names a workspace. Handle may be empty.
type WorkspaceSummary struct {
	ID     string `json:"id"`
	Handle string `json:"handle"`
	Name   string `json:"name"`
}

// IntegrationUsage counts how an integration on the hub is used.
type IntegrationUsage struct {
	Installs int `json:"installs"`
	Views    int `json:"views"`
}

// IntegrationSummary is an integration as lists show it.
type IntegrationSummary struct {
	ID                 string             `json:"id"`
	CreatedAt          time.Time          `json:"createdAt"`
	UpdatedAt          time.Time          `json:"updatedAt"`
	Name               string             `json:"name"`
	Version            string             `json:"version"`
	Title              string             `json:"title"`
	Description        string             `json:"description"`
	IconURL            string             `json:"iconUrl"`
	Public             bool               `json:"public"`
	Visibility         Visibility         `json:"visibility"`
	VerificationStatus VerificationStatus `json:"verificationStatus"`
	LifecycleStatus    LifecycleStatus    `json:"lifecycleStatus"`
	// OwnerWorkspace and Meta are zero in lists of the workspace's own.
	OwnerWorkspace WorkspaceSummary `json:"ownerWorkspace,omitzero"`
	Meta           IntegrationUsage `json:"meta,omitzero"`
	// MatchedOn says what [ListPublicIntegrationsParams.Search] matched.
	MatchedOn IntegrationMatch `json:"matchedOn,omitzero"`
}

// IntegrationMatch says which parts of an integration a search matched.
type IntegrationMatch struct {
	Name        bool     `json:"name,omitempty"`
	Title       bool     `json:"title,omitempty"`
	Description bool     `json:"description,omitempty"`
	Actions     []string `json:"actions,omitempty"`
	Interfaces  []string `json:"interfaces,omitempty"`
}

// IntegrationSource is what an integration needs besides its definition.
type IntegrationSource struct {
	// Icon is an SVG, Readme a Markdown text; both are base64.
	Icon   string `json:"icon,omitempty"`
	Readme string `json:"readme,omitempty"`
	// Code is for integrations that Botpress hosts.
	Code string `json:"code,omitempty"`
	// Secrets are values that Botpress keeps for integrations that it hosts. An
	// empty value is sent as null, which removes the secret.
	Secrets         Removable                  `json:"secrets,omitzero"`
	SDKVersion      string                     `json:"sdkVersion,omitempty"`
	ExtraOperations map[string]*ExtraOperation `json:"extraOperations,omitzero"`
	Layers          []string                   `json:"layers,omitzero"`
}

// CreateIntegrationParams describes a new integration.
type CreateIntegrationParams struct {
	// Name and Version are required and cannot be changed. In a workspace with
	// a handle the name is handle/name.
	Name    string `json:"name"`
	Version string `json:"version"`
	IntegrationDefinition
	IntegrationSource
	// URL is where Botpress sends the operations of an integration that it does
	// not host.
	URL string `json:"url,omitempty"`
	// Dev makes it a development version, which only its owner sees.
	Dev bool `json:"dev,omitempty"`
}

// UpdateIntegrationParams is what changes in an integration.
type UpdateIntegrationParams struct {
	IntegrationDefinition
	IntegrationSource
	URL              Optional[string] `json:"url,omitzero"`
	MaxExecutionTime int              `json:"maxExecutionTime,omitempty"` // seconds
}

// IntegrationSort is what a list of integrations is sorted by.
type IntegrationSort string

// The orders of a list of integrations.
const (
	SortByPopularity   IntegrationSort = "popularity"
	SortByName         IntegrationSort = "name"
	SortByCreatedAt    IntegrationSort = "createdAt"
	SortByUpdatedAt    IntegrationSort = "updatedAt"
	SortByInstallCount IntegrationSort = "installCount"
)

// ListPublicIntegrationsParams selects integrations on the hub. The zero value
// selects all.
type ListPublicIntegrationsParams struct {
	Name               string
	Version            string
	InterfaceID        string
	InterfaceName      string
	InstalledByBotID   string
	VerificationStatus VerificationStatus
	// Search looks in names, titles and descriptions.
	Search    string
	SortBy    IntegrationSort
	Direction SortDirection
	// PageSize is how many items are fetched at once. 0 leaves it to the API.
	PageSize int
	// NextToken is where the list starts, a token from Next. Empty means the
	// first page.
	NextToken string
	// Next, if set, ends the list after one page and receives the token of the
	// next page, "" after the last.
	Next *string
}

func (p ListPublicIntegrationsParams) query() query {
	return query{}.
		text("name", p.Name).
		text("version", p.Version).
		text("interfaceId", p.InterfaceID).
		text("interfaceName", p.InterfaceName).
		text("installedByBotId", p.InstalledByBotID).
		text("verificationStatus", string(p.VerificationStatus)).
		text("search", p.Search).
		text("sortBy", string(p.SortBy)).
		text("direction", string(p.Direction)).
		number("limit", p.PageSize).
		text("nextToken", p.NextToken)
}

// ListIntegrationsParams selects integrations of the workspace. The zero value
// selects all.
type ListIntegrationsParams struct {
	ListPublicIntegrationsParams
	Visibility Visibility
	// Dev selects development versions (true) or the others (false).
	Dev Optional[bool]
}

type integrationReply struct {
	Integration Integration `json:"integration"`
}

type publicIntegrationReply struct {
	Integration PublicIntegration `json:"integration"`
}

type integrationPage struct {
	page
	Integrations []IntegrationSummary `json:"integrations"`
}

// CreateIntegration deploys a new integration. The result holds the signing
// secret, which is not shown again.
func (c *Client) CreateIntegration(ctx context.Context, p CreateIntegrationParams) (Integration, error) {
	reply, err := do[integrationReply](ctx, c, post(p, "/v1/admin/integrations"))
	return reply.Integration, err
}

// ValidateIntegrationCreation does what [Client.CreateIntegration] does, but
// deploys nothing. It is idempotent.
func (c *Client) ValidateIntegrationCreation(ctx context.Context, p CreateIntegrationParams) error {
	_, err := do[struct{}](ctx, c, idempotentPost(p, "/v1/admin/integrations/validate"))
	return err
}

// UpdateIntegration changes an integration and returns it as it is now.
func (c *Client) UpdateIntegration(ctx context.Context, id string, p UpdateIntegrationParams) (Integration, error) {
	reply, err := do[integrationReply](ctx, c, put(p, "/v1/admin/integrations/{id}", id))
	return reply.Integration, err
}

// ValidateIntegrationUpdate does what [Client.UpdateIntegration] does, but
// changes nothing.
func (c *Client) ValidateIntegrationUpdate(ctx context.Context, id string, p UpdateIntegrationParams) error {
	_, err := do[struct{}](ctx, c, put(p, "/v1/admin/integrations/{id}/validate", id))
	return err
}

// GetIntegration returns an integration of the workspace, or [ErrNotFound].
func (c *Client) GetIntegration(ctx context.Context, id string) (Integration, error) {
	reply, err := do[integrationReply](ctx, c, get("/v1/admin/integrations/{id}", id))
	return reply.Integration, err
}

// GetIntegrationByName returns an integration of the workspace, or
// [ErrNotFound].
func (c *Client) GetIntegrationByName(ctx context.Context, name, version string) (Integration, error) {
	reply, err := do[integrationReply](ctx, c, get("/v1/admin/integrations/{name}/{version}", name, version))
	return reply.Integration, err
}

// ListIntegrations ranges over the integrations of the workspace that p selects.
func (c *Client) ListIntegrations(ctx context.Context, p ListIntegrationsParams) iter.Seq2[IntegrationSummary, error] {
	r := get("/v1/admin/integrations")
	r.query = url.Values(p.query().text("visibility", string(p.Visibility)).flag("dev", p.Dev))
	return pages(ctx, c, r, p.Next, func(p integrationPage) ([]IntegrationSummary, string) { return p.Integrations, p.Meta.NextToken })
}

// DeleteIntegration deletes an integration. It fails while bots use it.
func (c *Client) DeleteIntegration(ctx context.Context, id string) error {
	_, err := do[struct{}](ctx, c, del("/v1/admin/integrations/{id}", id))
	return err
}

// RequestIntegrationVerification asks Botpress to review an integration.
func (c *Client) RequestIntegrationVerification(ctx context.Context, id string) error {
	body := struct {
		ID string `json:"integrationId"`
	}{id}
	_, err := do[struct{}](ctx, c, post(body, "/v1/admin/integrations/request-verification"))
	return err
}

// RotateIntegrationSigningSecrets gives an integration a new signing secret and
// returns it; it is not shown again. The old one keeps working for 24 hours.
// It is not idempotent.
func (c *Client) RotateIntegrationSigningSecrets(ctx context.Context, id string) (Secret, error) {
	reply, err := do[struct {
		Secret Secret `json:"newSigningSecret"`
	}](ctx, c, post(struct{}{}, "/v1/admin/integrations/{id}/signing-secrets/rotate", id))
	if err == nil && reply.Secret == "" {
		err = errors.New("botpress: the API rotated the signing secret but did not tell the new one; rotate again")
	}
	return reply.Secret, err
}

// LogEntry is a line of an integration's log.
type LogEntry struct {
	Timestamp      string `json:"timestamp"`
	Level          string `json:"level"`
	Message        string `json:"message"`
	WorkflowID     string `json:"workflowId,omitempty"`
	UserID         string `json:"userId,omitempty"`
	ConversationID string `json:"conversationId,omitempty"`
}

// GetIntegrationLogsParams selects lines of a log.
type GetIntegrationLogsParams struct {
	// Start is required. End may be zero, which means now.
	Start, End      time.Time
	Level           string
	UserID          string
	ConversationID  string
	MessageContains string
	// NextToken is where the list starts, a token from Next. Empty means the
	// first page.
	NextToken string
	// Next, if set, ends the list after one page and receives the token of the
	// next page, "" after the last.
	Next *string
}

type logPage struct {
	Logs      []LogEntry `json:"logs"`
	NextToken string     `json:"nextToken"`
}

// GetIntegrationLogs ranges over the lines of an integration's log that p
// selects.
func (c *Client) GetIntegrationLogs(ctx context.Context, id string, p GetIntegrationLogsParams) iter.Seq2[LogEntry, error] {
	r := get("/v1/admin/integrations/{id}/logs", id)
	r.query = url.Values(query{}.
		time("timeStart", p.Start).
		time("timeEnd", p.End).
		text("level", p.Level).
		text("userId", p.UserID).
		text("conversationId", p.ConversationID).
		text("messageContains", p.MessageContains).
		text("nextToken", p.NextToken))
	return pages(ctx, c, r, p.Next, func(p logPage) ([]LogEntry, string) { return p.Logs, p.NextToken })
}

// ListPublicIntegrations ranges over the integrations on the hub that p selects.
func (c *Client) ListPublicIntegrations(ctx context.Context, p ListPublicIntegrationsParams) iter.Seq2[IntegrationSummary, error] {
	r := get("/v1/admin/hub/integrations")
	r.query = url.Values(p.query())
	return pages(ctx, c, r, p.Next, func(p integrationPage) ([]IntegrationSummary, string) { return p.Integrations, p.Meta.NextToken })
}

// GetPublicIntegrationByID returns an integration on the hub, or [ErrNotFound].
func (c *Client) GetPublicIntegrationByID(ctx context.Context, id string) (PublicIntegration, error) {
	reply, err := do[publicIntegrationReply](ctx, c, get("/v1/admin/hub/integrations/{id}", id))
	return reply.Integration, err
}

// GetPublicIntegration returns an integration on the hub, or [ErrNotFound].
func (c *Client) GetPublicIntegration(ctx context.Context, name, version string) (PublicIntegration, error) {
	reply, err := do[publicIntegrationReply](ctx, c, get("/v1/admin/hub/integrations/{name}/{version}", name, version))
	return reply.Integration, err
}
