package hitl_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hitl-go/sdk/botpress/botpresstest"
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/hitl/verify"
	"github.com/hitl-go/sdk/internal/acme"
	"github.com/hitl-go/sdk/message"
)

// directory is a desk whose webhooks name agents by their ids.
type directory struct {
	fakeDesk

	read func(id string) (hitl.Agent, error)
}

func (d *directory) ReadAgent(_ context.Context, id string) (hitl.Agent, error) { return d.read(id) }

// happened is what the directory's webhooks say: that an agent has written a message, or taken the session over.
type happened struct {
	Message string
	By      hitl.Agent
}

func (d *directory) HandleWebhook(ctx context.Context, r *http.Request) (hitl.Webhook, error) {
	if d.handleWebhook != nil {
		return d.handleWebhook(ctx, r)
	}
	var h happened
	if err := verify.JSON(r, &h); err != nil {
		return hitl.Webhook{}, err
	}
	var e hitl.Event = hitl.Assigned{SessionID: "T-1", Agent: h.By}
	if h.Message != "" {
		e = hitl.Replied{SessionID: "T-1", ID: h.Message, Author: h.By, Message: message.Text{Text: h.Message}}
	}
	return hitl.Webhook{Events: []hitl.Event{e}}, nil
}

func (d *directory) server(opts *hitl.Options) (*hitl.Server, error) {
	def := hitl.Definition{Name: "directory", Version: "1.0.0", UserTags: []hitl.Part{{Name: "team", Title: "Team"}}}
	return hitl.NewServer(def, func(context.Context, hitl.Installation, acme.Config) (*directory, error) { return d, nil }, opts)
}

// inDirectory runs a test in a world with a directory.
func inDirectory(t *testing.T, d *directory, profile botpresstest.Profile, f func(*world, *botpresstest.EndUser)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setting{make: d.server})
		u := w.in.NewEndUser(profile)
		w.escalate(u, "Help")
		f(w, u)
	})
}

func shownBy(u *botpresstest.EndUser) (all []string) {
	for _, r := range u.Received() {
		if r.From == botpresstest.FromAgent {
			all = append(all, fmt.Sprintf("%s (%s): %s", r.Name, r.PictureURL, message.PlainText(r.Message)))
		}
	}
	return all
}

