package hitl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/internal/sleep"
	"github.com/hitl-go/sdk/internal/strictjson"
	"github.com/hitl-go/sdk/internal/wire"
)

// events emits the events that the HITL plugin listens to.
type events struct {
	api      *botpress.Client
	def      *Definition
	sessions *sessions
}

func (ev *events) emitStopped(ctx context.Context, ses *session) error {
	e, err := ev.stopped(ses)
	if err != nil {
		return err
	}
	return ev.emit(ctx, ses, e, nil)
}

// stopped is the event that says that the session is over.
func (ev *events) stopped(ses *session) (botpress.CreateEventParams, error) {
	payload, err := json.Marshal(wire.ConversationRef{ConversationID: ses.conversationID})
	return botpress.CreateEventParams{Type: ev.def.Stopped.Name, Payload: payload, ConversationID: ses.conversationID}, err
}

// emit sends an event to the bot, now or when its plugin is ready for it. Creating an event is not idempotent, so after an
// unknown outcome emit looks for the event, and asks whether it is still to be sent, if that is not nil. So it does after a wait: a session that has started again meanwhile
// may have been told by [toBot.repeatAll].
func (ev *events) emit(ctx context.Context, ses *session, e botpress.CreateEventParams, wanted func() (bool, error)) error {
	since := ev.sessions.clock.now().Add(-5 * time.Second) // an estimate
	began, tried := time.Now(), false
	err := ev.sessions.whenReady(ctx, ses, func(schedule *botpress.Schedule) error {
		if tried || time.Since(began) >= activationPoll {
			if there, err := ev.emitted(ctx, e, since); there || err != nil {
				return err
			}
			if wanted != nil {
				if still, err := wanted(); !still || err != nil {
					return err
				}
			}
		}
		tried = true
		e.Schedule = schedule
		_, err := ev.api.CreateEvent(ctx, e)
		return err
	})
	if err != nil {
		return fmt.Errorf("hitl: send the event %s: %w", e.Type, err)
	}
	return nil
}

// create is emit for an event that has its time already. There are earlier ones that say the same: it looks for one that is newer than
// all that were there before.
func (ev *events) create(ctx context.Context, e botpress.CreateEventParams, newest time.Time) error {
	for backoff := 500 * time.Millisecond; ; backoff *= 2 {
		_, err := ev.api.CreateEvent(ctx, e)
		if err == nil || !isTransient(err) {
			return err
		}
		wait := max(backoff, retryAfter(err))
		if backoff > 2*time.Second || exceedsDeadline(ctx, wait) || sleep.For(ctx, wait) != nil {
			return err
		}
		if there, err := ev.emitted(ctx, e, newest.Add(1)); there || err != nil {
			return err
		}
	}
}

// isTransient reports whether a call of the API may succeed later. Nobody knows whether its work was done.
func isTransient(err error) bool {
	var api *botpress.Error
	if errors.As(err, &api) {
		return api.Status >= http.StatusInternalServerError || api.Status == http.StatusTooManyRequests
	}
	return !errors.Is(err, context.Canceled)
}

// exceedsDeadline reports whether the operation's time is up before a wait is over.
func exceedsDeadline(ctx context.Context, wait time.Duration) bool {
	deadline, ok := ctx.Deadline()
	return ok && time.Until(deadline) <= wait
}

// retryAfter is how long the API asks to be left alone.
func retryAfter(err error) time.Duration {
	var api *botpress.Error
	if errors.As(err, &api) {
		return api.RetryAfter
	}
	return 0
}

// maxLook is how many events are looked through for one. An event with an unknown outcome is seconds old, so few are newer.
const maxLook = 200

// emitted reports whether the newest event of the type in the conversation says the same, and is not older than the given time.
// Without a time, an event that is too old to be found counts as emitted.
func (ev *events) emitted(ctx context.Context, p botpress.CreateEventParams, since time.Time) (bool, error) {
	looked := 0
	for e, err := range ev.list(ctx, p.ConversationID) {
		if err != nil {
			return false, err
		}
		if ev.is(e, p.Type) {
			return sameJSON(e.Payload, p.Payload) && !e.CreatedAt.Before(since), nil
		}
		looked++
	}
	return since.IsZero() && looked >= maxLook, nil
}

// list yields the latest events of a conversation, newest first.
func (ev *events) list(ctx context.Context, conversationID string) iter.Seq2[botpress.Event, error] {
	return func(yield func(botpress.Event, error) bool) {
		looked := 0
		for e, err := range ev.api.ListEvents(ctx, botpress.ListEventsParams{ConversationID: conversationID}) {
			if err != nil {
				yield(e, fmt.Errorf("hitl: read the events of conversation %s: %w", conversationID, err))
				return
			}
			if looked++; !yield(e, nil) || looked >= maxLook {
				return
			}
		}
	}
}

// is reports whether an event is one of ours: Botpress adds the integration's name to the type.
func (ev *events) is(e botpress.Event, kind string) bool {
	return e.Type == kind || strings.HasSuffix(e.Type, ":"+kind)
}

// awaitEvent gives another attempt, which may still be in flight, time to send the event.
func (ev *events) awaitEvent(ctx context.Context, e botpress.CreateEventParams) (bool, error) {
	for wait := 100 * time.Millisecond; ; wait *= 2 {
		there, err := ev.emitted(ctx, e, time.Time{})
		if there || err != nil || wait > 3*time.Second {
			return there, err
		}
		if err := sleep.For(ctx, wait); err != nil {
			return false, err
		}
	}
}

func sameJSON(a, b json.RawMessage) bool {
	var x, y any
	return strictjson.Unmarshal(a, &x) == nil && strictjson.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}
