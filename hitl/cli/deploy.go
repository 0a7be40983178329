package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/internal/deployment"
)

// deploy is the command with its flags.
type deploy struct {
	App
	workspaceID string
	url         string
	visibility  string
	secrets     []string
	made        *secrets // by Botpress
	accessKey   bool
	dryRun      bool
	yes         bool
	bypass      bool
}

func (a App) deploy() *command {
	d := deploy{App: a}
	c := newCommand("deploy", "Create or update the integration in a workspace",
		`Creates the integration in a Botpress workspace, or updates it if this version is deployed already. It shows the
changes and asks before it makes them.

The signing secret is printed once, when the integration is created; Botpress does not show it again. The environment
variables of the adapter go to a file that only its owner can read, or to standard output; everything else goes to standard
error:

  deploy --url https://desk.example.com --access-key --yes --env-file adapter.env

`+environment)
	workspaceID := a.workspaceFlags(c)
	c.Flags.StringVar(&d.url, "url", "", "public `address` of the adapter; required to create the integration, unchanged by an update without it")
	c.Flags.StringVar(&d.visibility, "visibility", "", "`who` can install it: private, unlisted or public; a new integration is private by default, an update without it changes nothing")
	c.Flags.Func("secret", "`name=value` of a secret that the definition declares, or its name to take the value from the environment", func(s string) error {
		d.secrets = append(d.secrets, s)
		return nil
	})
	c.Flags.BoolVar(&d.accessKey, "access-key", false, "create an integration access key and print it: the adapter's BP_TOKEN")
	c.Flags.BoolVar(&d.dryRun, "dry-run", false, "validate with Botpress, and change nothing")
	c.Flags.BoolVar(&d.bypass, "bypass-breaking-changes", false, "update even if it breaks bots that have this version installed")
	c.Flags.BoolVar(&d.yes, "yes", false, "do not ask for confirmation")
	c.Flags.BoolVar(&d.yes, "y", false, "short for --yes")
	envFile := envFileFlag(c)
	c.Run = func(ctx context.Context, _ []string) (err error) {
		d.workspaceID = *workspaceID
		if err := d.check(); err != nil {
			return Usagef("%w", err)
		}
		if d.made, err = d.openSecrets(*envFile); err != nil {
			return err
		}
		return errors.Join(d.run(ctx), d.made.close())
	}
	return c
}

// check validates the flags.
func (d *deploy) check() error {
	switch botpress.Visibility(d.visibility) {
	case "", botpress.Public, botpress.Private, botpress.Unlisted:
	default:
		return fmt.Errorf("--visibility is %q; it must be private, unlisted or public", d.visibility)
	}
	if d.url == "" {
		return nil
	}
	u := address(d.url)
	if u.Scheme != "https" && u.Scheme != "http" {
		return errors.New("--url must be an http or https address like https://desk.example.com, without a user name, a query and a fragment")
	}
	if path := strings.TrimRight(u.Path, "/"); path == "/health" || path == "/ready" {
		return fmt.Errorf("--url must not end in %s: only monitoring is answered there", path)
	}
	return nil
}

// address parses an address of a host that a path can be added to. Anything else is empty.
func address(s string) url.URL {
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" || u.User != nil || strings.ContainsAny(s, "?#") {
		return url.URL{}
	}
	return *u
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
	body, err := d.describe(ctx, w)
	if err != nil {
		return err
	}
	if err := d.fillSecrets(body.Secrets); err != nil {
		return err
	}
	body.URL, body.Visibility = d.url, botpress.Visibility(d.visibility)
	deployed, err := w.production(ctx, body.Name, body.Version)
	if err != nil {
		return err
	}
	if deployed == nil {
		return d.create(ctx, w, body)
	}
	return d.update(ctx, w, body, *deployed)
}

// describe returns the definition as it is deployed to a workspace.
func (a App) describe(ctx context.Context, w *workspace) (body botpress.CreateIntegrationParams, err error) {
	body = a.Server.Describe()
	if body.Name, err = w.nameOf(body.Name); err != nil {
		return body, err
	}
	for _, i := range body.Interfaces {
		published, err := w.client.GetPublicInterface(ctx, i.Name, i.Version)
		if errors.Is(err, botpress.ErrNotFound) {
			return body, fmt.Errorf("the interface %s %s is not on Botpress' hub; set Definition.InterfaceVersion to one that is: %w", i.Name, i.Version, err)
		}
		if err != nil {
			return body, explain(fmt.Sprintf("find the interface %s %s", i.Name, i.Version), err)
		}
		i.ID = published.ID
	}
	return body, nil
}

