package main

import (
	"context"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/slack-go/slack"

	"github.com/hitl-go/sdk/botpress/botpresstest"
	"github.com/hitl-go/sdk/examples/slack/slacktest"
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/message"
)

// eachWay runs a test with a socket and with the webhook.
func eachWay(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	for name, socket := range map[string]bool{"Socket Mode": true, "Events API": false} {
		t.Run(name, func(t *testing.T) { inBubble(t, socket, test) })
	}
}

// want compares what an end user was shown since the agent came with lines.
func (w *world) want(u *botpresstest.EndUser, lines ...string) {
	w.t.Helper()
	const joined = "bot: A human agent has joined the conversation.\n"
	_, got, _ := strings.Cut(heard(u), "They should be with you shortly.\n")
	if diff := cmp.Diff(strings.Join(lines, "\n"), strings.TrimSpace(strings.TrimPrefix(got, joined))); diff != "" {
		w.t.Errorf("the end user's chat (-want +got):\n%s", diff)
	}
}

// wantThread compares what a thread shows after the transcript with lines.
func (w *world) wantThread(thread string, lines ...string) {
	w.t.Helper()
	_, got, _ := strings.Cut(w.shown(thread), "They should be with you shortly.\n")
	if diff := cmp.Diff(strings.Join(lines, "\n"), strings.TrimSpace(got)); diff != "" {
		w.t.Errorf("the thread (-want +got):\n%s", diff)
	}
}

const (
	goodbye  = "bot: The human agent closed the conversation. I will continue assisting you."
	farewell = "Bot: ( The user has ended the session. )"
	reaches  = "What is written here from now on reaches nobody."
	isOver   = "Support: Closed by the end user or the bot. " + reaches
	rosaEnds = "Support: Closed by @Rosa Diaz. " + reaches
)

// A whole session, to the letter.
func TestSession(t *testing.T) {
	eachWay(t, func(t *testing.T, w *world) {
		jane, thread := w.jane(botpresstest.Escalation{Title: "An order & its <b>parcel</b>", Description: "It is late.", Session: Session{Urgency: "high"}})
		if diff := cmp.Diff(`Support: 🔴 An order & its <b>parcel</b>
It is late.
From Jane Doe · jane@example.com
Waiting for somebody to take it [Take] [Close]
Support: Jane Doe:
  Where is my <order>?

Bot:
  I have escalated this conversation to a human agent. They should be with you shortly.
`, w.shown(thread)); diff != "" {
			t.Errorf("the thread begins with (-want +got):\n%s", diff)
		}
		w.must(w.slack.Press(thread, w.rosa, actionTake))
		w.pass(2 * time.Second)
		if card := w.card(thread); !strings.HasSuffix(card.Text, "\nTaken by @Rosa Diaz") {
			t.Errorf("after Take, the card is %q with %v", card.Text, card.Buttons)
		}
		hello := w.answer(thread, w.rosa, "Hello *Jane*, see https://example.com/track?a=1&b=2 👍")
		w.must(w.slack.Unfurl(hello, "https://example.com", "Track"))
		w.answer(thread, w.rosa, "🔒 she has called before")
		w.answer(thread, w.rosa, " /note and twice")
		w.say(jane, "Thanks! <!channel> *bold* & more")
		ts := w.answer(thread, w.rosa, "It comes on Friday.")
		w.must(w.slack.Edit(ts, w.rosa, "It comes on Saturday."))
		w.must(w.slack.React(ts, w.rosa, "eyes"))
		w.must(w.slack.Unfurl(ts, "https://example.com", "Track"))
		w.pass(2 * time.Second)
		deleted := w.answer(thread, w.rosa, "Is that all?")
		w.must(w.slack.Delete(deleted, w.rosa))
		w.must(w.slack.Press(thread, w.rosa, actionClose))
		w.pass(5 * time.Second)
		w.answer(thread, w.rosa, "One more thing")
		w.slack.Wait()

		w.want(jane,
			"Rosa Diaz: Hello *Jane*, see https://example.com/track?a=1&b=2 👍",
			"Rosa Diaz: It comes on Friday.",
			"Rosa Diaz: Correction: It comes on Saturday.",
			"Rosa Diaz: Is that all?",
			goodbye)
		w.wantThread(thread,
			"Support: Taken by @Rosa Diaz",
			"Rosa Diaz: Hello Jane, see https://example.com/track?a=1&b=2 👍",
			"Rosa Diaz: 🔒 she has called before",
			"Rosa Diaz:  /note and twice",
			"Jane Doe: Thanks! <!channel> *bold* & more",
			"Rosa Diaz: It comes on Saturday.",
			rosaEnds,
			"Rosa Diaz: One more thing",
			"Support: ⚠️ The conversation with the bot has ended. The customer did not get this reply.")
		if card := w.card(thread); !strings.HasSuffix(card.Text, "\nClosed by @Rosa Diaz. "+reaches) || len(card.Buttons) > 0 {
			t.Errorf("after Close, the card is %q with %v", card.Text, card.Buttons)
		}
		if jane.Active() {
			t.Error("the session goes on")
		}
		for _, m := range jane.Received() {
			if m.From == botpresstest.FromAgent && !strings.HasSuffix(m.PictureURL, w.rosa.ID+"_192.png") {
				t.Errorf("the agent's picture is %q", m.PictureURL)
			}
		}
	})
}

