package botpress

import (
	"context"
	"encoding/json"
	"iter"
	"net/url"
	"time"
)

// BotDefinition is what a bot is made of. In an update, parts that are nil stay
// as they are.
type BotDefinition struct {
	Name            string                               `json:"name,omitempty"`
	Description     string                               `json:"description,omitempty"`
	Configuration   *BotConfiguration                    `json:"configuration,omitempty"`
	States          map[string]*StateDefinition          `json:"states,omitzero"`
	Events          map[string]*EventDefinition          `json:"events,omitzero"`
	RecurringEvents map[string]*RecurringEventDefinition `json:"recurringEvents,omitzero"`
	Actions         map[string]*ActionDefinition         `json:"actions,omitzero"`
	Subscriptions   *Subscriptions                       `json:"subscriptions,omitempty"`
	User            *Tagged                              `json:"user,omitempty"`
	Conversation    *Tagged                              `json:"conversation,omitempty"`
	Message         *Tagged                              `json:"message,omitempty"`
	Tags            Tags                                 `json:"tags,omitzero"`
	Medias          []Media                              `json:"medias,omitzero"`
}

// BotConfiguration is a bot's own configuration and its schema, both JSON
// objects.
type BotConfiguration struct {
	Data   json.RawMessage `json:"data,omitempty"`
	Schema json.RawMessage `json:"schema,omitempty"`
}

// RecurringEventDefinition describes an event that a schedule emits.
type RecurringEventDefinition struct {
	Schedule CronSchedule `json:"schedule"`
	Type     string       `json:"type"`
	// Payload is a JSON object.
	Payload json.RawMessage `json:"payload"`
	// FailedAttempts and LastFailureReason are set in results only.
	FailedAttempts    int    `json:"failedAttempts,omitempty"`
	LastFailureReason string `json:"lastFailureReason,omitempty"`
}

// CronSchedule is a cron expression.
type CronSchedule struct {
	Cron string `json:"cron"`
}

// Subscriptions are the events that a bot receives. A nil map is null, which
// means all events.
type Subscriptions struct {
	Events map[string]*struct{} `json:"events"`
}

// Media is a file that belongs to a bot.
type Media struct {
	Name string `json:"name"`
	URL  string `json:"url"`
}

// BotStatus is the state of a bot's deployment.
type BotStatus string

// The statuses of a bot.
const (
	BotActive    BotStatus = "active"
	BotDeploying BotStatus = "deploying"
	BotDeleting  BotStatus = "deleting"
)

// Bot is a bot as it is deployed.
type Bot struct {
	ID        string    `json:"id"`
	CreatedAt time.Time `json:"createdAt"`
	UpdatedAt time.Time `json:"updatedAt"`
	BotDefinition
	SigningSecret Secret `json:"signingSecret"`
	// Integrations and Plugins are keyed by their alias in the bot.
	Integrations     map[string]BotIntegration `json:"integrations"`
	Plugins          map[string]BotPlugin      `json:"plugins"`
	DeployedAt       time.Time                 `json:"deployedAt,omitzero"`
	Dev              bool                      `json:"dev"`
	CreatedBy        string                    `json:"createdBy,omitempty"`
	AlwaysAlive      bool                      `json:"alwaysAlive"`
	MaxExecutionTime int                       `json:"maxExecutionTime,omitempty"` // seconds
	Status           BotStatus                 `json:"status"`
}

// RegistrationStatus says how far the registration of an installation has come.
type RegistrationStatus string

// The registration statuses of an installation.
const (
	RegistrationPending   RegistrationStatus = "registration_pending"
	Registered            RegistrationStatus = "registered"
	RegistrationFailed    RegistrationStatus = "registration_failed"
	UnregistrationPending RegistrationStatus = "unregistration_pending"
	Unregistered          RegistrationStatus = "unregistered"
	UnregistrationFailed  RegistrationStatus = "unregistration_failed"
)

// BotIntegration is an integration as it is installed in a bot.
type BotIntegration struct {
	IntegrationSummary
	Enabled    bool   `json:"enabled"`
	WebhookURL string `json:"webhookUrl"`
	WebhookID  string `json:"webhookId"`
	Identifier string `json:"identifier,omitempty"`
	// ConfigurationType is empty for the default configuration.
	ConfigurationType string `json:"configurationType"`
	// Configuration is a JSON object.
	Configuration json.RawMessage    `json:"configuration"`
	Status        RegistrationStatus `json:"status"`
	// StatusReason is empty unless something failed.
	StatusReason     string   `json:"statusReason"`
	DisabledChannels []string `json:"disabledChannels"`
}

// BotPlugin is a plugin as it is installed in a bot.
type BotPlugin struct {
	ID              string          `json:"id"`
	CreatedAt       time.Time       `json:"createdAt"`
	UpdatedAt       time.Time       `json:"updatedAt"`
	Name            string          `json:"name"`
	Version         string          `json:"version"`
	Title           string          `json:"title"`
	Description     string          `json:"description"`
	IconURL         string          `json:"iconUrl"`
	ReadmeURL       string          `json:"readmeUrl"`
	Public          bool            `json:"public"`
	Enabled         bool            `json:"enabled"`
	Visibility      Visibility      `json:"visibility"`
	LifecycleStatus LifecycleStatus `json:"lifecycleStatus"`
	// Configuration is a JSON object.
	Configuration json.RawMessage            `json:"configuration"`
	Interfaces    map[string]PluginInterface `json:"interfaces,omitzero"`
	Integrations  map[string]PluginInstance  `json:"integrations,omitzero"`
}