// The desk reports agents by their ids, and the server asks who they are: once in ten minutes.
func TestAgentIsRead(t *testing.T) {
	reads := map[string]int{}
	agents := map[string]hitl.Agent{
		"7": {ID: "seven", Name: "Alice", PictureURL: "https://example.com/alice.png"},
		"8": {Name: "Another bot"},
	}
	desk := &directory{read: func(id string) (hitl.Agent, error) {
		reads[id]++
		switch {
		case id == "9":
			return hitl.Agent{}, hitl.Errorf("The desk shows nobody.")
		case id == "10" && reads[id] == 1:
			return hitl.Agent{}, errors.New("the desk is busy")
		case id == "10":
			return hitl.Agent{ID: id, Name: "Ten"}, nil
		}
		return agents[id], nil
	}}
	inDirectory(t, desk, botpresstest.Profile{Name: "Jane"}, func(w *world, jane *botpresstest.EndUser) {
		seven, eight := hitl.Agent{ID: "7"}, hitl.Agent{ID: "8"}
		w.report(happened{By: eight})
		if n := len(w.cloud.Events()); n > 0 {
			t.Errorf("after a bot has taken over there are %d events", n)
		}
		w.report(happened{By: seven})
		if n := len(w.cloud.Events()); n != 1 {
			t.Errorf("after Alice has taken over there are %d events, want 1", n)
		}
		w.report(happened{"one", seven})
		<-time.After(9 * time.Minute)
		w.report(happened{"two", seven})
		if reads["7"] != 1 {
			t.Errorf("Alice was read %d times within ten minutes", reads["7"])
		}
		<-time.After(2 * time.Minute)
		agents["7"] = hitl.Agent{ID: "7", Name: "Alice B."}
		w.report(happened{"three", seven}) // The plugin shows the name that it knows.
		if i := slices.IndexFunc(w.cloud.Users(), func(u botpresstest.User) bool { return u.Name == "Alice B." && u.Tags["directory:agentId"] == "7" }); i < 0 {
			t.Errorf("Botpress does not know Alice's new name: %+v", w.cloud.Users())
		}
		w.report(happened{"of a bot", eight})
		w.report(happened{"of nobody", hitl.Agent{}})
		w.report(happened{"of somebody without an id", hitl.Agent{Name: "Support"}})
		w.report(happened{"of Bob", hitl.Agent{ID: "11", Name: "Bob"}})
		w.report(happened{"five", hitl.Agent{ID: "9"}})
		w.report(happened{"six", hitl.Agent{ID: "9"}})
		if status, body := w.webhook(w.t.Context(), happened{"seven", hitl.Agent{ID: "10"}}); status < http.StatusInternalServerError {
			t.Errorf("while the agent cannot be read, the webhook is answered %d %s", status, body)
		}
		w.report(happened{"seven", hitl.Agent{ID: "10"}})

		picture := "https://example.com/alice.png"
		if diff := cmp.Diff([]string{
			"Alice (" + picture + "): one", "Alice (" + picture + "): two", "Alice (" + picture + "): three",
			"Support (): of somebody without an id", "Bob (): of Bob", " (): five", " (): six", "Ten (): seven",
		}, shownBy(jane)); diff != "" {
			t.Errorf("Jane saw (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(map[string]int{"7": 2, "8": 2, "9": 2, "10": 2}, reads); diff != "" {
			t.Errorf("agents were read (-want +got):\n%s", diff)
		}
	})
}

// What the desk says of an agent in an event stays, and ReadAgent adds what is missing.
func TestAgentIsCompleted(t *testing.T) {
	tags := map[string]string{}
	desk := &directory{read: func(id string) (hitl.Agent, error) {
		tags["team"] = "sales" // The desk's own map, which it goes on using.
		return hitl.Agent{Name: "Alice", ID: id, PictureURL: "https://example.com/old.png", Email: "alice@example.com", Tags: tags}, nil
	}}
	inDirectory(t, desk, botpresstest.Profile{Name: "Jane"}, func(w *world, jane *botpresstest.EndUser) {
		w.report(happened{"one", hitl.Agent{ID: "7", PictureURL: "https://example.com/new.png"}})
		tags["team"] = "support"
		w.report(happened{"two", hitl.Agent{ID: "8"}})
		users := map[string]string{}
		for _, u := range w.cloud.Users() {
			if id := u.Tags["directory:agentId"]; id != "" {
				users[id] = fmt.Sprintf("%s, %s, %s, %s", u.Name, u.PictureURL, u.Tags["directory:email"], u.Tags["directory:team"])
			}
		}
		if diff := cmp.Diff(map[string]string{
			"7": "Alice, https://example.com/new.png, alice@example.com, sales", "8": "Alice, https://example.com/old.png, alice@example.com, sales",
		}, users); diff != "" {
			t.Errorf("agents in Botpress (-want +got):\n%s", diff)
		}
		tags["team"] = "nobody's"
		w.report(happened{"three", hitl.Agent{ID: "7"}})
		newest := "https://example.com/newest.png"
		w.report(happened{"four", hitl.Agent{ID: "7", PictureURL: newest}})
		if !slices.ContainsFunc(w.cloud.Users(), func(u botpresstest.User) bool { return u.PictureURL == newest }) {
			t.Error("Botpress does not know the newest picture")
		}
		for _, u := range w.cloud.Users() {
			if team := u.Tags["directory:team"]; team != "" && team != "sales" {
				t.Errorf("an agent's team is %q", team)
			}
		}
	})
}

// Somebody becomes an agent: what they write from then on arrives.
func TestAgentOfLate(t *testing.T) {
	read := hitl.Agent{}
	desk := &directory{read: func(string) (hitl.Agent, error) { return read, nil }}
	inDirectory(t, desk, botpresstest.Profile{Name: "Jane"}, func(w *world, jane *botpresstest.EndUser) {
		w.report(happened{"not yet", hitl.Agent{ID: "7"}})
		read = hitl.Agent{ID: "7", Name: "Alice"}
		w.report(happened{"now", hitl.Agent{ID: "7"}})
		if diff := cmp.Diff([]string{"Alice (): now"}, shownBy(jane)); diff != "" {
			t.Errorf("Jane saw (-want +got):\n%s", diff)
		}
	})
}

// seven is what Botpress calls agent 7.
func (w *world) seven() string {
	for _, u := range w.cloud.Users() {
		if u.Tags["directory:agentId"] == "7" {
			return u.Name
		}
	}
	return ""
}

// Two processes have read an agent at different times: the older name does not replace the newer one.
func TestAgentOfTwoProcesses(t *testing.T) {
	for name, by := range map[string]hitl.Agent{"an ID": {ID: "7"}, "an ID and a picture": {ID: "7", PictureURL: "https://example.com/alice.png"}} {
		t.Run(name, func(t *testing.T) {
			name := "Alice"
			desk := &directory{read: func(id string) (hitl.Agent, error) { return hitl.Agent{ID: id, Name: name}, nil }}
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, setting{replicas: 2, make: desk.server})
				w.escalate(w.in.NewEndUser(botpresstest.Profile{Name: "Jane"}), "Help")
				w.report(happened{"one", by})
				name = "Alice B."
				w.report(happened{"two", by}) // They take turns.
				updates := w.cloud.Count("updateUser")
				for n := range 6 {
					w.report(happened{fmt.Sprint("after ", n), by})
				}
				if w.seven() != "Alice B." || w.cloud.Count("updateUser") != updates {
					t.Errorf("the agent is called %q, after %d updates in place of %d", w.seven(), w.cloud.Count("updateUser"), updates)
				}
			})
		})
	}
}

