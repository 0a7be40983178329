package hitl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/internal/wire"
)

// events emits the events that the HITL plugin listens to.
type events struct {
	api      *botpress.Client
	def      *Definition
	sessions *sessions
}

func (ev *events) emitStopped(ctx context.Context, ses *session) error {
	payload, err := json.Marshal(wire.ConversationRef{ConversationID: ses.conversationID})
	if err != nil {
		return err
	}
	return ev.emit(ctx, ses, botpress.CreateEventParams{Type: ev.def.Stopped.Name, Payload: payload, ConversationID: ses.conversationID})
}

// emit sends an event to the bot, now or when its plugin is ready for it. Creating an event is not idempotent, so package
// botpress does not retry it. After an unknown outcome, emit looks for the event before it retries.
func (ev *events) emit(ctx context.Context, ses *session, e botpress.CreateEventParams) error {
	var err error
	if e.Schedule, err = ev.sessions.slot(ctx, ses); err != nil {
		return err
	}
	since := ev.sessions.clock.now().Add(-5 * time.Second) // an estimate
	_, err = ev.api.CreateEvent(ctx, e)
	for backoff := 500 * time.Millisecond; err != nil; backoff *= 2 {
		wait := max(backoff, retryAfter(err))
		if !isTransient(err) || backoff > 2*time.Second || exceedsDeadline(ctx, wait) || sleep(ctx, wait) != nil {
			return fmt.Errorf("hitl: send the event %s: %w", e.Type, err)
		}
		there, lookErr := ev.emitted(ctx, e, since)
		if there || lookErr != nil {
			return lookErr
		}
		_, err = ev.api.CreateEvent(ctx, e)
	}
	return nil
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
func (ev *events) emitted(ctx context.Context, p botpress.CreateEventParams, since time.Time) (bool, error) {
	e, ok, err := ev.newest(ctx, p.ConversationID, p.Type)
	return ok && sameJSON(e.Payload, p.Payload) && !e.CreatedAt.Before(since), err
}

// newest returns the newest event of a type in a conversation.
func (ev *events) newest(ctx context.Context, conversationID, kind string) (e botpress.Event, ok bool, err error) {
	looked := 0
	for e, err := range ev.api.ListEvents(ctx, botpress.ListEventsParams{ConversationID: conversationID}) {
		if err != nil {
			return e, false, fmt.Errorf("hitl: look for the event %s: %w", kind, err)
		}
		if e.Type == kind || strings.HasSuffix(e.Type, ":"+kind) {
			return e, true, nil
		}
		if looked++; looked >= maxLook {
			break
		}
	}
	return e, false, nil
}

// awaitEvent gives another attempt, which may still be in flight, time to send the event.
func (ev *events) awaitEvent(ctx context.Context, e botpress.CreateEventParams) (bool, error) {
	for wait := 100 * time.Millisecond; ; wait *= 2 {
		there, err := ev.emitted(ctx, e, time.Time{})
		if there || err != nil || wait > 3*time.Second {
			return there, err
		}
		if err := sleep(ctx, wait); err != nil {
			return false, err
		}
	}
}

func sameJSON(a, b json.RawMessage) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}
