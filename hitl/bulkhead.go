package hitl

import "sync"

// bulkhead bounds how many operations of one installation are at work: one hung desk must not take the places of the others.
// Its zero value lets nobody in.
type bulkhead struct {
	max int

	mu   sync.Mutex
	uses map[scope]int
}

// enter takes a place, if there is one. Leave gives it back. Webhooks take half of an installation's places at most: the desk
// repeats them, or is read back, while Botpress gives up on what it asks for.
func (b *bulkhead) enter(in scope, webhook bool) (leave func(), ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	places := []scope{in}
	if webhook {
		places = append(places, in+"\x00webhooks")
	}
	for i, place := range places {
		if b.uses[place] >= max(1, b.max>>i) {
			return nil, false
		}
	}
	if b.uses == nil {
		b.uses = map[scope]int{}
	}
	for _, place := range places {
		b.uses[place]++
	}
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, place := range places {
			if b.uses[place]--; b.uses[place] == 0 {
				delete(b.uses, place)
			}
		}
	}, true
}