// PluginInterface binds an interface that a plugin uses to an installation.
type PluginInterface struct {
	IntegrationID             string `json:"integrationId"`
	IntegrationAlias          string `json:"integrationAlias,omitempty"`
	IntegrationInterfaceAlias string `json:"integrationInterfaceAlias,omitempty"`
	// InterfaceID is set in results only.
	InterfaceID string `json:"interfaceId,omitempty"`
}

// PluginInstance binds an integration that a plugin uses to an installation.
type PluginInstance struct {
	IntegrationID    string `json:"integrationId"`
	IntegrationAlias string `json:"integrationAlias"`
}

// BotSummary is a bot as lists show it.
type BotSummary struct {
	ID         string    `json:"id"`
	CreatedAt  time.Time `json:"createdAt"`
	UpdatedAt  time.Time `json:"updatedAt"`
	Name       string    `json:"name"`
	DeployedAt time.Time `json:"deployedAt,omitzero"`
	Tags       Tags      `json:"tags"`
}

// CreateBotParams describes a new bot.
type CreateBotParams struct {
	BotDefinition
	// Code is for bots that Botpress hosts, URL for others.
	Code string `json:"code,omitempty"`
	URL  string `json:"url,omitempty"`
	// Dev makes it a development version.
	Dev bool `json:"dev,omitempty"`
}

// UpdateBotParams is what changes in a bot.
type UpdateBotParams struct {
	BotDefinition
	Code string           `json:"code,omitempty"`
	URL  Optional[string] `json:"url,omitzero"`
	// Authentication is "iam".
	Authentication   string         `json:"authentication,omitempty"`
	Blocked          Optional[bool] `json:"blocked,omitzero"`
	AlwaysAlive      Optional[bool] `json:"alwaysAlive,omitzero"`
	MaxExecutionTime int            `json:"maxExecutionTime,omitempty"` // seconds
	// Integrations and Plugins are keyed by alias. A nil entry uninstalls.
	Integrations map[string]*InstallIntegration `json:"integrations,omitzero"`
	Plugins      map[string]*InstallPlugin      `json:"plugins,omitzero"`
	Layers       []string                       `json:"layers,omitzero"`
}

// InstallIntegration installs an integration in a bot, or changes its
// installation.
type InstallIntegration struct {
	Enabled           Optional[bool]   `json:"enabled,omitzero"`
	IntegrationID     string           `json:"integrationId,omitempty"`
	ConfigurationType Optional[string] `json:"configurationType,omitzero"`
	// Configuration is a JSON object.
	Configuration    json.RawMessage `json:"configuration,omitempty"`
	DisabledChannels []string        `json:"disabledChannels,omitzero"`
}

// InstallPlugin installs a plugin in a bot, or changes its installation.
type InstallPlugin struct {
	// ID is required.
	ID      string         `json:"id"`
	Enabled Optional[bool] `json:"enabled,omitzero"`
	// Configuration is a JSON object.
	Configuration json.RawMessage            `json:"configuration,omitempty"`
	Interfaces    map[string]PluginInterface `json:"interfaces,omitzero"`
	Integrations  map[string]PluginInstance  `json:"integrations,omitzero"`
}

// ListBotsParams selects bots of the workspace. The zero value selects all.
type ListBotsParams struct {
	// Dev selects development versions (true) or the others (false).
	Dev Optional[bool]
	// Tags must all be present with these values.
	Tags          Tags
	SortField     TimeField
	SortDirection SortDirection
	// PageSize is how many items are fetched at once. 0 leaves it to the API.
	PageSize int
	// NextToken is where the list starts, a token from Next. Empty means the
	// first page.
	NextToken string
	// Next, if set, ends the list after one page and receives the token of the
	// next page, "" after the last.
	Next *string
}

type botReply struct {
	Bot Bot `json:"bot"`
}

type botPage struct {
	page
	Bots []BotSummary `json:"bots"`
}

// CreateBot creates a bot.
func (c *Client) CreateBot(ctx context.Context, p CreateBotParams) (Bot, error) {
	reply, err := do[botReply](ctx, c, post(p, "/v1/admin/bots"))
	return reply.Bot, err
}

// UpdateBot changes a bot, including what is installed in it, and returns it as
// it is now.
func (c *Client) UpdateBot(ctx context.Context, id string, p UpdateBotParams) (Bot, error) {
	reply, err := do[botReply](ctx, c, put(p, "/v1/admin/bots/{id}", id))
	return reply.Bot, err
}

// GetBot returns a bot of the workspace, or [ErrNotFound].
func (c *Client) GetBot(ctx context.Context, id string) (Bot, error) {
	reply, err := do[botReply](ctx, c, get("/v1/admin/bots/{id}", id))
	return reply.Bot, err
}

// ListBots ranges over the bots of the workspace that p selects.
func (c *Client) ListBots(ctx context.Context, p ListBotsParams) iter.Seq2[BotSummary, error] {
	r := get("/v1/admin/bots")
	r.query = url.Values(query{}.
		flag("dev", p.Dev).
		tags(p.Tags).
		text("sortField", string(p.SortField)).
		text("sortDirection", string(p.SortDirection)).
		number("pageSize", p.PageSize).
		text("nextToken", p.NextToken))
	return pages(ctx, c, r, p.Next, func(p botPage) ([]BotSummary, string) { return p.Bots, p.Meta.NextToken })
}

// DeleteBot deletes a bot with everything in it.
func (c *Client) DeleteBot(ctx context.Context, id string) error {
	_, err := do[struct{}](ctx, c, del("/v1/admin/bots/{id}", id))
	return err
}
