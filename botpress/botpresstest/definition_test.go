package botpresstest_test

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hitl-go/sdk/botpress/botpresstest"
)

func TestFromDefinition(t *testing.T) {
	recorded, err := os.ReadFile("testdata/acme-desk.create.json")
	if err != nil {
		t.Fatal(err)
	}
	const grown = `{
		"name": "acme/desk", "version": "2.0.0",
		"user": {"tags": {"id": {}, "agentId": {}, "old": null}},
		"events": {"hitlAssigned": {}, "hitlStopped": {}, "rated": {}, "gone": null},
		"states": {"claim": {"type": "conversation"}, "token": {"type": "integration"}, "gone": null},
		"channels": {
			"hitl": {"conversation": {"tags": {"id": {}, "startKey": {}}}, "message": {"tags": {"sent": {}}}},
			"email": {"message": {"tags": {"thread": {}}}}
		},
		"interfaces": {
			"creatable<user>": {"name": "creatable"},
			"hitl<ticket>": {
				"name": "hitl",
				"actions": {"createUser": {"name": "createUser"}, "startHitl": {"name": "startHitl"}, "stopHitl": {"name": "stopHitl"}},
				"events": {"hitlAssigned": {"name": "hitlAssigned"}, "hitlStopped": {"name": "hitlStopped"}},
				"channels": {"hitl": {"name": "hitl"}}
			}
		}
	}`
	for _, test := range []struct {
		name string
		body []byte
		want botpresstest.Integration
	}{
		{"recorded", recorded, botpresstest.Integration{
			Name: "acme-desk", Version: "1.0.0", Events: []string{}, Channels: []string{}, States: []string{}, StateTypes: map[string]string{},
			Names: botpresstest.Names{
				CreateUser: "createUser", StartHitl: "createTicket", StopHitl: "stopHitl",
				Assigned: "agentAssigned", Stopped: "hitlStopped", Channel: "supportTicket",
			},
			Tags: botpresstest.Tags{User: []string{"email", "id"}, Conversation: []string{"id"}},
		}},
		{"grown", []byte(grown), botpresstest.Integration{
			Name: "acme/desk", Version: "2.0.0", Alias: "desk",
			Events: []string{"rated"}, Channels: []string{"email"}, States: []string{"claim", "token"},
			StateTypes: map[string]string{"claim": "conversation", "token": "integration"},
			Names: botpresstest.Names{
				CreateUser: "createUser", StartHitl: "startHitl", StopHitl: "stopHitl",
				Assigned: "hitlAssigned", Stopped: "hitlStopped", Channel: "hitl",
			},
			Tags: botpresstest.Tags{
				User: []string{"agentId", "id"}, Conversation: []string{"id", "startKey"}, Message: []string{"thread", "sent"},
			},
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := botpresstest.FromDefinition(test.body)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("the integration (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFromDefinitionRefuses(t *testing.T) {
	const iface = `{"name": "hitl"}`
	for body, want := range map[string]string{
		``:                     "cannot be read",
		`[]`:                   "cannot be read",
		`{"version": "1.0.0"}`: "no name",
		`{"name": "acme"}`:     "0 times",
		`{"name": "acme", "interfaces": {"hitl<a>": ` + iface + `, "hitl<b>": ` + iface + `}}`: "2 times",
	} {
		if _, err := botpresstest.FromDefinition([]byte(body)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("FromDefinition(%s) = %v, want an error that says %q", body, err, want)
		}
	}
}
