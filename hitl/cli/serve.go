package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"

	"github.com/hitl-go/sdk/hitl"
)

func (a App) serve() *command {
	addr := ":8072"
	if port := a.Getenv("PORT"); port != "" {
		addr = ":" + port
	}
	c := newCommand("serve", "Serve the integration",
		`Serves the integration until the process is interrupted or terminated. It completes the requests in flight first.

Environment:

  BP_TOKEN           the integration access key that 'deploy --access-key' prints
  BP_SIGNING_SECRET  the signing secret that 'deploy' prints; new,old during a rotation
  BP_API_URL         address of the API; default https://api.botpress.cloud
  BP_LOG_FORMAT      json for a JSON log on standard error; LOG_LEVEL sets its lowest level

GET /health answers 200 while the process runs, GET /ready while it accepts requests.`)
	c.Flags.StringVar(&addr, "addr", addr, "`address` to listen on; PORT in the environment sets the port")
	c.Run = func(ctx context.Context, _ []string) error {
		if err := errors.Join(a.checkLog(), a.ready()); err != nil {
			return err
		}
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
		if err != nil {
			return fmt.Errorf("cannot listen on %s; choose another address with --addr or PORT: %w", addr, err)
		}
		body := a.Server.Describe()
		fmt.Fprintf(a.Stderr, "%s %s is listening on %s\n", body.Name, body.Version, listener.Addr())
		return a.Server.Serve(ctx, listener)
	}
	return c
}

// ready reports why the server cannot serve: first of all, by what is missing in the environment.
func (a App) ready() error {
	var missing []error
	_, err := a.Server.With(func(o *hitl.Options) {
		if o.Botpress.Token == "" && a.Getenv("BP_TOKEN") == "" {
			missing = append(missing, errors.New("BP_TOKEN is not set; set it to the integration access key that 'deploy --access-key' prints"))
		}
		if len(o.Secrets) == 0 && !o.Insecure && a.Getenv("BP_SIGNING_SECRET") == "" {
			missing = append(missing, errors.New("BP_SIGNING_SECRET is not set; set it to the signing secret that 'deploy' prints"))
		}
	})
	if len(missing) == 0 {
		missing = []error{err, a.Server.Ready()}
	}
	return errors.Join(missing...)
}

// checkLog refuses settings of the log that [hitl.FromEnv] passes over.
func (a App) checkLog() error {
	var level slog.Level
	if name := a.Getenv("LOG_LEVEL"); name != "" && level.UnmarshalText([]byte(name)) != nil {
		return fmt.Errorf("LOG_LEVEL is %q; set it to debug, info, warn or error", name)
	}
	if format := a.Getenv("BP_LOG_FORMAT"); format != "" && format != "json" {
		return fmt.Errorf("BP_LOG_FORMAT is %q; set it to json, or leave it out for text", format)
	}
	return nil
}
