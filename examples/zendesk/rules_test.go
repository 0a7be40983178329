package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/hitl-go/sdk/examples/zendesk/zendesktest"
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/hitl/hitltest"
	"github.com/hitl-go/sdk/message/media"
	"github.com/hitl-go/sdk/message/richtext"
)

// TestRules checks the adapter against the rules of all adapters.
func TestRules(t *testing.T) {
	desk := newMuteDesk(t)
	desk.Limits = zendesktest.Limits{} // No account takes that many sessions in so few seconds.
	behind, err := url.Parse(desk.URL)
	if err != nil {
		t.Fatal(err)
	}
	wire := &hitltest.Wire{}
	front := httptest.NewServer(wire.Handler(httputil.NewSingleHostReverseProxy(behind)))
	t.Cleanup(front.Close)
	hitltest.Run(t, world{zendesk: front.URL, files: media.Options{AllowPrivate: true}}.connect, suiteCase(desk, wire))
}

// TestChaos lets everything go wrong that can, in a bubble. The desk stays outside, since it has a socket: it is called in memory.
func TestChaos(t *testing.T) {
	desk := newMuteDesk(t)
	synctest.Test(t, func(t *testing.T) {
		wire := &hitltest.Wire{}
		inMemory := roundTripper(func(r *http.Request) (*http.Response, error) {
			answer := httptest.NewRecorder()
			desk.ServeHTTP(answer, r)
			return answer.Result(), nil
		})
		connect := func(ctx context.Context, in hitl.Installation, c Config) (*adapter, error) {
			in.HTTPClient = &http.Client{Transport: wire.RoundTripper(inMemory)}
			return world{zendesk: "http://zendesk.test"}.connect(ctx, in, c)
		}
		hitltest.Chaos(t, connect, suiteCase(desk, wire), hitltest.ChaosOptions{})
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// newMuteDesk is a desk whose triggers send nothing: the suite sends what they would.
func newMuteDesk(t *testing.T) *zendesktest.Desk {
	t.Helper()
	desk := zendesktest.NewDesk()
	t.Cleanup(desk.Close)
	desk.Mute(true)
	return desk
}

func suiteCase(desk *zendesktest.Desk, wire *hitltest.Wire) hitltest.Case[Config, Session] {
	rosa := desk.NewAgent("Rosa Diaz")
	// A session that never was has a ticket that never was: the desk refuses, and there is nothing else to do.
	happens := func(event string, do func(ticket int64) error) func(hitltest.Session) *http.Request {
		return func(s hitltest.Session) *http.Request {
			_ = do(number(s))
			return reported(event, s)
		}
	}
	says := func(do func(ticket int64, text string) error) func(hitltest.Session, string) *http.Request {
		return func(s hitltest.Session, text string) *http.Request {
			_ = do(number(s), text)
			return reported(replied, s)
		}
	}
	return hitltest.Case[Config, Session]{
		Definition: definition(),
		Config:     withClient(desk.NewOAuthClient()),
		Session:    Session{Priority: "high"},
		Desk: hitltest.Desk{
			Agent:    hitl.Agent{ID: strconv.FormatInt(rosa.ID, 10), Name: rosa.Name},
			Assigned: happens(assigned, func(ticket int64) error { return desk.Assign(ticket, rosa) }),
			Stopped:  happens(solved, func(ticket int64) error { return desk.Solve(ticket, rosa) }),
			Replied:  says(func(ticket int64, text string) error { return desk.Reply(ticket, rosa, text) }),
			Note:     says(func(ticket int64, text string) error { return desk.Note(ticket, rosa, text) }),
			Customer: says(desk.CustomerEmails),
			Echo:     func(s hitltest.Session, _ hitl.Ref, _ string) *http.Request { return reported(replied, s) },
			Noise: func(s hitltest.Session) []*http.Request {
				_ = desk.Assign(number(s), zendesktest.User{})
				takenOff := reported(assigned, s)
				_ = desk.Submit(number(s), rosa, zendesktest.Update{Status: "pending"})
				return []*http.Request{takenOff, reported(replied, s)}
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
					if c.Via.Channel == "api" && c.Public {
						heard = append(heard, richtext.Text(c.HTML, nil))
					}
				}
				return heard
			},
			Noted: func(s hitltest.Session) (noted []string) {
				ticket, _ := desk.Ticket(number(s))
				for _, c := range ticket.Comments {
					if !c.Public {
						noted = append(noted, richtext.Text(c.HTML, nil))
					}
				}
				return noted
			},
		},
	}
}

func number(s hitltest.Session) int64 {
	id, _ := strconv.ParseInt(s.ID, 10, 64) // There is no ticket 0.
	return id
}

// reported is what a trigger would send now.
func reported(event string, s hitltest.Session) *http.Request {
	body := strings.NewReplacer("{{ticket.id}}", s.ID, "{{ticket.external_id}}", s.ConversationID).
		Replace(fmt.Sprintf(template, event))
	return httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
}
