package botpress

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/go-resty/resty/v2"
)

// Bounds of what is read from the network.
const (
	maxResponse = 16 << 20 // a success
	maxError    = 1 << 20  // the metadata of an error may be long
)

// transport sends single attempts. Calls of the API go to the http.RoundTripper
// itself: resty and http.Client would add cookies, redirects, retries and
// middleware, which cost time and must not be used here. A redirect would carry
// x-bot-id and the body to another host, and a retry would repeat a POST after a
// broken connection. Uploads go to other hosts, through resty.
type transport struct {
	base    string
	rt      http.RoundTripper
	timeout time.Duration // of an attempt, from dialing to the last byte
	uploads *resty.Client
}

func newTransport(base string, given *http.Client, timeout time.Duration) *transport {
	own := &http.Client{} // a copy, because resty changes its client
	if given != nil {
		*own = *given
	}
	if own.Transport == nil {
		own.Transport = pool()
	}
	timeout = cmp.Or(timeout, own.Timeout, DefaultTimeout)
	own.Timeout, own.Jar = 0, nil
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	uploads := resty.NewWithClient(own).SetLogger(silent{}).SetDoNotParseResponse(true).SetHeader("User-Agent", userAgent)
	return &transport{base: base, rt: own.Transport, timeout: timeout, uploads: uploads}
}

const userAgent = "hitl-go"

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

func (t *transport) closeIdle() { t.uploads.GetClient().CloseIdleConnections() }

// wireRequest is one HTTP request, the same in every attempt.
type wireRequest struct {
	method     string
	name       string // stands for the address in errors
	address    string
	header     http.Header
	body       []byte // nil means none
	idempotent bool
	shown      bool // see request
	upload     bool // to the file storage, which is not the API
}

// send makes one attempt and reads the response to its end.
func (t *transport) send(ctx context.Context, p wireRequest) (response, error) {
	if deadline, ok := ctx.Deadline(); !ok || time.Until(deadline) > t.timeout {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, t.timeout)
		defer cancel()
	}
	attempt := t.call
	if p.upload {
		attempt = t.upload
	}
	raw, err := attempt(ctx, p)
	var res response
	if err == nil {
		defer raw.Body.Close()
		res, err = readResponse(raw)
	}
	var network *networkError
	if errors.As(err, &network) {
		network.late = ctx.Err() != nil
	}
	return res, err
}

func (t *transport) call(ctx context.Context, p wireRequest) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, p.method, p.address, nil)
	if err != nil {
		return nil, err
	}
	req.Header = p.header
	var body *content
	if p.body != nil {
		body = newContent(p.body, new(atomic.Bool))
		req.Body, req.ContentLength = body, int64(len(p.body))
		req.GetBody = body.again
	}
	raw, err := t.rt.RoundTrip(req)
	if err != nil {
		return nil, &networkError{err: cause(err), unsent: body != nil && !body.read.Load()}
	}
	return raw, nil
}

// content is the body of a request, and knows whether any of it was read.
type content struct {
	bytes.Reader
	whole []byte
	read  *atomic.Bool // shared by those who send it again
}

func newContent(whole []byte, read *atomic.Bool) *content {
	c := &content{whole: whole, read: read}
	c.Reset(whole)
	return c
}

func (c *content) Read(p []byte) (int, error) {
	c.read.Store(true)
	return c.Reader.Read(p)
}

func (c *content) WriteTo(w io.Writer) (int64, error) {
	c.read.Store(true)
	return c.Reader.WriteTo(w)
}

func (c *content) Close() error { return nil }

// again is for a transport that sends the request on another connection.
func (c *content) again() (io.ReadCloser, error) { return newContent(c.whole, c.read), nil }

func (t *transport) upload(ctx context.Context, p wireRequest) (*http.Response, error) {
	req := t.uploads.R().SetContext(ctx).SetBody(p.body)
	req.Header = p.header
	res, err := req.Execute(p.method, p.address)
	if err != nil {
		return nil, &networkError{err: cause(err)}
	}
	return res.RawResponse, nil
}

// networkError marks a failure below HTTP, so that the retry policy can tell
// it from a request that could not be built.
type networkError struct {
	err    error
	late   bool // the attempt's time was up
	unsent bool // nothing of the body was sent
}

func (e *networkError) Error() string { return e.err.Error() }
func (e *networkError) Unwrap() error { return e.err }

// FromBotpress tells the error from one of another server, which the call may
// be a part of.
func (e *networkError) FromBotpress() {}

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
