package botpress_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hitl-go/sdk/botpress"
)

// sends calls f with a client and returns the body that it sent, as JSON.
func sends(t *testing.T, f func(*botpress.Client) error) string {
	t.Helper()
	var body []byte
	c := newClient(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ = io.ReadAll(r.Body)
		fmt.Fprint(w, `{}`)
	}))
	if err := f(c); err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// Zero values become what the API wants where it insists on something: an empty
// object, an empty list, or null where null has a meaning.
func TestZeroParams(t *testing.T) {
	ctx := t.Context()
	key := botpress.StateKey{Type: botpress.StateOfConversation, ID: "c", Name: "n"}
	for _, test := range []struct {
		name, want string
		call       func(*botpress.Client) error
	}{
		{"createUser", `{"tags":{}}`, func(c *botpress.Client) error {
			_, err := c.CreateUser(ctx, botpress.CreateUserParams{})
			return err
		}},
		{"updateUser", `{}`, func(c *botpress.Client) error {
			_, err := c.UpdateUser(ctx, "u", botpress.UpdateUserParams{})
			return err
		}},
		{"updateUser, unset", `{"tags":{"a":""},"name":null,"pictureUrl":""}`, func(c *botpress.Client) error {
			_, err := c.UpdateUser(ctx, "u", botpress.UpdateUserParams{
				Tags: botpress.Tags{"a": ""}, Name: botpress.Null[string](), PictureURL: botpress.Set(""),
			})
			return err
		}},
		{"createMessage", `{"conversationId":"","userId":"","type":"","payload":{},"tags":{}}`, func(c *botpress.Client) error {
			_, err := c.CreateMessage(ctx, botpress.CreateMessageParams{})
			return err
		}},
		{"updateMessage", `{"tags":{}}`, func(c *botpress.Client) error {
			_, err := c.UpdateMessage(ctx, "m", botpress.UpdateMessageParams{})
			return err
		}},
		{"importMessages", `{"messages":[]}`, func(c *botpress.Client) error {
			_, err := c.ImportMessages(ctx, nil)
			return err
		}},
		{"initializeIncomingMessage", `{"userId":"u","conversation":{"channel":"hitl","tags":{},"discriminateByTags":[]},` +
			`"message":{"type":"text","payload":{},"tags":{},"discriminateByTags":[]}}`, func(c *botpress.Client) error {
			_, err := c.InitializeIncomingMessage(ctx, botpress.InitializeIncomingMessageParams{
				UserID:       "u",
				Conversation: &botpress.GetOrCreateConversationParams{Channel: "hitl"},
				Message:      &botpress.IncomingMessage{Type: "text"},
			})
			return err
		}},
		{"createEvent", `{"type":"x","payload":{}}`, func(c *botpress.Client) error {
			_, err := c.CreateEvent(ctx, botpress.CreateEventParams{Type: "x"})
			return err
		}},
		{"createEvent, later", `{"type":"x","payload":{},"schedule":{"delay":1500}}`, func(c *botpress.Client) error {
			_, err := c.CreateEvent(ctx, botpress.CreateEventParams{Type: "x", Schedule: &botpress.Schedule{Delay: 1500 * time.Millisecond}})
			return err
		}},
		{"createEvent, at once", `{"type":"x","payload":{},"schedule":{"delay":1}}`, func(c *botpress.Client) error {
			_, err := c.CreateEvent(ctx, botpress.CreateEventParams{Type: "x", Schedule: &botpress.Schedule{}})
			return err
		}},
		{"createEvent, in a moment", `{"type":"x","payload":{},"schedule":{"delay":1}}`, func(c *botpress.Client) error {
			_, err := c.CreateEvent(ctx, botpress.CreateEventParams{Type: "x", Schedule: &botpress.Schedule{Delay: 300 * time.Microsecond}})
			return err
		}},
		{"createEvent, at a time", `{"type":"x","payload":{},"schedule":{"dateTime":"2026-11-21T09:20:30.100Z"}}`, func(c *botpress.Client) error {
			at := time.Date(2026, 11, 21, 10, 20, 30, 100_900_000, time.FixedZone("CET", 3600))
			_, err := c.CreateEvent(ctx, botpress.CreateEventParams{Type: "x", Schedule: &botpress.Schedule{DateTime: at}})
			return err
		}},
		{"setState, delete", `{"payload":null}`, func(c *botpress.Client) error {
			_, err := c.SetState(ctx, key, botpress.SetStateParams{})
			return err
		}},
		{"setState, expiry", `{"payload":{"a":1},"expiry":60000}`, func(c *botpress.Client) error {
			_, err := c.SetState(ctx, key, botpress.SetStateParams{Payload: json.RawMessage(`{"a":1}`), Expiry: time.Minute})
			return err
		}},
		{"setState, no expiry", `{"payload":{},"expiry":null}`, func(c *botpress.Client) error {
			_, err := c.SetState(ctx, key, botpress.SetStateParams{Payload: json.RawMessage(`{}`), Expiry: botpress.Never})
			return err
		}},
		{"getOrSetState, short", `{"payload":{},"expiry":1}`, func(c *botpress.Client) error {
			_, err := c.GetOrSetState(ctx, key, botpress.SetStateParams{Expiry: time.Microsecond})
			return err
		}},
		{"setStateExpiry, never", `{"expiry":null}`, func(c *botpress.Client) error {
			_, err := c.SetStateExpiry(ctx, key, 0)
			return err
		}},
		{"callAction", `{"type":"zendesk:startHitl","input":{}}`, func(c *botpress.Client) error {
			_, err := c.CallAction(ctx, botpress.CallActionParams{Type: "zendesk:startHitl"})
			return err
		}},
		{"updateIntegration", `{}`, func(c *botpress.Client) error {
			_, err := c.UpdateIntegration(ctx, "i", botpress.UpdateIntegrationParams{})
			return err
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := sends(t, test.call); got != test.want {
				t.Errorf("sent %s\nwant %s", got, test.want)
			}
		})
	}
}

