package zendesktest_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hitl-go/sdk/examples/zendesk/zendesktest"
)

func TestRefusals(t *testing.T) {
	c := newClient(t)
	rosa := c.desk.NewAgent("Rosa Diaz")
	c.walk(
		step{"POST", "tickets", `{'ticket': {'comment': {'body': 'x'}}}`, 201, "ticket.id", 1.0},
		step{"PUT", "tickets/1", `{'ticket': {'status': 'solved'}}`, 422, "details.base.0.ticket_field_type", "FieldAssignee"},
		step{"PUT", "tickets/1", `{'ticket': {'status': 'solved'}}`, 422, "details.base.0.ticket_field_id", 360000003.0},
		step{"PUT", "tickets/1", `{'ticket': {'status': 'solved'}}`, 422, "details.base.0", map[string]any{
			"description": "Assignee: is required when solving a ticket", "error": nil, "ticket_field_id": 360000003.0, "ticket_field_type": "FieldAssignee",
		}},
		step{"PUT", "tickets/1", `{'ticket': {'status': 'odd'}}`, 422, "error", "RecordInvalid"},
		step{"PUT", "tickets/1", `{`, 400, "error", "JsonParseError"},
	)
	c.desk.Language = "de"
	c.walk(
		step{"PUT", "tickets/1", `{'ticket': {'status': 'solved'}}`, 422, "details.base.0.description", "Mitarbeiter: wird zum Lösen eines Tickets benötigt"},
		step{"PUT", "tickets/1", `{'ticket': {'status': 'solved'}}`, 422, "error", "RecordInvalid"},
		step{"GET", "tickets/7", "", 404, "error", "RecordNotFound"},
	)
	if err := c.desk.Solve(1, rosa); err != nil {
		t.Fatal(err)
	}
	if err := c.desk.CloseTicket(1); err != nil {
		t.Fatal(err)
	}
	c.walk(
		step{"PUT", "tickets/1", comment, 422, "details.status.0.description", "Status: geschlossen verhindert die Aktualisierung des Tickets"},
		step{"PUT", "tickets/1", comment, 422, "description", "Fehler bei der Datensatzprüfung"},
	)
	c.desk.Language = "en-US"
	c.walk(step{"PUT", "tickets/1", comment, 422, "details.status.0.description", "Status: closed prevents ticket update"})
}

func TestIdempotencyLookup(t *testing.T) {
	bubble(t, func(c *client) {
		const key = "Idempotency-Key"
		for _, s := range []struct {
			wait       time.Duration
			body, key  string
			want       int
			lookup, is string // What the header says, and what the error is.
		}{
			{0, `{'ticket': {'description': 'x', 'tags': ['a']}}`, "k", 201, "miss", ""},
			{0, `{'ticket': {'tags': ['a'], 'description': 'x'}}`, "k", 201, "hit", ""}, // The order does not count.
			{0, `{'ticket': {'description': 'y', 'tags': ['a']}}`, "k", 400, "", "IdempotentRequestError"},
			{0, `{'ticket': {'description': 'y', 'tags': ['a']}}`, "l", 201, "miss", ""},
			{0, `{'ticket': {'description': ''}}`, "m", 422, "miss", "RecordInvalid"},
			{0, `{'ticket': {'description': 'z'}}`, "m", 201, "miss", ""}, // A refusal uses no key up.
			{0, `{`, "n", 400, "", "JsonParseError"},
			{0, `{'ticket': {'description': 'z'}}`, "", 201, "", ""},
			{2 * time.Hour, `{'ticket': {'description': 'y', 'tags': ['a']}}`, "k", 201, "miss", ""},
		} {
			time.Sleep(s.wait)
			status, h, answer := c.headers("POST", c.desk.URL+"/api/v2/tickets", s.body, key, s.key)
			is, _ := answer["error"].(string)
			if status != s.want || h.Get("X-Idempotency-Lookup") != s.lookup || is != s.is {
				c.Errorf("%s with key %q: %d %v, lookup %q", s.body, s.key, status, answer, h.Get("X-Idempotency-Lookup"))
			}
		}
		if n := len(c.desk.Tickets()); n != 5 {
			c.Errorf("there are %d tickets", n)
		}
	})
}

