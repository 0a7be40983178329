package botpress_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hitl-go/sdk/botpress"
)

// An id that names another resource, or none, must not reach the API.
func TestPathParameters(t *testing.T) {
	var path string
	c := newClient(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path = r.URL.EscapedPath()
		fmt.Fprint(w, `{}`)
	}))
	for _, id := range []string{"", ".", ".."} {
		path = ""
		if err := c.DeleteUser(t.Context(), id); err == nil || !strings.Contains(err.Error(), "id is") {
			t.Errorf("id %q: error %v", id, err)
		}
		if err := c.RemoveParticipant(t.Context(), "conversation", id); err == nil || !strings.Contains(err.Error(), "userId is") {
			t.Errorf("second id %q: error %v", id, err)
		}
		if _, err := c.GetState(t.Context(), botpress.StateKey{Type: botpress.StateOfUser, ID: "u", Name: id}); err == nil {
			t.Errorf("state name %q: no error", id)
		}
		if path != "" {
			t.Errorf("id %q: a request went to %s", id, path)
		}
	}
	for id, want := range map[string]string{
		"a/b":      "/v1/chat/users/a%2Fb",
		"../bots":  "/v1/chat/users/..%2Fbots",
		"a?b#c":    "/v1/chat/users/a%3Fb%23c",
		"%2e%2e":   "/v1/chat/users/%252e%252e",
		"{id}":     "/v1/chat/users/%7Bid%7D",
		"ü \r\nX:": "/v1/chat/users/%C3%BC%20%0D%0AX:",
	} {
		if err := c.DeleteUser(t.Context(), id); err != nil {
			t.Errorf("id %q: %v", id, err)
		}
		if path != want {
			t.Errorf("id %q went to %s, want %s", id, path, want)
		}
	}
}

// Responses that the API does not give, but a proxy or an attacker may.
func TestBadAnswers(t *testing.T) {
	for _, test := range []struct {
		name   string
		answer http.HandlerFunc
		says   string
	}{
		{"HTML with 200", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, "<html>Please log in</html>")
		}, "text/html"},
		{"nothing with 200", func(http.ResponseWriter, *http.Request) {}, "not the expected JSON"},
		{"JSON of another shape", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"user": [1]}`) }, "not the expected JSON"},
		{"array", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `[]`) }, "not the expected JSON"},
		{"two objects", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"user": {}}{"user": {}}`) }, "not the expected JSON"},
		{"truncated body", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			fmt.Fprint(w, `{"user": {"id"`)
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}, "broke off after 14 bytes"},
		{"truncated chunks", func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"user": {"id"`)
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}, "broke off"},
		{"17 MB", func(w http.ResponseWriter, _ *http.Request) { fill(w, 17<<20) }, "larger than 16 MiB"},
		{"17 MB in a few kilobytes of gzip", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			var member bytes.Buffer
			z := gzip.NewWriter(&member)
			fill(z, 1<<20)
			_ = z.Close()
			for range 17 {
				_, _ = w.Write(member.Bytes())
			}
		}, "larger than 16 MiB"},
		{"error of 10 MB", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			fill(w, 10<<20)
		}, "400 Unknown: xxx"},
		{"JSON error of 10 MB", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"code": 400, "type": "InvalidPayload", "message": "`)
			fill(w, 10<<20)
			fmt.Fprint(w, `"}`)
		}, "400 Unknown"},
		{"JSON error with 30 kB of text", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprintf(w, `{"code": 400, "type": "InvalidPayload", "message": "%s"}`, strings.Repeat("ü", 15000))
		}, "400 InvalidPayload: üüü"},
		{"HTML error", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNotImplemented)
			fmt.Fprint(w, "<html>\n<h1>nginx\x00\x1b[31m</h1>\n</html>")
		}, "501 Unknown: <html> <h1>nginx"},
		{"error without a body", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }, "418 Unknown"},
		{"truncated error", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			w.WriteHeader(http.StatusConflict)
			fmt.Fprint(w, `{"type": "RelationConflict"`)
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}, "409 Unknown"},
		{"informational and then nothing", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusEarlyHints)
			panic(http.ErrAbortHandler)
		}, "EOF"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := newClient(t, test.answer, func(o *botpress.Options) { o.Retry.Max = -1 })
			_, err := c.GetUser(t.Context(), "u")
			if err == nil {
				t.Fatal("no error")
			}
			if !strings.Contains(err.Error(), test.says) {
				t.Errorf("%.300q does not say %q", err, test.says)
			}
			if len(err.Error()) > 2500 {
				t.Errorf("the error is %d bytes long", len(err.Error()))
			}
			if strings.ContainsAny(err.Error(), "\n\x00\x1b") {
				t.Errorf("%q has control characters", err)
			}
		})
	}
}

