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

// enter takes a place, if there is one, for an operation with so many bytes of a large body. Leave gives it back. Webhooks take
// half of an installation's places at most: the desk repeats them, or is read back, while Botpress gives up on what it asks for.
func (b *bulkhead) enter(in scope, webhook bool, large int64) (leave func(), ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	both := [...]place{{in, false}, {in, true}}
	places := both[:1]
	if webhook {
		places = both[:]
	}
	for i, place := range places {
		u := b.uses[place]
		if u.operations >= max(1, b.max>>i) || large > 0 && u.large > 0 && u.large+large > b.maxLarge {
			return nil, false
		}
	}
	if b.uses == nil {
		b.uses = map[place]use{}
	}
	for _, place := range places {
		b.add(place, use{1, large})
	}
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.add(place{in, false}, use{-1, -large})
		if webhook {
			b.add(place{in, true}, use{-1, -large})
		}
	}, true
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