// The end user ends it, and says something more to the bot.
func TestEndUserEnds(t *testing.T) {
	eachWay(t, func(t *testing.T, w *world) {
		jane, thread := w.jane(botpresstest.Escalation{Title: "Help"})
		w.say(jane, "Never mind")
		w.must(jane.End(t.Context()))
		w.pass(5 * time.Second)
		w.say(jane, "Hello, bot")
		w.wantThread(thread, "Jane Doe: Never mind", isOver, farewell)
		if card := w.card(thread); !strings.HasSuffix(card.Text, "\nClosed by the end user or the bot. "+reaches) || len(card.Buttons) > 0 {
			t.Errorf("the card is %q with %v", card.Text, card.Buttons)
		}
	})
}

// For a minute there is no connection: nothing is lost, and nothing comes twice.
func TestOutageOfTheSocket(t *testing.T) {
	inBubble(t, true, func(t *testing.T, w *world) {
		jane, thread := w.jane(botpresstest.Escalation{Title: "Help"})
		joe, other := w.jane(botpresstest.Escalation{Title: "Help, too"})
		w.answer(thread, w.rosa, "one")
		w.slack.SocketsDown(true)
		w.slack.DropSockets()
		w.answer(thread, w.rosa, "two")
		w.say(jane, "Are you there?")
		w.answer(thread, w.rosa, "three")
		w.answer(other, w.rosa, "to joe")
		w.pass(time.Minute)
		w.slack.SocketsDown(false)
		w.pass(6 * time.Minute) // After five of them Slack tries for the last time.
		w.answer(thread, w.rosa, "four")
		w.must(w.slack.Press(thread, w.rosa, actionClose))
		w.pass(5 * time.Second)
		w.want(jane, "Rosa Diaz: one", "Rosa Diaz: two", "Rosa Diaz: three", "Rosa Diaz: four", goodbye)
		w.want(joe, "Rosa Diaz: to joe")
		w.wantThread(thread, "Rosa Diaz: one", "Rosa Diaz: two", "Jane Doe: Are you there?", "Rosa Diaz: three", "Rosa Diaz: four", rosaEnds)
	})
}

