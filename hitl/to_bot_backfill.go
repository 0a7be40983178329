package hitl

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hitl-go/sdk/botpress"
)

// backfillMargin is how much earlier than it was read last the desk is read: its clock may differ from Botpress'.
const backfillMargin = 5 * time.Minute

// backfill reads the session back from the desk and passes on what Botpress does not know, in the desk's order. The conversation
// is locked. Extra is an event that was reported: it is passed on even if the desk's record does not have it yet.
//
// The desk is read from when a backfill last succeeded as a whole. When a reply reached Botpress says nothing about what was
// written before it: an outage may have been longer than any margin.
func (b *toBot) backfill(ctx context.Context, ses *session, desk Backfiller, extra Event) error {
	start := b.sessions.clock.now()
	since := ses.readUntil
	if since.IsZero() {
		since = ses.startedAt
		if !ses.createdAt.IsZero() {
			since = ses.createdAt
		}
	}
	events, err := desk.Backfill(ctx, BackfillRequest{ConversationID: ses.conversationID, Session: ses.ref, Since: since.Add(-backfillMargin)})
	if isGone(err) {
		events, err = []Event{Stopped{ConversationID: ses.conversationID, SessionID: ses.ref.ID}}, nil
	}
	if err != nil {
		return fmt.Errorf("hitl: read the session back from the desk: %w", err)
	}
	if err := b.applyAll(ctx, ses, events, extra); err != nil {
		return err
	}
	if start.Sub(ses.readUntil) < backfillMargin {
		return nil // which saves a call each time
	}
	current, err := b.sessions.write(ctx, ses.conversationID, botpress.Tags{tagReadUntil: timestamp(start)})
	if err == nil {
		b.sessions.remember(current)
	}
	return err
}

// unreadableFor is how long what follows waits for a message of the desk that cannot be loaded, as a file that is not there.
const unreadableFor = 10 * time.Minute

// applyAll passes on those events that Botpress does not know. What is refused for good, or cannot be loaded for long, is left out:
// it would keep back all that follows, and the end of the session. The error is that of the reported event, if it is left out.
func (b *toBot) applyAll(ctx context.Context, ses *session, events []Event, extra Event) (refused error) {
	for _, e := range events {
		if r, ok := e.(Replied); ok && r.ID == "" {
			return errors.New("hitl: Backfill returned a reply without an ID: it would be sent again each time")
		}
	}
	if extra != nil && !contains(events, extra) {
		events = append(events, extra)
	}
	known, err := b.knownMessages(ctx, ses)
	if err != nil {
		return err
	}
	for _, e := range events {
		if r, ok := e.(Replied); ok {
			if whose, ok := known[tagValue(r.ID)]; ok {
				b.seenMessages.put(whose, tagValue(r.ID))
			}
		}
		if current, ok := b.sessions.cache.get(ses.conversationID); ok {
			ses = current // an earlier event may have closed it
		}
		err := b.apply(ctx, ses, e)
		if err == nil {
			continue
		}
		if !b.leavesOut(ctx, e, err) {
			return err
		}
		if extra != nil && contains([]Event{e}, extra) {
			refused = err
		}
	}
	return refused
}

// leavesOut reports whether a backfill goes on without an event that has failed.
func (b *toBot) leavesOut(ctx context.Context, e Event, err error) bool {
	r, isReply := e.(Replied)
	id := tagValue(r.ID)
	switch {
	case isPermanent(err):
		if isReply {
			b.seenMessages.put(theirs, id)
		}
	case isReply && errors.Is(err, errUnreadable):
		since, known := b.unreadable.get(id)
		if !known {
			since = time.Now()
			b.unreadable.put(since, id)
		}
		if time.Since(since) < unreadableFor {
			return false
		}
	default:
		return false
	}
	b.log.ErrorContext(ctx, "the bot does not hear of something that happened in the desk", "event", fmt.Sprintf("%T", e), "message", r.ID, "error", err)
	return true
}

// contains reports whether a list has an event. Of a reply, the ID decides.
func contains(events []Event, e Event) bool {
	for _, other := range events {
		switch e := e.(type) {
		case Replied:
			if r, ok := other.(Replied); ok && r.ID == e.ID && e.ID != "" {
				return true
			}
		case Assigned:
			if a, ok := other.(Assigned); ok && a.Agent.ID == e.Agent.ID {
				return true
			}
		case Changed: // never read back
		case Stopped:
			if _, ok := other.(Stopped); ok {
				return true
			}
		}
	}
	return false
}

// knownMessages returns the desk's ids of the newest messages that Botpress has.
func (b *toBot) knownMessages(ctx context.Context, ses *session) (map[string]whose, error) {
	known := map[string]whose{}
	looked := 0
	for m, err := range b.api.ListMessages(ctx, botpress.ListMessagesParams{ConversationID: ses.conversationID}) {
		if err != nil {
			return nil, fmt.Errorf("hitl: read the messages of conversation %s: %w", ses.conversationID, err)
		}
		if id := m.Tags[tagID]; id != "" {
			known[id] = m.Direction == botpress.Outgoing
		}
		if looked++; looked >= maxLook || m.CreatedAt.Before(ses.readUntil.Add(-backfillMargin)) {
			break
		}
	}
	return known, nil
}
