package hitl_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/internal/corpus"
)

type optionalFields struct {
	Region string   `json:"region,omitempty" jsonschema:"enum=eu,enum=us,default=eu"`
	Mail   string   `json:"mail,omitempty" jsonschema:"format=email"`
	Code   string   `json:"code,omitempty" jsonschema:"pattern=^[A-Z]+$"`
	Note   string   `json:"note,omitempty" jsonschema:"minLength=3"`
	Limit  int      `json:"limit,omitempty" jsonschema:"minimum=1"`
	Loud   bool     `json:"loud,omitempty"`
	Teams  []string `json:"teams,omitempty" jsonschema:"minItems=1"`
}

func TestClearedFields(t *testing.T) {
	var configured, started string
	desk := &sessionDesk[optionalFields]{start: func(p optionalFields) { started = fmt.Sprint(p) }}
	connect := func(_ context.Context, _ hitl.Installation, c optionalFields) (*sessionDesk[optionalFields], error) {
		configured = fmt.Sprint(c)
		return desk, nil
	}
	transport := roundTrip(func(r *http.Request) (*http.Response, error) {
		res, err := botpressAPI{}.RoundTrip(r)
		if err == nil { // Sessions that have not started.
			body, _ := io.ReadAll(res.Body)
			res.Body = io.NopCloser(strings.NewReader(strings.Replace(string(body), `"startedAt":"1999-01-01T00:00:00.000Z"`, `"more":"1"`, 1)))
		}
		return res, err
	})
	for _, kind := range corpus.Load(t, "testdata/cleared.txt") {
		t.Run(kind.Name, func(t *testing.T) {
			for _, c := range kind.Cases {
				s, err := hitl.NewServer(hitl.Definition{Name: "acme-desk", Version: "1.0.0"}, connect, &hitl.Options{
					Insecure: true, SweepEvery: -1, Botpress: botpress.Options{Token: apiToken, HTTPClient: &http.Client{Transport: transport}},
				})
				if err != nil {
					t.Fatal(err)
				}
				configured, started = "", ""
				register := configuredRequest("register", `{"webhookUrl":"https://example.com"}`, c.In)
				start := configuredRequest("action_triggered", `{"type":"startHitl","input":{"userId":"user_1","messageHistory":[],"hitlSession":`+c.In+`}}`, "{}")
				if a := ask(s, register); configured != c.Want && !strings.Contains(a.body, c.Want) {
					t.Errorf("line %d: configured with %s: told %q, answered %d %s", c.Line, c.In, configured, a.status, a.body)
				}
				if a := ask(s, start); started != c.Want && !strings.Contains(a.body, c.Want) {
					t.Errorf("line %d: started with %s: told %q, answered %d %s", c.Line, c.In, started, a.status, a.body)
				}
			}
		})
	}
}

func configuredRequest(operation, body, configuration string) *http.Request {
	return configured(request([2]string{operation, body}), configuration)
}
