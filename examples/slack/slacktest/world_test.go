package slacktest_test

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
	"github.com/slack-go/slack"
	"github.com/slack-go/slack/slackevents"
	"github.com/slack-go/slack/socketmode"

	"github.com/hitl-go/sdk/examples/slack/slacktest"
	"github.com/hitl-go/sdk/internal/memnet"
)

// world is a workspace on a network in memory, and a client of it.
type world struct {
	*slacktest.Slack
	t       *testing.T
	network *memnet.Network
	client  *http.Client
	api     *slack.Client
}

// inBubble runs a test in a bubble with a workspace.
func inBubble(t *testing.T, opts slacktest.Options, test func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, network: &memnet.Network{}}
		listener, err := w.network.Listen("slack.test:80")
		if err != nil {
			t.Fatal(err)
		}
		opts.Listener, opts.Client = listener, w.network.Client()
		w.Slack = slacktest.New(opts)
		w.client = w.network.Client()
		w.api = w.newAPI(w.BotToken)
		defer w.client.CloseIdleConnections()
		defer w.Close()
		test(w)
	})
}

func (w *world) newAPI(token string) *slack.Client {
	return slack.New(token, slack.OptionAPIURL(w.URL+"/api/"), slack.OptionHTTPClient(w.client), slack.OptionAppLevelToken(w.AppToken))
}

// root posts a message by the app and returns its ts.
func (w *world) root(opts ...slack.MsgOption) string {
	w.t.Helper()
	_, ts, err := w.api.PostMessage(w.Channel, append([]slack.MsgOption{slack.MsgOptionText("A new case", false)}, opts...)...)
	if err != nil {
		w.t.Fatal(err)
	}
	return ts
}

func (w *world) must(ts string, err error) string {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
	return ts
}

// listener is a client of Socket Mode that remembers what it heard.
type listener struct {
	sm     *socketmode.Client
	cancel context.CancelFunc
	done   chan struct{}

	mu       sync.Mutex
	events   []slackevents.MessageEvent
	others   []any
	requests []socketmode.Request
	pressed  []slack.InteractionCallback
	deaf     bool
}

// listen opens a connection until the test ends.
func (w *world) listen() *listener {
	w.t.Helper()
	l := &listener{done: make(chan struct{})}
	dialer := &websocket.Dialer{NetDialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		return w.network.DialContext(ctx, network, addr)
	}}
	l.sm = socketmode.New(w.api, socketmode.OptionDialer(dialer), socketmode.OptionLog(slog.NewLogLogger(slog.DiscardHandler, 0)))
	ctx, cancel := context.WithCancel(context.Background())
	l.cancel = cancel
	var wg sync.WaitGroup
	wg.Go(func() { _ = l.sm.RunContext(ctx) })
	wg.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case e := <-l.sm.Events:
				l.heard(ctx, e)
			}
		}
	})
	go func() { wg.Wait(); close(l.done) }()
	w.t.Cleanup(l.stop)
	synctest.Wait()
	return l
}

func (l *listener) stop() {
	l.cancel()
	<-l.done
}

func (l *listener) heard(ctx context.Context, e socketmode.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e.Request == nil || e.Request.EnvelopeID == "" {
		return
	}
	l.requests = append(l.requests, *e.Request)
	switch data := e.Data.(type) {
	case slackevents.EventsAPIEvent:
		if m, ok := data.InnerEvent.Data.(*slackevents.MessageEvent); ok {
			l.events = append(l.events, *m)
		} else {
			l.others = append(l.others, data.InnerEvent.Data)
		}
	case slack.InteractionCallback:
		l.pressed = append(l.pressed, data)
	}
	if !l.deaf {
		_ = l.sm.AckCtx(ctx, e.Request.EnvelopeID, nil)
	}
}

func (l *listener) setDeaf(deaf bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.deaf = deaf
}

func (l *listener) envelopes() []socketmode.Request {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.requests)
}

// message is a message that was heard.
func (l *listener) message(i int) slackevents.MessageEvent {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i >= len(l.events) {
		return slackevents.MessageEvent{Message: &slack.Msg{}}
	}
	return l.events[i]
}

// texts are the texts of the messages that were heard.
func (l *listener) texts() (all []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range l.events {
		all = append(all, m.SubType+":"+m.Message.Text)
	}
	return all
}

func (w *world) want(what string, got, want []string) {
	w.t.Helper()
	if !slices.Equal(got, want) {
		w.t.Errorf("%s: %q, want %q", what, got, want)
	}
}

// after waits in the bubble.
func after(d time.Duration) { <-time.After(d) }
