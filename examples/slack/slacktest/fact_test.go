package slacktest_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/slack-go/slack"

	"github.com/hitl-go/sdk/examples/slack/slacktest"
)

func texts(messages []slack.Message) (all []string) {
	for _, m := range messages {
		all = append(all, m.Text)
	}
	return all
}

func (w *world) replies(p slack.GetConversationRepliesParameters) (all []slack.Message, next string) {
	w.t.Helper()
	p.ChannelID = w.Channel
	all, _, next, err := w.api.GetConversationReplies(&p)
	if err != nil {
		w.t.Fatal(err)
	}
	return all, next
}

func TestReplies(t *testing.T) {
	inBubble(t, slacktest.Options{}, func(w *world) {
		rosa := w.NewMember("Rosa")
		root := w.root(slack.MsgOptionMetadata(slack.SlackMetadata{EventType: "case", EventPayload: map[string]any{"id": "7"}}))
		var ts []string
		for _, text := range []string{"1", "2", "3"} {
			ts = append(ts, w.must(w.Reply(root, rosa, text)))
		}
		all, _ := w.replies(slack.GetConversationRepliesParameters{Timestamp: root})
		w.want("all", texts(all), []string{"A new case", "1", "2", "3"})
		if m := all[0]; m.ReplyCount != 3 || m.LatestReply != ts[2] || m.ThreadTimestamp != root || m.Metadata.EventType != "" {
			t.Errorf("the root is %+v", m.Msg)
		}
		if m := all[1]; m.ThreadTimestamp != root || m.ParentUserId != w.BotUserID || m.User != rosa.ID {
			t.Errorf("the reply is %+v", m.Msg)
		}
		all, _ = w.replies(slack.GetConversationRepliesParameters{Timestamp: root, Oldest: ts[0], Latest: ts[2], IncludeAllMetadata: true})
		w.want("between", texts(all), []string{"A new case", "2"})
		if all[0].Metadata.EventPayload["id"] != "7" {
			t.Errorf("metadata are %+v", all[0].Metadata)
		}
		all, _ = w.replies(slack.GetConversationRepliesParameters{Timestamp: root, Oldest: ts[1], Inclusive: true})
		w.want("from the second on", texts(all), []string{"A new case", "2", "3"})
		all, _ = w.replies(slack.GetConversationRepliesParameters{Timestamp: ts[1]})
		w.want("of a reply", texts(all), []string{"2"})
		first, next := w.replies(slack.GetConversationRepliesParameters{Timestamp: root, Limit: 3})
		second, end := w.replies(slack.GetConversationRepliesParameters{Timestamp: root, Limit: 3, Cursor: next})
		w.want("pages", append(texts(first), texts(second)...), []string{"A new case", "1", "2", "3"})
		if next == "" || end != "" {
			t.Errorf("cursors %q, %q", next, end)
		}
	})
}

func TestHistory(t *testing.T) {
	inBubble(t, slacktest.Options{}, func(w *world) {
		root := w.root()
		w.must(w.Reply(root, w.NewMember("Rosa"), "a reply"))
		if _, _, err := w.api.PostMessage(w.Channel, slack.MsgOptionText("both", false), slack.MsgOptionTS(root), slack.MsgOptionBroadcast()); err != nil {
			t.Fatal(err)
		}
		h, err := w.api.GetConversationHistory(&slack.GetConversationHistoryParameters{ChannelID: w.Channel})
		if err != nil {
			t.Fatal(err)
		}
		w.want("history", texts(h.Messages), []string{"both", "A new case"})
		if h.Messages[0].SubType != "thread_broadcast" {
			t.Errorf("the broadcast is %+v", h.Messages[0].Msg)
		}
	})
}

// Whoever answers what has been deleted meanwhile writes into the channel.
func TestReplyToWhatIsGone(t *testing.T) {
	inBubble(t, slacktest.Options{}, func(w *world) {
		rosa := w.NewMember("Rosa")
		gone := w.must(w.Post(rosa, "Oh"))
		if err := w.Delete(gone, rosa); err != nil {
			t.Fatal(err)
		}
		_, answer := w.call("chat.postMessage", w.BotToken, "channel", w.Channel, "text", "a", "thread_ts", gone)
		if m, _ := answer["message"].(map[string]any); m == nil || m["thread_ts"] != nil {
			t.Errorf("the answer is %v", answer)
		}
	})
}

