package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/internal/deployment"
)

// deployment of an integration, as its flags say.
type deploy struct {
	App
	workspaceID string
	url         string
	visibility  string
	secrets     []string
	accessKey   bool
	dryRun      bool
	yes         bool
	bypass      bool
}

func (a App) deploy() *cobra.Command {
	d := deploy{App: a}
	c := &cobra.Command{
		Use:   "deploy",
		Short: "Create or update the integration in a workspace",
		Long: `Creates the integration in a workspace of Botpress, or updates it if this version of it is there. It shows what will
change and asks first.

The signing secret is printed once, when the integration is created; Botpress does not show it again. What the adapter's
environment needs goes to standard output, everything else to standard error:

  deploy --url https://desk.example.com --access-key --yes > adapter.env

` + environment,
		Args: noArgs,
	}
	workspaceID := a.workspaceFlags(c)
	c.Flags().StringVar(&d.url, "url", "", "`address` where Botpress reaches the adapter; required to create, kept by an update without it")
	c.Flags().StringVar(&d.visibility, "visibility", "", "who can install it: private, unlisted or public; private at first, kept by an update without it")
	c.Flags().StringArrayVar(&d.secrets, "secret", nil, "`name=value` of a secret that the definition declares, or its name to take the value from the environment")
	c.Flags().BoolVar(&d.accessKey, "access-key", false, "make an integration access key and print it: the adapter's BP_TOKEN")
	c.Flags().BoolVar(&d.dryRun, "dry-run", false, "let Botpress validate, and change nothing")
	c.Flags().BoolVar(&d.bypass, "bypass-breaking-changes", false, "update even if it breaks bots that have this version installed")
	c.Flags().BoolVarP(&d.yes, "yes", "y", false, "do not ask")
	c.RunE = func(c *cobra.Command, _ []string) error {
		d.workspaceID = *workspaceID
		if err := d.check(); err != nil {
			return Usagef("%w", err)
		}
		return d.run(c.Context())
	}
	return c
}

// check refuses flags that make no sense.
func (d *deploy) check() error {
	switch botpress.Visibility(d.visibility) {
	case "", botpress.Public, botpress.Private, botpress.Unlisted:
	default:
		return fmt.Errorf("--visibility is %q and must be private, unlisted or public", d.visibility)
	}
	if d.url == "" {
		return nil
	}
	u, err := url.Parse(d.url)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil {
		return errors.New("--url must be an address like https://desk.example.com, without a user")
	}
	return nil
}

func (d *deploy) run(ctx context.Context) error {
	header := http.Header{}
	if d.bypass {
		header.Set("x-bypass-breaking-changes-detection", "true")
	}
	w, err := d.workspace(ctx, d.workspaceID, header)
	if err != nil {
		return err
	}
	body := d.Server.Describe()
	if err := d.fillSecrets(body.Secrets); err != nil {
		return err
	}
	if body.Name, err = w.nameOf(body.Name); err != nil {
		return err
	}
	body.URL, body.Visibility = d.url, botpress.Visibility(d.visibility)
	for _, i := range body.Interfaces {
		published, err := w.client.GetPublicInterface(ctx, i.Name, i.Version)
		if errors.Is(err, botpress.ErrNotFound) {
			return fmt.Errorf("the interface %s %s is not on Botpress' hub; set Definition.InterfaceVersion to one that is: %w", i.Name, i.Version, err)
		}
		if err != nil {
			return refusal(fmt.Sprintf("find the interface %s %s", i.Name, i.Version), err)
		}
		i.ID = published.ID
	}
	deployed, err := w.find(ctx, body.Name, body.Version)
	if err != nil {
		return err
	}
	if deployed == nil {
		return d.create(ctx, w, body)
	}
	return d.update(ctx, w, body, *deployed)
}

