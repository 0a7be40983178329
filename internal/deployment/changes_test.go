package deployment_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/internal/deployment"
)

func TestChanges(t *testing.T) {
	older := deployed(t)
	older.Title = "Another title"
	older.Actions["removedAction"] = &botpress.ActionDefinition{}
	delete(older.Actions, "stopHitl")
	older.Actions["createUser"].Input.Schema = []byte(`{"type":"object"}`)
	older.Channels["supportTicket"].Messages["card"] = &botpress.SchemaDefinition{}
	older.Channels["supportTicket"].Conversation.Tags["id"].Title = "ID"
	delete(older.User.Tags, "email")
	older.URL = "https://old.example.com"
	older.Secrets = []string{"CHANGED", "KEPT", "OLD"}
	w := wanted(t)
	w.Secrets = botpress.Removable{"CHANGED": "value", "KEPT": "", "NEW": "value", "LATER": ""}

	got, err := deployment.Changes(w, older)
	if err != nil {
		t.Fatal(err)
	}
	want := []deployment.Change{
		{deployment.Changed, "URL"},
		{deployment.Changed, "action createUser"},
		{deployment.Removed, "action removedAction"},
		{deployment.Added, "action stopHitl"},
		{deployment.Changed, "conversation tag supportTicket id"},
		{deployment.Removed, "message supportTicket card"},
		{deployment.Changed, "secret CHANGED"},
		{deployment.Added, "secret NEW"},
		{deployment.Removed, "secret OLD"},
		{deployment.Changed, "title"},
		{deployment.Added, "user tag email"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestNoChanges(t *testing.T) {
	same := deployed(t)
	// Botpress may add these.
	same.Attributes = botpress.Removable{}
	same.Configurations = map[string]*botpress.ConfigurationDefinition{}
	same.Events["hitlStopped"].Title = ""
	w := wanted(t)
	w.URL, w.Title, w.Description, w.Visibility = "", "", "", ""
	changes, err := deployment.Changes(w, same)
	if err != nil {
		t.Fatal(err)
	}
	if len(changes) > 0 {
		t.Errorf("there are changes: %v", changes)
	}
}