func TestComments(t *testing.T) {
	c := newClient(t)
	c.walk(
		step{"POST", "tickets", `{'ticket': {'description': 'one & two\nthree', 'metadata': {'m': 1}}}`, 201, "ticket.description", "one & two\nthree"},
		step{"PUT", "tickets/1", `{'ticket': {'comment': {'html_body': '<p>a <b>b</b></p>', 'uploads': null}, 'metadata': {'botpress': 'p/0'}}}`, 200, "audit.events.1.type", "Comment"},
		step{"PUT", "tickets/1", `{'ticket': {'comment': {'body': 'hidden', 'public': false}}}`, 200, "audit.events.1.public", false},
		step{"GET", "tickets/1/comments", "", 200, "count", 3.0},
		step{"GET", "tickets/1/comments", "", 200, "comments.0.html_body", `<div class="zd-comment" dir="auto"><p>one &amp; two<br>three</p></div>`},
		step{"GET", "tickets/1/comments", "", 200, "comments.0.public", true},
		step{"GET", "tickets/1/comments", "", 200, "comments.0.metadata.custom", map[string]any{"m": 1.0}},
		step{"GET", "tickets/1/comments", "", 200, "comments.1.html_body", `<div class="zd-comment" dir="auto"><p>a <b>b</b></p></div>`},
		step{"GET", "tickets/1/comments", "", 200, "comments.1.plain_body", "a b"},
		step{"GET", "tickets/1/comments", "", 200, "comments.1.via.channel", "api"},
		step{"GET", "tickets/1/comments", "", 200, "comments.1.metadata.custom.botpress", "p/0"},
		step{"GET", "tickets/1/comments", "", 200, "comments.1.metadata.system.client", "client"},
		step{"GET", "tickets/1/comments", "", 200, "comments.2.metadata.custom", map[string]any{}},
		step{"GET", "tickets/1/comments", "", 200, "comments.2.attachments", []any{}},
		step{"GET", "tickets/1/comments?include=users", "", 200, "users.0.name", "API User"},
		step{"GET", "tickets/1/comments/count", "", 200, "count.value", 3.0},
		step{"GET", "tickets/2/comments/count", "", 404, "error", "RecordNotFound"},
	)
	if got := c.desk.Tickets()[0].Comments[1].HTML; got != "<p>a <b>b</b></p>" {
		t.Errorf("what was written is %q", got)
	}
}

func TestTickets(t *testing.T) {
	c := newClient(t)
	rosa, mary := c.desk.NewAgent("Rosa Diaz"), c.desk.NewCustomer("Mary", "mary@example.com", "")
	c.walk(
		step{"POST", "tickets", `{'ticket': {'description': 'x', 'external_id': 17, 'requester': {'name': 'New', 'email': 'new@example.com'}}}`, 201, "ticket.external_id", "17"},
		step{"POST", "tickets", `{'ticket': {'description': 'x', 'requester': {'name': 'M', 'email': 'MARY@example.com'}}}`, 201, "ticket.requester_id", float64(mary.ID)},
		step{"POST", "tickets", `{'ticket': {'description': 'x', 'requester': {'name': '', 'email': 'y@example.com'}}}`, 422, "details.requester.0.error", nil},
		step{"PUT", "tickets/1", `{'ticket': {'assignee_id': '` + idOf(rosa) + `', 'tags': ['b', 'a']}}`, 200, "ticket.status", "open"},
		step{"PUT", "tickets/1", `{'ticket': {'additional_tags': ['c'], 'remove_tags': ['a']}}`, 200, "ticket.tags", []any{"b", "c"}},
		step{"PUT", "tickets/1", `{'ticket': {'assignee_id': null}}`, 200, "ticket.assignee_id", nil},
		step{"PUT", "tickets/1", `{'ticket': {'email_ccs': [{'user_id': ` + idOf(mary) + `}]}}`, 200, "ticket.email_cc_ids.0", float64(mary.ID)},
		step{"PUT", "tickets/1", `{'ticket': {'email_ccs': [{'user_id': ` + idOf(mary) + `, 'action': 'delete'}]}}`, 200, "ticket.email_cc_ids", []any{}},
		step{"GET", "tickets/1?include=users", "", 200, "users.0.name", "New"},
		step{"GET", "tickets", "", 200, "count", 2.0},
		step{"GET", "tickets/count", "", 200, "count.value", 2.0},
		step{"GET", "tickets/show_many?ids=2,9", "", 200, "tickets.0.id", 2.0},
		step{"GET", "users/" + idOf(mary) + "/tickets/requested", "", 200, "tickets.0.id", 2.0},
		step{"GET", "tickets?page[size]=1", "", 200, "links.next", c.desk.URL + "/api/v2/tickets.json?page%5Bafter%5D=1&page%5Bsize%5D=1"},
		step{"GET", "tickets?page[size]=1&page[after]=1", "", 200, "tickets.0.id", 2.0},
		step{"GET", "tickets?per_page=1", "", 200, "next_page", c.desk.URL + "/api/v2/tickets.json?page=2&per_page=1"},
		step{"GET", "tickets?per_page=1&page=2", "", 200, "tickets.0.id", 2.0},
		step{"DELETE", "tickets/1", "", 204, "", nil},
		step{"DELETE", "tickets/1", "", 404, "error", "RecordNotFound"},
	)
}

