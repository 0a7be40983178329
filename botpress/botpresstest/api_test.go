package botpresstest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hitl-go/sdk/botpress/botpresstest"
	"github.com/hitl-go/sdk/internal/openapitest"
	"github.com/hitl-go/sdk/message"
)

// api calls the API of a server as its acme, and remembers the first ids that it sees.
type api struct {
	t      *testing.T
	server *botpresstest.Server
	in     *botpresstest.Installation
	client *http.Client
	header http.Header
	ids    map[string]string
}

func newAPI(t *testing.T, a *acme, in *botpresstest.Installation) *api {
	t.Helper()
	h := http.Header{}
	h.Set("x-bot-id", a.server.BotID)
	h.Set("x-integration-id", in.IntegrationID)
	h.Set("x-integration-alias", in.Alias)
	return &api{t, a.server, in, a.client, h, map[string]string{"bot": a.server.BotID, "integration": in.IntegrationID}}
}

// do makes a call, "POST users {…}", with {user}, {conv}, {msg}, {evt} and {file} for the first ids seen.
func (a *api) do(line string) (status int, answer map[string]any) {
	a.t.Helper()
	for name, id := range a.ids {
		line = strings.ReplaceAll(line, "{"+name+"}", id)
	}
	method, rest, _ := strings.Cut(line, " ")
	path, body, _ := strings.Cut(rest, " ")
	if !strings.HasPrefix(path, "/") {
		path = "/v1/chat/" + path
	}
	var payload any
	if body != "" {
		payload = body
	}
	status, data := send(a.t.Context(), a.server, a.client, a.header, method, path, payload)
	if err := json.Unmarshal(data, &answer); err != nil {
		a.t.Fatalf("%s: %d %s", line, status, data)
	}
	for short, name := range map[string]string{"user": "user", "conv": "conversation", "msg": "message", "evt": "event", "file": "file"} {
		if thing, ok := answer[name].(map[string]any); ok && a.ids[short] == "" {
			a.ids[short] = fmt.Sprint(thing["id"])
		}
	}
	return status, answer
}

// checked checks every answer against the official OpenAPI. Requests are wrong on purpose here.
func checked(t *testing.T) func(http.Handler) http.Handler {
	t.Helper()
	return checking(t, func(err error) {
		if strings.Contains(err.Error(), ": answer ") {
			t.Error(err)
		}
	})
}

// conforming checks every request and every answer.
func conforming(t *testing.T) func(http.Handler) http.Handler {
	t.Helper()
	return checking(t, func(err error) { t.Error(err) })
}

func checking(t *testing.T, report func(error)) func(http.Handler) http.Handler {
	t.Helper()
	spec, err := openapitest.Load()
	if err != nil {
		t.Fatal(err)
	}
	return func(next http.Handler) http.Handler { return spec.Middleware(next, report) }
}

// field digs in JSON.
func field(t *testing.T, data []byte, path string) any {
	t.Helper()
	var tree any
	if err := json.Unmarshal(data, &tree); err != nil {
		t.Fatal(err)
	}
	return dig(tree, path)
}

func dig(v any, path string) any {
	for name := range strings.SplitSeq(path, ".") {
		switch x := v.(type) {
		case map[string]any:
			v = x[name]
		case []any:
			if name == "length" {
				return len(x)
			}
			var i int
			if _, err := fmt.Sscan(name, &i); err != nil || i >= len(x) {
				return nil
			}
			v = x[i]
		default:
			return nil
		}
	}
	return v
}

