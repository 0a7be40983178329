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

// Slack keeps metadata with each of our messages: with the first one of a thread, the card, its conversation in Botpress; with the
// others what they are. What becomes of a session is a message of its own, since two members can write at the same time, and one
// would overwrite what the other one has written in the card.
const (
	eventCard    = "hitl_session"
	conversation = "conversation"

	eventMessage = "hitl_message"
	key          = "key"
	member       = "member" // Who has taken or closed it: their ID, or nothing if it ended on the other side.

	taken  = "taken/" // The beginning of a key.
	closed = "closed"
)

// card is a thread's first message: what it is about, what has become of it, and the buttons.
type card struct {
	title  string // As Slack has it, with entities.
	about  []slack.Block
	status string // Empty: nobody has taken it.
	closed bool
}

const over = "The conversation is over. What is written here from now on reaches nobody."

const (
	blockStatus  = "status"
	blockButtons = "buttons"
	actionTake   = "take"
	actionClose  = "close"
)

const longestTitle, longestSection = 150, 3_000

func newCard(r hitl.StartHitlRequest[Session]) card {
	title := cmp.Or(message.Title(r.Title, 0, message.UTF16), "A conversation with "+r.UserName) // Slack refuses a title of blanks.
	mark := map[string]string{"high": "🔴 ", "low": "⚪ "}[r.Session.Urgency]
	title = fit(message.Title(mark+title, longestTitle, message.UTF16), longestTitle)
	c := card{title: slackutilsx.EscapeMessage(title), about: []slack.Block{slack.NewHeaderBlock(plain(title))}}
	if about := fit(r.Description, longestSection); about != "" { // Slack takes some 13,000 characters in all.
		c.about = append(c.about, slack.NewSectionBlock(plain(about), nil, nil))
	}
	if who := strings.Trim(r.UserName+" · "+r.UserEmail, " ·"); who != "" {
		c.about = append(c.about, slack.NewContextBlock("who", plain(fit("From "+who, longestSection))))
	}
	return c
}

// fit is as much of a text as fits into a block: Slack gives it back with entities, and counts them when the card is drawn again.
func fit(text string, most int) string {
	for limit := most; ; {
		parts := append(message.Split(text, limit, message.UTF16), "")
		length := message.UTF16.Len(slackutilsx.EscapeMessage(parts[0]))
		if length <= most {
			return parts[0]
		}
		limit = limit * most / length
	}
}

func plain(text string) *slack.TextBlockObject {
	return slack.NewTextBlockObject(slack.PlainTextType, text, false, false)
}

// options are the card as it is posted.
func (c card) options() []slack.MsgOption {
	status := slack.NewTextBlockObject(slack.MarkdownType, cmp.Or(c.status, "Waiting for somebody to take it"), false, false)
	blocks := append(c.about, slack.NewContextBlock(blockStatus, status))
	if !c.closed {
		take := slack.NewButtonBlockElement(actionTake, "", plain("Take")).WithStyle(slack.StylePrimary)
		if c.status != "" {
			take.Text = plain("Take over")
		}
		blocks = append(blocks, slack.NewActionBlock(blockButtons, take,
			slack.NewButtonBlockElement(actionClose, "", plain("Close")).WithStyle(slack.StyleDanger)))
	}
	return []slack.MsgOption{slack.MsgOptionText(c.title, false), slack.MsgOptionBlocks(blocks...)}
}

// errNoCard means that the card has been deleted, for instance.
var errNoCard = &hitl.Error{Message: "The thread in Slack does not begin with a card.", Gone: true}

// card reads a thread: what it is about in its first message, what has become of it in the others.
func (d *desk) card(ctx context.Context, t thread) (c card, err error) {
	for m, err := range d.read(ctx, t, "") {
		what, by := d.markOf(m)
		switch {
		case err != nil:
			return card{}, err
		case m.Timestamp == t.ts && m.Metadata.EventType != eventCard:
			return card{}, errNoCard
		case m.Timestamp == t.ts:
			c.title = m.Text
			for _, b := range m.Blocks.BlockSet {
				if b.ID() != blockStatus && b.ID() != blockButtons {
					c.about = append(c.about, b)
				}
			}
		case what == closed && by == "":
			c.status, c.closed = "Closed by the end user or the bot", true
		case what == closed:
			c.status, c.closed = "Closed by <@"+by+">", true
		case strings.HasPrefix(what, taken) && !c.closed:
			c.status = "Taken by <@" + by + ">"
		}
	}
	return c, nil
}

// draw brings the card up to date. Whoever writes it last may have read too early, and reads again.
func (d *desk) draw(ctx context.Context, t thread) error {
	for drawn := (card{}); ; {
		c, err := d.card(ctx, t)
		if err != nil || c.status == drawn.status {
			return err
		}
		if _, _, _, err = d.api.UpdateMessageContext(ctx, t.channel, t.ts, c.options()...); err != nil || c.closed {
			return err
		}
		drawn = c
	}
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

// once posts a message, unless it is there already, and returns its name. Nobody knows for sure that an attempt is the first:
// another process may have died after it had posted.
func (d *desk) once(ctx context.Context, t thread, what, by string, say func() ([]slack.MsgOption, error)) (hitl.Ref, error) {
	for m, err := range d.read(ctx, t, "") {
		if is, _ := d.markOf(m); err != nil || is == what {
			return hitl.Ref{ID: thread{t.channel, m.Timestamp}.String()}, err
		}
	}
	options, err := say()
	if err != nil {
		return hitl.Ref{}, err
	}
	mark := slack.SlackMetadata{EventType: eventMessage, EventPayload: map[string]any{key: what, member: by}}
	_, ts, err := d.api.PostMessageContext(ctx, t.channel, append(options, slack.MsgOptionTS(t.ts), slack.MsgOptionMetadata(mark))...)
	return hitl.Ref{ID: thread{t.channel, ts}.String()}, err
}

// write posts a message that is known already, once.
func (d *desk) write(ctx context.Context, t thread, what, by string, message ...slack.MsgOption) error {
	_, err := d.once(ctx, t, what, by, func() ([]slack.MsgOption, error) { return message, nil })
	return err
}

// markOf tells what one of our messages in a thread is. Those of others have no mark.
func (d *desk) markOf(m slack.Msg) (what, by string) {
	if m.BotID == d.bot && m.Metadata.EventType == eventMessage {
		what, _ = m.Metadata.EventPayload[key].(string)
		by, _ = m.Metadata.EventPayload[member].(string)
	}
	return what, by
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
