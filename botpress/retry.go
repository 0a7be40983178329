package botpress

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"time"
)

// Retry is how failed calls are tried again. Tried again are answers 429 and
// 502 of every method, other 5xx and broken connections of methods that are
// idempotent (GET, PUT, DELETE), and connections that could not be opened at
// all. An attempt that ran into [Options.Timeout] is not repeated. This is the
// rule of Botpress' own clients, except that those also repeat a POST whose
// connection broke, which may do its work twice.
//
// A wait that would pass the context's deadline is not begun: the call fails at
// once with the error at hand.
type Retry struct {
	// Max is how many times a call is tried again. 0 means 3; a negative
	// number means never.
	Max int
	// Wait is the unit of waiting where the answer names no time: one unit
	// before the first retry, two before the second, and so on, each shortened
	// or lengthened at random by up to a fifth. 0 means a second.
	Wait time.Duration
	// MaxWait is the longest wait that an answer may ask for with Retry-After
	// or RateLimit-Reset; the call fails at once if it asks for more. 0 means a
	// minute.
	MaxWait time.Duration
}

func (r Retry) withDefaults() Retry {
	return Retry{
		Max:     cmp.Or(r.Max, 3),
		Wait:    cmp.Or(r.Wait, time.Second),
		MaxWait: cmp.Or(r.MaxWait, time.Minute),
	}
}

// next says whether a call is sent again after its attempt-th failure, and how
// long to wait before. The header is that of the answer, nil if none came.
func (r Retry) next(ctx context.Context, method string, attempt int, failure error, h http.Header) (wait time.Duration, again bool) {
	if attempt > r.Max || ctx.Err() != nil || !retryable(method, failure) {
		return 0, false
	}
	if asked, ok := retryAfter(h, time.Now()); ok {
		if asked > r.MaxWait {
			return 0, false
		}
		wait = asked + jitter(asked/5) // later than asked is polite, earlier is not
	} else {
		wait = time.Duration(attempt) * r.Wait
		wait += jitter(wait*2/5) - wait/5
	}
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= wait {
		return 0, false
	}
	return wait, true
}

// jitter keeps many clients from coming back at the same moment.
func jitter(most time.Duration) time.Duration {
	if most <= 0 {
		return 0
	}
	return rand.N(most)
}

func retryable(method string, failure error) bool {
	idempotent := method == http.MethodGet || method == http.MethodPut || method == http.MethodDelete
	var api *Error
	if errors.As(failure, &api) {
		return api.Status == http.StatusTooManyRequests || api.Status == http.StatusBadGateway ||
			idempotent && api.Status >= 500
	}
	var network *networkError
	if !errors.As(failure, &network) {
		return false
	}
	var (
		op   *net.OpError
		dns  *net.DNSError
		cert *tls.CertificateVerificationError
		slow net.Error
	)
	switch {
	case errors.As(failure, &dns) && dns.IsNotFound, errors.As(failure, &cert):
		return false // no wait mends a wrong address
	case errors.As(failure, &op) && op.Op == "dial":
		return true // nothing was sent
	case errors.As(failure, &slow) && slow.Timeout():
		return false
	}
	return idempotent
}

// retryAfter reads when the API wants to be called again, given as seconds or
// as an HTTP date, and reports whether it says so at all.
func retryAfter(h http.Header, now time.Time) (time.Duration, bool) {
	for _, name := range [...]string{"RateLimit-Reset", "X-RateLimit-Reset", "Retry-After"} {
		value := h.Get(name)
		if seconds, err := strconv.ParseFloat(value, 64); err == nil && seconds >= 0 {
			const most = 365 * 24 * 3600 // absurd numbers would overflow a duration
			return time.Duration(min(seconds, most) * float64(time.Second)), true
		}
		if date, err := http.ParseTime(value); err == nil {
			return max(0, date.Sub(now)), true
		}
	}
	return 0, false
}
