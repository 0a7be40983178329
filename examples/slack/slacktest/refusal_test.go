package slacktest_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/hitl-go/sdk/examples/slack/slacktest"
)

// call calls a method with a form and returns what was answered.
func (w *world) call(method, token string, args ...string) (status int, answer map[string]any) {
	w.t.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(args); i += 2 {
		form.Set(args[i], args[i+1])
	}
	return w.send(method, token, "application/x-www-form-urlencoded", form.Encode())
}

func (w *world) send(method, token, contentType, body string) (status int, answer map[string]any) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.URL+"/api/"+method, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Content-Type", contentType)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := w.client.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	_ = json.Unmarshal(raw, &answer)
	return res.StatusCode, answer
}

func section(text string) string {
	return `{"type":"section","text":{"type":"mrkdwn","text":"` + text + `"}}`
}

func button(label, id, value string) string {
	return `{"type":"actions","elements":[{"type":"button","text":{"type":"plain_text","text":"` + label + `"},"action_id":"` + id + `","value":"` + value + `"}]}`
}

func TestRefusals(t *testing.T) {
	long := func(n int) string { return strings.Repeat("ü", n) }
	for _, test := range []struct {
		name   string
		method string
		args   []string // CHANNEL, ROOT and THEIRS are replaced.
		before func(w *world)
		want   string
	}{
		{"fine", "chat.postMessage", []string{"channel", "CHANNEL", "text", "a"}, nil, ""},
		{"another channel", "chat.postMessage", []string{"channel", "C0", "text", "a"}, nil, "channel_not_found"},
		{"not in the channel", "chat.postMessage", []string{"channel", "CHANNEL", "text", "a"}, (*world).kick, "not_in_channel"},
		{"archived", "chat.postMessage", []string{"channel", "CHANNEL", "text", "a"}, (*world).archive, "is_archived"},
		{"revoked", "chat.postMessage", []string{"channel", "CHANNEL", "text", "a"}, func(w *world) { w.Revoke() }, "token_revoked"},
		{"no text", "chat.postMessage", []string{"channel", "CHANNEL", "text", " "}, nil, "no_text"},
		{"no scope", "chat.postMessage", []string{"channel", "CHANNEL", "text", "a"}, drop("chat:write"), "missing_scope"},
		{"a name without its scope", "chat.postMessage", []string{"channel", "CHANNEL", "text", "a", "username", "Jane"}, drop("chat:write.customize"), "missing_scope"},
		{"an icon without its scope", "chat.postMessage", []string{"channel", "CHANNEL", "text", "a", "icon_emoji", ":x:"}, drop("chat:write.customize"), "missing_scope"},
		{"an empty thread", "chat.postMessage", []string{"channel", "CHANNEL", "text", "a", "thread_ts", ""}, nil, "invalid_thread_ts"},
		{"blocks of an attachment", "chat.postMessage", []string{"channel", "CHANNEL", "attachments", `[{"blocks":[` + section(long(3001)) + `]}]`}, nil, "invalid_blocks"},
		{"an attachment that is none", "chat.postMessage", []string{"channel", "CHANNEL", "attachments", `[7]`}, nil, "invalid_attachments"},
		{"no JSON", "chat.postMessage", []string{"channel", "CHANNEL", "blocks", "x"}, nil, "invalid_blocks_format"},
		{"50 blocks", "chat.postMessage", []string{"channel", "CHANNEL", "blocks", "[" + strings.Repeat(section("a")+",", 49) + section("a") + "]"}, nil, ""},
		{"51 blocks", "chat.postMessage", []string{"channel", "CHANNEL", "blocks", "[" + strings.Repeat(section("a")+",", 50) + section("a") + "]"}, nil, "invalid_blocks"},
		{"section 3000", "chat.postMessage", []string{"channel", "CHANNEL", "blocks", "[" + section(long(3000)) + "]"}, nil, ""},
		{"section 3001", "chat.postMessage", []string{"channel", "CHANNEL", "blocks", "[" + section(long(3001)) + "]"}, nil, "invalid_blocks"},
		{"empty section", "chat.postMessage", []string{"channel", "CHANNEL", "blocks", "[" + section("") + "]"}, nil, "invalid_blocks"},
		{"all blocks too long", "chat.postMessage", []string{"channel", "CHANNEL", "blocks", "[" + strings.Repeat(section(long(3000))+",", 4) + section(long(1173)) + "]"}, nil, "msg_blocks_too_long"},
		{"header 151", "chat.postMessage", []string{"channel", "CHANNEL", "blocks", `[{"type":"header","text":{"type":"plain_text","text":"` + long(151) + `"}}]`}, nil, "invalid_blocks"},
		{"header in mrkdwn", "chat.postMessage", []string{"channel", "CHANNEL", "blocks", `[{"type":"header","text":{"type":"mrkdwn","text":"a"}}]`}, nil, "invalid_blocks"},
		{"button", "chat.postMessage", []string{"channel", "CHANNEL", "blocks", "[" + button(long(75), long(255), long(2000)) + "]"}, nil, ""},
		{"button 76", "chat.postMessage", []string{"channel", "CHANNEL", "blocks", "[" + button(long(76), "a", "a") + "]"}, nil, "invalid_blocks"},
		{"action_id 256", "chat.postMessage", []string{"channel", "CHANNEL", "blocks", "[" + button("a", long(256), "a") + "]"}, nil, "invalid_blocks"},
		{"value 2001", "chat.postMessage", []string{"channel", "CHANNEL", "blocks", "[" + button("a", "a", long(2001)) + "]"}, nil, "invalid_blocks"},
		{"the same action twice", "chat.postMessage", []string{"channel", "CHANNEL", "blocks", "[" + button("a", "a", "") + "," + button("b", "a", "") + "]"}, nil, "invalid_blocks"},
		{"11 in a context", "chat.postMessage", []string{"channel", "CHANNEL", "blocks", `[{"type":"context","elements":[` + strings.Repeat(`{"type":"mrkdwn","text":"a"},`, 10) + `{"type":"mrkdwn","text":"a"}]}]`}, nil, "invalid_blocks"},
		{"no such block", "chat.postMessage", []string{"channel", "CHANNEL", "blocks", `[{"type":"poem"}]`}, nil, "invalid_blocks"},
		{"metadata", "chat.postMessage", []string{"channel", "CHANNEL", "text", "a", "metadata", `{"event_type":"case","event_payload":{"id":"1"}}`}, nil, ""},
		{"metadata without a type", "chat.postMessage", []string{"channel", "CHANNEL", "text", "a", "metadata", `{"event_payload":{}}`}, nil, "invalid_metadata_format"},
		{"too much metadata", "chat.postMessage", []string{"channel", "CHANNEL", "text", "a", "metadata", `{"event_type":"case","event_payload":{"id":"` + long(8000) + `"}}`}, nil, "metadata_too_large"},

		{"own message", "chat.update", []string{"channel", "CHANNEL", "ts", "ROOT", "text", "b"}, nil, ""},
		{"somebody else's", "chat.update", []string{"channel", "CHANNEL", "ts", "THEIRS", "text", "b"}, nil, "cant_update_message"},
		{"no such message", "chat.update", []string{"channel", "CHANNEL", "ts", "1.000001", "text", "b"}, nil, "message_not_found"},
		{"update 4000", "chat.update", []string{"channel", "CHANNEL", "ts", "ROOT", "text", long(4000)}, nil, ""},
		{"update 4001", "chat.update", []string{"channel", "CHANNEL", "ts", "ROOT", "text", long(4001)}, nil, "msg_too_long"},
		{"update to nothing", "chat.update", []string{"channel", "CHANNEL", "ts", "ROOT", "text", ""}, nil, "no_text"},

		{"nobody", "chat.postEphemeral", []string{"channel", "CHANNEL", "user", "U0", "text", "a"}, nil, "user_not_in_channel"},
		{"no thread", "conversations.replies", []string{"channel", "CHANNEL", "ts", "1.000001"}, nil, "thread_not_found"},
		{"no ts", "conversations.replies", []string{"channel", "CHANNEL"}, nil, "thread_not_found"},
		{"oldest", "conversations.replies", []string{"channel", "CHANNEL", "ts", "ROOT", "oldest", "yesterday"}, nil, "invalid_ts_oldest"},
		{"latest", "conversations.replies", []string{"channel", "CHANNEL", "ts", "ROOT", "latest", "tomorrow"}, nil, "invalid_ts_latest"},
		{"cursor", "conversations.replies", []string{"channel", "CHANNEL", "ts", "ROOT", "cursor", "x"}, nil, "invalid_cursor"},
		{"limit", "conversations.replies", []string{"channel", "CHANNEL", "ts", "ROOT", "limit", "1001"}, nil, "invalid_limit"},
		{"replies without scope", "conversations.replies", []string{"channel", "CHANNEL", "ts", "ROOT"}, drop("channels:history"), "missing_scope"},
		{"replies from outside", "conversations.replies", []string{"channel", "CHANNEL", "ts", "ROOT"}, (*world).kick, "not_in_channel"},
		{"history", "conversations.history", []string{"channel", "CHANNEL", "limit", "1000"}, nil, "invalid_limit"},
		{"info", "conversations.info", []string{"channel", "C0"}, nil, "channel_not_found"},
		{"members", "conversations.members", []string{"channel", "C0"}, nil, "channel_not_found"},
		{"user", "users.info", []string{"user", "U0"}, nil, "user_not_found"},
		{"file", "files.info", []string{"file", "F0"}, nil, "file_not_found"},
		{"empty file", "files.getUploadURLExternal", []string{"filename", "a.txt", "length", "0"}, nil, "missing_argument"},
		{"files without scope", "files.getUploadURLExternal", []string{"filename", "a.txt", "length", "1"}, drop("files:write"), "missing_scope"},
		{"complete what is not there", "files.completeUploadExternal", []string{"files", `[{"id":"F0"}]`}, nil, "file_not_found"},
		{"complete nothing", "files.completeUploadExternal", []string{"files", `x`}, nil, "invalid_arguments"},
		{"sockets with the bot's token", "apps.connections.open", nil, nil, "not_allowed_token_type"},
		{"no such method", "chat.sing", nil, nil, "unknown_method"},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, slacktest.Options{}, func(w *world) {
				root, theirs := w.root(), w.must(w.Post(w.NewMember("Rosa"), "Hello"))
				if test.before != nil {
					test.before(w)
				}
				args := make([]string, len(test.args))
				for i, arg := range test.args {
					args[i] = strings.NewReplacer("CHANNEL", w.Channel, "ROOT", root, "THEIRS", theirs).Replace(arg)
				}
				status, answer := w.call(test.method, w.BotToken, args...)
				got, _ := answer["error"].(string)
				if status != http.StatusOK || got != test.want || answer["ok"] != (test.want == "") {
					t.Errorf("%d %v, want %q", status, answer, test.want)
				}
				if test.want == "missing_scope" && (answer["needed"] == nil || answer["provided"] == nil) {
					t.Errorf("%v does not say what is needed", answer)
				}
			})
		})
	}
}

