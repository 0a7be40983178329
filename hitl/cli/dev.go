package cli

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/hitl/playground"
	"github.com/hitl-go/sdk/internal/deployment"
	"github.com/hitl-go/sdk/internal/tunnel"
)

// defaultTunnel is Botpress' own.
const defaultTunnel = "https://tunnel.botpress.cloud"

// dev is the command with its flags.
type dev struct {
	App
	workspaceID string
	profile     string
	tunnel      string
	verbose     bool
	remove      bool
	page        bool
	addr        string
	open        bool
}

func (a App) dev() *command {
	d := dev{App: a}
	c := newCommand("dev", "Run the integration on this machine, live in a real bot",
		`Deploys a development version of the integration, which only its owner sees, and answers Botpress from this machine. It needs no
public address: requests come through Botpress' development tunnel. Install the version in a bot, under "dev" in its list of
integrations. Each request is shown as it happens.

The first run creates the version. Later ones update it if the definition has changed. What they need to know is kept in the folder
`+devFolder+`, which git ignores.

Where the start line offers it, the signal USR1 restarts the adapter: a new server of the same code, in the same process and on the
same tunnel. The new server remembers nothing, as after a restart of the process. New code is not loaded: end the command and start
it again.

Environment:

  BP_TOKEN         your personal access token, from the Botpress dashboard
  BP_WORKSPACE_ID  the id of the workspace, unless --workspace is set
  BP_API_URL       address of the API; default https://api.botpress.cloud
  BP_TUNNEL_URL    address of the tunnel, unless --tunnel is set; default https://tunnel.botpress.cloud

Without BP_TOKEN, the token and the address of the API are those of a profile of Botpress' own command line, in
~/.botpress/profiles.json, and so is the workspace if it is not set. With --profile all three are the profile's, unless
--workspace is set.`)
	workspaceID := a.workspaceFlags(c)
	c.Flags.StringVar(&d.profile, "profile", "", "`name` of the profile to use; the default is the one that 'bp profiles use' has chosen, or else default")
	c.Flags.StringVar(&d.tunnel, "tunnel", cmp.Or(a.Getenv("BP_TUNNEL_URL"), defaultTunnel), "`address` of the development tunnel")
	c.Flags.BoolVar(&d.verbose, "verbose", false, "show the bodies of requests and responses, with secrets masked")
	c.Flags.BoolVar(&d.verbose, "v", false, "short for --verbose")
	c.Flags.BoolVar(&d.remove, "delete", false, "delete the development version and what is kept of it, and exit")
	c.Flags.BoolVar(&d.page, "playground", false, "show every request on a page, as the playground does")
	c.Flags.StringVar(&d.addr, "addr", "", "`address` of the page, on this computer (default 127.0.0.1:8072, or a free port)")
	c.Flags.BoolVar(&d.open, "open", false, "open the page in the browser")
	c.Run = func(ctx context.Context, _ []string) error {
		if err := d.check(); err != nil {
			return Usagef("%w", err)
		}
		if err := onlyWith(c.Flags, "playground", "addr", "open"); err != nil {
			return err
		}
		d.workspaceID = *workspaceID
		if d.profile != "" && !isSet(c.Flags, "workspace") {
			d.workspaceID = ""
		}
		return d.run(ctx)
	}
	return c
}

// check validates the flags, and makes the tunnel's address, which is deployed, that of HTTP.
func (d *dev) check() error {
	if d.remove && (d.page || d.verbose) {
		return errors.New("--delete ends the command at once; leave out --playground and --verbose")
	}
	u := address(d.tunnel)
	schemes := map[string]string{"http": "http", "https": "https", "ws": "http", "wss": "https"}
	if u.Scheme = schemes[u.Scheme]; u.Scheme == "" {
		return fmt.Errorf("--tunnel, or BP_TUNNEL_URL, must be an address like %s", defaultTunnel)
	}
	d.tunnel = u.String()
	return nil
}