// TestAPI makes calls in order; each row is a call, the status, and what stands at a path of the answer.
func TestAPI(t *testing.T) {
	a, in := installAcme(t, &botpresstest.Options{PageSize: 2, Middleware: checked(t)}, botpresstest.Integration{
		Tags:   botpresstest.Tags{User: []string{"vip"}, Conversation: []string{"startedAt"}, Message: []string{"kind"}},
		Events: []string{"pinged"}, Channels: []string{"email"}, States: []string{"claim", "auth"}, StateTypes: map[string]string{"auth": "integration"},
	})
	c := newAPI(t, a, in)
	long := strings.Repeat("é", 501)
	large := strings.Repeat("a", 128<<10)
	for _, row := range []struct {
		call   string
		status int
		path   string
		want   any
	}{
		// Users.
		{`POST users {"tags":{"id":"1"},"name":"Jane"}`, 201, "user.name", "Jane"},
		{`GET users/{user}`, 200, "user.tags.id", "1"},
		{`PUT users/{user} {"tags":{"vip":"yes","email":"j@example.com"}}`, 200, "user.tags.vip", "yes"},
		{`PUT users/{user} {"tags":{"vip":""},"pictureUrl":"https://example.com/j.png"}`, 200, "user.tags.vip", nil},
		{`PUT users/{user} {"tags":{"email":null}}`, 200, "user.tags.email", nil},
		{`PUT users/{user} {"properties":{"lang":"fr","size":"L"}}`, 200, "user.properties.lang", "fr"},
		{`PUT users/{user} {"properties":{"lang":""}}`, 200, "user.properties.lang", nil},
		{`PUT users/{user} {}`, 200, "user.pictureUrl", "https://example.com/j.png"},
		{`PUT users/{user} {"pictureUrl":null}`, 200, "user.pictureUrl", nil},
		{`PUT users/{user} {"tags":{"secret":"x"}}`, 400, "type", "InvalidPayload"},
		{`PUT users/{user} {"tags":{"vip":"` + long + `"}}`, 400, "type", "InvalidPayload"},
		{`PUT users/{user} {"name":"` + long + `"}`, 400, "type", "InvalidPayload"},
		{`PUT users/{user} {"Name":"Joan"}`, 400, "type", "InvalidPayload"},
		{`PUT users/{user} {"tags":null}`, 400, "message", "tags must not be null"},
		{`PUT users/{user} {"tags":[]}`, 400, "type", "InvalidPayload"},
		{`PUT users/{user} {`, 400, "type", "InvalidPayload"},
		{`POST users {"name":"Jane"}`, 400, "message", "tags is required"},
		{`GET users/user_00000000000000000000000000`, 404, "type", "ResourceNotFound"},
		{`GET users/{bot}`, 200, "user.name", "Bot"},
		{`DELETE users/{bot}`, 403, "type", "Forbidden"},
		{`POST users/get-or-create {"tags":{"id":"1","vip":"no"},"name":"Joan","discriminateByTags":["id"]}`, 200, "meta.created", false},
		{`GET users/{user}`, 200, "user.tags.vip", "no"},
		{`GET users/{user}`, 200, "user.name", "Jane"},
		{`POST users/get-or-create {"tags":{"id":"1","vip":"other"}}`, 200, "meta.created", true},
		{`POST users/get-or-create {"tags":{"id":"1","vip":"other"}}`, 200, "meta.created", false},
		{`POST users/get-or-create {"tags":{}}`, 400, "type", "InvalidPayload"},
		{`POST users/get-or-create {"tags":{"id":"1"},"discriminateByTags":["vip"]}`, 400, "type", "InvalidPayload"},
		{`POST users/get-or-create {"tags":{"id":"9"},"discriminateByTags":["id"],"name":"Nina"}`, 200, "user.name", "Nina"},
		{`GET users?tags.id=1`, 200, "users.length", 2},
		{`GET users?tags[id]=1&tags[vip]=no`, 200, "users.length", 1},
		{`GET users?tags.id=9`, 200, "users.0.name", "Nina"},
		{`GET users`, 200, "users.0.name", "Nina"},
		{`GET users?sortDirection=asc`, 200, "users.0.tags.id", nil}, // The bot.
		{`GET users?pageSize=1&sortDirection=asc&sortField=updatedAt&afterDate=2020-01-01T00:00:00Z`, 200, "users.length", 1},
		{`GET users?beforeDate=2020-01-01T00:00:00Z`, 200, "users.length", 0},
		{`GET users?afterDate=yesterday`, 400, "type", "InvalidQuery"},
		{`GET users?tags.secret=1`, 400, "type", "InvalidPayload"},
		{`GET users?name=Jane`, 400, "type", "InvalidQuery"},
		{`GET users?rangeField=updatedAt&sortField=createdAt&sortDirection=desc`, 200, "users.0.name", "Nina"},
		{`GET users?sortField=name`, 400, "type", "InvalidQuery"},
		{`GET users?sortDirection=up`, 400, "type", "InvalidQuery"},
		{`GET users?rangeField=birthday`, 400, "message", "rangeField must be one of createdAt, updatedAt"},
		{`POST users {"tags":{},"integrationName":"` + long + `"}`, 400, "type", "InvalidPayload"},
		{`POST users/get-or-create {"tags":{"id":"1"},"integrationName":5}`, 400, "type", "InvalidPayload"},
		{`GET users?nextToken=nonsense`, 400, "type", "InvalidQuery"},
		{`GET tags/id/values?type=user`, 200, "tags.0.value", "9"},
		{`GET tags/id/values?type=group`, 400, "type", "InvalidQuery"},

		// Conversations.
		{`POST conversations {"channel":"hitl","tags":{}}`, 201, "conversation.integration", "acme-desk"},
		{`POST conversations {"channel":"phone","tags":{}}`, 400, "type", "InvalidPayload"},
		{`PUT conversations/{conv} {"tags":{"id":"T-1","startedAt":"now"}}`, 200, "conversation.tags.startedAt", "now"},
		{`POST conversations/get-or-create {"channel":"hitl","tags":{"id":"T-1"},"discriminateByTags":["id"]}`, 200, "meta.created", false},
		{`POST conversations/get-or-create {"channel":"email","tags":{"id":"T-1"},"discriminateByTags":["id"]}`, 200, "meta.created", true},
		{`GET conversations?tags.id=T-1&channel=hitl`, 200, "conversations.length", 1},
		{`GET conversations?integrationName=zendesk`, 200, "conversations.length", 0},
		{`GET conversations?sortField=key`, 400, "type", "InvalidQuery"},
		{`GET conversations?sortDirection=`, 400, "type", "InvalidQuery"},
		{`POST conversations {"channel":"hitl","tags":{},"integrationName":"` + long + `"}`, 400, "type", "InvalidPayload"},
		{`POST conversations/get-or-create {"channel":"hitl","tags":{"id":"T-1"},"integrationName":{}}`, 400, "type", "InvalidPayload"},
		{`PUT conversations/{conv} {"currentTaskId":7}`, 400, "type", "InvalidPayload"},
		{`POST conversations/{conv}/participants {"userId":"{user}"}`, 200, "participant.name", "Jane"},
		{`POST conversations/{conv}/participants {"userId":"user_0"}`, 400, "type", "InvalidPayload"},
		{`POST conversations/{conv}/participants {"userId":"user_00000000000000000000000000"}`, 400, "type", "ReferenceNotFound"},
		{`GET conversations/{conv}/participants`, 200, "participants.length", 1},
		{`GET conversations/{conv}/participants/{user}`, 200, "participant.name", "Jane"},
		{`GET conversations?participantIds={user}`, 200, "conversations.length", 1},
		{`GET users?conversationId={conv}`, 200, "users.length", 1},
		{`DELETE conversations/{conv}/participants/{user}`, 200, "", nil},
		{`GET conversations/{conv}/participants/{user}`, 404, "type", "ResourceNotFound"},

		// Messages.
		{`POST messages {"payload":{"text":"hi"},"userId":"{user}","conversationId":"{conv}","type":"text","tags":{"id":"m1"}}`, 201, "message.direction", "incoming"},
		{`GET conversations/{conv}/participants/{user}`, 200, "participant.name", "Jane"},
		{`POST messages {"payload":"hi","userId":"{user}","conversationId":"{conv}","type":"text","tags":{}}`, 400, "message", "payload must be an object"},
		{`POST messages {"payload":{"text":"` + large + `"},"userId":"{user}","conversationId":"{conv}","type":"text","tags":{}}`, 413, "type", "PayloadTooLarge"},
		{`POST messages {"payload":{},"userId":"nobody","conversationId":"{conv}","type":"text","tags":{}}`, 400, "type", "InvalidPayload"},
		{`POST messages {"payload":{},"userId":"user_00000000000000000000000000","conversationId":"{conv}","type":"text","tags":{}}`, 400, "type", "ReferenceNotFound"},
		{`POST messages {"payload":{},"userId":"{user}","conversationId":"{conv}","type":"text","tags":{},"schedule":{}}`, 400, "type", "InvalidPayload"},
		{`POST messages {"payload":{},"userId":"{user}","conversationId":"{conv}","type":"text","tags":{},"schedule":{"dateTime":"soon"}}`, 400, "type", "InvalidPayload"},
		{`POST messages {"payload":{},"userId":"{user}","conversationId":"{conv}","type":"text","tags":{},"schedule":{"delay":-1}}`, 400, "type", "InvalidPayload"},
		{`POST messages {"payload":{},"userId":"{user}","conversationId":"{conv}","type":"text","tags":{},"origin":"me"}`, 400, "type", "InvalidPayload"},
		{`POST messages/get-or-create {"payload":{"text":"hi"},"userId":"{user}","conversationId":"{conv}","type":"text","tags":{"id":"m1","kind":"note"},"discriminateByTags":["id"]}`, 200, "meta.created", false},
		{`POST messages/get-or-create {"payload":{"text":"ho"},"userId":"{user}","conversationId":"{conv}","type":"text","tags":{"id":"m2"},"discriminateByTags":["id"],"schedule":{"delay":60000}}`, 200, "meta.created", true},
		{`POST messages/get-or-create {"payload":{"text":"ho"},"userId":"{user}","conversationId":"{conv}","type":"text","tags":{"id":"m2"},"discriminateByTags":["id"]}`, 200, "meta.created", false},
		{`GET messages/{msg}`, 200, "message.tags.kind", "note"},
		{`PUT messages/{msg} {"tags":{"kind":""},"payload":{"text":"hey"}}`, 200, "message.payload.text", "hey"},
		{`PUT messages/{msg} {"payload":{"text":"hey"}}`, 400, "message", "tags is required"},
		{`GET messages?conversationId={conv}`, 200, "messages.0.payload.text", "ho"},
		{`GET messages?conversationId={conv}&tags.id=m1`, 200, "messages.length", 1},
		{`POST messages/import-messages {"messages":[{"payload":{"text":"old"},"userId":"{user}","conversationId":"{conv}","type":"text","tags":{"id":"m0"},"createdAt":"2020-01-01T00:00:00.000Z","discriminateByTags":["id"]}]}`, 200, "messages.0.createdAt", "2020-01-01T00:00:00Z"},
		{`POST messages/import-messages {"messages":[{}]}`, 400, "type", "InvalidPayload"},
		{`DELETE messages/{msg}`, 200, "", nil},
		{`GET messages/{msg}`, 404, "type", "ResourceNotFound"},

		// All in one.
		{`POST initialize-incoming-message {"user":{"tags":{"id":"7"},"discriminateByTags":["id"],"name":"Alice"},"conversationId":"{conv}","message":{"payload":{"text":"hi"},"type":"text","tags":{"id":"m7"},"discriminateByTags":["id"]}}`, 200, "message.payload.text", "hi"},
		{`POST initialize-incoming-message {"user":{"tags":{"id":"7"},"discriminateByTags":["id"]},"conversationId":"{conv}","message":{"payload":{"text":"again"},"type":"text","tags":{"id":"m7"},"discriminateByTags":["id"]}}`, 200, "message.payload.text", "hi"},
		{`POST initialize-incoming-message {"userId":"{user}","conversation":{"channel":"hitl","tags":{"id":"T-9"},"discriminateByTags":["id"]}}`, 200, "conversation.tags.id", "T-9"},
		{`POST initialize-incoming-message {"userId":"{user}"}`, 400, "message", "give either conversationId or conversation"},
		{`POST initialize-incoming-message {"conversationId":"{conv}"}`, 400, "message", "give either userId or user"},
		{`POST initialize-incoming-message {"user":{"tags":{"id":"8"},"discriminateByTags":["id"]},"conversation":{"channel":"hitl","tags":{"id":"T-8"},"discriminateByTags":["id"]},"message":{"payload":{},"type":"text","tags":{"id":"m8"}}}`, 400, "message", "discriminateByTags is required"},
		{`GET users?tags.id=8`, 200, "users.length", 0},
		{`GET conversations?tags.id=T-8`, 200, "conversations.length", 0},
		{`POST initialize-incoming-message {"userId":"user_00000000000000000000000000","conversationId":"{conv}"}`, 404, "type", "ResourceNotFound"},

		// Events.
		{`POST events {"type":"pinged","payload":{},"conversationId":"{conv}"}`, 201, "event.type", "acme-desk:pinged"},
		{`POST events {"type":"ponged","payload":{}}`, 400, "type", "InvalidPayload"},
		{`POST events {"type":"hitlAssigned","payload":{"conversationId":"{conv}"}}`, 400, "message", "the payload of hitlAssigned needs userId, a string"},
		{`POST events {"type":"hitlStopped","payload":{"conversationId":"{conv}"},"schedule":{"dateTime":"2099-01-01T00:00:00.000Z"}}`, 201, "event.status", "scheduled"},
		{`POST events {"type":"pinged","payload":{},"userId":"user_00000000000000000000000000"}`, 400, "type", "ReferenceNotFound"},
		{`GET events?status=scheduled`, 200, "events.0.type", "acme-desk:hitlStopped"},
		{`GET events?status=done`, 400, "type", "InvalidQuery"},
		{`GET events?status=canceled`, 400, "type", "InvalidQuery"},
		{`GET events?type=pinged`, 200, "events.length", 1},
		{`GET events?type=message_created`, 200, "events.length", 0},
		{`GET events/{evt}`, 200, "event.failureReason", nil},
		{`DELETE events/scheduled/{evt}`, 404, "type", "ResourceNotFound"},

		// States.
		{`GET states/integration/{integration}/auth`, 404, "type", "ResourceNotFound"},
		{`POST states/integration/{integration}/auth {"payload":{"a":1,"b":2}}`, 200, "state.payload.b", 2.0},
		{`POST states/integration/{integration}/auth/get-or-set {"payload":{"a":9}}`, 200, "state.payload.a", 1.0},
		{`POST states/integration/{integration}/auth {"payload":{"a":"` + large + `"}}`, 413, "type", "PayloadTooLarge"},
		{`PATCH states/integration/{integration}/auth {"payload":{"b":null,"c":3}}`, 200, "state.payload.b", nil},
		{`GET states/integration/{integration}/auth`, 200, "state.payload.c", 3.0},
		{`POST states/integration/{integration}/auth {"payload":null}`, 200, "", nil},
		{`PATCH states/integration/{integration}/auth {"payload":{"b":2}}`, 404, "type", "ResourceNotFound"},
		{`GET states/integration/{bot}/auth`, 404, "type", "ResourceNotFound"},
		{`GET states/conversation/{conv}/other`, 400, "type", "InvalidPayload"},
		{`POST states/conversation/{conv}/auth {"payload":{}}`, 400, "message", `the state "auth" of acme-desk is declared with the type integration, not conversation`},
		{`GET states/user/{user}/auth`, 400, "type", "InvalidPayload"},
		{`POST states/conversation/{conv}/claim {"payload":{}}`, 200, "state.type", "conversation"},
		{`POST states/bot/{bot}/claim {"payload":{}}`, 400, "type", "InvalidPayload"},
		{`GET states/planet/{conv}/auth`, 400, "type", "InvalidPayload"},
		{`POST states/conversation/{conv}/claim/get-or-set {"payload":{"by":"a"},"expiry":0}`, 400, "type", "InvalidPayload"},
		{`POST states/user/{user}/claim {"payload":{},"expiry":60000}`, 200, "state.type", "user"},
		{`POST states/user/{user}/claim/expiry {"expiry":null}`, 200, "state.name", "claim"},
		{`POST states/user/{user}/claim {"payload":null}`, 200, "", nil},
		{`POST states/user/{user}/claim/expiry {"expiry":5}`, 404, "type", "ResourceNotFound"},

		// The rest.
		{`POST integrations/configure {"identifier":"x"}`, 200, "", nil},
		{`POST integrations/configure {"identifier":"` + long + `"}`, 400, "type", "InvalidPayload"},
		{`POST integrations/configure {"scheduleRegisterCall":"weekly"}`, 200, "", nil},
		{`POST integrations/configure {"scheduleRegisterCall":"sometimes"}`, 400, "type", "InvalidPayload"},
		{`POST integrations/configure {"scheduleRegisterCall":""}`, 400, "type", "InvalidPayload"},
		{`POST integrations/configure {"scheduleRegisterCall":null}`, 400, "type", "InvalidPayload"},
		{`POST actions {"type":"acme-desk:createUser","input":{}}`, 403, "type", "Forbidden"},
		{`PATCH users/{user} {}`, 405, "type", "MethodNotFound"},
		{`GET planets`, 404, "type", "ResourceNotFound"},
		{`DELETE users/{user}`, 200, "", nil},
		{`GET users/{user}`, 404, "type", "ResourceNotFound"},
		{`DELETE conversations/{conv}`, 200, "", nil},
		{`GET messages?conversationId={conv}`, 404, "type", "ResourceNotFound"},
	} {
		status, answer := c.do(row.call)
		if got := dig(answer, row.path); status != row.status || row.path != "" && !cmp.Equal(got, row.want) {
			t.Errorf("%s\n\tanswered %d %v\n\twant %d with %s = %v", row.call, status, answer, row.status, row.path, row.want)
		}
		if status >= 400 && (answer["code"] != float64(status) || !strings.HasPrefix(fmt.Sprint(answer["id"]), "err_")) {
			t.Errorf("%s: the error %v lacks its code or id", row.call, answer)
		}
	}
}

