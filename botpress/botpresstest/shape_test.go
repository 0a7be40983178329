package botpresstest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/botpress/botpresstest"
)

// TestDefinitionShapes sets one thing of a definition that is right, and asks whether it may be created.
func TestDefinitionShapes(t *testing.T) {
	official := "OK" // What the official OpenAPI says of the last request.
	s := botpresstest.NewServer(&botpresstest.Options{Middleware: checking(t, func(err error) {
		if strings.Contains(err.Error(), ": answer ") {
			t.Error(err)
		} else {
			official = "InvalidPayload"
		}
	})})
	t.Cleanup(s.Close)
	me, err := botpress.New(botpress.Options{BaseURL: s.URL, Token: s.Token, WorkspaceID: botpresstest.WorkspaceID})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(me.CloseIdleConnections)
	hitl, err := me.GetPublicInterface(t.Context(), "hitl", "2.1.0")
	if err != nil {
		t.Fatal(err)
	}
	definition := func() map[string]any {
		data, err := json.Marshal(desk(hitl.ID, nil))
		if err != nil {
			t.Fatal(err)
		}
		var d map[string]any
		if err := json.Unmarshal(data, &d); err != nil {
			t.Fatal(err)
		}
		return d
	}
	ask := func(method, path string, body any) string {
		official = "OK"
		data, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequestWithContext(t.Context(), method, s.URL+"/v1/admin/integrations"+path, bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", "Bearer "+s.Token)
		req.Header.Set("x-workspace-id", botpresstest.WorkspaceID)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		answer, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode == http.StatusOK {
			if official != "OK" {
				t.Errorf("%s is taken, and the OpenAPI refuses it", data)
			}
			return "OK"
		}
		kind, _ := field(t, answer, "type").(string)
		guess := fmt.Sprint(field(t, answer, "message")) // The OpenAPI says nothing of schemas, and of the forms of names and versions.
		guessed := kind == "InvalidJsonSchema" || strings.HasPrefix(guess, "name must consist") || strings.HasPrefix(guess, "version must be")
		if official == "OK" && !guessed {
			t.Errorf("%s is refused with %s, and the OpenAPI takes it", data, guess)
		}
		return kind
	}
	created, err := me.CreateIntegration(t.Context(), desk(hitl.ID, func(p *botpress.CreateIntegrationParams) { p.Version = "0.0.1" }))
	if err != nil {
		t.Fatal(err)
	}
	text := func(n int) string { return `"` + strings.Repeat("é", n) + `"` }
	const ok, payload, schema = "OK", "InvalidPayload", "InvalidJsonSchema"
	for _, row := range []struct{ at, is, want string }{
		{"title", text(64), ok},
		{"title", text(65), payload},
		{"title", `""`, payload},
		{"title", "5", payload},
		{"description", text(256), ok},
		{"description", text(257), payload},
		{"name", `"acme/` + strings.Repeat("d", 195) + `"`, ok},
		{"name", `"acme/` + strings.Repeat("d", 196) + `"`, payload},
		{"name", `"acme/D X"`, payload},
		{"version", `"1"`, payload},
		{"version", `"1.0.0-` + strings.Repeat("1", 200) + `"`, payload},
		{"version", `"1.0.0-rc.1"`, ok},
		{"url", "5", payload},
		{"sdkVersion", "{}", payload},
		{"visibility", `"hidden"`, payload},
		{"public", `"yes"`, payload},
		{"layers", "[1]", payload},
		{"dev", "true", ok},
		{"dev", "1", payload},
		{"maxExecutionTime", "5", payload},
		{"attributes", `{"a":` + text(200) + `}`, ok},
		{"attributes", `{"a":` + text(201) + `}`, payload},
		{"attributes", "[]", payload},
		{"secrets", `{"A":null,"B":"x"}`, ok},
		{"secrets", `{"A":1}`, payload},
		{"identifier", `"x"`, payload},
		{"identifier", `{"extractScript":` + text(2001) + `}`, payload},
		{"user", "7", payload},
		{"user.tags", `{"id":{"title":` + text(65) + `}}`, payload},
		{"user.tags", `{"id":{"nonsense":1}}`, payload},
		{"user.creation", `{"enabled":true,"requiredTags":["id"]}`, ok},
		{"user.creation", `{"enabled":true}`, payload},
		{"configuration", `{"schema":{},"identifier":{"required":true}}`, ok},
		{"configuration", `{"identifier":{"required":"yes"}}`, payload},
		{"configurations", `{"a":{"schema":{"type":"object"}}}`, ok},
		{"configurations", `{"a":null}`, payload},
		{"configurations", "[]", payload},
		{"states", `{"x":{"type":"user","schema":{}}}`, ok},
		{"states", `{"x":{"type":"bot","schema":{}}}`, payload},
		{"states", `{"x":{"type":"user"}}`, payload},
		{"states", `{"x":{"type":"user","schema":true}}`, payload},
		{"events.rated", `{"schema":{},"nonsense":1}`, payload},
		{"events.rated", "{}", payload},
		{"events.rated", `{"schema":{},"attributes":{"a":"b"}}`, ok},
		{"actions.a", "{}", payload},
		{"actions.a", `{"input":{"schema":{}},"output":{}}`, payload},
		{"actions.a", "null", payload},
		{"actions.a", `{"input":{"schema":{}},"output":{"schema":{}},"billable":true}`, ok},
		{"actions.a", `{"input":{"schema":{}},"output":{"schema":{}},"title":` + text(65) + `}`, payload},
		{"entities.ticket", `{"schema":{},"title":1}`, payload},
		{"entities.ticket", "{}", payload},
		{"channels.chat.messages", "null", payload},
		{"channels.chat.messages.text", `{"schema":[]}`, payload},
		{"channels.chat.message", `{"tags":{"a":{}}}`, ok},
		{"channels.chat.message", `{"tags":[]}`, payload},
		{"channels.chat.conversation", `{"creation":{"requiredTags":[]}}`, payload},
		{"interfaces.hitl<ticket>.id", `"short"`, payload},
		{"interfaces.hitl<ticket>.actions.stopHitl", "{}", payload},
		{"extraOperations", `{"x":{"enabled":true}}`, ok},
		{"extraOperations", `{"x":{}}`, payload},
		{"planet", "1", payload},

		{"entities.ticket.schema", `{"type":"nonsense"}`, schema},
		{"entities.ticket.schema", `{"type":["string","null"]}`, ok},
		{"entities.ticket.schema", `{"type":["string","text"]}`, schema},
		{"entities.ticket.schema", `{"minLength":"x"}`, schema},
		{"entities.ticket.schema", `{"maxItems":-1}`, schema},
		{"entities.ticket.schema", `{"minimum":1.5}`, ok},
		{"entities.ticket.schema", `{"properties":{"a":{"type":"text"}}}`, schema},
		{"entities.ticket.schema", `{"properties":[]}`, schema},
		{"entities.ticket.schema", `{"items":{"type":"text"}}`, schema},
		{"entities.ticket.schema", `{"items":[{"type":"string"},true]}`, ok},
		{"entities.ticket.schema", `{"anyOf":[{"required":"a"}]}`, schema},
		{"entities.ticket.schema", `{"additionalProperties":{"enum":"a"}}`, schema},
		{"entities.ticket.schema", `{"properties":{"type":{"type":"string"},"minLength":{}},"default":{"type":"nonsense"},"x-zui":{"type":5}}`, ok},
	} {
		d := definition()
		path := strings.Split(row.at, ".")
		in := d
		for _, key := range path[:len(path)-1] {
			if in[key] == nil {
				in[key] = map[string]any{}
			}
			in, _ = in[key].(map[string]any)
		}
		var is any
		if err := json.Unmarshal([]byte(row.is), &is); err != nil {
			t.Fatal(err)
		}
		in[path[len(path)-1]] = is
		if got := ask(http.MethodPost, "/validate", d); got != row.want {
			t.Errorf("%s = %.60s: %s, want %s", row.at, row.is, got, row.want)
		}
		if name := path[0]; name == "name" || name == "version" || name == "dev" || name == "maxExecutionTime" || is == nil || row.is == `{"a":null}` {
			continue
		}
		delete(d, "name")
		delete(d, "version")
		if got := ask(http.MethodPut, "/"+created.ID+"/validate", d); got != row.want {
			t.Errorf("update of %s = %.60s: %s, want %s", row.at, row.is, got, row.want)
		}
	}
	for change, want := range map[string]string{
		`{"actions":{"rate":null},"attributes":{"a":null},"configurations":{"a":null}}`: ok, `{"maxExecutionTime":30}`: ok, `{"dev":true}`: payload,
		`{"url":null}`: ok, `{"title":null}`: payload, `{"actions":null}`: payload, `{"channels":{"chat":{"messages":null}}}`: payload,
		`{"maxExecutionTime":"long"}`: payload, `{"title":""}`: payload,
	} {
		if got := ask(http.MethodPut, "/"+created.ID+"/validate", json.RawMessage(change)); got != want {
			t.Errorf("update with %s: %s, want %s", change, got, want)
		}
	}
}
