package botpress_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hitl-go/sdk/botpress"
)

// failing returns a client to which the API answers with an error.
func failing(t *testing.T, status int, body string) *botpress.Client {
	t.Helper()
	return newClient(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}), func(o *botpress.Options) { o.Retry.Max = -1 })
}

func TestError(t *testing.T) {
	c := failing(t, 409, `{"id": "err_1", "code": 409, "type": "RelationConflict", "message": "still in use", "metadata": {"bots": 2}, "more": 1}`)
	_, err := c.CreateUser(t.Context(), botpress.CreateUserParams{})
	var got *botpress.Error
	if !errors.As(err, &got) {
		t.Fatal(err)
	}
	want := &botpress.Error{
		Status: 409, Type: botpress.TypeRelationConflict, ID: "err_1", Message: "still in use",
		Metadata: json.RawMessage(`{"bots": 2}`), Method: "POST", Path: "/v1/chat/users",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if text := "botpress: POST /v1/chat/users: 409 RelationConflict: still in use (err_1)"; err.Error() != text {
		t.Errorf("%q, want %q", err, text)
	}
}

// The rate limiter stands before the API, and its errors have another shape.
func TestErrorOfRateLimiter(t *testing.T) {
	for body, want := range map[string]string{
		`{"type": "RateLimited", "description": "The request has been rate-limited.", "status": 429}`:                     "The request has been rate-limited.",
		`{"type": "RateLimited", "description": "` + strings.Repeat("a", 2000) + `"}`:                                     strings.Repeat("a", 1000) + "…",
		`{"id": "err_1", "code": 429, "type": "RateLimited", "message": "too many requests", "description": "something"}`: "too many requests",
	} {
		_, err := failing(t, 429, body).GetUser(t.Context(), "u")
		var got *botpress.Error
		if !errors.As(err, &got) || got.Message != want || got.Type != botpress.TypeRateLimited {
			t.Errorf("%.80s: %v, want the message %.40s", body, err, want)
		}
	}
}

func TestErrorTypes(t *testing.T) {
	sentinels := map[string]error{
		"not found": botpress.ErrNotFound, "already exists": botpress.ErrAlreadyExists, "conflict": botpress.ErrConflict,
		"rate limited": botpress.ErrRateLimited, "unauthorized": botpress.ErrUnauthorized, "forbidden": botpress.ErrForbidden,
	}
	for _, test := range []struct {
		errorType botpress.ErrorType
		status    int
		is        []string
	}{
		{botpress.TypeAlreadyExists, 409, []string{"already exists", "conflict"}},
		{botpress.TypeBreakingChanges, 400, nil},
		{botpress.TypeForbidden, 403, []string{"forbidden"}},
		{botpress.TypeInternal, 500, nil},
		{botpress.TypeInvalidDataFormat, 400, nil},
		{botpress.TypeInvalidIdentifier, 400, nil},
		{botpress.TypeInvalidJSONSchema, 400, nil},
		{botpress.TypeInvalidPayload, 400, nil},
		{botpress.TypeInvalidQuery, 400, nil},
		{botpress.TypeLimitExceeded, 413, nil},
		{botpress.TypeMethodNotFound, 405, nil},
		{botpress.TypeOperationTimeout, 504, nil},
		{botpress.TypePayloadTooLarge, 413, nil},
		{botpress.TypePaymentRequired, 402, nil},
		{botpress.TypeQuotaExceeded, 403, []string{"forbidden"}},
		{botpress.TypeRateLimited, 429, []string{"rate limited"}},
		{botpress.TypeReferenceConstraint, 409, []string{"conflict"}},
		{botpress.TypeReferenceNotFound, 400, nil},
		{botpress.TypeRelationConflict, 409, []string{"conflict"}},
		{botpress.TypeResourceGone, 410, nil},
		{botpress.TypeResourceLockedConflict, 409, []string{"conflict"}},
		{botpress.TypeResourceNotFound, 404, []string{"not found"}},
		{botpress.TypeRuntime, 400, nil},
		{botpress.TypeUnauthorized, 401, []string{"unauthorized"}},
		{botpress.TypeUnknown, 500, nil},
		{botpress.TypeUnsupportedMediaType, 415, nil},
	} {
		t.Run(string(test.errorType), func(t *testing.T) {
			c := failing(t, test.status, fmt.Sprintf(`{"id": "err_1", "code": %d, "type": %q, "message": "m"}`, test.status, test.errorType))
			_, err := c.GetUser(t.Context(), "u")
			var e *botpress.Error
			if !errors.As(err, &e) || e.Type != test.errorType || e.Status != test.status {
				t.Errorf("error %v", err)
			}
			for name, sentinel := range sentinels {
				want := strings.Contains(strings.Join(test.is, ","), name)
				if got := errors.Is(fmt.Errorf("wrapped: %w", err), sentinel); got != want {
					t.Errorf("is %s: %t", name, got)
				}
			}
		})
	}
}

// What an error keeps of a response is bounded, and every field may be missing.
func TestErrorBounds(t *testing.T) {
	long := strings.Repeat("ü", 20_000)
	var e *botpress.Error
	_, err := failing(t, 400, fmt.Sprintf(`{"id": %q, "type": %q, "message": %q, "metadata": %q}`, long, long, long, long)).GetUser(t.Context(), "u")
	if !errors.As(err, &e) {
		t.Fatal(err)
	}
	if len(e.ID) > 210 || len(e.Type) > 210 || len(e.Message) > 1010 || e.Metadata != nil {
		t.Errorf("lengths %d, %d, %d, %d", len(e.ID), len(e.Type), len(e.Message), len(e.Metadata))
	}
	if !strings.HasSuffix(e.Message, "ü…") {
		t.Errorf("the message was cut in a character: %q", e.Message[len(e.Message)-8:])
	}
	_, err = failing(t, 409, fmt.Sprintf(`{"id":"err_1","type":"AlreadyExists","message":"no","metadata":%q}`, strings.Repeat(long, 20))).GetUser(t.Context(), "u")
	if !errors.As(err, &e) || !errors.Is(err, botpress.ErrAlreadyExists) || e.ID != "err_1" || e.Message != "no" || e.Metadata != nil {
		t.Errorf("of an error with long metadata remains %.200v", err)
	}
	_, err = failing(t, 400, `{"type": "Runtime", "metadata": null}`).GetUser(t.Context(), "u")
	if !errors.As(err, &e) || e.Metadata != nil {
		t.Errorf("metadata %s", e.Metadata)
	}
	if text := (&botpress.Error{Status: 404, Type: botpress.TypeResourceNotFound}).Error(); text != "botpress: 404 ResourceNotFound" {
		t.Errorf("%q", text)
	}
}

// Whatever a server answers, a call returns: a user, or an error that is
// bounded, on one line, and without the token.
func FuzzAnswer(f *testing.F) {
	f.Add(200, `{"user": {"id": "u"}}`, "")
	f.Add(200, `<html>`, "")
	f.Add(404, `{"id": "err_1", "code": 404, "type": "ResourceNotFound", "message": "no"}`, "")
	f.Add(429, `{"type": "RateLimited", "message": "bp_fuzz_token", "metadata": {"a": [1]}}`, "1e400")
	f.Add(307, ``, "Fri, 31 Dec 9999 23:59:59 GMT")
	f.Add(503, "\x00\n\xff", "-0")
	f.Fuzz(func(t *testing.T, status int, body, after string) {
		if status < 200 || status > 599 {
			return // net/http does not return them
		}
		c, err := botpress.New(botpress.Options{
			Token: "bp_fuzz_token",
			Retry: botpress.Retry{Max: -1},
			HTTPClient: &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
				res := answer(status, body)
				res.Header.Set("Retry-After", after)
				return res, nil
			})},
		})
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.GetUser(t.Context(), "u")
		if err == nil {
			if status > 299 {
				t.Errorf("status %d passed", status)
			}
			return
		}
		text := err.Error()
		if len(text) > 4000 || strings.ContainsAny(text, "\n\r\x00") || strings.Contains(text, "bp_fuzz_token") {
			t.Errorf("%d bytes: %.300q", len(text), text)
		}
		var e *botpress.Error
		if errors.As(err, &e) && e.RetryAfter < 0 {
			t.Errorf("retry after %v", e.RetryAfter)
		}
	})
}
