package zendesktest_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/hitl-go/sdk/examples/zendesk/zendesktest"
)

// client calls the API of a desk.
type client struct {
	*testing.T

	desk   *zendesktest.Desk
	memory bool // Call it without a socket, for bubbles of synctest.
}

func newClient(t *testing.T) *client {
	t.Helper()
	c := &client{T: t, desk: zendesktest.NewDesk()}
	t.Cleanup(c.desk.Close)
	return c
}

// bubble runs a test whose clock is its own. The desk has goroutines that wait for the network, so it stays outside.
func bubble(t *testing.T, test func(*client)) {
	t.Helper()
	desk := zendesktest.NewDesk()
	t.Cleanup(desk.Close)
	synctest.Test(t, func(t *testing.T) { test(&client{T: t, desk: desk, memory: true}) })
}

type memory struct{ http.Handler }

func (m memory) RoundTrip(r *http.Request) (*http.Response, error) {
	answer := httptest.NewRecorder()
	m.ServeHTTP(answer, r)
	return answer.Result(), nil
}

func (c *client) transport() http.RoundTripper {
	if c.memory {
		return memory{c.desk}
	}
	return &http.Transport{DisableKeepAlives: true}
}

// call returns the status and the answer of the API; in a body, ' stands for ".
func (c *client) call(method, path, body string, headers ...string) (int, map[string]any) {
	c.Helper()
	return c.send(method, c.desk.URL+"/api/v2/"+path, body, headers...)
}

func (c *client) send(method, address, body string, headers ...string) (int, map[string]any) {
	c.Helper()
	status, _, out := c.headers(method, address, body, headers...)
	return status, out
}

func (c *client) headers(method, address, body string, headers ...string) (int, http.Header, map[string]any) {
	c.Helper()
	r, err := http.NewRequestWithContext(c.Context(), method, address, strings.NewReader(strings.ReplaceAll(body, "'", `"`)))
	if err != nil {
		c.Fatal(err)
	}
	r.SetBasicAuth(c.desk.Email+"/token", c.desk.Token)
	for i := 0; i+1 < len(headers); i += 2 {
		if r.Header.Set(headers[i], headers[i+1]); headers[i+1] == "" {
			r.Header.Del(headers[i])
		}
	}
	res, err := (&http.Client{Transport: c.transport()}).Do(r)
	if err != nil {
		return 0, nil, nil
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		c.Fatal(err)
	}
	var out map[string]any
	if len(data) > 0 {
		if err := json.Unmarshal(data, &out); err != nil {
			c.Fatalf("%s %s answered %s", method, address, data)
		}
	}
	return res.StatusCode, res.Header, out
}

// at is what stands in an answer under a path such as "user.photo" or "tickets.0.id".
func at(answer any, path string) any {
	for key := range strings.SplitSeq(path, ".") {
		switch v := answer.(type) {
		case map[string]any:
			answer = v[key]
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil || i >= len(v) {
				return nil
			}
			answer = v[i]
		default:
			return nil
		}
	}
	return answer
}

