package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/hitl-go/sdk/botpress"
)

// workspace is a Botpress workspace, to which integrations are deployed.
type workspace struct {
	client *botpress.Client
	botpress.Workspace
}

// workspaceFlags adds the flags of the commands that change a workspace.
func (a App) workspaceFlags(c *command) (id *string) {
	return c.Flags.String("workspace", a.Getenv("BP_WORKSPACE_ID"), "`id` of the workspace; the default is BP_WORKSPACE_ID in the environment")
}

// environment is the help about the environment of those commands.
const environment = `Environment:

  BP_TOKEN         your personal access token, from the Botpress dashboard; not the access key of the adapter
  BP_WORKSPACE_ID  the id of the workspace, unless --workspace is set
  BP_API_URL       address of the API; default https://api.botpress.cloud`

// workspace finds the workspace with an id. Every call that is made with it has the header.
func (a App) workspace(ctx context.Context, id string, header http.Header) (*workspace, error) {
	if a.Getenv("BP_TOKEN") == "" {
		return nil, errors.New("BP_TOKEN is not set; set it to a personal access token from the Botpress dashboard")
	}
	if id == "" {
		return nil, errors.New("the workspace is not set; set BP_WORKSPACE_ID or --workspace to its id, which is in the URL of the Botpress dashboard")
	}
	client, err := a.adminClient(id, header)
	if err != nil {
		return nil, err
	}
	w, err := client.GetWorkspace(ctx, id)
	if err != nil {
		return nil, explain(fmt.Sprintf("read workspace %s", id), err)
	}
	return &workspace{client, w}, nil
}

// nameOf returns the full name of an integration in the workspace: handle/name.
func (w *workspace) nameOf(name string) (string, error) {
	handle, _, ok := strings.Cut(name, "/")
	switch {
	case w.Handle == "":
		return "", fmt.Errorf("workspace %q has no handle, with which the names of its integrations must begin; choose one in its settings", w.Name)
	case !ok:
		return w.Handle + "/" + name, nil
	case handle != w.Handle:
		return "", fmt.Errorf("%s does not belong to workspace %q, whose handle is %s; choose another workspace, or remove the handle from Definition.Name", name, w.Name, w.Handle)
	}
	return name, nil
}

// find returns an integration of the workspace, or nil if there is none. An integration of another workspace is an error.
func (w *workspace) find(ctx context.Context, name, version string) (*botpress.Integration, error) {
	integration, err := w.client.GetIntegrationByName(ctx, name, version)
	if err == nil {
		return &integration, nil
	}
	if !errors.Is(err, botpress.ErrNotFound) {
		return nil, explain(fmt.Sprintf("look for %s %s", name, version), err)
	}
	public, err := w.client.GetPublicIntegration(ctx, name, version)
	switch {
	case err == nil:
		return nil, fmt.Errorf("%s %s belongs to another workspace (%s); choose that workspace, or another Definition.Name", name, version, public.OwnerWorkspace.Handle)
	case errors.Is(err, botpress.ErrNotFound):
		return nil, nil //nolint:nilnil // Not found is a result, not an error.
	}
	return nil, explain(fmt.Sprintf("look for %s %s on the hub", name, version), err)
}

// production returns an integration of the workspace as find does. A development version is an error: it belongs to the machine of its
// author, and goes with it.
func (w *workspace) production(ctx context.Context, name, version string) (*botpress.Integration, error) {
	found, err := w.find(ctx, name, version)
	if err == nil && found != nil && found.Dev {
		return nil, fmt.Errorf("%s %s is a development version; delete it with 'dev --delete', or change Definition.Version", name, version)
	}
	return found, err
}

// create creates an integration. If it fails, unknown reports that it may be there all the same. To repeat it is harmless: there is one of
// a name and version.
func (w *workspace) create(ctx context.Context, body botpress.CreateIntegrationParams) (created botpress.Integration, unknown bool, err error) {
	unknown, err = w.attempt(ctx, true, func(c *botpress.Client) (err error) {
		created, err = c.CreateIntegration(ctx, body)
		return err
	})
	return created, unknown, err
}

// created returns the integration after a create for production that failed, or nil if it is not found. It looks also if ctx has ended.
func (w *workspace) created(ctx context.Context, body botpress.CreateIntegrationParams) *botpress.Integration {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	deployed, err := w.production(ctx, body.Name, body.Version)
	if err != nil {
		return nil // The failure of the create says more.
	}
	return deployed
}

// explain adds to an error of the API what to do about it.
func explain(doing string, err error) error {
	var api *botpress.Error
	if !errors.As(err, &api) {
		return unanswered(doing, err)
	}
	advice := ""
	switch {
	case errors.Is(err, botpress.ErrNotFound):
		advice = "check BP_WORKSPACE_ID, and BP_API_URL if it is set"
	case errors.Is(err, botpress.ErrUnauthorized):
		advice = "BP_TOKEN is not a valid personal access token; create one in the Botpress dashboard"
	case api.Type == botpress.TypeQuotaExceeded, api.Type == botpress.TypePaymentRequired:
		advice = "the plan of the workspace does not allow it; see its billing in the Botpress dashboard"
	case errors.Is(err, botpress.ErrForbidden):
		advice = "the owner of BP_TOKEN has no permission for this in the workspace; check BP_WORKSPACE_ID, or ask an administrator of the workspace"
	case errors.Is(err, botpress.ErrAlreadyExists):
		advice = "somebody else has just deployed it; retry to update it"
	case errors.Is(err, botpress.ErrConflict):
		advice = "somebody else is changing it; retry in a moment"
	case api.Type == botpress.TypeBreakingChanges:
		advice = "it would break bots that have this version installed; increase Definition.Version and deploy that, or add --bypass-breaking-changes"
	case errors.Is(err, botpress.ErrRateLimited):
		advice = "there were too many calls; retry in a minute"
	case api.Type == botpress.TypeInvalidJSONSchema, api.Type == botpress.TypeInvalidPayload, api.Type == botpress.TypeReferenceNotFound:
		advice = "Botpress rejects the definition; the command 'definition' prints it"
	case api.Status >= 500:
		advice = "Botpress has failed; retry later"
	default:
		return fmt.Errorf("could not %s: %w", doing, err)
	}
	return fmt.Errorf("could not %s: %s: %w", doing, advice, err)
}

// unanswered adds advice to the error of a call that got no answer.
func unanswered(doing string, err error) error {
	var network interface{ FromBotpress() }
	if errors.As(err, &network) && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("could not %s: Botpress cannot be reached; check the network, the proxy, and BP_API_URL if it is set: %w", doing, err)
	}
	return fmt.Errorf("could not %s: %w", doing, err)
}