// Events get lost for good. When the connections come back, the threads are read.
func TestEventsAreLost(t *testing.T) {
	inBubble(t, true, func(t *testing.T, w *world) {
		jane, thread := w.jane(botpresstest.Escalation{Title: "Help"})
		w.slack.Mute(true)
		w.answer(thread, w.rosa, "one")
		w.must(w.slack.RequestDisconnect("refresh_requested"))
		w.pass(20 * time.Second)
		w.want(jane, "Rosa Diaz: one")
		w.answer(thread, w.rosa, "two")
		w.slack.DropSockets()
		w.pass(20 * time.Second)
		w.want(jane, "Rosa Diaz: one", "Rosa Diaz: two")
	})
}

// Slack changes its servers now and then, and sends events twice.
func TestReconnectsAndRepeats(t *testing.T) {
	inBubble(t, true, func(t *testing.T, w *world) {
		jane, thread := w.jane(botpresstest.Escalation{Title: "Help"})
		w.slack.Duplicate(true)
		var want []string
		for i := range 20 {
			switch i % 5 {
			case 1:
				w.must(w.slack.RequestDisconnect("warning"))
			case 2:
				w.must(w.slack.RequestDisconnect("refresh_requested"))
			case 4:
				w.slack.DropSockets()
			}
			ts := w.answer(thread, w.rosa, fmt.Sprint(i))
			want = append(want, fmt.Sprintf("Rosa Diaz: %d", i))
			if i == 10 {
				w.must(w.slack.Edit(ts, w.rosa, "ten"))
				w.pass(time.Second)
				want = append(want, "Rosa Diaz: Correction: ten")
			}
		}
		w.pass(6 * time.Minute)
		w.want(jane, want...)
		if n := w.slack.Connections(); n != replicas {
			t.Errorf("there are %d connections, want one of each of %d replicas", n, replicas)
		}
	})
}

// What is done but not answered is not done twice.
func TestLostAnswers(t *testing.T) {
	eachWay(t, func(t *testing.T, w *world) {
		w.slack.LoseAnswer("chat.postMessage") // the card
		jane, thread := w.jane(botpresstest.Escalation{Title: "Help"})
		w.slack.LoseAnswer("chat.postMessage")
		w.say(jane, "one")
		w.pass(time.Minute)
		w.say(jane, "two")
		w.slack.LoseAnswer("chat.postMessage") // the last words
		if err := jane.End(t.Context()); err != nil {
			t.Log(err)
		}
		w.pass(10 * time.Minute)
		shown := w.shown(thread)
		if strings.Count(shown, isOver) != 1 || strings.Count(shown, farewell) != 1 { // in either order
			t.Errorf("the thread ends with %s", shown)
		}
		if !strings.Contains(shown, "shortly.\nJane Doe: one\nJane Doe: two\n") || strings.Count(shown, "Jane Doe: ") != 2 {
			t.Errorf("the thread is %s", shown)
		}
		if roots := slices.DeleteFunc(w.slack.Messages(), isInThread); len(roots) != 1 {
			t.Errorf("there are %d threads", len(roots))
		}
		if card := w.card(thread); len(card.Buttons) > 0 {
			t.Errorf("the card is %q with %v", card.Text, card.Buttons)
		}
	})
}

// While Slack refuses or is down, messages wait, in order.
func TestSlackIsDown(t *testing.T) {
	for name, test := range map[string]struct{ begin, end func(w *world) }{
		"it is down":      {func(w *world) { w.slack.Down(true) }, func(w *world) { w.slack.Down(false) }},
		"it asks to wait": {func(w *world) { w.slack.RateLimit("chat.postMessage", 30) }, func(*world) {}},
		"it asks to wait, with status 200": {
			func(w *world) { w.slack.Refuse("chat.postMessage", "rate_limited") }, func(w *world) { w.slack.Refuse("chat.postMessage", "") },
		},
		"its administrators forbid it": {
			func(w *world) { w.slack.Refuse("chat.postMessage", "restricted_action") }, func(w *world) { w.slack.Refuse("chat.postMessage", "") },
		},
		"the channel is archived": {
			func(w *world) { w.slack.Archive(true) }, func(w *world) { w.slack.Archive(false) },
		},
		"the app is removed from the channel": {func(w *world) { w.slack.Kick() }, func(w *world) { w.slack.Invite() }},
		"a scope is missing": {
			func(w *world) { w.slack.DropScope("chat:write.customize") },
			func(w *world) { w.slack.SetScopes(scopes...) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, true, func(t *testing.T, w *world) {
				jane, thread := w.jane(botpresstest.Escalation{Title: "Help"})
				test.begin(w)
				for _, word := range []string{"one", "two"} {
					if err := jane.Say(t.Context(), message.Text{Text: word}); err != nil {
						t.Log(err)
					}
					w.pass(20 * time.Second)
				}
				test.end(w)
				w.pass(20 * time.Minute)
				w.wantThread(thread, "Jane Doe: one", "Jane Doe: two")
			})
		})
	}
}