func TestRules(t *testing.T) {
	c := newClient(t)
	rosa := c.desk.NewAgent("Rosa Diaz")
	for _, step := range []struct {
		method, path, body string
		want               int
		words              string
	}{
		{"POST", "tickets.json", `{'ticket': {'subject': 'x'}}`, 422, "Description: cannot be blank"},
		{"POST", "tickets.json", `{'ticket': {'comment': {'html_body': 'x'}, 'priority': 'huge'}}`, 422, "not a valid priority"},
		{"POST", "tickets.json", `{'ticket': {'comment': {'html_body': 'x'}, 'requester_id': 5}}`, 422, "Requester"},
		{"POST", "tickets.json", `{'ticket': {'comment': {'html_body': 'x'}, 'external_id': 'c1'}}`, 201, ""},
		{"GET", "tickets.json?external_id=c1", "", 200, ""},
		{"PUT", "tickets/1", `{'ticket': {'status': 'solved'}}`, 422, "Assignee: is required when solving a ticket"},
		{"PUT", "tickets/2", `{'ticket': {'status': 'open'}}`, 404, "Not found"},
		{"PUT", "tickets/1.json", `{'ticket': {'comment': {'html_body': ' '}}}`, 422, "cannot be blank"},
		{"PUT", "tickets/1.json", `{'ticket': {'comment': {'html_body': 'x', 'uploads': ['none']}}}`, 422, "Attachment: is invalid"},
		{"PUT", "tickets/1.json", `no JSON`, 400, "invalid character"},
		{"POST", "users/create_or_update", `{'user': {'name': ''}}`, 422, "is too short"},
		{"POST", "users/create_or_update", `{'user': {'name': '` + strings.Repeat("ü", 256) + `'}}`, 422, "255"},
		{"POST", "users/create_or_update", `{'user': {'name': 'x', 'remote_photo_url': '` + strings.Repeat("x", 256) + `'}}`, 422, "255"},
		{"POST", "triggers", `{'trigger': {'title': 't', 'conditions': {'all': [{'field': 'moon', 'operator': 'is', 'value': 'full'}]}}}`, 422, "moon"},
		{"DELETE", "triggers/1", "", 404, "Not found"},
	} {
		got, answer := c.call(step.method, step.path, step.body)
		said, err := json.Marshal(answer)
		if err != nil {
			t.Fatal(err)
		}
		if got != step.want || !strings.Contains(string(said), step.words) {
			t.Errorf("%s %s %s: %d %s", step.method, step.path, step.body, got, said)
		}
	}
	if err := c.desk.Solve(1, rosa); err != nil {
		t.Error(err)
	}
	if err := c.desk.CloseTicket(1); err != nil {
		t.Error(err)
	}
	if err := c.desk.Reply(1, rosa, "too late"); err == nil || !strings.Contains(err.Error(), "closed prevents ticket update") {
		t.Errorf("a closed ticket was updated: %v", err)
	}
}

func TestIdempotencyKey(t *testing.T) {
	c := newClient(t)
	const ticket = `{'ticket': {'comment': {'html_body': 'x'}}}`
	for _, step := range []struct {
		body string
		want int
	}{{ticket, 201}, {ticket, 201}, {`{'ticket': {'comment': {'html_body': 'y'}}}`, 400}} {
		if got, answer := c.call("POST", "tickets.json", step.body, "Idempotency-Key", "k"); got != step.want {
			t.Errorf("%s: %d %v", step.body, got, answer)
		}
	}
	if n := len(c.desk.Tickets()); n != 1 {
		t.Errorf("there are %d tickets", n)
	}
}

func TestOrderOfComments(t *testing.T) {
	c := newClient(t)
	rosa := c.desk.NewAgent("Rosa Diaz")
	c.call("POST", "tickets.json", `{'ticket': {'comment': {'html_body': '1'}}}`)
	for _, text := range []string{"2", "3"} {
		if err := c.desk.Reply(1, rosa, text); err != nil {
			t.Fatal(err)
		}
	}
	for query, want := range map[string]string{
		"":                                 "123",
		"?sort=-created_at":                "123", // Without a page size nobody heeds it.
		"?sort=-created_at&page[size]=2":   "32",
		"?page[size]=2&sort=created_at":    "12",
		"?sort=-created_at&page[size]=100": "321",
	} {
		_, answer := c.call("GET", "tickets/1/comments.json"+query, "")
		var got strings.Builder
		for _, comment := range answer["comments"].([]any) {
			got.WriteString(comment.(map[string]any)["body"].(string))
		}
		if got.String() != want {
			t.Errorf("%s: %s, want %s", query, &got, want)
		}
	}
}

// Zendesk sends again only what it was asked to, and what was not answered at all in time.
func TestRetries(t *testing.T) {
	for name, test := range map[string]struct {
		status     int
		retryAfter string
		want       int
	}{
		"success":            {200, "", 1},
		"server error":       {500, "", 1},
		"refused":            {401, "", 1},
		"conflict":           {409, "", 4},
		"busy":               {503, "1", 6},
		"too many":           {429, "59", 6},
		"busy for long":      {503, "60", 1},
		"busy, nobody knows": {503, "", 1},
	} {
		c := newClient(t)
		c.desk.RetryAtOnce = true
		var calls atomic.Int64
		listener := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			calls.Add(1)
			if test.retryAfter != "" {
				w.Header().Set("Retry-After", test.retryAfter)
			}
			w.WriteHeader(test.status)
		}))
		t.Cleanup(listener.Close)
		c.hook(listener.URL)
		c.desk.Send("{}")
		if err := c.desk.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := calls.Load(); int(got) != test.want {
			t.Errorf("%s: %d attempts, want %d", name, got, test.want)
		}
	}
}

