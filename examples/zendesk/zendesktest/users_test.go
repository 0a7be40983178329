package zendesktest_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hitl-go/sdk/examples/zendesk/zendesktest"
)

// step is a request, and what its answer must have.
type step struct {
	method, path, body string
	want               int
	at                 string // Where in the answer,
	is                 any    // this must stand.
}

// walk makes requests one after another.
func (c *client) walk(steps ...step) {
	c.Helper()
	for _, s := range steps {
		got, answer := c.call(s.method, s.path, s.body)
		if found := at(answer, s.at); got != s.want || s.at != "" && !cmp.Equal(found, s.is) {
			c.Errorf("%s %s %s: %d, at %q: %#v, want %d and %#v\n%v", s.method, s.path, s.body, got, s.at, found, s.want, s.is, answer)
		}
	}
}

func TestUsers(t *testing.T) {
	c := newClient(t)
	mary := c.desk.NewCustomer("Mary Stone", "mary@example.com", "crm-1")
	c.desk.AddAddress(mary.ID, "mary@home.example.com")
	path := fmt.Sprintf("users/%d", mary.ID)
	c.walk(
		step{"POST", "users", `{'user': {'name': 'Jane', 'email': 'jane@example.com', 'external_id': 4711}}`, 201, "user.external_id", "4711"},
		step{"POST", "users", `{'user': {'name': 'Jane', 'email': 'JANE@example.com'}}`, 422, "details.email.0.error", "DuplicateValue"},
		step{"POST", "users", `{'user': {'name': 'Jane', 'email': 'mary@home.example.com'}}`, 422, "details.email.0.error", "DuplicateValue"},
		step{"POST", "users", `{'user': {'name': 'Jane', 'external_id': 'CRM-1'}}`, 422, "details.external_id.0.error", "DuplicateValue"},
		step{"POST", "users", `{'user': {'email': 'x@example.com'}}`, 422, "details.name.0.error", nil},
		step{"POST", "users", `{'user': {'name': 'x', 'email': 'x'}}`, 422, "details.email.0.description", "Email: x is not properly formatted"},
		step{"POST", "users", `{'user': {'name': 'x', 'role': 'king'}}`, 422, "details.role.0.description", "Role: king is not a valid role"},
		step{"POST", "users/create_or_update", `{'user': {'name': 'New', 'external_id': 'n1'}}`, 201, "user.name", "New"},
		step{"POST", "users/create_or_update", `{'user': {'name': 'Newer', 'external_id': 'N1'}}`, 200, "user.name", "Newer"},
		step{"POST", "users/create_or_update", `{'user': {'name': 'Mallory', 'email': 'mary@home.example.com'}}`, 200, "user.id", float64(mary.ID)},
		step{"POST", "users/create_or_update", `{'user': {'name': 'x', 'external_id': 'n1', 'email': 'mary@example.com'}}`, 422, "details.email.0.error", "DuplicateValue"},
		step{"GET", path, "", 200, "user.name", "Mallory"},
		step{"GET", path, "", 200, "user.email", "mary@example.com"},
		step{"PUT", path, `{'user': {'name': 'Mary Stone', 'alias': 'M', 'external_id': null}}`, 200, "user.external_id", nil},
		step{"PUT", path, `{'user': {'email': 'mary@work.example.com'}}`, 200, "user.email", "mary@example.com"},
		step{"GET", path + "/identities", "", 200, "identities.2.value", "mary@work.example.com"},
		step{"PUT", "users/1", `{'user': {}}`, 404, "error", "RecordNotFound"},
		step{"GET", "users/1", "", 404, "error", "RecordNotFound"},
		step{"GET", "users", "", 200, "count", 4.0},
		step{"GET", "users?role=admin", "", 200, "users.0.email", c.desk.Email},
		step{"GET", "users?role=admin", "", 200, "users.1", nil},
		step{"GET", "users/count", "", 200, "count.value", 4.0},
		step{"GET", "users?page[size]=1", "", 200, "meta.has_more", true},
		step{"GET", fmt.Sprintf("users/show_many?ids=%d,1", mary.ID), "", 200, "users.0.alias", "M"},
		step{"GET", "users/me", "", 200, "user.role", "admin"},
	)
}

