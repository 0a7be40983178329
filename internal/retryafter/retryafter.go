// Package retryafter reads how long an answer asks to wait before the next attempt.
package retryafter

import (
	"net/http"
	"strconv"
	"time"
)

// Wait reads the headers of an answer, and reports whether they ask for a wait at all. Retry-After comes first: next to it,
// X-RateLimit-Reset often is when the whole quota is renewed. Of values that say nothing, the next header counts. Without a 429
// only Retry-After does: the quota's headers come with every answer.
func Wait(status int, h http.Header, now time.Time) (wait time.Duration, asked bool) {
	for _, name := range [...]string{"Retry-After", "RateLimit-Reset", "X-RateLimit-Reset"} {
		if name != "Retry-After" && status != http.StatusTooManyRequests {
			break
		}
		if wait, ok := Parse(h.Get(name), now); ok {
			return max(wait, 0), wait >= 0
		}
	}
	return 0, false
}

// Parse reads what RFC 9110 has in Retry-After, a number of seconds or a date, and what others have: fractions, and Unix times in
// seconds or milliseconds. The wait until a time in the past is negative: it asks for none, as the clocks may differ.
func Parse(value string, now time.Time) (wait time.Duration, ok bool) {
	const year = 365 * 24 * 3600 // in seconds
	moment, err := http.ParseTime(value)
	if err != nil {
		n, err := strconv.ParseFloat(value, 64)
		switch {
		case err != nil || !(n >= 0): // NaN too
			return 0, false
		case n < 10*year: // nobody asks for a longer wait
			return time.Duration(min(n, year) * float64(time.Second)), true
		case n < 1e11: // in seconds this is the year 5138, in milliseconds 1973
			n *= 1000
		}
		moment = time.UnixMilli(int64(min(n, 1e14)))
	}
	if wait = moment.Sub(now); wait <= 0 {
		return -1, true
	}
	return min(wait, year*time.Second), true
}
