package deployment_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/internal/deployment"
)

// TestUpdateIsTheRecordedOne compares the update of an older integration, which has more parts, with the request that
// Botpress' own tool sent.
func TestUpdateIsTheRecordedOne(t *testing.T) {
	older := deployed(t)
	older.Attributes = botpress.Removable{"category": "x"}
	older.Actions["createUser"].Attributes["oldAttr"] = "x"
	older.Actions["removedAction"] = &botpress.ActionDefinition{}
	older.Events["removedEvent"] = &botpress.EventDefinition{}
	older.Entities["removedEntity"] = &botpress.EntityDefinition{}
	older.States = map[string]*botpress.StateDefinition{"oldState": {}}
	older.Interfaces["removed<x>"] = &botpress.InterfaceImplementation{}
	older.User.Tags["removedTag"] = &botpress.TagDefinition{}
	older.Channels["removedChannel"] = &botpress.ChannelDefinition{}
	channel := older.Channels["supportTicket"]
	channel.Messages["removedMessage"] = &botpress.SchemaDefinition{}
	channel.Conversation.Tags["removedConvTag"] = &botpress.TagDefinition{}
	channel.Message.Tags = map[string]*botpress.TagDefinition{"removedMsgTag": {}}

	got := decode[any](t, encode(t, deployment.Update(wanted(t), older)))
	want := decode[any](t, read(t, "acme-desk.update.json"))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the update differs from the recorded one (-recorded +ours):\n%s", diff)
	}
}

func TestUpdateOfTheSame(t *testing.T) {
	got := decode[map[string]any](t, encode(t, deployment.Update(wanted(t), deployed(t))))
	want := decode[map[string]any](t, read(t, "acme-desk.create.json"))
	delete(want, "name")
	delete(want, "version")
	want["configurations"], want["states"] = map[string]any{}, map[string]any{}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the update differs from the create (-want +got):\n%s", diff)
	}
}

func TestUpdateRemovesScriptsAndSecrets(t *testing.T) {
	older, w := deployed(t), wanted(t)
	older.Secrets = []string{"CHANGED", "KEPT", "REMOVED"}
	older.Identifier = &botpress.IdentifierDefinition{ExtractScript: botpress.Set("x"), FallbackHandlerScript: botpress.Set("y")}
	older.Configuration.Identifier = &botpress.ConfigurationIdentifierDefinition{Required: true, LinkTemplateScript: botpress.Set("z")}
	w.Secrets = botpress.Removable{"CHANGED": "value", "KEPT": "", "LATER": ""}
	u := deployment.Update(w, older)
	got := []any{u.Secrets, u.Identifier, u.Configuration.Identifier}
	const want = `[{"CHANGED": "value", "REMOVED": null}, {"extractScript": null, "fallbackHandlerScript": null}, {"linkTemplateScript": null}]`
	if diff := cmp.Diff(decode[any](t, []byte(want)), decode[any](t, encode(t, got))); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestUpdateKeepsURLAndVisibility(t *testing.T) {
	w := wanted(t)
	w.URL, w.Visibility = "", ""
	got := decode[map[string]any](t, encode(t, deployment.Update(w, deployed(t))))
	for _, key := range []string{"url", "visibility"} {
		if value, ok := got[key]; ok {
			t.Errorf("%s is sent: %v", key, value)
		}
	}
}

// wanted are the recorded parameters of the create.
func wanted(t *testing.T) botpress.CreateIntegrationParams {
	t.Helper()
	return decode[botpress.CreateIntegrationParams](t, read(t, "acme-desk.create.json"))
}

// deployed is the integration that they create.
func deployed(t *testing.T) botpress.Integration {
	t.Helper()
	fields := decode[map[string]any](t, read(t, "acme-desk.create.json"))
	delete(fields, "secrets") // Botpress returns only their names
	return decode[botpress.Integration](t, encode(t, fields))
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func encode(t *testing.T, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func decode[T any](t *testing.T, data []byte) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	return v
}
