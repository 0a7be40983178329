package hitl_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/internal/corpus"
)

// What people write in place of an address must neither fail the start nor make one person of many.
func TestEmails(t *testing.T) {
	var told, created string
	desk := &fakeDesk{createUser: func(_ context.Context, r hitl.CreateUserRequest) (hitl.Ref, error) {
		told = r.Email
		return hitl.Ref{ID: "ext-1"}, nil
	}}
	api := roundTrip(func(r *http.Request) (*http.Response, error) {
		if r.Method == http.MethodPost && strings.HasPrefix(r.URL.Path, "/v1/chat/users") {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return nil, err
			}
			r.Body, created = io.NopCloser(bytes.NewReader(body)), r.URL.Path
		}
		return botpressAPI{}.RoundTrip(r)
	})
	s := desk.server(t, hitl.Options{Botpress: botpress.Options{HTTPClient: &http.Client{Transport: api}}})
	for _, kind := range corpus.Load(t, "testdata/addresses.txt") {
		t.Run(kind.Name, func(t *testing.T) {
			for _, c := range kind.Cases {
				input, err := json.Marshal(map[string]string{"name": "Jane", "email": c.In})
				if err != nil {
					t.Fatal(err)
				}
				told, created = "", ""
				a := ask(s, request([2]string{"action_triggered", fmt.Sprintf(`{"type":"createUser","input":%s}`, input)}))
				shared := strings.HasSuffix(created, "/get-or-create")
				if a.status != http.StatusOK || told != c.Want || shared != (c.Want != "" || strings.Contains(c.In, "botpress.com")) {
					t.Errorf("line %d: %q: answered %d, told %q, want %q; found again: %t", c.Line, c.In, a.status, told, c.Want, shared)
				}
			}
		})
	}
}

// A user of before may have been stored with no address.
func TestEmailOfAStart(t *testing.T) {
	for stored, want := range map[string]string{"n/a": "", "jane@shop.example": "jane@shop.example", "user_1@no-reply.bot-1.botpress.com": ""} {
		api := roundTrip(func(r *http.Request) (*http.Response, error) {
			res, err := botpressAPI{}.RoundTrip(r)
			if err == nil {
				body, _ := io.ReadAll(res.Body)
				notStarted := strings.Replace(string(body), `"startedAt":"1999-01-01T00:00:00.000Z"`, `"more":"1"`, 1)
				res.Body = io.NopCloser(strings.NewReader(strings.Replace(notStarted, `"id":"ext-1"`, `"id":"ext-1","email":"`+stored+`"`, 1)))
			}
			return res, err
		})
		desk := &emailDesk{told: "not told"}
		s, err := hitl.NewServer(hitl.Definition{Name: "acme-desk", Version: "1.0.0"}, desk.connect, &hitl.Options{
			Insecure: true, SweepEvery: -1, Botpress: botpress.Options{Token: apiToken, HTTPClient: &http.Client{Transport: api}},
		})
		if err != nil {
			t.Fatal(err)
		}
		a := ask(s, request([2]string{"action_triggered", `{"type":"startHitl","input":{"userId":"user_1","messageHistory":[]}}`}))
		if a.status != http.StatusOK || desk.told != want {
			t.Errorf("%s: answered %d, told %q, want %q", stored, a.status, desk.told, want)
		}
	}
}

type emailDesk struct {
	stub[struct{}]

	told string
}

func (d *emailDesk) connect(context.Context, hitl.Installation, fakeConfig) (*emailDesk, error) {
	return d, nil
}

func (d *emailDesk) StartHitl(_ context.Context, r hitl.StartHitlRequest[struct{}]) (hitl.Ref, error) {
	d.told = r.UserEmail
	return hitl.Ref{ID: "T-1"}, nil
}
