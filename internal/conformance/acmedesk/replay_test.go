package main

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/botpress/botpresstest"
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/internal/acme"
)

// entry is a line of the recording. Only dispatches to the integration matter here.
type entry struct {
	Kind    string `json:"kind"`
	Text    string `json:"text"` // of a mark: the step of the scenario
	To      string `json:"to"`
	Seq     int    `json:"seq"`
	Request struct {
		Headers map[string]string `json:"headers"`
		Body    json.RawMessage   `json:"body"`
	} `json:"request"`
	Response struct {
		Status int             `json:"status"`
		Body   json.RawMessage `json:"body"` // JSON text inside a string, for a dispatch
	} `json:"response"`
}

// TestReplay sends to acmedesk whatever the real HITL plugin was recorded to send, and looks at what came of it.
func TestReplay(t *testing.T) {
	t.Setenv("BP_SIGNING_SECRET", "")
	raw, err := os.ReadFile("testdata/plugin-session.json")
	if err != nil {
		t.Fatal(err)
	}
	var recording struct{ Trace []entry }
	if err := json.Unmarshal(raw, &recording); err != nil {
		t.Fatal(err)
	}
	r := newReplay(t)
	var step string
	dispatches := 0
	for _, e := range recording.Trace {
		switch {
		case e.Kind == "mark":
			step = e.Text
		case e.Kind == "dispatch" && e.To == "integration:acme-desk":
			dispatches++
			r.send(step, e)
		}
	}
	if want := 26; dispatches != want {
		t.Errorf("the recording has %d dispatches to the integration, want %d", dispatches, want)
	}
	r.check()
}

// replay is acmedesk with the in-memory Botpress behind it, and the recorded ids as they are there.
type replay struct {
	t     *testing.T
	cloud *botpresstest.Server
	in    *botpresstest.Installation
	url   string
	ids   map[string]string
}

func newReplay(t *testing.T) *replay {
	cloud := botpresstest.NewServer(nil)
	t.Cleanup(cloud.Close)
	server, err := acme.NewServer(acme.Definition(false), &acme.Desk{}, &hitl.Options{
		Botpress:        botpress.Options{BaseURL: cloud.URL, Token: cloud.Token},
		Insecure:        true,
		ActivationDelay: time.Nanosecond, // nothing here is sent before its time
	})
	if err != nil {
		t.Fatal(err)
	}
	in := install(t, cloud, server, server)
	return &replay{t: t, cloud: cloud, in: in, url: in.URL, ids: map[string]string{
		"bot_acme": cloud.BotID, "intver_acme": in.IntegrationID, "wh_acme": in.WebhookID,
	}}
}

// install installs the integration of a server, whose requests a handler gets.
func install(t *testing.T, cloud *botpresstest.Server, server *hitl.Server, h http.Handler) *botpresstest.Installation {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	definition, err := json.Marshal(server.Describe())
	if err != nil {
		t.Fatal(err)
	}
	spec, err := botpresstest.FromDefinition(definition)
	if err != nil {
		t.Fatal(err)
	}
	spec.URL, spec.Configuration = srv.URL, acme.Config{APIURL: "https://desk.example.com", APIToken: "s3cr3t"}
	in, err := cloud.Install(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	return in
}

// translate puts this run's ids for the recorded ones.
func (r *replay) translate(s string) string {
	for recorded, now := range r.ids {
		s = strings.ReplaceAll(s, recorded, now)
	}
	return s
}

func (r *replay) send(step string, e entry) {
	t := r.t
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url, strings.NewReader(r.translate(string(e.Request.Body))))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range e.Request.Headers {
		req.Header.Set(name, r.translate(value))
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != e.Response.Status {
		t.Fatalf("%s (entry %d): answered %d %s, recorded %d %s", step, e.Seq, res.StatusCode, body, e.Response.Status, e.Response.Body)
	}
	r.compare(step, e, body)
}

// compare holds an answer against the recorded one. Ids that are made on the way are learnt from it, and a new error id is
// made for each error; all else is the same.
func (r *replay) compare(step string, e entry, body []byte) {
	t := r.t
	t.Helper()
	var text string
	if err := json.Unmarshal(e.Response.Body, &text); err != nil {
		t.Fatal(err)
	}
	if e.Request.Headers["x-bp-operation"] == "webhook_received" && bytes.Contains(e.Request.Body, []byte(`"/tickets"`)) {
		r.compareTickets(text, body)
		return
	}
	var recorded, got map[string]any
	if err := json.Unmarshal([]byte(text), &recorded); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatalf("%s (entry %d): the answer %q is no JSON: %v", step, e.Seq, body, err)
	}
	for _, m := range []map[string]any{recorded, got} {
		delete(m, "id")
	}
	was, _ := recorded["output"].(map[string]any)
	is, _ := got["output"].(map[string]any)
	for _, key := range []string{"userId", "conversationId"} {
		id, ok := was[key].(string)
		if !ok {
			continue
		}
		now, _ := is[key].(string)
		if known, ok := r.ids[id]; ok && known != now {
			t.Errorf("%s (entry %d): %s is %s, and was %s before", step, e.Seq, key, now, known)
		}
		r.ids[id] = now
		was[key] = now
	}
	if diff := cmp.Diff(recorded, got); diff != "" {
		t.Errorf("%s (entry %d): the answer differs (-recorded +got):\n%s", step, e.Seq, diff)
	}
}