func TestTombstone(t *testing.T) {
	inBubble(t, slacktest.Options{}, func(w *world) {
		l := w.listen()
		rosa := w.NewMember("Rosa")
		root := w.must(w.Post(rosa, "Oh"))
		reply := w.must(w.Reply(root, rosa, "Well"))
		for _, ts := range []string{root, reply} {
			if err := w.Delete(ts, rosa); err != nil {
				t.Fatal(err)
			}
		}
		w.Wait()
		w.want("heard", l.texts(), []string{
			":Oh", ":Well", "message_changed:This message was deleted.", "message_deleted:", "message_deleted:",
		})
		if m := l.message(2); m.Message.SubType != "tombstone" || m.PreviousMessage.Text != "Oh" {
			t.Errorf("the root became %+v", m.Message)
		}
		if _, answer := w.call("conversations.replies", w.BotToken, "channel", w.Channel, "ts", root); answer["error"] != "thread_not_found" {
			t.Errorf("the thread is %v", answer)
		}
	})
}

// An update of attachments alone leaves the rest, and buttons in attachments work.
func TestAttachments(t *testing.T) {
	inBubble(t, slacktest.Options{}, func(w *world) {
		l := w.listen()
		rosa := w.NewMember("Rosa")
		title := slack.MsgOptionBlocks(slack.NewHeaderBlock(slack.NewTextBlockObject("plain_text", "Case & more", false, false)))
		below := func(blocks ...slack.Block) slack.MsgOption {
			return slack.MsgOptionAttachments(slack.Attachment{Blocks: slack.Blocks{BlockSet: blocks}})
		}
		open := slack.NewButtonBlockElement("open", "", slack.NewTextBlockObject("plain_text", "Open", false, false))
		root := w.root(title, below(slack.NewActionBlock("", open)))
		if m, _ := w.Message(root); m.Text != "Case & more" || len(m.Buttons) != 1 || m.Buttons[0].Label != "Open" {
			t.Errorf("posted: %+v", m)
		}
		if err := w.Press(root, rosa, "open"); err != nil {
			t.Error(err)
		}
		w.Wait()
		if c := l.pressed[0].Container; c.Type != "message_attachment" || c.MessageTs != root || c.ChannelID != w.Channel || c.AttachmentID != "1" {
			t.Errorf("the button's container is %+v", c)
		}
		who := slack.NewContextBlock("", slack.NewTextBlockObject("mrkdwn", "Taken by <@"+rosa.ID+">", false, false))
		if _, _, _, err := w.api.UpdateMessage(w.Channel, root, below(who)); err != nil {
			t.Fatal(err)
		}
		if m, _ := w.Message(root); m.Text != "Case & more\nTaken by @Rosa" || m.Raw != "A new case" || len(m.Buttons) > 0 {
			t.Errorf("updated: %+v", m)
		}
	})
}

func TestUpdate(t *testing.T) {
	inBubble(t, slacktest.Options{}, func(w *world) {
		l := w.listen()
		meta := slack.MsgOptionMetadata(slack.SlackMetadata{EventType: "case", EventPayload: map[string]any{"id": "7"}})
		root := w.root(meta, slack.MsgOptionUsername("Jane"), slack.MsgOptionBlocks(slack.NewHeaderBlock(slack.NewTextBlockObject("plain_text", "Case", false, false))))
		if m, _ := w.Message(root); m.Text != "Case" || m.Raw != "A new case" || m.Author != "Jane" || m.Edited {
			t.Errorf("posted: %+v", m)
		}
		if _, _, _, err := w.api.UpdateMessage(w.Channel, root, slack.MsgOptionText("Over &amp; out", false)); err != nil {
			t.Fatal(err)
		}
		if m, _ := w.Message(root); m.Text != "Over & out" || m.Metadata["event_type"] != "case" || m.Author != "Jane" || !m.Edited {
			t.Errorf("updated: %+v", m)
		}
		w.Wait()
		if m := l.message(0); m.SubType != "bot_message" || m.User != "" || m.BotID != w.BotID || m.Username != "Jane" {
			t.Errorf("the app heard of its message as %+v", m)
		}
		if m := l.message(1); m.SubType != "message_changed" || m.Message.Edited == nil || m.PreviousMessage.Text != "A new case" {
			t.Errorf("the app heard of its update as %+v", m)
		}
		w.call("chat.update", w.BotToken, "channel", w.Channel, "ts", root, "text", "x", "metadata", "{}")
		if m, _ := w.Message(root); len(m.Metadata) > 0 {
			t.Errorf("metadata are %v", m.Metadata)
		}
	})
}