// hook makes a webhook and returns its id.
func (c *client) hook(endpoint string) string {
	c.Helper()
	status, answer := c.call("POST", "webhooks", `{'webhook': {'name': 'n', 'endpoint': '`+endpoint+`', 'http_method': 'POST',
		'request_format': 'json', 'status': 'active', 'subscriptions': ['conditional_ticket_events']}}`)
	if status != 201 {
		c.Fatal(status, answer)
	}
	return answer["webhook"].(map[string]any)["id"].(string)
}

func TestTriggers(t *testing.T) {
	c := newClient(t)
	listener := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(listener.Close)
	hook := c.hook(listener.URL)
	rosa := c.desk.NewAgent(`Rosa "Red" Diaz`)
	for title, conditions := range map[string]string{
		"assigned": `'all': [{'field': 'assignee_id', 'operator': 'changed'}]`,
		"solved":   `'any': [{'field': 'status', 'operator': 'value', 'value': 'solved'}, {'field': 'status', 'operator': 'value', 'value': 'closed'}]`,
		"comment":  `'all': [{'field': 'comment_is_public', 'operator': 'is', 'value': 'requester_can_see_comment'}, {'field': 'update_type', 'operator': 'is', 'value': 'Change'}]`,
		"end user": `'all': [{'field': 'role', 'operator': 'is', 'value': 'end_user'}]`,
		"not API":  `'all': [{'field': 'current_via_id', 'operator': 'is_not', 'value': '5'}, {'field': 'status', 'operator': 'less_than', 'value': 'pending'}]`,
	} {
		body := `{'trigger': {'title': '` + title + `', 'conditions': {` + conditions + `}, 'actions': [{'field': 'notification_webhook',
			'value': ['` + hook + `', '` + title + ` {{ticket.id}} [{{ticket.assignee.name}}] {{ticket.status}} {{nothing}}']}]}}`
		if status, answer := c.call("POST", "triggers", body); status != 201 {
			t.Fatal(status, answer)
		}
	}
	if status, _ := c.call("DELETE", "webhooks/"+hook, ""); status != 400 {
		t.Errorf("a webhook that is in use was deleted: %d", status)
	}
	c.call("POST", "tickets.json", `{'ticket': {'comment': {'html_body': 'x'}}}`)

	for _, err := range []error{
		c.desk.Assign(1, rosa), c.desk.Note(1, rosa, "x"), c.desk.Reply(1, rosa, "x"), c.desk.Solve(1, rosa), c.desk.CloseTicket(1),
		c.desk.Wait(t.Context()),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	got := map[string]int{}
	for _, d := range c.desk.Deliveries() {
		got[string(d.Body)]++
	}
	want := map[string]int{
		`assigned 1 [Rosa \"Red\" Diaz] Open `: 1,
		`not API 1 [Rosa \"Red\" Diaz] Open `:  3, // The assignment, the note and the reply.
		`comment 1 [Rosa \"Red\" Diaz] Open `:  1,
		`solved 1 [Rosa \"Red\" Diaz] Solved `: 1,
		`solved 1 [Rosa \"Red\" Diaz] Closed `: 1,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("deliveries (-want +got):\n%s", diff)
	}
}

func TestSignature(t *testing.T) {
	c := newClient(t)
	got := make(chan http.Header, 1)
	listener := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got <- r.Header }))
	t.Cleanup(listener.Close)
	hook := c.hook(listener.URL)
	_, answer := c.call("GET", "webhooks/"+hook+"/signing_secret", "")
	secret := answer["signing_secret"].(map[string]any)["secret"].(string)
	c.desk.Send(`{"say": "hello"}`)
	h := <-got
	want := zendesktest.Sign(secret, h.Get("X-Zendesk-Webhook-Signature-Timestamp"), []byte(`{"say": "hello"}`))
	if h.Get("X-Zendesk-Webhook-Signature") != want || h.Get("X-Zendesk-Webhook-Id") != hook {
		t.Errorf("the request has %v", h)
	}
	known := zendesktest.Sign("dGhpc19zZWNyZXRfaXNfZm9yX3Rlc3Rpbmdfb25seQ==", "2021-03-25T05:09:27Z", []byte(`{"id":1}`))
	if known != "ywpRZiAB7t63lmd+pF7GH2wmTjBlyoVl8feO7lD518g=" {
		t.Errorf("a known signature is %s here", known)
	}
}
