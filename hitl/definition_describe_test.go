package hitl_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/internal/acme"
	"github.com/hitl-go/sdk/internal/recorded"
)

func TestDescriptionIsTheRecordedOne(t *testing.T) {
	s := acmeServer(t, acme.Definition(true))
	body := s.Describe()
	body.URL = "https://example.com/acme"
	body.Interfaces["hitl<ticket>"].ID = "iface_hitl"
	got, want := encoded(t, body), recording(t, "acme-desk.create.json")
	withoutOwn(t, got, want)
	if diff := cmp.Diff(recorded.Structure(want), recorded.Structure(got)); diff != "" {
		t.Errorf("the definition differs from the recorded one (-recorded +ours):\n%s", diff)
	}
}

// withoutOwn removes from our definition what the server needs for itself, after a look at whether it is there.
func withoutOwn(t *testing.T, got, want map[string]any) {
	t.Helper()
	delete(got, "sdkVersion")
	delete(want, "sdkVersion")
	states, _ := got["states"].(map[string]any)
	own := []string{"hitlStart", "hitlAssigned", "hitlAssigning", "hitlOutbox", "hitlActivation", "hitlSweep", "hitlUpdate", "hitlUser"}
	for _, name := range own {
		if states[name] == nil {
			t.Errorf("the server's own state %s is not declared", name)
		}
	}
	maps.DeleteFunc(states, func(name string, _ any) bool { return slices.Contains(own, name) })
	if len(states) == 0 {
		delete(got, "states")
	}
	for _, own := range []struct{ tags, names []string }{
		{[]string{"user", "tags"}, []string{"agentId", "userKey"}},
		{[]string{"channels", "supportTicket", "conversation", "tags"}, []string{"startKey", "phase", "startedAt", "closedAt", "stopping", "outbox", "readUntil", "repeatedUntil", "unanswered"}},
		{[]string{"channels", "supportTicket", "message", "tags"}, []string{"id", "delivered", "failed", "refused", "resent", "due", "copyOf", "partOf"}},
	} {
		tags := got
		for _, key := range own.tags {
			tags = tags[key].(map[string]any)
		}
		for _, name := range own.names {
			if tags[name] == nil {
				t.Errorf("the server's own tag %s is not declared", name)
			}
			delete(tags, name)
		}
	}
}

// TestDescriptionFitsTheRecordedPayloads checks what the real plugin and a real integration sent to each other.
func TestDescriptionFitsTheRecordedPayloads(t *testing.T) {
	data, err := os.ReadFile("testdata/plugin-payloads.json")
	if err != nil {
		t.Fatal(err)
	}
	var payloads []struct {
		Kind, Name string
		Payload    any
	}
	if err := json.Unmarshal(data, &payloads); err != nil {
		t.Fatal(err)
	}
	body := acmeServer(t, acme.Definition(false)).Describe()
	for i, p := range payloads {
		var schema json.RawMessage
		switch p.Kind {
		case "input":
			schema = body.Actions[p.Name].Input.Schema
		case "output":
			schema = body.Actions[p.Name].Output.Schema
		case "event":
			schema = body.Events[p.Name].Schema
		case "message":
			schema = body.Channels["hitl"].Messages[p.Name].Schema
			p.Payload = map[string]any{"payload": p.Payload}
			withoutType(p.Payload)
			p.Payload = p.Payload.(map[string]any)["payload"]
		}
		withoutType(p.Payload)
		if err := strictly(t, schema).Validate(p.Payload); err != nil {
			t.Errorf("payload %d does not fit the schema of %s %s: %v", i, p.Kind, p.Name, err)
		}
	}
}

// withoutType removes the type that the plugin adds to the payloads within a value.
func withoutType(v any) {
	switch v := v.(type) {
	case map[string]any:
		if payload, ok := v["payload"].(map[string]any); ok {
			delete(payload, "type")
		}
		for _, part := range v {
			withoutType(part)
		}
	case []any:
		for _, part := range v {
			withoutType(part)
		}
	}
}

func strictly(t *testing.T, schema json.RawMessage) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft7)
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	return c.MustCompile("schema.json")
}

func acmeServer(t *testing.T, def hitl.Definition) *hitl.Server {
	t.Helper()
	s, err := acme.NewServer(def, &acme.Desk{}, &hitl.Options{Insecure: true, Botpress: botpress.Options{Token: "token"}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// recording reads a recording of the real Botpress stack.
func recording(t *testing.T, name string) map[string]any {
	t.Helper()
	v, err := recorded.Read(name)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func encoded(t *testing.T, v any) map[string]any {
	t.Helper()
	out, err := recorded.Encode(v)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func decoded(t *testing.T, data []byte) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	return v
}
