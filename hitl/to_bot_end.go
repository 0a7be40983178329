package hitl

import "context"

// stopped tells the bot that the session is over in the desk.
func (b *toBot) stopped(ctx context.Context, ses *session) error {
	if ses.closed() {
		return nil // by us, or reported before
	}
	if b.sessions.activating(ses) { // its start may have moved
		current, err := b.sessions.read(ctx, ses.conversationID)
		if err != nil {
			return err
		}
		b.sessions.remember(current)
		ses = current
	}
	if err := b.events.emitStopped(ctx, ses); err != nil {
		return err
	}
	return b.sessions.markClosed(ctx, ses, false)
}
