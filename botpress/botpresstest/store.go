package botpresstest

import (
	"maps"
	"slices"
	"time"
)

// entity is what users, conversations and messages have in common.
type entity struct {
	id         string
	number     uint64
	owner      *Installation // Nil for what belongs to the bot or to the end user's channel.
	createdAt  time.Time
	updatedAt  time.Time
	tags       map[string]string // By full name: "alias:name" for an integration's, "hitl#name" for the plugin's.
	properties map[string]string // Shared by everybody.
}

func (e *entity) base() *entity { return e }

// setProperties merges properties; an empty value unsets one.
func (e *entity) setProperties(properties map[string]string) {
	merged := maps.Clone(e.properties) // The old ones may be in a view.
	if merged == nil {
		merged = make(map[string]string)
	}
	maps.Copy(merged, properties)
	maps.DeleteFunc(merged, func(_, value string) bool { return value == "" })
	e.properties = merged
}

// record is a pointer to a struct that embeds an entity.
type record interface {
	comparable
	base() *entity
}

// tag is a tag with its full name.
type tag struct{ name, value string }

// table holds the records of one kind, in order of creation, with an index of their tags, because tests search among tens
// of thousands.
type table[R record] struct {
	byID   map[string]R
	order  []R
	tagged map[tag][]R
}

func newTable[R record]() table[R] {
	return table[R]{byID: make(map[string]R), tagged: make(map[tag][]R)}
}

func (t *table[R]) add(r R) {
	e := r.base()
	t.byID[e.id] = r
	t.order = append(t.order, r)
	for name, value := range e.tags {
		t.tagged[tag{name, value}] = append(t.tagged[tag{name, value}], r)
	}
}

func (t *table[R]) remove(r R) {
	e := r.base()
	delete(t.byID, e.id)
	t.order = without(t.order, r)
	for name, value := range e.tags {
		t.untag(r, tag{name, value})
	}
}

// retag merges changes into the record's tags; an empty value unsets a tag. It reports whether anything changed.
func (t *table[R]) retag(r R, changes map[string]string) (changed bool) {
	e := r.base()
	for name, value := range changes {
		old, had := e.tags[name]
		if old == value {
			continue
		}
		changed = true
		if had {
			t.untag(r, tag{name, old})
			delete(e.tags, name)
		}
		if value != "" {
			e.tags[name] = value
			t.tagged[tag{name, value}] = append(t.tagged[tag{name, value}], r)
		}
	}
	return changed
}

func (t *table[R]) untag(r R, k tag) {
	if left := without(t.tagged[k], r); len(left) > 0 {
		t.tagged[k] = left
	} else {
		delete(t.tagged, k)
	}
}

// find returns the records that have all the tags, oldest first. Without tags it returns every record.
func (t *table[R]) find(tags map[string]string) []R {
	if len(tags) == 0 {
		return t.order
	}
	var rarest []R
	for i, k := range sorted(tags) {
		if with := t.tagged[k]; i == 0 || len(with) < len(rarest) {
			rarest = with
		}
	}
	var found []R
	for _, r := range rarest {
		if hasTags(r.base().tags, tags) {
			found = append(found, r)
		}
	}
	return found
}

func hasTags(have, want map[string]string) bool {
	for name, value := range want {
		if have[name] != value {
			return false
		}
	}
	return true
}

func sorted(tags map[string]string) []tag {
	list := make([]tag, 0, len(tags))
	for _, name := range slices.Sorted(maps.Keys(tags)) {
		list = append(list, tag{name, tags[name]})
	}
	return list
}

func without[R comparable](list []R, r R) []R {
	if i := slices.Index(list, r); i >= 0 {
		return slices.Delete(slices.Clone(list), i, i+1) // A clone: a list that find returned is not changed.
	}
	return list
}

// newEntity makes an entity of the caller's. Hold s.mu.
func (s *Server) newEntity(kind string, owner *Installation, tags map[string]string) entity {
	now := s.clock.stamp()
	given := make(map[string]string, len(tags))
	for name, value := range tags {
		if value != "" {
			given[name] = value
		}
	}
	return entity{id: s.newID(kind), number: s.number(), owner: owner, createdAt: now, updatedAt: now, tags: given}
}

// newID makes an id such as user_01J9Z3NDEKTSV4RRFFQ69G5FAV, which sorts by time. Hold s.mu, or be in NewServer.
func (s *Server) newID(kind string) string {
	const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	id := make([]byte, 26)
	millis, low, high := s.clock.now().UnixMilli(), s.rand.Uint64(), s.rand.Uint64()
	for i := 9; i >= 0; i-- {
		id[i], millis = alphabet[millis&31], millis>>5
	}
	for i := 10; i < 18; i++ {
		id[i], low = alphabet[low&31], low>>5
		id[i+8], high = alphabet[high&31], high>>5
	}
	return kind + "_" + string(id)
}
