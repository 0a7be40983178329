package zendesktest

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Fault makes requests to the API fail.
type Fault struct {
	Method     string        // Empty: any.
	Path       string        // A part of the path. Empty: any.
	Status     int           // The answer. Zero: the connection is cut.
	RetryAfter time.Duration // Sent in whole seconds if it is not negative and the status is 429 or 503.
	Times      int           // How many requests fail. Zero: one.
	Skip       int           // How many requests are spared at first.
	AfterWork  bool          // Do the work, then lose the answer.
}

// Fail makes the next n requests to the API fail with a status and, if retryAfter is not negative, a Retry-After header.
func (d *Desk) Fail(n, status int, retryAfter time.Duration) {
	d.Fault(Fault{Times: n, Status: status, RetryAfter: retryAfter})
}

// Fault makes requests to the API fail. Of several faults that fit, the first one strikes.
func (d *Desk) Fault(f Fault) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f.Times = max(1, f.Times)
	d.faults = append(d.faults, &f)
}

// SetDown makes the API answer 503, or work again. Agents can work all the same, and webhooks are sent.
func (d *Desk) SetDown(down bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.down = down
}

// fault is the fault that strikes this request, or nil. Hold d.mu.
func (d *Desk) fault(r *http.Request) *Fault {
	if d.down {
		return &Fault{Status: http.StatusServiceUnavailable, RetryAfter: -1}
	}
	i := slices.IndexFunc(d.faults, func(f *Fault) bool {
		fits := f.Times > 0 && (f.Method == "" || f.Method == r.Method) && strings.Contains(r.URL.Path, f.Path)
		if fits && f.Skip > 0 {
			f.Skip--
			return false
		}
		return fits
	})
	if i < 0 {
		return nil
	}
	d.faults[i].Times--
	return d.faults[i]
}

func (f *Fault) strike(w http.ResponseWriter) {
	if f.Status == 0 {
		panic(http.ErrAbortHandler)
	}
	if f.RetryAfter >= 0 && (f.Status == http.StatusTooManyRequests || f.Status == http.StatusServiceUnavailable) {
		w.Header().Set("Retry-After", strconv.Itoa(int(f.RetryAfter/time.Second)))
	}
	answer(w, f.Status, wire{"error": http.StatusText(f.Status), "description": "the test wants it so"})
}
