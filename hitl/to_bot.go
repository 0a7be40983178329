package hitl

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/message"
)

// toBot brings what happens in the desk to the bot.
type toBot struct {
	def        *Definition
	api        *botpress.Client
	log        *slog.Logger
	sessions   *sessions
	identities *identities
	leases     *leases
	events     *events
	desk       *toDesk

	seenMessages cache[bool]
}

// deliver passes events on to Botpress, in order. It is the only way for events of the desk, and idempotent: an error says
// that not all were passed on, and that the same events may be delivered again. The fallbackID names a message to which the
// desk gave no id, by the event's index.
func (b *toBot) deliver(ctx context.Context, list []Event, fallbackID func(int) string) error {
	for i, e := range list {
		if err := b.deliverOne(ctx, e, func() string { return fallbackID(i) }); err != nil {
			return err
		}
	}
	return nil
}

func (b *toBot) deliverOne(ctx context.Context, e Event, fallbackID func() string) error {
	switch e := e.(type) {
	case Assigned:
		if e.Agent.ID == "" {
			return nil // taken off an agent, or given to a group
		}
		return b.inSession(ctx, e, func(ses *session) error { return b.assigned(ctx, ses, e) })
	case Replied:
		agent, ok, err := relayed(e)
		if !ok || err != nil {
			return err
		}
		if e.ID == "" {
			e.ID = fallbackID()
		}
		return b.inSession(ctx, e, func(ses *session) error { return b.replied(ctx, ses, agent, e) })
	case Stopped:
		return b.inSession(ctx, e, func(ses *session) error { return b.stopped(ctx, ses) })
	default:
		return fmt.Errorf("hitl: HandleWebhook returned the event %T; events are Assigned, Replied and Stopped, as values", e)
	}
}

// relayed reports whether the end user should hear what was written, and whose words it is.
func relayed(e Replied) (agent Agent, ok bool, err error) {
	switch a := e.Author.(type) {
	case nil, Customer, System:
		return Agent{}, false, nil
	case Agent:
		return a, !isEmpty(e.Message), nil
	default:
		return Agent{}, false, fmt.Errorf("hitl: HandleWebhook returned the author %T; authors are Agent, Customer and System, as values", a)
	}
}

func isEmpty(m message.Message) bool {
	text, ok := m.(message.Text)
	return m == nil || ok && strings.TrimSpace(text.Text) == ""
}

// inSession runs do while nothing else happens in the event's session. Unknown sessions are ignored.
func (b *toBot) inSession(ctx context.Context, e Event, do func(*session) error) error {
	ses, unlock, err := b.sessions.open(ctx, e.session())
	defer unlock()
	if err != nil {
		return err
	}
	if ses == nil {
		b.log.DebugContext(ctx, "ignored an event of an unknown session", "event", fmt.Sprintf("%T", e))
		return nil
	}
	if err := b.desk.flushPendingStop(ctx, ses); err != nil {
		return err
	}
	err = do(ses)
	if errors.Is(err, botpress.ErrNotFound) {
		b.sessions.forget(ses) // the conversation was deleted: for a redelivery, the session is unknown
	}
	return err
}
