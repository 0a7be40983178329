package hitl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/internal/wire"
)

// stopHitl ends a session in the desk. The conversation's lock lets messages that came before go first.
func (d *toDesk) stopHitl(ctx context.Context, input json.RawMessage) error {
	var in wire.ConversationRef
	if err := decode(input, &in); err != nil {
		return err
	}
	if !isID(in.ConversationID) {
		return invalidf("stopHitl needs a conversationId")
	}
	unlock, err := d.sessions.lock(ctx, in.ConversationID)
	if err != nil {
		return err
	}
	defer unlock()

	ses, err := d.sessions.read(ctx, in.ConversationID)
	if errors.Is(err, botpress.ErrNotFound) {
		return nil // there is nothing left to stop
	}
	if err != nil {
		return err
	}
	if ses.ref.ID == "" || ses.closed() {
		return nil
	}
	observed(ctx).works(ses.key())
	return d.closeInDesk(ctx, ses)
}

// closeInDesk asks the desk to close the session, with retries. If the desk stays down, the session ends all the same: an
// error would keep the plugin from telling the end user. What is left to do is written into the conversation, and done when
// the desk reports anything about the session.
func (d *toDesk) closeInDesk(ctx context.Context, ses *session) error {
	trying, cancel := context.WithTimeout(ctx, d.timeout/2)
	defer cancel()
	err := d.stop(trying, ses)
	for backoff := 500 * time.Millisecond; err != nil && backoff < 5*time.Second; backoff *= 2 {
		if failureOf(err).status == http.StatusBadRequest || sleep(trying, backoff) != nil {
			break
		}
		err = d.stop(trying, ses)
	}
	if err != nil && !isDeskUnavailable(err) {
		return err
	}
	if err != nil {
		d.log.ErrorContext(ctx, "the desk could not be told that a session has ended; it will be when it reports anything about it", "error", err)
	}
	return d.sessions.markClosed(ctx, ses, err != nil)
}

func (d *toDesk) stop(ctx context.Context, ses *session) error {
	return d.adapter.StopHitl(ctx, StopHitlRequest{ConversationID: ses.conversationID, Session: ses.ref})
}

// flushPendingStop tells the desk that the session has ended, if it was down then.
func (d *toDesk) flushPendingStop(ctx context.Context, ses *session) error {
	if !ses.stopPending {
		return nil
	}
	if err := d.stop(ctx, ses); err != nil {
		return fmt.Errorf("hitl: end the session in the desk: %w", err)
	}
	return d.sessions.markStopped(ctx, ses)
}

// isDeskUnavailable reports whether the desk is down or out of reach, rather than that it refuses what we ask.
func isDeskUnavailable(err error) bool {
	var retry *retryableError
	var network net.Error
	return errors.As(err, &retry) || errors.As(err, &network) || errors.Is(err, context.DeadlineExceeded)
}
