package slacktest

import (
	"math"
	"time"
)

// tier is how often a method may be called.
type tier struct {
	perMinute float64
	burst     float64
}

var (
	tier1       = tier{1, 1}
	tier3       = tier{50, 50}
	tier4       = tier{100, 100}
	tierPost    = tier{60, 5}
	tierSpecial = tier{600, 600}
)

// bucket holds the calls that are still allowed.
type bucket struct {
	left float64
	at   time.Time
}

// limit says how many seconds a call has to wait, or zero. Hold s.mu.
func (s *Slack) limit(c *call) int {
	if seconds, ok := s.limited[c.method]; ok {
		delete(s.limited, c.method)
		return seconds
	}
	m, ok := methods[c.method]
	if !s.opts.RateLimits || !ok {
		return 0
	}
	b := s.buckets[c.method]
	if b == nil {
		b = &bucket{left: m.tier.burst, at: time.Now()}
		s.buckets[c.method] = b
	}
	passed := time.Since(b.at)
	b.left, b.at = min(m.tier.burst, b.left+passed.Minutes()*m.tier.perMinute), time.Now()
	if b.left < 1 {
		return max(1, int(math.Ceil((1-b.left)/m.tier.perMinute*60)))
	}
	b.left--
	return 0
}
