package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/hitl-go/sdk/botpress"
)

func (a App) rotate() *command {
	var yes bool
	c := newCommand("rotate-secret", "Make a new signing secret",
		`Makes a new signing secret for this version of the integration and prints it. Botpress does not show it again.

The old secret stays valid for 24 hours. Set BP_SIGNING_SECRET to new,old and restart the adapter. Remove the old one
after that.

`+environment)
	workspaceID := a.workspaceFlags(c)
	c.Flags.BoolVar(&yes, "yes", false, "do not ask for confirmation")
	c.Flags.BoolVar(&yes, "y", false, "short for --yes")
	envFile := envFileFlag(c)
	c.Run = func(ctx context.Context, _ []string) error {
		made, err := a.openSecrets(*envFile)
		if err != nil {
			return err
		}
		return errors.Join(a.rotateSecret(ctx, *workspaceID, yes, made), made.close())
	}
	return c
}

func (a App) rotateSecret(ctx context.Context, workspaceID string, yes bool, made *secrets) error {
	w, err := a.workspace(ctx, workspaceID, nil)
	if err != nil {
		return err
	}
	body := a.Server.Describe()
	name, err := w.nameOf(body.Name)
	if err != nil {
		return err
	}
	full := name + " " + body.Version
	deployed, err := w.production(ctx, name, body.Version)
	switch {
	case err != nil:
		return err
	case deployed == nil:
		return fmt.Errorf("%s is not deployed in workspace %q; run 'deploy', which prints its first secret", full, w.Name)
	case !yes:
		if err := a.confirm(ctx, fmt.Sprintf("Make a new signing secret for %s in workspace %q?", full, w.Name)); err != nil {
			return err
		}
	}
	if err := made.open(); err != nil {
		return err
	}
	var secret botpress.Secret
	unknown, err := w.attempt(ctx, false, func(c *botpress.Client) (err error) {
		secret, err = c.RotateIntegrationSigningSecrets(ctx, deployed.ID)
		return err
	})
	const again = "run 'rotate-secret' again within 24 hours, while the old one is valid"
	switch {
	case unknown:
		return fmt.Errorf("the signing secret of %s may have been rotated; %s: %w", full, again, explain("make a new secret for "+full, err))
	case err != nil:
		return explain("make a new secret for "+full, err)
	}
	where := ""
	if made.path != "" {
		where = " It is in " + made.path + "."
	}
	a.say("The old secret stays valid for 24 hours. Put the new one before it, separated by a comma, and restart the adapter.%s\n", where)
	if err := made.set("BP_SIGNING_SECRET", string(secret)); err != nil {
		return fmt.Errorf("the signing secret of %s is rotated, and the new one could not be written; %s: %w", full, again, err)
	}
	return nil
}
