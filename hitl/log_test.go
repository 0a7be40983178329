package hitl_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/hitl/bplog"
)

func TestFromEnv(t *testing.T) {
	t.Setenv("BP_TOKEN", apiToken)
	t.Setenv("BP_SIGNING_SECRET", " one , two,")
	o := hitl.FromEnv()
	if diff := cmp.Diff([]string{"one", "two"}, o.Secrets); diff != "" || o.Botpress.Token != apiToken || o.Insecure {
		t.Errorf("FromEnv: %+v", o)
	}
	if o := hitl.FromEnv(); !o.Logger.Enabled(t.Context(), slog.LevelInfo) || o.Logger.Enabled(t.Context(), slog.LevelDebug) {
		t.Error("without being told, the log is not from info on")
	}
	t.Setenv("BP_LOG_FORMAT", "json")
	for level, debug := range map[string]bool{"": true, "debug": true, "WARN": false, "verbose": true} {
		t.Setenv("LOG_LEVEL", level)
		if o := hitl.FromEnv(); o.Logger == nil || o.Logger.Enabled(t.Context(), slog.LevelDebug) != debug {
			t.Errorf("LOG_LEVEL %q: debug is enabled? want %t", level, debug)
		}
	}
}

// One operation, one line, with all that is needed to find it again.
func TestOperationLine(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		switch a.Key {
		case slog.TimeKey:
			return slog.Attr{}
		case "duration", "error_id":
			return slog.String(a.Key, "…")
		}
		return a
	}}))
	desk := &fakeDesk{handleWebhook: func(_ context.Context, r *http.Request) (hitl.Webhook, error) {
		return hitl.Webhook{}, map[string]error{
			"/":        nil,
			"/refused": &hitl.Error{Message: "no seat is free", Err: errors.New("the cause")},
			"/failed":  errors.New("out of order"),
		}[r.URL.Path]
	}}
	s := desk.server(t, hitl.Options{Logger: log})
	for _, path := range []string{"/", "/refused", "/failed"} {
		ask(s, request([2]string{"webhook_received", `{"req":{"method":"POST","path":"` + path + `"}}`}))
	}
	ask(s, request(createUser))
	want := `level=INFO msg=operation operation=webhook_received bot=bot_1 alias=fake status=200 duration=… api_calls=0
level=WARN msg="operation failed" operation=webhook_received bot=bot_1 alias=fake status=400 duration=… api_calls=0 integration=int_1 error_id=… error="no seat is free" cause="the cause"
level=ERROR msg="operation failed" operation=webhook_received bot=bot_1 alias=fake status=500 duration=… api_calls=0 integration=int_1 error_id=… error="out of order"
level=INFO msg=operation operation=action_triggered action=createUser bot=bot_1 alias=fake status=200 duration=… api_calls=2
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
}

// Lines of an operation name the session that it works on: the server's and the adapter's.
func TestLinesNameTheSession(t *testing.T) {
	var out bytes.Buffer
	var got []hitl.Operation
	desk := &fakeDesk{handleWebhook: func(context.Context, *http.Request) (hitl.Webhook, error) {
		return hitl.Webhook{Events: []hitl.Event{hitl.Replied{SessionID: "T-1", ConversationID: "conv_1", Author: hitl.Agent{ID: "1"}, ID: "A-1", Message: said(1)}}}, nil
	}}
	var log *slog.Logger
	desk.connect = func(_ context.Context, in hitl.Installation, _ fakeConfig) error {
		log = in.Logger
		return nil
	}
	desk.sendMessage = func(ctx context.Context, _ hitl.SendMessageRequest) (hitl.Ref, error) {
		log.InfoContext(ctx, "from the adapter")
		return hitl.Ref{ID: "C-1"}, nil
	}
	s := desk.server(t, hitl.Options{
		Logger:      slog.New(slog.NewTextHandler(&out, nil)),
		OnOperation: func(_ context.Context, o hitl.Operation) { got = append(got, o) },
	})
	for _, operation := range [][2]string{
		{"action_triggered", `{"type":"startHitl","input":{"userId":"user_1","messageHistory":[]}}`},
		sendMessage, webhook,
		{"action_triggered", `{"type":"stopHitl","input":{"conversationId":"conv_1"}}`},
	} {
		ask(s, request(operation))
	}
	for _, o := range got {
		if o.ConversationID != "conv_1" || o.SessionID != "T-1" || o.Err != nil {
			t.Errorf("%s %s: conversation %q, session %q, error %v", o.Name, o.Action, o.ConversationID, o.SessionID, o.Err)
		}
	}
	for line := range strings.Lines(out.String()) {
		if !strings.Contains(line, " conversation=conv_1 session=T-1") {
			t.Errorf("a line does not name the session: %s", line)
		}
	}
	if !strings.Contains(out.String(), "from the adapter") || len(got) != 4 {
		t.Errorf("%d operations, and the log:\n%s", len(got), &out)
	}
}

// In Botpress' format the bot's owner reads what they are meant to read, and not why.
func TestBotOwnerReadsErrors(t *testing.T) {
	var out bytes.Buffer
	desk := &fakeDesk{createUser: func(context.Context, hitl.CreateUserRequest) (hitl.Ref, error) {
		return hitl.Ref{}, &hitl.Error{Message: "no seat is free", Err: errors.New("the cause")}
	}}
	s := desk.server(t, hitl.Options{Logger: slog.New(bplog.NewHandler(&out, nil)), Secrets: []string{signingSecret}})
	ask(s, request(createUser)) // a stranger
	bad := request(ping)        // another one, who needs no signature
	bad.Header.Set("X-Bp-Configuration", "%")
	ask(s, bad)
	ask(s, request([2]string{"ping", "{"}))
	if strings.Contains(out.String(), `"visible_to_bot_owner":true`) {
		t.Errorf("strangers write into the bot's log:\n%s", &out)
	}
	out.Reset()
	ask(s, signed(t, request(createUser), signingSecret))
	for line := range strings.Lines(out.String()) {
		visible := strings.Contains(line, `"visible_to_bot_owner":true`)
		if visible == strings.Contains(line, "the cause") || !strings.Contains(line, "no seat is free") || !strings.Contains(line, `"botId":"bot_1"`) {
			t.Errorf("a line for the wrong eyes: %s", line)
		}
	}
	if got := strings.Count(out.String(), "\n"); got != 2 {
		t.Errorf("%d lines, want one for the owner of the bot and one for that of the integration:\n%s", got, &out)
	}
}

// valuer is what slog asks for its value.
type valuer struct{ secret string }

func (v valuer) LogValue() slog.Value { return slog.StringValue(v.secret) }

func TestLogHidesSecrets(t *testing.T) {
	const token = `hunter2 & "söns" <3`
	const configuration = `{"token":"hunter2 & \"söns\" <3","limit":98765432,"url":"https://desk.example.com","more":{"list":["https://user:pa55word@desk.example.com",true,null]}}`
	hidden := []string{
		"hunter2", "pa55word", apiToken, signingSecret,
	}
	for name, handler := range map[string]func(*bytes.Buffer) slog.Handler{
		"text":     func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
		"JSON":     func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
		"Botpress": func(b *bytes.Buffer) slog.Handler { return bplog.NewHandler(b, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			desk := &fakeDesk{connect: func(_ context.Context, in hitl.Installation, c fakeConfig) error {
				if c.Token != token {
					t.Errorf("the adapter got the token %q", c.Token)
				}
				log, token := in.Logger, string(c.Token)
				log.Info("connect with "+token, "token", token, "config", c, "pointer", &c, "pointers", []*fakeConfig{&c},
					"limit", c.Limit, "bytes", []byte(token), "group", slog.GroupValue(slog.String("token", token)), "valuer", valuer{token})
				log.With("token", token).WithGroup("a").With("b", c).Info("with")
				log.Info("ours", "api", apiToken, "secret", signingSecret)
				return fmt.Errorf("connect to %s: %w", "https://desk.example.com?token="+url.QueryEscape(token), fmt.Errorf("%q is wrong", token))
			}}
			var failed hitl.Operation
			s := desk.server(t, hitl.Options{
				Logger: slog.New(handler(&out)), Secrets: []string{signingSecret},
				OnOperation: func(_ context.Context, o hitl.Operation) { failed = o },
			})
			r := signed(t, configured(request(createUser), configuration), signingSecret)
			a := ask(s, r)
			if a.status != http.StatusInternalServerError {
				t.Fatalf("got %d %s", a.status, a.body)
			}
			for _, secret := range append(hidden, r.Header.Get(botpress.SignatureHeader), r.Header.Get("X-Bp-Configuration")) {
				if strings.Contains(out.String(), secret) {
					t.Errorf("the log has %q", secret)
				}
			}
			if !strings.Contains(out.String(), "connect to https://desk.example.com?token=[secret]") {
				t.Error("the desk's address cannot be read")
			}
			if !strings.Contains(out.String(), "[secret]") || !strings.Contains(out.String(), "is wrong") || !strings.Contains(out.String(), "with") {
				t.Error("the log does not have the rest")
			}
			if err := failed.Err; err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "desk.example.com") {
				t.Errorf("OnOperation is told %v", err)
			}
			if t.Failed() {
				t.Logf("\n%s", &out)
			}
		})
	}
}
