package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/expfmt"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/hitl"
)

func TestMetrics(t *testing.T) {
	cloud := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"user":{"id":"user_1","tags":{}}}`)
	}))
	defer cloud.Close()
	registry := prometheus.NewRegistry()
	m := newMetrics(registry)
	server, err := newServer(hitl.Options{Insecure: true, Botpress: botpress.Options{BaseURL: cloud.URL, Token: "token"}}, m)
	if err != nil {
		t.Fatal(err)
	}
	for operation, body := range map[string]string{
		"action_triggered": `{"type":"createUser","input":{"name":"Jane","email":"jane@example.com"}}`,
		"nonsense":         `{}`,
	} {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		for name, value := range map[string]string{
			"x-bp-operation": operation, "x-bot-id": "b", "x-bot-user-id": "u", "x-integration-id": "i",
			"x-integration-alias": "a", "x-webhook-id": "w", "x-bp-configuration": "e30=",
		} {
			r.Header.Set(name, value)
		}
		server.ServeHTTP(httptest.NewRecorder(), r)
	}
	if n := testutil.CollectAndCount(m.operations); n != 2 {
		t.Errorf("%d kinds of operations, want 2", n)
	}
	scrape, err := testutil.CollectAndFormat(m.perOp, expfmt.TypeTextPlain, "hitl_operation_api_calls")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		`hitl_operation_api_calls_sum{action="createUser",operation="action_triggered"} 2`,
		`hitl_operation_api_calls_sum{action="",operation="unknown"} 0`,
	} {
		if !strings.Contains(string(scrape), line) {
			t.Errorf("no line %q in\n%s", line, scrape)
		}
	}
	if n := testutil.CollectAndCount(m.calls); n != 2 {
		t.Errorf("%d kinds of calls, want 2", n)
	}
}
