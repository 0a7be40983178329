package hitl_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/hitl"
)

// The tests of this file are about what must not get from one bot, session or call into another.

// spy is an API that records what it is sent.
type spy struct {
	mu    sync.Mutex
	calls []string // method, path and body
}

func (s *spy) client() *http.Client {
	return &http.Client{Transport: botpressAPI{seen: func(r *http.Request) {
		var body []byte
		if r.Body != nil {
			body, _ = io.ReadAll(r.Body)
			r.Body = io.NopCloser(bytes.NewReader(body))
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.calls = append(s.calls, r.Method+" "+r.URL.Path+" "+string(body))
	}}}
}

// sent returns the bodies of calls of a path.
func (s *spy) sent(path string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var bodies []string
	for _, c := range s.calls {
		if parts := strings.SplitN(c, " ", 3); parts[1] == path {
			bodies = append(bodies, parts[2])
		}
	}
	return bodies
}

// inBot is an operation of another bot.
func inBot(bot string, operation [2]string) *http.Request {
	r := request(operation)
	r.Header.Set("X-Bot-Id", bot)
	return r
}

// Two bots whose desks use the same ids, as they do after a copy: what one has seen, the other has not.
func TestBotsShareNoMemory(t *testing.T) {
	var api spy
	desk := &fakeDesk{handleWebhook: func(context.Context, *http.Request) (hitl.Webhook, error) {
		return hitl.Webhook{Events: []hitl.Event{hitl.Replied{SessionID: "T-1", ConversationID: "conv_1", Author: hitl.Agent{ID: "1"}, ID: "A-1", Message: said(1)}}}, nil
	}}
	s := desk.server(t, hitl.Options{Botpress: botpress.Options{HTTPClient: api.client()}})
	for _, bot := range []string{"bot_1", "bot_2", "bot_1"} {
		ask(s, inBot(bot, webhook))
	}
	if got := len(api.sent("/v1/chat/initialize-incoming-message")); got != 2 {
		t.Errorf("the reply was sent %d times, want once to each bot", got)
	}
}

// An adapter may change its HTTP client, such as by a transport that adds its token: the others' are not changed.
func TestBotsShareNoHTTPClient(t *testing.T) {
	given := &http.Client{}
	clients := map[*http.Client]bool{}
	desk := &fakeDesk{connect: func(_ context.Context, in hitl.Installation, _ fakeConfig) error {
		if in.HTTPClient.Timeout != 0 {
			t.Error("the client of another bot was changed")
		}
		if in.HTTPClient.Transport == nil {
			t.Error("there is no transport to wrap")
		}
		in.HTTPClient.Timeout = time.Second
		clients[in.HTTPClient] = true
		return nil
	}}
	s := desk.server(t, hitl.Options{HTTPClient: given})
	for _, bot := range []string{"bot_1", "bot_2"} {
		ask(s, inBot(bot, webhook))
	}
	if len(clients) != 2 || given.Timeout != 0 {
		t.Errorf("two bots have %d clients, and the one that was given has a timeout of %v", len(clients), given.Timeout)
	}
}

func TestBotsDoNotWaitForEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		desk := &fakeDesk{sendMessage: func(context.Context, hitl.SendMessageRequest) (hitl.Ref, error) {
			<-time.After(10 * time.Second)
			return hitl.Ref{}, nil
		}}
		s := desk.server(t, hitl.Options{})
		start := time.Now()
		var both sync.WaitGroup
		for _, bot := range []string{"bot_1", "bot_2"} {
			both.Go(func() { ask(s, inBot(bot, sendMessage)) })
		}
		both.Wait()
		if took := time.Since(start); took > 15*time.Second {
			t.Errorf("two bots with the same conversation id took %v, want 10s", took)
		}
	})
}

// The same input starts another session in each bot, integration and installation.
func TestStartKeyIsOfOneInstallation(t *testing.T) {
	var api spy
	s := (&fakeDesk{}).server(t, hitl.Options{Botpress: botpress.Options{HTTPClient: api.client()}})
	start := [2]string{"action_triggered", `{"type":"startHitl","input":{"userId":"user_1","messageHistory":[]}}`}
	for _, header := range []string{"", "X-Bot-Id", "X-Integration-Id", "X-Integration-Alias", "X-Webhook-Id"} {
		r := request(start)
		if header != "" {
			r.Header.Set(header, "another")
		}
		ask(s, r)
	}
	keys := map[string]bool{}
	for _, body := range api.sent("/v1/chat/conversations/get-or-create") {
		var sent struct{ Tags map[string]string }
		if err := json.Unmarshal([]byte(body), &sent); err != nil {
			t.Fatal(err)
		}
		keys[sent.Tags["startKey"]] = true
	}
	if len(keys) != 5 {
		t.Errorf("%d keys for 5 installations", len(keys))
	}
}