func TestLongText(t *testing.T) {
	inBubble(t, slacktest.Options{}, func(w *world) {
		_, ts, err := w.api.PostMessage(w.Channel, slack.MsgOptionText(strings.Repeat("ü", 40_001), false))
		var size int
		parts := w.Messages()
		for _, m := range parts {
			size += len([]rune(m.Raw))
		}
		if err != nil || len(parts) != 10 || size != 40_000 || parts[9].TS != ts {
			t.Errorf("%d characters in %d messages, %v", size, len(parts), err)
		}
	})
}

func TestTyped(t *testing.T) {
	for _, test := range []struct{ typed, text, shown string }{
		{"a <b> & c", "a &lt;b&gt; &amp; c", "a <b> & c"},
		{"see https://example.com/?a=1&b=2.", "see <https://example.com/?a=1&amp;b=2>.", "see https://example.com/?a=1&b=2."},
		{"*bold* and _it_ `x<y` 2*3*4", "*bold* and _it_ `x&lt;y` 2*3*4", "bold and it x<y 2*3*4"},
		{"Hi 😀 :tada:", "Hi :grinning: :tada:", "Hi 😀 🎉"},
		{"one\n\ntwo", "one\n\ntwo", "one\n\ntwo"},
		{"Do:\n- a\n- b\n1. c", "Do:\n• a\n• b\n1. c", "Do:\n• a\n• b\n1. c"},
		{"> said\nno", "&gt; said\nno", "said\nno"},
		{"```a < b\nc```", "```a &lt; b\nc```", "a < b\nc"},
		{"hey @here", "hey <!here>", "hey @here"},
	} {
		t.Run(test.typed, func(t *testing.T) {
			inBubble(t, slacktest.Options{}, func(w *world) {
				l := w.listen()
				ts := w.must(w.Post(w.NewMember("Rosa"), test.typed))
				if m, _ := w.Message(ts); m.Raw != test.text || m.Text != test.shown {
					t.Errorf("text %q, shown %q; want %q, %q", m.Raw, m.Text, test.text, test.shown)
				}
				w.Wait()
				if b := l.message(0).Blocks.BlockSet; len(b) != 1 || b[0].BlockType() != slack.MBTRichText {
					t.Errorf("blocks are %v", b)
				}
			})
		})
	}
}

func TestMentions(t *testing.T) {
	inBubble(t, slacktest.Options{}, func(w *world) {
		rosa, ben := w.NewMember("Rosa Diaz"), w.NewMember("Ben")
		for _, typed := range []string{"ask @Ben", "ask <@" + ben.ID + ">"} {
			ts := w.must(w.Post(rosa, typed))
			if m, _ := w.Message(ts); m.Raw != "ask <@"+ben.ID+">" || m.Text != "ask @Ben" {
				t.Errorf("%q: %+v", typed, m)
			}
		}
	})
}

func TestUsers(t *testing.T) {
	inBubble(t, slacktest.Options{}, func(w *world) {
		rosa, old, bot, foreign := w.NewMember("Rosa Diaz"), w.NewMember("Old"), w.NewBot("Robot"), w.NewStranger("Else")
		w.Deactivate(old)
		get := func(m slacktest.Member) *slack.User {
			u, err := w.api.GetUserInfo(m.ID)
			if err != nil {
				t.Fatal(err)
			}
			return u
		}
		if u := get(rosa); u.RealName != "Rosa Diaz" || u.Profile.Email == "" || u.Profile.Image192 == "" || u.IsBot {
			t.Errorf("Rosa is %+v", u)
		}
		if !get(old).Deleted || !get(bot).IsBot || !get(foreign).IsStranger {
			t.Error("deactivated, bot or stranger are not told")
		}
		w.DropScope("users:read.email")
		if u := get(rosa); u.Profile.Email != "" {
			t.Errorf("the address is told without its scope: %s", u.Profile.Email)
		}
		if _, err := w.Reply(w.root(), old, "Hello"); err == nil {
			t.Error("who is deactivated can write")
		}
	})
}

