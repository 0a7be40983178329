package botpresstest

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"
)

// callAction calls an integration's action for the bot, "alias:action". An integration may not.
func callAction(r *request) (any, *Error) {
	body, err := decode[struct {
		Type  string          `json:"type"`
		Input json.RawMessage `json:"input"`
	}](r.body, "type! input!")
	if err != nil {
		return nil, err
	}
	if err := object("input", body.Input); err != nil {
		return nil, err
	}
	if r.in != nil {
		return nil, forbidden("an integration cannot call actions")
	}
	if utf8.RuneCountInString(body.Type) > maxName {
		return nil, invalidPayload("type has more than %d characters", maxName)
	}
	cut := strings.LastIndex(body.Type, ":")
	r.mu.Lock()
	i := slices.IndexFunc(r.installations, func(in *Installation) bool { return cut >= 0 && in.Alias == body.Type[:cut] })
	if i < 0 {
		r.mu.Unlock()
		return nil, unknownReference("action", body.Type)
	}
	in := r.installations[i]
	r.mu.Unlock()

	var output json.RawMessage
	failed := in.act(r.http.Context(), body.Type[cut+1:], body.Input, &output)
	if failed == nil {
		return map[string]any{"output": output, "meta": map[string]bool{"cached": false}}, nil
	}
	var refusal *Error
	if errors.As(failed, &refusal) {
		return nil, refusal
	}
	return nil, &Error{Status: http.StatusInternalServerError, Type: "Internal", Message: failed.Error()}
}
