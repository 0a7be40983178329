package hitl

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hitl-go/sdk/botpress"
)

// clock tells Botpress' time, by which sessions are scheduled and leases expire. Replicas agree on it, whatever their own
// clocks say.
//
// A timestamp of Botpress is as old as its way to us, so it says by how much Botpress' clock is ahead at least. Of the
// timestamps of the last minutes the greatest difference counts. The zero value knows none and tells our own time.
type clock struct {
	mu       sync.Mutex
	wall     func() time.Time // the computer's clock; nil is time.Now
	began    time.Time        // by the computer's clock, when we first looked
	ticking  time.Time        // since when, to count what has passed
	current  clockSample
	previous clockSample
	said     time.Duration // the difference that was logged last
}

// clockSample is the greatest difference that was seen in a period.
type clockSample struct {
	offset time.Duration
	since  time.Time // zero if there is none
}

// clockPeriod is how long a timestamp counts at least. It counts for twice as long at most.
const clockPeriod = 5 * time.Minute

// ours is the time by a clock that nobody sets: what it was when we first looked, and what has passed since. The computer's is set
// now and then, and differences that were seen before would count for too much, or for too little.
func (c *clock) ours() time.Time {
	if c.ticking.IsZero() {
		c.ticking, c.began = time.Now(), time.Now()
		if c.wall != nil {
			c.began = c.wall()
		}
	}
	return c.began.Add(time.Since(c.ticking))
}

// now is the time in Botpress.
func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ours().Add(c.offset())
}

// since is how long ago a moment was, by Botpress' clock.
func (c *clock) since(t time.Time) time.Duration { return c.now().Sub(t) }

func (c *clock) offset() time.Duration {
	switch {
	case c.current.since.IsZero():
		return 0
	case c.previous.since.IsZero():
		return c.current.offset
	default:
		return max(c.current.offset, c.previous.offset)
	}
}

// clockTolerance is a difference that is not worth a line in the log: a response's Date has whole seconds, and is as old as its way.
const clockTolerance = 3 * time.Second

// observe learns from a timestamp that Botpress has just made. It returns by how much Botpress' clock is ahead of ours now,
// and whether that is news.
func (c *clock) observe(t time.Time) (offset time.Duration, news bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.ours()
	seen := t.Sub(now)
	switch {
	case c.current.since.IsZero():
		c.current = clockSample{seen, now}
	case now.Sub(c.current.since) > clockPeriod:
		c.previous, c.current = c.current, clockSample{seen, now}
	default:
		c.current.offset = max(c.current.offset, seen)
	}
	offset = c.offset()
	if news = (offset - c.said).Abs() >= clockTolerance; news {
		c.said = offset
	}
	return offset, news
}

// observeSignature learns from the timestamp of a signature that was verified.
func (s *Server) observeSignature(header http.Header) {
	stamp, _, _ := strings.Cut(header.Get(botpress.SignatureHeader), ",")
	if millis, err := strconv.ParseInt(strings.TrimSpace(stamp), 10, 64); err == nil {
		s.observeClock(time.UnixMilli(millis))
	}
}

func (s *Server) observeClock(t time.Time) {
	switch offset, news := s.clock.observe(t); {
	case news && offset.Abs() < clockTolerance:
		s.log.Info("our clock and Botpress' agree again")
	case news:
		s.log.Warn("our clock and Botpress' differ; sessions go by Botpress'", "ahead", (-offset).Round(time.Second))
	}
}