// scopes are those of the manifest.
var scopes = []string{"channels:history", "chat:write", "chat:write.customize", "files:read", "files:write", "groups:history", "users:read"}

// Whoever is in the thread can press its buttons, and only those.
func TestButtons(t *testing.T) {
	eachWay(t, func(t *testing.T, w *world) {
		sam := w.slack.NewMember("Sam Okafor")
		jane, thread := w.jane(botpresstest.Escalation{Title: "Help"})
		w.must(w.slack.Press(thread, w.rosa, actionTake))
		w.pass(2 * time.Second)
		w.must(w.slack.Press(thread, sam, actionTake))
		w.pass(2 * time.Second)
		if card := w.card(thread); !strings.HasSuffix(card.Text, "\nTaken by @Sam Okafor") {
			t.Errorf("the card is %q", card.Text)
		}
		// A button that looks like one of ours, in a message of the app that is no card.
		api := slack.New(w.slack.BotToken, slack.OptionAPIURL(w.slack.URL+"/api/"), slack.OptionHTTPClient(w.client()))
		_, ts, err := api.PostMessageContext(t.Context(), w.slack.Channel, slack.MsgOptionText("Hello", false), slack.MsgOptionBlocks(
			slack.NewActionBlock("", slack.NewButtonBlockElement(actionClose, "", plain("Close")))))
		w.must(err)
		w.must(w.slack.Press(ts, sam, actionClose))
		w.pass(2 * time.Second)
		if !jane.Active() {
			t.Error("another message's button has ended the session")
		}
		w.must(w.slack.Press(thread, sam, actionClose))
		w.pass(2 * time.Second)
		if jane.Active() {
			t.Error("the session goes on")
		}
		events := 0
		for _, e := range w.cloud.Events() {
			if strings.HasSuffix(e.Type, "hitlAssigned") {
				events++
			}
		}
		if events != 2 {
			t.Errorf("the bot was told of %d assignments, want two", events)
		}
	})
}

// What is written elsewhere concerns nobody, and costs no call of Botpress.
func TestOtherMessages(t *testing.T) {
	eachWay(t, func(t *testing.T, w *world) {
		jane, thread := w.jane(botpresstest.Escalation{Title: "Help"})
		zapier := w.slack.NewBot("Zapier")
		before := w.calls()
		ts, err := w.slack.Post(w.rosa, "Lunch?")
		w.must(err)
		w.answer(ts, w.rosa, "Yes")
		if n := w.calls() - before; n != 0 {
			t.Errorf("other threads cost %d calls of Botpress", n)
		}
		w.answer(thread, zapier, "A robot says this")
		_, err = w.slack.ReplyWithFile(thread, zapier, "", "internal.txt", "text/plain", []byte("a report"))
		w.must(err)
		w.pass(2 * time.Second)
		w.answer(thread, w.rosa, "I say this")
		w.want(jane, "Rosa Diaz: I say this")
	})
}

