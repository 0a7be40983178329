package cli

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/hitl/playground"
	"github.com/hitl-go/sdk/internal/proxy"
	"github.com/hitl-go/sdk/internal/sessionview"
)

// devAdapter is the adapter as 'dev' serves it: with the credentials of the development version, and replaced when it restarts.
type devAdapter struct {
	*dev

	kept    *devState
	live    *playground.Live // nil without --playground
	current atomic.Pointer[hitl.Server]
}

// start puts a new server in the place of the one before. An operation of that one that does not end is no reason to end.
func (a *devAdapter) start(ctx context.Context) error {
	s, err := a.Server.With(a.options)
	if err == nil {
		err = s.Ready()
	}
	if err != nil {
		return err
	}
	if old := a.current.Swap(s); old != nil {
		if err := a.shutdown(ctx, old); err != nil && ctx.Err() == nil {
			a.say("The adapter has restarted. What it did before has not ended: %s", oneLine(err))
		}
	}
	return nil
}

func (*devAdapter) shutdown(ctx context.Context, s *hitl.Server) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return s.Shutdown(ctx)
}

// logger has what goes wrong.
func (d *dev) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(d.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

func (a *devAdapter) options(o *hitl.Options) {
	o.Logger = a.logger()
	o.Secrets, o.Insecure = []string{a.kept.SigningSecret}, false
	o.Botpress.BaseURL, o.Botpress.Token = a.Getenv("BP_API_URL"), a.Getenv("BP_TOKEN")
	o.Botpress.HTTPClient = cmp.Or(a.HTTPClient, o.Botpress.HTTPClient)
	if a.live != nil {
		o.Botpress.HTTPClient = proxy.Client(o.Botpress.HTTPClient, a.live.ToBotpress)
		o.HTTPClient = proxy.Client(o.HTTPClient, a.live.ToDesk)
	}
	told := o.OnOperation
	o.OnOperation = func(ctx context.Context, op hitl.Operation) {
		a.say("%s", operationLine(time.Now(), op))
		if told != nil {
			told(ctx, op)
		}
	}
}

// handler serves what comes through the tunnel.
func (a *devAdapter) handler() http.Handler {
	var h http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { a.current.Load().ServeHTTP(w, r) })
	h = a.shown(a.kept, a.signing(a.kept, h))
	if a.live != nil {
		h = a.live.FromBotpress(h)
	}
	return h
}

// operationLine is what is shown of an operation.
func operationLine(at time.Time, o hitl.Operation) string {
	line := fmt.Sprintf("%s %-16s %6d ms  %s", at.Format("15:04:05"), cmp.Or(o.Action, o.Name), o.Duration.Milliseconds(), o.Outcome())
	if o.ConversationID != "" {
		line += "  " + o.ConversationID
	}
	if o.SessionID != "" && o.SessionID != o.ConversationID {
		line += " " + o.SessionID
	}
	if o.Err != nil {
		line += ": " + oneLine(o.Err)
	}
	return sessionview.Printable(line)
}

// signing signs what comes unsigned: it is not public whether Botpress signs what goes through its tunnel, and nobody else knows the
// tunnel's id. What is signed wrongly is refused, as in production.
func (d *dev) signing(kept *devState, next http.Handler) http.Handler {
	var warned atomic.Bool
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get(botpress.SignatureHeader) == "" {
			if !warned.Swap(true) {
				d.say("Botpress does not sign what comes through the tunnel. That is accepted here, and never in production.")
			}
			if err := proxy.Sign(r, kept.SigningSecret); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}
