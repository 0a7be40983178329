package cli_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/botpress/botpresstest"
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/internal/acme"
	"github.com/hitl-go/sdk/internal/lease"
	"github.com/hitl-go/sdk/message"
)

// desk is a cloud in which Acme Desk is installed, with the environment of who looks into its sessions.
type desk struct {
	*cloud
	t    *testing.T
	in   *botpresstest.Installation
	tool *hitl.Server // of the command
	jane *botpresstest.EndUser
}

// inDesk runs a test in a bubble in which a server serves Acme Desk. It sweeps nothing, and retries after five seconds.
func inDesk(t *testing.T, f func(t *testing.T, d *desk)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		d := &desk{cloud: newCloud(t), t: t}
		opts := hitl.Options{
			Insecure: true, SweepEvery: -1, Botpress: botpress.Options{BaseURL: "http://botpress.test", Token: d.Token, HTTPClient: d.client},
		}
		served := d.adapter(opts)
		d.serve("acme.test:80", served)
		body, err := json.Marshal(served.Describe())
		if err != nil {
			t.Fatal(err)
		}
		spec, err := botpresstest.FromDefinition(body)
		if err != nil {
			t.Fatal(err)
		}
		spec.URL, spec.Configuration = "http://acme.test", acme.Config{APIURL: "https://desk.example.com", APIToken: "s3cr3t"}
		if d.in, err = d.Install(t.Context(), spec); err != nil {
			t.Fatal(err)
		}
		d.env = map[string]string{"BP_API_URL": "http://botpress.test", "BP_TOKEN": d.Token, "BP_BOT_ID": d.BotID, "BP_INTEGRATION_ID": d.in.IntegrationID}
		d.tool = d.adapter(opts)
		d.jane = d.in.NewEndUser(botpresstest.Profile{Name: "Jane", Email: "jane@example.com"})
		f(t, d)
	})
}

func (d *desk) must(err error) {
	d.t.Helper()
	if !d.step(err) {
		d.t.FailNow()
	}
}

// escalate starts a session, and waits until nothing is scheduled any more.
func (d *desk) escalate() {
	d.t.Helper()
	d.must(d.jane.Escalate(d.t.Context(), botpresstest.Escalation{Title: "Help me"}))
	<-time.After(11 * time.Second)
}

// down makes the desk unreachable.
func (d *desk) down() {
	d.desk.Before = func(context.Context, string) error {
		return hitl.Retryable(0, errors.New("no route to the desk with s3cr3t"))
	}
}

