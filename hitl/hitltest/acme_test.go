package hitltest_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/hitl/hitltest"
	"github.com/hitl-go/sdk/internal/acme"
)

func TestAcme(t *testing.T) {
	desk, c := acmeCase(t)
	hitltest.Run(t, connectAcme(desk), c)
}

func TestAcmeChaos(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		desk, c := acmeCase(t)
		hitltest.Chaos(t, connectAcme(desk), c, hitltest.ChaosOptions{})
	})
}

func acmeCase(t *testing.T) (*acme.Desk, hitltest.Case[acme.Config, acme.Session]) {
	t.Helper()
	desk := &acme.Desk{}
	serial := 0
	post := func(s hitltest.Session, kind, text string) *http.Request {
		serial++
		report := map[string]any{"type": kind, "ticketId": s.ID, "agent": map[string]string{"id": "agent-7", "name": "Alice Agent"}}
		if kind == "comment" {
			report["text"], report["commentId"] = text, fmt.Sprintf("A-%d", serial)
		}
		body, err := json.Marshal(report)
		if err != nil {
			t.Fatal(err)
		}
		return httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
	}
	return desk, hitltest.Case[acme.Config, acme.Session]{
		Definition: acme.Definition(true),
		Config:     acme.Config{APIURL: "https://desk.example.com", APIToken: "s3cr3t"},
		Session:    acme.Session{Priority: "high"},
		Desk: hitltest.Desk{
			Agent:    hitl.Agent{ID: "agent-7", Name: "Alice Agent"},
			Assigned: func(s hitltest.Session) *http.Request { return post(s, "assigned", "") },
			Replied:  func(s hitltest.Session, text string) *http.Request { return post(s, "comment", text) },
			Stopped:  func(s hitltest.Session) *http.Request { return post(s, "closed", "") },
			Heard: func(s hitltest.Session) []string {
				tickets := desk.Tickets()
				i := slices.IndexFunc(tickets, func(ticket acme.Ticket) bool { return ticket.ID == s.ID })
				return tickets[i].Log
			},
		},
	}
}

// connectAcme returns Acme's adapter, which package acme does not export: the server passes it to an action.
func connectAcme(desk *acme.Desk) func(context.Context, hitl.Installation, acme.Config) (hitl.Integration[acme.Session], error) {
	return func(ctx context.Context, in hitl.Installation, c acme.Config) (adapter hitl.Integration[acme.Session], err error) {
		server, err := acme.NewServer(acme.Definition(true), desk, &hitl.Options{Insecure: true, SweepEvery: -1, Botpress: botpress.Options{Token: "none"}})
		if err != nil {
			return nil, err
		}
		take := func(_ context.Context, a hitl.Integration[acme.Session], _ struct{}) (struct{}, error) {
			adapter = a
			return struct{}{}, nil
		}
		if err := hitl.AddAction(server, hitl.Action{Name: "take"}, take); err != nil {
			return nil, err
		}
		config, err := json.Marshal(c)
		if err != nil {
			return nil, err
		}
		r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/", bytes.NewBufferString(`{"type":"take","input":{}}`))
		for name, value := range map[string]string{
			"x-bp-operation": "action_triggered", "x-bp-configuration": base64.StdEncoding.EncodeToString(config),
			"x-bot-id": in.BotID, "x-bot-user-id": in.BotUserID, "x-integration-id": in.IntegrationID,
			"x-integration-alias": in.Alias, "x-webhook-id": in.WebhookID,
		} {
			r.Header.Set(name, value)
		}
		answer := httptest.NewRecorder()
		if server.ServeHTTP(answer, r); answer.Code != http.StatusOK {
			return nil, fmt.Errorf("take: %d %s", answer.Code, answer.Body)
		}
		return adapter, nil
	}
}
