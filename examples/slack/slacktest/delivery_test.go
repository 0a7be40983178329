package slacktest_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slack-go/slack"
	"github.com/slack-go/slack/slackevents"

	"github.com/hitl-go/sdk/examples/slack/slacktest"
)

func TestFaultsOfSockets(t *testing.T) {
	for _, test := range []struct {
		name     string
		fault    func(w *world)
		attempts []int // retry_attempt of what is heard in the end.
	}{
		{"none", func(*world) {}, []int{0}},
		{"cut", func(w *world) { w.DropSockets() }, nil},
		{"down for a minute", func(w *world) { w.SocketsDown(true) }, []int{3}},
		{"warning", func(w *world) { _ = w.RequestDisconnect("warning") }, nil},
		{"refresh", func(w *world) { _ = w.RequestDisconnect("refresh_requested") }, nil},
		{"link disabled", func(w *world) { _ = w.RequestDisconnect("link_disabled") }, nil},
		{"muted", func(w *world) { w.Mute(true) }, []int{}},
		{"twice", func(w *world) { w.Duplicate(true) }, []int{0, 0}},
		{"without scope", func(w *world) { w.DropScope("channels:history") }, []int{}},
		{"kicked", func(w *world) { w.Kick() }, []int{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, slacktest.Options{}, func(w *world) {
				l := w.listen()
				test.fault(w)
				w.must(w.Post(w.NewMember("Rosa"), "Hello"))
				after(90 * time.Second)
				w.SocketsDown(false)
				w.Wait()
				var attempts []int
				ids := map[string]bool{}
				for _, e := range l.envelopes() {
					attempts = append(attempts, e.RetryAttempt)
					var payload struct {
						EventID string `json:"event_id"`
					}
					_ = json.Unmarshal(e.Payload, &payload)
					ids[payload.EventID] = true
				}
				if test.attempts == nil { // It matters only that it comes.
					if len(attempts) == 0 || len(ids) != 1 {
						t.Errorf("attempts %v of %d events, want one event", attempts, len(ids))
					}
					return
				}
				if len(ids) > 1 || len(attempts) != len(test.attempts) || len(attempts) > 0 && attempts[0] < min(1, test.attempts[0]) {
					t.Errorf("attempts %v of %d events, want like %v", attempts, len(ids), test.attempts)
				}
			})
		})
	}
}

// Each event goes to one connection, and the eleventh connection is turned away.
func TestConnections(t *testing.T) {
	inBubble(t, slacktest.Options{}, func(w *world) {
		one, two := w.listen(), w.listen()
		rosa := w.NewMember("Rosa")
		for i := range 4 {
			w.must(w.Post(rosa, fmt.Sprint(i)))
		}
		w.Wait()
		if a, b := len(one.envelopes()), len(two.envelopes()); a != 2 || b != 2 {
			t.Errorf("%d and %d events, want two each", a, b)
		}
		for range 10 {
			w.listen()
		}
		if n := w.Connections(); n != 10 {
			t.Errorf("%d connections, want 10", n)
		}
	})
}

func TestPress(t *testing.T) {
	inBubble(t, slacktest.Options{}, func(w *world) {
		rosa := w.NewMember("Rosa")
		root := w.root(slack.MsgOptionBlocks(slack.NewActionBlock("b", slack.NewButtonBlockElement("close", "42", slack.NewTextBlockObject("plain_text", "Close", false, false)))))
		if m, _ := w.Message(root); len(m.Buttons) != 1 || m.Buttons[0] != (slacktest.Button{ActionID: "close", Label: "Close", Value: "42"}) {
			t.Errorf("buttons are %+v", m.Buttons)
		}
		if err := w.Press(root, rosa, "open"); err == nil {
			t.Error("a button that is not there was pressed")
		}
		if err := w.Press(root, rosa, "close"); err == nil {
			t.Error("nobody listens, and the button did not fail")
		}
		l := w.listen()
		if err := w.Press(root, rosa, "close"); err != nil {
			t.Fatal(err)
		}
		p := l.pressed[0]
		if a := p.ActionCallback.BlockActions[0]; p.Type != "block_actions" || p.User.ID != rosa.ID || p.Message.Timestamp != root || a.ActionID != "close" || a.Value != "42" || a.BlockID != "b" {
			t.Errorf("pressed: %+v", p)
		}
		l.setDeaf(true)
		start := time.Now()
		if err := w.Press(root, rosa, "close"); err == nil || time.Since(start) != 3*time.Second {
			t.Errorf("an app that is deaf: %v after %s", err, time.Since(start))
		}
		w.Wait()
	})
}

func TestReactions(t *testing.T) {
	inBubble(t, slacktest.Options{}, func(w *world) {
		l := w.listen()
		root, rosa := w.root(), w.NewMember("Rosa")
		if err := w.React(root, rosa, "👍"); err != nil {
			t.Fatal(err)
		}
		if err := w.React(root, rosa, ":+1:"); err == nil {
			t.Error("the same reaction twice")
		}
		w.Wait()
		e, ok := l.others[0].(*slackevents.ReactionAddedEvent)
		if !ok || e.Reaction != "+1" || e.User != rosa.ID || e.Item.Timestamp != root || e.ItemUser != w.BotUserID {
			t.Errorf("heard %+v", l.others[0])
		}
	})
}

