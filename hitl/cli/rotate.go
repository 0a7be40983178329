package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

func (a App) rotate() *cobra.Command {
	var yes bool
	c := &cobra.Command{
		Use:   "rotate-secret",
		Short: "Make a new signing secret",
		Long: `Makes a new signing secret for this version of the integration and prints it. Botpress does not show it again.

The old secret stays valid for 24 hours. Set BP_SIGNING_SECRET to new,old and restart the adapter. Remove the old one
after that.

` + environment,
		Args: noArgs,
	}
	workspaceID := a.workspaceFlags(c)
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask for confirmation")
	envFile := envFileFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		made, err := a.openSecrets(*envFile)
		if err != nil {
			return err
		}
		return errors.Join(a.rotateSecret(c.Context(), *workspaceID, yes, made), made.close())
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
	deployed, err := w.find(ctx, name, body.Version)
	switch {
	case err != nil:
		return err
	case deployed == nil:
		return fmt.Errorf("%s is not deployed in workspace %q; run 'deploy', which prints its first secret", full, w.Name)
	case !yes:
		if err := a.confirm(fmt.Sprintf("Make a new signing secret for %s in workspace %q?", full, w.Name)); err != nil {
			return err
		}
	}
	secret, err := w.client.RotateIntegrationSigningSecrets(ctx, deployed.ID)
	if err != nil {
		return explain("make a new secret for "+full, err)
	}
	a.say("The old secret stays valid for 24 hours. Put the new one before it, separated by a comma, and restart the adapter.\n")
	return made.set("BP_SIGNING_SECRET", string(secret))
}
