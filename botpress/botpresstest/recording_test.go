package botpresstest_test

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hitl-go/sdk/botpress/botpresstest"
	"github.com/hitl-go/sdk/message"
)

// recordingJSON is what the real plugin and a real integration exchanged with a Botpress: the marks of the scenario, what
// reached the integration and the end user, the integration's calls of the API, and the bot's that change something.
//
//go:embed testdata/plugin-session.json
var recordingJSON []byte

type entry struct {
	Kind     string               `json:"kind"` // Mark, dispatch, webhook, api or sink.
	Text     string               `json:"text"` // Of a mark.
	From     string               `json:"from"`
	Headers  map[string]string    `json:"headers"`
	Method   string               `json:"method"`
	Path     string               `json:"path"`
	Body     json.RawMessage      `json:"body"`
	Message  botpresstest.Message `json:"message"` // That reached the end user.
	Response struct {
		User         *botpresstest.User         `json:"user"`
		Conversation *botpresstest.Conversation `json:"conversation"`
		Message      *botpresstest.Message      `json:"message"`
	} `json:"response"`
}

// TestRecording plays the recorded scenario and compares, step by step, what reaches the integration, what it calls and
// what the end user is shown; and in the end the tags of everybody and everything.
func TestRecording(t *testing.T) {
	inBubble(t, botpresstest.Options{
		Middleware: checked(t),
		Plugin:     botpresstest.PluginConfig{Farewell: botpresstest.FarewellLast},
		Bot: func(m message.Message) []message.Message {
			text, _ := m.(message.Text)
			if strings.HasPrefix(text.Text, "/") {
				return nil
			}
			return []message.Message{message.Text{Text: "bot says: " + text.Text}}
		},
	}, playRecording)
}

