package hitl

import "context"

// stopped tells the bot that the session is over in the desk.
func (b *toBot) stopped(ctx context.Context, ses *session) error {
	if ses.closed() {
		return nil // by us, or reported before
	}
	ses, err := b.sessions.refresh(ctx, ses) // another replica may have announced it
	if err != nil || ses.closed() {
		return err
	}
	if err := b.events.emitStopped(ctx, ses); err != nil {
		return err
	}
	_, err = b.sessions.markClosed(ctx, ses, false)
	return err
}