func (d *dev) run(ctx context.Context) error {
	if err := d.useProfile(); err != nil {
		return err
	}
	if d.Getenv("BP_TOKEN") == "" {
		return errors.New("BP_TOKEN is not set; set it to a personal access token from the Botpress dashboard, or log in with 'bp login'")
	}
	w, err := d.workspace(ctx, d.workspaceID, nil)
	switch {
	case err != nil && d.profile != "":
		return fmt.Errorf("with the token and the address of the profile %q: %w", d.profile, err)
	case err != nil:
		return err
	}
	kept, err := readDevState()
	if err != nil {
		return err
	}
	if kept.WorkspaceID != "" && kept.WorkspaceID != w.ID {
		return fmt.Errorf("%s belongs to workspace %s; use that one, or run 'dev --delete' there, or remove the folder", devFolder, kept.WorkspaceID)
	}
	if d.remove {
		return d.delete(ctx, w, kept)
	}
	kept.WorkspaceID = w.ID
	if kept.TunnelID == "" {
		kept.TunnelID = strings.ToLower(rand.Text())
	}
	if err := d.deployDev(ctx, w, kept); err != nil {
		return err
	}
	return d.live(ctx, kept)
}

// deployDev creates the development version, or brings it up to date.
func (d *dev) deployDev(ctx context.Context, w *workspace, kept *devState) error {
	body, err := d.describe(ctx, w)
	if err != nil {
		return err
	}
	body.Dev, body.URL = true, d.url(kept)
	full := fmt.Sprintf("%s %s", body.Name, body.Version)
	if kept.IntegrationID != "" {
		deployed, err := d.named(ctx, w, kept)
		switch {
		case err != nil:
			return err
		case deployed != nil && deployed.Name == body.Name && deployed.Version == body.Version:
			return d.updateDev(ctx, w, body, *deployed)
		case deployed != nil:
			return fmt.Errorf("%s belongs to the development version of %s %s; delete that with 'dev --delete' (if a bot has it installed, run 'dev' with that version and uninstall it first), and begin anew", devFolder, deployed.Name, deployed.Version)
		}
		kept.IntegrationID, kept.SigningSecret = "", "" // it was deleted elsewhere
	}
	if err := kept.write(); err != nil { // what is created now must not be lost because it cannot be written
		return fmt.Errorf("%s cannot be written: %w", devFolder, err)
	}
	created, unknown, err := w.create(ctx, deployment.Create(body))
	if err == nil && created.SigningSecret == "" {
		unknown, err = true, errors.New("the answer has no signing secret")
	}
	if unknown || errors.Is(err, botpress.ErrAlreadyExists) {
		created, err = d.recover(ctx, w, body, err)
	}
	if err != nil {
		return explain("create the development version of "+full, err)
	}
	kept.IntegrationID, kept.SigningSecret = created.ID, string(created.SigningSecret)
	if err := kept.write(); err != nil {
		return err
	}
	d.say("A development version of %s is in workspace %q. Install it in a bot there.", full, w.Name)
	return nil
}

// named returns the development version that the folder names, or nil if it is gone. What is in production is an error.
func (*dev) named(ctx context.Context, w *workspace, kept *devState) (*botpress.Integration, error) {
	deployed, err := w.client.GetIntegration(ctx, kept.IntegrationID)
	switch {
	case errors.Is(err, botpress.ErrNotFound):
		return nil, nil //nolint:nilnil // Not found is a result, not an error.
	case err != nil:
		return nil, explain("read the development version", err)
	case !deployed.Dev:
		return nil, fmt.Errorf("%s names %s %s, which is deployed for production; remove the folder, and change Definition.Version to develop", devFolder, deployed.Name, deployed.Version)
	}
	return &deployed, nil
}

// recover returns the development version, with a new secret, after a create whose answer was lost, now or in an earlier run.
func (d *dev) recover(ctx context.Context, w *workspace, body botpress.CreateIntegrationParams, cause error) (lost botpress.Integration, err error) {
	found, err := w.find(ctx, body.Name, body.Version)
	switch {
	case err != nil:
		return lost, err
	case found != nil && !found.Dev:
		return lost, errors.New("it is deployed for production; change Definition.Version to develop")
	case isLost(found, body):
		lost = *found
	case errors.Is(cause, botpress.ErrAlreadyExists):
		return lost, errors.New("there is one already, which is not of this folder; run 'dev' in the folder that has made it, delete it in the Botpress dashboard, or change Definition.Version")
	default:
		return lost, cause
	}
	lost.SigningSecret, err = w.client.RotateIntegrationSigningSecrets(ctx, lost.ID) // nobody has the one before
	return lost, err
}

// isLost reports whether a create whose answer was lost has made the development version: only this folder knows its address.
func isLost(found *botpress.Integration, body botpress.CreateIntegrationParams) bool {
	return found != nil && found.Dev && found.URL == body.URL
}