// compareTickets compares what the desk has in the end. The recorded desk wrote a history's payloads as JSON, ours
// writes them as text.
func (r *replay) compareTickets(text string, body []byte) {
	t := r.t
	t.Helper()
	var recorded, got []acme.Ticket
	if err := json.Unmarshal([]byte(text), &recorded); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatal(err)
	}
	for i := range recorded {
		for j, line := range recorded[i].Log {
			who, payload, ok := strings.Cut(line, ": ")
			var p struct{ Text string }
			if ok && strings.HasPrefix(who, "history ") && json.Unmarshal([]byte(payload), &p) == nil {
				recorded[i].Log[j] = who + ": " + p.Text
			}
		}
	}
	if diff := cmp.Diff(recorded, got, cmpopts.IgnoreUnexported(acme.Ticket{})); diff != "" {
		t.Errorf("the desk's tickets differ (-recorded +got):\n%s", diff)
	}
}

// check looks at what is in Botpress in the end: what the recorded integration left there, ours has left there too.
func (r *replay) check() {
	t := r.t
	t.Helper()
	if err := r.cloud.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	desk := map[string]string{} // Botpress id: the desk's
	for _, u := range r.cloud.Users() {
		if id := u.Tags["acme-desk:id"]; id != "" {
			desk[u.ID] = u.Name + " is " + id
		}
		if id := u.Tags["acme-desk:agentId"]; id != "" {
			desk[u.ID] = u.Name + " is agent " + id
		}
	}
	for _, c := range r.cloud.Conversations() {
		if id := c.Tags["acme-desk:id"]; id != "" {
			desk[c.ID] = id
		}
	}
	// The refused user exists in Botpress without a counterpart in the desk, as he has to be there for the desk to be asked.
	want := []string{"Alice Agent is agent agent-7", "Bob is ext-2", "Carol is ext-3", "Dan is ext-4", "Jane Patient is ext-1", "T-1", "T-2", "T-3", "T-4"}
	if diff := cmp.Diff(want, slices.Sorted(maps.Values(desk))); diff != "" {
		t.Errorf("linked with the desk (-want +got):\n%s", diff)
	}

	var events []string
	for _, e := range r.cloud.Events() {
		var p struct{ ConversationID, UserID string }
		if err := json.Unmarshal(e.Payload, &p); err != nil {
			t.Fatal(err)
		}
		if name, ok := strings.CutPrefix(e.Type, "acme-desk:"); ok {
			events = append(events, strings.TrimSpace(name+" "+desk[p.ConversationID]+" "+desk[p.UserID]))
		}
	}
	if diff := cmp.Diff([]string{"hitlAssigned T-1 Alice Agent is agent agent-7", "hitlStopped T-1"}, events); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}

	var messages []string
	for id, ticket := range desk {
		for _, m := range r.cloud.Messages(id) {
			var p struct{ Text, AdditionalData string }
			if err := json.Unmarshal(m.Payload, &p); err != nil {
				t.Fatal(err)
			}
			messages = append(messages, strings.Join([]string{ticket, m.Direction, desk[m.UserID], p.Text, p.AdditionalData}, "|"))
		}
	}
	slices.Sort(messages)
	wantMessages := []string{
		"T-1|incoming|Alice Agent is agent agent-7|How can I help?|",
		"T-1|incoming|Alice Agent is agent agent-7|See this|{\"k\":1}",
		"T-1|incoming|Alice Agent is agent agent-7|late|",
		"T-2|incoming|Alice Agent is agent agent-7|Hi Bob|",
	}
	if diff := cmp.Diff(wantMessages, messages); diff != "" {
		t.Errorf("agents' messages (-want +got):\n%s", diff)
	}
}