// Botpress fails when it is told an agent's new name: it is told again.
func TestNewNameThatBotpressDoesNotTake(t *testing.T) {
	for _, fails := range []string{"updateUser", "initializeIncomingMessage"} {
		for what, h := range map[string]happened{"a reply": {"two", hitl.Agent{ID: "7"}}, "an assignment": {"", hitl.Agent{ID: "7"}}} {
			t.Run(fails+" of "+what, func(t *testing.T) {
				name := "Al"
				desk := &directory{read: func(id string) (hitl.Agent, error) { return hitl.Agent{ID: id, Name: name}, nil }}
				inDirectory(t, desk, botpresstest.Profile{Name: "Jane"}, func(w *world, _ *botpresstest.EndUser) {
					w.report(happened{"one", hitl.Agent{ID: "7"}})
					<-time.After(11 * time.Minute)
					name = "Alice"
					lift := w.cloud.Fault(botpresstest.Fault{Operation: fails, Kind: botpresstest.InternalError})
					if status, body := w.webhook(w.t.Context(), h); status < http.StatusInternalServerError {
						t.Errorf("while Botpress fails, the answer is %d %s", status, body)
					}
					lift()
					w.report(h)
					if w.seven() != "Alice" {
						t.Errorf("afterwards the agent is called %q", w.seven())
					}
				})
			})
		}
	}
}

// Another configuration may be another desk, where an ID is somebody else's.
func TestAgentOfAnotherDesk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setting{make: func(opts *hitl.Options) (*hitl.Server, error) {
			connect := func(_ context.Context, _ hitl.Installation, c acme.Config) (*directory, error) {
				return &directory{read: func(id string) (hitl.Agent, error) { return hitl.Agent{ID: id, Name: "Alice of " + c.APIURL}, nil }}, nil
			}
			return hitl.NewServer(hitl.Definition{Name: "directory", Version: "1.0.0"}, connect, opts)
		}})
		w.escalate(w.in.NewEndUser(botpresstest.Profile{Name: "Jane"}), "Help")
		for _, address := range []string{"https://one.example.com", "https://two.example.com"} {
			if err := w.in.Configure(t.Context(), acme.Config{APIURL: address, APIToken: "x"}); err != nil {
				t.Fatal(err)
			}
			w.report(happened{"from " + address, hitl.Agent{ID: "7"}})
			if !slices.ContainsFunc(w.cloud.Users(), func(u botpresstest.User) bool { return u.Name == "Alice of "+address }) {
				t.Errorf("agent 7 is not the one of %s: %+v", address, w.cloud.Users())
			}
		}
	})
}

