package hitl

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/internal/lease"
	"github.com/hitl-go/sdk/internal/strictjson"
	"github.com/hitl-go/sdk/internal/wire"
	"github.com/hitl-go/sdk/message"
)

// The outbox of a session is its conversation: the outgoing messages that are not settled, which is delivered in all parts or
// refused. Any process can deliver what another has left, in the order in which it was said.

// outgoing is a message on its way to the desk.
type outgoing struct {
	id        string
	createdAt time.Time
	message   message.Message
	extras    wire.Extras
	botName   string // empty unless it was dispatched
	dispatch  bool   // Botpress has just dispatched it
	delivered int    // parts that the desk has
	failed    bool   // an attempt has failed
	refused   bool   // the desk will never take it
	settled   bool
	tags      botpress.Tags
}

// outgoingOf reads a message of the conversation. It returns false for what nobody has said to the desk.
func (d *toDesk) outgoingOf(m botpress.Message) (outgoing, bool) {
	if m.Direction != botpress.Outgoing || m.Tags[tagPartOf] != "" {
		return outgoing{}, false
	}
	o := outgoing{id: m.ID, createdAt: m.CreatedAt, tags: m.Tags, failed: m.Tags[tagFailed] != "", refused: m.Tags[tagRefused] != ""}
	known, _ := d.pendingAcks.get(m.ID)
	delivered, parts, begun := progress(m.Tags)
	o.delivered = max(known.delivered, delivered)
	o.settled = o.refused || begun && delivered >= parts
	if o.settled && m.Tags[tagResent] == "" {
		return o, true // what it says is not needed
	}
	var err error
	if o.message, err = message.Decode(message.Type(m.Type), m.Payload); err != nil {
		o.message = message.Unknown{Kind: message.Type(m.Type), Payload: m.Payload}
	}
	_ = strictjson.Unmarshal(m.Payload, &o.extras) // what is not there is said by the bot
	return o, true
}

// progress reads how many parts of a message the desk has, of how many. An empty bloc has none.
func progress(tags map[string]string) (delivered, parts int, ok bool) {
	a, b, ok := strings.Cut(tags[tagDelivered], "/")
	delivered, err1 := strconv.Atoi(a)
	parts, err2 := strconv.Atoi(b)
	if !ok || err1 != nil || err2 != nil || delivered < 0 || parts < 0 {
		return 0, 0, false
	}
	return delivered, parts, true
}

// maxOutboxPages bounds how far back undelivered messages are looked for: some 20,000 messages.
const maxOutboxPages = 1000

// outbox returns what is to be delivered, oldest first, up to a message; the zero one means all. It looks
// back to the first settled message: nothing is delivered before what was said before it, so everything older is settled, too.
// It takes one call, for the newest messages are on one page. Found is false if the message is not in the conversation.
func (d *toDesk) outbox(ctx context.Context, conversationID string, upTo outgoing) (pending []outgoing, found bool, err error) {
	token := ""
	reached := upTo.id == ""
	for range maxOutboxPages {
		params := botpress.ListMessagesParams{ConversationID: conversationID, NextToken: token, Next: &token}
		for m, err := range d.in.Client.ListMessages(ctx, params) {
			if unknownID(err) {
				return nil, false, nil
			}
			if err != nil {
				return nil, false, fmt.Errorf("hitl: read the messages of conversation %s: %w", conversationID, err)
			}
			o, ok := d.outgoingOf(m)
			if !ok {
				continue // Some are imported, and not where their time belongs.
			}
			if reached = reached || m.ID == upTo.id; !reached {
				if m.CreatedAt.Before(upTo.createdAt.Add(-time.Second)) {
					return nil, false, nil
				}
				continue
			}
			found = found || m.ID == upTo.id
			if o.settled {
				slices.Reverse(pending)
				return pending, found, nil
			}
			pending = append(pending, o)
		}
		if token == "" {
			slices.Reverse(pending)
			return pending, found, nil
		}
	}
	return nil, false, fmt.Errorf("hitl: conversation %s has more messages than %d pages, and none of them is settled", conversationID, maxOutboxPages)
}

// errInFlight says that another replica may be delivering an earlier message.
var errInFlight = errors.New("hitl: an earlier message may be in flight at another replica")

// errEarlier says that a message waits for one that the desk does not take now.
var errEarlier = errors.New("hitl: the message waits for an earlier one")

// Times of the outbox.
const (
	// freshAttempt is how old a message may be for its attempt to be the first: Botpress repeats no request sooner.
	freshAttempt = 10 * time.Second
	// inFlightWait is how long an attempt waits for an earlier message, before its sender is asked to retry.
	inFlightWait = 10 * time.Second
)

// abandoned reports whether nobody works on a message any more.
func (d *toDesk) abandoned(o outgoing) bool {
	return o.failed || d.sessions.clock.since(o.createdAt) > d.timeout+ackGrace+freshAttempt
}

