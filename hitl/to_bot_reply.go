package hitl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/internal/strictjson"
	"github.com/hitl-go/sdk/message"
)

// replied sends an agent's message to the end user. Botpress finds the message by the desk's id, so it is there once,
// on whichever replica it arrives how often. By the same id, echoes of our own messages are there already.
func (b *toBot) replied(ctx context.Context, ses *session, e Replied) error {
	id := tagValue(e.ID)
	if whose, seen := b.seenMessages.get(id); seen { // polling adapters re-report
		if whose == ours {
			b.authors.put(authorEchoes, e.Author.ID)
		}
		return nil
	}
	by, known, err := b.identities.readAgent(ctx, b.desk.adapter, e.Author)
	if !known || err != nil {
		return err
	}
	if e.Load != nil {
		m, err := e.Load(ctx)
		if err != nil {
			return fmt.Errorf("%w: message %s: %w", errUnreadable, e.ID, err)
		}
		if isEmpty(m) {
			return nil
		}
		e.Message = m
	}
	if echo, err := b.isEcho(ctx, ses, by.Agent, e); echo || err != nil {
		return err
	}
	if utf8.RuneCountInString(e.AdditionalData) > maxTag { // the plugin keeps it in a tag, and would fail
		b.log.WarnContext(ctx, "AdditionalData of more than 500 characters is left out", "message", e.ID)
		e.AdditionalData = ""
	}
	kind, payload, err := encodeReply(e)
	if err != nil {
		return err
	}
	began := b.sessions.clock.now()
	var at time.Time
	if b.sessions.activating(ses) {
		ses, at, err = b.activatingReply(ctx, ses, by, id, string(kind), payload)
	} else {
		ses, at, err = b.relayReply(ctx, b.api, ses, by, id, string(kind), payload)
	}
	if err != nil {
		return err
	}
	b.seenMessages.put(theirs, id)
	if ses.closed() && (isNew(at, began) || at.After(ses.closedAt.Add(clockMargin))) { // the plugin drops what comes after the end
		b.desk.notifyUnseen(ctx, ses, e.ID, lateReply)
	}
	return nil
}

// errUnreadable says that what an agent has said could not be loaded.
var errUnreadable = errors.New("hitl: the desk's message cannot be read")

// clockMargin is how much the clock's estimate may differ from Botpress' time.
const clockMargin = 2 * time.Second

// isNew reports whether a message was created by a call that began at the given time. Else the desk has repeated it, and the end
// user may have it. An API that does not say when it was created is taken to have created it.
func isNew(createdAt, began time.Time) bool {
	return createdAt.IsZero() || createdAt.After(began.Add(-clockMargin))
}

// relayReply finds or creates the agent and the message in one call, and returns the session as it is then, and when the message
// was created: the desk may repeat one that the end user has.
func (b *toBot) relayReply(ctx context.Context, api *botpress.Client, ses *session, by author, id, kind string, payload json.RawMessage) (*session, time.Time, error) {
	user := b.identities.agentParams(ctx, ses, by.Agent)
	got, err := api.InitializeIncomingMessage(ctx, botpress.InitializeIncomingMessageParams{
		ConversationID: ses.conversationID,
		User:           &user,
		Message: &botpress.IncomingMessage{
			Type: kind, Payload: payload, Tags: botpress.Tags{tagID: id}, DiscriminateByTags: []string{tagID},
		},
	})
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("hitl: send the agent's message %s: %w", id, err)
	}
	current := b.sessions.snapshot(got.Conversation) // another replica may have ended the session
	b.sessions.remember(current)
	if got.Message.Direction == botpress.Outgoing {
		b.authors.put(authorEchoes, by.ID)
	}
	b.desk.reconcileMarked(ctx, current)
	return current, got.Message.CreatedAt, b.identities.refreshAgent(ctx, by, got.User, user)
}

// activatingReply sends a message to a session whose plugin may not be ready. Only creating a message alone can be scheduled.
func (b *toBot) activatingReply(ctx context.Context, ses *session, by author, id, kind string, payload json.RawMessage) (_ *session, at time.Time, err error) {
	userID, err := b.agent(ctx, ses, by)
	if err != nil {
		return ses, at, err
	}
	once := b.api.WithRetry(botpress.Retry{Max: -1})
	err = b.sessions.whenReady(ctx, ses, func(later *botpress.Schedule) error {
		if later == nil {
			current, created, err := b.relayReply(ctx, once, ses, by, id, kind, payload)
			if err == nil {
				ses, at = current, created
			}
			return err
		}
		m, _, err := once.GetOrCreateMessage(ctx, botpress.GetOrCreateMessageParams{
			ConversationID: ses.conversationID, UserID: userID, Type: kind, Payload: payload, Schedule: later,
			Tags: botpress.Tags{tagID: id, tagDue: timestamp(later.DateTime)}, DiscriminateByTags: []string{tagID},
		})
		if err != nil {
			return fmt.Errorf("hitl: schedule the agent's message %s: %w", id, err)
		}
		at = m.CreatedAt
		return nil
	})
	return ses, at, err
}

// agent finds or creates an agent. If that takes a call, it brings the session up to date as well.
func (b *toBot) agent(ctx context.Context, ses *session, a author) (userID string, err error) {
	userID, conv, err := b.identities.agent(ctx, ses, a)
	if err == nil && conv != nil {
		b.sessions.remember(b.sessions.snapshot(*conv))
	}
	return userID, err
}

// relayable is the message as the HITL plugin takes it: it refuses all other types.
func relayable(m message.Message) message.Message {
	switch m := m.(type) {
	case message.Text, message.Image, message.Audio, message.Video, message.File:
		return m
	case message.Bloc: // each of its items is a message to the end user
		items := slices.DeleteFunc(slices.Clone(m.Items), func(item message.BlocItem) bool { return item != nil && isEmpty(item) })
		for i, item := range items {
			switch item.(type) {
			case message.Markdown, message.Unknown: // most channels leave them out of a bloc, some with all that follows
				items[i], _ = relayable(item).(message.BlocItem)
			}
		}
		if len(items) == 1 && items[0] != nil {
			return relayable(items[0])
		}
		return message.Bloc{Items: items}
	case message.Markdown: // a text may hold Markdown; most channels show it
		return message.Text{Text: message.ToMarkdown(m)}
	default:
		return message.Text{Text: message.PlainText(m)}
	}
}

// encodeReply makes the type and the payload of a message from the desk.
func encodeReply(e Replied) (message.Type, json.RawMessage, error) {
	m := relayable(e.Message)
	if err := message.Validate(m); err != nil {
		return "", nil, Errorf("The help desk's message %s cannot be sent: %w", e.ID, err)
	}
	kind, payload, err := message.Encode(m)
	if err != nil || e.AdditionalData == "" {
		return kind, payload, err
	}
	var fields map[string]json.RawMessage
	if err := strictjson.Unmarshal(payload, &fields); err != nil {
		return kind, nil, err
	}
	if fields["additionalData"], err = json.Marshal(e.AdditionalData); err != nil {
		return kind, nil, err
	}
	payload, err = json.Marshal(fields)
	return kind, payload, err
}