func TestPaging(t *testing.T) {
	a, in := installAcme(t, &botpresstest.Options{PageSize: 2}, botpresstest.Integration{})
	c := newAPI(t, a, in)
	for i := range 5 {
		c.do(fmt.Sprintf(`POST conversations {"channel":"hitl","tags":{"id":"%d"}}`, i))
	}
	var got []any
	for token, more := any(""), true; more; {
		_, answer := c.do(fmt.Sprint("GET conversations?nextToken=", token))
		for i := range dig(answer, "conversations.length").(int) {
			got = append(got, dig(answer, fmt.Sprintf("conversations.%d.tags.id", i)))
		}
		token, more = dig(answer, "meta.nextToken").(string)
		c.do(`POST conversations {"channel":"hitl","tags":{"id":"new"}}`) // It is on the first page, not on the next one.
	}
	if diff := cmp.Diff([]any{"4", "3", "2", "1", "0"}, got); diff != "" {
		t.Errorf("newest first (-want +got):\n%s", diff)
	}
}

// A list goes on behind what was deleted meanwhile, whatever it is sorted by.
func TestPagingOfWhatIsDeleted(t *testing.T) {
	for list, one := range map[string]string{
		"conversations?": "conversations", "conversations?sortField=updatedAt&sortDirection=asc": "conversations",
		"users?tags.id=1": "users", "messages?conversationId={conv}": "messages", "conversations/{conv}/participants?": "conversations/{conv}/participants",
	} {
		t.Run(list, func(t *testing.T) {
			a, in := installAcme(t, &botpresstest.Options{PageSize: 2}, botpresstest.Integration{})
			c := newAPI(t, a, in)
			_, answer := c.do(`POST conversations {"channel":"hitl","tags":{}}`)
			conv := dig(answer, "conversation.id").(string)
			for i := range 4 {
				_, answer := c.do(`POST users {"tags":{"id":"1"}}`)
				user := dig(answer, "user.id").(string)
				c.do(fmt.Sprintf(`POST conversations/%s/participants {"userId":%q}`, conv, user))
				c.do(fmt.Sprintf(`POST messages {"conversationId":%q,"userId":%q,"type":"text","payload":{"text":"%d"},"tags":{}}`, conv, user, i))
				c.do(`POST conversations {"channel":"hitl","tags":{}}`)
			}
			fill := strings.NewReplacer("{conv}", conv)
			seen := 0
			name := one[strings.LastIndexByte(one, '/')+1:]
			for token, more := "", true; more; {
				status, answer := c.do("GET " + fill.Replace(list) + "&nextToken=" + token)
				if status != http.StatusOK {
					t.Fatalf("after %d items: %d %v", seen, status, answer)
				}
				token, more = dig(answer, "meta.nextToken").(string)
				for i := range dig(answer, name+".length").(int) {
					seen++
					id := dig(answer, fmt.Sprintf("%s.%d.id", name, i)).(string)
					if id == conv {
						continue
					}
					if status, answer := c.do("DELETE " + fill.Replace(one) + "/" + id); status != http.StatusOK {
						t.Fatalf("delete: %d %v", status, answer)
					}
				}
			}
			want := 4
			if name == "conversations" {
				want = 5 // with that of the others
			}
			if seen != want {
				t.Errorf("the list has %d items, want %d", seen, want)
			}
		})
	}
}

