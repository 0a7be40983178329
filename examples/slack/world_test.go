package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/botpress/botpresstest"
	"github.com/hitl-go/sdk/examples/slack/slacktest"
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/internal/memnet"
	"github.com/hitl-go/sdk/message"
)

// world is Botpress, Slack and two replicas of the integration, on a network in memory.
type world struct {
	log     bytes.Buffer // Warnings of the servers.
	t       *testing.T
	cloud   *botpresstest.Server
	slack   *slacktest.Slack
	in      *botpresstest.Installation
	network *memnet.Network
	rosa    slacktest.Member
}

const replicas = 2

// inBubble runs a test on the bubble's clock, with Slack's events on a socket or at the webhook.
func inBubble(t *testing.T, socket bool, test func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, newWorld(t, socket)) })
}

func newWorld(t *testing.T, socket bool) *world {
	t.Helper()
	w := &world{t: t, network: &memnet.Network{}}
	w.cloud = botpresstest.NewServer(&botpresstest.Options{
		Listener: w.listen("botpress.test:80"), Client: w.client(), Plugin: botpresstest.PluginConfig{Farewell: botpresstest.FarewellLast},
	})
	t.Cleanup(w.cloud.Close)
	w.slack = slacktest.New(slacktest.Options{Listener: w.listen("slack.test:80"), Client: w.client()})
	t.Cleanup(w.slack.Close)
	w.rosa = w.slack.NewMember("Rosa Diaz")

	config := Config{Channel: w.slack.Channel, BotToken: botpress.Secret(w.slack.BotToken), SigningSecret: botpress.Secret(w.slack.SigningSecret)}
	if socket {
		config.AppToken, config.SigningSecret = botpress.Secret(w.slack.AppToken), ""
	}
	const secret = "c2VjcmV0LW9mLXRoZS10ZXN0cy1vZi1zbGFjay10aHJlYWRz"
	var next atomic.Uint64
	var servers []*hitl.Server
	log := slog.New(slog.NewTextHandler(io.MultiWriter(t.Output(), &w.log), &slog.HandlerOptions{Level: slog.LevelWarn}))
	for range replicas {
		server, err := hitl.NewServer(definition, workspace{url: w.slack.URL + "/api/", dialer: w.dialer()}.connect, &hitl.Options{
			Secrets: []string{secret}, HTTPClient: w.client(), Logger: log,
			Botpress: botpress.Options{BaseURL: "http://botpress.test", Token: w.cloud.Token, HTTPClient: w.client()},
		})
		if err != nil {
			t.Fatal(err)
		}
		servers = append(servers, server)
		t.Cleanup(func() { _ = server.Shutdown(context.Background()) })
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		servers[next.Add(1)%replicas].ServeHTTP(rw, r)
	})}
	listener, done := w.listen("integration.test:80"), make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(listener) }()
	t.Cleanup(func() { _ = srv.Close(); <-done })

	body, err := json.Marshal(servers[0].Describe())
	if err != nil {
		t.Fatal(err)
	}
	spec, err := botpresstest.FromDefinition(body)
	if err != nil {
		t.Fatal(err)
	}
	spec.URL, spec.SigningSecret, spec.Configuration = "http://integration.test", secret, config
	if w.in, err = w.cloud.Install(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	for range replicas { // Each connects, whichever was asked to register.
		if err := w.in.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if !socket {
		if err := w.slack.SetRequestURL(w.in.WebhookURL); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func (w *world) listen(addr string) net.Listener {
	w.t.Helper()
	l, err := w.network.Listen(addr)
	if err != nil {
		w.t.Fatal(err)
	}
	return l
}

func (w *world) client() *http.Client {
	c := w.network.Client()
	w.t.Cleanup(c.CloseIdleConnections)
	return c
}

func (w *world) dialer() *websocket.Dialer {
	return &websocket.Dialer{NetDialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		return w.network.DialContext(ctx, network, addr)
	}}
}

// jane starts a session, and returns its thread's time once the plugin is ready.
func (w *world) jane(e botpresstest.Escalation) (u *botpresstest.EndUser, thread string) {
	w.t.Helper()
	u = w.in.NewEndUser(botpresstest.Profile{Name: "Jane Doe", Email: "jane@example.com", PictureURL: "https://example.com/jane.png"})
	w.must(u.Say(w.t.Context(), message.Text{Text: "Where is my <order>?"}))
	w.must(u.Escalate(w.t.Context(), e))
	w.pass(15 * time.Second)
	_, ts, ok := strings.Cut(w.tags(u)[definition.Name+":id"], ":")
	if !ok {
		w.t.Fatalf("the session has no thread; Slack has %+v, Botpress %+v", w.slack.Messages(), w.cloud.Conversations())
	}
	return u, ts
}

func (w *world) tags(u *botpresstest.EndUser) map[string]string {
	for _, c := range w.cloud.Conversations() {
		if c.ID == u.DownstreamID() {
			return c.Tags
		}
	}
	return nil
}

func (w *world) pass(d time.Duration) { <-time.After(d) }

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) say(u *botpresstest.EndUser, text string) {
	w.t.Helper()
	w.must(u.Say(w.t.Context(), message.Text{Text: text}))
	w.pass(time.Second)
}

// answer has somebody write in a thread.
func (w *world) answer(thread string, by slacktest.Member, text string) (ts string) {
	w.t.Helper()
	ts, err := w.slack.Reply(thread, by, text)
	w.must(err)
	w.pass(2 * time.Second)
	return ts
}

// heard is what an end user was shown.
func heard(u *botpresstest.EndUser) string {
	var b strings.Builder
	for _, m := range u.Received() {
		name := m.Name
		if name == "" {
			name = string(m.From)
		}
		_, _ = fmt.Fprintf(&b, "%s: %s\n", name, message.PlainText(m.Message))
	}
	return b.String()
}

// shown is what a thread looks like.
func (w *world) shown(thread string) string {
	var b strings.Builder
	for _, m := range w.slack.Thread(thread) {
		_, _ = fmt.Fprintf(&b, "%s: %s", m.Author, m.Text)
		for _, f := range m.Files {
			_, _ = fmt.Fprintf(&b, " [file %s: %.40q]", f.Name, f.Data)
		}
		for _, button := range m.Buttons {
			_, _ = io.WriteString(&b, " ["+button.Label+"]")
		}
		_, _ = io.WriteString(&b, "\n")
	}
	return b.String()
}

func (w *world) card(thread string) slacktest.Message {
	m, _ := w.slack.Message(thread)
	return m
}

func isInThread(m slacktest.Message) bool { return m.ThreadTS != "" }

// calls counts the calls of Botpress' API.
func (w *world) calls() (n int) {
	for _, c := range w.cloud.Calls() {
		if c.Kind == botpresstest.APICall {
			n++
		}
	}
	return n
}