// Whom Slack does not show to the app may write and be mentioned all the same: it holds up nobody.
func TestHiddenMembers(t *testing.T) {
	eachWay(t, func(t *testing.T, w *world) {
		hidden := w.slack.NewStranger("Sam Okafor")
		w.slack.Hide(hidden)
		jane, thread := w.jane(botpresstest.Escalation{Title: "Help"})
		w.answer(thread, hidden, "I am from elsewhere")
		w.answer(thread, w.rosa, "And I ask @Sam Okafor")
		w.want(jane, "agent: I am from elsewhere", "Rosa Diaz: And I ask @"+hidden.ID)
	})
}

// The card is deleted: there is nothing left to work on.
func TestCardIsDeleted(t *testing.T) {
	eachWay(t, func(t *testing.T, w *world) {
		jane, thread := w.jane(botpresstest.Escalation{Title: "Help"})
		w.must(w.slack.DeleteAny(thread))
		w.pass(10 * time.Second)
		if jane.Active() {
			t.Error("the session goes on")
		}
	})
}

// A reply that is hidden, by an administrator for instance, stands in the thread as a deleted card does. The session goes on.
func TestReplyIsHidden(t *testing.T) {
	const card, hidden, reply = "1700000000.000001", "1700000001.000001", "1700000002.000001"
	for _, gone := range []string{card, hidden} {
		var messages []string
		for _, ts := range []string{card, hidden, reply} {
			subtype, user := "", "U0000ROSA"
			if ts == gone {
				subtype, user = "tombstone", "USLACKBOT"
			}
			messages = append(messages, fmt.Sprintf(`{"type":"message","subtype":%q,"user":%q,"ts":%q,"thread_ts":%q,"text":"Hi"}`, subtype, user, ts, card))
		}
		srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
			_, _ = fmt.Fprintf(rw, `{"ok":true,"messages":[%s]}`, strings.Join(messages, ","))
		}))
		t.Cleanup(srv.Close)
		d := &desk{api: slack.New("xoxb-1", slack.OptionAPIURL(srv.URL+"/")), bot: "B0000HITL"}
		events, err := d.Backfill(t.Context(), hitl.BackfillRequest{Session: hitl.Ref{ID: "C0123456789:" + card}})
		if gone == card && (err == nil || !refusal(err).Gone) {
			t.Errorf("the card is deleted, and the error is %v", err)
		}
		if gone == hidden && (err != nil || len(events) != 1) {
			t.Errorf("a reply is hidden, and of the thread is told: %v, %v", events, err)
		}
	}
}

// A long history is a file. The channel is another one's.
func TestLongTranscript(t *testing.T) {
	inBubble(t, true, func(t *testing.T, w *world) {
		u := w.in.NewEndUser(botpresstest.Profile{Name: "Jane Doe"})
		for range 3 {
			w.must(u.Say(t.Context(), message.Text{Text: strings.Repeat("Where is it? ", 150)}))
		}
		w.must(u.Escalate(context.Background(), botpresstest.Escalation{Description: strings.Repeat("d", 20_000)}))
		w.pass(15 * time.Second)
		all := w.slack.Messages()
		card, reply := all[0], all[1]
		if !strings.HasPrefix(card.Text, "A conversation with Jane Doe\nddd") || !strings.HasSuffix(card.Text, "d\nFrom Jane Doe\nWaiting for somebody to take it") {
			t.Errorf("the card is %.80q…", card.Text)
		}
		if len(reply.Files) != 1 || strings.Count(string(reply.Files[0].Data), "Where is it?") != 450 || reply.Files[0].Name != "transcript.txt" {
			t.Errorf("the first reply is %.200q with %d files", reply.Text, len(reply.Files))
		}
	})
}