func (d *deploy) create(ctx context.Context, w *workspace, body botpress.CreateIntegrationParams) error {
	if body.URL == "" {
		return fmt.Errorf("%s %s is not deployed yet, and to create it --url must say where Botpress reaches the adapter", body.Name, body.Version)
	}
	body = deployment.Create(body)
	full := body.Name + " " + body.Version
	d.say("%s will be created in workspace %q: %s, at %s.", full, w.Name, body.Visibility, body.URL)
	if d.dryRun {
		if err := w.client.ValidateIntegrationCreation(ctx, body); err != nil {
			return refusal("validate "+full, err)
		}
		d.say("Botpress would accept it. Nothing has changed.")
		return nil
	}
	if err := d.ask("Create it?"); err != nil {
		return err
	}
	d.say("Creating…")
	created, err := w.client.CreateIntegration(ctx, body)
	if err != nil {
		if deployed := w.created(ctx, body, err); deployed != nil {
			return d.updateCreated(ctx, w, body, *deployed)
		}
		return refusal("create "+full, err)
	}
	d.say("%s is deployed. Its id is %s.", full, created.ID)
	d.say("\nSet this where the adapter runs. Botpress does not show it again:\n")
	if created.SigningSecret == "" {
		d.say("(Botpress did not tell the signing secret. Make a new one with 'rotate-secret'.)")
	} else {
		fmt.Fprintf(d.Stdout, "BP_SIGNING_SECRET=%s\n", string(created.SigningSecret))
	}
	return d.makeKey(ctx, w, created.ID)
}

// updateCreated updates an integration that was created while its answer was lost, or by somebody else in the meantime.
func (d *deploy) updateCreated(ctx context.Context, w *workspace, body botpress.CreateIntegrationParams, deployed botpress.Integration) error {
	d.say("It exists already.")
	if err := d.update(ctx, w, body, deployed); err != nil {
		return err
	}
	d.say("Botpress has shown its signing secret once. If you did not see it, make a new one with 'rotate-secret'.")
	return nil
}

func (d *deploy) update(ctx context.Context, w *workspace, body botpress.CreateIntegrationParams, deployed botpress.Integration) error {
	full := body.Name + " " + body.Version
	changes, err := deployment.Changes(body, deployed)
	if err != nil {
		return err
	}
	update := deployment.Update(body, deployed)
	if len(changes) == 0 {
		d.say("%s is deployed in workspace %q as it is here, but for its icon and its readme perhaps.", full, w.Name)
	} else {
		d.say("%s is deployed in workspace %q. This will change:\n", full, w.Name)
		d.show(changes)
		d.say("")
	}
	if d.dryRun {
		if err := w.client.ValidateIntegrationUpdate(ctx, deployed.ID, update); err != nil {
			return refusal("validate "+full, err)
		}
		d.say("Botpress would accept it. Nothing has changed.")
		return nil
	}
	if len(changes) > 0 {
		if err := d.ask("Update it?"); err != nil {
			return err
		}
	}
	d.say("Updating…")
	if _, err := w.client.UpdateIntegration(ctx, deployed.ID, update); err != nil {
		return refusal("update "+full, err)
	}
	d.say("%s is up to date. Its signing secret is the same as before.", full)
	return d.makeKey(ctx, w, deployed.ID)
}

func (d *deploy) ask(question string) error {
	if d.yes {
		return nil
	}
	return d.confirm(question)
}

// makeKey makes an access key if one is wanted.
func (d *deploy) makeKey(ctx context.Context, w *workspace, integrationID string) error {
	if !d.accessKey {
		return nil
	}
	key, err := w.client.CreateIntegrationAPIKey(ctx, botpress.CreateIntegrationAPIKeyParams{IntegrationID: integrationID, Note: "made by " + d.Name + " deploy"})
	if err != nil {
		return refusal("make an access key (the integration itself is deployed)", err)
	}
	_, err = fmt.Fprintf(d.Stdout, "BP_TOKEN=%s\n", string(key.Value))
	return err
}

// fillSecrets gives the declared secrets the values of the flags --secret.
func (d *deploy) fillSecrets(declared botpress.Removable) error {
	for _, flag := range d.secrets {
		name, value, given := strings.Cut(flag, "=")
		if _, ok := declared[name]; !ok {
			return fmt.Errorf("--secret %s: the definition declares no such secret; add it to Definition.Secrets", name)
		}
		if !given {
			value = d.Getenv(name)
		}
		if value == "" {
			return fmt.Errorf("--secret %s: the value is empty", name)
		}
		declared[name] = value
	}
	return nil
}
