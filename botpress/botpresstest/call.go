package botpresstest

import (
	"slices"
	"time"
)

// CallKind is the direction of a [Call].
type CallKind string

// The kinds of calls.
const (
	APICall      CallKind = "api"      // To the API.
	DispatchCall CallKind = "dispatch" // To an integration.
)

// Call is one HTTP exchange: a call of the API, or an operation sent to an integration.
type Call struct {
	Seq          uint64 // Counts all calls from 1, in the order in which they ended.
	Kind         CallKind
	Operation    string // "createEvent", "message_created"…
	Installation string // The alias of the caller or the callee; empty for the bot.
	Type         string // The type of the action or of the message, for a dispatch.
	Attempt      int    // Counts the attempts of a dispatch from 1.
	Method       string
	Path         string // The path and query of an API call, the URL of a dispatch.
	Request      []byte // Do not change it.
	Response     []byte // Do not change it.
	Status       int    // Zero: no response.
	Fault        FaultKind
	At           time.Time // By the caller's clock, like Took: Options.ClockSkew does not apply.
	Took         time.Duration
	TraceID      string // From the traceparent: calls made while a dispatch is handled carry its trace id.
}

// maxCalls bounds the calls that are remembered.
const maxCalls = 1 << 13

// ring remembers the latest calls and counts all of them.
type ring struct {
	latest []Call // Up to maxCalls; beyond that, the one with sequence number n is at (n-1) % maxCalls.
	seq    uint64
	counts map[string]int
}

func newRing() ring { return ring{counts: make(map[string]int)} }

func (s *Server) record(c Call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls.seq++
	c.Seq = s.calls.seq
	s.calls.counts[c.Operation]++
	if len(s.calls.latest) < maxCalls {
		s.calls.latest = append(s.calls.latest, c)
	} else {
		s.calls.latest[(c.Seq-1)%maxCalls] = c
	}
}

// Calls returns the latest calls in order, a few thousand at most. [Server.Count] counts all of them.
func (s *Server) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.calls.seq <= maxCalls {
		return slices.Clone(s.calls.latest)
	}
	oldest := s.calls.seq % maxCalls
	return slices.Concat(s.calls.latest[oldest:], s.calls.latest[:oldest])
}

// Count returns how often an operation has been called, faults included: an operation of the API such as "createEvent",
// or one sent to integrations such as "message_created".
func (s *Server) Count(operation string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls.counts[operation]
}
