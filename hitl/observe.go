package hitl

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/internal/wire"
)

// Operation describes one that was answered, for [Options.OnOperation].
type Operation struct {
	// Name is what Botpress calls it, such as action_triggered, and "unknown" for anything else. Action is the name of
	// the action, if it was one that the integration has. There are only as many of both as an integration
	// has, so they serve as labels of metrics.
	Name   string
	Action string

	// BotID and Alias say for whom it was. Nobody has signed them, so they can be anything.
	BotID string
	Alias string

	// Status is the answer's. Err is why it was refused or failed, nil if neither; ErrorID is what the answer
	// and the log call this error.
	Status  int
	Err     error
	ErrorID string

	// Duration is the time from the first byte of the body to the last one of the answer. APICalls is how many calls of
	// the Botpress API were made meanwhile.
	Duration time.Duration
	APICalls int
}

// Outcome is how an operation ended, in a word.
type Outcome string

// The outcomes of operations.
const (
	Done    Outcome = "done"
	Refused Outcome = "refused" // for good: the request or the bot is at fault
	Failed  Outcome = "failed"  // for now: the sender may try again
)

// Outcome tells how the operation ended.
func (o Operation) Outcome() Outcome {
	switch {
	case o.Err == nil:
		return Done
	case o.Status < http.StatusInternalServerError:
		return Refused
	default:
		return Failed
	}
}

// observation collects what is learnt about an operation while it is at work. The server's own goroutine writes it,
// except for the counter.
type observation struct {
	action        string
	configuration json.RawMessage
	apiCalls      atomic.Int64
}

type observationKey struct{}

// observe returns a context whose work is observed.
func observe(ctx context.Context) (context.Context, *observation) {
	o := &observation{}
	return context.WithValue(ctx, observationKey{}, o), o
}

// observed returns what is known of the operation at work.
func observed(ctx context.Context) *observation {
	if o, ok := ctx.Value(observationKey{}).(*observation); ok {
		return o
	}
	return &observation{} // outside of an operation, nobody will look at it
}

// counting counts calls of the API for the operation that makes them.
func counting(next func(context.Context, botpress.Call)) func(context.Context, botpress.Call) {
	return func(ctx context.Context, c botpress.Call) {
		observed(ctx).apiCalls.Add(1)
		if next != nil {
			next(ctx, c)
		}
	}
}

// operationName is a name that can stand in logs and metrics, whatever the header says.
func operationName(header http.Header) string {
	switch op := wire.Operation(header.Get(wire.HeaderOperation)); op {
	case wire.ActionTriggered, wire.MessageCreated, wire.MessageUpdated, wire.ConversationUpdated, wire.WebhookReceived,
		wire.Register, wire.Unregister, wire.Ping, wire.CreateUser, wire.CreateConversation:
		return string(op)
	default:
		return "unknown"
	}
}

// report writes the operation's line to the log and hands its figures on.
func (s *Server) report(ctx context.Context, done Operation, seen *observation) {
	attrs := []slog.Attr{slog.String("operation", done.Name)}
	if done.Action != "" {
		attrs = append(attrs, slog.String("action", done.Action))
	}
	attrs = append(attrs, slog.String("bot", done.BotID), slog.String("alias", done.Alias), slog.Int("status", done.Status),
		slog.Duration("duration", done.Duration), slog.Int("api_calls", done.APICalls))
	if done.Err == nil {
		s.log.LogAttrs(ctx, slog.LevelInfo, "operation", attrs...)
	} else {
		level := slog.LevelWarn
		if done.Outcome() == Failed {
			level = slog.LevelError
		}
		attrs = append(attrs, slog.String("error_id", done.ErrorID), slog.Any("error", done.Err))
		if cause := causeOf(done.Err); cause != nil {
			attrs = append(attrs, slog.Any("cause", cause))
		}
		redacted(s.log, seen.configuration).LogAttrs(ctx, level, "operation failed", attrs...)
	}
	if s.opts.OnOperation != nil {
		s.opts.OnOperation(ctx, done)
	}
}

// tellOwner puts an error where the bot's owner looks for it, if the log is one that Botpress reads and the bot is concerned.
func (s *Server) tellOwner(ctx context.Context, done Operation, seen *observation, f failure) {
	var refused *statusError
	if _, ok := s.opts.Logger.Handler().(*logHandler); ok && !errors.As(done.Err, &refused) {
		//nolint:sloglint // In this format, the message is what the owner reads.
		redacted(s.log, seen.configuration).LogAttrs(ctx, slog.LevelError, f.body.Message, slog.String("bot", done.BotID), slog.String("alias", done.Alias),
			slog.String("error_id", done.ErrorID), ForBotOwner())
	}
}
