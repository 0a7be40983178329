package playground

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hitl-go/sdk/botpress/botpresstest"
	"github.com/hitl-go/sdk/internal/sleep"
	protocol "github.com/hitl-go/sdk/internal/wire"
)

// The faults that can be switched on.
const (
	faultDuplicate = "duplicate" // Botpress delivers every webhook twice.
	faultRetry     = "retry"     // The first answer to every action is lost, so Botpress retries it.
	faultOutage    = "outage"    // Botpress answers 503 to every call.
	faultSlow      = "slow"      // Every request to the desk is delayed.
)

// slowDelay is the delay of faultSlow.
const slowDelay = 1500 * time.Millisecond

// faults are the faults that the page can switch on. The in-memory Botpress implements some of them.
type faults struct {
	cloud *botpresstest.Server
	calls atomic.Bool // The integration's requests to the desk are seen, and delayed. Otherwise operations are.

	mu    sync.Mutex // Guards what follows.
	on    map[string]bool
	lifts map[string]func()
	seen  map[string]bool // Operations that were sent, by trace id.
	order []string        // The keys of seen, oldest first.
}

// set switches a fault on or off.
func (f *faults) set(name string, on bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var fault *botpresstest.Fault
	switch name {
	case faultDuplicate:
		fault = &botpresstest.Fault{Operation: string(protocol.WebhookReceived), Kind: botpresstest.Duplicate}
	case faultOutage:
		fault = &botpresstest.Fault{Operation: botpresstest.AnyAPICall, Kind: botpresstest.Unavailable}
	case faultRetry, faultSlow:
	default:
		return fmt.Errorf("there is no fault %q", name)
	}
	if f.on[name] == on {
		return nil
	}
	if f.on == nil {
		f.on, f.lifts = map[string]bool{}, map[string]func(){}
	}
	f.on[name] = on
	switch {
	case fault == nil:
	case on:
		f.lifts[name] = f.cloud.Fault(*fault)
	default:
		f.lifts[name]()
	}
	return nil
}

// lift switches all faults off.
func (f *faults) lift() {
	for _, name := range []string{faultDuplicate, faultRetry, faultOutage, faultSlow} {
		_ = f.set(name, false) // They all exist.
	}
}

func (f *faults) is(name string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.on[name]
}

// maxSeen bounds seen.
const maxSeen = 1_000

// sent records that an operation is sent to the integration, and reports whether it was sent before: all attempts and
// duplicates of an operation share a trace id.
func (f *faults) sent(trace string) (again bool) {
	if trace == "" { // Nobody knows.
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.seen[trace] {
		return true
	}
	if f.seen == nil {
		f.seen = map[string]bool{}
	}
	f.seen[trace] = true
	if f.order = append(f.order, trace); len(f.order) > maxSeen {
		delete(f.seen, f.order[0])
		f.order = f.order[1:]
	}
	return false
}

// loses reports whether the first answer to an operation is lost.
func (f *faults) loses(operation string) bool {
	return operation == string(protocol.ActionTriggered) && f.is(faultRetry)
}

// delayOperation delays an operation that makes the integration call the desk, if the call itself is not seen.
func (f *faults) delayOperation(ctx context.Context, operation string) error {
	if f.calls.Load() || operation != string(protocol.ActionTriggered) && operation != string(protocol.MessageCreated) {
		return nil
	}
	return f.delay(ctx)
}

// delayCall delays a request to the desk.
func (f *faults) delayCall(ctx context.Context) error {
	f.calls.Store(true)
	return f.delay(ctx)
}

func (f *faults) delay(ctx context.Context) error {
	if !f.is(faultSlow) {
		return nil
	}
	return sleep.For(ctx, slowDelay)
}