func TestWhoCalls(t *testing.T) {
	a, in := installAcme(t, nil, botpresstest.Integration{})
	other, err := a.server.Install(t.Context(), botpresstest.Integration{Name: "acme-desk", Alias: "second", URL: in.URL})
	if err != nil {
		t.Fatal(err)
	}
	c := newAPI(t, a, in)
	c.do(`POST users {"tags":{"id":"1"}}`)
	for _, row := range []struct {
		change string
		value  string
		status int
		kind   any
	}{
		{"", "", 200, nil},
		{"x-bot-id", "", 400, "InvalidPayload"},
		{"x-bot-id", "bot_of_somebody_else", 403, "Forbidden"},
		{"x-integration-id", "intver_of_somebody_else", 403, "Forbidden"},
		{"x-integration-alias", "", 400, "InvalidPayload"}, // It is installed twice.
		{"x-integration-alias", "third", 403, "Forbidden"},
		{"x-integration-alias", other.Alias, 404, "ResourceNotFound"}, // Another installation's user.
	} {
		old := c.header.Get(row.change)
		c.header.Set(row.change, row.value)
		if status, answer := c.do("GET users/{user}"); status != row.status || answer["type"] != row.kind {
			t.Errorf("with %s %q: %d %v, want %d %v", row.change, row.value, status, answer, row.status, row.kind)
		}
		c.header.Set(row.change, old)
	}

	// An event is about what its integration can see.
	c.do(`POST conversations {"channel":"hitl","tags":{"id":"T-1"}}`)
	c.do(`POST messages {"conversationId":"{conv}","userId":"{user}","type":"text","payload":{"text":"hi"},"tags":{}}`)
	for _, about := range []string{`"conversationId":"{conv}"`, `"userId":"{user}"`, `"messageId":"{msg}"`} {
		call := `POST events {"type":"hitlStopped","payload":{"conversationId":"{conv}"},` + about + `}`
		if status, answer := c.do(call); status != 201 {
			t.Errorf("%s: %d %v, want 201", call, status, answer)
		}
		c.header.Set("x-integration-alias", other.Alias)
		if status, answer := c.do(call); status != 400 || answer["type"] != "ReferenceNotFound" {
			t.Errorf("%s, by another installation: %d %v, want 400 ReferenceNotFound", call, status, answer)
		}
		c.header.Set("x-integration-alias", in.Alias)
	}

	// The bot sees everything, by full names.
	c.header.Del("x-integration-id")
	if _, answer := c.do("GET users/{user}"); dig(answer, "user.tags.acme-desk:id") != "1" {
		t.Errorf("the bot sees %v", answer)
	}
	if status, answer := c.do(`POST actions {"type":"second:createUser","input":{"name":"Jane","email":"reject@example.com"}}`); status != 400 || answer["type"] != "Runtime" {
		t.Errorf("a refused action: %d %v", status, answer)
	}
	if status, answer := c.do(`POST actions {"type":"third:createUser","input":{}}`); status != 400 || answer["type"] != "ReferenceNotFound" {
		t.Errorf("an unknown action: %d %v", status, answer)
	}
	c.header.Set("Authorization", "Bearer "+a.server.Token+"x")
	if status, answer := c.do("GET users/{user}"); status != http.StatusUnauthorized || answer["type"] != "Unauthorized" {
		t.Errorf("with a wrong token: %d %v", status, answer)
	}
}

