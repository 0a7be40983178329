package hitltest

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hitl-go/sdk/botpress/botpresstest"
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/message"
)

// Bot is a bot with the HITL plugin, in an in-memory Botpress, with an integration that is installed in it. All of it runs
// on the loopback interface until the test ends. The methods fail the test instead of returning errors, so call them on
// the test's goroutine. The fields are for what the methods do not cover; do not change them.
type Bot struct {
	Cloud        *botpresstest.Server
	Server       *hitl.Server
	Installation *botpresstest.Installation

	t    tb
	http *http.Transport
	tags []hitl.Part // Of conversations.
}

const (
	shortTimeout = 10 * time.Second // For what should happen at once.
	longTimeout  = 30 * time.Second // For a request to the slowest desk.
	callTimeout  = 50 * time.Second // For a call of the adapter, which may wait for others: what a server gives it.
)

// tb is the part of [testing.TB] that this package needs. A trial implements it to explain failures, a recorder to test them.
type tb interface {
	Helper()
	Context() context.Context
	Cleanup(cleanup func())
	Output() io.Writer
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// BotOptions vary a [Bot]. The zero value is a well-behaved Botpress, and a server that does not wait for long.
type BotOptions struct {
	// Cloud is the Botpress in memory: its clock, its order of messages, what carries its requests to the server. A zero Seed
	// is a random one, and a zero RetryDelay is 10 ms.
	Cloud botpresstest.Options

	// Server is the integration's server. Of Botpress, BaseURL and Token are set, and so are the Secrets. HTTPClient carries
	// the server's calls of Botpress, so that a test can delay or lose them. A nil Logger is the test's output, a zero
	// Botpress.Retry.Wait is 10 ms, a zero Timeout 30 seconds, and a zero ActivationDelay 20 ms.
	Server hitl.Options
}

// withDefaults fills in what is zero, for a test.
func (o BotOptions) withDefaults(t tb) BotOptions {
	o.Cloud.Seed = cmp.Or(o.Cloud.Seed, mathrand.Uint64())
	o.Cloud.RetryDelay = cmp.Or(o.Cloud.RetryDelay, 10*time.Millisecond)
	o.Server.Botpress.Retry.Wait = cmp.Or(o.Server.Botpress.Retry.Wait, 10*time.Millisecond)
	o.Server.Timeout = cmp.Or(o.Server.Timeout, longTimeout)
	o.Server.ActivationDelay = cmp.Or(o.Server.ActivationDelay, activationDelay)
	if o.Server.Logger == nil {
		o.Server.Logger = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	return o
}

// NewBot serves an integration, as [hitl.NewServer] makes it, and installs it in a new bot with this configuration. When
// the test ends, it uninstalls the integration and stops everything. The server logs to the test's output. There may be one
// BotOptions.
func NewBot[Config, Session any, I hitl.Integration[Session]](
	t testing.TB, def hitl.Definition, connect func(context.Context, hitl.Installation, Config) (I, error), config Config,
	opts ...BotOptions,
) *Bot {
	t.Helper()
	if len(opts) > 1 {
		t.Fatalf("hitltest: there are %d BotOptions, and may be one", len(opts))
	}
	return newBot(t, def, connect, config, append(opts, BotOptions{})[0])
}

// activationDelay is for how long the server delays events after startHitl, because the plugin may not be ready for them. The
// in-memory plugin is ready at once.
const activationDelay = 20 * time.Millisecond

func newBot[Config, Session any, I hitl.Integration[Session]](
	t tb, def hitl.Definition, connect func(context.Context, hitl.Installation, Config) (I, error), config Config, opts BotOptions,
) *Bot {
	t.Helper()
	opts = opts.withDefaults(t)
	b := &Bot{t: t, http: &http.Transport{}, tags: def.ConversationTags}
	t.Cleanup(b.http.CloseIdleConnections)
	b.Cloud = botpresstest.NewServer(&opts.Cloud)
	t.Cleanup(b.Cloud.Close)

	key := make([]byte, 32)
	_, _ = rand.Read(key) // It never fails.
	secret := base64.RawURLEncoding.EncodeToString(key)
	var err error
	opts.Server.Botpress.BaseURL, opts.Server.Botpress.Token = b.Cloud.URL, b.Cloud.Token
	opts.Server.Secrets = []string{secret}
	b.Server, err = hitl.NewServer(def, connect, &opts.Server)
	if err == nil {
		err = b.Server.Ready()
	}
	if err != nil {
		t.Fatalf("hitltest: the server cannot be made: %v", err)
	}
	spec, err := integration(b.Server)
	if err != nil {
		t.Fatalf("hitltest: Botpress cannot install the definition: %v", err)
	}
	spec.URL, spec.SigningSecret, spec.Configuration = b.serve(), secret, config
	if b.Installation, err = b.Cloud.Install(t.Context(), spec); err != nil {
		t.Fatalf("hitltest: the integration was not installed: %v", err)
	}
	t.Cleanup(b.uninstall)
	return b
}

// integration returns the server's definition for the in-memory Botpress.
func integration(s *hitl.Server) (botpresstest.Integration, error) {
	body, err := json.Marshal(s.Describe())
	if err != nil {
		return botpresstest.Integration{}, err
	}
	return botpresstest.FromDefinition(body)
}

// serve starts the server until the test ends, and returns its URL.
func (b *Bot) serve() string {
	b.t.Helper()
	listener, err := new(net.ListenConfig).Listen(b.t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		b.t.Fatalf("hitltest: cannot listen on the loopback interface: %v", err)
	}
	running, stop := context.WithCancel(context.WithoutCancel(b.t.Context()))
	served := make(chan error, 1)
	go func() { served <- b.Server.Serve(running, listener) }()
	b.t.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			b.t.Errorf("hitltest: the server did not shut down: %v", err)
		}
	})
	return "http://" + listener.Addr().String()
}

