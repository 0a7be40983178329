// Package lease lets one of several replicas work on something, by a state in Botpress that says who does and until when.
//
// Botpress has no compare-and-swap. It has get-or-set, which makes a free lease safe to take, and a write that overwrites.
// An expired lease is taken over by Fischer's algorithm: overwrite it, wait longer than any other write can be in flight,
// read it back, and hold it only if it still has the own name in it.
//
// That is correct under these assumptions, which no test can prove:
//   - A write of a lease takes effect within [Settle] of being sent, or never. Its own deadline is [WriteTimeout].
//   - A process does not pause for longer than that between its look at the clock and the write that follows.
//   - The replicas' clocks differ by at most [MaxSkew].
//
// A holder that pauses beyond the end of its lease does not notice. What it does then must be idempotent, or be accepted
// to happen twice.
package lease

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/internal/sleep"
	"github.com/hitl-go/sdk/internal/strictjson"
)

const (
	// WriteTimeout bounds a write that overwrites or releases a lease.
	WriteTimeout = 2 * time.Second
	// Settle is how long an overwritten lease is left alone before it is read back.
	Settle = 5 * time.Second
	// MaxSkew is by how much the clocks of two replicas may differ.
	MaxSkew = time.Minute

	// garbage is how long after its last use Botpress forgets a lease. It must outlast any holder.
	garbage = time.Hour
)

// ErrHeld means that another holder has the lease.
var ErrHeld = errors.New("the lease is held by another")

// Record is the state's payload.
type Record struct {
	Owner string    `json:"owner"`
	Until time.Time `json:"until"` // by the owner's clock
}

// Leases acquires leases. It is safe for concurrent use.
type Leases struct {
	// API writes the states. Its integration must declare them with the schema of [Record].
	API *botpress.Client
	// Now is the clock; nil means [time.Now].
	Now func() time.Time
}

// Lease is a lease that was acquired.
type Lease struct {
	// TakenOver says that an earlier holder let it expire. Whatever was read before may be older than what that one did.
	TakenOver bool

	from  Leases
	key   botpress.StateKey
	until time.Time
}

func (l Leases) now() time.Time {
	if l.Now != nil {
		return l.Now()
	}
	return time.Now()
}

// once sends each write at most once: a write that is repeated could arrive when the lease has another holder.
func (l Leases) once() *botpress.Client { return l.API.WithRetry(botpress.Retry{Max: -1}) }

// Acquire takes the lease for a time. It returns [ErrHeld] if another holds it. Taking over an expired lease takes
// [Settle].
func (l Leases) Acquire(ctx context.Context, key botpress.StateKey, ttl time.Duration) (*Lease, error) {
	mine := Record{Owner: rand.Text(), Until: l.now().Add(ttl)}
	asked := time.Now()
	payload, err := json.Marshal(mine)
	if err != nil {
		return nil, err
	}
	state, err := l.API.GetOrSetState(ctx, key, botpress.SetStateParams{Payload: payload, Expiry: ttl + garbage})
	if err != nil {
		return nil, err
	}
	has, err := decode(state)
	if err != nil {
		return nil, err
	}
	if has.Owner == mine.Owner {
		return &Lease{from: l, key: key, until: mine.Until}, nil
	}
	if l.now().Before(has.Until.Add(MaxSkew)) {
		return nil, ErrHeld
	}
	return l.takeOver(ctx, key, ttl, asked)
}

// takeOver takes an expired lease, which was read after the given time.
func (l Leases) takeOver(ctx context.Context, key botpress.StateKey, ttl time.Duration, read time.Time) (*Lease, error) {
	mine := Record{Owner: rand.Text(), Until: l.now().Add(ttl)}
	payload, err := json.Marshal(mine)
	if err != nil {
		return nil, err
	}
	// The deadline counts from the read: who read that the lease is expired must overwrite it soon, or not at all.
	writing, cancel := context.WithDeadline(ctx, read.Add(WriteTimeout))
	defer cancel()
	// A write that fails may have taken effect all the same. What is read back decides.
	_, writeErr := l.once().SetState(writing, key, botpress.SetStateParams{Payload: payload, Expiry: ttl + garbage})
	if err := sleep.For(ctx, Settle); err != nil {
		return nil, errors.Join(err, writeErr)
	}
	state, err := l.API.GetState(ctx, key)
	if errors.Is(err, botpress.ErrNotFound) {
		return nil, ErrHeld // released meanwhile, and free
	}
	if err != nil {
		return nil, err
	}
	has, err := decode(state)
	if err != nil {
		return nil, err
	}
	if has.Owner != mine.Owner {
		return nil, ErrHeld
	}
	return &Lease{TakenOver: true, from: l, key: key, until: mine.Until}, nil
}

// Name is the name of the lease's state.
func (l *Lease) Name() string { return l.key.Name }

// Release frees the lease for the next holder. It does nothing once the lease may have expired, since it may have another
// holder by then. It has a time of its own, so ctx may have ended.
func (l *Lease) Release(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), WriteTimeout)
	defer cancel()
	if !l.from.now().Add(WriteTimeout).Before(l.until) {
		return nil
	}
	_, err := l.from.once().SetState(ctx, l.key, botpress.SetStateParams{})
	return err
}

func decode(state botpress.State) (Record, error) {
	var r Record
	if err := strictjson.Unmarshal(state.Payload, &r); err != nil {
		return r, fmt.Errorf("lease: the state %q is no lease: %w", state.Name, err)
	}
	return r, nil
}
