package botpress_test

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hitl-go/sdk/botpress"
)

// paging serves users in pages of two.
func paging(t *testing.T, pages int, requests *[]string) *botpress.Client {
	t.Helper()
	return newClient(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*requests = append(*requests, r.URL.RawQuery)
		page, _ := strconv.Atoi(r.URL.Query().Get("nextToken"))
		next := ""
		if page+1 < pages {
			next = strconv.Itoa(page + 1)
		}
		fmt.Fprintf(w, `{"users": [{"id": "%d-a"}, {"id": "%d-b"}], "meta": {"nextToken": %q}}`, page, page, next)
	}))
}

// Ranging twice gives the same, each time from the start.
func TestPagesRestart(t *testing.T) {
	var requests []string
	users := paging(t, 3, &requests).ListUsers(t.Context(), botpress.ListUsersParams{PageSize: 2})
	want := []string{"0-a", "0-b", "1-a", "1-b", "2-a", "2-b"}
	for range 2 {
		var got []string
		for u, err := range users {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, u.ID)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	once := []string{"pageSize=2", "nextToken=1&pageSize=2", "nextToken=2&pageSize=2"}
	if diff := cmp.Diff(append(once, once...), requests); diff != "" {
		t.Error(diff)
	}
}

// Two loops over one list do not disturb each other.
func TestPagesNested(t *testing.T) {
	var requests []string
	users := paging(t, 2, &requests).ListUsers(t.Context(), botpress.ListUsersParams{})
	pairs := 0
	for _, err := range users {
		if err != nil {
			t.Fatal(err)
		}
		for _, err := range users {
			if err != nil {
				t.Fatal(err)
			}
			pairs++
		}
	}
	if pairs != 16 {
		t.Errorf("%d pairs of 4 users", pairs)
	}
}

// Nothing is fetched that is not looked at.
func TestPagesBreak(t *testing.T) {
	var requests []string
	c := paging(t, 3, &requests)
	for u, err := range c.ListUsers(t.Context(), botpress.ListUsersParams{}) {
		if err != nil {
			t.Fatal(err)
		}
		if u.ID == "0-b" {
			break
		}
	}
	if len(requests) != 1 {
		t.Errorf("requests: %q", requests)
	}
}

func TestPagesError(t *testing.T) {
	c := newClient(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("nextToken") == "2" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		fmt.Fprint(w, `{"messages": [{"id": "m"}], "meta": {"nextToken": "2"}}`)
	}))
	var seen []string
	for m, err := range c.ListMessages(t.Context(), botpress.ListMessagesParams{}) {
		seen = append(seen, m.ID)
		if err != nil && !errors.Is(err, botpress.ErrForbidden) {
			t.Error(err)
		}
	}
	if diff := cmp.Diff([]string{"m", ""}, seen); diff != "" {
		t.Error(diff)
	}
}

// One page at a time, as a user interface shows them.
func TestPagesByHand(t *testing.T) {
	var requests []string
	c := paging(t, 3, &requests)
	p := botpress.ListUsersParams{PageSize: 2, NextToken: "1"}
	var shown [][]string
	for range 2 {
		var next string
		p.Next = &next
		var ids []string
		for u, err := range c.ListUsers(t.Context(), p) {
			if err != nil {
				t.Fatal(err)
			}
			if next != map[string]string{"1": "2", "2": ""}[p.NextToken] {
				t.Errorf("in the page %q the next one is %q", p.NextToken, next)
			}
			ids = append(ids, u.ID)
		}
		shown = append(shown, ids)
		p.NextToken = next
	}
	if diff := cmp.Diff([][]string{{"1-a", "1-b"}, {"2-a", "2-b"}}, shown); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"nextToken=1&pageSize=2", "nextToken=2&pageSize=2"}, requests); diff != "" {
		t.Error(diff)
	}
	if p.NextToken != "" {
		t.Errorf("after the last page comes %q", p.NextToken)
	}
}

// Without Next, a list goes on from the page where it starts.
func TestPagesFrom(t *testing.T) {
	var requests []string
	var ids []string
	for u, err := range paging(t, 3, &requests).ListUsers(t.Context(), botpress.ListUsersParams{NextToken: "1"}) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, u.ID)
	}
	if diff := cmp.Diff([]string{"1-a", "1-b", "2-a", "2-b"}, ids); diff != "" {
		t.Error(diff)
	}
}

// A list that never ends is an error, not a loop.
func TestPagesEndlessly(t *testing.T) {
	requests := 0
	c := newClient(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests++
		fmt.Fprint(w, `{"events": [], "meta": {"nextToken": "again"}}`)
	}))
	var last error
	for _, err := range c.ListEvents(t.Context(), botpress.ListEventsParams{}) {
		last = err
	}
	if last == nil || requests != 2 {
		t.Errorf("%d requests, error %v", requests, last)
	}
}

// What cannot be decoded is not handed on by halves.
func TestBrokenAnswer(t *testing.T) {
	c := newClient(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"user": {"id": "a", "name": 5}}`)
	}))
	u, err := c.GetUser(t.Context(), "a")
	if diff := cmp.Diff(botpress.User{}, u); diff != "" || err == nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// A message that is not one ends the list, and nothing of it is handed on. What comes before it is, and who leaves earlier never
// hears of it.
func TestPagesOfBrokenMessages(t *testing.T) {
	c := newClient(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"messages": [{"id": "a"}, {"id": "b", "type": 5}, {"id": "c"}], "meta": {}}`)
	}))
	var got []string
	for m, err := range c.ListMessages(t.Context(), botpress.ListMessagesParams{}) {
		got = append(got, fmt.Sprintf("%s %v", m.ID, err))
	}
	want := []string{"a <nil>", " botpress: GET /v1/chat/messages: a message of the response is not the expected JSON: " +
		"type is of the type number, which does not fit the Go type string"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for m, err := range c.ListMessages(t.Context(), botpress.ListMessagesParams{}) {
		if m.ID != "a" || err != nil {
			t.Errorf("the first message is %+v, %v", m, err)
		}
		break
	}
}
