package botpress

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/go-resty/resty/v2"
)

// Bounds of what is read from the network.
const (
	maxResponse = 16 << 20 // a success
	maxError    = 64 << 10 // an error needs far less
)

// transport sends single attempts. It is the only place that knows resty, and
// it uses little of it on purpose: resty's own retries would repeat a POST
// after a broken connection, its decoding turns an HTML page into an empty
// result without an error, and its logger writes URLs to standard error.
type transport struct {
	base string
	hc   *http.Client
	r    *resty.Client
}

func newTransport(base string, given *http.Client, timeout time.Duration) *transport {
	own := &http.Client{} // a copy, because resty changes its client
	if given != nil {
		*own = *given
	}
	if own.Transport == nil {
		own.Transport = pool()
	}
	own.Timeout = cmp.Or(timeout, own.Timeout, DefaultTimeout)
	own.Jar = nil // one client serves many bots
	// A redirect would carry x-bot-id and the body to another host.
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	r := resty.NewWithClient(own).
		SetLogger(silent{}).
		SetDoNotParseResponse(true).
		SetHeader("Accept", "application/json").
		SetHeader("User-Agent", "hitl-go")
	return &transport{base: base, hc: own, r: r}
}

// pool bounds the connections to the API and keeps all of them for the next
// call; the default transport keeps two.
func pool() *http.Transport {
	const connections = 100
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		ForceAttemptHTTP2:     true,
		MaxConnsPerHost:       connections,
		MaxIdleConnsPerHost:   connections,
		MaxIdleConns:          connections,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: time.Second,
	}
}

func (t *transport) closeIdle() { t.hc.CloseIdleConnections() }

// wireRequest is one HTTP request, the same in every attempt.
type wireRequest struct {
	method     string
	name       string // stands for the address in errors
	address    string
	header     http.Header
	body       []byte // nil means none
	idempotent bool
}

// send makes one attempt and reads the response to its end.
func (t *transport) send(ctx context.Context, p wireRequest) (response, error) {
	req := t.r.R().SetContext(ctx)
	req.Header = p.header
	if p.body != nil {
		req.SetBody(p.body)
	}
	sent, err := req.Execute(p.method, p.address)
	if err != nil {
		return response{}, &networkError{cause(err)}
	}
	raw := sent.RawResponse
	defer raw.Body.Close()
	return readResponse(raw)
}

// networkError marks a failure below HTTP, so that the retry policy can tell
// it from a request that could not be built.
type networkError struct{ err error }

func (e *networkError) Error() string { return e.err.Error() }
func (e *networkError) Unwrap() error { return e.err }

// cause drops the layer that repeats the URL, which may hold a signature.
func cause(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}

// silent keeps resty from writing to standard error; failures are returned.
type silent struct{}

func (silent) Errorf(string, ...any) {}
func (silent) Warnf(string, ...any)  {}
func (silent) Debugf(string, ...any) {}