func TestStateExpires(t *testing.T) {
	inBubble(t, botpresstest.Options{}, func(t *testing.T, a *acme, in *botpresstest.Installation) {
		t.Helper()
		c := newAPI(t, a, in)
		claim := func(by string) any {
			_, answer := c.do(`POST states/integration/{integration}/claim/get-or-set {"payload":{"by":"` + by + `"},"expiry":60000}`)
			return dig(answer, "state.payload.by")
		}
		got := []any{claim("a"), claim("b")}
		<-time.After(time.Minute - 1)
		got = append(got, claim("c"))
		<-time.After(1)
		got = append(got, claim("d"))
		if diff := cmp.Diff([]any{"a", "a", "a", "d"}, got); diff != "" {
			t.Errorf("holders (-want +got):\n%s", diff)
		}
	})
}

// TestScheduledEvents: in the order of their times, whatever the order of the calls; a cancelled one never.
func TestScheduledEvents(t *testing.T) {
	inBubble(t, botpresstest.Options{}, func(t *testing.T, a *acme, in *botpresstest.Installation) {
		t.Helper()
		c := newAPI(t, a, in)
		jane := in.NewEndUser(botpresstest.Profile{Name: "Jane"})
		if err := jane.Escalate(t.Context(), botpresstest.Escalation{Title: "Help"}); err != nil {
			t.Fatal(err)
		}
		c.ids["conv"], c.ids["agent"] = jane.DownstreamID(), jane.DownstreamUserID()
		at := time.Now().Add(2 * time.Second).UTC().Format("2006-01-02T15:04:05.000Z")
		c.do(`POST events {"type":"hitlStopped","payload":{"conversationId":"{conv}"},"schedule":{"delay":500}}`)
		c.do(`POST events {"type":"hitlAssigned","payload":{"conversationId":"{conv}","userId":"{agent}"},"schedule":{"dateTime":"` + at + `"}}`)
		if status, answer := c.do("DELETE events/scheduled/{evt}"); status != 200 {
			t.Fatalf("cancelling: %d %v", status, answer)
		}
		if err := a.server.Settle(t.Context()); err != nil { // Nothing is due.
			t.Fatal(err)
		}
		if n := len(jane.Received()); n != 1 {
			t.Errorf("%d messages before anything is due, want 1", n)
		}
		<-time.After(2*time.Second - 1)
		synctest.Wait()
		if n := len(jane.Received()); n != 1 || !jane.Active() {
			t.Errorf("%d messages before the second event is due, want 1", n)
		}
		<-time.After(1)
		synctest.Wait()
		if n := len(jane.Received()); n != 2 {
			t.Errorf("%d messages after the second event, want 2", n)
		}
	})
}

