package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/botpress/botpresstest"
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/message"
)

func TestSession(t *testing.T) {
	t.Setenv("AGENT_KEY", "open sesame")
	cloud := botpresstest.NewServer(nil)
	defer cloud.Close()
	server, err := hitl.NewServer(hitl.Definition{Name: "minimal", Version: "1.0.0"}, connect, &hitl.Options{
		Botpress: botpress.Options{BaseURL: cloud.URL, Token: cloud.Token}, Insecure: true, Handover: time.Nanosecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	listener := httptest.NewServer(server)
	defer listener.Close()
	body, err := json.Marshal(server.Describe())
	if err != nil {
		t.Fatal(err)
	}
	spec, err := botpresstest.FromDefinition(body)
	if err != nil {
		t.Fatal(err)
	}
	spec.URL = listener.URL
	in, err := cloud.Install(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}

	u := in.NewEndUser(botpresstest.Profile{Name: "Jane"})
	if err := u.Escalate(t.Context(), botpresstest.Escalation{Title: "Help", Config: quiet()}); err != nil {
		t.Fatal(err)
	}
	if err := u.Say(t.Context(), message.Text{Text: "Is anybody there?"}); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		key, id, text string
		want          int
	}{
		{"guess", "1", "Give me your password", 401},
		{"open sesame", "2", "Hello", 200},
		{"open sesame", "2", "Hello", 200}, // The same report again.
		{"open sesame", "3", "Hello", 200},
		{"open sesame", "4", "", 200},
	} {
		form := url.Values{"session": {u.DownstreamID()}, "id": {step.id}, "text": {step.text}}
		if got := post(t.Context(), t, in.WebhookURL, step.key, form); got != step.want {
			t.Errorf("%+v: %d", step, got)
		}
		if err := cloud.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for _, r := range u.Received() {
		got = append(got, message.PlainText(r.Message))
	}
	if strings.Join(got, ", ") != "Hello, Hello, over" || u.Active() {
		t.Errorf("the end user was shown %q", got)
	}
}

func quiet() *botpresstest.PluginConfig {
	return &botpresstest.PluginConfig{HandoffMessage: "NULL", AssignedMessage: "NULL", StoppedMessage: "over"}
}

func post(ctx context.Context, t *testing.T, to, key string, form url.Values) int {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Agent-Key", key)
	res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	return res.StatusCode
}
