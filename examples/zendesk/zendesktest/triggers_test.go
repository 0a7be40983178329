package zendesktest_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hitl-go/sdk/examples/zendesk/zendesktest"
)

func TestTriggerAnswers(t *testing.T) {
	c := newClient(t)
	hook := c.hook("http://127.0.0.1:1/")
	body := `{'trigger': {'title': 'T', 'conditions': {'all': [{'field': 'status', 'operator': 'is', 'value': 'open'}]},
		'actions': [{'field': 'notification_webhook', 'value': ['` + hook + `', '{}']}]}}`
	status, answer := c.call("POST", "triggers", body)
	if status != 201 {
		t.Fatal(status, answer)
	}
	for path, want := range map[string]any{
		"trigger.title": "T", "trigger.raw_title": "T", "trigger.active": true, "trigger.category_id": "1", "trigger.position": 4.0, "trigger.default": false,
		"trigger.conditions.any": []any{}, "trigger.description": nil, "trigger.actions.0.value.0": hook,
	} {
		if got := at(answer, path); !cmp.Equal(got, want) {
			t.Errorf("%s: %#v", path, got)
		}
	}
	id, _ := at(answer, "trigger.id").(float64)
	path := fmt.Sprintf("triggers/%.0f", id)
	act := func(action string) string { return `{'trigger': {'actions': [` + action + `]}}` }
	c.walk(
		step{"GET", path, "", 200, "trigger.conditions.all.0.value", "open"},
		step{"GET", "triggers", "", 200, "triggers.3.title", "T"},
		step{"GET", "triggers?active=false", "", 200, "count", 0.0},
		step{"GET", "triggers/active", "", 200, "count", 4.0},
		step{"GET", "triggers/search?query=t", "", 200, "triggers.3.raw_title", "T"},
		step{"GET", "triggers/search?query=odd", "", 200, "triggers", []any{}},
		step{"PUT", path, `{'trigger': {'title': 'U', 'active': false, 'category_id': 7, 'description': 'd'}}`, 200, "trigger.category_id", "7"},
		step{"PUT", path, `{'trigger': {'all': [], 'any': [{'field': 'status', 'operator': 'is', 'value': 'new'}]}}`, 200, "trigger.conditions.all", []any{}},
		step{"PUT", path, `{'trigger': {'title': ''}}`, 422, "details.title.0.description", "Title: cannot be blank"},
		step{"PUT", path, `{'trigger': {'any': []}}`, 422, "error", "RecordInvalid"},
		step{"PUT", path, act(``), 422, "error", "RecordInvalid"},
		step{"PUT", path, act(`{'field': 'odd', 'value': 'x'}`), 422, "details.actions.0.description", "Actions: odd is invalid"},
		step{"PUT", path, act(`{'field': 'notification_webhook', 'value': ['none', '{}']}`), 422, "error", "RecordInvalid"},
		step{"PUT", path, act(`{'field': 'set_tags', 'value': 'a b'}`), 200, "trigger.actions.0.value.0", "a b"},
		step{"GET", path, "", 200, "trigger.active", false},
		step{"DELETE", path, "", 204, "", nil},
		step{"GET", path, "", 404, "error", "RecordNotFound"},
		step{"PUT", path, `{}`, 404, "error", "RecordNotFound"},
	)
}