// deliverThrough delivers a message and what was said before it and is still undelivered. The conversation is locked. It
// returns [errInFlight] if an earlier message may be in flight.
func (d *toDesk) deliverThrough(ctx context.Context, ses *session, target outgoing) error {
	leased := d.def.SendOnce
	if leased {
		release, err := d.leaseOutbox(ctx, ses)
		if err != nil {
			return err
		}
		defer release()
	}
	readAt := time.Now() // Botpress has dispatched the session with the message.
	pending, found, err := d.outbox(ctx, ses.conversationID, target)
	switch {
	case err != nil:
		return err
	case !found: // deleted since, or the API shows it late
		pending = append(pending, target)
	case len(pending) == 0:
		return nil // delivered already
	}
	for _, o := range pending[:len(pending)-1] {
		if !d.abandoned(o) {
			return errInFlight
		}
	}
	// Others may work on these, too: on earlier messages, and on one that Botpress has sent before. They may have ended the session.
	if !leased && (len(pending) > 1 || pending[0].failed || d.isOld(pending[0])) {
		release, err := d.leaseOutbox(ctx, ses)
		if err != nil {
			return err
		}
		defer release()
		readAt = time.Time{}
		again, found, err := d.outbox(ctx, ses.conversationID, target)
		if err != nil {
			return err
		}
		if found {
			pending = again
		}
	}
	return d.deliverAll(ctx, ses, readAt, pending, target)
}

// isOld reports whether Botpress may have dispatched a message before.
func (d *toDesk) isOld(o outgoing) bool {
	return !o.createdAt.IsZero() && d.sessions.clock.since(o.createdAt) > freshAttempt
}

// leaseOutbox lets one replica at a time deliver what may be delivered by several. It returns [errInFlight] if another one
// does, and does not wait for it: the conversation is locked.
func (d *toDesk) leaseOutbox(ctx context.Context, ses *session) (release func(), err error) {
	held, err := d.leases.try(ctx, ses.conversationID, stateOutbox)
	if errors.Is(err, lease.ErrHeld) {
		return nil, errInFlight
	}
	if err != nil {
		return nil, err
	}
	return func() { d.leases.release(ctx, held) }, nil
}

// staleAfter is how old what is known of a session may be when a message is sent to it.
const staleAfter = time.Second

const refusedMessage = "the desk refused a message"

// deliverAll delivers messages in order, and stops at the first one that the desk does not take now. A message that the desk
// refuses is marked, so that it blocks nobody. The error is that of the target.
//
// The session was read at the given time. It is read again meanwhile: another replica may have ended it, and a desk reopens for
// what was said before the end.
func (d *toDesk) deliverAll(ctx context.Context, ses *session, readAt time.Time, pending []outgoing, target outgoing) (err error) {
	for _, o := range pending {
		if time.Since(readAt) > staleAfter {
			if ses, err = d.sessions.refresh(ctx, ses); err != nil {
				return err
			}
			readAt = time.Now()
		}
		if o.id == target.id {
			o.botName, o.dispatch = target.botName, target.dispatch
		}
		err := d.send(ctx, ses, o)
		switch {
		case err == nil:
			if o.extras.UserID == "" && (!ses.closed() || ses.stopPending) { // the bot's last words, maybe
				d.stopAgain(ctx, ses)
			}
		case isPermanent(err):
			if o.id == target.id {
				return err
			}
			d.owner.warn(ctx, refusedMessage, err, "message", o.id)
		case o.id == target.id:
			return markedError{err}
		default:
			return Retryable(5*time.Second, fmt.Errorf("%w: %w", errEarlier, err))
		}
	}
	if ses.outboxPending {
		d.tidyOutbox(ctx, ses)
	}
	return nil
}

// tidyOutbox takes the mark off a session of which nothing is left to deliver.
func (d *toDesk) tidyOutbox(ctx context.Context, ses *session) {
	pending, _, err := d.outbox(ctx, ses.conversationID, outgoing{})
	if err == nil && len(pending) == 0 {
		err = d.sessions.markOutbox(ctx, ses, false)
	}
	if err != nil {
		d.log.WarnContext(ctx, "the outbox is still marked", "error", err)
	}
}

// flush delivers everything that nobody else works on, and returns what is left to others. The conversation is locked.
func (d *toDesk) flush(ctx context.Context, ses *session) (left []outgoing, err error) {
	pending, left, err := d.undelivered(ctx, ses)
	if err != nil || len(pending) == 0 {
		return left, err
	}
	release, err := d.leaseOutbox(ctx, ses)
	if err != nil {
		return left, err
	}
	defer release()
	if pending, left, err = d.undelivered(ctx, ses); err != nil || len(pending) == 0 {
		return left, err
	}
	last := pending[len(pending)-1]
	err = d.deliverAll(ctx, ses, time.Time{}, pending, last)
	if err != nil && isPermanent(err) {
		d.owner.warn(ctx, refusedMessage, err, "message", last.id)
		err = nil
	}
	return left, err
}

// undelivered returns the messages that nobody works on, and those that follow. A session without any needs no mark.
func (d *toDesk) undelivered(ctx context.Context, ses *session) (pending, left []outgoing, err error) {
	all, _, err := d.outbox(ctx, ses.conversationID, outgoing{})
	if err != nil {
		return nil, nil, err
	}
	if len(all) == 0 {
		return nil, nil, d.sessions.markOutbox(ctx, ses, false)
	}
	n := slices.IndexFunc(all, func(o outgoing) bool { return !d.abandoned(o) })
	if n < 0 {
		n = len(all)
	}
	return all[:n], all[n:], nil
}

// isPermanent reports whether an error of the desk is final.
func isPermanent(err error) bool {
	var own *Error
	return errors.As(err, &own) && !own.Temporary && failureOf(err).status < 500
}
