package playground

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"sync"
)

// transport shows the requests of a client, as they are sent.
type transport struct {
	wire     *wire
	base     http.RoundTripper
	describe func(r *http.Request, body []byte) exchange
	delay    func(context.Context) error // Nil does not.
}

// calls is the transport of the integration's requests to the desk.
func (w *wire) calls(base http.RoundTripper) http.RoundTripper {
	return &transport{wire: w, base: orDefault(base), describe: deskRequest, delay: w.faults.delayCall}
}

func orDefault(base http.RoundTripper) http.RoundTripper {
	if base == nil {
		return http.DefaultTransport
	}
	return base
}

// RoundTrip sends a request. Its answer is shown when it has been read, or is a WebSocket.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	var body []byte
	body, r.Body = beginning(r.Body)
	x := t.describe(r, body)
	x.Detail = t.wire.secrets.text(x.Detail)
	x.method, x.url, x.header, x.body = r.Method, r.URL.String(), r.Header.Clone(), body
	seq := t.wire.view.begin(x)
	res, err := t.send(r)
	if err != nil {
		t.wire.view.end(seq, outcome{})
		return nil, err
	}
	done := outcome{status: res.StatusCode, header: res.Header.Clone()}
	if res.StatusCode == http.StatusSwitchingProtocols { // Its body is the connection, to which the client writes.
		t.wire.view.end(seq, done)
		return res, nil
	}
	res.Body = &readBody{ReadCloser: res.Body, done: func(read []byte) {
		done.body = read
		t.wire.view.end(seq, done)
	}}
	return res, nil
}

func (t *transport) send(r *http.Request) (*http.Response, error) {
	if t.delay != nil {
		if err := t.delay(r.Context()); err != nil {
			if r.Body != nil {
				_ = r.Body.Close() // A transport closes the body in any case.
			}
			return nil, err
		}
	}
	return t.base.RoundTrip(r)
}

// CloseIdleConnections makes the client's method of this name work.
func (t *transport) CloseIdleConnections() {
	(&http.Client{Transport: t.base}).CloseIdleConnections()
}

// beginning reads as much of a body as is shown, and returns a body that begins with it.
func beginning(body io.ReadCloser) ([]byte, io.ReadCloser) {
	if body == nil || body == http.NoBody {
		return nil, body
	}
	read, err := io.ReadAll(io.LimitReader(body, maxBody+1))
	return read, struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(read), errorReader{err}, body), body}
}

// errorReader is an empty reader, or one that fails.
type errorReader struct{ err error }

func (f errorReader) Read([]byte) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	return 0, io.EOF
}

// readBody keeps the beginning of what is read.
type readBody struct {
	io.ReadCloser

	done func(read []byte)
	once sync.Once
	read []byte
}

func (b *readBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.read = append(b.read, p[:min(n, maxBody+1-len(b.read))]...)
	if err != nil {
		b.once.Do(func() { b.done(b.read) })
	}
	return n, err
}

func (b *readBody) Close() error {
	b.once.Do(func() { b.done(b.read) })
	return b.ReadCloser.Close()
}