// Slack counts what it gets: "&amp;" is five characters. A long message is a file, and one message, and so is a long history.
func TestEntities(t *testing.T) {
	long := strings.Repeat("<a&b>", 700)
	for name, noFiles := range map[string]bool{"files": false, "no files": true} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, true, func(t *testing.T, w *world) {
				if noFiles {
					w.slack.Refuse("files.getUploadURLExternal", "file_uploads_disabled")
				}
				u := w.in.NewEndUser(botpresstest.Profile{Name: "Jane Doe"})
				for range 3 {
					w.must(u.Say(t.Context(), message.Text{Text: long[:1000]}))
				}
				w.must(u.Escalate(t.Context(), botpresstest.Escalation{Title: "Help"}))
				w.pass(15 * time.Second)
				if all := w.slack.Messages(); len(all) != 2 || (len(all[1].Files) == 1) == noFiles {
					t.Errorf("the history is %d messages", len(all)-1)
				}
				w.say(u, long)
				w.pass(15 * time.Second)
				said := w.slack.Messages()[2:]
				if !noFiles && (len(said) != 1 || len(said[0].Files) != 1 || string(said[0].Files[0].Data) != long) {
					t.Errorf("the message is %d", len(said))
				}
				var text strings.Builder
				for _, m := range said {
					text.WriteString(m.Raw)
				}
				if noFiles && html.UnescapeString(text.String()) != long {
					t.Errorf("the message is %.200q in %d", text.String(), len(said))
				}
			})
		})
	}
}

// A reply is edited twice, and the first event is late: what the end user reads last is what the reply says.
func TestLateEdit(t *testing.T) {
	eachWay(t, func(t *testing.T, w *world) {
		jane, thread := w.jane(botpresstest.Escalation{Title: "Help"})
		ts := w.answer(thread, w.rosa, "It comes on Monday.")
		lift := w.cloud.Fault(botpresstest.Fault{Operation: botpresstest.AnyAPICall, Kind: botpresstest.Unavailable})
		w.must(w.slack.Edit(ts, w.rosa, "It comes on Tuesday."))
		w.pass(4 * time.Second)
		lift()
		w.must(w.slack.Edit(ts, w.rosa, "It comes on Wednesday."))
		w.pass(10 * time.Minute)
		w.want(jane, "Rosa Diaz: It comes on Monday.", "Rosa Diaz: Correction: It comes on Wednesday.")
	})
}

// Two members press the buttons at the same time, and what Take draws arrives after what Close has drawn.
func TestTakeIsLate(t *testing.T) {
	eachWay(t, func(t *testing.T, w *world) {
		sam := w.slack.NewMember("Sam Okafor")
		jane, thread := w.jane(botpresstest.Escalation{Title: "Help"})
		pressed := make(chan error)
		w.slack.Slow(100 * time.Millisecond)
		go func() { pressed <- w.slack.Press(thread, sam, actionTake) }()
		w.pass(350 * time.Millisecond) // Take has been written down, and is read back.
		w.slack.Slow(time.Second)
		w.pass(100 * time.Millisecond) // The card is on its way.
		w.slack.Slow(0)
		w.must(w.slack.Press(thread, w.rosa, actionClose))
		w.pass(100 * time.Millisecond)
		if card := w.card(thread); !strings.HasSuffix(card.Text, "\nClosed by @Rosa Diaz. "+reaches) {
			t.Errorf("after Close, the card is %q", card.Text)
		}
		w.pass(5 * time.Second)
		w.must(<-pressed)
		if jane.Active() {
			t.Error("the session goes on")
		}
		if card := w.card(thread); !strings.HasSuffix(card.Text, "\nClosed by @Rosa Diaz. "+reaches) || len(card.Buttons) > 0 {
			t.Errorf("the session is over, and the card is %q with %v", card.Text, card.Buttons)
		}
	})
}

// A member who presses a button does not wait until all is done: Slack would warn them after three seconds.
func TestButtonOfASlowSlack(t *testing.T) {
	inBubble(t, true, func(t *testing.T, w *world) {
		jane, thread := w.jane(botpresstest.Escalation{Title: "Help"})
		w.slack.Slow(time.Second)
		w.must(w.slack.Press(thread, w.rosa, actionClose))
		w.pass(30 * time.Second)
		if jane.Active() {
			t.Error("the session goes on")
		}
	})
}

