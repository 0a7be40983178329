package hitl

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"sync"
	"time"

	"github.com/hitl-go/sdk/hitl/bplog"
)

// toOwner tells the bot's owner of errors that no answer has.
type toOwner struct {
	log   *slog.Logger // of the installation
	marks bool         // it marks lines for the owner

	mu   sync.Mutex
	said map[string]time.Time // what the owner was told in the last hour, and when
}

// sayAgainAfter is when the owner is told the same again: attempts go on for a day.
const sayAgainAfter = time.Hour

// maxSaid is how many messages the owner reads in an hour. Each names something to mend, and there is not that much.
const maxSaid = 100

// warn logs an error, and tells the owner if it is one that they are to read.
func (o *toOwner) warn(ctx context.Context, message string, err error, attrs ...any) {
	//nolint:sloglint // It is a constant at each call.
	o.log.WarnContext(ctx, message, append(attrs, "error", err)...)
	o.tell(ctx, err)
}

// tell is warn for an error that is in the log already.
func (o *toOwner) tell(ctx context.Context, err error) {
	f := failureOf(err)
	forOwner := (f.status == http.StatusBadRequest || isTemporary(err)) && !errors.As(err, new(*statusError))
	if !o.marks || !forOwner || !o.isNews(f.body.Message) {
		return
	}
	//nolint:sloglint // In this format, the message is what the owner reads.
	o.log.LogAttrs(ctx, slog.LevelError, f.body.Message, bplog.ForBotOwner())
}

func (o *toOwner) isNews(message string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	maps.DeleteFunc(o.said, func(_ string, at time.Time) bool { return now.Sub(at) >= sayAgainAfter })
	if _, ok := o.said[message]; ok || len(o.said) >= maxSaid {
		return false
	}
	if o.said == nil {
		o.said = map[string]time.Time{}
	}
	o.said[message] = now
	return true
}
