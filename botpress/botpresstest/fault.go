package botpresstest

import (
	"net"
	"net/http"
	"slices"
	"time"
)

// FaultKind is a way in which a call fails.
type FaultKind string

// The kinds of faults. Late is for calls of the API, Duplicate and Reorder are for operations sent to integrations.
const (
	DropBefore    FaultKind = "drop before" // The connection is closed before any work is done.
	DropAfter     FaultKind = "drop after"  // The work is done, but the response is lost.
	BadGateway    FaultKind = "502"         // The work is done, but a proxy answers in its place.
	Reset         FaultKind = "reset"       // The connection is reset before any work is done.
	Delay         FaultKind = "delay"       // The work starts late, unless the caller has given up by then.
	Late          FaultKind = "late"        // The work starts late, also if the caller has given up. API calls only.
	RateLimited   FaultKind = "429"         // Refused, with the headers of the rate limiter.
	Unavailable   FaultKind = "503"         // Refused.
	InternalError FaultKind = "500"         // Refused.
	Duplicate     FaultKind = "duplicate"   // An operation is sent twice at the same time.
	Reorder       FaultKind = "reorder"     // A message_created is sent late, and later ones overtake it.
)

// Groups of operations that a [Fault] can apply to.
const (
	AnyAPICall  = "api"
	AnyDispatch = "dispatch"
)

// Fault makes calls fail. If several apply to a call, the one that was set first is used.
type Fault struct {
	// Operation is an operation of the API such as "createEvent", one sent to integrations such as "message_created",
	// [AnyAPICall] or [AnyDispatch]. Empty: all of them.
	Operation string
	Kind      FaultKind
	// Probability is how often the fault occurs, from 0 to 1, by the server's seed. Zero: always.
	Probability float64
	Skip        int           // How many calls succeed first.
	Times       int           // How often it occurs. Zero: without limit.
	Delay       time.Duration // For Delay, Late and Reorder. Zero: 10 ms.
	RetryAfter  time.Duration // For RateLimited: the header RateLimit-Reset, in whole seconds, rounded up. Zero: 1 second. Negative: 0.
}

type armedFault struct {
	Fault

	skip, left int
}

// Fault adds a fault. The function lift removes it.
func (s *Server) Fault(f Fault) (lift func()) {
	if f.Delay <= 0 {
		f.Delay = 10 * time.Millisecond
	}
	armed := &armedFault{Fault: f, skip: f.Skip, left: f.Times}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, armed)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.faults = slices.DeleteFunc(s.faults, func(other *armedFault) bool { return other == armed })
	}
}

// faultFor returns the fault of a call, the zero Fault if there is none.
func (s *Server) faultFor(operation string, kind CallKind) Fault {
	return s.match(operation, kind, func(k FaultKind) bool {
		return k != Reorder && (k != Duplicate || kind == DispatchCall) && (k != Late || kind == APICall)
	})
}

// reorderFor returns by how much a message is sent late, zero if it is not.
func (s *Server) reorderFor(operation string) time.Duration {
	return s.match(operation, DispatchCall, func(k FaultKind) bool { return k == Reorder }).Delay
}

func (s *Server) match(operation string, kind CallKind, eligible func(FaultKind) bool) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.faults {
		applies := f.Operation == "" || f.Operation == operation || f.Operation == string(kind)
		if !applies || !eligible(f.Kind) || f.Times > 0 && f.left == 0 {
			continue
		}
		if f.skip > 0 {
			f.skip--
			continue
		}
		if f.Probability > 0 && s.rand.Float64() >= f.Probability {
			continue
		}
		f.left--
		return f.Fault
	}
	return Fault{}
}

func (f Fault) err() *Error {
	switch f.Kind {
	case RateLimited:
		return &Error{Status: http.StatusTooManyRequests, Type: "RateLimited", Message: "The request has been rate-limited."}
	case Unavailable:
		return &Error{Status: http.StatusServiceUnavailable, Type: "Internal", Message: "the service is unavailable"}
	default:
		return &Error{Status: http.StatusInternalServerError, Type: "Internal", Message: "an internal error has occurred"}
	}
}

// seconds is when a call that is refused may be made again.
func (f Fault) seconds() int {
	if f.RetryAfter < 0 {
		return 0
	}
	return int(max(1, (f.RetryAfter+time.Second-1)/time.Second))
}

// badGateway is a proxy's page.
const badGateway = "<html><body>502 Bad Gateway</body></html>"

// cut closes the connection instead of responding. It does not return.
func cut(w http.ResponseWriter, kind FaultKind) {
	if kind == Reset {
		if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
			if tcp, ok := conn.(*net.TCPConn); ok {
				_ = tcp.SetLinger(0) // Closing then resets.
			}
			_ = conn.Close()
		}
	}
	panic(http.ErrAbortHandler)
}