// hook is a request URL.
type hook struct {
	secret string
	mu     sync.Mutex
	heard  []string
	answer func(n int, w http.ResponseWriter)
}

func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	v, err := slack.NewSecretsVerifier(r.Header, h.secret)
	if err == nil {
		_, _ = v.Write(body)
		err = v.Ensure()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if err != nil {
		h.heard = append(h.heard, err.Error())
	}
	var event struct{ Type, Challenge string }
	_ = json.Unmarshal(body, &event)
	if event.Type == "url_verification" {
		_, _ = io.WriteString(w, event.Challenge)
		return
	}
	h.heard = append(h.heard, strings.TrimSpace(event.Type+" "+r.Header.Get("X-Slack-Retry-Num")+" "+r.Header.Get("X-Slack-Retry-Reason")))
	h.answer(len(h.heard), w)
}

func (w *world) hook(answer func(n int, w http.ResponseWriter)) *hook {
	w.t.Helper()
	h := &hook{secret: w.SigningSecret, answer: answer}
	l, err := w.network.Listen("app.test:80")
	if err != nil {
		w.t.Fatal(err)
	}
	srv := &http.Server{Handler: h}
	go func() { _ = srv.Serve(l) }()
	w.t.Cleanup(func() { _ = srv.Close() })
	if err := w.SetRequestURL("http://app.test/slack"); err != nil {
		w.t.Fatal(err)
	}
	return h
}

func TestRequestURL(t *testing.T) {
	for _, test := range []struct {
		name   string
		answer func(n int, w http.ResponseWriter)
		want   []string
	}{
		{"fine", func(int, http.ResponseWriter) {}, []string{"event_callback"}},
		{"fails once", func(n int, w http.ResponseWriter) {
			if n == 1 {
				w.WriteHeader(http.StatusInternalServerError)
			}
		}, []string{"event_callback", "event_callback 1 http_error"}},
		{"fails", func(_ int, w http.ResponseWriter) {
			w.WriteHeader(http.StatusInternalServerError)
		}, []string{"event_callback", "event_callback 1 http_error", "event_callback 2 http_error", "event_callback 3 http_error"}},
		{"wants no more", func(_ int, w http.ResponseWriter) {
			w.Header().Set("X-Slack-No-Retry", "1")
			w.WriteHeader(http.StatusInternalServerError)
		}, []string{"event_callback"}},
		{"slow once", func(n int, _ http.ResponseWriter) {
			if n == 1 {
				after(4 * time.Second)
			}
		}, []string{"event_callback", "event_callback 1 http_timeout"}},
		{"hangs up once", func(n int, _ http.ResponseWriter) {
			if n == 1 {
				panic(http.ErrAbortHandler)
			}
		}, []string{"event_callback", "event_callback 1 connection_failed"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, slacktest.Options{}, func(w *world) {
				h := w.hook(test.answer)
				w.must(w.Post(w.NewMember("Rosa"), "Hello"))
				w.Wait()
				after(time.Minute)
				h.mu.Lock()
				defer h.mu.Unlock()
				w.want("heard", h.heard, test.want)
			})
		})
	}
}

func TestRequestURLIsChallenged(t *testing.T) {
	inBubble(t, slacktest.Options{}, func(w *world) {
		if err := w.SetRequestURL(w.URL + "/"); err == nil {
			t.Error("a page that does not know the challenge was taken")
		}
		if err := w.SetRequestURL("http://nobody.test/"); err == nil {
			t.Error("an address where nobody is was taken")
		}
		w.hook(func(int, http.ResponseWriter) {})
		if _, answer := w.call("apps.connections.open", w.AppToken); answer["ok"] != false {
			t.Errorf("Socket Mode is still on: %v", answer)
		}
	})
}

func TestSignRequest(t *testing.T) {
	inBubble(t, slacktest.Options{}, func(w *world) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://app.test/", strings.NewReader("a=b"))
		if err != nil {
			t.Fatal(err)
		}
		if err := w.SignRequest(r); err != nil {
			t.Fatal(err)
		}
		v, err := slack.NewSecretsVerifier(r.Header, w.SigningSecret)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(r.Body)
		_, _ = v.Write(body)
		if err := v.Ensure(); err != nil || string(body) != "a=b" {
			t.Errorf("%q: %v", body, err)
		}
	})
}

// It works on a real socket too.
func TestLoopback(t *testing.T) {
	s := slacktest.New(slacktest.Options{})
	defer s.Close()
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	api := slack.New(s.BotToken, slack.OptionAPIURL(s.URL+"/api/"), slack.OptionHTTPClient(client))
	if who, err := api.AuthTest(); err != nil || who.BotID != s.BotID {
		t.Errorf("%+v, %v", who, err)
	}
}
