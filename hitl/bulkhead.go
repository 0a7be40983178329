package hitl

import "sync"

// bulkhead bounds what one installation takes of the server: one hung desk must not take the places of the others, nor the
// memory for large bodies. Its zero value lets nobody in.
type bulkhead struct {
	max      int   // operations at work
	maxLarge int64 // bytes of large bodies; a single one may have more

	mu   sync.Mutex
	uses map[place]use
}

// place is an installation, or its webhooks.
type place struct {
	in       scope
	webhooks bool
}

// use is what an installation, or what its webhooks take.
type use struct {
	operations int
	large      int64 // bytes
}

// admission is what an operation takes of the server. The zero value is none.
type admission struct {
	in      scope
	webhook bool
	large   int64 // bytes of a large body
}

// places are those that an operation takes: webhooks have a half of an installation's at most. The desk repeats them, or is read
// back, while Botpress gives up on what it asks for.
func (a admission) places() []place {
	both := []place{{a.in, false}, {a.in, true}}
	if a.webhook {
		return both
	}
	return both[:1]
}

// enter takes a place, if there is one. Leave gives it back.
func (b *bulkhead) enter(a admission) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, place := range a.places() {
		u := b.uses[place]
		if u.operations >= max(1, b.max>>i) || a.large > 0 && u.large > 0 && u.large+a.large > b.maxLarge {
			return false
		}
	}
	if b.uses == nil {
		b.uses = map[place]use{}
	}
	for _, place := range a.places() {
		b.add(place, use{1, a.large})
	}
	return true
}

func (b *bulkhead) leave(a admission) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, place := range a.places() {
		b.add(place, use{-1, -a.large})
	}
}

// add changes what is in use. Hold b.mu.
func (b *bulkhead) add(p place, more use) {
	u := b.uses[p]
	u.operations += more.operations
	u.large += more.large
	if u.operations == 0 {
		delete(b.uses, p)
		return
	}
	b.uses[p] = u
}
