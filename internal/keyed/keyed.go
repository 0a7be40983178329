// Package keyed runs work one at a time per key, in the order in which it came.
package keyed

import (
	"context"
	"errors"
	"sync"
)

// ErrFull means that too much work waits for one key already.
var ErrFull = errors.New("too much work is waiting")

// Mutex is a lock per key. Waiters of one key are served first come, first served; keys do not
// disturb each other. A key costs memory only while somebody holds or awaits it.
// The zero value is ready to use, without a bound on the waiters.
type Mutex struct {
	// MaxWaiting bounds how many may wait for one key; zero means no bound.
	MaxWaiting int

	mu   sync.Mutex
	keys map[string]*queue
}

// queue holds the waiters of a key, in order. The holder is not among them.
type queue struct{ waiting []chan struct{} }

// Lock waits for the key. It returns the function that gives the key back, which must be called once,
// or an error: the context's, or [ErrFull].
func (m *Mutex) Lock(ctx context.Context, key string) (unlock func(), err error) {
	m.mu.Lock()
	q, held := m.keys[key]
	if !held {
		if m.keys == nil {
			m.keys = map[string]*queue{}
		}
		m.keys[key] = &queue{}
		m.mu.Unlock()
		return func() { m.pass(key) }, nil
	}
	if m.MaxWaiting > 0 && len(q.waiting) >= m.MaxWaiting {
		m.mu.Unlock()
		return nil, ErrFull
	}
	turn := make(chan struct{})
	q.waiting = append(q.waiting, turn)
	m.mu.Unlock()

	select {
	case <-turn:
		return func() { m.pass(key) }, nil
	case <-ctx.Done():
		if !m.leave(key, turn) {
			m.pass(key) // the turn came at the same moment; the next one gets it
		}
		return nil, context.Cause(ctx)
	}
}

// pass hands the key to the next waiter, or forgets it.
func (m *Mutex) pass(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	q := m.keys[key]
	if len(q.waiting) == 0 {
		delete(m.keys, key)
		return
	}
	next := q.waiting[0]
	q.waiting = q.waiting[1:]
	close(next)
}

// leave takes a waiter out of the line and reports whether it still stood there.
func (m *Mutex) leave(key string, turn chan struct{}) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	q := m.keys[key]
	if q == nil {
		return false
	}
	for i, w := range q.waiting {
		if w == turn {
			q.waiting = append(q.waiting[:i:i], q.waiting[i+1:]...)
			return true
		}
	}
	return false
}