func (d *dev) updateDev(ctx context.Context, w *workspace, body botpress.CreateIntegrationParams, deployed botpress.Integration) error {
	changes, err := deployment.Changes(body, deployed)
	if err != nil {
		return err
	}
	if len(changes) == 0 {
		d.say("The development version of %s %s in workspace %q is up to date.", body.Name, body.Version, w.Name)
		return nil
	}
	if _, err := w.client.UpdateIntegration(ctx, deployed.ID, deployment.Update(body, deployed)); err != nil {
		return explain("update the development version", err)
	}
	d.say("The development version of %s %s in workspace %q has changed:\n", body.Name, body.Version, w.Name)
	d.show(changes)
	d.say("")
	return nil
}

func (d *dev) delete(ctx context.Context, w *workspace, kept *devState) error {
	if kept.IntegrationID == "" && kept.TunnelID != "" {
		body := d.Server.Describe()
		name, err := w.nameOf(body.Name)
		if err != nil {
			return err
		}
		body.Name, body.URL = name, d.url(kept)
		found, err := w.find(ctx, body.Name, body.Version)
		if err != nil {
			return err
		}
		if isLost(found, body) {
			kept.IntegrationID = found.ID
		}
	}
	if kept.IntegrationID == "" {
		return fmt.Errorf("%s in this folder names no development version, so nothing is deleted; run this where 'dev' ran, or delete the development version in the Botpress dashboard", devFolder)
	}
	if _, err := d.named(ctx, w, kept); err != nil {
		return err
	}
	err := w.client.DeleteIntegration(ctx, kept.IntegrationID)
	if errors.Is(err, botpress.ErrConflict) {
		return fmt.Errorf("the development version is installed in a bot; uninstall it there while 'dev' runs with that version, and delete it then: %w", err)
	}
	if err != nil && !errors.Is(err, botpress.ErrNotFound) {
		return explain("delete the development version", err)
	}
	if err := os.RemoveAll(devFolder); err != nil {
		return fmt.Errorf("the development version is deleted, and %s is not: %w", devFolder, err)
	}
	d.say("The development version is deleted.")
	return nil
}

// live answers Botpress until ctx ends.
func (d *dev) live(ctx context.Context, kept *devState) error {
	group, ctx := errgroup.WithContext(ctx)
	a := &devAdapter{dev: d, kept: kept}
	if d.page {
		a.live = playground.NewLive(playground.LiveOptions{
			Definition: d.Server.Describe(), URL: d.url(kept), Secrets: []string{kept.SigningSecret, d.Getenv("BP_TOKEN")},
			HTTPClient: d.HTTPClient, Addr: d.addr, Open: d.open, Output: d.Stderr,
		})
		group.Go(func() error { return a.live.Run(ctx) })
	}
	group.Go(func() error { return d.serveTunnel(ctx, kept, a) })
	return group.Wait()
}

func (d *dev) serveTunnel(ctx context.Context, kept *devState, a *devAdapter) error {
	if err := a.start(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	var restarting sync.WaitGroup
	defer func() {
		cancel(nil)
		restarting.Wait()
		_ = a.shutdown(context.WithoutCancel(ctx), a.current.Load())
	}()
	restarts, stop := restarts(ctx)
	defer stop()
	restarting.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-restarts:
			}
			d.say("Restarting the adapter…")
			if err := a.start(ctx); err != nil {
				cancel(err)
			}
		}
	})

	broken := false
	client := tunnel.Client{
		URL: strings.Replace(d.tunnel, "http", "ws", 1), ID: kept.TunnelID, HTTPClient: d.HTTPClient, Handler: a.handler(), Log: d.logger(),
		Connected: func() {
			broken = false
			hint := ""
			if restarts != nil {
				hint = restartHint()
			}
			d.say("Live. Ctrl+C ends it%s.", hint)
		},
		Broken: func(err error) {
			if !broken {
				d.say("%s; connecting again…", oneLine(err))
			}
			broken = true
		},
	}
	err := client.Run(ctx)
	switch {
	case errors.Is(err, context.Canceled):
		return nil
	case errors.Is(err, tunnel.ErrConflict):
		return fmt.Errorf("another 'dev' runs with the same folder %s; stop it, or remove the folder: %w", devFolder, err)
	}
	return err
}

// url is where Botpress reaches the development version.
func (d *dev) url(kept *devState) string {
	return strings.TrimRight(d.tunnel, "/") + "/" + kept.TunnelID
}
