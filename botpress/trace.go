package botpress

import "context"

// Trace is a W3C trace context, as in the headers traceparent and tracestate. An
// integration forwards the trace of the request that it serves to the calls that
// it makes for it.
type Trace struct {
	// Parent is the value of traceparent. Empty means no trace.
	Parent string
	// State is the value of tracestate. It may be empty.
	//
	// A trace with characters that a header cannot carry is not sent.
	State string
}

type traceKey struct{}

// tracing is a context with a trace. With context.WithValue it would be two objects.
type tracing struct {
	context.Context //nolint:containedctx // It is one.

	trace Trace
}

func (c *tracing) Value(key any) any {
	if key == (traceKey{}) {
		return c
	}
	return c.Context.Value(key)
}

// ContextWithTrace returns a context whose calls carry t.
func ContextWithTrace(ctx context.Context, t Trace) context.Context {
	return &tracing{ctx, t}
}

// TraceFromContext returns the trace that calls with ctx carry, the zero value
// if there is none.
func TraceFromContext(ctx context.Context) Trace {
	if c, ok := ctx.Value(traceKey{}).(*tracing); ok {
		return c.trace
	}
	return Trace{}
}