// What is in flight to the desk arrives before the end of the session.
func TestStopHitlWaitsForMessagesInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log journal
		desk := &stoppableDesk{log: &log}
		desk.sendMessage = func(context.Context, hitl.SendMessageRequest) (hitl.Ref, error) {
			<-time.After(5 * time.Second)
			log.add("message")
			return hitl.Ref{ID: "C-1"}, nil
		}
		opts := hitl.Options{Insecure: true, Botpress: botpress.Options{Token: apiToken, HTTPClient: &http.Client{Transport: botpressAPI{}}}}
		s, err := hitl.NewServer(hitl.Definition{Name: "fake", Version: "1.0.0"},
			func(context.Context, hitl.Installation, fakeConfig) (*stoppableDesk, error) { return desk, nil }, &opts)
		if err != nil {
			t.Fatal(err)
		}
		shutDown(t, s)
		var inFlight sync.WaitGroup
		inFlight.Go(func() { ask(s, request(sendMessage)) })
		synctest.Wait()
		ask(s, request([2]string{"action_triggered", `{"type":"stopHitl","input":{"conversationId":"conv_1"}}`}))
		inFlight.Wait()
		log.want(t, "message", "stop")
	})
}

type stoppableDesk struct {
	fakeDesk

	log *journal
}

func (d *stoppableDesk) StopHitl(context.Context, hitl.StopHitlRequest) error {
	d.log.add("stop")
	return nil
}

// Two createUser of one address at a time: a desk that cannot find users by itself gets the first one's Ref in the second.
func TestCreateUserOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var atWork, most int
		var mu sync.Mutex
		desk := &fakeDesk{createUser: func(context.Context, hitl.CreateUserRequest) (hitl.Ref, error) {
			mu.Lock()
			atWork++
			most = max(most, atWork)
			mu.Unlock()
			<-time.After(time.Second)
			mu.Lock()
			defer mu.Unlock()
			atWork--
			return hitl.Ref{ID: "ext-1"}, nil
		}}
		s := desk.server(t, hitl.Options{})
		var all sync.WaitGroup
		for n := range 3 {
			address := []string{"jane@example.com", "Jane@Example.com", " jane@example.com "}[n]
			all.Go(func() {
				ask(s, request([2]string{"action_triggered", fmt.Sprintf(`{"type":"createUser","input":{"name":"Jane","email":%q}}`, address)}))
			})
		}
		all.Wait()
		if most != 1 {
			t.Errorf("%d createUser of one address were at work at once", most)
		}
	})
}

// A conversation of another channel is no session, whatever the desk has stored.
func TestConversationOfAnotherChannel(t *testing.T) {
	for channel, want := range map[string]int{"hitl": 1, "other": 0} {
		var api spy
		desk := &fakeDesk{handleWebhook: func(context.Context, *http.Request) (hitl.Webhook, error) {
			return hitl.Webhook{Events: []hitl.Event{hitl.Replied{ConversationID: "conv_1", Author: hitl.Agent{ID: "1"}, ID: "A-1", Message: said(1)}}}, nil
		}}
		inner := api.client().Transport
		client := &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			res, err := inner.RoundTrip(r)
			if err == nil && r.Method == http.MethodGet {
				body, _ := io.ReadAll(res.Body)
				res.Body = io.NopCloser(strings.NewReader(strings.Replace(string(body), `"channel":"hitl"`, `"channel":"`+channel+`"`, 1)))
			}
			return res, err
		})}
		s := desk.server(t, hitl.Options{Botpress: botpress.Options{HTTPClient: client}})
		ask(s, request(webhook))
		if diff := cmp.Diff(want, len(api.sent("/v1/chat/initialize-incoming-message"))); diff != "" {
			t.Errorf("channel %s: replies sent (-want +got):\n%s", channel, diff)
		}
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
