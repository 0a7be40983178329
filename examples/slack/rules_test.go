package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/gorilla/websocket"
	"github.com/slack-go/slack"

	"github.com/hitl-go/sdk/examples/slack/slacktest"
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/hitl/hitltest"
	"github.com/hitl-go/sdk/internal/memnet"
	"github.com/hitl-go/sdk/message/media"
)

// TestRules checks the adapter against the rules of all adapters.
func TestRules(t *testing.T) {
	s := slacktest.New(slacktest.Options{})
	t.Cleanup(s.Close)
	behind, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	wire := &hitltest.Wire{}
	front := httptest.NewServer(wire.Handler(httputil.NewSingleHostReverseProxy(behind)))
	t.Cleanup(front.Close)
	hitltest.Run(t, workspace{url: front.URL + "/api/", files: media.Options{AllowPrivate: true}}.connect, suiteCase(s, http.DefaultClient, wire))
}

// TestChaos lets everything go wrong that can, in a bubble.
func TestChaos(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := &memnet.Network{}
		listener, err := network.Listen("slack.test:80")
		if err != nil {
			t.Fatal(err)
		}
		client, wire := network.Client(), &hitltest.Wire{}
		s := slacktest.New(slacktest.Options{Listener: listener, Client: network.Client()})
		t.Cleanup(func() { s.Close(); client.CloseIdleConnections() })
		dialer := &websocket.Dialer{NetDialContext: func(ctx context.Context, _, addr string) (net.Conn, error) { return network.DialContext(ctx, "", addr) }}
		connect := func(ctx context.Context, in hitl.Installation, c Config) (*desk, error) {
			in.HTTPClient = &http.Client{Transport: wire.RoundTripper(client.Transport)}
			return workspace{url: s.URL + "/api/", dialer: dialer}.connect(ctx, in, c)
		}
		hitltest.Chaos(t, connect, suiteCase(s, client, wire), hitltest.ChaosOptions{})
	})
}

// suiteCase is for the suite. The client is the suite's own: a button works in the desk only if the app hears of it.
func suiteCase(s *slacktest.Slack, client *http.Client, wire *hitltest.Wire) hitltest.Case[Config, Session] {
	rosa := s.NewMember("Rosa Diaz")
	app := &desk{bot: s.BotID, api: slack.New(s.BotToken, slack.OptionAPIURL(s.URL+"/api/"), slack.OptionHTTPClient(client))}
	closes := func(session hitltest.Session) {
		_, _ = app.write(context.Background(), threadOf(session.ID), closed, over("<@"+rosa.ID+">"))
		_ = app.draw(context.Background(), threadOf(session.ID))
	}
	says := func(mark string) func(hitltest.Session, string) *http.Request {
		return func(session hitltest.Session, text string) *http.Request {
			ts, _ := s.Reply(threadOf(session.ID).ts, rosa, mark+text) // It fails for a session that never was.
			return told(s, session, rosa, ts)
		}
	}
	const posts = "Register only reads, and the API of Slack is read by POST"
	return hitltest.Case[Config, Session]{
		Waive:      map[string]string{"register-converges": posts, "register-apart": posts},
		Definition: definition, Config: configOf(s), Session: Session{Urgency: "high"},
		Desk: hitltest.Desk{
			Agent: hitl.Agent{ID: rosa.ID, Name: rosa.Name},
			Assigned: func(session hitltest.Session) *http.Request {
				return press(session, rosa, actionTake)
			},
			Stopped: func(session hitltest.Session) *http.Request {
				closes(session)
				return press(session, rosa, actionClose)
			},
			Replied: says(""),
			Note:    says("🔒 "),
			Act:     func(session hitltest.Session, text string) { _, _ = s.Reply(threadOf(session.ID).ts, rosa, text) },
			Echo: func(session hitltest.Session, sent hitl.Ref, _ string) *http.Request {
				return request(fmt.Sprintf(`{"type":"message","subtype":"bot_message","bot_id":%q,"channel":%q,"ts":%q,"thread_ts":%q,"text":"…"}`,
					s.BotID, threadOf(session.ID).channel, threadOf(sent.ID).ts, threadOf(session.ID).ts))
			},
			Noise: func(session hitltest.Session) []*http.Request {
				_ = s.React(threadOf(session.ID).ts, rosa, "eyes")
				return []*http.Request{
					request(fmt.Sprintf(`{"type":"reaction_added","user":%q,"reaction":"eyes","item":{"type":"message","channel":%q,"ts":%q}}`,
						rosa.ID, s.Channel, threadOf(session.ID).ts)),
				}
			},
			Open: func(session hitltest.Session) bool {
				_, isOver, err := app.status(context.Background(), threadOf(session.ID))
				return err == nil && !isOver
			},
			Vanish: func(session hitltest.Session) { _ = s.DeleteAny(threadOf(session.ID).ts) },
			Sign:   func(r *http.Request) { _ = s.SignRequest(r) },
			Wire:   wire,
			Heard:  func(session hitltest.Session) []string { return written(s, session, "/") },
			Noted:  func(session hitltest.Session) []string { return written(s, session, "notice/") },
		},
	}
}

// written are the messages of a thread that we have written under keys with this text.
func written(s *slacktest.Slack, session hitltest.Session, key string) (all []string) {
	for _, m := range s.Thread(threadOf(session.ID).ts) {
		payload, _ := m.Metadata["event_payload"].(map[string]any)
		if k, _ := payload["key"].(string); strings.Contains(k, key) && (key != "/" || !strings.HasPrefix(k, "notice/")) {
			all = append(all, m.Text)
		}
	}
	return all
}

// told is what Slack would send about a message.
func told(s *slacktest.Slack, session hitltest.Session, by slacktest.Member, ts string) *http.Request {
	m, _ := s.Message(ts)
	return request(fmt.Sprintf(`{"type":"message","user":%q,"channel":%q,"ts":%q,"thread_ts":%q,"parent_user_id":%q,"text":%q}`,
		by.ID, threadOf(session.ID).channel, ts, threadOf(session.ID).ts, s.BotUserID, m.Raw))
}

func request(event string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(`{"type":"event_callback","team_id":"T1","event":`+event+`}`))
	r.Header.Set("Content-Type", "application/json")
	return r
}

// press is what Slack would send about a button.
func press(session hitltest.Session, by slacktest.Member, action string) *http.Request {
	t := threadOf(session.ID)
	payload := fmt.Sprintf(`{"type":"block_actions","user":{"id":%q},"container":{"type":"message_attachment","channel_id":%q,"message_ts":%q},"actions":[{"type":"button","block_id":"b1","action_id":%q,"action_ts":"1700000000.000001"}]}`,
		by.ID, t.channel, t.ts, action)
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(url.Values{"payload": {payload}}.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}
