package openapitest

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func load(t *testing.T) *Spec {
	t.Helper()
	s, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestOperations(t *testing.T) {
	ops := load(t).Operations()
	if len(ops) != 75 {
		t.Errorf("%d operations; the documents have 74, the exceptions one", len(ops))
	}
	for _, op := range ops {
		for _, full := range []bool{true, false} {
			if status, body := op.Answer(full); status < 200 || status > 299 || body == nil {
				t.Errorf("%s: answer %d %v", op.ID, status, body)
			}
		}
	}
}

func TestMatch(t *testing.T) {
	s := load(t)
	for path, want := range map[string]string{
		"/v1/chat/users/get-or-create":           "",
		"/v1/chat/users/u":                       "getUser",
		"/v1/chat/users/a%2Fb":                   "getUser",
		"/v1/admin/integrations/iaks":            "listIntegrationApiKeys",
		"/v1/admin/integrations/i/logs":          "getIntegrationLogs",
		"/v1/admin/integrations/zendesk/1.0.0":   "getIntegrationByName",
		"/v1/admin/hub/interfaces/hitl/2.1.0":    "getPublicInterface",
		"/v1/chat/conversations/c/participants/": "",
		"/v1/chat/nothing":                       "",
	} {
		op, _, err := s.Match(httptest.NewRequest(http.MethodGet, path, http.NoBody))
		switch {
		case path == "/v1/chat/users/get-or-create":
			// For GET this is the id of a user.
		case want == "" && err == nil:
			t.Errorf("%s is %s", path, op.ID)
		case want != "" && (err != nil || op.ID != want):
			t.Errorf("%s: %v, want %s", path, err, want)
		}
	}
	op, params, err := s.Match(httptest.NewRequest(http.MethodPost, "/v1/chat/users/get-or-create", http.NoBody))
	if err != nil || op.ID != "getOrCreateUser" || len(params) != 0 {
		t.Errorf("POST get-or-create: %v %v", params, err)
	}
}

// The middleware reports only what does not conform.
func TestMiddleware(t *testing.T) {
	const user = `{"user": {"id": "user_01234567890123456789012345", "createdAt": "2026-11-21T10:20:30Z", "updatedAt": "2026-11-21T10:20:30Z", "tags": {}}}`
	type exchange struct {
		method, target, body string
		header               map[string]string
		status               int
		answer               string
	}
	spec := load(t)
	good := exchange{
		method: "POST", target: "/v1/chat/users", body: `{"tags": {"a": "b"}}`,
		header: map[string]string{"Authorization": "Bearer t", "X-Bot-Id": "b", "Content-Type": "application/json"},
		status: 201, answer: user,
	}
	without := func(name string) map[string]string {
		h := map[string]string{}
		for key, value := range good.header {
			if key != name {
				h[key] = value
			}
		}
		return h
	}
	for _, test := range []struct {
		name, says string
		change     func(*exchange)
	}{
		{"good", "", func(*exchange) {}},
		{"good list", "", func(e *exchange) {
			e.method, e.target, e.body, e.status = "GET", "/v1/chat/users?tags.a=b&pageSize=5&afterDate=x", "", 200
			e.answer = `{"users": [], "meta": {}}`
		}},
		{"good error", "", func(e *exchange) {
			e.status, e.answer = 404, `{"id": "err_1", "code": 404, "type": "ResourceNotFound", "message": "no"}`
		}},
		{"elsewhere", "", func(e *exchange) { e.target, e.answer = "/storage/x", "anything" }},
		{"no such operation", "no operation", func(e *exchange) { e.target = "/v1/chat/people" }},
		{"wrong method", "no operation", func(e *exchange) { e.method = "PATCH" }},
		{"no token", "bearer", func(e *exchange) { e.header = without("Authorization") }},
		{"no bot", "x-bot-id", func(e *exchange) { e.header = without("X-Bot-Id") }},
		{"missing field", "tags", func(e *exchange) { e.body = `{}` }},
		{"extra field", "colour", func(e *exchange) { e.body = `{"tags": {}, "colour": "red"}` }},
		{"wrong type", "tags", func(e *exchange) { e.body = `{"tags": {"a": 1}}` }},
		{"too long", "maximum", func(e *exchange) { e.body = `{"tags": {"a": "` + strings.Repeat("x", 501) + `"}}` }},
		{"no JSON", "request body", func(e *exchange) { e.body = `{"tags"` }},
		{"unknown query", "declare", func(e *exchange) { e.method, e.target = "GET", "/v1/chat/users?color=red" }},
		{"brackets", "declare", func(e *exchange) { e.method, e.target = "GET", "/v1/chat/users?tags[a]=b" }},
		{"bad enum", "sortField", func(e *exchange) { e.method, e.target = "GET", "/v1/chat/users?sortField=name" }},
		{"body where none is", "has none", func(e *exchange) { e.method, e.target, e.body = "DELETE", "/v1/chat/users/u", `{"id": "u"}` }},
		{"wrong status", "status", func(e *exchange) { e.status = 202 }},
		{"answer lacks a field", "updatedAt", func(e *exchange) { e.answer = strings.Replace(user, `"updatedAt": "2026-11-21T10:20:30Z", `, "", 1) }},
		{"answer has more", "colour", func(e *exchange) { e.answer = strings.Replace(user, `"tags"`, `"colour": "red", "tags"`, 1) }},
		{"short id", "minimum", func(e *exchange) { e.answer = strings.Replace(user, "01234567890123456789012345", "1", 1) }},
		{"bad time", "date-time", func(e *exchange) { e.answer = strings.Replace(user, "2026-11-21T10:20:30Z", "today", 1) }},
		{"error of another shape", "type", func(e *exchange) { e.status, e.answer = 500, `{"error": "boom"}` }},
		{"error of an unknown type", "enum", func(e *exchange) {
			e.status, e.answer = 500, `{"id": "e", "code": 500, "type": "Boom", "message": "m"}`
		}},
		{"error that is no JSON", "invalid", func(e *exchange) { e.status, e.answer = 500, `oops` }},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := good
			test.change(&e)
			var reported []string
			h := spec.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				var seen bytes.Buffer
				if _, err := seen.ReadFrom(r.Body); err != nil || seen.String() != e.body {
					t.Errorf("the handler sees the body %q, %v", &seen, err)
				}
				w.Header().Set("Content-Type", "application/json")
				w.Header().Set("X-Own", "1")
				w.WriteHeader(e.status)
				fmt.Fprint(w, e.answer)
			}), func(err error) { reported = append(reported, err.Error()) })

			r := httptest.NewRequest(e.method, e.target, strings.NewReader(e.body))
			for name, value := range e.header {
				r.Header.Set(name, value)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != e.status || w.Body.String() != e.answer || w.Header().Get("X-Own") != "1" {
				t.Errorf("the answer was changed: %d %s", w.Code, w.Body)
			}
			all := strings.Join(reported, "\n")
			if test.says == "" && all != "" || !strings.Contains(strings.ToLower(all), strings.ToLower(test.says)) {
				t.Errorf("reported %q, want %q", all, test.says)
			}
		})
	}
}
