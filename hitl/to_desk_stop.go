package hitl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/internal/sleep"
	"github.com/hitl-go/sdk/internal/wire"
)

const toldLater = "the desk cannot be told now that a session has ended; it will be told later"

// stopHitl ends a session in the desk, after what was said in it. It retries a few times, for half of its time at most. If the desk still fails,
// the session ends all the same: an error would keep the plugin from telling the end user. It is closing then, and the desk is
// told by whoever reconciles it. Only a refusal is final, and answered.
func (d *toDesk) stopHitl(ctx context.Context, input json.RawMessage) error {
	var in wire.ConversationRef
	if err := decode(input, &in); err != nil {
		return err
	}
	if !isID(in.ConversationID) {
		return invalidf("stopHitl needs a conversationId")
	}
	trying, cancel := context.WithTimeout(ctx, d.timeout/2)
	defer cancel()
	closing, err := d.stopOnce(trying, in.ConversationID)
	for backoff := 500 * time.Millisecond; err != nil && failureOf(err).status != http.StatusBadRequest && backoff < 5*time.Second; backoff *= 2 {
		if errors.Is(err, errInFlight) {
			backoff = 500 * time.Millisecond // until the deadline
		}
		if sleep.For(trying, backoff) != nil { // without the lock: what is in flight must go on
			break
		}
		var written bool
		written, err = d.stopOnce(trying, in.ConversationID)
		closing = closing || written
	}
	if err == nil || isPermanent(err) {
		return err
	}
	d.stopWanted.put(true, in.ConversationID)
	d.retry(in.ConversationID, err)
	if !closing {
		return err
	}
	d.owner.warn(ctx, toldLater, err)
	return nil
}

// stopOnce ends a session in the desk, if there is anything to end. It writes first that the session is closing, so that any
// process can finish it, and reports whether that is written.
func (d *toDesk) stopOnce(ctx context.Context, conversationID string) (closing bool, err error) {
	err = d.locked(ctx, conversationID, func() error {
		ses, err := d.sessions.read(ctx, conversationID)
		if errors.Is(err, botpress.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		observed(ctx).works(ses.key())
		if ses.ref.ID == "" || ses.closed() && !ses.stopPending {
			return nil
		}
		err = d.end(ctx, ses)
		if current, ok := d.sessions.cache.get(conversationID); ok {
			closing = current.closed()
		}
		return err
	})
	return closing, err
}

// end brings a session to its end. The conversation is locked.
func (d *toDesk) end(ctx context.Context, ses *session) error {
	if !ses.closed() {
		d.notifyScheduled(ctx, ses)
		closing, err := d.sessions.markClosed(ctx, ses, true)
		if err != nil {
			return err
		}
		ses = closing
	}
	err := d.flushAndStop(ctx, ses)
	if err != nil && !isPermanent(err) {
		return err
	}
	d.stopWanted.remove(ses.conversationID) // if the desk refuses, there is nothing more to do
	_, markErr := d.sessions.markClosed(ctx, ses, false)
	return errors.Join(err, markErr)
}

// flushAndStop ends the session in the desk, after all that was said in it. The bot's last words are not waited for: Botpress
// may send them after the answer to stopHitl. Whoever sends them meanwhile calls stopAgain.
func (d *toDesk) flushAndStop(ctx context.Context, ses *session) error {
	left, err := d.flush(ctx, ses)
	if err != nil {
		return fmt.Errorf("hitl: messages are undelivered: %w", err)
	}
	if slices.ContainsFunc(left, func(o outgoing) bool { return o.extras.UserID != "" }) {
		return errInFlight
	}
	err = d.adapter.StopHitl(ctx, StopHitlRequest{ConversationID: ses.conversationID, Session: ses.ref})
	if isGone(err) {
		return nil
	}
	return err
}

// stopAgain ends a session in the desk once more if it has ended, at another replica, while something was on its way to the desk:
// that has reopened it. The conversation is locked.
func (d *toDesk) stopAgain(ctx context.Context, ses *session) {
	current, err := d.sessions.read(ctx, ses.conversationID)
	if err == nil && !current.closed() {
		return
	}
	if err == nil {
		current, err = d.sessions.markClosed(ctx, current, true) // so that anybody can go on with it
	}
	if err == nil {
		err = d.end(ctx, current)
	}
	if err != nil && !isPermanent(err) && !unknownID(err) {
		d.owner.warn(ctx, "the session may be open in the desk although it has ended", err)
		d.retry(ses.conversationID, err)
	}
}

// reconcile finishes what was left undone in a session: undelivered messages, and its end. The conversation is locked.
func (d *toDesk) reconcile(ctx context.Context, ses *session) error {
	if !ses.stopPending {
		left, err := d.flush(ctx, ses)
		if err == nil && len(left) > 0 {
			err = errInFlight
		}
		return err
	}
	err := d.end(ctx, ses)
	if err != nil && isPermanent(err) {
		d.owner.warn(ctx, "the desk refused to end a session", err)
		return nil
	}
	if err != nil {
		return fmt.Errorf("hitl: end the session in the desk: %w", err)
	}
	return nil
}

// reconcileMarked reconciles a session if it is marked. What fails is left for later, and fails nothing else.
func (d *toDesk) reconcileMarked(ctx context.Context, ses *session) {
	if !ses.stopPending && !ses.outboxPending {
		return
	}
	if err := d.reconcile(ctx, ses); err != nil {
		d.owner.warn(ctx, "a session could not be reconciled; it will be later", err)
		d.retry(ses.conversationID, err)
	}
}