// Who sends no credentials is told that they are nobody; wrong ones are refused.
func TestWhoAsks(t *testing.T) {
	c := newClient(t)
	for name, test := range map[string]struct {
		path, authorization string
		want                int
		is                  any // The name, or the error.
	}{
		"nobody":         {"users/me", "", 200, "Anonymous user"},
		"nobody, again":  {"users", "", 401, "Couldn't authenticate you"},
		"wrong token":    {"users/me", "Bearer x", 401, "invalid_token"},
		"wrong password": {"users/me", "Basic eDp5", 401, "Couldn't authenticate you"},
		"the admin":      {"users/me", "Bearer " + c.desk.AccessToken, 200, "API User"},
		"something else": {"users/me", "Digest x", 401, "Couldn't authenticate you"},
	} {
		status, answer := c.call("GET", test.path, "", "Authorization", test.authorization)
		if status != test.want || at(answer, "user.name") != test.is && answer["error"] != test.is {
			t.Errorf("%s: %d %v", name, status, answer)
		}
	}
}

// What is not there is null, an empty list or an empty object, as it is in Zendesk.
func TestNothing(t *testing.T) {
	c := newClient(t)
	_, user := c.call("POST", "users", `{'user': {'name': 'Jane'}}`)
	_, ticket := c.call("POST", "tickets", `{'ticket': {'description': 'x'}}`)
	for path, want := range map[string]any{
		"user.photo": nil, "user.alias": nil, "user.external_id": nil, "user.email": nil, "user.tags": []any{}, "user.user_fields": map[string]any{},
	} {
		if got := at(user, path); !cmp.Equal(got, want) {
			t.Errorf("%s: %#v", path, got)
		}
	}
	for path, want := range map[string]any{
		"ticket.assignee_id": nil, "ticket.group_id": nil, "ticket.external_id": nil, "ticket.priority": nil, "ticket.subject": nil,
		"ticket.tags": []any{}, "ticket.custom_fields": []any{}, "ticket.satisfaction_rating": nil,
	} {
		if got := at(ticket, path); !cmp.Equal(got, want) {
			t.Errorf("%s: %#v", path, got)
		}
	}
}

func TestIdentities(t *testing.T) {
	c := newClient(t)
	jane := c.desk.NewCustomer("Jane", "", "")
	mary := c.desk.NewCustomer("Mary", "mary@example.com", "")
	path := fmt.Sprintf("users/%d/identities", jane.ID)
	c.walk(
		step{"GET", path, "", 200, "identities", []any{}},
		step{"POST", path, `{'identity': {'type': 'email', 'value': 'jane@example.com'}}`, 201, "identity.primary", true},
		step{"POST", path, `{'identity': {'type': 'email', 'value': 'jane@home.example.com', 'skip_verify_email': true}}`, 201, "identity.primary", false},
		step{"POST", path, `{'identity': {'type': 'email', 'value': 'Mary@example.com'}}`, 422, "details.email.0.error", "DuplicateValue"},
		step{"POST", path, `{'identity': {'type': 'email', 'value': 'jane@example.com'}}`, 422, "details.email.0.error", "DuplicateValue"},
		step{"POST", path, `{'identity': {'type': 'email', 'value': 'x'}}`, 422, "error", "RecordInvalid"},
		step{"POST", path, `{'identity': {'type': 'moon', 'value': 'x'}}`, 422, "error", "RecordInvalid"},
		step{"POST", "users/1/identities", `{'identity': {}}`, 404, "error", "RecordNotFound"},
		step{"GET", "users/1/identities", "", 404, "error", "RecordNotFound"},
		step{"GET", path, "", 200, "identities.1.value", "jane@home.example.com"},
		step{"GET", fmt.Sprintf("users/%d", jane.ID), "", 200, "user.email", "jane@example.com"},
	)
	want := []zendesktest.Identity{{UserID: mary.ID, Type: "email", Value: "mary@example.com", Primary: true, Verified: true}}
	got := c.desk.Identities(mary.ID)
	want[0].ID = got[0].ID
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("identities (-want +got):\n%s", diff)
	}
}