// Slack does not let the app change the card for now: the end user is told of the end all the same, and the buttons go later.
func TestCardStaysForNow(t *testing.T) {
	for _, code := range []string{"internal_error", "update_failed", "is_inactive", "edit_window_closed", "restricted_action_read_only_channel"} {
		t.Run(code, func(t *testing.T) {
			inBubble(t, true, func(t *testing.T, w *world) {
				jane, thread := w.jane(botpresstest.Escalation{Title: "Help"})
				w.slack.Refuse("chat.update", code)
				w.must(jane.End(t.Context()))
				w.pass(2 * time.Second)
				if jane.Active() {
					t.Error("the session goes on")
				}
				w.slack.Refuse("chat.update", "")
				w.pass(time.Hour)
				if card := w.card(thread); len(card.Buttons) > 0 {
					t.Errorf("an hour later, the card has %v", card.Buttons)
				}
			})
		})
	}
}

// Slack fails before the card of a closed thread is drawn: whoever presses a button that is still there brings it up to date.
func TestStaleCard(t *testing.T) {
	inBubble(t, false, func(t *testing.T, w *world) {
		jane, thread := w.jane(botpresstest.Escalation{Title: "Help"})
		w.slack.Refuse("chat.update", "internal_error")
		if err := w.slack.Press(thread, w.rosa, actionClose); err == nil {
			t.Error("the member is not told that the button has failed")
		}
		w.pass(time.Second)
		if card := w.card(thread); len(card.Buttons) == 0 {
			t.Fatal("the card was drawn")
		}
		w.slack.Refuse("chat.update", "")
		w.pass(20 * time.Minute) // The sweep reads that it is over.
		if jane.Active() {
			t.Error("the session goes on")
		}
		w.must(w.slack.Press(thread, w.rosa, actionTake))
		w.pass(time.Second)
		if card := w.card(thread); !strings.HasSuffix(card.Text, "\nClosed by @Rosa Diaz. "+reaches) || len(card.Buttons) > 0 {
			t.Errorf("the card is %q with %v", card.Text, card.Buttons)
		}
	})
}

// Who reads the log learns why there is no connection.
func TestConnectionThatSlackRefuses(t *testing.T) {
	inBubble(t, true, func(t *testing.T, w *world) {
		w.pass(time.Second)
		w.slack.Refuse("apps.connections.open", "missing_scope")
		w.slack.DropSockets()
		w.pass(time.Minute)
		synctest.Wait()
		if log := w.log.String(); !strings.Contains(log, "lacks a scope") {
			t.Errorf("the log has %s", log)
		}
	})
}

// What is long, and has entities, stays as it is when the card's state changes.
func TestLongCard(t *testing.T) {
	eachWay(t, func(t *testing.T, w *world) {
		jane, thread := w.jane(botpresstest.Escalation{Title: strings.Repeat("&", 200), Description: strings.Repeat("a < b && c > d\n", 400)})
		w.must(w.slack.Press(thread, w.rosa, actionTake))
		w.pass(2 * time.Second)
		if card := w.card(thread); !strings.HasSuffix(card.Text, "\nTaken by @Rosa Diaz") || !strings.Contains(card.Text, "\na < b && c > d\na < b") {
			t.Errorf("the card is %q", card.Text)
		}
		w.must(jane.End(t.Context()))
		w.pass(2 * time.Second)
		if card := w.card(thread); len(card.Buttons) > 0 {
			t.Errorf("the session is over, and the card has %v", card.Buttons)
		}
	})
}

