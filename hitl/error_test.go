package hitl_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/hitl/verify"
)

func TestErrors(t *testing.T) {
	const hidden = "An unexpected error occurred"
	for _, test := range []struct {
		name       string
		err        error // or a panic, if nil
		status     int
		code       int
		kind       string
		message    string // how it begins
		retryAfter string
	}{
		{"for the bot's owner", hitl.Errorf("no seat is free, %s", "sorry"), 400, 400, "Runtime", "no seat is free, sorry", ""},
		{"for the bot's owner, wrapped", fmt.Errorf("create: %w", hitl.Errorf("no seat")), 400, 400, "Runtime", "no seat", ""},
		{"an invalid payload", &hitl.Error{Message: "bad", Type: botpress.TypeInvalidPayload}, 400, 400, "InvalidPayload", "bad", ""},
		{"ordinary", errors.New("s3cr3t cause"), 500, 400, "Runtime", hidden, ""},
		{"out of time", context.DeadlineExceeded, 500, 400, "Runtime", hidden, ""},
		{"a panic", nil, 500, 400, "Runtime", hidden, ""},
		{"passing", hitl.Retryable(1500*time.Millisecond, errors.New("s3cr3t cause")), 503, 400, "Runtime", hidden, "2"},
		{"passing, some time", hitl.Retryable(0, errors.New("s3cr3t cause")), 503, 400, "Runtime", hidden, ""},
		{"Botpress: not found", &botpress.Error{Status: 404, Type: botpress.TypeResourceNotFound, Message: "no such user"}, 500, 400, "Runtime", "no such user", ""},
		{"Botpress: a runtime error", &botpress.Error{Status: 400, Type: botpress.TypeRuntime, Message: "an action failed"}, 400, 400, "Runtime", "an action failed", ""},
		{"Botpress: an invalid payload", &botpress.Error{Status: 400, Type: botpress.TypeInvalidPayload, Message: "no name"}, 400, 400, "InvalidPayload", "no name", ""},
		{"not genuine now", hitl.Retryable(10*time.Second, fmt.Errorf("webhook: %w: s3cr3t reason", verify.ErrInvalid)), 503, 400, "Runtime", hidden, "10"},
		{"not genuine", fmt.Errorf("webhook: %w: s3cr3t reason", verify.ErrInvalid), 401, 401, "Unauthorized", "the request is not genuine", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			var log bytes.Buffer
			desk := &fakeDesk{handleWebhook: func(context.Context, *http.Request) (hitl.Webhook, error) {
				if test.err == nil {
					panic("s3cr3t cause")
				}
				return hitl.Webhook{}, test.err
			}}
			a := ask(desk.server(t, hitl.Options{Logger: logTo(&log)}), request(webhook))
			f := a.failure(t)
			if a.status != test.status || f.Code != test.code || f.Type != test.kind {
				t.Errorf("got status %d, code %d, type %s, want %d, %d, %s", a.status, f.Code, f.Type, test.status, test.code, test.kind)
			}
			if !strings.HasPrefix(f.Message, test.message) || strings.Contains(a.body, "s3cr3t") {
				t.Errorf("got %q, want %q and no cause", f.Message, test.message)
			}
			if got := a.header.Get("Retry-After"); got != test.retryAfter {
				t.Errorf("got Retry-After %q, want %q", got, test.retryAfter)
			}
			if got := a.header.Get("Content-Type"); got != "application/json" {
				t.Errorf("got Content-Type %q", got)
			}
			if !strings.HasPrefix(f.ID, "err_") || !strings.Contains(log.String(), f.ID) {
				t.Errorf("the log has no line about %q:\n%s", f.ID, &log)
			}
			if strings.Contains(fmt.Sprint(test.err), "s3cr3t") && !strings.Contains(log.String(), "s3cr3t") {
				t.Errorf("the log does not say why:\n%s", &log)
			}
		})
	}
}

func TestErrorKeepsItsIDAndMetadata(t *testing.T) {
	for name, metadata := range map[string]json.RawMessage{"valid": []byte(`{"n":1}`), "broken": []byte(`{"n":`)} {
		t.Run(name, func(t *testing.T) {
			desk := &fakeDesk{createUser: func(context.Context, hitl.CreateUserRequest) (hitl.Ref, error) {
				return hitl.Ref{}, &hitl.Error{Message: "quota", ID: "err_mine", Metadata: metadata, Err: errors.New("the cause")}
			}}
			f := ask(desk.server(t, hitl.Options{}), request(createUser)).failure(t)
			if want := map[string]string{"valid": `{"n":1}`}[name]; f.ID != "err_mine" || string(f.Metadata) != want {
				t.Errorf("got id %q and metadata %s, want err_mine and %s", f.ID, f.Metadata, want)
			}
		})
	}
}

// A configuration that does not fit is explained to the bot's owner, without repeating what may be a secret.
func TestConfigurationErrorHidesValues(t *testing.T) {
	desk := &fakeDesk{}
	for _, configuration := range []string{`{"limit":123456789012345678901234567890}`, `{"token":["hunter22"]}`} {
		a := ask(desk.server(t, hitl.Options{}), configured(request(createUser), configuration))
		f := a.failure(t)
		if a.status != http.StatusBadRequest || !strings.Contains(f.Message, "configuration is invalid") {
			t.Errorf("%s: got %d %q", configuration, a.status, f.Message)
		}
		if strings.Contains(a.body, "1234567") || strings.Contains(a.body, "hunter22") {
			t.Errorf("%s: the answer repeats the value: %s", configuration, a.body)
		}
	}
}
