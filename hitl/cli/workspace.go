package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hitl-go/sdk/botpress"
)

// workspace is where an integration is deployed to.
type workspace struct {
	client *botpress.Client
	botpress.Workspace
}

// workspaceFlags are those of all commands that administrate.
func (a App) workspaceFlags(c *cobra.Command) (id *string) {
	return c.Flags().String("workspace", a.Getenv("BP_WORKSPACE_ID"), "`id` of the workspace; the default is BP_WORKSPACE_ID in the environment")
}

// environment is the help about what those commands need.
const environment = `The environment says who you are:

  BP_TOKEN         a personal access token of yours, from Botpress' dashboard; not the key with which the adapter serves
  BP_WORKSPACE_ID  the workspace, unless --workspace names it
  BP_API_URL       address of the API, if it is not Botpress' cloud`

// workspace finds the workspace with an id. Every call that is made with it has the header.
func (a App) workspace(ctx context.Context, id string, header http.Header) (*workspace, error) {
	if a.Getenv("BP_TOKEN") == "" {
		return nil, errors.New("BP_TOKEN is not set: make a personal access token in Botpress' dashboard and set it to that")
	}
	if id == "" {
		return nil, errors.New("no workspace: set BP_WORKSPACE_ID or --workspace to its id, which is in the address of Botpress' dashboard")
	}
	client, err := a.adminClient(id, header)
	if err != nil {
		return nil, err
	}
	w, err := client.GetWorkspace(ctx, id)
	if err != nil {
		return nil, refusal(fmt.Sprintf("read workspace %s", id), err)
	}
	return &workspace{client, w}, nil
}

// nameOf is what an integration of a name is called in the workspace: handle/name.
func (w *workspace) nameOf(name string) (string, error) {
	handle, _, ok := strings.Cut(name, "/")
	switch {
	case w.Handle == "":
		return "", fmt.Errorf("workspace %q has no handle, which the names of its integrations must begin with: choose one in the workspace's settings", w.Name)
	case !ok:
		return w.Handle + "/" + name, nil
	case handle != w.Handle:
		return "", fmt.Errorf("%s is not of workspace %q, whose handle is %s: choose another workspace, or leave the handle out of Definition.Name", name, w.Name, w.Handle)
	}
	return name, nil
}

// find returns an integration of the workspace, or nil if there is none. One of another workspace is an error.
func (w *workspace) find(ctx context.Context, name, version string) (*botpress.Integration, error) {
	integration, err := w.client.GetIntegrationByName(ctx, name, version)
	if err == nil {
		return &integration, nil
	}
	if !errors.Is(err, botpress.ErrNotFound) {
		return nil, refusal(fmt.Sprintf("look for %s %s", name, version), err)
	}
	public, err := w.client.GetPublicIntegration(ctx, name, version)
	switch {
	case err == nil:
		return nil, fmt.Errorf("%s %s belongs to another workspace (%s): choose that one, or another Definition.Name", name, version, public.OwnerWorkspace.Handle)
	case errors.Is(err, botpress.ErrNotFound):
		return nil, nil //nolint:nilnil // That there is none is an answer, not an error.
	}
	return nil, refusal(fmt.Sprintf("look for %s %s on the hub", name, version), err)
}

// created returns the integration that a failed create was for, if it is there: the answer was lost, or an earlier attempt's
// was. It is nil if the create was refused for another reason.
func (w *workspace) created(ctx context.Context, body botpress.CreateIntegrationParams, err error) *botpress.Integration {
	var api *botpress.Error
	if errors.As(err, &api) && !errors.Is(err, botpress.ErrAlreadyExists) {
		return nil
	}
	deployed, err := w.find(ctx, body.Name, body.Version)
	if err != nil {
		return nil // The failure of the create says more.
	}
	return deployed
}

// refusal puts into words what to do about an error of the API.
func refusal(doing string, err error) error {
	var api *botpress.Error
	if !errors.As(err, &api) {
		return fmt.Errorf("could not %s: %w", doing, err)
	}
	advice := ""
	switch {
	case errors.Is(err, botpress.ErrUnauthorized):
		advice = "BP_TOKEN is not a personal access token of yours that is still valid; make one in Botpress' dashboard"
	case api.Type == botpress.TypeQuotaExceeded, api.Type == botpress.TypePaymentRequired:
		advice = "the workspace's plan does not allow it; see its billing in Botpress' dashboard"
	case errors.Is(err, botpress.ErrForbidden):
		advice = "the owner of BP_TOKEN may not do this in this workspace; check BP_WORKSPACE_ID, or ask an administrator of the workspace"
	case errors.Is(err, botpress.ErrAlreadyExists):
		advice = "somebody has just deployed it; do it again to update what is there"
	case errors.Is(err, botpress.ErrConflict):
		advice = "somebody else is changing it; do it again in a moment"
	case api.Type == botpress.TypeBreakingChanges:
		advice = "it would break bots that have this version installed; raise Definition.Version and deploy that, or add --bypass-breaking-changes"
	case errors.Is(err, botpress.ErrRateLimited):
		advice = "these were too many calls; do it again in a minute"
	case api.Type == botpress.TypeInvalidJSONSchema, api.Type == botpress.TypeInvalidPayload, api.Type == botpress.TypeReferenceNotFound:
		advice = "Botpress does not accept the definition; the command 'definition' prints it"
	case api.Status >= 500:
		advice = "the fault is Botpress'; do it again later"
	default:
		return fmt.Errorf("could not %s: %w", doing, err)
	}
	return fmt.Errorf("could not %s: %s: %w", doing, advice, err)
}
