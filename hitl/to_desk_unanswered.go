package hitl

import (
	"context"
	"errors"

	"github.com/hitl-go/sdk/botpress"
)

// A startHitl that Botpress gives up leaves a session in the desk of which the plugin does not know. If Botpress had hung up
// when the session was opened, that is written with it. A repeated startHitl takes it back. If none comes, a sweep ends the
// session.

// linkOpened writes down which ticket the desk has opened for a session, if that is known to this process and to nobody else.
func (d *toDesk) linkOpened(ctx context.Context, ses *session) (known bool, err error) {
	if _, known := d.startedRefs.get(ses.conversationID); !known {
		return false, nil
	}
	_, err = d.open(ctx, ses.conversationID, func() (Ref, error) {
		return Ref{}, errors.New("hitl: the ticket of the session is not known any more")
	})
	return true, err
}

// markAnswered writes that the plugin knows of the session: it has said so, or it is waiting for the answer.
func (d *toDesk) markAnswered(ctx context.Context, ses *session, certain bool) error {
	if !ses.unanswered || !certain && !observed(ctx).awaited() {
		return nil
	}
	current, err := d.sessions.write(ctx, ses.conversationID, botpress.Tags{tagUnanswered: ""})
	if err != nil {
		return err
	}
	d.sessions.remember(current)
	return nil
}

// endUnanswered ends a session for whose start nobody waits any more, and reports whether it did: the plugin does not know of
// it. Botpress had hung up before the answer, and has not repeated the request in time.
func (d *toDesk) endUnanswered(ctx context.Context, ses *session) (ended bool, err error) {
	if !ses.unanswered || ses.closed() || d.sessions.clock.since(ses.startedAt) < redeliveryWindow {
		return false, nil
	}
	ready, err := d.pluginIsReady(ctx, ses)
	if err != nil {
		return false, err
	}
	current, err := d.sessions.read(ctx, ses.conversationID) // another replica may have answered since
	if err != nil {
		return false, err
	}
	if ready || !current.unanswered || current.closed() {
		return false, d.markAnswered(ctx, current, ready)
	}
	d.log.WarnContext(ctx, "Botpress has given startHitl up; the session that was opened for it ends", "conversation", ses.conversationID, "session", ses.ref.ID)
	return true, d.end(ctx, current)
}
