package hitl_test

import (
	"context"
	"encoding/json"
	"errors"
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

// tool is a server in a process that serves nobody.
func (w *world) tool() *hitl.Server {
	w.t.Helper()
	s, err := acme.NewServer(acme.Definition(true), w.desk, &hitl.Options{
		Botpress: botpress.Options{BaseURL: "http://botpress.test", Token: w.cloud.Token, HTTPClient: w.client},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	shutDown(w.t, s)
	return s
}

var acmeConfig = json.RawMessage(`{"apiUrl": "https://desk.example.com", "apiToken": "s3cr3t"}`)

// installed names the installation as a tool can.
func (w *world) installed() hitl.Installation {
	return hitl.Installation{BotID: w.cloud.BotID, IntegrationID: w.in.IntegrationID}
}

// leaveUndone ends a session with an undelivered message while the desk is down. It counts how often the desk is asked.
func (w *world) leaveUndone(jane *botpresstest.EndUser) (asked *atomic.Int64) {
	w.t.Helper()
	w.escalate(jane, "Help")
	asked = &atomic.Int64{}
	w.desk.Before = func(context.Context, string) error {
		asked.Add(1)
		return hitl.Retryable(0, errors.New("no route to the desk, with s3cr3t"))
	}
	if err := jane.Say(w.t.Context(), message.Text{Text: "Anybody there?"}); err != nil {
		w.t.Fatal(err)
	}
	w.settle()
	if err := jane.End(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	w.settle()
	return asked
}

func TestReconcile(t *testing.T) {
	inBubble(t, setting{}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
		w.leaveUndone(jane)
		w.desk.Before = nil
		start := time.Now()
		if err := w.tool().Reconcile(t.Context(), w.installed(), acmeConfig, jane.DownstreamID()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took > time.Second {
			t.Errorf("it took %v, in which the serving process may have done it", took)
		}
		ticket := w.desk.Tickets()[0]
		if log := strings.Join(ticket.Log, "\n"); !strings.Contains(log, "Jane: Anybody there?") || ticket.Status != "closed" {
			t.Errorf("the ticket is %s:\n%s", ticket.Status, log)
		}
	})
}

// A message that somebody may be delivering is left alone for as long as that may take.
func TestReconcileWhileAMessageIsInFlight(t *testing.T) {
	inBubble(t, setting{}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
		w.escalate(jane, "Help")
		slow := make(chan struct{})
		w.desk.Before = func(context.Context, string) error {
			<-slow
			return nil
		}
		if err := jane.Say(t.Context(), message.Text{Text: "Hello"}); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Second)
		err := w.tool().Reconcile(t.Context(), w.installed(), acmeConfig, jane.DownstreamID())
		close(slow)
		if err == nil || !strings.Contains(err.Error(), "in flight") || !strings.HasSuffix(err.Error(), "; try again in 1m15s") {
			t.Errorf("the error is %v", err)
		}
		w.settle()
	})
}

// What fails is reported, and not tried again: a tool ends, or is asked again.
func TestReconcileWhileTheDeskIsDown(t *testing.T) {
	inBubble(t, setting{}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
		asked := w.leaveUndone(jane)
		before := asked.Load()
		err := w.tool().Reconcile(t.Context(), w.installed(), acmeConfig, jane.DownstreamID())
		if err == nil || !strings.Contains(err.Error(), "no route to the desk") || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("the error is %v", err)
		}
		if n := asked.Load() - before; n != 1 {
			t.Errorf("the desk was asked %d times, want once", n)
		}
		w.afterActivation() // a retry would panic: nobody serves the connection
	})
}

// orderedDesk can be read back.
type orderedDesk struct{ closingDesk }

func (d *orderedDesk) Backfill(_ context.Context, r hitl.BackfillRequest) ([]hitl.Event, error) {
	d.log.add("read " + r.Session.ID)
	return nil, nil
}

func (d *orderedDesk) Receive(context.Context, func(context.Context, ...hitl.Event) error) error {
	d.log.add("receive")
	return nil
}

// A tool reads the session back, receives nothing, and leaves no adapter open.
func TestReconcileReadsBackAndCloses(t *testing.T) {
	log := &journal{}
	var connected hitl.Installation
	connect := func(_ context.Context, in hitl.Installation, _ fakeConfig) (*orderedDesk, error) {
		connected = in
		return &orderedDesk{closingDesk{log: log}}, nil
	}
	s, err := hitl.NewServer(hitl.Definition{Name: "fake", Version: "1.0.0"}, connect, &hitl.Options{
		Botpress: botpress.Options{Token: apiToken, HTTPClient: &http.Client{Transport: botpressAPI{}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Reconcile(t.Context(), hitl.Installation{BotID: "bot_1", IntegrationID: "int_1"}, nil, "conv_1"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"read T-1", "close "}, log.all()); diff != "" {
		t.Errorf("what happened to the adapter (-want +got):\n%s", diff)
	}
	if connected.BotUserID != "bot_1" {
		t.Errorf("the bot's user is %q, want the bot", connected.BotUserID)
	}
}

func TestReconcileRefuses(t *testing.T) {
	inBubble(t, setting{}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
		w.escalate(jane, "Help")
		noToken, err := acme.NewServer(acme.Definition(true), w.desk, &hitl.Options{})
		if err != nil {
			t.Fatal(err)
		}
		other, err := hitl.NewServer(hitl.Definition{Name: "fake", Version: "1.0.0", Channel: hitl.Part{Name: "other"}},
			func(context.Context, hitl.Installation, fakeConfig) (*fakeDesk, error) { return &fakeDesk{}, nil },
			&hitl.Options{Botpress: botpress.Options{Token: apiToken, HTTPClient: &http.Client{Transport: botpressAPI{}}}})
		if err != nil {
			t.Fatal(err)
		}
		tool, nobody := w.tool(), hitl.Installation{BotID: w.cloud.BotID}
		for name, tc := range map[string]struct {
			server       *hitl.Server
			in           hitl.Installation
			config, conv string
			want         string
		}{
			"no token":                          {noToken, w.installed(), string(acmeConfig), jane.DownstreamID(), "no token"},
			"no integration":                    {tool, nobody, string(acmeConfig), jane.DownstreamID(), "needs BotID, IntegrationID"},
			"no conversation":                   {tool, w.installed(), string(acmeConfig), "", "the id of a conversation"},
			"an unknown conversation":           {tool, w.installed(), string(acmeConfig), "conv_01J9Z3NDEKTSV4RRFFQ69G5FAV", "does not exist"},
			"another channel":                   {other, w.installed(), "", "conv_1", "is not a session"},
			"no configuration":                  {tool, w.installed(), "", jane.DownstreamID(), "The configuration is invalid"},
			"a configuration that does not fit": {tool, w.installed(), `{"apiUrl": 7, "apiToken": "s3cr3t"}`, jane.DownstreamID(), "apiUrl"},
		} {
			err := tc.server.Reconcile(t.Context(), tc.in, json.RawMessage(tc.config), tc.conv)
			if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "s3cr3t") {
				t.Errorf("%s: the error is %v, want %q in it", name, err, tc.want)
			}
		}
	})
}
