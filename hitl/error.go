package hitl

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/hitl/verify"
	"github.com/hitl-go/sdk/internal/wire"
)

// Error is a failure that the bot's owner is meant to read. It is permanent unless Temporary: nobody retries.
type Error struct {
	// Message is shown to the bot's owner. It must not hold a secret.
	Message string

	// Type is how Botpress classifies the failure; empty means [botpress.TypeRuntime]. The other useful one
	// is [botpress.TypeInvalidPayload].
	Type botpress.ErrorType

	// ID identifies this failure in the answer and in the log; empty means a new one.
	ID string

	// Metadata is JSON for programs that read the answer; nil means none.
	Metadata json.RawMessage

	// Temporary says that the owner can fix it, as with a sign-in that has ended. Then messages and ends of sessions are retried, as
	// after a transient error. Otherwise they are refused for good. The sender of a webhook is asked to send it again.
	Temporary bool

	// Gone says that the desk does not have the session any more: it was deleted there, for instance. Then StopHitl has nothing to
	// end, and Backfill has found the end. A message is refused. It takes the desk's own word: a web server before the desk answers 404,
	// too.
	Gone bool

	// Err is the cause. It is logged and never leaves the server.
	Err error
}

// Errorf makes an [Error] from a format and its arguments. A cause wrapped by %w becomes part of the message
// as with [fmt.Errorf], so wrap only what the bot's owner may read; put any other cause into Err.
func Errorf(format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Message: err.Error(), Err: errors.Unwrap(err)}
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Retryable marks an error as transient: whoever sent the request gets 503 and is asked to try again
// after the given time, but after 59 seconds at most: some senders, such as Zendesk, never send again what they are to send in a
// minute or more. Zero leaves the time to the sender. What the server delivers by itself, it retries after this time at the earliest,
// but after five minutes at most.
func Retryable(after time.Duration, err error) error {
	return &retryableError{after: after, err: err}
}

// maxRetryAfter is the longest wait that a sender is asked for.
const maxRetryAfter = 59 * time.Second

type retryableError struct {
	after time.Duration
	err   error
}

func (e *retryableError) Error() string { return e.err.Error() }
func (e *retryableError) Unwrap() error { return e.err }

// isGone reports whether the desk does not have the session any more.
func isGone(err error) bool {
	own, ok := errors.AsType[*Error](err)
	return ok && own.Gone
}

// isTemporary reports whether the bot's owner can fix what has failed.
func isTemporary(err error) bool {
	own, ok := errors.AsType[*Error](err)
	return ok && own.Temporary
}

// invalidf makes the error for a request that Botpress or a stranger got wrong.
func invalidf(format string, args ...any) *Error {
	e := Errorf(format, args...)
	e.Type = botpress.TypeInvalidPayload
	return e
}

// unexpected is what is said of failures whose words were not meant for the bot's owner.
const unexpected = "An unexpected error occurred in the integration. The integration's log has the cause under this error's id."

// failure is an error as it is answered: the wire form is the API's own.
type failure struct {
	status     int
	body       Error
	retryAfter time.Duration
}

// keyRefused is what is said when Botpress refuses the token of [Options.Botpress].
const keyRefused = "Botpress refuses the access key of this integration. Whoever runs the integration must set BP_TOKEN to a new one, which its command 'deploy --access-key' makes."

// isKeyRefused reports whether Botpress has refused the token in a call. An adapter's own error of that type is about something else.
func isKeyRefused(err error) bool {
	call, ok := errors.AsType[*botpress.Error](err)
	return ok && call.Method != "" && errors.Is(call, botpress.ErrUnauthorized)
}

// explained adds to an error what whoever reads the log can do about it, if the error itself does not say that.
func explained(err error) error {
	if isKeyRefused(err) && !errors.As(err, new(*Error)) {
		return fmt.Errorf("%s %w", keyRefused, err)
	}
	return err
}

