package main

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"maps"
	"strings"

	"github.com/slack-go/slack"

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

// Slack keeps metadata with each of our messages: with the first one of a thread what has become of the session, with the others
// what they are. What a lost event has said can be read there.
const (
	eventCard    = "hitl_session"
	conversation = "conversation" // The session in Botpress.
	taken        = "taken"        // When somebody took it.
	takenBy      = "taken_by"     // Who it was: their ID.
	closed       = "closed"       // Who closed it: their ID, or "bot" if it ended on the other side.

	eventMessage = "hitl_message"
	key          = "key"
)

// card is a thread's first message: what it is about, who has it, and the buttons.
type card struct {
	intro []slack.Block
	is    map[string]any // Its metadata: strings.
}

const (
	blockStatus  = "status"
	blockButtons = "buttons"
	actionTake   = "take"
	actionClose  = "close"
)

func newCard(r hitl.StartHitlRequest[Session]) card {
	const longestTitle, longestSection = 150, 3_000
	c := card{is: map[string]any{conversation: r.ConversationID}}
	title := cmp.Or(message.Title(r.Title, 0, message.UTF16), "A conversation with "+r.UserName) // Slack refuses a title of blanks.
	mark := map[string]string{"high": "🔴 ", "low": "⚪ "}[r.Session.Urgency]
	c.intro = append(c.intro, slack.NewHeaderBlock(plain(message.Title(mark+title, longestTitle, message.UTF16))))
	if parts := message.Split(r.Description, longestSection, message.UTF16); len(parts) > 0 { // Slack takes some 13,000 characters in all.
		c.intro = append(c.intro, slack.NewSectionBlock(plain(parts[0]), nil, nil))
	}
	if who := strings.Trim(r.UserName+" · "+r.UserEmail, " ·"); who != "" {
		c.intro = append(c.intro, slack.NewContextBlock("who", plain(message.Title("From "+who, longestSection, message.UTF16))))
	}
	return c
}

func plain(text string) *slack.TextBlockObject {
	return slack.NewTextBlockObject(slack.PlainTextType, text, false, false)
}

// options are the card as it is posted.
func (c card) options() []slack.MsgOption {
	by := func(key string) string { id, _ := c.is[key].(string); return "<@" + id + ">" }
	status, take := "Waiting for somebody to take it", "Take"
	switch {
	case c.is[closed] == "bot":
		status = "Closed by the end user or the bot"
	case c.is[closed] != nil:
		status = "Closed by " + by(closed)
	case c.is[takenBy] != nil:
		status, take = "Taken by "+by(takenBy), "Take over"
	}
	blocks := append(c.intro[:len(c.intro):len(c.intro)], slack.NewContextBlock(blockStatus, slack.NewTextBlockObject(slack.MarkdownType, status, false, false)))
	if c.is[closed] == nil {
		blocks = append(blocks, slack.NewActionBlock(blockButtons,
			slack.NewButtonBlockElement(actionTake, "", plain(take)).WithStyle(slack.StylePrimary),
			slack.NewButtonBlockElement(actionClose, "", plain("Close")).WithStyle(slack.StyleDanger)))
	}
	header, _ := c.intro[0].(*slack.HeaderBlock)
	return []slack.MsgOption{
		slack.MsgOptionText(header.Text.Text, true), slack.MsgOptionBlocks(blocks...),
		slack.MsgOptionMetadata(slack.SlackMetadata{EventType: eventCard, EventPayload: c.is}),
	}
}

var errNoCard = errors.New("slack: the thread does not begin with a card")

func cardOf(m slack.Msg) (card, error) {
	c := card{is: m.Metadata.EventPayload}
	for _, b := range m.Blocks.BlockSet {
		if b.ID() != blockStatus && b.ID() != blockButtons {
			c.intro = append(c.intro, b)
		}
	}
	if m.Metadata.EventType != eventCard || len(c.intro) == 0 || c.intro[0].BlockType() != slack.MBTHeader {
		return card{}, errNoCard // It has been deleted, for instance.
	}
	return c, nil
}

