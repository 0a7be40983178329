package botpresstest

import (
	"fmt"
	"net/http"
)

// Error is an error response in the API's format: of the API itself, or of an integration to a dispatch.
type Error struct {
	Status  int    // The HTTP status.
	ID      string // The id of the error, such as "err_…".
	Type    string // One of the API's error types, such as "Runtime".
	Message string // What went wrong, in words.
}

func (e *Error) Error() string { return fmt.Sprintf("%d %s: %s", e.Status, e.Type, e.Message) }

// body is the error as the API writes it. An integration's unexpected failure is HTTP 500 with code 400 in the body;
// the API's own errors have the same number in both.
func (e *Error) body() any {
	return map[string]any{"id": e.ID, "code": e.Status, "type": e.Type, "message": e.Message}
}

func invalidPayload(format string, args ...any) *Error {
	return &Error{Status: http.StatusBadRequest, Type: "InvalidPayload", Message: fmt.Sprintf(format, args...)}
}

func invalidQuery(format string, args ...any) *Error {
	return &Error{Status: http.StatusBadRequest, Type: "InvalidQuery", Message: fmt.Sprintf(format, args...)}
}

func notFound(what, id string) *Error {
	return &Error{Status: http.StatusNotFound, Type: "ResourceNotFound", Message: fmt.Sprintf("%s %q does not exist", what, id)}
}

func unknownReference(what, id string) *Error {
	return &Error{Status: http.StatusBadRequest, Type: "ReferenceNotFound", Message: fmt.Sprintf("%s %q does not exist", what, id)}
}

func forbidden(format string, args ...any) *Error {
	return &Error{Status: http.StatusForbidden, Type: "Forbidden", Message: fmt.Sprintf(format, args...)}
}