// failureOf decides what an error looks like from outside. Only words that were written for the bot's owner
// get there: those of an [Error], and those of the Botpress API itself.
func failureOf(err error) failure {
	f := classify(err)
	if f.body.ID == "" {
		f.body.ID = newErrorID()
	}
	if !json.Valid(f.body.Metadata) {
		f.body.Metadata = nil
	}
	return f
}

func classify(err error) failure {
	var own *Error
	var api *botpress.Error
	var retry *retryableError
	var refused *statusError
	switch {
	case errors.As(err, &refused):
		return failure{refused.status, Error{Message: refused.message, Type: refused.kind}, refused.retryAfter}
	case errors.Is(err, verify.ErrInvalid) && !errors.As(err, &retry): // who is asked to come again may be genuine
		return failure{status: http.StatusUnauthorized, body: Error{Message: "the request is not genuine", Type: botpress.TypeUnauthorized}}
	case errors.As(err, &retry) && (!errors.As(err, &own) || errors.As(retry.err, &own)): // the outer one decides
		body := Error{Message: unexpected}
		if isTemporary(err) {
			body = *own
		}
		body.Type = cmp.Or(body.Type, botpress.TypeRuntime)
		return failure{http.StatusServiceUnavailable, body, retry.after}
	case errors.As(err, &own):
		f := failure{status: http.StatusBadRequest, body: *own}
		f.body.Type = cmp.Or(f.body.Type, botpress.TypeRuntime)
		return f
	case errors.As(err, &api):
		// Botpress' SDK passes these two on as they are and calls any other API error a failure of its own.
		if api.Type == botpress.TypeRuntime || api.Type == botpress.TypeInvalidPayload {
			return failure{
				status: http.StatusBadRequest,
				body:   Error{Message: api.Message, Type: api.Type, ID: api.ID, Metadata: api.Metadata},
			}
		}
		message := api.Message
		if isKeyRefused(err) {
			message = keyRefused
		}
		return failure{status: http.StatusInternalServerError, body: Error{Message: message, Type: botpress.TypeRuntime}}
	default:
		return failure{status: http.StatusInternalServerError, body: Error{Message: unexpected, Type: botpress.TypeRuntime}}
	}
}

// response writes the failure as the API writes errors.
func (f failure) response() response {
	body, err := json.Marshal(wire.Error{
		ID: f.body.ID, Code: f.code(), Type: string(f.body.Type), Message: f.body.Message, Metadata: f.body.Metadata,
	})
	if err != nil {
		panic(err) // only metadata that is no JSON could get us here
	}
	res := response{status: f.status, json: true, body: body}
	if f.retryAfter > 0 {
		res.header = http.Header{"Retry-After": {strconv.Itoa(int(math.Ceil(min(f.retryAfter, maxRetryAfter).Seconds())))}}
	}
	return res
}

// code is the number in the body. Botpress' SDK answers unexpected failures with status 500 and the code of Runtime.
func (f failure) code() int {
	if f.body.Type == botpress.TypeRuntime {
		return http.StatusBadRequest
	}
	return f.status
}

// causeOf is what an error keeps to itself, for the log.
func causeOf(err error) error {
	var own *Error
	var refused *statusError
	switch {
	case errors.As(err, &refused):
		return refused.cause
	case errors.As(err, &own) && own.Err != nil && !strings.Contains(own.Message, own.Err.Error()):
		return own.Err
	}
	return nil
}

// statusError is a refusal before any work: its words and status go out as they are.
type statusError struct {
	status     int
	kind       botpress.ErrorType
	message    string
	cause      error
	retryAfter time.Duration
}

func (e *statusError) Error() string { return e.message }
func (e *statusError) Unwrap() error { return e.cause }

// panicked makes an error of what a panic left.
func panicked(v any) error {
	return fmt.Errorf("hitl: panic: %v\n%s", v, debug.Stack())
}

// newErrorID makes an id in the API's form: err_, the time, a random part.
func newErrorID() string {
	return "err_" + time.Now().UTC().Format("20060102150405") + "x" + fmt.Sprintf("%08X", rand.Uint32())
}
