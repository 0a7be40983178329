package zendesktest_test

import (
	"fmt"
	"net/http"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hitl-go/sdk/examples/zendesk/zendesktest"
)

func idOf(u zendesktest.User) string { return strconv.FormatInt(u.ID, 10) }

// What the standard triggers mail: whatever is public and was not written by the requester themselves, signed in as such.
func TestNotifications(t *testing.T) {
	for _, excluded := range []bool{false, true} {
		c := newClient(t)
		rosa, mary, ben := c.desk.NewAgent("Rosa Diaz"), c.desk.NewCustomer("Mary", "mary@example.com", ""), c.desk.NewCustomer("Ben", "ben@example.com", "")
		nobody := c.desk.NewCustomer("No address", "", "")
		if excluded {
			c.desk.ExcludeFromMails("botpress")
		}
		ticket := func(requester zendesktest.User, more string) string {
			return fmt.Sprintf(`{'ticket': {'description': 'x', 'tags': ['botpress'], 'requester_id': %d%s}}`, requester.ID, more)
		}
		says := func(author zendesktest.User, more string) string {
			return fmt.Sprintf(`{'ticket': {'comment': {'body': 'x', 'author_id': %d%s}}}`, author.ID, more)
		}
		toMary := func(why string) zendesktest.Mail {
			return zendesktest.Mail{To: "mary@example.com", UserID: mary.ID, Why: why, TicketID: 1}
		}
		toBen := toMary(zendesktest.MailComment)
		toBen.To, toBen.UserID = "ben@example.com", ben.ID
		for _, s := range []struct {
			name string
			do   func() error
			want []zendesktest.Mail
		}{
			{"a ticket", c.does("POST", "tickets", ticket(mary, "")), []zendesktest.Mail{toMary(zendesktest.MailProactive)}},
			{"her own words, through the API", c.does("PUT", "tickets/1", says(mary, "")), []zendesktest.Mail{toMary(zendesktest.MailComment)}},
			{"an agent's words", func() error { return c.desk.Reply(1, rosa, "x") }, []zendesktest.Mail{toMary(zendesktest.MailComment)}},
			{"a note", c.does("PUT", "tickets/1", says(rosa, `, 'public': false`)), nil},
			{"another note", func() error { return c.desk.Note(1, rosa, "x") }, nil},
			{"no words", c.does("PUT", "tickets/1", `{'ticket': {'priority': 'high'}}`), nil},
			{"by e-mail", func() error { return c.desk.CustomerEmails(1, "x") }, nil},
			{"on copy", c.does("PUT", "tickets/1", `{'ticket': {'email_ccs': [{'user_id': '`+idOf(ben)+`'}], 'comment': {'body': 'x'}}}`), []zendesktest.Mail{toMary(zendesktest.MailComment), toBen}},
			{"nobody to write to", c.does("POST", "tickets", ticket(nobody, "")), nil},
			{"suspended since then", func() error {
				c.desk.Suspend(mary.ID, true)
				c.desk.Suspend(ben.ID, true)
				return c.desk.Reply(1, rosa, "x")
			}, nil},
		} {
			before := len(c.desk.Mails())
			if err := s.do(); err != nil {
				t.Fatal(s.name, err)
			}
			want := s.want
			if excluded {
				want = nil
			}
			got := append([]zendesktest.Mail(nil), c.desk.Mails()[before:]...)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s, excluded: %v (-want +got):\n%s", s.name, excluded, diff)
			}
		}
	}
}

// does makes a request later.
func (c *client) does(method, path, body string) func() error {
	return func() error {
		if status, answer := c.call(method, path, body); status >= http.StatusMultipleChoices {
			return fmt.Errorf("%d %v", status, answer)
		}
		return nil
	}
}

// The standard triggers are triggers like any other.
func TestStandardTriggers(t *testing.T) {
	c := newClient(t)
	mary := c.desk.NewCustomer("Mary", "mary@example.com", "")
	_, answer := c.call("GET", "triggers/search?query=comment+update", "")
	id, _ := at(answer, "triggers.0.id").(float64)
	path := fmt.Sprintf("triggers/%.0f", id)
	c.walk(
		step{"GET", path, "", 200, "trigger.title", zendesktest.MailComment},
		step{"GET", path, "", 200, "trigger.default", true},
		step{"PUT", path, `{'trigger': {'active': false}}`, 200, "trigger.active", false},
		step{"POST", "tickets", `{'ticket': {'description': 'x', 'requester_id': ` + idOf(mary) + `}}`, 201, "", nil},
		step{"PUT", "tickets/1", comment, 200, "", nil},
	)
	if got := c.desk.Mails(); len(got) != 1 || got[0].Why != zendesktest.MailProactive {
		t.Errorf("mails: %v", got)
	}
	if got := c.desk.Triggers(); len(got) != 0 {
		t.Errorf("triggers that somebody has made: %q", got)
	}
}
