package botpress

import (
	"context"
	"iter"
	"net/url"
	"time"
)

// InterfaceDefinition is what an interface is made of. In an update, parts that
// are nil stay as they are.
type InterfaceDefinition struct {
	Title       string                        `json:"title,omitempty"`
	Description string                        `json:"description,omitempty"`
	Entities    map[string]*EntityDefinition  `json:"entities,omitzero"`
	Actions     map[string]*ActionDefinition  `json:"actions,omitzero"`
	Events      map[string]*EventDefinition   `json:"events,omitzero"`
	Channels    map[string]*ChannelDefinition `json:"channels,omitzero"`
	// NameTemplate generates the name of an implementation.
	NameTemplate Optional[NameTemplate] `json:"nameTemplate,omitzero"`
	Attributes   Removable              `json:"attributes,omitzero"`
	Public       bool                   `json:"public,omitempty"`
}

// NameTemplate is a template in some language.
type NameTemplate struct {
	Script   string `json:"script"`
	Language string `json:"language"`
}

// Interface is an interface as it is deployed, such as hitl.
type Interface struct {
	ID        string    `json:"id"`
	CreatedAt time.Time `json:"createdAt"`
	UpdatedAt time.Time `json:"updatedAt"`
	Name      string    `json:"name"`
	Version   string    `json:"version"`
	InterfaceDefinition
	IconURL   string `json:"iconUrl"`
	ReadmeURL string `json:"readmeUrl"`
}

// InterfaceSource is what an interface needs besides its definition.
type InterfaceSource struct {
	// Icon is an SVG, Readme a Markdown text; both are base64.
	Icon       string `json:"icon,omitempty"`
	Readme     string `json:"readme,omitempty"`
	SDKVersion string `json:"sdkVersion,omitempty"`
}

// CreateInterfaceParams describes a new interface.
type CreateInterfaceParams struct {
	// Name and Version are required and cannot be changed.
	Name    string `json:"name"`
	Version string `json:"version"`
	InterfaceDefinition
	InterfaceSource
}

// UpdateInterfaceParams is what changes in an interface.
type UpdateInterfaceParams struct {
	InterfaceDefinition
	InterfaceSource
}

// InterfaceSummary is an interface as lists show it.
type InterfaceSummary struct {
	ID          string    `json:"id"`
	CreatedAt   time.Time `json:"createdAt"`
	UpdatedAt   time.Time `json:"updatedAt"`
	Name        string    `json:"name"`
	Version     string    `json:"version"`
	Title       string    `json:"title"`
	Description string    `json:"description"`
	IconURL     string    `json:"iconUrl"`
	ReadmeURL   string    `json:"readmeUrl"`
	Public      bool      `json:"public"`
}

// ListInterfacesParams selects interfaces. The zero value selects all.
type ListInterfacesParams struct {
	Name    string
	Version string
	// PageSize is how many items are fetched at once. 0 leaves it to the API.
	PageSize int
	// NextToken is where the list starts, a token from Next. Empty means the
	// first page.
	NextToken string
	// Next, if set, ends the list after one page and receives the token of the
	// next page, "" after the last.
	Next *string
}

func (p ListInterfacesParams) query() url.Values {
	return url.Values(query{}.
		text("name", p.Name).
		text("version", p.Version).
		number("pageSize", p.PageSize).
		text("nextToken", p.NextToken))
}

type interfaceReply struct {
	Interface Interface `json:"interface"`
}

type interfacePage struct {
	page
	Interfaces []InterfaceSummary `json:"interfaces"`
}

// CreateInterface deploys a new interface.
func (c *Client) CreateInterface(ctx context.Context, p CreateInterfaceParams) (Interface, error) {
	reply, err := do[interfaceReply](ctx, c, post(p, "/v1/admin/interfaces"))
	return reply.Interface, err
}

// UpdateInterface changes an interface and returns it as it is now.
func (c *Client) UpdateInterface(ctx context.Context, id string, p UpdateInterfaceParams) (Interface, error) {
	reply, err := do[interfaceReply](ctx, c, put(p, "/v1/admin/interfaces/{id}", id))
	return reply.Interface, err
}

// GetInterface returns an interface of the workspace, or [ErrNotFound].
func (c *Client) GetInterface(ctx context.Context, id string) (Interface, error) {
	reply, err := do[interfaceReply](ctx, c, get("/v1/admin/interfaces/{id}", id))
	return reply.Interface, err
}

// GetInterfaceByName returns an interface of the workspace, or [ErrNotFound].
func (c *Client) GetInterfaceByName(ctx context.Context, name, version string) (Interface, error) {
	reply, err := do[interfaceReply](ctx, c, get("/v1/admin/interfaces/{name}/{version}", name, version))
	return reply.Interface, err
}

// ListInterfaces ranges over the interfaces of the workspace that p selects.
func (c *Client) ListInterfaces(ctx context.Context, p ListInterfacesParams) iter.Seq2[InterfaceSummary, error] {
	r := get("/v1/admin/interfaces")
	r.query = p.query()
	return pages(ctx, c, r, p.Next, func(p interfacePage) ([]InterfaceSummary, string) { return p.Interfaces, p.Meta.NextToken })
}

// DeleteInterface deletes an interface.
func (c *Client) DeleteInterface(ctx context.Context, id string) error {
	_, err := do[struct{}](ctx, c, del("/v1/admin/interfaces/{id}", id))
	return err
}

// ListPublicInterfaces ranges over the interfaces on the hub that p selects.
func (c *Client) ListPublicInterfaces(ctx context.Context, p ListInterfacesParams) iter.Seq2[InterfaceSummary, error] {
	r := get("/v1/admin/hub/interfaces")
	r.query = p.query()
	return pages(ctx, c, r, p.Next, func(p interfacePage) ([]InterfaceSummary, string) { return p.Interfaces, p.Meta.NextToken })
}

// GetPublicInterfaceByID returns an interface on the hub, or [ErrNotFound].
func (c *Client) GetPublicInterfaceByID(ctx context.Context, id string) (Interface, error) {
	reply, err := do[interfaceReply](ctx, c, get("/v1/admin/hub/interfaces/{id}", id))
	return reply.Interface, err
}

// GetPublicInterface returns an interface on the hub, or [ErrNotFound].
func (c *Client) GetPublicInterface(ctx context.Context, name, version string) (Interface, error) {
	reply, err := do[interfaceReply](ctx, c, get("/v1/admin/hub/interfaces/{name}/{version}", name, version))
	return reply.Interface, err
}
