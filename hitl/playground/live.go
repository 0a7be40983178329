package playground

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/internal/deployment"
)

// LiveOptions configure a [Live]. Definition and URL are required.
type LiveOptions struct {
	// Definition is that of the integration. It says which fields of its configurations are secrets.
	Definition botpress.CreateIntegrationParams

	// URL is where Botpress reaches the integration.
	URL string

	// Secrets are what the page must not show, besides those of the configurations.
	Secrets []string

	// HTTPClient reaches the URL, for requests that are sent again. Nil is a client without changes.
	HTTPClient *http.Client

	// Addr is the address of the page, on the loopback interface. Empty means 127.0.0.1:8072, or a free port if that is in use.
	Addr string

	// Open opens the page in the browser.
	Open bool

	// Output receives the address of the page. Nil discards it.
	Output io.Writer
}

// Live shows the requests of an integration that runs in a real bot: the playground's list of requests, without the simulation.
// It is safe for concurrent use. Its three methods other than Run go around what the requests pass through:
//
//	live := playground.NewLive(opts)
//	options.Botpress.HTTPClient = &http.Client{Transport: live.ToBotpress(nil)}
//	options.HTTPClient = &http.Client{Transport: live.ToDesk(nil)}
//	handler := live.FromBotpress(server)
type Live struct {
	*page

	opts LiveOptions
	key  string // In the page's address, which nobody else on this computer can guess.
}

// NewLive makes the list, without a page: see [Live.Run].
func NewLive(opts LiveOptions) *Live {
	l := &Live{page: newPage(), opts: opts, key: strings.ToLower(rand.Text())}
	l.describe(opts.Definition, Options{})
	l.about.Live = strings.TrimSpace(opts.Definition.Name + " " + opts.Definition.Version)
	l.about.Session = nil
	l.wire.secrets.learn(opts.Secrets...)
	var client http.Client
	if opts.HTTPClient != nil {
		client = *opts.HTTPClient
	}
	l.resendBy(atIntegration, toURL{opts.URL, orDefault(client.Transport)})
	return l
}

// FromBotpress shows the requests that a handler serves.
func (l *Live) FromBotpress(next http.Handler) http.Handler {
	shown := l.wire.record(next, l.wire.operation)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.wire.secrets.learn(deployment.Secrets(l.opts.Definition, r.Header)...)
		shown.ServeHTTP(w, r)
	})
}

// ToBotpress shows the calls of Botpress' API that a transport carries. A nil base is [http.DefaultTransport].
func (l *Live) ToBotpress(base http.RoundTripper) http.RoundTripper {
	t := &transport{wire: l.wire, base: orDefault(base), describe: botpressCall()}
	l.resendBy(atBotpress, t)
	return t
}

// ToDesk shows the calls of the help desk that a transport carries. A nil base is [http.DefaultTransport].
func (l *Live) ToDesk(base http.RoundTripper) http.RoundTripper {
	t := l.wire.calls(base)
	l.resendBy(atDesk, t)
	return t
}

// Run serves the page until the context ends. It fails if it cannot listen. The page shows what customers write: its address has a
// key, and only this computer reaches it.
func (l *Live) Run(ctx context.Context) error {
	listener, err := listen(ctx, l.opts.Addr)
	if err != nil {
		return err
	}
	address := fmt.Sprintf("http://%s/%s/", listener.Addr(), l.key)
	if l.opts.Output != nil {
		_, _ = fmt.Fprintf(l.opts.Output, "Requests: %s\n", address)
	}
	if l.opts.Open {
		if err := open(ctx, address); err != nil && l.opts.Output != nil {
			_, _ = fmt.Fprintf(l.opts.Output, "The browser did not open (%v). Open the page yourself.\n", err)
		}
	}
	mux := http.NewServeMux()
	mux.Handle("/"+l.key+"/", http.StripPrefix("/"+l.key, l.routes()))
	return serve(ctx, listener, mux)
}

// toURL sends a request to this server, whatever host it names.
type toURL struct {
	url  string
	base http.RoundTripper
}

func (u toURL) RoundTrip(r *http.Request) (*http.Response, error) {
	to, err := http.NewRequestWithContext(r.Context(), r.Method, strings.TrimSuffix(u.url, "/")+r.URL.RequestURI(), r.Body) //nolint:gosec // The server is ours.
	if err != nil {
		return nil, err
	}
	to.Header, to.ContentLength = r.Header, r.ContentLength
	return u.base.RoundTrip(to)
}
