package hitltest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"syscall"
)

// Wire stands between an adapter and its desk, so that [Run] can break the connection. Put it in front of a fake desk with
// [Wire.Handler], or under the adapter's HTTP client with [Wire.RoundTripper], and into [Desk]. It lets everything through
// while nothing is broken. The zero value is ready; it is safe for concurrent use and must not be copied.
type Wire struct {
	mu      sync.Mutex
	fault   fault
	lifted  chan struct{} // Closed when the fault ends.
	stuck   chan struct{} // Has a value once a request hangs.
	passed  int           // How many requests there were.
	latest  []exchange    // At most maxExchanges.
	skipped int           // How many of them were forgotten.
}

// fault is a way in which the desk does not answer. The zero value is none.
type fault struct {
	kind   faultKind
	status int // For refuse.
}

type faultKind int

const (
	none   faultKind = iota
	refuse           // The desk answers a status, and does nothing.
	reset            // The connection is reset before the desk has read the request.
	hang             // The desk does not answer before the caller gives up.
	lose             // The desk does what it is asked, but its answer does not arrive. Reading is not disturbed.
)

func (f fault) String() string {
	switch f.kind {
	case refuse:
		return fmt.Sprintf("the desk answers %d", f.status)
	case reset:
		return "the connection to the desk is reset"
	case hang:
		return "the desk does not answer"
	case lose:
		return "the desk's answer is lost"
	default:
		return "the desk is up"
	}
}

// exchange is a request that an adapter has sent, as failures show it.
type exchange struct {
	method, target, body string
	outcome              string
}

func (e exchange) String() string {
	return shorten(fmt.Sprintf("%s %s %s", e.method, e.target, e.body)) + " → " + e.outcome
}

const maxExchanges = 100

// Handler puts the wire in front of a desk.
func (w *Wire) Handler(desk http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		// The body must be read in any case: only then does a server notice that its client has gone.
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		f, lifted := w.next(r)
		switch f.kind {
		case none:
			seen := &statusRecorder{ResponseWriter: rw, status: http.StatusOK}
			desk.ServeHTTP(seen, r)
			w.note(r, body, http.StatusText(seen.status), seen.status)
			return
		case refuse:
			w.note(r, body, "the suite refused it", f.status)
			writeRefusal(rw.Header())
			rw.WriteHeader(f.status)
			return
		case hang:
			w.note(r, body, "the suite let it hang", 0)
			select {
			case <-r.Context().Done():
			case <-lifted:
			}
		case lose:
			answer := httptest.NewRecorder()
			desk.ServeHTTP(answer, r)
			w.note(r, body, "the suite lost the answer", answer.Code)
		case reset:
			w.note(r, body, "the suite reset the connection", 0)
			resetConn(rw)
		}
		panic(http.ErrAbortHandler)
	})
}

// RoundTripper puts the wire under an HTTP client. A nil next means [http.DefaultTransport].
func (w *Wire) RoundTripper(next http.RoundTripper) http.RoundTripper {
	if next == nil {
		next = http.DefaultTransport
	}
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		var body []byte
		if r.Body != nil {
			var err error
			if body, err = io.ReadAll(r.Body); err != nil {
				return nil, err
			}
			_ = r.Body.Close() // It was read to its end.
			r = r.Clone(r.Context())
			r.Body = io.NopCloser(bytes.NewReader(body))
		}
		f, lifted := w.next(r)
		switch f.kind {
		case refuse:
			w.note(r, body, "the suite refused it", f.status)
			return refusal(r, f.status), nil
		case reset:
			w.note(r, body, "the suite reset the connection", 0)
			return nil, &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}
		case hang:
			w.note(r, body, "the suite let it hang", 0)
			select {
			case <-r.Context().Done():
				return nil, context.Cause(r.Context())
			case <-lifted:
				return nil, io.ErrUnexpectedEOF
			}
		case lose:
			res, err := next.RoundTrip(r)
			if err != nil {
				return nil, err
			}
			_ = res.Body.Close() // Nobody reads it.
			w.note(r, body, "the suite lost the answer", res.StatusCode)
			return nil, io.ErrUnexpectedEOF
		default:
			res, err := next.RoundTrip(r)
			if err != nil {
				w.note(r, body, err.Error(), 0)
				return nil, err
			}
			w.note(r, body, http.StatusText(res.StatusCode), res.StatusCode)
			return res, nil
		}
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func writeRefusal(h http.Header) {
	h.Set("Content-Type", "text/html") // As proxies do, whatever the client wants.
	h.Set("Retry-After", "1")
}

func refusal(r *http.Request, status int) *http.Response {
	res := &http.Response{
		StatusCode: status, Status: fmt.Sprintf("%d %s", status, http.StatusText(status)), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{}, Body: http.NoBody, Request: r,
	}
	writeRefusal(res.Header)
	return res
}

func resetConn(rw http.ResponseWriter) {
	conn, _, err := http.NewResponseController(rw).Hijack()
	if err != nil {
		return // It will be closed, if not reset.
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // Closing then resets.
	}
	_ = conn.Close()
}

// statusRecorder remembers the status that a handler answers.
type statusRecorder struct {
	http.ResponseWriter

	status int
}

func (s *statusRecorder) WriteHeader(status int) {
	s.status = status
	s.ResponseWriter.WriteHeader(status)
}

// Unwrap lets [http.ResponseController] find what is underneath.
func (s *statusRecorder) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// set breaks the connection until mend is called, or something else is set.
func (w *Wire) set(f fault) (mend func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	lifted := make(chan struct{})
	w.become(f, lifted)
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.lifted == lifted {
			w.become(fault{}, nil)
		}
	}
}

// become ends a fault and begins another. Hold w.mu.
func (w *Wire) become(f fault, lifted chan struct{}) {
	if w.lifted != nil {
		close(w.lifted)
	}
	w.fault, w.lifted, w.stuck = f, lifted, make(chan struct{}, 1)
}

// hanging has a value once a request hangs.
func (w *Wire) hanging() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stuck
}

// next counts a request and says what befalls it, until when.
func (w *Wire) next(r *http.Request) (fault, <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.passed++
	f := w.fault
	switch {
	case f.kind == lose && (r.Method == http.MethodGet || r.Method == http.MethodHead):
		f = fault{} // Else nothing would ever be done.
	case f.kind == hang:
		select {
		case w.stuck <- struct{}{}:
		default:
		}
	}
	return f, w.lifted
}

func (w *Wire) note(r *http.Request, body []byte, outcome string, status int) {
	if status != 0 {
		outcome = fmt.Sprintf("%d %s", status, outcome)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.latest) == maxExchanges {
		w.latest = w.latest[1:]
		w.skipped++
	}
	w.latest = append(w.latest, exchange{r.Method, r.URL.RequestURI(), string(body), outcome})
}

// count is how many requests there were.
func (w *Wire) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.passed
}

// mark is a moment in the wire's history, for since.
func (w *Wire) mark() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.skipped + len(w.latest)
}

// since returns the exchanges after a mark, as far as they are remembered.
func (w *Wire) since(mark int) []exchange {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.latest[max(0, mark-w.skipped):])
}
