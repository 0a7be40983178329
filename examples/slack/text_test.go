package main

import (
	"encoding/json"
	"testing"

	"github.com/slack-go/slack"

	"github.com/hitl-go/sdk/examples/slack/slacktest"
)

// What members type, and programs send, as the end user reads it.
func TestText(t *testing.T) {
	s := slacktest.New(slacktest.Options{})
	t.Cleanup(s.Close)
	rosa := s.NewMember("Rosa Diaz")
	d := &desk{api: slack.New(s.BotToken, slack.OptionAPIURL(s.URL+"/api/"))}
	for _, test := range []struct{ name, message, want string }{
		{"entities", `{"text":"a &lt;b&gt; &amp; &amp;lt;"}`, "a <b> & &lt;"},
		{"an address", `{"text":"see <https://example.com/?a=1&amp;b=2>."}`, "see https://example.com/?a=1&b=2."},
		{"an address with its own label", `{"text":"see <https://example.com|example.com>"}`, "see example.com"},
		{"an address with a label", `{"text":"see <https://example.com/a|our page>"}`, "see our page <https://example.com/a>"},
		{"an address in capitals", `{"text":"<HTTPS://Example.com|Example.com> <tel:+4930|+4930>"}`, "Example.com +4930"},
		{"a label that is another address", `{"text":"<https://evil.example|https://good.example>"}`, "https://good.example <https://evil.example>"},
		{"a label that ends an address", `{"text":"<https://example.com/shop|shop> <https://example.com|m>"}`, "shop <https://example.com/shop> m <https://example.com>"},
		{"a channel without a label", `{"text":"in <#C0123456789|>"}`, "in #C0123456789"},
		{"a mail address", `{"text":"<mailto:a@example.com|a@example.com>"}`, "a@example.com"},
		{"a member", `{"text":"ask <@` + rosa.ID + `>"}`, "ask @Rosa Diaz"},
		{"somebody who is hidden", `{"text":"ask <@U0000000ELSE> or <@U0000000ELSE|sam>"}`, "ask @U0000000ELSE or @sam"},
		{"a channel", `{"text":"in <#C0123456789|orders>"}`, "in #orders"},
		{"a group", `{"text":"<!subteam^S0123|@desk> and <!here>"}`, "@desk and @here"},
		{"emoji", `{"text":":+1::skin-tone-3: :acme: at 10:30:15","blocks":[{"type":"rich_text","elements":[{"type":"rich_text_section","elements":[
			{"type":"emoji","name":"+1","skin_tone":3,"unicode":"1f44d-1f3fc"},{"type":"text","text":" "},{"type":"emoji","name":"acme"}]}]}]}`, "👍🏼 :acme: at 10:30:15"},
		{"an emoji twice", `{"text":":+1: :+1:","blocks":[{"type":"rich_text","elements":[{"type":"rich_text_section","elements":[
			{"type":"emoji","name":"+1","unicode":"1f44d"},{"type":"text","text":" "},{"type":"emoji","name":"+1","unicode":"1f44d"}]}]}]}`, "👍 👍"},
		{"emoji in a list", `{"text":"• :a: one","blocks":[{"type":"rich_text","elements":[{"type":"rich_text_list","style":"bullet","elements":[
			{"type":"rich_text_section","elements":[{"type":"emoji","name":"a","unicode":"1f170-fe0f"}]}]}]}]}`, "• 🅰️ one"},
		{"a group without a label", `{"text":"ask <!subteam^S0123ABCD>"}`, "ask @S0123ABCD"},
		{"a date", `{"text":"at <!date^1392734382^{date_num}|2014-02-18> or <!date^1392734382^{date_num}^https://example.com|then>"}`, "at 2014-02-18 or then"},
		{"an emoji after a time", `{"text":"10:30:smile:","blocks":[{"type":"rich_text","elements":[{"type":"rich_text_section","elements":[
			{"type":"text","text":"10:30"},{"type":"emoji","name":"smile","unicode":"1f604"}]}]}]}`, "10:30😄"},
		{"an emoji after a colon", `{"text":"Note::wave:","blocks":[{"type":"rich_text","elements":[{"type":"rich_text_section","elements":[
			{"type":"text","text":"Note:"},{"type":"emoji","name":"wave","unicode":"1f44b"}]}]}]}`, "Note:👋"},
		{"the name of an emoji in code", `{"text":"` + "`:wave:`" + ` is &lt;:wave:&gt;","blocks":[{"type":"rich_text","elements":[{"type":"rich_text_section","elements":[
			{"type":"text","text":":wave:","style":{"code":true}},{"type":"text","text":" is <"},{"type":"emoji","name":"wave","unicode":"1f44b"},{"type":"text","text":">"}]}]}]}`, "`:wave:` is <👋>"},
		{"an emoji in a quote", `{"text":"&gt; :a:\n&gt; b:a:","blocks":[{"type":"header","text":{"type":"plain_text","text":"x"}},{"type":"rich_text","elements":[{"type":"rich_text_quote","elements":[
			{"type":"text","text":":a:\nb"},{"type":"emoji","name":"a","unicode":"1f170-fe0f"}]}]}]}`, "> :a:\n> b🅰️"},
		{"a quote and code", `{"text":"&gt; said\nand ` + "`x &lt; y`" + `"}`, "> said\nand `x < y`"},
		{"nothing", `{"text":" "}`, ""},
		{"what is no markup", `{"text":"a &lt;@U1&gt; <> <|>"}`, "a <@U1> <> <|>"},
	} {
		var m slack.Msg
		if err := json.Unmarshal([]byte(test.message), &m); err != nil {
			t.Fatal(err)
		}
		if got := d.text(t.Context(), &m); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

// What looks like a note to members is one, and nothing else is.
func TestNote(t *testing.T) {
	for text, want := range map[string]bool{
		"🔒 she has called before": true, ":lock: she has": true, " /note she": true, "/note": true, "/NOTE: she": true, "/note\nshe": true,
		"*:lock: she has*": true, "_:lock:_ she": true, "&gt; :lock: she": true, "• :lock: she": true, "`/note she`": true, "*/note* she": true,
		"/notebook is the page": false, "/notes": false, "The 🔒 is closed": false, ":lock_with_ink_pen: sign": false, "": false, "* a": false,
	} {
		if got := note.MatchString(text); got != want {
			t.Errorf("%q is a note: %t, want %t", text, got, want)
		}
	}
}

// What cannot be read is refused, and logged: it may have been somebody's words. What concerns nobody is passed over.
func TestUnreadableEvents(t *testing.T) {
	d := &desk{}
	for payload, refused := range map[string]bool{
		`{"type":"event_callback","event":{"type":"message","channel":{},"thread_ts":"1.0"}}`: true,
		`{"type":"event_callback","event":{"type":"message","message":7}}`:                    true,
		`{"type":"event_callback","event":7}`:                                                 true,
		`{"type":"block_actions","actions":7}`:                                                true,
		`{"type":"block_actions","actions":[{"block_id":7}]}`:                                 false,
		`{"type":"event_callback"`:                                                            true,
		``:                                                                                    true,
		`{"type":"event_callback","event":{"type":"channel_created","channel":{"id":"C1"},"message":7}}`:                 false,
		`{"type":"event_callback","event":{"type":"message","subtype":"message_deleted","channel":"C1"}}`:                false,
		`{"type":"event_callback","event":{"type":"message","subtype":"message_changed","channel":"C1","message":null}}`: false,
		`{"type":"event_callback"}`:   false,
		`{"type":"block_actions"}`:    false,
		`{"type":"app_rate_limited"}`: false,
	} {
		hook, err := d.heard(t.Context(), []byte(payload))
		if (err != nil) != refused || len(hook.Events) > 0 {
			t.Errorf("%s: %+v, %v, want it refused: %t", payload, hook, err, refused)
		}
	}
}