// api is who writes what another process would.
func (d *desk) api() *botpress.Client {
	d.t.Helper()
	api, err := botpress.New(botpress.Options{
		BaseURL: "http://botpress.test", Token: d.Token, HTTPClient: d.client, BotID: d.BotID, IntegrationID: d.in.IntegrationID,
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return api
}

// hold writes a lease of another process.
func (d *desk) hold(kind botpress.StateType, id, name string, until time.Duration) {
	d.t.Helper()
	payload, err := json.Marshal(lease.Record{Owner: "another", Until: time.Now().Add(until)})
	if err != nil {
		d.t.Fatal(err)
	}
	if _, err = d.api().SetState(d.t.Context(), botpress.StateKey{Type: kind, ID: id, Name: name}, botpress.SetStateParams{Payload: payload}); err != nil {
		d.t.Fatal(err)
	}
}

// conversation makes one with the tags.
func (d *desk) conversation(tags botpress.Tags) string {
	d.t.Helper()
	conv, err := d.api().CreateConversation(d.t.Context(), botpress.CreateConversationParams{Channel: "supportTicket", Tags: tags})
	if err != nil {
		d.t.Fatal(err)
	}
	return conv.ID
}

// ok runs a command that succeeds, and returns what it prints.
func (d *desk) ok(args ...string) (stdout, stderr string) {
	d.t.Helper()
	code, stdout, stderr := d.run(d.tool, "", args...)
	if code != 0 {
		d.t.Fatalf("%v: exit code %d: %s", args, code, stderr)
	}
	return stdout, stderr
}

// view is what tests read of the JSON.
type view struct {
	ConversationID  string
	SessionID       string
	Phase           string
	Pending         bool
	MoreUndelivered bool
	Undelivered     []struct{ Text, Delivered, Refused string }
	Messages        []struct {
		ID, Text string
		FailedAt time.Time
	}
	Leases []struct{ State string }
}

func (d *desk) session(id string) (v view) {
	d.t.Helper()
	stdout, _ := d.ok("session", id, "--json")
	if err := json.Unmarshal([]byte(stdout), &v); err != nil {
		d.t.Fatal(err)
	}
	return v
}

var ids = regexp.MustCompile(`\b(conv|user|bot|msg|evt)_[0-9A-Z]{26}\b`)

// numbered replaces ids by numbers, in the order of their first appearance.
func numbered(s string) string {
	known, n := map[string]string{}, map[string]int{}
	return ids.ReplaceAllStringFunc(s, func(id string) string {
		if known[id] == "" {
			kind, _, _ := strings.Cut(id, "_")
			n[kind]++
			known[id] = fmt.Sprintf("%s_%d", kind, n[kind])
		}
		return known[id]
	})
}

// A session of which everything is to be seen, as people and programs see it.
func TestSessionGolden(t *testing.T) {
	inDesk(t, func(t *testing.T, d *desk) {
		d.escalate()
		d.must(d.jane.Say(t.Context(), message.Text{Text: "I need help"}))
		d.webhook(d.in, `{"type": "assigned", "ticketId": "T-1", "agent": {"id": "7", "name": "Alice"}}`)
		d.webhook(d.in, `{"type": "comment", "ticketId": "T-1", "agent": {"id": "7", "name": "Alice"}, "commentId": "A-1", "text": "How can I help?"}`)
		d.down()
		d.must(d.jane.Say(t.Context(), message.Text{Text: "Red:\n\x1b[31m" + strings.Repeat("é", 300)}))
		d.hold(botpress.StateOfConversation, d.jane.DownstreamID(), "hitlOutbox", time.Minute)
		d.hold(botpress.StateOfConversation, d.jane.DownstreamID(), "hitlAssigning", -30*time.Second)
		d.hold(botpress.StateOfIntegration, d.in.IntegrationID, "hitlSweep", -2*time.Minute) // nobody respects it any more
		for file, args := range map[string][]string{"session.txt": nil, "session.json": {"--json"}} {
			stdout, stderr := d.ok(append([]string{"session", "T-1"}, args...)...)
			name := filepath.Join("testdata", file)
			if *update {
				if err := os.WriteFile(name, []byte(numbered(stdout)), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), numbered(stdout)); diff != "" || stderr != "" {
				t.Errorf("%s: stderr %q, stdout (-want +got; -update accepts it):\n%s", file, stderr, diff)
			}
		}
	})
}

var update = flag.Bool("update", false, "accept what the commands print")

func TestSessionPhases(t *testing.T) {
	for name, tc := range map[string]struct {
		make        func(d *desk) (id string)
		phase       string
		undelivered int
		listed      bool
	}{
		"opening":   {func(d *desk) string { return d.conversation(botpress.Tags{"phase": "opening"}) }, "opening", 0, true},
		"abandoned": {func(d *desk) string { return d.conversation(botpress.Tags{"phase": ""}) }, "abandoned", 0, false},
		"open":      {(*desk).open, "open", 0, true},
		"open, with a message that the desk does not have": {func(d *desk) string {
			id := d.open()
			d.down()
			d.must(d.jane.Say(d.t.Context(), message.Text{Text: "Anybody there?"}))
			return id
		}, "open", 1, true},
		"open, with a message that the desk refuses": {func(d *desk) string {
			id := d.open()
			d.desk.Before = func(context.Context, string) error { return hitl.Errorf("too rude") }
			_ = d.jane.Say(d.t.Context(), message.Text{Text: "!"})
			_ = d.Settle(d.t.Context())
			return id
		}, "open", 0, true},
		"closing": {func(d *desk) string {
			id := d.open()
			d.down()
			d.must(d.jane.End(d.t.Context()))
			return id
		}, "closing", 1, true}, // the plugin's last words
		"closed": {func(d *desk) string {
			id := d.open()
			d.must(d.jane.End(d.t.Context()))
			return id
		}, "closed", 0, false},
		"closed, and undelivered": {func(d *desk) string {
			return d.conversation(botpress.Tags{"startedAt": "2000-01-01T00:00:00.000Z", "closedAt": "2000-01-01T00:00:00.000Z", "phase": "closed", "outbox": "pending"})
		}, "closed", 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			inDesk(t, func(t *testing.T, d *desk) {
				id := tc.make(d)
				got := d.session(id)
				if got.ConversationID != id || got.Phase != tc.phase || len(got.Undelivered) != tc.undelivered {
					t.Errorf("the session is %+v", got)
				}
				if text, _ := d.ok("session", id); !strings.Contains(text, "phase         "+tc.phase+": ") {
					t.Errorf("its phase is not printed:\n%s", text)
				}
				stdout, _ := d.ok("sessions", "--json")
				var list []view
				if err := json.Unmarshal([]byte(stdout), &list); err != nil {
					t.Fatal(err)
				}
				if (len(list) == 1) != tc.listed || tc.listed && (list[0].Phase != tc.phase || list[0].ConversationID != id) {
					t.Errorf("the list is %s", stdout)
				}
			})
		})
	}
}

// open starts a session and returns its conversation.
func (d *desk) open() string {
	d.escalate()
	return d.jane.DownstreamID()
}

func TestSessions(t *testing.T) {
	inDesk(t, func(t *testing.T, d *desk) {
		stdout, stderr := d.ok("sessions")
		if stdout != "" || stderr != "There are none.\n" {
			t.Errorf("stdout %q, stderr %q", stdout, stderr)
		}
		d.conversation(botpress.Tags{"id": "T-2", "phase": "closing", "startedAt": "2000-01-01T00:00:00.000Z", "stopping": "true", "outbox": "pending"})
		d.conversation(botpress.Tags{"phase": "opening"})
		<-time.After(3 * time.Hour)
		d.open()
		stdout, _ = d.ok("sessions")
		var lines []string
		for line := range strings.Lines(stdout) {
			f := strings.Fields(numbered(line))
			lines = append(lines, f[0]+" "+f[2]+" "+strings.Join(f[5:], " "))
		}
		want := []string{"PHASE SESSION ", "closing T-2 (3 h ago) undelivered", "opening - (3 h ago) -", "open T-1 (11 s ago) -"}
		if diff := cmp.Diff(want, lines); diff != "" {
			t.Errorf("(-want +got):\n%s\n%s", diff, stdout)
		}
	})
}

// All that is undelivered is shown, also what is not among the latest messages. A message that the desk has ends it.
func TestSessionWithMuchUndelivered(t *testing.T) {
	inDesk(t, func(t *testing.T, d *desk) {
		d.open()
		d.must(d.jane.Say(t.Context(), message.Text{Text: "delivered"}))
		d.down()
		for i := range 25 { // more than a page
			if err := d.jane.Say(t.Context(), message.Text{Text: fmt.Sprint(i)}); err != nil {
				t.Fatal(err)
			}
		}
		d.must(nil)
		got := d.session("T-1")
		if len(got.Undelivered) != 25 || got.Undelivered[0].Text != "0" || len(got.Messages) != 10 || got.Messages[9].Text != "24" || !got.Pending {
			t.Errorf("the session is %+v", got)
		}
	})
}

// Of very much that is undelivered, the command says that there may be more.
func TestSessionWithTooMuchUndelivered(t *testing.T) {
	for _, tc := range []struct {
		delivered, n int
		more         bool
	}{{0, 70, false}, {30, 70, false}, {0, 110, true}} {
		n, more := tc.n, tc.more
		t.Run(fmt.Sprint(tc), func(t *testing.T) {
			inDesk(t, func(t *testing.T, d *desk) {
				d.open()
				for i := range tc.delivered {
					d.must(d.jane.Say(t.Context(), message.Text{Text: fmt.Sprint(i)}))
				}
				d.down()
				for i := range n {
					if err := d.jane.Say(t.Context(), message.Text{Text: fmt.Sprint(i)}); err != nil {
						t.Fatal(err)
					}
				}
				d.must(nil)
				got := d.session("T-1")
				if got.MoreUndelivered != more || len(got.Undelivered) != min(n, 100) {
					t.Errorf("%d are undelivered, are there more: %t", len(got.Undelivered), got.MoreUndelivered)
				}
				if text, _ := d.ok("session", "T-1"); strings.Contains(text, "Undelivered messages: 100 or more, of which these are the latest\n") != more {
					t.Errorf("it is printed as:\n%s", text)
				}
			})
		})
	}
}

// Another process may have delivered what this one has failed to, and its note may be late.
func TestSessionWithALateFailure(t *testing.T) {
	inDesk(t, func(t *testing.T, d *desk) {
		id := d.open()
		d.must(d.jane.Say(t.Context(), message.Text{Text: "delivered"}))
		said := d.session(id).Messages[0]
		tags := botpress.Tags{"failed": "2000-01-01T00:00:00.000Z"}
		if _, err := d.api().UpdateMessage(t.Context(), said.ID, botpress.UpdateMessageParams{Tags: tags}); err != nil {
			t.Fatal(err)
		}
		if m := d.session(id).Messages[0]; !m.FailedAt.IsZero() {
			t.Errorf("it is shown as failed: %+v", m)
		}
		if text, _ := d.ok("session", id); !strings.Contains(text, "delivered 1/1") {
			t.Errorf("it is not shown as delivered:\n%s", text)
		}
	})
}

// The desk's id may have been used before. What is open is meant.
func TestSessionByTheIDOfTheDesk(t *testing.T) {
	inDesk(t, func(t *testing.T, d *desk) {
		over := botpress.Tags{"id": "T/9", "startedAt": "2000-01-01T00:00:00.000Z", "closedAt": "2000-01-01T00:00:00.000Z"}
		first, second := d.conversation(over), d.conversation(over)
		if got := d.session("T/9").ConversationID; got != second || got == first {
			t.Errorf("of two that are over it is %s, want the newest", got)
		}
		open := d.conversation(botpress.Tags{"id": "T/9", "startedAt": "2000-01-01T00:00:00.000Z"})
		d.conversation(over)
		if got := d.session("T/9").ConversationID; got != open {
			t.Errorf("it is %s, want the one that is open", got)
		}
	})
}

const acmeConfig = `{"apiUrl": "https://desk.example.com", "apiToken": "s3cr3t"}`

func TestSessionFlush(t *testing.T) {
	for name, by := range map[string]func(*desk) string{
		"by the conversation": func(d *desk) string { return d.jane.DownstreamID() },
		"by the desk's id":    func(*desk) string { return "T-1" },
	} {
		t.Run(name, func(t *testing.T) {
			inDesk(t, func(t *testing.T, d *desk) {
				silent := &botpresstest.PluginConfig{CancelledMessage: "NULL"}
				d.must(d.jane.Escalate(t.Context(), botpresstest.Escalation{Title: "Help me", Config: silent}))
				<-time.After(11 * time.Second)
				d.down()
				d.must(d.jane.Say(t.Context(), message.Text{Text: "Anybody there?"}))
				d.must(d.jane.End(t.Context()))
				d.desk.Before = nil
				stdout, stderr := d.ok("session", by(d), "--flush", "--json", "--config", acmeConfig)
				var got view
				if err := json.Unmarshal([]byte(stdout), &got); err != nil {
					t.Fatal(err)
				}
				if got.Phase != "closed" || got.Pending || len(got.Undelivered) != 0 || stderr != "The session is reconciled.\n\n" {
					t.Errorf("stderr %q; the session is %+v", stderr, got)
				}
				if ticket := d.desk.Tickets()[0]; ticket.Status != "closed" || !slices.Contains(ticket.Log, "Jane: Anybody there?") {
					t.Errorf("the ticket is %+v", ticket)
				}
			})
		})
	}
}

// What a server has in its hands is left to it.
func TestSessionFlushLeavesWhatIsInFlight(t *testing.T) {
	inDesk(t, func(t *testing.T, d *desk) {
		id := d.open()
		release := make(chan struct{})
		d.desk.Before = func(_ context.Context, method string) error {
			if method == "SendMessage" {
				<-release
			}
			return nil
		}
		var saying sync.WaitGroup
		saying.Go(func() { d.must(d.jane.Say(t.Context(), message.Text{Text: "Anybody there?"})) })
		synctest.Wait()
		code, stdout, stderr := d.run(d.tool, "", "session", id, "--flush", "--config", acmeConfig)
		want := "acme: could not reconcile session " + id + ": hitl: an earlier message may be in flight at another replica; try again in 1m15s\n"
		if code != 1 || stderr != want || !strings.Contains(stdout, "Anybody there?") {
			t.Errorf("exit code %d, stderr %q, stdout:\n%s", code, stderr, stdout)
		}
		close(release)
		saying.Wait()
	})
}

// The bot's last words have waited for what the desk did not take.
func TestSessionFlushDeliversTheLastWords(t *testing.T) {
	inDesk(t, func(t *testing.T, d *desk) {
		id := d.open()
		d.down()
		d.must(d.jane.Say(t.Context(), message.Text{Text: "Anybody there?"}))
		d.must(d.jane.End(t.Context()))
		d.desk.Before = nil
		code, stdout, stderr := d.run(d.tool, "", "session", id, "--flush", "--config", acmeConfig)
		if code != 0 || !strings.Contains(stdout, "phase         closed") || strings.Count(stdout, "delivered 1/1") != 2 {
			t.Errorf("exit code %d, stderr %q, stdout:\n%s", code, stderr, stdout)
		}
	})
}

// What is still undone is shown, and why.
func TestSessionFlushWhileTheDeskIsDown(t *testing.T) {
	inDesk(t, func(t *testing.T, d *desk) {
		id := d.open()
		d.down()
		d.must(d.jane.Say(t.Context(), message.Text{Text: "Anybody there?"}))
		code, stdout, stderr := d.run(d.tool, "", "session", id, "--flush", "--config", acmeConfig)
		if code != 1 || !strings.HasPrefix(stderr, "acme: could not reconcile session "+id+": ") || !strings.Contains(stderr, "no route to the desk") {
			t.Errorf("exit code %d: %s", code, stderr)
		}
		if !strings.Contains(stdout, "Anybody there?") || strings.Contains(stdout+stderr, "s3cr3t") {
			t.Errorf("stdout:\n%s\nstderr:\n%s", stdout, stderr)
		}
	})
}

func TestSessionRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		before func(d *desk)
		args   []string
		code   int
		want   string
	}{
		"no id":         {nil, []string{"session"}, 2, "session needs one argument, the id of a session"},
		"an empty id":   {nil, []string{"session", ""}, 2, "session needs one argument, the id of a session"},
		"two ids":       {nil, []string{"session", "a", "b"}, 2, "session needs one argument, the id of a session"},
		"an unknown id": {nil, []string{"session", "T-77"}, 1, `no session of this installation has the id "T-77"; 'sessions' lists`},
		"no id at all":  {nil, []string{"session", ".."}, 1, `no session of this installation has the id ".."`},
		"an unknown conversation": {
			nil, []string{"session", "conv_01J9Z3NDEKTSV4RRFFQ69G5FAV"}, 1, `no session of this installation has the id "conv_`,
		},
		"nothing is set": {
			func(d *desk) { d.env = nil },
			[]string{"sessions"},
			1,
			"the installation is not known: set BP_TOKEN to the integration access key, which 'deploy --access-key' prints; " +
				"set BP_BOT_ID or --bot to the id of the bot; set BP_INTEGRATION_ID or --integration to the id of the integration, which 'deploy' prints",
		},
		"no bot":          {func(d *desk) { delete(d.env, "BP_BOT_ID") }, []string{"session", "T-1"}, 1, "the installation is not known: set BP_BOT_ID or --bot"},
		"a flag":          {func(d *desk) { delete(d.env, "BP_BOT_ID") }, []string{"sessions", "--bot", "b"}, 1, "the integration is not installed in this bot"},
		"a wrong token":   {func(d *desk) { d.env["BP_TOKEN"] = "bp_iak_wrong" }, []string{"sessions"}, 1, "BP_TOKEN is not an access key of this integration"},
		"a wrong alias":   {nil, []string{"session", "T-1", "--alias", "other"}, 1, "check --bot, --integration and --alias"},
		"installed twice": {(*desk).again, []string{"sessions"}, 1, "add --alias"},
		"the alias":       {(*desk).again, []string{"sessions", "--alias", "acme-desk"}, 0, "There are none."},
		"no --flush":      {nil, []string{"session", "T-1", "--config", "{}"}, 2, "--config is only for --flush"},
		"a type of configuration that is none": {
			func(d *desk) { d.open() },
			[]string{"session", "T-1", "--flush", "--config-type", "acount"},
			2,
			"--config-type: the definition has no alternative configurations; leave it out",
		},
		"no network": {
			func(d *desk) { d.env["BP_API_URL"] = "http://nobody.test" },
			[]string{"sessions"},
			1,
			"could not list the sessions: Botpress cannot be reached; check the network, the proxy, and BP_API_URL if it is set: ",
		},
		"no object":        {nil, []string{"session", "T-1", "--flush", "--config", "x"}, 2, "--config must be a JSON object"},
		"no configuration": {func(d *desk) { d.open() }, []string{"session", "T-1", "--flush"}, 1, "without --config the configuration is empty: The configuration is invalid"},
		"arguments":        {nil, []string{"sessions", "all"}, 2, "takes no arguments"},
	} {
		t.Run(name, func(t *testing.T) {
			inDesk(t, func(t *testing.T, d *desk) {
				if tc.before != nil {
					tc.before(d)
				}
				code, _, stderr := d.run(d.tool, "", tc.args...)
				if code != tc.code || !strings.Contains(stderr, tc.want) || strings.Contains(stderr, d.Token) {
					t.Errorf("exit code %d: %s; want %d and %q", code, stderr, tc.code, tc.want)
				}
			})
		})
	}
}

// again installs the integration a second time.
func (d *desk) again() {
	d.t.Helper()
	spec := d.in.Integration
	spec.Alias = "other"
	if _, err := d.Install(d.t.Context(), spec); err != nil {
		d.t.Fatal(err)
	}
}
