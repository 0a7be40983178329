package main

import (
	"strings"
	"testing"

	"github.com/hitl-go/sdk/botpress"
)

// Whoever saves a configuration that cannot work reads why, and not the first end user.
func TestSavingLooksAtTheChannel(t *testing.T) {
	inBubble(t, true, func(t *testing.T, w *world) {
		config := func(channel string) Config {
			return Config{Channel: channel, BotToken: botpress.Secret(w.slack.BotToken), AppToken: botpress.Secret(w.slack.AppToken)}
		}
		save := func(name, channel, want string) {
			t.Helper()
			err := w.in.Configure(t.Context(), config(channel))
			if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
				t.Errorf("%s: %v, want %q", name, err, want)
			}
		}
		save("all is well", w.slack.Channel, "")
		save("another channel", "C0000000000", "the channel's ID in the configuration is wrong")
		w.slack.Kick()
		save("the app was not invited", w.slack.Channel, "write /invite with the app's name in the channel")
		w.slack.Invite()
		for _, scope := range scopes {
			if scope == "groups:history" { // for private channels
				continue
			}
			w.slack.DropScope(scope)
			want := "lacks the scope " + scope
			if scope == "channels:history" { // Slack says so, without its name.
				want = "lacks a scope"
			}
			save("without "+scope, w.slack.Channel, want)
			w.slack.SetScopes(scopes...)
		}
		save("all is well again", w.slack.Channel, "")
	})
}
