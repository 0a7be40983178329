package hitl

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/internal/invisible"
	"github.com/hitl-go/sdk/message"
)

// toBot brings what happens in the desk to the bot.
type toBot struct {
	def        *Definition
	api        *botpress.Client
	log        *slog.Logger
	sessions   *sessions
	identities *identities
	leases     *leases
	events     *events
	desk       *toDesk

	readBack func() // reads all open sessions back, soon

	seenMessages  cache[whose]
	authors       cache[string]    // whether they echo, by their ids
	undeliverable cache[time.Time] // events that could not be passed on, and since when
}

// deliver passes events on to Botpress, in order. It is the only way for events of the desk, and idempotent: an error says
// that not all were passed on, and that the same events may be delivered again. An event that fails for a reason of its own keeps
// no other one back. The fallbackID names a message to which the desk gave no id, by the event's index.
func (b *toBot) deliver(ctx context.Context, events []Event, fallbackID func(int) string) error {
	var refused error
	for i, e := range events {
		if r, ok := e.(Replied); ok && r.ID == "" {
			r.ID = fallbackID(i)
			e = r
		}
		err := b.deliverOne(ctx, e)
		if _, own := giveUpAfter(err); err != nil && !own && !isPermanent(err) {
			return err
		}
		refused = errors.Join(refused, err)
	}
	return refused
}

// deliverOne finds the event's session and passes the event on while nothing else happens in it. Unknown sessions are ignored.
func (b *toBot) deliverOne(ctx context.Context, e Event) error {
	relevant, err := isRelevant(e)
	if !relevant || err != nil {
		return err
	}
	if e == (Changed{}) {
		return b.changed()
	}
	ses, unlock, err := b.sessions.open(ctx, e.session())
	defer unlock()
	if err != nil {
		return err
	}
	if ses == nil {
		b.log.DebugContext(ctx, "ignored an event of an unknown session", "event", fmt.Sprintf("%T", e))
		return nil
	}
	if err = b.hint(ctx, ses, e); errors.Is(err, botpress.ErrNotFound) {
		b.sessions.forget(ses) // the conversation was deleted: for a redelivery, the session is unknown
		return err
	}
	if _, ok := adapterAs[Backfiller](b.desk.adapter); ok && err != nil && !isPermanent(err) {
		b.desk.retry(ses.conversationID, err) // the desk may not report it again
	}
	if current, ok := b.sessions.cache.get(ses.conversationID); ok {
		ses = current
	}
	b.desk.reconcileMarked(ctx, ses) // only then: words of the end user reopen a session that has just ended in the desk
	return err
}

var errNoBackfiller = errors.New("hitl: the event hitl.Changed needs an adapter that is a Backfiller")

// changed has all open sessions read back.
func (b *toBot) changed() error {
	if _, ok := adapterAs[Backfiller](b.desk.adapter); !ok {
		return errNoBackfiller
	}
	b.readBack()
	return nil
}

// hint passes an event on. If the desk can be read back, its record is read: the event may not be the only one.
func (b *toBot) hint(ctx context.Context, ses *session, e Event) error {
	desk, ok := adapterAs[Backfiller](b.desk.adapter)
	_, changed := e.(Changed)
	switch {
	case !ok && changed:
		return errNoBackfiller
	case !ok:
		return b.pass(ctx, ses, e)
	case changed:
		return b.backfill(ctx, ses, desk, nil)
	}
	if r, ok := e.(Replied); ok {
		if _, seen := b.seenMessages.get(tagValue(r.ID)); seen {
			return nil
		}
	}
	return b.backfill(ctx, ses, desk, e)
}

// undeliverableFor is how long an event is repeated that cannot be passed on, such as a message whose file is not there.
const undeliverableFor = 10 * time.Minute

// pass passes one event of a session on. One that cannot be delivered for long is refused for good: it would keep back all that
// follows.
func (b *toBot) pass(ctx context.Context, ses *session, e Event) error {
	err := b.apply(ctx, ses, e)
	wait, own := giveUpAfter(err)
	if !own || isPermanent(err) {
		return err
	}
	var key, what string
	switch e := e.(type) {
	case Replied:
		key, what = tagValue(e.ID), "message "+e.ID
	case Assigned:
		key, what = "agent "+ses.conversationID+" "+e.Agent.ID, "agent "+e.Agent.ID
	default: // the end of a session is never left out
		return err
	}
	since, known := b.undeliverable.get(key)
	if !known {
		since = time.Now()
		b.undeliverable.put(since, key)
	}
	switch {
	case time.Since(since) >= wait:
	case errors.Is(err, errUnreadable):
		return err
	default:
		return Retryable(0, err) // of a refusal by the API, the desk would be told that it is final
	}
	if r, ok := e.(Replied); ok {
		b.desk.notifyUnseen(ctx, ses, r.ID, refusedReply)
	}
	return Errorf("The help desk's %s was not delivered to the bot: %v", what, err) // not %w: a Retryable in it would still count
}

// giveUpAfter returns how long to retry an event before it is refused for good, and whether its own content is why it failed.
func giveUpAfter(err error) (wait time.Duration, own bool) {
	var api *botpress.Error
	switch {
	case errors.Is(err, errUnreadable):
		return undeliverableFor, true
	case !errors.As(err, &api):
		return 0, false
	case api.Status == http.StatusRequestEntityTooLarge:
		return 0, true // it will not become smaller
	case api.Status == http.StatusBadRequest || api.Status == http.StatusUnsupportedMediaType:
		return undeliverableFor, true // a deployment may be under way, which declares what is missing
	}
	return 0, false
}

// apply passes one event of a session on.
func (b *toBot) apply(ctx context.Context, ses *session, e Event) error {
	if relevant, err := isRelevant(e); !relevant || err != nil {
		return err
	}
	switch e := e.(type) {
	case Assigned:
		if ses.closed() {
			return nil // whoever has it now, the bot does not ask
		}
		return b.assigned(ctx, ses, e)
	case Replied:
		return b.replied(ctx, ses, e)
	case Stopped:
		return b.stopped(ctx, ses)
	default:
		return fmt.Errorf("hitl: Backfill returned the event %T; return Assigned, Replied and Stopped", e)
	}
}

// isRelevant reports whether the bot should hear of an event: whether an agent has taken over, or has said something.
func isRelevant(e Event) (bool, error) {
	switch e := e.(type) {
	case Assigned:
		return e.Agent.ID != "", nil // else taken off an agent, or given to a group
	case Replied:
		return (e.Author.ID != "" || e.Author.Name != "") && (e.Load != nil || !isEmpty(e.Message)), nil
	case Stopped, Changed:
		return true, nil
	default:
		return false, fmt.Errorf("hitl: the adapter returned the event %T; events are Assigned, Replied, Stopped and Changed, as values", e)
	}
}

// isEmpty reports whether there is nothing to be seen in a message.
func isEmpty(m message.Message) bool { return invisible.Only(message.PlainText(m)) }
