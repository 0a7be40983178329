package zendesktest

import (
	"math"
	"net/http"
	"strconv"
	"time"
)

// Limits are how many requests the account takes. Zero is no limit.
type Limits struct {
	Requests        int // A minute, by the account's plan.
	TicketUpdates   int // A minute, of all tickets through the API.
	UpdatesOfTicket int // In ten minutes, of one ticket by one user.
	UpdatesOfUser   int // A minute, of one user.
}

// DefaultLimits are those of the Enterprise plan.
var DefaultLimits = Limits{Requests: 700, TicketUpdates: 100, UpdatesOfTicket: 30, UpdatesOfUser: 5}

// window counts what happens from its first request on, until it is over.
type window struct {
	begin time.Time
	count int
}

// take counts one more. It returns how many are left, less than zero if it is one too many, and when counting begins anew.
// A clock that was turned back begins anew, too.
func (d *Desk) take(key string, length time.Duration, limit int) (left int, reset time.Duration) {
	w, now := d.windows[key], time.Now()
	if w == nil || now.Before(w.begin) || now.Sub(w.begin) >= length {
		w = &window{begin: now}
		d.windows[key] = w
	}
	w.count++
	return limit - w.count, w.begin.Add(length).Sub(now)
}

// limit refuses what is one too many.
func (d *Desk) limit(key string, length time.Duration, limit int) *apiError {
	if limit == 0 {
		return nil
	}
	if left, reset := d.take(key, length, limit); left < 0 {
		return &apiError{status: http.StatusTooManyRequests, kind: "APIRateLimitExceeded", says: saysTooMany, retryAfter: reset}
	}
	return nil
}

// plan counts a request against the account's plan, and tells the client.
func (d *Desk) plan(h http.Header) *apiError {
	limit := d.Limits.Requests
	if limit == 0 {
		return nil
	}
	left, reset := d.take("plan", time.Minute, limit)
	for name, value := range map[string]int{
		"X-Rate-Limit": limit, "X-Rate-Limit-Remaining": max(0, left),
		"Ratelimit-Limit": limit, "Ratelimit-Remaining": max(0, left), "Ratelimit-Reset": seconds(reset),
	} {
		h.Set(name, strconv.Itoa(value))
	}
	if left < 0 {
		return &apiError{status: http.StatusTooManyRequests, kind: "APIRateLimitExceeded", says: saysTooMany, retryAfter: reset}
	}
	return nil
}

// seconds rounds up: who comes back then must not be too early.
func seconds(d time.Duration) int { return int(math.Ceil(d.Seconds())) }
