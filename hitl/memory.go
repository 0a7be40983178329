package hitl

import (
	"strings"
	"time"

	"github.com/hashicorp/golang-lru/v2"

	"github.com/hitl-go/sdk/internal/keyed"
)

// memory is what a server remembers, of all installations: copies of what Botpress has, locks, and what is in flight.
// Everything in it may be lost.
type memory struct {
	conversations keyed.Mutex // one thing at a time in a conversation, in both directions
	users         keyed.Mutex // one createUser at a time for an end user
	starts        inflightStarts

	refs           *lru.Cache[string, Ref]
	sessions       *lru.Cache[string, *session]
	agents         *lru.Cache[string, string]    // profiles of agents that Botpress has, and their users
	seenMessages   *lru.Cache[string, bool]      // the desk's ids of messages that Botpress has, ours and theirs
	foreign        *lru.Cache[string, time.Time] // names of sessions that are not ours, and until when that is taken for granted
	authors        *lru.Cache[string, string]    // authors of replies, and whether they echo
	stopWanted     *lru.Cache[string, bool]      // sessions that are over, of which Botpress may not know yet
	startedRefs    *lru.Cache[string, Ref]       // sessions that the desk has opened and Botpress does not know
	deliveredParts *lru.Cache[string, int]       // messages whose acknowledgement failed, and how many parts of them the desk has
}

const (
	maxRefs     = 10_000 // users
	maxSessions = 20_000 // names of sessions; each has two
	maxMessages = 10_000
)

// newMemory makes an empty memory. At most maxWaiting operations wait for one conversation or user.
func newMemory(maxWaiting int) *memory {
	m := &memory{
		refs:           newLRU[Ref](maxRefs),
		sessions:       newLRU[*session](maxSessions),
		agents:         newLRU[string](maxRefs),
		seenMessages:   newLRU[bool](maxMessages),
		deliveredParts: newLRU[int](maxMessages),
		foreign:        newLRU[time.Time](maxMessages),
		authors:        newLRU[string](maxMessages),
		stopWanted:     newLRU[bool](maxMessages),
		startedRefs:    newLRU[Ref](maxMessages),
	}
	m.conversations.MaxWaiting = maxWaiting
	m.users.MaxWaiting = maxWaiting
	m.starts.maxWaiting = maxWaiting
	return m
}

func newLRU[V any](size int) *lru.Cache[string, V] {
	c, err := lru.New[string, V](size)
	if err != nil {
		panic(err) // only for a size below 1, and the sizes are constants
	}
	return c
}

// scope names an installation. It is the prefix of all keys in the memory, which serves all installations.
type scope string

func scopeOf(in Installation) scope {
	return scope(strings.Join([]string{in.BotID, in.IntegrationID, in.Alias}, "\x00"))
}

func (s scope) key(parts ...string) string { return string(s) + "\x00" + strings.Join(parts, "\x00") }

// cache is an installation's part of a cache that all installations share.
type cache[V any] struct {
	shared *lru.Cache[string, V]
	scope  scope
}

func (c cache[V]) get(key ...string) (V, bool) { return c.shared.Get(c.scope.key(key...)) }

func (c cache[V]) put(v V, key ...string) { c.shared.Add(c.scope.key(key...), v) }

func (c cache[V]) remove(key ...string) { c.shared.Remove(c.scope.key(key...)) }
