package hitltest

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// Wire is the connection between an adapter and its desk, on which [Run] injects faults. Put it in front of a fake desk with
// [Wire.Handler], or under the adapter's HTTP client with [Wire.RoundTripper], and set it in [Desk]. Without a fault it
// passes everything on. The zero value is ready to use; it is safe for concurrent use and must not be copied.
type Wire struct {
	mu      sync.Mutex
	fault   fault
	lifted  chan struct{} // Closed when the fault ends.
	struck  chan struct{} // Holds a value once a request was refused, or hangs.
	passed  int           // The number of requests.
	before  int           // That number when the fault was set.
	latest  []exchange    // At most maxExchanges.
	skipped int           // How many were dropped from latest.
}

// fault is a fault of the connection. The zero value is none.
type fault struct {
	kind       faultKind
	status     int           // For refuse.
	retryAfter time.Duration // For refuse; zero means a second.
	nth        int           // Only this request has the fault, counted from one since it was set; zero means all.
}

type faultKind int

const (
	none   faultKind = iota
	refuse           // The desk answers with a status, and does nothing.
	reset            // The connection is reset before the desk has read the request.
	hang             // The desk does not answer before the caller gives up.
	lose             // The desk does what it is asked, but its answer is lost. GET and HEAD are not affected.
)

func (f fault) String() string {
	switch f.kind {
	case refuse:
		if f.nth > 0 {
			return fmt.Sprintf("the desk answers %d to request %d of a call", f.status, f.nth)
		}
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

// exchange is a request of an adapter and its outcome, as failures show them.
type exchange struct {
	method, target, body string
	outcome              string
	status               int // Zero if there was no answer.
}

func (e exchange) String() string {
	return truncate(fmt.Sprintf("%s %s %s", e.method, e.target, e.body)) + " → " + e.outcome
}

const maxExchanges = 100

// Handler puts the wire in front of a desk.
func (w *Wire) Handler(desk http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		// Read the body in any case: only then does the server notice that its client has closed the connection.
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
			w.note(r, body, "refused by the suite", f.status)
			f.writeRefusal(rw.Header())
			rw.WriteHeader(f.status)
			return
		case hang:
			w.note(r, body, "left unanswered by the suite", 0)
			select {
			case <-r.Context().Done():
			case <-lifted:
			}
		case lose:
			answer := httptest.NewRecorder()
			desk.ServeHTTP(answer, r)
			w.note(r, body, "answer dropped by the suite", answer.Code)
		case reset:
			w.note(r, body, "reset by the suite", 0)
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
			w.note(r, body, "refused by the suite", f.status)
			return f.refusal(r), nil
		case reset:
			w.note(r, body, "reset by the suite", 0)
			return nil, &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}
		case hang:
			w.note(r, body, "left unanswered by the suite", 0)
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
			w.note(r, body, "answer dropped by the suite", res.StatusCode)
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

func (f fault) writeRefusal(h http.Header) {
	h.Set("Content-Type", "text/html") // As proxies answer, whatever the client accepts.
	h.Set("Retry-After", strconv.Itoa(int(cmp.Or(f.retryAfter, time.Second)/time.Second)))
}

func (f fault) refusal(r *http.Request) *http.Response {
	res := &http.Response{
		StatusCode: f.status, Status: fmt.Sprintf("%d %s", f.status, http.StatusText(f.status)), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{}, Body: http.NoBody, Request: r,
	}
	f.writeRefusal(res.Header)
	return res
}

func resetConn(rw http.ResponseWriter) {
	conn, _, err := http.NewResponseController(rw).Hijack()
	if err != nil {
		return // The caller closes the connection.
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // Closing then resets.
	}
	_ = conn.Close()
}

// statusRecorder records the status of a response.
type statusRecorder struct {
	http.ResponseWriter

	status int
}

func (s *statusRecorder) WriteHeader(status int) {
	s.status = status
	s.ResponseWriter.WriteHeader(status)
}

// Unwrap is for [http.ResponseController].
func (s *statusRecorder) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// set injects a fault until repair is called, or another fault is set.
func (w *Wire) set(f fault) (repair func()) {
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

// become replaces the fault. Hold w.mu.
func (w *Wire) become(f fault, lifted chan struct{}) {
	if w.lifted != nil {
		close(w.lifted)
	}
	w.fault, w.lifted, w.struck, w.before = f, lifted, make(chan struct{}, 1), w.passed
}

// strikes receives a value when a request is refused, or hangs.
func (w *Wire) strikes() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.struck
}

// next counts a request, and returns its fault and when the fault ends.
func (w *Wire) next(r *http.Request) (fault, <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.passed++
	f := w.fault
	if f.nth > 0 && w.passed-w.before != f.nth {
		return fault{}, w.lifted
	}
	switch {
	case f.kind == lose && (r.Method == http.MethodGet || r.Method == http.MethodHead):
		f = fault{} // Otherwise the adapter could do nothing.
	case f.kind == hang, f.kind == refuse:
		select {
		case w.struck <- struct{}{}:
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
	w.latest = append(w.latest, exchange{r.Method, r.URL.RequestURI(), string(body), outcome, status})
}

// count is the number of requests.
func (w *Wire) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.passed
}

// mark is the current position in the history, for since.
func (w *Wire) mark() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.skipped + len(w.latest)
}

// since returns the exchanges after a mark, at most maxExchanges.
func (w *Wire) since(mark int) []exchange {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.latest[max(0, mark-w.skipped):])
}