func playRecording(t *testing.T, a *acme, in *botpresstest.Installation) {
	t.Helper()
	s := a.server
	jane, bob := in.NewEndUser(botpresstest.Profile{Name: "Jane Patient"}), (*botpresstest.EndUser)(nil)
	carol, dan := bob, bob

	text := func(u *botpresstest.EndUser, said string) func() error {
		return func() error { return u.Say(t.Context(), message.Text{Text: said}) }
	}
	hook := func(format string, args ...any) func() error {
		return func() error { webhook(t, in, a.client, fmt.Sprintf(format, args...)); return nil }
	}
	ignored := func(err error) error {
		if err == nil {
			return fmt.Errorf("no error, want ErrIgnored")
		}
		return nil
	}
	first := botpresstest.PluginConfig{Farewell: botpresstest.FarewellFirst}
	const alice = `"agent":{"id":"agent-7","name":"Alice Agent","email":"alice@example.com"}`
	play := map[string]func() error{
		"setup": func() error { return in.Ping(t.Context()) },
		"A1":    text(jane, "hello"),
		"A2": func() error {
			if err := text(jane, "/start_hitl")(); err != nil {
				return err
			}
			if err := s.Settle(t.Context()); err != nil {
				return err
			}
			return jane.Escalate(t.Context(), botpresstest.Escalation{
				Title: "Help me", Description: "I have a problem", Email: "patient@example.com",
				Session: map[string]string{"priority": "high"},
			})
		},
		"A3": text(jane, "I need help"),
		"A4": func() error { return jane.Say(t.Context(), message.Image{ImageURL: "https://example.com/i.png"}) },
		"A5": func() error { return jane.Say(t.Context(), message.Location{Latitude: 1, Longitude: 2}) },
		"A6": hook(`{"type":"assigned","ticketId":"T-1",%s}`, alice),
		"A7": hook(`{"type":"comment","ticketId":"T-1",%s,"text":"How can I help?"}`, alice),
		"A8": hook(`{"type":"comment","ticketId":"T-1",%s,"text":"See this","additionalData":"{\"k\":1}"}`, alice),
		"A9": func() error {
			return ignored(jane.Escalate(t.Context(), botpresstest.Escalation{Title: "again"}))
		},
		"A10": hook(`{"type":"closed","ticketId":"T-1"}`),
		"A11": text(jane, "thanks"),
		"A12": hook(`{"type":"comment","ticketId":"T-1",%s,"text":"late"}`, alice),
		"B1": func() error {
			bob = in.NewEndUser(botpresstest.Profile{Name: "Bob"})
			if err := text(bob, "hi")(); err != nil {
				return err
			}
			if err := s.Settle(t.Context()); err != nil {
				return err
			}
			return bob.Escalate(t.Context(), botpresstest.Escalation{
				Title: "B ticket", Description: "desc", Session: map[string]string{"priority": "low"},
			})
		},
		"B2": hook(`{"type":"comment","ticketId":"T-2",%s,"text":"Hi Bob"}`, alice),
		"B3": func() error { return text(bob, "/END ")() },
		"C1": func() error {
			carol = in.NewEndUser(botpresstest.Profile{Name: "Carol"})
			return carol.Escalate(t.Context(), botpresstest.Escalation{
				Title: "C ticket", Email: "carol@example.com",
				Config: &botpresstest.PluginConfig{AssignedTimeout: 10 * time.Minute, NoFlowOnStopped: true, Farewell: botpresstest.FarewellLast},
			})
		},
		"C2": func() error { // The handoff message and the timeout's.
			_, err := carol.Next(t.Context())
			if err == nil {
				_, err = carol.Next(t.Context())
			}
			return err
		},
		"D1": func() error {
			dan = in.NewEndUser(botpresstest.Profile{Name: "Dan"})
			err := dan.Escalate(t.Context(), botpresstest.Escalation{Title: "D ticket", Email: "reject@example.com"})
			if err == nil || !strings.HasSuffix(err.Error(), "answered 400 Runtime: Acme Desk rejected the e-mail address") {
				return fmt.Errorf("the escalation answered %w", err)
			}
			return nil
		},
		"D2": func() error {
			err := dan.Escalate(t.Context(), botpresstest.Escalation{Title: "D ticket", Email: "dan@example.com", Config: &first})
			if err != nil {
				return err
			}
			return dan.StopHitl(t.Context())
		},
		"D3": func() error { return ignored(dan.StopHitl(t.Context())) },
		"final": func() error {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, in.WebhookURL+"/tickets", nil)
			if err != nil {
				return err
			}
			res, err := a.client.Do(req)
			if err == nil {
				err = res.Body.Close()
			}
			return err
		},
	}

	var entries []entry
	if err := json.Unmarshal(recordingJSON, &entries); err != nil {
		t.Fatal(err)
	}
	want, got := newNames(), newNames()
	var seq uint64 // Of the last call that has been compared; the registration has yet to be.
	shown := map[string]int{}
	for i := 0; i < len(entries); {
		if entries[i].Kind != "mark" {
			t.Fatalf("entry %d is no mark", i)
		}
		mark := entries[i].Text
		step := mark[:strings.IndexAny(mark+" ", " :")]
		end := i + 1
		for end < len(entries) && entries[end].Kind != "mark" {
			end++
		}
		t.Log(mark)
		if err := play[step](); err != nil {
			t.Fatalf("%s: %v", mark, err)
		}
		if err := s.Settle(t.Context()); err != nil {
			t.Fatalf("%s: %v", mark, err)
		}
		var calls []botpresstest.Call
		for _, c := range s.Calls() {
			if c.Seq > seq {
				calls = append(calls, c)
				seq = c.Seq
			}
		}
		// Calls are recorded as they start, ours as they end.
		slices.SortStableFunc(calls, func(a, b botpresstest.Call) int { return a.At.Compare(b.At) })
		users := map[string]*botpresstest.EndUser{"jane": jane, "bob": bob, "carol": carol, "dan": dan}
		var sinks []botpresstest.Message
		for _, name := range slices.Sorted(maps.Keys(users)) {
			if u := users[name]; u != nil {
				list := s.Messages(u.ConversationID())
				for _, r := range u.Received()[shown[name]:] {
					shown[name]++
					sinks = append(sinks, list[slices.IndexFunc(list, func(m botpresstest.Message) bool { return m.ID == r.ID })])
				}
			}
		}
		if diff := cmp.Diff(want.recorded(entries[i+1:end]), got.played(a, calls, sinks)); diff != "" {
			t.Errorf("%s (-recorded +played):\n%s", mark, diff)
		}
		i = end
	}
	if diff := cmp.Diff(want.recordedThings(entries), got.playedThings(s)); diff != "" {
		t.Errorf("in the end (-recorded +played):\n%s", diff)
	}
}

// names gives ids names in the order in which they appear.
type names struct {
	byID  map[string]string
	count map[string]int
}

func newNames() *names { return &names{map[string]string{}, map[string]int{}} }

var (
	ids   = regexp.MustCompile(`user_webchat_copy_of_user_\d+|(user|conv|msg|evt|bot|intver|wh)_([0-9A-Z]{26}|\d{3}\b|acme)`)
	fake  = regexp.MustCompile(`no-reply\.bot-\w+\.`)
	times = regexp.MustCompile(`"20\d\d-[^"]*Z"`)
	hosts = regexp.MustCompile(`127\.0\.0\.1:\d+|botpress\.test:80`)
)

func (n *names) normal(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	var tree any
	if err := json.Unmarshal(data, &tree); err != nil {
		panic(err)
	}
	if m, ok := tree.(map[string]any); ok {
		if c, ok := m["conversation"].(map[string]any); ok {
			delete(c, "updatedAt")
		}
		if u, ok := m["user"].(map[string]any); ok {
			delete(u, "name") // Of the bot.
		}
		if r, ok := m["req"].(map[string]any); ok {
			delete(r, "headers")
			if r["body"] == "" {
				delete(r, "body")
			}
		}
	}
	data, err = json.Marshal(tree) // With sorted keys.
	if err != nil {
		panic(err)
	}
	text := times.ReplaceAllString(hosts.ReplaceAllString(fake.ReplaceAllString(string(data), "no-reply.bot."), "HOST"), `"TIME"`)
	return ids.ReplaceAllStringFunc(text, func(id string) string {
		if n.byID[id] == "" {
			kind := id[:strings.Index(id, "_")]
			n.count[kind]++
			n.byID[id] = fmt.Sprintf("%s-%d", kind, n.count[kind])
		}
		return n.byID[id]
	})
}