// card reads a thread's first message.
func (d *desk) card(ctx context.Context, t thread) (card, error) {
	for m, err := range d.read(ctx, t, "") {
		if err != nil {
			return card{}, err
		}
		return cardOf(m)
	}
	return card{}, errNoCard
}

// redraw writes down what has become of a session, and shows it.
func (d *desk) redraw(ctx context.Context, t thread, c card, is map[string]any) error {
	maps.Copy(c.is, is)
	_, _, _, err := d.api.UpdateMessageContext(ctx, t.channel, t.ts, c.options()...)
	return err
}

const endMessage = "end"

// end closes a thread. The message comes first: whoever takes the session at the same time finds it after they have written.
func (d *desk) end(ctx context.Context, t thread, c card, by string) error {
	_, err := d.once(ctx, t, endMessage, func() ([]slack.MsgOption, error) {
		return words("The conversation is over. What is written here from now on reaches nobody."), nil
	})
	if err == nil {
		err = d.redraw(ctx, t, c, map[string]any{closed: by})
	}
	return err
}

// take writes down who has taken a session, and that it is over if it has been closed meanwhile.
func (d *desk) take(ctx context.Context, t thread, c card, is map[string]any) error {
	if err := d.redraw(ctx, t, c, is); err != nil {
		return err
	}
	for m, err := range d.read(ctx, t, "") {
		switch {
		case err != nil:
			return err
		case m.BotID == d.bot && m.Metadata.EventPayload[key] == endMessage:
			return d.redraw(ctx, t, c, map[string]any{closed: "bot"})
		}
	}
	return nil
}

// begun finds the thread of a session that an earlier attempt has begun, which is among the newest.
func (d *desk) begun(ctx context.Context, channel, conversationID string) (ts string, err error) {
	const newest = 100
	got, err := d.api.GetConversationHistoryContext(ctx, &slack.GetConversationHistoryParameters{ChannelID: channel, Limit: newest, IncludeAllMetadata: true})
	if err != nil {
		return "", err
	}
	for _, m := range got.Messages {
		if m.BotID == d.bot && m.Metadata.EventType == eventCard && m.Metadata.EventPayload[conversation] == conversationID {
			return m.Timestamp, nil
		}
	}
	return "", nil
}

// once posts a message, unless it is there already, and says when it was posted. Nobody knows for sure that an attempt is the first:
// another process may have died after it had posted.
func (d *desk) once(ctx context.Context, t thread, what string, say func() ([]slack.MsgOption, error)) (ts string, err error) {
	for m, err := range d.read(ctx, t, "") {
		if err != nil || m.BotID == d.bot && m.Metadata.EventType == eventMessage && m.Metadata.EventPayload[key] == what {
			return m.Timestamp, err
		}
	}
	options, err := say()
	if err != nil {
		return "", err
	}
	mark := slack.SlackMetadata{EventType: eventMessage, EventPayload: map[string]any{key: what}}
	_, ts, err = d.api.PostMessageContext(ctx, t.channel, append(options, slack.MsgOptionTS(t.ts), slack.MsgOptionMetadata(mark))...)
	return ts, err
}

// read ranges over the messages of a thread from a time on, oldest first.
func (d *desk) read(ctx context.Context, t thread, oldest string) iter.Seq2[slack.Msg, error] {
	return func(yield func(slack.Msg, error) bool) {
		const page = 200
		p := slack.GetConversationRepliesParameters{ChannelID: t.channel, Timestamp: t.ts, Oldest: oldest, Inclusive: true, Limit: page, IncludeAllMetadata: true}
		for more := true; more; more = p.Cursor != "" {
			messages, _, next, err := d.api.GetConversationRepliesContext(ctx, &p)
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