func TestFaultsOnAPI(t *testing.T) {
	tests := map[botpresstest.FaultKind]struct {
		status int  // Zero: no answer.
		done   bool // The work is done.
	}{
		botpresstest.DropBefore:    {0, false},
		botpresstest.DropAfter:     {0, true},
		botpresstest.BadGateway:    {502, true},
		botpresstest.Reset:         {0, false},
		botpresstest.Delay:         {201, true},
		botpresstest.Late:          {201, true},
		botpresstest.RateLimited:   {429, false},
		botpresstest.Unavailable:   {503, false},
		botpresstest.InternalError: {500, false},
	}
	a, in := installAcme(t, nil, botpresstest.Integration{})
	c := newAPI(t, a, in)
	for kind, want := range tests {
		before := len(a.server.Users())
		a.server.Fault(botpresstest.Fault{Operation: "createUser", Kind: kind, Skip: 1, Times: 1, RetryAfter: 1500 * time.Millisecond, Delay: time.Millisecond})
		c.do(`POST users {"tags":{}}`) // Spared.
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, a.server.URL+"/v1/chat/users", strings.NewReader(`{"tags":{}}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header = c.header.Clone()
		req.Header.Set("Authorization", "Bearer "+a.server.Token)
		status := 0
		if res, err := a.client.Do(req); err == nil {
			status = res.StatusCode
			quota := "60"
			if kind == botpresstest.RateLimited {
				quota = "2"
			}
			if got := res.Header.Get("RateLimit-Reset"); got != quota || res.Header.Get("RateLimit-Limit") == "" || res.Header.Get("RateLimit-Remaining") == "" {
				t.Errorf("%s: RateLimit-Reset: %q, want %s; all headers: %v", kind, got, quota, res.Header)
			}
			body, err := io.ReadAll(res.Body)
			if err != nil {
				t.Fatal(err)
			}
			const limited = `{"description":"The request has been rate-limited.","status":429,"type":"RateLimited"}`
			if kind == botpresstest.RateLimited && string(body) != limited {
				t.Errorf("429 with %s, want %s", body, limited)
			}
			_ = res.Body.Close()
		}
		if status != want.status {
			t.Errorf("%s: status %d, want %d", kind, status, want.status)
		}
		if done := len(a.server.Users()) == before+2; done != want.done {
			t.Errorf("%s: done %t, want %t", kind, done, want.done)
		}
		if status, _ := c.do(`POST users {"tags":{}}`); status != 201 {
			t.Errorf("%s: the call after the fault: %d", kind, status)
		}
	}
	if n := a.server.Count("createUser"); n != 3*len(tests) {
		t.Errorf("%d calls are counted, want %d", n, 3*len(tests))
	}
	lift := a.server.Fault(botpresstest.Fault{Kind: botpresstest.Unavailable})
	if status, _ := c.do("GET users"); status != 503 {
		t.Errorf("a fault on everything: %d, want 503", status)
	}
	lift()
	if status, _ := c.do("GET users"); status != 200 {
		t.Errorf("after the fault is lifted: %d, want 200", status)
	}
	calls := a.server.Calls()
	if last := calls[len(calls)-2]; last.Fault != botpresstest.Unavailable || last.Status != 503 || last.Operation != "listUsers" {
		t.Errorf("the record of a fault: %+v", last)
	}
}

func TestInstall(t *testing.T) {
	a, in := installAcme(t, nil, botpresstest.Integration{})
	s := a.server
	a.reply = func(op operation) (int, string) {
		switch op.name {
		case "register":
			return 400, `{"id":"err_1","code":400,"type":"Runtime","message":"the token is wrong"}`
		case "unregister":
			return 502, "<html>"
		}
		return 0, ""
	}
	_, err := s.Install(t.Context(), botpresstest.Integration{Name: "acme-desk", Alias: "two", URL: in.URL})
	var refusal *botpresstest.Error
	if !errors.As(err, &refusal) || refusal.Message != "the token is wrong" {
		t.Errorf("Install: %v, want the integration's message", err)
	}
	if err := in.Configure(t.Context(), map[string]int{"a": 1}); !errors.As(err, &refusal) || refusal.Type != "Runtime" {
		t.Errorf("Configure: %v, want the integration's message", err)
	}
	if err := in.Uninstall(t.Context()); !errors.As(err, &refusal) || refusal.Status != 502 || refusal.Type != "Unknown" {
		t.Errorf("Uninstall: %v, want a 502", err)
	}
	a.reply = nil
	if err := in.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	if got := a.received[len(a.received)-1].header.Get("x-bp-configuration"); got != "e30=" {
		t.Errorf("the configuration after a refused one is %s, want the old one", got)
	}
	for _, spec := range []botpresstest.Integration{
		{},
		{Name: "x"},
		{Name: "acme-desk", URL: in.URL},
		{Name: "x", URL: in.URL, Configuration: 7},
		{Name: "x", URL: in.URL, Configuration: func() {}},
		{Name: "x", URL: in.URL, SigningSecret: "no base64!"},
	} {
		if _, err := s.Install(t.Context(), spec); err == nil {
			t.Errorf("Install(%+v): no error", spec)
		}
	}
	if err := in.Uninstall(t.Context()); err != nil {
		t.Error(err)
	}
	if status, _ := newAPI(t, a, in).do("GET users"); status != 403 {
		t.Errorf("a call of an integration that is not installed: %d, want 403", status)
	}
}

func TestWebhook(t *testing.T) {
	a, in := installAcme(t, nil, botpresstest.Integration{})
	a.reply = func(op operation) (int, string) {
		if op.name == "webhook_received" {
			return http.StatusTeapot, string(op.body)
		}
		return 0, ""
	}
	get := func(url, body string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Add("X-Desk", "a")
		req.Header.Add("X-Desk", "b")
		res, err := a.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		data, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		inner, _ := field(t, data, "req").(map[string]any)
		return res.StatusCode, fmt.Sprintf("%s %s?%s %s: %v", inner["method"], inner["path"], inner["query"], dig(inner, "headers.x-desk"), inner["body"])
	}
	if status, got := get(in.WebhookURL+"/a%2Fb/c?x=1&y=%20", "ö"); status != http.StatusTeapot || got != "PUT /a%2Fb/c?x=1&y=%20 a, b: ö" {
		t.Errorf("%d %s", status, got)
	}
	if status, got := get(in.WebhookURL, ""); status != http.StatusTeapot || got != "PUT ? a, b: <nil>" {
		t.Errorf("%d %s", status, got)
	}
	if status, _ := get(a.server.URL+"/webhook/wh_unknown", ""); status != http.StatusNotFound {
		t.Errorf("an unknown webhook: %d, want 404", status)
	}
	a.server.Fault(botpresstest.Fault{Operation: "webhook_received", Kind: botpresstest.DropAfter, Times: 1})
	before := len(a.received)
	if status, _ := get(in.WebhookURL, "x"); status != http.StatusInternalServerError || len(a.received) != before+1 {
		t.Errorf("a webhook whose answer is lost: %d after %d dispatches, want 500 after 1", status, len(a.received)-before)
	}
}

func TestSignature(t *testing.T) {
	var got []string
	adapter := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = append(got, r.Header.Get("x-bp-signature"))
		_, _ = w.Write([]byte("{}"))
	}))
	defer adapter.Close()
	s := botpresstest.NewServer(nil)
	defer s.Close()
	if _, err := s.Install(t.Context(), botpresstest.Integration{Name: "x", URL: adapter.URL, SigningSecret: "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"}); err != nil {
		t.Fatal(err)
	}
	stamp, hash, _ := strings.Cut(got[0], ",")
	if len(stamp) != 13 || len(hash) != 43 {
		t.Errorf("x-bp-signature: %q", got[0])
	}
}

func TestClose(t *testing.T) {
	inBubble(t, botpresstest.Options{Plugin: botpresstest.PluginConfig{AssignedTimeout: time.Hour}}, func(t *testing.T, a *acme, in *botpresstest.Installation) {
		t.Helper()
		jane := in.NewEndUser(botpresstest.Profile{Name: "Jane"})
		if err := jane.Escalate(t.Context(), botpresstest.Escalation{Title: "Help"}); err != nil {
			t.Fatal(err)
		}
		a.server.Fault(botpresstest.Fault{Operation: "message_created", Kind: botpresstest.Delay, Delay: time.Hour})
		if err := jane.Say(t.Context(), message.Text{Text: "hello"}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := a.server.Settle(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Settle: %v, want the context's error", err)
		}
		start := time.Now()
		a.server.Close()
		a.server.Close()
		if took := time.Since(start); took > 0 {
			t.Errorf("Close took %s", took)
		}
		if err := jane.Escalate(t.Context(), botpresstest.Escalation{}); err == nil {
			t.Error("Escalate after Close: no error")
		}
	})
}

func TestRateLimitThatEndsAtOnce(t *testing.T) {
	a, in := installAcme(t, nil, botpresstest.Integration{})
	a.server.Fault(botpresstest.Fault{Operation: "listUsers", Kind: botpresstest.RateLimited, RetryAfter: -1})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, a.server.URL+"/v1/chat/users", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = newAPI(t, a, in).header.Clone()
	req.Header.Set("Authorization", "Bearer "+a.server.Token)
	res, err := a.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if got := res.Header.Get("RateLimit-Reset"); res.StatusCode != http.StatusTooManyRequests || got != "0" {
		t.Errorf("answered %d with RateLimit-Reset: %q", res.StatusCode, got)
	}
}