func TestFiles(t *testing.T) {
	inBubble(t, slacktest.Options{}, func(w *world) {
		l := w.listen()
		root := w.root()
		upload := func(channel string) *slack.FileSummary {
			f, err := w.api.UploadFile(slack.UploadFileParameters{
				Filename: "a.txt", FileSize: 5, Content: "hello", Title: "A", Channel: channel, ThreadTimestamp: root, InitialComment: "see",
			})
			if err != nil {
				t.Fatal(err)
			}
			return f
		}
		upload(w.Channel)
		thread := w.Thread(root)
		if m := thread[len(thread)-1]; m.Text != "see" || len(m.Files) != 1 || string(m.Files[0].Data) != "hello" || m.Files[0].ContentType != "text/plain" {
			t.Errorf("the file came as %+v", m)
		}
		private := upload("")
		info, _, _, err := w.api.GetFileInfo(private.ID, 0, 0)
		if err != nil || info.IsPublic {
			t.Fatalf("the private file is %+v, %v", info, err)
		}
		named := w.root(slack.MsgOptionText("see <"+info.Permalink+"| >", false), slack.MsgOptionUsername("Jane"))
		shared := w.root(slack.MsgOptionText("see <"+info.Permalink+"| >", false))
		if m, _ := w.Message(named); len(m.Files) != 0 {
			t.Error("in somebody else's name a file is shared")
		}
		if m, _ := w.Message(shared); len(m.Files) != 1 {
			t.Errorf("a permalink %s does not share the file: %+v", info.Permalink, m)
		}
		w.must(w.ReplyWithFile(root, w.NewMember("Rosa"), "", "b.png", "image/png", []byte("png")))
		w.Wait()
		last := l.message(len(l.texts()) - 1)
		if last.SubType != "file_share" || len(last.Message.Files) != 1 {
			t.Fatalf("the app heard of it as %+v", last)
		}
		address := last.Message.Files[0].URLPrivateDownload
		var got bytes.Buffer
		if err := w.api.GetFile(address, &got); err != nil || got.String() != "png" {
			t.Errorf("downloaded %q, %v", got.String(), err)
		}
		w.DropScope("files:read")
		got.Reset()
		if err := w.api.GetFile(address, &got); err != nil || !strings.HasPrefix(got.String(), "<!DOCTYPE html>") {
			t.Errorf("without the scope: %q, %v", got.String(), err)
		}
		noRedirects := &http.Client{Transport: w.client.Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		res, err := noRedirects.Get(address)
		if err != nil || res.StatusCode != http.StatusFound {
			t.Fatalf("without a token: %v, %v", res, err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
	})
}

func TestFaults(t *testing.T) {
	inBubble(t, slacktest.Options{IgnoreNames: true}, func(w *world) {
		post := func() error {
			_, _, err := w.api.PostMessage(w.Channel, slack.MsgOptionText("Hi", false), slack.MsgOptionUsername("Jane"))
			return err
		}
		w.RateLimit("chat.postMessage", 7)
		var limited *slack.RateLimitedError
		if err := post(); !errors.As(err, &limited) || limited.RetryAfter != 7*time.Second {
			t.Errorf("limited: %v", err)
		}
		w.LoseAnswer("chat.postMessage")
		if err := post(); err == nil {
			t.Error("the answer was not lost")
		}
		w.Down(true)
		var status slack.StatusCodeError
		if err := post(); !errors.As(err, &status) || status.Code != http.StatusServiceUnavailable {
			t.Errorf("down: %v", err)
		}
		w.Down(false)
		w.DropScope("chat:write.customize")
		if err := post(); err != nil {
			t.Error(err)
		}
		all := w.Messages()
		if len(all) != 2 || all[0].Author != "Jane" || all[1].Author != "Support" {
			t.Errorf("messages are %+v", all)
		}
		w.want("requests", w.Requests(), slices.Repeat([]string{"chat.postMessage"}, 4))
	})
}

func TestRateLimits(t *testing.T) {
	inBubble(t, slacktest.Options{RateLimits: true}, func(w *world) {
		for range 5 {
			w.root()
		}
		_, _, err := w.api.PostMessage(w.Channel, slack.MsgOptionText("Hi", false))
		var limited *slack.RateLimitedError
		if !errors.As(err, &limited) || limited.RetryAfter != time.Second {
			t.Fatalf("the sixth in a burst: %v", err)
		}
		after(limited.RetryAfter)
		w.root()
	})
}
