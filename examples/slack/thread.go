package main

import (
	"cmp"
	"context"
	"iter"
	"strings"

	"github.com/slack-go/slack"
	"github.com/slack-go/slack/slackutilsx"

	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/message"
)

// thread is a session in Slack, or a message: the time of a message is its ID in the channel.
type thread struct{ channel, ts string }

func (t thread) String() string { return t.channel + ":" + t.ts }

func threadOf(id string) thread {
	channel, ts, _ := strings.Cut(id, ":")
	return thread{channel, ts}
}

// Slack keeps metadata with each of our messages, which tells what it is. What becomes of a session is a message of its own, since
// two members can press a button at the same time, and one would overwrite what the other one has written in the first message.
const (
	begun  = "session/" // And the conversation in Botpress.
	taken  = "taken/"   // And the time when the button was pressed, a slash, and the ID of who has pressed it.
	closed = "closed"

	actionTake  = "take"
	actionClose = "close"
)

// card is a thread's first message: what it is about, who asks, and below, what has become of it.
func card(r hitl.StartHitlRequest[Session]) []slack.MsgOption {
	const longestTitle, longestSection, mostSections = 150, 3_000, 2 // Slack has refused messages of 11,000 characters.
	mark := map[string]string{"high": "🔴 ", "low": "⚪ "}[r.Session.Urgency]
	title := message.Title(mark+cmp.Or(r.Title, "A conversation with "+r.UserName), longestTitle, message.UTF16)
	blocks := []slack.Block{slack.NewHeaderBlock(plain(title))}
	about := message.Split(r.Description, longestSection, message.UTF16)
	for _, part := range about[:min(len(about), mostSections)] {
		blocks = append(blocks, slack.NewSectionBlock(plain(part), nil, nil))
	}
	if who := strings.Trim(r.UserName+" · "+r.UserEmail, " ·"); who != "" {
		blocks = append(blocks, slack.NewContextBlock("", plain("From "+who)))
	}
	return []slack.MsgOption{slack.MsgOptionText(slackutilsx.EscapeMessage(title), false), slack.MsgOptionBlocks(blocks...), state("Waiting for somebody to take it", false)}
}

func plain(text string) *slack.TextBlockObject {
	return slack.NewTextBlockObject(slack.PlainTextType, text, false, false)
}

// state is what has become of a session, and the buttons. It is an attachment: Slack changes that and leaves the rest as it is.
func state(status string, isOver bool) slack.MsgOption {
	blocks := []slack.Block{slack.NewContextBlock("", slack.NewTextBlockObject(slack.MarkdownType, status, false, false))}
	if !isOver {
		blocks = append(blocks, slack.NewActionBlock("",
			slack.NewButtonBlockElement(actionTake, "", plain("Take")).WithStyle(slack.StylePrimary),
			slack.NewButtonBlockElement(actionClose, "", plain("Close")).WithStyle(slack.StyleDanger)))
	}
	return slack.MsgOptionAttachments(slack.Attachment{Blocks: slack.Blocks{BlockSet: blocks}, Fallback: status})
}

// over says in a thread who has ended it.
func over(who string) slack.MsgOption {
	return slack.MsgOptionText("Closed by "+who+". What is written here from now on reaches nobody.", false)
}

// status is the newest of our messages that says what has become of a session, if there is one.
func (d *desk) status(ctx context.Context, t thread) (text string, isOver bool, err error) {
	for m, err := range d.read(ctx, t, "") {
		switch what := d.markOf(m); {
		case err != nil || what == closed:
			return m.Text, true, err
		case strings.HasPrefix(what, taken):
			text = m.Text
		}
	}
	return text, false, nil
}

// draw brings the card up to date. Whoever writes it last may have read too early, and reads again.
func (d *desk) draw(ctx context.Context, t thread) error {
	for drawn := ""; ; {
		status, isOver, err := d.status(ctx, t)
		if err != nil || status == drawn {
			return err
		}
		if _, _, _, err = d.api.UpdateMessageContext(ctx, t.channel, t.ts, state(status, isOver)); err != nil || isOver {
			return err
		}
		drawn = status
	}
}

// once posts a message in a thread, or in a channel, unless it is there already, and returns its name. Nobody knows for sure that an
// attempt is the first: another process may have died after it had posted.
func (d *desk) once(ctx context.Context, t thread, what string, say func() ([]slack.MsgOption, error)) (hitl.Ref, error) {
	for m, err := range d.read(ctx, t, "") {
		if err != nil || d.markOf(m) == what {
			return hitl.Ref{ID: thread{t.channel, m.Timestamp}.String()}, err
		}
	}
	options, err := say()
	if err != nil {
		return hitl.Ref{}, err
	}
	p := slack.NewPostMessageParameters()
	p.ThreadTimestamp, p.MetaData = t.ts, slack.SlackMetadata{EventType: "hitl_message", EventPayload: map[string]any{"key": what}}
	_, ts, err := d.api.PostMessageContext(ctx, t.channel, append(options, slack.MsgOptionPostMessageParameters(p))...)
	return hitl.Ref{ID: thread{t.channel, ts}.String()}, err
}

// write posts a message that is known already, once.
func (d *desk) write(ctx context.Context, t thread, what string, message ...slack.MsgOption) (hitl.Ref, error) {
	return d.once(ctx, t, what, func() ([]slack.MsgOption, error) { return message, nil })
}

// markOf tells what one of our messages is. Those of others have no mark.
func (d *desk) markOf(m slack.Msg) (what string) {
	if m.BotID == d.bot {
		what, _ = m.Metadata.EventPayload["key"].(string)
	}
	return what
}

// read ranges over the messages of a thread from a time on, oldest first, of which the first one is the card. Without a thread, they
// are the newest ones of the channel.
func (d *desk) read(ctx context.Context, t thread, oldest string) iter.Seq2[slack.Msg, error] {
	return func(yield func(slack.Msg, error) bool) {
		p := slack.GetConversationRepliesParameters{ChannelID: t.channel, Timestamp: t.ts, Oldest: oldest, Inclusive: true, Limit: 200, IncludeAllMetadata: true}
		list := d.api.GetConversationRepliesContext
		if t.ts == "" {
			list = d.newest
		}
		for more := true; more; more = p.Cursor != "" {
			messages, _, next, err := list(ctx, &p)
			if err != nil {
				yield(slack.Msg{}, err)
				return
			}
			for _, m := range messages {
				if !yield(m.Msg, nil) {
					return
				}
			}
			p.Cursor = next
		}
	}
}

// newest lists the newest messages of a channel: a session that an earlier attempt has begun is among them.
func (d *desk) newest(ctx context.Context, p *slack.GetConversationRepliesParameters) (messages []slack.Message, more bool, cursor string, err error) {
	got, err := d.api.GetConversationHistoryContext(ctx, &slack.GetConversationHistoryParameters{ChannelID: p.ChannelID, Limit: p.Limit, IncludeAllMetadata: true})
	if err != nil {
		return nil, false, "", err
	}
	return got.Messages, false, "", nil
}