// What the bot's owner can fix is no reason to lose a webhook: its sender is asked to send it again, and told why.
func TestWebhookThatTheOwnerCanMend(t *testing.T) {
	expired := &hitl.Error{Message: "the token has expired", Temporary: true}
	fail, replies := map[string]error{}, 0
	desk := &directory{read: func(id string) (hitl.Agent, error) { return hitl.Agent{ID: id, Name: "Alice"}, fail["ReadAgent"] }}
	desk.handleWebhook = func(context.Context, *http.Request) (hitl.Webhook, error) {
		e := hitl.Replied{SessionID: "T-1", ID: fmt.Sprint(replies), Author: hitl.Agent{ID: "7"}, Load: func(context.Context) (message.Message, error) {
			return message.Text{Text: "Hello"}, fail["Load"]
		}}
		done := func(context.Context) error { return fail["Done"] }
		return hitl.Webhook{Events: []hitl.Event{e}, Done: done}, fail["HandleWebhook"]
	}
	inDirectory(t, desk, botpresstest.Profile{Name: "Jane"}, func(w *world, jane *botpresstest.EndUser) {
		for _, where := range []string{"HandleWebhook", "ReadAgent", "Load", "Done"} {
			fail[where] = expired
			if status, body := w.webhook(w.t.Context(), "{}"); status != http.StatusServiceUnavailable || !strings.Contains(body, "the token has expired") {
				t.Errorf("%s has failed, and the answer is %d %s", where, status, body)
			}
			fail[where] = hitl.Errorf("never")
			if status, body := w.webhook(w.t.Context(), "{}"); where != "ReadAgent" && status != http.StatusBadRequest {
				t.Errorf("%s has failed for good, and the answer is %d %s", where, status, body)
			}
			fail[where] = nil
			replies++
		}
		for name, test := range map[string]struct {
			err    error
			status int
			want   string
		}{
			"details":           {&hitl.Error{Message: "m", Temporary: true, ID: "err_mine", Metadata: json.RawMessage(`{"a":1}`)}, 503, `{"id":"err_mine","code":400,"type":"Runtime","message":"m","metadata":{"a":1}}`},
			"not genuine":       {&hitl.Error{Message: "the secret is wrong", Temporary: true, Err: verify.ErrInvalid}, 401, "not genuine"},
			"the desk's wait":   {&hitl.Error{Message: "m", Temporary: true, Err: hitl.Retryable(40*time.Second, errors.New("busy"))}, 503, "Retry-After: 40"},
			"at least a moment": {expired, 503, "Retry-After: 5"},
		} {
			fail["HandleWebhook"] = test.err
			a := w.operate("webhook_received", `{"req":{"method":"POST","path":"/","query":"","headers":{},"body":"{}"}}`)
			if got := a.body + " Retry-After: " + a.header.Get("Retry-After"); a.status != test.status || !strings.Contains(got, test.want) {
				t.Errorf("%s: the answer is %d %s", name, a.status, got)
			}
		}
	})
}

// While nobody can connect to the desk, its webhooks are asked to come again.
func TestWebhookOfADeskWithoutAConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var fail atomic.Pointer[hitl.Error]
		w := newWorld(t, setting{replicas: 2, make: func(opts *hitl.Options) (*hitl.Server, error) {
			connect := func(context.Context, hitl.Installation, acme.Config) (*fakeDesk, error) {
				if err := fail.Load(); err != nil {
					return nil, err
				}
				return &fakeDesk{}, nil
			}
			return hitl.NewServer(hitl.Definition{Name: "directory", Version: "1.0.0"}, connect, opts)
		}})
		fail.Store(&hitl.Error{Message: "the token has expired", Temporary: true})
		refused := 0
		for range 2 { // Of the replicas, one has been connected.
			status, body := w.webhook(t.Context(), "{}")
			if status == http.StatusServiceUnavailable && strings.Contains(body, "the token has expired") {
				refused++
			} else if status != http.StatusOK {
				t.Errorf("the answer is %d %s", status, body)
			}
		}
		if refused == 0 {
			t.Error("all replicas are connected")
		}
	})
}

// Whoever speaks comes with their name, and an end user with their picture, if a desk can use it.
func TestSpeakers(t *testing.T) {
	const most = 2_048
	longest := "https://example.com/" + strings.Repeat("a", most-len("https://example.com/"))
	for picture, want := range map[string]string{
		"": "", "https://example.com/jane.png": "https://example.com/jane.png", longest: longest, longest + "a": "",
		"data:image/png;base64,iVBORw0KGgo=": "", "http://example.com/jane.png": "",
	} {
		var heard []string
		desk := &directory{read: func(id string) (hitl.Agent, error) { return hitl.Agent{ID: id}, nil }}
		desk.sendMessage = func(_ context.Context, r hitl.SendMessageRequest) (hitl.Ref, error) {
			heard = append(heard, fmt.Sprintf("%s (%s): %s", r.Name, r.PictureURL, message.PlainText(r.Message)))
			return hitl.Ref{}, nil
		}
		inDirectory(t, desk, botpresstest.Profile{Name: "Jane", PictureURL: picture}, func(w *world, jane *botpresstest.EndUser) {
			w.say(jane, message.Text{Text: "one"})
			w.settle()
			if err := jane.End(w.t.Context()); err != nil {
				t.Fatal(err)
			}
			w.settle()
		})
		if diff := cmp.Diff([]string{"Jane (" + want + "): one", "Bot (): ( The user has ended the session. )"}, heard); diff != "" {
			t.Errorf("with the picture %.60q, the desk heard (-want +got):\n%s", picture, diff)
		}
	}
}

// Each part of a message has a key of its own, and each attempt to send it the same one.
func TestKey(t *testing.T) {
	r := hitl.SendMessageRequest{MessageID: "msg_1", Part: 10}
	again := r
	again.Repeated, again.Message = true, message.Text{Text: "Hello"}
	if r.Key() != "msg_1/10" || again.Key() != r.Key() {
		t.Errorf("the key is %q, and then %q", r.Key(), again.Key())
	}
}
