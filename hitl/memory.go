package hitl

import (
	"time"

	"github.com/hashicorp/golang-lru/v2"

	"github.com/hitl-go/sdk/internal/keyed"
)

// memory is what a server remembers, of all installations: copies of what Botpress has, locks, and what is in flight.
// Everything in it may be lost.
type memory struct {
	conversations keyed.Mutex[memoryKey] // one thing at a time in a conversation, in both directions
	users         keyed.Mutex[memoryKey] // one createUser at a time for an end user
	starts        inflightStarts

	speakers      *lru.Cache[memoryKey, speaker]
	linked        *lru.Cache[memoryKey, linkedUser]
	sessions      *lru.Cache[memoryKey, *session]
	agents        *lru.Cache[memoryKey, string]     // profiles of agents that Botpress has, and their users
	profiles      *lru.Cache[memoryKey, *profile]   // agents as the desk has them, by their ids
	seenMessages  *lru.Cache[memoryKey, whose]      // messages that Botpress has, by the desk's ids
	foreign       *lru.Cache[memoryKey, time.Time]  // names of sessions that are not ours, and until when that is taken for granted
	authors       *lru.Cache[memoryKey, string]     // authors of replies, and whether they echo
	undeliverable *lru.Cache[memoryKey, time.Time]  // events of the desk that could not be passed on, and since when
	stopWanted    *lru.Cache[memoryKey, bool]       // sessions that are over, of which Botpress may not know yet
	startedRefs   *lru.Cache[memoryKey, Ref]        // sessions that the desk has opened and Botpress does not know
	pendingAcks   *lru.Cache[memoryKey, pendingAck] // acknowledgements that Botpress did not take
}

// whose tells who has said a message.
type whose bool

const (
	ours   whose = true // the end user or the bot, through us
	theirs whose = false
)

const (
	maxUsers    = 10_000 // users
	maxLinked   = 1_000  // users, for some seconds
	maxSessions = 20_000 // names of sessions; each has two
	maxMessages = 10_000
)

// newMemory makes an empty memory. At most maxWaiting operations wait for one conversation or user.
func newMemory(maxWaiting int) *memory {
	m := &memory{
		speakers:      newLRU[speaker](maxUsers),
		linked:        newLRU[linkedUser](maxLinked),
		sessions:      newLRU[*session](maxSessions),
		agents:        newLRU[string](maxUsers),
		profiles:      newLRU[*profile](maxUsers),
		seenMessages:  newLRU[whose](maxMessages),
		pendingAcks:   newLRU[pendingAck](maxMessages),
		foreign:       newLRU[time.Time](maxMessages),
		authors:       newLRU[string](maxMessages),
		undeliverable: newLRU[time.Time](maxMessages),
		stopWanted:    newLRU[bool](maxMessages),
		startedRefs:   newLRU[Ref](maxMessages),
	}
	m.conversations.MaxWaiting = maxWaiting
	m.users.MaxWaiting = maxWaiting
	m.starts.maxWaiting = maxWaiting
	return m
}

func newLRU[V any](size int) *lru.Cache[memoryKey, V] {
	c, err := lru.New[memoryKey, V](size)
	if err != nil {
		panic(err) // only for a size below 1, and the sizes are constants
	}
	return c
}

// scope names an installation. It is a part of all keys in the memory, which serves all installations.
type scope digest

func scopeOf(in Installation) scope { return scope(digestOf(in.BotID, in.IntegrationID, in.Alias)) }

// memoryKey names something in an installation. There are tens of thousands, so it holds no pointers, which the garbage
// collector would follow.
type memoryKey digest

// key makes a key of parts, of which no two lists make the same.
func (s scope) key(parts ...string) memoryKey { return memoryKey(digestIn(digest(s), parts...)) }

// cache is an installation's part of a cache that all installations share.
type cache[V any] struct {
	shared *lru.Cache[memoryKey, V]
	scope  scope
}

func (c cache[V]) get(key ...string) (V, bool) { return c.shared.Get(c.scope.key(key...)) }

func (c cache[V]) put(v V, key ...string) { c.shared.Add(c.scope.key(key...), v) }

func (c cache[V]) remove(key ...string) { c.shared.Remove(c.scope.key(key...)) }