func TestConditions(t *testing.T) {
	// What happens: the API opens a ticket with the tags a and b, an agent replies and solves it.
	for conditions, want := range map[string]string{
		`'all': [{'field': 'current_tags', 'operator': 'includes', 'value': 'a x'}]`:                                                                "create reply solve",
		`'all': [{'field': 'current_tags', 'operator': 'includes', 'value': 'x y'}]`:                                                                "",
		`'all': [{'field': 'current_tags', 'operator': 'not_includes', 'value': 'x y'}]`:                                                            "create reply solve",
		`'all': [{'field': 'current_tags', 'operator': 'not_includes', 'value': 'B'}]`:                                                              "",
		`'all': [{'field': 'status', 'operator': 'value', 'value': 'SOLVED'}]`:                                                                      "solve",
		`'all': [{'field': 'update_type', 'operator': 'is', 'value': 'CREATE'}]`:                                                                    "create",
		`'all': [{'field': 'role', 'operator': 'is', 'value': $rosa}]`:                                                                              "reply solve",
		`'all': [{'field': 'role', 'operator': 'is_not', 'value': '$rosa'}]`:                                                                        "create",
		`'all': [{'field': 'current_via_id', 'operator': 'is', 'value': 5}]`:                                                                        "create",
		`'all': [{'field': 'current_via_id', 'operator': 'is_not', 'value': '5'}]`:                                                                  "reply solve",
		`'all': [{'field': 'assignee_id', 'operator': 'is', 'value': 'current_user'}]`:                                                              "solve",
		`'all': [{'field': 'assignee_id', 'operator': 'is', 'value': ''}]`:                                                                          "create reply",
		`'all': [{'field': 'priority', 'operator': 'greater_than', 'value': 'Low'}, {'field': 'update_type', 'operator': 'is', 'value': 'Change'}]`: "reply solve",
		`'all': [{'field': 'comment_is_public', 'operator': 'is', 'value': true}]`:                                                                  "create reply",
		`'all': [{'field': 'ticket_is_public', 'operator': 'is', 'value': 'private'}]`:                                                              "",
		`'any': [{'field': 'requester_id', 'operator': 'is', 'value': '1'}, {'field': 'group_id', 'operator': 'changed'}]`:                          "",
	} {
		c := newClient(t)
		rosa := c.desk.NewAgent("Rosa Diaz")
		hook := c.hook("http://127.0.0.1:1/")
		body := `{'trigger': {'title': 'T', 'conditions': {` + strings.ReplaceAll(conditions, "$rosa", idOf(rosa)) + `},
			'actions': [{'field': 'notification_webhook', 'value': ['` + hook + `', '{}']}]}}`
		if status, answer := c.call("POST", "triggers", body); status != 201 {
			t.Fatal(status, answer)
		}
		var fired []string
		for _, s := range []struct {
			name string
			do   func() error
		}{
			{"create", c.does("POST", "tickets", `{'ticket': {'description': 'x', 'tags': ['a', 'b'], 'priority': 'high'}}`)},
			{"reply", func() error { return c.desk.Reply(1, rosa, "x") }},
			{"solve", func() error { return c.desk.Solve(1, rosa) }},
		} {
			before := len(c.desk.Deliveries())
			if err := s.do(); err != nil {
				t.Fatal(err)
			}
			if len(c.desk.Deliveries()) > before {
				fired = append(fired, s.name)
			}
		}
		if got := strings.Join(fired, " "); got != want {
			t.Errorf("%s: %q, want %q", conditions, got, want)
		}
	}
}

func TestTagsOfTriggers(t *testing.T) {
	c := newClient(t)
	for _, action := range []string{
		`{'field': 'set_tags', 'value': 'a b'}, {'field': 'current_tags', 'value': 'c'}, {'field': 'remove_tags', 'value': 'a'}`,
	} {
		body := `{'trigger': {'title': 'T', 'all': [{'field': 'update_type', 'operator': 'is', 'value': 'Create'}], 'actions': [` + action + `]}}`
		c.walk(
			step{"POST", "triggers", body, 201, "", nil},
			step{"POST", "tickets", `{'ticket': {'description': 'x', 'tags': ['z']}}`, 201, "ticket.tags", []any{"b", "c"}},
		)
	}
}