// The bot's owner is told of tokens that do not do, also of the one that only the background uses.
func TestTokensAreTried(t *testing.T) {
	s := slacktest.New(slacktest.Options{})
	t.Cleanup(s.Close)
	for name, spoil := range map[string]func(*Config){
		"app token": func(c *Config) { c.AppToken = "xapp-1-other" }, "bot token": func(c *Config) { c.BotToken = "xoxb-other" },
	} {
		c := configOf(s)
		spoil(&c)
		_, err := workspace{url: s.URL + "/api/"}.connect(t.Context(), hitl.Installation{HTTPClient: http.DefaultClient}, c)
		if err == nil || !strings.Contains(err.Error(), "xapp-") {
			t.Errorf("with another %s: %v", name, err)
		}
	}
	s.RateLimit("apps.connections.open", 60) // What passes is left to the background.
	if _, err := (workspace{url: s.URL + "/api/"}).connect(t.Context(), hitl.Installation{HTTPClient: http.DefaultClient}, configOf(s)); err != nil {
		t.Errorf("when Slack has been asked too often: %v", err)
	}
	member := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"ok":true,"user_id":"U1"}`) // Of a bot, Slack tells bot_id, too.
	}))
	t.Cleanup(member.Close)
	if _, err := (workspace{url: member.URL + "/"}).connect(t.Context(), hitl.Installation{HTTPClient: http.DefaultClient}, configOf(s)); err == nil || !strings.Contains(err.Error(), "a member's") {
		t.Errorf("with a member's token: %v", err)
	}
}

// A bot may hand over without words, or with blanks alone: Slack refuses blocks in which nothing is seen.
func TestBlankTitle(t *testing.T) {
	for name, e := range map[string]botpresstest.Escalation{
		"blanks": {Title: "  ", Description: "\n "}, "invisible": {Title: "\u200b", Description: "\u200b"}, "none": {},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, true, func(t *testing.T, w *world) {
				_, thread := w.jane(e)
				if card := w.card(thread); !strings.HasPrefix(card.Text, "A conversation with Jane Doe\n") {
					t.Errorf("the card is %q", card.Text)
				}
			})
		})
	}
}

// The administrators allow no files: the newest part of a long history is better than no session.
func TestLongTranscriptWithoutFiles(t *testing.T) {
	inBubble(t, true, func(t *testing.T, w *world) {
		w.slack.Refuse("files.getUploadURLExternal", "file_uploads_disabled")
		u := w.in.NewEndUser(botpresstest.Profile{Name: "Jane Doe"})
		for range 3 {
			w.must(u.Say(t.Context(), message.Text{Text: strings.Repeat("Where is it? ", 150)}))
		}
		w.must(u.Escalate(t.Context(), botpresstest.Escalation{Title: "Help"}))
		w.pass(15 * time.Second)
		if reply := w.slack.Messages()[1]; len(reply.Files) > 0 || strings.Count(reply.Text, "Where is it?") < 150 || len(reply.Text) > 4_000 {
			t.Errorf("the first reply is %.200q of %d bytes with %d files", reply.Text, len(reply.Text), len(reply.Files))
		}
	})
}

// Botpress is down for a while: Slack repeats its events, and nothing is lost or comes twice.
func TestBotpressIsDown(t *testing.T) {
	eachWay(t, func(t *testing.T, w *world) {
		jane, thread := w.jane(botpresstest.Escalation{Title: "Help"})
		lift := w.cloud.Fault(botpresstest.Fault{Operation: botpresstest.AnyAPICall, Kind: botpresstest.Unavailable})
		w.answer(thread, w.rosa, "one")
		ts := w.answer(thread, w.rosa, "two")
		w.pass(40 * time.Second)
		w.want(jane)
		lift()
		w.must(w.slack.Edit(ts, w.rosa, "zwei"))
		w.pass(2 * time.Second)
		w.answer(thread, w.rosa, "three")
		w.pass(10 * time.Minute)
		if got := heard(jane); strings.Count(got, "Rosa Diaz: one\n") != 1 || strings.Count(got, "Rosa Diaz: zwei\n")+strings.Count(got, "Rosa Diaz: Correction: zwei\n") == 0 ||
			strings.Count(got, "Rosa Diaz: three\n") != 1 || strings.Contains(got, "three\nRosa Diaz: one") {
			t.Errorf("the end user was shown\n%s", got)
		}
	})
}
