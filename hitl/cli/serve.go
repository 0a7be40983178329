package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
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
		if err := errors.Join(a.checkLog(), a.Server.Ready()); err != nil {
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
