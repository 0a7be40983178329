package botpresstest

import (
	"net/http"
	"time"
)

// clock is Botpress' clock. It is ahead of the caller's by its value.
type clock time.Duration

func (c clock) now() time.Time { return time.Now().Add(time.Duration(c)) }

// stamp is the time as the API returns it: in UTC, to the millisecond.
func (c clock) stamp() time.Time { return c.now().UTC().Truncate(time.Millisecond) }

// dated puts Botpress' time into the responses of a handler. Otherwise net/http puts the caller's there.
func (c clock) dated(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(datedWriter{w, c}, r)
	})
}

type datedWriter struct {
	http.ResponseWriter

	clock clock
}

func (w datedWriter) WriteHeader(status int) {
	w.Header().Set("Date", w.clock.now().UTC().Format(http.TimeFormat))
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for [http.ResponseController].
func (w datedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
