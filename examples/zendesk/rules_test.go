package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/hitl-go/sdk/examples/zendesk/zendesktest"
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/hitl/hitltest"
	"github.com/hitl-go/sdk/message/media"
	"github.com/hitl-go/sdk/message/richtext"
)

// TestRules checks the adapter against the rules of all adapters. The desk is mute: what its triggers would send is made here.
func TestRules(t *testing.T) {
	desk := zendesktest.NewDesk()
	t.Cleanup(desk.Close)
	desk.Mute(true)
	rosa := desk.NewAgent("Rosa Diaz")
	behind, err := url.Parse(desk.URL)
	if err != nil {
		t.Fatal(err)
	}
	wire := &hitltest.Wire{}
	front := httptest.NewServer(wire.Handler(httputil.NewSingleHostReverseProxy(behind)))
	t.Cleanup(front.Close)

	// A session that never was has a ticket that never was: the desk refuses, and there is nothing else to do.
	happens := func(event string, do func(ticket int64) error) func(hitltest.Session) *http.Request {
		return func(s hitltest.Session) *http.Request {
			_ = do(number(s))
			return reported(desk, event, s)
		}
	}
	says := func(do func(ticket int64, text string) error) func(hitltest.Session, string) *http.Request {
		return func(s hitltest.Session, text string) *http.Request {
			_ = do(number(s), text)
			return reported(desk, replied, s)
		}
	}
	hitltest.Run(t, world{zendesk: front.URL, files: media.Options{AllowPrivate: true}}.connect, hitltest.Case[Config, Session]{
		Definition: definition(),
		Config:     Config{Subdomain: "acme", Email: desk.Email, APIToken: desk.Token},
		Session:    Session{Priority: "high"},
		Desk: hitltest.Desk{
			Agent:    hitl.Agent{ID: strconv.FormatInt(rosa.ID, 10), Name: rosa.Name},
			Assigned: happens(assigned, func(ticket int64) error { return desk.Assign(ticket, rosa) }),
			Stopped:  happens(solved, func(ticket int64) error { return desk.Solve(ticket, rosa) }),
			Replied:  says(func(ticket int64, text string) error { return desk.Reply(ticket, rosa, text) }),
			Note:     says(func(ticket int64, text string) error { return desk.Note(ticket, rosa, text) }),
			Customer: says(desk.CustomerEmails),
			Echo:     func(s hitltest.Session, _ hitl.Ref, _ string) *http.Request { return reported(desk, replied, s) },
			Noise: func(s hitltest.Session) []*http.Request {
				_ = desk.Assign(number(s), zendesktest.User{})
				takenOff := reported(desk, assigned, s)
				_ = desk.Submit(number(s), rosa, zendesktest.Update{Status: "pending"})
				return []*http.Request{takenOff, reported(desk, replied, s)}
			},
			Open: func(s hitltest.Session) bool {
				ticket, ok := desk.Ticket(number(s))
				return ok && ticket.Status != "solved" && ticket.Status != "closed"
			},
			Vanish: func(s hitltest.Session) { desk.Delete(number(s)) },
			Sign:   desk.SignRequest,
			Wire:   wire,
			Heard: func(s hitltest.Session) (heard []string) {
				ticket, _ := desk.Ticket(number(s))
				for _, c := range ticket.Comments[min(1, len(ticket.Comments)):] {
					if c.Via.Channel == "api" {
						heard = append(heard, richtext.Text(c.HTML, nil))
					}
				}
				return heard
			},
		},
	})
}

func number(s hitltest.Session) int64 {
	id, _ := strconv.ParseInt(s.ID, 10, 64) // There is no ticket 0.
	return id
}

// reported is what a trigger would send now.
func reported(desk *zendesktest.Desk, event string, s hitltest.Session) *http.Request {
	assignee := ""
	if ticket, ok := desk.Ticket(number(s)); ok && ticket.AssigneeID != 0 {
		assignee = strconv.FormatInt(ticket.AssigneeID, 10)
	}
	body := strings.NewReplacer("{{ticket.id}}", s.ID, "{{ticket.external_id}}", s.ConversationID, "{{ticket.assignee.id}}", assignee).
		Replace(fmt.Sprintf(template, event))
	return httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
}