func (d *deploy) create(ctx context.Context, w *workspace, body botpress.CreateIntegrationParams) error {
	if body.URL == "" {
		return fmt.Errorf("%s %s is not deployed yet; add --url with the public address of the adapter to create it", body.Name, body.Version)
	}
	body = deployment.Create(body)
	full := body.Name + " " + body.Version
	d.say("%s will be created in workspace %q: %s, at %s.", full, w.Name, body.Visibility, body.URL)
	if d.dryRun {
		if err := w.client.ValidateIntegrationCreation(ctx, body); err != nil {
			return explain("validate "+full, err)
		}
		return d.accepted()
	}
	if err := d.ask(ctx, "Create it?"); err != nil {
		return err
	}
	if err := d.made.open(); err != nil {
		return err
	}
	d.say("Creating…")
	created, unknown, err := w.create(ctx, body)
	if err != nil {
		return d.notCreated(ctx, w, body, unknown, err)
	}
	d.say("%s is deployed. Its id is %s.", full, created.ID)
	if created.SigningSecret == "" {
		return fmt.Errorf("%s is created, and Botpress did not return its signing secret; make a new one with 'rotate-secret'", full)
	}
	d.say("\n%s", d.made.advice())
	if err := d.made.set("BP_SIGNING_SECRET", string(created.SigningSecret)); err != nil {
		return fmt.Errorf("the integration is created, and its signing secret could not be written; make a new one with 'rotate-secret': %w", err)
	}
	return d.makeKey(ctx, w, created.ID)
}

// notCreated goes on after a create that failed. Without its answer, nobody has the signing secret of what it may have created.
func (d *deploy) notCreated(ctx context.Context, w *workspace, body botpress.CreateIntegrationParams, unknown bool, cause error) error {
	full := body.Name + " " + body.Version
	var deployed *botpress.Integration
	if unknown || errors.Is(cause, botpress.ErrAlreadyExists) {
		deployed = w.created(ctx, body)
	}
	switch {
	case deployed != nil && unknown:
		return fmt.Errorf("%s is created, and the answer with its signing secret was lost; make a new one with 'rotate-secret': %w", full, cause)
	case deployed != nil:
		d.say("It has been created in the meantime.")
		return d.update(ctx, w, body, *deployed)
	case unknown:
		return fmt.Errorf("%s may have been created; deploy it again, and if it is there, make a new signing secret with 'rotate-secret': %w", full, explain("create "+full, cause))
	}
	return explain("create "+full, cause)
}

func (d *deploy) update(ctx context.Context, w *workspace, body botpress.CreateIntegrationParams, deployed botpress.Integration) error {
	full := body.Name + " " + body.Version
	changes, err := deployment.Changes(body, deployed)
	if err != nil {
		return err
	}
	update := deployment.Update(body, deployed)
	if len(changes) == 0 {
		d.say("%s is deployed in workspace %q and has not changed, except perhaps its icon and readme.", full, w.Name)
	} else {
		d.say("%s is deployed in workspace %q. This will change:\n", full, w.Name)
		d.show(changes)
		d.say("")
	}
	if d.dryRun {
		if err := w.client.ValidateIntegrationUpdate(ctx, deployed.ID, update); err != nil {
			return explain("validate "+full, err)
		}
		return d.accepted()
	}
	if len(changes) > 0 {
		if err := d.ask(ctx, "Update it?"); err != nil {
			return err
		}
	}
	if d.accessKey {
		if err := d.made.open(); err != nil {
			return err
		}
	}
	d.say("Updating…")
	if _, err := w.client.UpdateIntegration(ctx, deployed.ID, update); err != nil {
		return explain("update "+full, err)
	}
	d.say("%s is up to date. Its id is %s. Its signing secret has not changed; if it is lost, make a new one with 'rotate-secret'.", full, deployed.ID)
	if d.made.path != "" && !d.accessKey {
		d.say("%s is not written, since no secret is new; add --access-key for a new access key, or make a new signing secret with 'rotate-secret'.", d.made.path)
	}
	return d.makeKey(ctx, w, deployed.ID)
}

// accepted ends a dry run.
func (d *deploy) accepted() error {
	more := ""
	if d.accessKey || d.made.path != "" {
		more = " No secret is made or written; deploy without --dry-run for that."
	}
	d.say("Botpress would accept it. Nothing has changed.%s", more)
	return nil
}

func (d *deploy) ask(ctx context.Context, question string) error {
	if d.yes {
		return nil
	}
	return d.confirm(ctx, question)
}

// makeKey creates an access key if the flags ask for one.
func (d *deploy) makeKey(ctx context.Context, w *workspace, integrationID string) error {
	if !d.accessKey {
		return nil
	}
	var key botpress.IntegrationAPIKey
	note := "made by " + d.Name + " deploy"
	unknown, err := w.attempt(ctx, false, func(c *botpress.Client) (err error) {
		key, err = c.CreateIntegrationAPIKey(ctx, botpress.CreateIntegrationAPIKeyParams{IntegrationID: integrationID, Note: note})
		return err
	})
	advice := fmt.Sprintf("delete the newest key %q from the integration's access keys in the Botpress dashboard, and run 'deploy --access-key' again", note)
	switch {
	case unknown:
		return fmt.Errorf("the integration is deployed, and an access key may have been made that nobody knows; if it is there, %s: %w", advice, explain("create an access key", err))
	case err != nil:
		return explain("create an access key (the integration is deployed)", err)
	}
	if err := d.made.set("BP_TOKEN", string(key.Value)); err != nil {
		return fmt.Errorf("the integration is deployed, and its access key could not be written; %s: %w", advice, err)
	}
	return nil
}

// fillSecrets sets the values of declared secrets from the flags --secret.
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
			return fmt.Errorf("--secret %s: the value is empty; write name=value, or set the environment variable", name)
		}
		declared[name] = value
	}
	return nil
}