// An operation without a result accepts an empty body, but not any body.
func TestVoidAnswers(t *testing.T) {
	body := ""
	c := newClient(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, body) }))
	if err := c.DeleteUser(t.Context(), "u"); err != nil {
		t.Error(err)
	}
	body = "<html>"
	if err := c.DeleteUser(t.Context(), "u"); err == nil {
		t.Error("HTML passed for a success")
	}
}

// What is tagged is taken for done, so an answer that the API did not give is none.
func TestTagsNeedAnAnswer(t *testing.T) {
	body := ""
	c := newClient(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, body) }))
	for _, body = range []string{"", "<html>Please log in</html>", `{"message":7}`} {
		if err := c.TagMessage(t.Context(), "m", botpress.Tags{"delivered": "1/1"}); err == nil {
			t.Errorf("%q passed for a success", body)
		}
	}
	body = `{"message":{"id":"m","tags":{"delivered":"1/1"}}}`
	if err := c.TagMessage(t.Context(), "m", botpress.Tags{"delivered": "1/1"}); err != nil {
		t.Error(err)
	}
}

// The token, the ids and the body stay with the host that was configured.
func TestRedirectsAreNotFollowed(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("a request arrived elsewhere, with %v", r.Header)
	}))
	t.Cleanup(elsewhere.Close)
	for _, status := range []int{301, 302, 303, 307, 308} {
		c := newClient(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, status)
		}))
		var e *botpress.Error
		if _, err := c.GetUser(t.Context(), "u"); !errors.As(err, &e) || e.Status != status || !strings.Contains(e.Message, "redirect") {
			t.Errorf("GET, %d: %v", status, err)
		}
		if _, err := c.CreateUser(t.Context(), botpress.CreateUserParams{}); !errors.As(err, &e) || e.Status != status {
			t.Errorf("POST, %d: %v", status, err)
		}
	}
}

func TestBadParams(t *testing.T) {
	c := newClient(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a request was sent") }))
	_, err := c.CreateMessage(t.Context(), botpress.CreateMessageParams{Payload: json.RawMessage(`{"text":`)})
	if err == nil || !strings.Contains(err.Error(), "encode the request") {
		t.Errorf("half a payload: %v", err)
	}
	_, err = c.CreateEvent(t.Context(), botpress.CreateEventParams{
		Schedule: &botpress.Schedule{DateTime: time.Now(), Delay: -time.Second},
	})
	if err == nil || !strings.Contains(err.Error(), "schedule") {
		t.Errorf("negative delay: %v", err)
	}
	if _, err := c.UploadFile(t.Context(), botpress.UpsertFileParams{Key: "k"}, nil); err == nil {
		t.Error("an empty file passed")
	}
}

// A presigned address is a secret of another host: the token must not go there,
// nor the address into an error.
func TestUploadTellsNoSecret(t *testing.T) {
	storage := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, name := range []string{"Authorization", "X-Bot-Id", "X-Integration-Id", "X-Workspace-Id", "X-Extra"} {
			if r.Header.Get(name) != "" {
				t.Errorf("the storage gets %s", name)
			}
		}
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, "<Error>expired</Error>")
	}))
	t.Cleanup(storage.Close)
	address := storage.URL + "/b/k?X-Amz-Signature=s3cret"
	c := newClient(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"file": {"id": "file_1", "uploadUrl": %q, "contentType": "text/plain"}}`, address)
	}), func(o *botpress.Options) { o.Retry.Max, o.Header = -1, http.Header{"X-Extra": {"1"}} })
	upload := func() (botpress.File, error) {
		return c.UploadFile(t.Context(), botpress.UpsertFileParams{Key: "k.txt"}, []byte("hello"))
	}

	f, err := upload()
	if !errors.Is(err, botpress.ErrForbidden) || f.ID != "file_1" {
		t.Errorf("file %q, error %v", f.ID, err)
	}
	storage.Close()
	_, down := upload()
	address = "http://127.0.0.1:0/%zz?X-Amz-Signature=s3cret"
	_, malformed := upload()
	for _, text := range []string{fmt.Sprint(err), fmt.Sprint(down), fmt.Sprint(malformed), fmt.Sprintf("%+v", f)} {
		if strings.Contains(text, "s3cret") || text == "<nil>" {
			t.Errorf("the address is in: %s", text)
		}
	}
}

func TestCanceledContext(t *testing.T) {
	c := newClient(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a request was sent") }))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.GetUser(ctx, "u"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func fill(w io.Writer, n int) {
	chunk := bytes.Repeat([]byte("x"), 1<<20)
	for ; n > 0; n -= len(chunk) {
		if _, err := w.Write(chunk); err != nil {
			return // the client has read enough
		}
	}
}