// step is what happens at one step of the scenario. Only the order within each list is compared: what reaches the end
// user takes another way than what reaches the integration.
type step struct{ Dispatches, Calls, Sinks []string }

func (n *names) recorded(entries []entry) (st step) {
	for _, e := range entries {
		if e.Kind == "dispatch" {
			for _, name := range []string{"x-bot-id", "x-bot-user-id", "x-integration-id", "x-webhook-id"} {
				e.Headers[name] = n.normal(e.Headers[name])
			}
			st.Dispatches = append(st.Dispatches, fmt.Sprintf("%v %s", e.Headers, n.normal(e.Body)))
		}
	}
	for _, e := range entries {
		switch {
		case e.Kind == "api" && e.From != "bot":
			st.Calls = append(st.Calls, fmt.Sprintf("%s %s %s", e.Method, n.normal(e.Path), n.normal(e.Body)))
		case e.Kind == "sink":
			st.Sinks = append(st.Sinks, n.sink(e.Message))
		}
	}
	return st
}

func (n *names) played(a *acme, calls []botpresstest.Call, sinks []botpresstest.Message) (st step) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, op := range a.received {
		headers := map[string]string{}
		for name := range op.header {
			if name = strings.ToLower(name); strings.HasPrefix(name, "x-") {
				headers[name] = op.header.Get(name)
			}
		}
		for _, name := range []string{"x-bot-id", "x-bot-user-id", "x-integration-id", "x-webhook-id"} {
			headers[name] = n.normal(headers[name])
		}
		st.Dispatches = append(st.Dispatches, fmt.Sprintf("%v %s", headers, n.normal(op.body)))
	}
	a.received = nil
	for _, c := range calls {
		if c.Kind == botpresstest.APICall {
			body := json.RawMessage("null")
			if len(c.Request) > 0 {
				body = c.Request
			}
			st.Calls = append(st.Calls, fmt.Sprintf("%s %s %s", c.Method, n.normal(c.Path), n.normal(body)))
		}
	}
	for _, m := range sinks {
		st.Sinks = append(st.Sinks, n.sink(m))
	}
	return st
}

func (n *names) sink(m botpresstest.Message) string {
	return fmt.Sprintf("%s %s %s by %s in %s", m.Type, n.normal(m.Payload), n.normal(m.Tags), n.normal(m.UserID), n.normal(m.ConversationID))
}

// recordedThings are the users with tags, the conversations and the messages as they are in the end.
func (n *names) recordedThings(entries []entry) []string {
	things := map[string]map[string]string{}
	merge := func(e entry, id string, tags map[string]string) {
		if things[id] == nil {
			things[id] = map[string]string{}
		}
		for name, value := range tags {
			if e.From != "bot" {
				name = "acme-desk:" + name
			}
			if name != "email" && !strings.HasPrefix(name, "webchat:") { // Of the recording's own channel.
				things[id][name] = value
			}
		}
	}
	for _, e := range entries {
		if u := e.Response.User; u != nil {
			merge(e, u.ID, u.Tags)
		}
		if c := e.Response.Conversation; c != nil {
			merge(e, c.ID, c.Tags)
		}
		if m := e.Response.Message; m != nil {
			merge(e, m.ID, m.Tags)
		}
	}
	return n.things(things)
}

func (n *names) playedThings(s *botpresstest.Server) []string {
	things := map[string]map[string]string{}
	for _, u := range s.Users() {
		if u.Name != "Bot" {
			things[u.ID] = u.Tags
		}
	}
	for _, c := range s.Conversations() {
		things[c.ID] = c.Tags
		for _, m := range s.Messages(c.ID) {
			things[m.ID] = m.Tags
		}
	}
	return n.things(things)
}

// things describes what has a name, which is what has been in an exchange, and then what got a name by that.
func (n *names) things(all map[string]map[string]string) (lines []string) {
	for len(all) > 0 {
		named := slices.DeleteFunc(slices.Collect(maps.Keys(all)), func(id string) bool { return n.byID[id] == "" })
		if len(named) == 0 {
			break
		}
		slices.SortFunc(named, func(a, b string) int { return strings.Compare(n.byID[a], n.byID[b]) })
		for _, id := range named {
			if len(all[id]) > 0 {
				lines = append(lines, n.byID[id]+" "+n.normal(all[id]))
			}
			delete(all, id)
		}
	}
	return lines
}