// Params that the caller keeps are not written to.
func TestParamsAreNotChanged(t *testing.T) {
	m := botpress.IncomingMessage{Type: "text"}
	p := botpress.InitializeIncomingMessageParams{UserID: "u", ConversationID: "c", Message: &m}
	sends(t, func(c *botpress.Client) error {
		_, err := c.InitializeIncomingMessage(t.Context(), p)
		return err
	})
	if diff := cmp.Diff(botpress.IncomingMessage{Type: "text"}, m); diff != "" {
		t.Error(diff)
	}
}

// The bodies with which Botpress' own command line deploys an integration go
// through the types without loss, nulls and empty objects included.
func TestDefinitionRoundTrip(t *testing.T) {
	for file, value := range map[string]any{
		"testdata/acme-desk.create.json": &botpress.CreateIntegrationParams{},
		"testdata/acme-desk.update.json": &botpress.UpdateIntegrationParams{},
	} {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(data, value); err != nil {
			t.Fatal(err)
		}
		again, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		var want, got any
		if err := json.Unmarshal(data, &want); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(again, &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-file +types):\n%s", file, diff)
		}
	}
}

func TestGetOrCreateTellsWhetherItCreated(t *testing.T) {
	c := newClient(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `{"user": {"id": "u"}, "conversation": {"id": "c"}, "message": {"id": "m"}, "meta": {"created": true}}`)
	}))
	u, userCreated, err := c.GetOrCreateUser(t.Context(), botpress.GetOrCreateUserParams{})
	if err != nil || u.ID != "u" || !userCreated {
		t.Errorf("user %q, created %t, error %v", u.ID, userCreated, err)
	}
	conv, convCreated, err := c.GetOrCreateConversation(t.Context(), botpress.GetOrCreateConversationParams{})
	if err != nil || conv.ID != "c" || !convCreated {
		t.Errorf("conversation %q, created %t, error %v", conv.ID, convCreated, err)
	}
	m, messageCreated, err := c.GetOrCreateMessage(t.Context(), botpress.GetOrCreateMessageParams{})
	if err != nil || m.ID != "m" || !messageCreated {
		t.Errorf("message %q, created %t, error %v", m.ID, messageCreated, err)
	}
}

func TestUploadFile(t *testing.T) {
	var stored, kind, tagging string
	attempts := 0
	storage := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if attempts++; attempts == 1 {
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		data, _ := io.ReadAll(r.Body)
		stored, kind, tagging = string(data), r.Header.Get("Content-Type"), r.Header.Get("X-Amz-Tagging")
	}))
	t.Cleanup(storage.Close)
	var size float64
	c := newClient(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var p map[string]any
		if err := json.NewDecoder(r.Body).Decode(&p); err != nil {
			t.Error(err)
		}
		size, _ = p["size"].(float64)
		fmt.Fprintf(w, `{"file": {"id": "f", "size": null, "uploadUrl": %q, "contentType": "text/plain"}}`, storage.URL)
	}))
	f, err := c.UploadFile(t.Context(), botpress.UpsertFileParams{Key: "a.txt", PublicContentImmediatelyAccessible: true}, []byte("grüße"))
	if err != nil {
		t.Fatal(err)
	}
	if f.Size != 7 || size != 7 || stored != "grüße" || kind != "text/plain" || tagging != "public=true" || attempts != 2 {
		t.Errorf("size %d, announced %v, stored %q as %q with %q in %d attempts", f.Size, size, stored, kind, tagging, attempts)
	}
}

func TestRotationWithoutSecret(t *testing.T) {
	c := newClient(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, `{}`) }))
	if _, err := c.RotateIntegrationSigningSecrets(t.Context(), "i"); err == nil {
		t.Error("a rotation that returns no secret passed")
	}
}

func TestOptional(t *testing.T) {
	type fields struct {
		A botpress.Optional[string] `json:"a,omitzero"`
		B botpress.Optional[string] `json:"b,omitzero"`
		C botpress.Optional[string] `json:"c,omitzero"`
	}
	var f fields
	if err := json.Unmarshal([]byte(`{"a":"x","b":null}`), &f); err != nil {
		t.Fatal(err)
	}
	a, hasA := f.A.Get()
	_, hasB := f.B.Get()
	if a != "x" || !hasA || hasB || f.B.IsZero() || !f.C.IsZero() {
		t.Errorf("%+v", f)
	}
	data, err := json.Marshal(f)
	if err != nil || string(data) != `{"a":"x","b":null}` {
		t.Errorf("%s, %v", data, err)
	}
}