func (w *world) kick()    { w.Kick() }
func (w *world) archive() { w.Archive(true) }

func drop(scope string) func(w *world) { return func(w *world) { w.DropScope(scope) } }

func TestTokens(t *testing.T) {
	inBubble(t, slacktest.Options{}, func(w *world) {
		for _, test := range []struct{ method, token, want string }{
			{"auth.test", w.BotToken, ""},
			{"auth.test", "", "not_authed"},
			{"auth.test", "xoxb-else", "invalid_auth"},
			{"auth.test", w.AppToken, "not_allowed_token_type"},
			{"apps.connections.open", w.AppToken, ""},
		} {
			if _, answer := w.call(test.method, test.token); answer["ok"] != (test.want == "") || test.want != "" && answer["error"] != test.want {
				t.Errorf("%s with %q: %v, want %q", test.method, test.token, answer, test.want)
			}
		}
		if _, answer := w.call("apps.connections.open", "", "token", w.AppToken); answer["error"] != "missing_args" {
			t.Errorf("the app's token in the form: %v", answer)
		}
		if _, answer := w.call("auth.test", "", "token", w.BotToken); answer["ok"] != true {
			t.Errorf("the bot's token in the form: %v", answer)
		}
		if _, answer := w.send("chat.postMessage", w.BotToken, "application/json", `{"channel":"`+w.Channel+`","blocks":[`+section("Hi")+`]}`); answer["ok"] != true {
			t.Errorf("JSON: %v", answer)
		}
		if _, answer := w.send("chat.postMessage", w.BotToken, "application/json", `{`); answer["error"] != "invalid_json" {
			t.Errorf("broken JSON: %v", answer)
		}
	})
}