func TestUploads(t *testing.T) {
	bubble(t, func(c *client) {
		status, answer := c.call("POST", "uploads?filename=a.pdf", "one", "Content-Type", "image/png")
		token, _ := at(answer, "upload.token").(string)
		for path, want := range map[string]any{
			"upload.attachment.file_name": "a.pdf", "upload.attachment.content_type": "application/pdf", "upload.attachment.size": 3.0,
			"upload.attachment.inline": false, "upload.attachment.malware_scan_result": "not_scanned", "upload.attachment.thumbnails": []any{},
			"upload.attachment.mapped_content_url": at(answer, "upload.attachment.content_url"), "upload.attachments.0": at(answer, "upload.attachment"),
			"upload.expires_at": time.Now().UTC().Add(72 * time.Hour).Format(time.RFC3339),
		} {
			if got := at(answer, path); status != 201 || !cmp.Equal(got, want) {
				c.Errorf("%s: %#v, want %#v", path, got, want)
			}
		}
		use := func(token string) string {
			return `{'ticket': {'comment': {'body': 'x', 'uploads': ['` + token + `']}}}`
		}
		c.walk(
			step{"POST", "tickets", `{'ticket': {'description': 'x'}}`, 201, "", nil},
			step{"POST", "uploads", "x", 422, "details.filename.0.description", "filename: is required"},
			step{"POST", "uploads?filename=b.odd&token=" + token, "two", 201, "upload.attachments.1.content_type", "application/octet-stream"},
			step{"POST", "uploads?filename=b&token=none", "two", 422, "error", "RecordInvalid"},
			step{"PUT", "tickets/1", `{'ticket': {'status': 'odd', 'comment': {'body': 'x', 'uploads': ['` + token + `']}}}`, 422, "error", "RecordInvalid"},
			step{"PUT", "tickets/1", use(token), 200, "audit.events.1.attachments.1.file_name", "b.odd"},
			step{"PUT", "tickets/1", use(token), 422, "details.base.0.description", "Attachment: is invalid"},
			step{"GET", "attachments/1", "", 404, "error", "RecordNotFound"},
			step{"DELETE", "uploads/none", "", 404, "error", "RecordNotFound"},
		)
		_, answer = c.call("POST", "uploads?filename=c", "three")
		late, _ := at(answer, "upload.token").(string)
		_, answer = c.call("POST", "uploads?filename=d", "four")
		gone, _ := at(answer, "upload.token").(string)
		c.walk(step{"DELETE", "uploads/" + gone, "", 204, "", nil}, step{"PUT", "tickets/1", use(gone), 422, "error", "RecordInvalid"})
		time.Sleep(72 * time.Hour)
		c.walk(step{"PUT", "tickets/1", use(late), 422, "error", "RecordInvalid"})
	})
}

func TestSecureDownloads(t *testing.T) {
	bubble(t, func(c *client) {
		file := c.desk.Host(zendesktest.File{Name: "a b.pdf", ContentType: "application/pdf", Data: []byte("%PDF")})
		get := func(address string, signIn bool) (*http.Response, string) {
			r, err := http.NewRequestWithContext(c.Context(), "GET", address, nil)
			if err != nil {
				c.Fatal(err)
			}
			if signIn {
				r.Header.Set("Authorization", "Bearer "+c.desk.AccessToken)
			}
			res, err := c.transport().RoundTrip(r)
			if err != nil {
				c.Fatal(err)
			}
			defer res.Body.Close()
			data, err := io.ReadAll(res.Body)
			if err != nil {
				c.Fatal(err)
			}
			return res, string(data)
		}
		if res, data := get(file, false); res.StatusCode != 200 || data != "%PDF" || res.Header.Get("Content-Type") != "application/pdf" {
			c.Errorf("an open file: %d %q", res.StatusCode, data)
		}
		c.desk.SecureDownloads = true
		res, _ := get(file, false)
		if to := res.Header.Get("Location"); res.StatusCode != 302 || !strings.HasPrefix(to, "/auth/v2/login?return_to=") {
			c.Errorf("without credentials: %d %s", res.StatusCode, to)
		}
		if res, page := get(c.desk.URL+res.Header.Get("Location"), false); res.StatusCode != 200 || !strings.Contains(page, "Sign in") {
			c.Errorf("the sign-in page: %d %s", res.StatusCode, page)
		}
		res, _ = get(file, true)
		temporary := res.Header.Get("Location")
		if got, data := get(temporary, false); res.StatusCode != 302 || got.StatusCode != 200 || data != "%PDF" {
			c.Errorf("with credentials: %d to %s: %d %q", res.StatusCode, temporary, got.StatusCode, data)
		}
		forged, err := url.Parse(temporary)
		if err != nil {
			c.Fatal(err)
		}
		q := forged.Query()
		q.Set("expires", "99999999999")
		forged.RawQuery = q.Encode()
		if res, _ := get(forged.String(), true); res.StatusCode != 403 {
			c.Errorf("a forged address: %d", res.StatusCode)
		}
		time.Sleep(10 * time.Minute)
		if res, _ := get(temporary, true); res.StatusCode != 403 {
			c.Errorf("an old address: %d", res.StatusCode)
		}
	})
}
