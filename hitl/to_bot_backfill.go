package hitl

import (
	"context"
	"errors"
	"fmt"
	"slices"
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

// applyAll passes on those events that Botpress does not know. What is refused for good is left out: it would keep back all that
// follows, and the end of the session. The error is that of the reported event, if it is left out.
func (b *toBot) applyAll(ctx context.Context, ses *session, events []Event, extra Event) (refused error) {
	for _, e := range events {
		if r, ok := e.(Replied); ok && r.ID == "" {
			return errors.New("hitl: Backfill returned a reply without an ID: it would be sent again each time")
		}
	}
	events = withoutPast(events)
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
		err := b.pass(ctx, ses, e)
		if err == nil {
			continue
		}
		if !isPermanent(err) {
			return err
		}
		id := ""
		if r, ok := e.(Replied); ok {
			id = r.ID
			b.seenMessages.put(theirs, tagValue(id))
		}
		b.log.ErrorContext(ctx, "the bot does not hear of something that happened in the desk", "event", fmt.Sprintf("%T", e), "message", id, "error", err)
		b.desk.owner.tell(ctx, err)
		if extra != nil && contains([]Event{e}, extra) {
			refused = err
		}
	}
	return refused
}

// withoutPast leaves out assignments that later ones have replaced, as far as they have no IDs to recognise them by: each time that they
// are read, the bot would be told of all of them again.
func withoutPast(events []Event) []Event {
	last := len(events)
	for i, e := range slices.Backward(events) {
		if a, ok := e.(Assigned); ok && a.ID == "" {
			last = i
			break
		}
	}
	var left []Event
	for i, e := range events {
		if a, ok := e.(Assigned); !ok || a.ID != "" || i >= last {
			left = append(left, e)
		}
	}
	return left
}

// contains reports whether a list has an event. Of a reply, the ID decides. Agents come and go, so of an assignment it does, too, if
// both have one.
func contains(events []Event, e Event) bool {
	for _, other := range events {
		switch e := e.(type) {
		case Replied:
			if r, ok := other.(Replied); ok && r.ID == e.ID && e.ID != "" {
				return true
			}
		case Assigned:
			if a, ok := other.(Assigned); ok && a.Agent.ID == e.Agent.ID && (a.ID == e.ID || a.ID == "" || e.ID == "") {
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
