package hitl

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/hitl/bplog"
	"github.com/hitl-go/sdk/internal/redact"
	"github.com/hitl-go/sdk/internal/wire"
)

// Operation describes one that was answered, or work of the server's own accord, for [Options.OnOperation].
type Operation struct {
	// Name is what Botpress calls it, such as action_triggered, and "unknown" for anything else. The server's own work is
	// called retry, sweep, receive or reconcile; receive is a delivery of the adapter's Receive, or an error that it has
	// returned. Action is the name of the action, if it was one that the integration has. There are only as many of both as
	// an integration has, so they serve as labels of metrics.
	Name   string
	Action string

	// BotID, IntegrationID and Alias say for whom it was. Nobody has signed them, so they can be anything.
	BotID         string
	IntegrationID string
	Alias         string

	// ConversationID and SessionID name the session that it was about, in Botpress and in the desk, as far as they are known.
	// Of a webhook with several it is the last one.
	ConversationID string
	SessionID      string

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

// The outcomes of operations.
const (
	OutcomeDone    = "done"
	OutcomeRefused = "refused" // for good, or until the bot's owner has fixed what the error names
	OutcomeFailed  = "failed"  // transiently: the sender may retry
)

// Outcome returns how the operation ended, in a word.
func (o Operation) Outcome() string {
	switch {
	case o.Err == nil:
		return OutcomeDone
	case o.Status < http.StatusInternalServerError:
		return OutcomeRefused
	default:
		return OutcomeFailed
	}
}

// observation collects what is learnt about an operation while it is at work. It is the context of this work, too.
type observation struct {
	context.Context //nolint:containedctx // It is one.

	action   string // written and read by the goroutine that answers the request
	mu       sync.Mutex
	session  sessionKey                    // guarded by mu
	mask     atomic.Pointer[redact.Masker] // of the installation's secrets
	apiCalls atomic.Int64
	trusted  bool            // Botpress has sent it
	hungUp   <-chan struct{} // closed when nobody waits for the answer any more
}

// awaited reports whether somebody still waits for the operation's answer.
func (o *observation) awaited() bool {
	select {
	case <-o.hungUp:
		return false
	default:
		return true
	}
}

// works notes which session the operation works on.
func (o *observation) works(on sessionKey) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.session = on
}

// on returns which session the operation works on.
func (o *observation) on() sessionKey {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.session
}

type observationKey struct{}

// observe returns a context whose work is observed.
func observe(ctx context.Context) (context.Context, *observation) {
	o := &observation{Context: ctx}
	return o, o
}

func (o *observation) Value(key any) any {
	if key == (observationKey{}) {
		return o
	}
	return o.Context.Value(key)
}

// observed returns what is known of the operation at work.
func observed(ctx context.Context) *observation {
	if o, ok := ctx.Value(observationKey{}).(*observation); ok {
		return o
	}
	return &observation{} // outside of an operation, nobody will look at it
}

// onCall counts calls of the API for the operation that makes them, and reads the API's clock.
func (s *Server) onCall(next func(context.Context, botpress.Call)) func(context.Context, botpress.Call) {
	return func(ctx context.Context, c botpress.Call) {
		observed(ctx).apiCalls.Add(1)
		if !c.Date.IsZero() {
			s.observeClock(c.Date)
		}
		if next != nil {
			next(ctx, c)
		}
	}
}

// operationName is a name that can stand in logs and metrics, whatever the header says.
func operationName(header http.Header) string {
	switch op := wire.Operation(wire.Get(header, wire.HeaderOperation)); op {
	case wire.ActionTriggered, wire.MessageCreated, wire.MessageUpdated, wire.ConversationUpdated, wire.WebhookReceived,
		wire.Register, wire.Unregister, wire.Ping, wire.CreateUser, wire.CreateConversation:
		return string(op)
	default:
		return "unknown"
	}
}

// report writes the operation's line to the log and hands its figures on.
func (s *Server) report(ctx context.Context, done Operation, seen *observation) {
	k := seen.on()
	done.ConversationID, done.SessionID = k.conversationID, k.sessionID
	done.Err = seen.mask.Load().Error(s.mask.Error(done.Err))
	attrs := append(make([]slog.Attr, 0, 10), slog.String("operation", done.Name))
	if done.Action != "" {
		attrs = append(attrs, slog.String("action", done.Action))
	}
	attrs = append(attrs, slog.String("bot", done.BotID), slog.String("alias", done.Alias), slog.Int("status", done.Status),
		slog.Duration("duration", done.Duration), slog.Int("api_calls", done.APICalls))
	if done.Err == nil {
		s.log.LogAttrs(ctx, slog.LevelInfo, "operation", attrs...)
	} else {
		level := slog.LevelWarn
		if done.Outcome() == OutcomeFailed {
			level = slog.LevelError
		}
		attrs = append(attrs, slog.String("integration", done.IntegrationID), slog.String("error_id", done.ErrorID), slog.Any("error", done.Err))
		if cause := causeOf(done.Err); cause != nil {
			attrs = append(attrs, slog.Any("cause", cause))
		}
		s.masked(seen).LogAttrs(ctx, level, "operation failed", attrs...)
	}
	if s.opts.OnOperation != nil {
		s.opts.OnOperation(ctx, done)
	}
}

// masked is the server's log without the secrets of the installation at work.
func (s *Server) masked(seen *observation) *slog.Logger {
	return slog.New(redact.Handler(s.log.Handler(), seen.mask.Load))
}

// tellOwner puts an error where the bot's owner looks for it, if the log is one that Botpress reads and the bot is concerned.
func (s *Server) tellOwner(ctx context.Context, done Operation, seen *observation, f failure) {
	var refused *statusError
	if bplog.Is(s.opts.Logger.Handler()) && !errors.As(done.Err, &refused) {
		//nolint:sloglint // In this format, the message is what the owner reads.
		s.masked(seen).LogAttrs(ctx, slog.LevelError, f.body.Message, slog.String("bot", done.BotID), slog.String("alias", done.Alias),
			slog.String("error_id", done.ErrorID), bplog.ForBotOwner())
	}
}

// sessionHandler adds to each line the session that its operation works on, also to lines that adapters write.
type sessionHandler struct{ slog.Handler }

func (h sessionHandler) Handle(ctx context.Context, r slog.Record) error {
	k := observed(ctx).on()
	attrs := make([]slog.Attr, 0, 2)
	if k.conversationID != "" {
		attrs = append(attrs, slog.String("conversation", k.conversationID))
	}
	if k.sessionID != "" {
		attrs = append(attrs, slog.String("session", k.sessionID))
	}
	r.AddAttrs(attrs...)
	return h.Handler.Handle(ctx, r)
}

func (h sessionHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return sessionHandler{h.Handler.WithAttrs(attrs)}
}

func (h sessionHandler) WithGroup(name string) slog.Handler {
	return sessionHandler{h.Handler.WithGroup(name)}
}
