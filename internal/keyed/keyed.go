// Package keyed has a mutex per key.
package keyed

import (
	"context"
	"errors"
	"sync"
)

// ErrFull means that the maximum number of callers already waits for the key.
var ErrFull = errors.New("too much work is waiting")

// Mutex is a lock per key. Waiters for a key acquire it in FIFO order, and keys are independent. A
// key uses memory only while it is held. The zero value is ready to use, without a limit on the
// waiters.
type Mutex[K comparable] struct {
	// MaxWaiting limits the waiters per key; zero means no limit.
	MaxWaiting int

	mu   sync.Mutex
	keys map[K]*queue
}

// queue holds the waiters for a key, in order, without the holder.
type queue struct{ waiting []chan struct{} }

// Lock acquires the key. It returns the function that releases the key, which must be called once,
// or an error: the cause of the context, or [ErrFull].
func (m *Mutex[K]) Lock(ctx context.Context, key K) (unlock func(), err error) {
	m.mu.Lock()
	q, held := m.keys[key]
	if !held {
		if m.keys == nil {
			m.keys = map[K]*queue{}
		}
		m.keys[key] = &queue{}
		m.mu.Unlock()
		return func() { m.release(key) }, nil
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
		return func() { m.release(key) }, nil
	case <-ctx.Done():
		if !m.cancel(key, turn) {
			m.release(key) // acquired at the same moment
		}
		return nil, context.Cause(ctx)
	}
}

// release passes the key to the next waiter, or deletes it.
func (m *Mutex[K]) release(key K) {
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

// cancel removes a waiter from the queue and reports whether it was still waiting.
func (m *Mutex[K]) cancel(key K, turn chan struct{}) bool {
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