// uninstall lets the adapter clean up in the desk. The test may have stopped the desk already, so an error is only logged.
func (b *Bot) uninstall() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(b.t.Context()), longTimeout)
	defer cancel()
	if err := b.Installation.Uninstall(ctx); err != nil {
		b.t.Logf("hitltest: the integration was not uninstalled: %v", err)
	}
}

// Webhook sends a request to the installation's webhook, as the desk does, and returns when all its effects have reached bot
// and end user. It uses the method, header, body, query and path of r, the path as one below the webhook's, but not the
// host. The test fails if the answer is not 2xx.
func (b *Bot) Webhook(r *http.Request) {
	b.t.Helper()
	body, err := readBody(r)
	if err != nil {
		b.t.Fatalf("hitltest: the webhook's body cannot be read: %v", err)
	}
	status, answer, err := b.post(r, body)
	if err != nil || status < 200 || status > 299 {
		b.t.Fatalf("hitltest: the webhook was answered %d %s (%v)", status, answer, err)
	}
	b.settle()
}

func readBody(r *http.Request) ([]byte, error) {
	if r.Body == nil {
		return nil, nil
	}
	return io.ReadAll(r.Body)
}

// post sends a request to the webhook, with this body.
func (b *Bot) post(r *http.Request, body []byte) (status int, answer string, err error) {
	ctx, cancel := context.WithTimeout(b.t.Context(), longTimeout+shortTimeout)
	defer cancel()
	out, err := http.NewRequestWithContext(ctx, r.Method, b.Installation.WebhookURL, bytes.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	below := strings.TrimPrefix(r.URL.EscapedPath(), out.URL.EscapedPath())
	if strings.Trim(below, "/") != "" {
		out.URL = out.URL.JoinPath(below)
	}
	out.URL.RawQuery = r.URL.RawQuery
	maps.Copy(out.Header, r.Header)
	res, err := b.http.RoundTrip(out)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	return res.StatusCode, string(raw), err
}

// settle waits until no operation and no event is in flight.
func (b *Bot) settle() {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), longTimeout+shortTimeout)
	defer cancel()
	if err := b.Cloud.Settle(ctx); err != nil {
		b.t.Fatalf("hitltest: operations are still in flight: %v", err)
	}
}

// EndUser returns a new end user, in a new conversation with the bot, without an e-mail address.
func (b *Bot) EndUser(name string) *EndUser {
	return &EndUser{EndUser: b.Installation.NewEndUser(botpresstest.Profile{Name: name}), bot: b}
}

// EndUser talks to the bot. Its methods fail the test instead of returning errors. To expect an error, call the methods of the
// embedded field.
type EndUser struct {
	*botpresstest.EndUser

	bot *Bot
}

// Say sends a text: to the bot, or to the agent while a session is active.
func (u *EndUser) Say(text string) {
	u.bot.t.Helper()
	u.Send(message.Text{Text: text})
}

// Send sends a message. If the plugin relays it, Send returns when the integration has accepted it.
func (u *EndUser) Send(m message.Message) {
	u.bot.t.Helper()
	u.settles(truncate("say "+message.PlainText(m)), func(ctx context.Context) error { return u.EndUser.Say(ctx, m) })
}

