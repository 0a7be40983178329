package hitltest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/botpress/botpresstest"
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/hitl/hitltest"
	"github.com/hitl-go/sdk/message"
)

// shout is a desk and its adapter in one. Its webhooks are forms.
type shout struct {
	mu    *sync.Mutex
	heard *[]string
}

type shoutConfig struct {
	Greeting string `json:"greeting"`
}

func connectShout(_ context.Context, _ hitl.Installation, c shoutConfig) (shout, error) {
	return shout{&sync.Mutex{}, &[]string{c.Greeting}}, nil
}

func (s shout) hear(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*s.heard = append(*s.heard, line)
}

func (s shout) Register(_ context.Context, url string) error {
	s.hear("registered " + url[strings.LastIndex(url, "/wh_")+1:][:3])
	return nil
}

func (s shout) Unregister(context.Context, string) error { s.hear("unregistered"); return nil }

func (s shout) CreateUser(_ context.Context, r hitl.CreateUserRequest) (hitl.Ref, error) {
	return hitl.Ref{ID: "the " + r.Name}, nil
}

func (s shout) StartHitl(_ context.Context, r hitl.StartHitlRequest[struct{}]) (hitl.Ref, error) {
	if r.Title == "" {
		return hitl.Ref{}, hitl.Errorf("A session needs a title.")
	}
	return hitl.Ref{ID: r.Title, Tags: map[string]string{"queue": "7"}}, nil
}

func (s shout) StopHitl(_ context.Context, r hitl.StopHitlRequest) error {
	s.hear("stopped " + r.Session.ID)
	return nil
}

func (s shout) SendMessage(_ context.Context, r hitl.SendMessageRequest) (hitl.Ref, error) {
	s.hear(r.Author.ID + ": " + message.PlainText(r.Message))
	return hitl.Ref{}, nil
}

func (s shout) HandleWebhook(_ context.Context, r *http.Request) (hitl.Webhook, error) {
	if r.Header.Get("Key") != "open sesame" || r.URL.Path != "/events" || r.URL.Query().Get("v") != "2" {
		return hitl.Webhook{}, hitl.Errorf("This is no webhook: %s %s", r.RequestURI, r.Header.Get("Key"))
	}
	return hitl.Webhook{Events: []hitl.Event{hitl.Replied{
		SessionID: r.FormValue("session"), Author: hitl.Agent{ID: "1", Name: "Alice"}, Message: message.Text{Text: r.FormValue("text")},
	}}}, nil
}

func reply(session, text string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/events?v=2", strings.NewReader(url.Values{"session": {session}, "text": {text}}.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Key", "open sesame")
	return r
}

func TestBot(t *testing.T) {
	var desk shout
	t.Run("session", func(t *testing.T) {
		connect := func(ctx context.Context, in hitl.Installation, c shoutConfig) (shout, error) {
			var err error
			desk, err = connectShout(ctx, in, c)
			return desk, err
		}
		def := hitl.Definition{Name: "shout", Version: "1.0.0", ConversationTags: []hitl.Part{{Name: "queue"}}, Channel: hitl.Part{Name: "line"}}
		bot := hitltest.NewBot(t, def, connect, shoutConfig{Greeting: "hello"})
		jane := bot.EndUser("Jane")
		if s := jane.Session(); !cmp.Equal(s, hitltest.Session{}) {
			t.Errorf("before the first session it is %+v", s)
		}
		jane.Say("Hello?")
		jane.Escalate("Help me")
		jane.Say("Is anybody there?")
		jane.Send(message.Bloc{Items: []message.BlocItem{message.Text{Text: "one"}, message.Text{Text: "two"}}})
		session := jane.Session()
		if diff := cmp.Diff(hitl.Ref{ID: "Help me", Tags: map[string]string{"queue": "7"}}, session.Ref); diff != "" || session.ConversationID != jane.DownstreamID() {
			t.Errorf("the session is %+v (-want +got):\n%s", session, diff)
		}
		bot.Webhook(reply(session.ID, "How can I help?"))
		jane.Sees("bot: A human agent has joined the conversation.")
		jane.Sees("Alice: How can I help?")
		jane.End()
		jane.Sees("bot: You have ended the session with the human agent. I will continue assisting you.")
	})
	heard := strings.Join(*desk.heard, "\n")
	for _, want := range []string{"hello\nregistered wh_", "the Jane: Is anybody there?\nthe Jane: one\nthe Jane: two", "stopped Help me", "unregistered"} {
		if !strings.Contains(heard, want) {
			t.Errorf("the desk has not heard %q, but:\n%s", want, heard)
		}
	}
	if strings.Contains(heard, "Hello?") {
		t.Errorf("the desk has heard what was said before the session:\n%s", heard)
	}
}

// transport counts the requests that it carries.
type transport struct {
	base    http.Transport
	carried atomic.Int64
}

func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	t.carried.Add(1)
	return t.base.RoundTrip(r)
}

// TestBotOptions: the options reach Botpress and the server, and the server does not wait for long before it calls again.
func TestBotOptions(t *testing.T) {
	var toBotpress, toServer transport
	t.Cleanup(toBotpress.base.CloseIdleConnections)
	t.Cleanup(toServer.base.CloseIdleConnections)
	var log bytes.Buffer
	def := hitl.Definition{Name: "shout", Version: "1.0.0", ConversationTags: []hitl.Part{{Name: "queue"}}}
	bot := hitltest.NewBot(t, def, connectShout, shoutConfig{}, hitltest.BotOptions{
		Cloud: botpresstest.Options{
			ClockSkew: time.Minute, Client: &http.Client{Transport: &toServer},
			Plugin: botpresstest.PluginConfig{HandoffMessage: "One moment, please."},
		},
		Server: hitl.Options{Botpress: botpress.Options{
			HTTPClient: &http.Client{Transport: &toBotpress},
			Logger:     slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn})),
		}},
	})
	bot.Cloud.Fault(botpresstest.Fault{Operation: "getOrCreateUser", Kind: botpresstest.InternalError, Times: 2})
	jane := bot.EndUser("Jane")
	jane.Escalate("Help me")
	jane.Sees("bot: One moment, please.")
	if toBotpress.carried.Load() == 0 || toServer.carried.Load() == 0 {
		t.Errorf("%d requests were carried to Botpress, %d to the server", toBotpress.carried.Load(), toServer.carried.Load())
	}
	if ahead := time.Until(jane.Received()[0].At); ahead < 30*time.Second || ahead > time.Minute {
		t.Errorf("Botpress' clock is ahead by %s", ahead)
	}
	retries := 0
	for decoder := json.NewDecoder(&log); decoder.More(); {
		var line struct {
			Msg  string
			Wait time.Duration
		}
		if err := decoder.Decode(&line); err != nil {
			t.Fatal(err)
		}
		if line.Msg == "botpress: retry" {
			retries++
			if line.Wait > 30*time.Millisecond {
				t.Errorf("the server waits for %s before it calls again", line.Wait)
			}
		}
	}
	if retries != 2 {
		t.Errorf("%d retries, want 2", retries)
	}
}
