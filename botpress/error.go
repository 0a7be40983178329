package botpress

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/hitl-go/sdk/internal/retryafter"
	"github.com/hitl-go/sdk/internal/strictjson"
)

// ErrorType is the API's name for a kind of failure. New ones may appear at any
// time.
type ErrorType string

// The error types of the API, with the status that each comes with.
const (
	TypeAlreadyExists          ErrorType = "AlreadyExists"          // 409
	TypeBreakingChanges        ErrorType = "BreakingChanges"        // 400
	TypeForbidden              ErrorType = "Forbidden"              // 403
	TypeInternal               ErrorType = "Internal"               // 500
	TypeInvalidDataFormat      ErrorType = "InvalidDataFormat"      // 400
	TypeInvalidIdentifier      ErrorType = "InvalidIdentifier"      // 400
	TypeInvalidJSONSchema      ErrorType = "InvalidJsonSchema"      // 400
	TypeInvalidPayload         ErrorType = "InvalidPayload"         // 400
	TypeInvalidQuery           ErrorType = "InvalidQuery"           // 400
	TypeLimitExceeded          ErrorType = "LimitExceeded"          // 413
	TypeMethodNotFound         ErrorType = "MethodNotFound"         // 405
	TypeOperationTimeout       ErrorType = "OperationTimeout"       // 504
	TypePayloadTooLarge        ErrorType = "PayloadTooLarge"        // 413
	TypePaymentRequired        ErrorType = "PaymentRequired"        // 402
	TypeQuotaExceeded          ErrorType = "QuotaExceeded"          // 403
	TypeRateLimited            ErrorType = "RateLimited"            // 429
	TypeReferenceConstraint    ErrorType = "ReferenceConstraint"    // 409
	TypeReferenceNotFound      ErrorType = "ReferenceNotFound"      // 400
	TypeRelationConflict       ErrorType = "RelationConflict"       // 409
	TypeResourceGone           ErrorType = "ResourceGone"           // 410
	TypeResourceLockedConflict ErrorType = "ResourceLockedConflict" // 409
	TypeResourceNotFound       ErrorType = "ResourceNotFound"       // 404
	TypeRuntime                ErrorType = "Runtime"                // 400
	TypeUnauthorized           ErrorType = "Unauthorized"           // 401
	TypeUnknown                ErrorType = "Unknown"                // 500, or any status when the response is not the API's JSON
	TypeUnsupportedMediaType   ErrorType = "UnsupportedMediaType"   // 415
)

// Failures that callers branch on with errors.Is.
var (
	// ErrNotFound is status 404: the user, conversation, message… does not exist.
	ErrNotFound = errors.New("botpress: not found")
	// ErrAlreadyExists is the type AlreadyExists. It is also an [ErrConflict].
	ErrAlreadyExists = errors.New("botpress: already exists")
	// ErrConflict is status 409 of any type.
	ErrConflict = errors.New("botpress: conflict")
	// ErrRateLimited is status 429, after all retries.
	ErrRateLimited = errors.New("botpress: rate limited")
	// ErrUnauthorized is status 401: the token is missing, wrong or revoked.
	ErrUnauthorized = errors.New("botpress: unauthorized")
	// ErrForbidden is status 403: the token may not do this, or a quota is used up.
	ErrForbidden = errors.New("botpress: forbidden")
)

// Error is a failure that the API reported: any response with a status other
// than 2xx.
type Error struct {
	// Status is the HTTP status.
	Status int
	// Type is the API's name for the failure, [TypeUnknown] if the response came
	// from something else, such as a proxy.
	Type ErrorType
	// ID is the API's id of this failure, for Botpress' support. It may be empty.
	ID string
	// Message is the API's explanation, cut to 1,000 bytes.
	Message string
	// Metadata is a JSON value with details, nil if there are none or if they
	// are longer than 10,000 bytes.
	Metadata json.RawMessage
	// Method and Path say which request failed. The path has no query.
	Method, Path string
	// RetryAfter is how long the API asks to wait. 0 means that it does not ask.
	RetryAfter time.Duration
}

// Error describes the failure on one line.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("botpress: ")
	if e.Method != "" {
		b.WriteString(e.Method + " " + e.Path + ": ")
	}
	fmt.Fprintf(&b, "%d %s", e.Status, e.Type)
	if e.Message != "" {
		b.WriteString(": " + e.Message)
	}
	if e.ID != "" {
		b.WriteString(" (" + e.ID + ")")
	}
	return b.String()
}

// Is reports whether e is the kind of failure that target, one of this
// package's sentinels, stands for.
func (e *Error) Is(target error) bool {
	switch target {
	case ErrNotFound:
		return e.Status == http.StatusNotFound
	case ErrAlreadyExists:
		return e.Type == TypeAlreadyExists
	case ErrConflict:
		return e.Status == http.StatusConflict
	case ErrRateLimited:
		return e.Status == http.StatusTooManyRequests
	case ErrUnauthorized:
		return e.Status == http.StatusUnauthorized
	case ErrForbidden:
		return e.Status == http.StatusForbidden
	}
	return false
}

// Bounds of what an error keeps of a response.
const (
	maxMessage  = 1000
	maxMetadata = 10_000
	maxExcerpt  = 200 // of a response that is not the API's JSON
)

// apiError makes an error of a response that is not a success.
func (c *Client) apiError(p wireRequest, res response) *Error {
	e := &Error{Status: res.status, Type: TypeUnknown, Method: p.method, Path: p.name}
	e.RetryAfter, _ = retryafter.Wait(res.status, res.header, time.Now())
	text := strings.ReplaceAll(string(res.body), strings.TrimPrefix(c.bearer, "Bearer "), "[token]") // the response may echo the request
	var wire struct {
		ID          string          `json:"id"`
		Type        ErrorType       `json:"type"`
		Message     string          `json:"message"`
		Description string          `json:"description"` // instead of the message, from the rate limiter
		Metadata    json.RawMessage `json:"metadata"`
	}
	switch {
	case res.status >= 300 && res.status < 400:
		e.Message = "the address answers with a redirect, which is not followed; is the base URL right?"
	case strictjson.Unmarshal([]byte(text), &wire) == nil && wire.Type != "":
		e.ID, e.Type = cut(wire.ID, maxExcerpt), ErrorType(cut(string(wire.Type), maxExcerpt))
		e.Message = cut(cmp.Or(wire.Message, wire.Description), maxMessage)
		if len(wire.Metadata) <= maxMetadata && string(wire.Metadata) != "null" {
			e.Metadata = wire.Metadata
		}
	default:
		e.Message = cut(strings.Join(strings.Fields(text), " "), maxExcerpt)
	}
	return e
}

// cut shortens s to at most n bytes without splitting a character, and keeps it
// on one line, so that a response cannot forge log lines.
func cut(s string, n int) string {
	if len(s) > n {
		for n > 0 && !utf8.RuneStart(s[n]) {
			n--
		}
		s = s[:n] + "…"
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
}