func TestVerificationMails(t *testing.T) {
	for name, test := range map[string]struct {
		method, path, body string
		want               int
	}{
		"new user":        {"POST", "users", `{'user': {'name': 'x', 'email': 'x@example.com'}}`, 1},
		"inside":          {"POST", "users", `{'user': {'name': 'x', 'email': 'x@example.com', 'skip_verify_email': true}}`, 0},
		"beside":          {"POST", "users", `{'user': {'name': 'x', 'email': 'x@example.com'}, 'skip_verify_email': true}`, 1},
		"verified":        {"POST", "users", `{'user': {'name': 'x', 'email': 'x@example.com', 'verified': true}}`, 0},
		"no address":      {"POST", "users", `{'user': {'name': 'x'}}`, 0},
		"or update":       {"POST", "users/create_or_update", `{'user': {'name': 'x', 'email': 'x@example.com'}, 'skip_verify_email': true}`, 1},
		"or update, in":   {"POST", "users/create_or_update", `{'user': {'name': 'x', 'email': 'x@example.com', 'skip_verify_email': true}}`, 0},
		"known":           {"POST", "users/create_or_update", `{'user': {'name': 'x', 'email': 'mary@example.com'}}`, 0},
		"identity":        {"POST", "users/%d/identities", `{'identity': {'type': 'email', 'value': 'x@example.com'}}`, 1},
		"identity, no":    {"POST", "users/%d/identities", `{'identity': {'type': 'email', 'value': 'x@example.com', 'skip_verify_email': true}}`, 0},
		"identity, aside": {"POST", "users/%d/identities", `{'identity': {'type': 'email', 'value': 'x@example.com'}, 'skip_verify_email': true}`, 1},
		"second address":  {"PUT", "users/%[1]d", `{'user': {'email': 'x@example.com'}}`, 1},
	} {
		c := newClient(t)
		mary := c.desk.NewCustomer("Mary", "mary@example.com", "")
		path := test.path
		if name == "second address" || test.path == "users/%d/identities" {
			path = fmt.Sprintf(test.path, mary.ID)
		}
		if status, answer := c.call(test.method, path, test.body); status >= 300 {
			t.Errorf("%s: %d %v", name, status, answer)
		}
		mails := c.desk.Mails()
		if len(mails) != test.want || test.want > 0 && (mails[0].Why != zendesktest.MailVerification || mails[0].To != "x@example.com") {
			t.Errorf("%s: %v", name, mails)
		}
	}
}

func TestSuspended(t *testing.T) {
	c := newClient(t)
	mary := c.desk.NewCustomer("Mary", "mary@example.com", "")
	ticket := fmt.Sprintf(`{'ticket': {'description': 'x', 'requester_id': %d}}`, mary.ID)
	comment := fmt.Sprintf(`{'ticket': {'comment': {'body': 'x', 'author_id': %d}}}`, mary.ID)
	path := fmt.Sprintf("users/%d", mary.ID)
	c.walk(step{"POST", "tickets", ticket, 201, "ticket.requester_id", float64(mary.ID)})
	c.desk.Suspend(mary.ID, true)
	c.walk(
		step{"GET", path, "", 200, "user.suspended", true},
		step{"GET", "users/search?query=email:mary@example.com", "", 200, "users.0.suspended", true},
		step{"POST", "tickets", ticket, 422, "details.requester.0.description", "Requester: Mary is suspended."},
		step{"PUT", "tickets/1", comment, 422, "details.author.0.description", "Author: Mary is suspended."},
		step{"PUT", path, `{'user': {'suspended': false}}`, 200, "user.suspended", false},
		step{"POST", "tickets", ticket, 201, "ticket.status", "new"},
		step{"PUT", path, `{'user': {'suspended': true}}`, 200, "user.suspended", true},
	)
	if !c.desk.User(mary.ID).Suspended {
		t.Error("Mary is not suspended")
	}
}

