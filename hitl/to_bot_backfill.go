package hitl

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hitl-go/sdk/botpress"
)

// backfillMargin is how much earlier than the newest reply that is known the desk is read: its clock may differ from Botpress'.
const backfillMargin = 5 * time.Minute

// backfill reads the session back from the desk and passes on what Botpress does not know, in the desk's order. The conversation
// is locked. Extra is an event that was reported: it is passed on even if the desk's record does not have it yet.
//
// No cursor is stored. Since every reply of a session that can be read back comes this way, all that is older than the newest
// one in Botpress is there, too.
func (b *toBot) backfill(ctx context.Context, ses *session, desk Backfiller, extra Event) error {
	since, known, err := b.newestReply(ctx, ses)
	if err != nil {
		return err
	}
	events, err := desk.Backfill(ctx, BackfillRequest{ConversationID: ses.conversationID, Session: ses.ref, Since: since})
	if err != nil {
		return fmt.Errorf("hitl: read the session back from the desk: %w", err)
	}
	for _, e := range events {
		if r, ok := e.(Replied); ok && r.ID == "" {
			return errors.New("hitl: Backfill returned a reply without an ID: it would be sent again each time")
		}
	}
	if extra != nil && !contains(events, extra) {
		events = append(events, extra)
	}
	for _, e := range events {
		if r, ok := e.(Replied); ok && known[tagValue(r.ID)] {
			b.seenMessages.put(true, tagValue(r.ID))
			continue
		}
		if current, ok := b.sessions.cache.get(ses.conversationID); ok {
			ses = current // an earlier event may have closed it
		}
		if err := b.apply(ctx, ses, e); err != nil {
			return err
		}
	}
	return nil
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
		case Stopped:
			if _, ok := other.(Stopped); ok {
				return true
			}
		}
	}
	return false
}

// newestReply finds out since when the desk must be read, and the ids of messages that need not be passed on.
func (b *toBot) newestReply(ctx context.Context, ses *session) (since time.Time, known map[string]bool, err error) {
	known = map[string]bool{}
	since = ses.startedAt
	if !ses.createdAt.IsZero() {
		since = ses.createdAt
	}
	token := ""
	for range maxOutboxPages {
		found := false
		for m, err := range b.api.ListMessages(ctx, botpress.ListMessagesParams{ConversationID: ses.conversationID, NextToken: token, Next: &token}) {
			if err != nil {
				return since, nil, fmt.Errorf("hitl: read the messages of conversation %s: %w", ses.conversationID, err)
			}
			if id := m.Tags[tagID]; id != "" {
				known[id] = true
			}
			if m.Direction == botpress.Incoming && !found {
				since, found = m.CreatedAt, true
			}
		}
		if found || token == "" {
			break
		}
	}
	return since.Add(-backfillMargin), known, nil
}
