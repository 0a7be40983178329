package hitl

import "sync"

// bulkhead bounds how many operations of one installation are at work: one hung desk must not take the places of the others.
// Its zero value lets nobody in.
type bulkhead struct {
	max int

	mu   sync.Mutex
	uses map[scope]int
}

// enter takes a place, if there is one. Leave gives it back.
func (b *bulkhead) enter(in scope) (leave func(), ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.uses[in] >= b.max {
		return nil, false
	}
	if b.uses == nil {
		b.uses = map[scope]int{}
	}
	b.uses[in]++
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.uses[in]--; b.uses[in] == 0 {
			delete(b.uses, in)
		}
	}, true
}
