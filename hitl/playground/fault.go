package playground

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/hitl-go/sdk/botpress/botpresstest"
	protocol "github.com/hitl-go/sdk/internal/wire"
)

// The faults that can be switched on.
const (
	faultDuplicate = "duplicate" // Every webhook reaches the integration twice.
	faultRetry     = "retry"     // The answer to every action is lost once, so Botpress sends it again.
	faultOutage    = "outage"    // Botpress refuses every call with 503.
	faultSlow      = "slow"      // Every request takes the desk longer.
)

// slowness is how much longer.
const slowness = 1500 * time.Millisecond

// faults are the switches. Some of them are the in-memory Botpress' own.
type faults struct {
	cloud  *botpresstest.Server
	tapped bool // Requests to the desk can be held up; otherwise the integration as a whole is slow.

	mu    sync.Mutex // Guards what follows.
	on    map[string]bool
	lifts map[string]func()
	seen  map[string]bool // Operations that were sent, by their traces.
	order []string        // Of seen, so that it can be bounded.
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

// lift switches all off.
func (f *faults) lift() {
	for _, name := range []string{faultDuplicate, faultRetry, faultOutage, faultSlow} {
		_ = f.set(name, false) // There are all of them.
	}
}

func (f *faults) is(name string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.on[name]
}

// maxSeen bounds how many operations are remembered.
const maxSeen = 1_000

// sent notes that an operation is sent to the integration, and says whether it has been before: all attempts and
// duplicates of an operation have one trace.
func (f *faults) sent(trace string) (again bool) {
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

// loses says whether the first answer to an operation is to be lost.
func (f *faults) loses(operation string) bool {
	return operation == string(protocol.ActionTriggered) && f.is(faultRetry)
}

// delayOperation holds up what makes the integration call the desk, unless the requests to the desk can be.
func (f *faults) delayOperation(ctx context.Context, operation string) error {
	if f.tapped || operation != string(protocol.ActionTriggered) && operation != string(protocol.MessageCreated) {
		return nil
	}
	return f.delay(ctx)
}

// delay holds up a request to the desk.
func (f *faults) delay(ctx context.Context) error {
	if !f.is(faultSlow) {
		return nil
	}
	select {
	case <-time.After(slowness):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
