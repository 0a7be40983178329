package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/botpress/botpresstest"
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/internal/acme"
	"github.com/hitl-go/sdk/message"
)

// The flags say what kind of desk it is, for each address alike: a session is opened at one of two replicas, whose answer from
// the desk is lost, and again at the other one. Then the desk forgets to report a reply.
func TestFlags(t *testing.T) {
	t.Setenv("BP_SIGNING_SECRET", "")
	for name, tc := range map[string]struct {
		flags                 []string
		tickets               int
		sendOnce, noID, reads bool
	}{
		"a desk with idempotency keys": {tickets: 1},
		"a forgetful one":              {flags: []string{"-forgetful"}, tickets: 2, sendOnce: true},
		"without conversation ids":     {flags: []string{"-no-conversation-id"}, tickets: 1, noID: true},
		"that can be read back":        {flags: []string{"-backfill"}, tickets: 1, reads: true},
		"all of it":                    {flags: []string{"-forgetful", "-no-conversation-id", "-backfill"}, tickets: 2, sendOnce: true, noID: true, reads: true},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := parse(append([]string{"-insecure", "-addr", "127.0.0.1:1,127.0.0.1:2"}, tc.flags...))
			if err != nil {
				t.Fatal(err)
			}
			if len(p.addrs) != 2 || p.def.SendOnce != tc.sendOnce || p.desk.NoConversationID != tc.noID {
				t.Errorf("%d addresses, SendOnce %t, NoConversationID %t", len(p.addrs), p.def.SendOnce, p.desk.NoConversationID)
			}
			cloud := botpresstest.NewServer(&botpresstest.Options{Attempts: 2})
			t.Cleanup(cloud.Close)
			p.opts.Botpress = botpress.Options{BaseURL: cloud.URL, Token: cloud.Token}
			p.opts.ActivationDelay = time.Nanosecond
			in := p.install(t, cloud)
			jane := in.NewEndUser(botpresstest.Profile{Name: "Jane", Email: "jane@example.com"})

			var starts atomic.Int64
			p.desk.After = func(_ context.Context, method string) error {
				if method == "StartHitl" && starts.Add(1) == 1 {
					return errors.New("the connection broke")
				}
				return nil
			}
			if err := jane.Escalate(t.Context(), botpresstest.Escalation{Title: "Help"}); err != nil {
				t.Fatal(err)
			}
			tickets := p.desk.TicketsByTitle("Help")
			if len(tickets) != tc.tickets {
				t.Errorf("the desk has %d tickets, want %d", len(tickets), tc.tickets)
			}
			p.wantReplies(t, cloud, in, jane, tickets[len(tickets)-1].ID, tc.reads)
		})
	}
}

// install lets two replicas answer in turns.
func (p *program) install(t *testing.T, cloud *botpresstest.Server) *botpresstest.Installation {
	t.Helper()
	var replicas []*hitl.Server
	for range p.addrs {
		s, err := p.replica()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Shutdown(context.Background()) })
		replicas = append(replicas, s)
	}
	var turn atomic.Int64
	return install(t, cloud, replicas[0], http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		replicas[int(turn.Add(1))%len(replicas)].ServeHTTP(w, r)
	}))
}

// wantReplies has an agent reply twice. The desk reports only the second one.
func (p *program) wantReplies(t *testing.T, cloud *botpresstest.Server, in *botpresstest.Installation, jane *botpresstest.EndUser, ticket string, both bool) {
	t.Helper()
	p.desk.Reply(ticket, acme.Agent{ID: "ann", Name: "Ann"}, "one")
	body := fmt.Sprintf(`{"type": "comment", "ticketId": %q, "agent": {"id": "ann", "name": "Ann"}, "text": "two", "commentId": "A-99"}`, ticket)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, in.WebhookURL, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if err := cloud.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range jane.Received() {
		if m.From == botpresstest.FromAgent {
			got = append(got, message.PlainText(m.Message))
		}
	}
	want := []string{"two"}
	if both {
		want = []string{"one", "two"}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the end user has read (-want +got):\n%s", diff)
	}
}