func TestWebhooks(t *testing.T) {
	c := newClient(t)
	c.desk.NewWebhook("other", "https://example.com/")
	hook := c.hook("https://example.com/1")
	path := "webhooks/" + hook
	_, before := c.call("GET", path+"/signing_secret", "")
	c.walk(
		step{"GET", path, "", 200, "webhook.endpoint", "https://example.com/1"},
		step{"GET", path, "", 200, "webhook.signing_secret", nil},
		step{"PUT", path, `{'webhook': {'endpoint': 'https://example.com/2'}}`, 204, "", nil},
		step{"PATCH", path, `{'webhook': {'status': 'inactive'}}`, 204, "", nil},
		step{"PATCH", path, `{'webhook': {'status': 'odd'}}`, 400, "error", "BadRequest"},
		step{"PATCH", path, `{'webhook': {'subscriptions': []}}`, 400, "error", "BadRequest"},
		step{"GET", path, "", 200, "webhook.endpoint", "https://example.com/2"},
		step{"GET", path, "", 200, "webhook.status", "inactive"},
		step{"GET", "webhooks?filter[name_contains]=N", "", 200, "webhooks.0.id", hook},
		step{"GET", "webhooks/none", "", 404, "error", "RecordNotFound"},
		step{"PUT", "webhooks/none", `{}`, 404, "error", "RecordNotFound"},
		step{"POST", path + "/signing_secret", "", 201, "signing_secret.algorithm", "SHA256"},
		step{"POST", "webhooks/none/signing_secret", "", 404, "error", "RecordNotFound"},
		step{"DELETE", path, "", 204, "", nil},
		step{"DELETE", path, "", 404, "error", "RecordNotFound"},
	)
	if !strings.HasPrefix(hook, "01") || len(hook) != 26 {
		t.Errorf("the id is %s", hook)
	}
	if at(before, "signing_secret.secret") == "" {
		t.Error("there is no secret")
	}
}

func TestNewSecret(t *testing.T) {
	c := newClient(t)
	hook := c.hook("https://example.com/1")
	_, before := c.call("GET", "webhooks/"+hook+"/signing_secret", "")
	_, reset := c.call("POST", "webhooks/"+hook+"/signing_secret", "")
	_, after := c.call("GET", "webhooks/"+hook+"/signing_secret", "")
	if cmp.Equal(before, after) || !cmp.Equal(reset, after) {
		t.Errorf("before %v, reset to %v, after %v", before, reset, after)
	}
}

func TestCalledTwice(t *testing.T) {
	c := newClient(t)
	var calls []string
	listener := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		calls = append(calls, r.Header.Get("X-Zendesk-Webhook-Invocation-Id"))
	}))
	t.Cleanup(listener.Close)
	c.hook(listener.URL)
	for i, twice := range []bool{false, true} {
		calls = nil
		c.desk.Twice(twice)
		c.desk.Send("{}")
		if err := c.desk.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(calls) != 1+i || calls[0] != calls[len(calls)-1] {
			t.Errorf("twice: %v: %q", twice, calls)
		}
	}
}

// A webhook that fails too often is paused: what would be sent then is lost.
func TestCircuitBreaker(t *testing.T) {
	for name, test := range map[string]struct {
		failures, successes int
		want                bool // Sent after that?
	}{
		"all fail":         {100, 0, false},
		"few fail":         {99, 0, true},
		"70 percent":       {70, 30, false},
		"less":             {69, 31, true},
		"a thousand":       {1000, 1000, false},
		"almost as many":   {999, 1000, true},
		"nothing happened": {0, 0, true},
	} {
		c := newClient(t)
		var failing atomic.Bool
		listener := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if failing.Load() {
				w.WriteHeader(http.StatusInternalServerError)
			}
		}))
		t.Cleanup(listener.Close)
		c.hook(listener.URL)
		for _, part := range []struct {
			n    int
			fail bool
		}{{test.successes, false}, {test.failures, true}, {1, false}} {
			failing.Store(part.fail)
			for range part.n {
				c.desk.Send("{}")
				if err := c.desk.Wait(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
		all := c.desk.Deliveries()
		if got := all[len(all)-1].Attempts == 1; got != test.want || slices.ContainsFunc(all[:len(all)-1], func(d zendesktest.Delivery) bool { return d.Attempts != 1 }) {
			t.Errorf("%s: sent after that: %v, want %v", name, got, test.want)
		}
	}
}