// Escalate starts a session, and returns when it is active.
func (u *EndUser) Escalate(title string) {
	u.bot.t.Helper()
	u.escalate(botpresstest.Escalation{Title: title})
}

func (u *EndUser) escalate(e botpresstest.Escalation) {
	u.bot.t.Helper()
	u.settles("escalate", func(ctx context.Context) error { return u.EndUser.Escalate(ctx, e) })
}

// End ends the session as the end user.
func (u *EndUser) End() {
	u.bot.t.Helper()
	u.settles("end the session", u.EndUser.End)
}

// settles does something, waits for its effects, and fails the test if the integration rejects an operation.
func (u *EndUser) settles(what string, do func(context.Context) error) {
	u.bot.t.Helper()
	ctx, cancel := context.WithTimeout(u.bot.t.Context(), longTimeout+shortTimeout)
	defer cancel()
	before := u.bot.lastCall()
	if err := do(ctx); err != nil {
		u.bot.t.Fatalf("hitltest: %s: %v", what, err)
	}
	u.bot.settle()
	if err := u.bot.refused(before); err != nil {
		u.bot.t.Fatalf("hitltest: %s: %v", what, err)
	}
}

// lastCall is the sequence number of the latest call.
func (b *Bot) lastCall() uint64 {
	calls := b.Cloud.Calls()
	if len(calls) == 0 {
		return 0
	}
	return calls[len(calls)-1].Seq
}

// refused returns an error if the integration has rejected an operation since a call, and no retry succeeded.
func (b *Bot) refused(since uint64) error {
	last := map[string]botpresstest.Call{} // By trace id, which all attempts share.
	for _, c := range b.Cloud.Calls() {
		if c.Seq > since && c.Kind == botpresstest.DispatchCall {
			last[c.TraceID] = c
		}
	}
	var errs []error
	for _, c := range last {
		if c.Status < 200 || c.Status > 299 {
			errs = append(errs, fmt.Errorf("the integration answered %d to %s %s: %s", c.Status, c.Operation, c.Request, c.Response))
		}
	}
	return errors.Join(errs...)
}

// Sees waits until the end user receives a message, written as "Alice Agent: How can I help?"; messages of the bot begin with
// "bot: ". It skips the messages before. The test fails if the message does not come.
func (u *EndUser) Sees(line string) {
	u.bot.t.Helper()
	if !u.sees(func(r botpresstest.Received) bool { return lineOf(r) == line }) {
		u.bot.t.Fatalf("hitltest: the end user did not receive %q within %s, but: %q", line, shortTimeout, u.lines())
	}
}

// sees reads the messages to the end user until one matches.
func (u *EndUser) sees(is func(botpresstest.Received) bool) bool {
	return u.seesWithin(shortTimeout, is)
}

func (u *EndUser) seesWithin(patience time.Duration, is func(botpresstest.Received) bool) bool {
	ctx, cancel := context.WithTimeout(u.bot.t.Context(), patience)
	defer cancel()
	for {
		r, err := u.Next(ctx)
		if err != nil {
			return false
		}
		if is(r) {
			return true
		}
	}
}

// lines are all messages to the end user.
func (u *EndUser) lines() (lines []string) {
	for _, r := range u.Received() {
		lines = append(lines, lineOf(r))
	}
	return lines
}

func lineOf(r botpresstest.Received) string {
	return cmp.Or(r.Name, string(r.From)) + ": " + message.PlainText(r.Message)
}

// Session returns the end user's latest session, or the zero value before the first.
func (u *EndUser) Session() Session {
	for _, c := range u.bot.Cloud.Conversations() {
		if c.ID == u.DownstreamID() && c.ID != "" {
			return Session{ConversationID: c.ID, Ref: u.bot.ref(c.Tags)}
		}
	}
	return Session{}
}

// Session identifies a session: by the Ref that StartHitl returned, and by the conversation in Botpress.
type Session struct {
	hitl.Ref

	ConversationID string
}

// ref returns what StartHitl returned, from the tags of a conversation as the bot sees them.
func (b *Bot) ref(tags map[string]string) hitl.Ref {
	ref := hitl.Ref{ID: tags[b.Installation.Alias+":id"]}
	for _, tag := range b.tags {
		if value, ok := tags[b.Installation.Alias+":"+tag.Name]; ok {
			if ref.Tags == nil {
				ref.Tags = map[string]string{}
			}
			ref.Tags[tag.Name] = value
		}
	}
	return ref
}