func TestSearch(t *testing.T) {
	c := newClient(t)
	mary := c.desk.NewCustomer("Mary Stone", "mary@example.com", "crm-1")
	c.desk.AddAddress(mary.ID, "mary@home.example.com")
	c.desk.NewAgent("Rosa Diaz")
	c.call("POST", "tickets", fmt.Sprintf(`{'ticket': {'subject': 'Lost parcel', 'description': 'It is blue', 'tags': ['botpress'], 'requester_id': %d}}`, mary.ID))
	for path, want := range map[string]float64{
		"users/search?query=email:mary@example.com":                    1,
		"users/search?query=email:Mary@Home.example.com":               1,
		"users/search?query=email:mary":                                0,
		"users/search?query=mary@home.example.com":                     1,
		"users/search?query=stone":                                     1,
		"users/search?query=%22Mary+Stone%22":                          1,
		"users/search?query=mary+diaz":                                 0,
		"users/search?query=role:agent":                                1,
		"users/search?query=name:rosa":                                 1,
		"users/search?external_id=CRM-1":                               1,
		"users/search?external_id=crm-2":                               0,
		"search?query=type:ticket":                                     1,
		"search?query=type:ticket+status%3Csolved+tags:botpress":       1,
		"search?query=type:ticket+status%3Eopen":                       0,
		"search?query=type:ticket+requester:mary@example.com":          1,
		"search?query=parcel":                                          1,
		"search?query=blue+type:ticket":                                1,
		"search?query=mary":                                            1,
		"search?query=type:user+mary":                                  1,
		"search/count?query=type:user+role:end-user":                   1,
		"search?query=type:ticket+order_by:created_at+sort:desc+lost*": 1,
	} {
		status, answer := c.call("GET", path, "")
		if got := at(answer, "count"); status != 200 || got != want {
			t.Errorf("%s: %d %v", path, status, answer)
		}
	}
	c.walk(
		step{"GET", "users/search", "", 400, "error", "BadRequest"},
		step{"GET", "search", "", 422, "error", "invalid"},
		step{"GET", "search?query=parcel", "", 200, "results.0.result_type", "ticket"},
		step{"GET", "search?query=stone", "", 200, "results.0.result_type", "user"},
	)
}

func TestSearchLags(t *testing.T) {
	bubble(t, func(c *client) {
		c.desk.SearchLag = time.Minute
		find := func(query string, want float64) {
			c.Helper()
			if _, answer := c.call("GET", query, ""); at(answer, "count") != want {
				c.Errorf("%s: %v, want %v", query, at(answer, "count"), want)
			}
		}
		c.call("POST", "users", `{'user': {'name': 'Jane', 'email': 'jane@example.com', 'external_id': 'u1'}}`)
		c.call("POST", "tickets", `{'ticket': {'description': 'x', 'external_id': 'c1'}}`)
		find("users/search?external_id=u1", 0)
		find("users/search?query=email:jane@example.com", 0)
		find("search?query=type:ticket", 0)
		find("tickets?external_id=c1", 1)
		find("users", 2)
		time.Sleep(time.Minute)
		find("users/search?external_id=u1", 1)
		find("search?query=type:ticket", 1)
		c.call("POST", "users/create_or_update", `{'user': {'name': 'Janet', 'external_id': 'u1', 'email': 'janet@example.com'}}`)
		find("users/search?query=janet", 0)
		find("users/search?query=email:janet@example.com", 0)
		find("users/search?query=jane", 1)
		time.Sleep(time.Minute)
		find("users/search?query=email:janet@example.com", 1)
	})
}
