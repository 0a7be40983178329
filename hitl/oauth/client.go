package oauth

import (
	"io"
	"net/http"
	"net/url"
	"time"
)

// Client is the installation's HTTP client with a token in requests to this address, which is the desk's API. A request that is answered 401
// is sent once more, with a new token, if its body can be read again. Requests to other hosts have no token, also after a redirect.
func (s *Source) Client(api string) *http.Client {
	c := *s.in.HTTPClient
	base := c.Transport
	if base == nil {
		base = http.DefaultTransport
	}
	u, err := url.Parse(api)
	if err != nil {
		u = &url.URL{} // No request goes there.
	}
	c.Transport = &transport{s, u, base}
	return &c
}

// patience is how long a token is not renewed that has replaced a refused one, and that the desk has never taken.
const patience = 30 * time.Second

type transport struct {
	source *Source
	api    *url.URL
	base   http.RoundTripper
}

// RoundTrip sends a request with a token.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != t.api.Scheme || r.URL.Host != t.api.Host {
		return t.base.RoundTrip(r)
	}
	current, err := t.source.token(r.Context(), "")
	if err != nil {
		closeBody(r)
		return nil, err
	}
	res, err := t.base.RoundTrip(current.sign(r))
	if err != nil || res.StatusCode != http.StatusUnauthorized {
		if err == nil && current.forced {
			t.source.accepts(current.Access)
		}
		return res, err
	}
	if current.forced && time.Since(current.Obtained) < patience {
		return res, nil // A new token would be refused as well.
	}
	renewed, err := t.source.token(r.Context(), current.Access)
	if err != nil {
		drain(res)
		return nil, err
	}
	again := r.Clone(r.Context())
	switch {
	case r.Body == nil || r.Body == http.NoBody:
	case r.GetBody == nil:
		return res, nil
	default:
		if again.Body, err = r.GetBody(); err != nil {
			return res, nil //nolint:nilerr // The answer is there.
		}
	}
	drain(res)
	return t.base.RoundTrip(renewed.sign(again))
}

func (t token) sign(r *http.Request) *http.Request {
	r = r.Clone(r.Context())
	t.oauth2().SetAuthHeader(r)
	return r
}

// CloseIdleConnections makes the client's method of this name work.
func (t *transport) CloseIdleConnections() { (&http.Client{Transport: t.base}).CloseIdleConnections() }

func closeBody(r *http.Request) {
	if r.Body != nil {
		_ = r.Body.Close() // A transport closes the body in any case.
	}
}

// maxDrained is how much of an answer is read so that its connection can be used again.
const maxDrained = 64 << 10

func drain(res *http.Response) {
	_, _ = io.CopyN(io.Discard, res.Body, maxDrained)
	_ = res.Body.Close()
}
