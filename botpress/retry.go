package botpress

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/hitl-go/sdk/internal/retryafter"
	"github.com/hitl-go/sdk/internal/sleep"
)

// Retry is the policy for failed calls. Retried are:
//
//   - status 429 and (with two exceptions) 502, and attempts of whose body nothing was sent, for every
//     call;
//   - other 5xx and broken connections, for idempotent calls.
//
// Idempotent are GET, PUT and DELETE, and the methods whose comment says so,
// such as [Client.GetOrCreateMessage] by discriminating tags. Other calls are
// not retried when their outcome is unknown, because the work might be done
// twice. That remains possible with 502, which Botpress' own client retries,
// too. [Client.CreateEvent] and [Client.CreateMessage] are not retried then:
// people would see twice what they create. An attempt that ran into [Options.Timeout] is not retried.
//
// A call that is retried finds what its first attempt has done. A DELETE takes
// that for success; a method that reports whether it created something says no.
//
// Between attempts there is a backoff with jitter, or the wait that the response
// asks for; one that asks for none again gets the backoff. A wait that would pass
// the context's deadline is not begun: the call fails at once with the error at
// hand.
type Retry struct {
	// Max is how many retries a call has after its first attempt. 0 means 3; a
	// negative number means none.
	Max int
	// Wait is the unit of the backoff: one unit before the first retry, two
	// before the second, and so on, give or take a fifth. 0 means a second.
	Wait time.Duration
	// MaxWait is the longest wait that a response may ask for: with Retry-After,
	// and with RateLimit-Reset or X-RateLimit-Reset if its status is 429. The
	// call fails at once if it asks for more. 0 means a minute.
	MaxWait time.Duration
}

func (r Retry) withDefaults() Retry {
	return Retry{
		Max:     cmp.Or(r.Max, 3),
		Wait:    cmp.Or(r.Wait, time.Second),
		MaxWait: cmp.Or(r.MaxWait, time.Minute),
	}
}

// next says whether a call is retried after its attempt-th failure, and how long
// to wait before. The response is empty if there was none.
func (r Retry) next(ctx context.Context, p wireRequest, attempt int, failure error, res response) (wait time.Duration, again bool) {
	if attempt > r.Max || ctx.Err() != nil || !retryable(p, failure) {
		return 0, false
	}
	if asked, ok := retryafter.Wait(res.status, res.header, time.Now()); ok && (asked > 0 || attempt == 1) {
		if asked > r.MaxWait {
			return 0, false
		}
		wait = asked + sleep.Jitter(asked/5) // jitter only adds: never earlier than asked
	} else {
		wait = time.Duration(attempt) * r.Wait
		wait += sleep.Jitter(wait*2/5) - wait/5
	}
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= wait {
		return 0, false
	}
	return wait, true
}

// undone reports whether an attempt that failed has certainly changed nothing.
func undone(failure error, res response) bool {
	var network *networkError
	return res.status == http.StatusTooManyRequests || errors.As(failure, &network) && network.unsent
}

func retryable(p wireRequest, failure error) bool {
	var api *Error
	if errors.As(failure, &api) {
		return api.Status == http.StatusTooManyRequests || api.Status == http.StatusBadGateway && !p.shown ||
			p.idempotent && api.Status >= 500
	}
	var network *networkError
	if !errors.As(failure, &network) {
		return false
	}
	var (
		op   *net.OpError
		dns  *net.DNSError
		cert *tls.CertificateVerificationError
	)
	switch {
	case errors.As(failure, &dns) && dns.IsNotFound, errors.As(failure, &cert):
		return false // permanent: the address is wrong
	case errors.As(failure, &op) && op.Op == "dial":
		return true // nothing was sent, also if it took all the attempt's time
	case network.late:
		return false
	case network.unsent:
		return true
	}
	return p.idempotent
}
