package hitl

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"
)

// toDesk brings what Botpress says to the desk.
type toDesk struct {
	in         Installation
	adapter    Integration[any]
	def        *Definition
	log        *slog.Logger
	owner      *toOwner
	sessions   *sessions
	identities *identities
	leases     *leases
	events     *events

	decodeSession func(json.RawMessage) (any, error)
	timeout       time.Duration                                 // of one operation
	retry         func(conversationID string, because error)    // has the session reconciled later
	startAgain    func(ctx context.Context, ses *session) error // before a repeated startHitl is answered
	seenMessages  cache[whose]
	pendingAcks   cache[pendingAck]
	stopWanted    cache[bool] // sessions that are over, of which Botpress may not know yet
	startedRefs   cache[Ref]  // sessions that the desk has opened and Botpress does not know
}

// ackGrace is how long an operation may take beyond its deadline to write what it has done.
const ackGrace = 15 * time.Second
