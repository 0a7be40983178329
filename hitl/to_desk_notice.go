package hitl

import (
	"context"
	"log/slog"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/hitl/bplog"
)

// What an agent reads whose reply reached nobody.
const (
	lateReply    = "The conversation with the bot has ended. The customer did not get this reply."
	refusedReply = "The bot cannot pass this reply on. The customer did not get it. It may be too long, or have a file that cannot be read."
)

// notifyUnseen tells the agent that a reply reached nobody. If the desk cannot be told, the bot's owner is. It never fails: the
// desk would repeat the reply.
func (d *toDesk) notifyUnseen(ctx context.Context, ses *session, messageID, text string) {
	var err error
	if n, ok := adapterAs[Notifier](d.adapter); ok {
		err = n.Notify(ctx, Notice{ConversationID: ses.conversationID, Session: ses.ref, MessageID: messageID, Text: text})
		if err == nil {
			return
		}
	}
	d.log.WarnContext(ctx, "An agent's reply reached nobody",
		slog.String("message", messageID), slog.String("reason", text), slog.Any("error", err), bplog.ForBotOwner())
}

// notifyScheduled does the same for replies that are still scheduled when the session ends.
func (d *toDesk) notifyScheduled(ctx context.Context, ses *session) {
	if !d.sessions.activating(ses) {
		return
	}
	for m, err := range d.in.Client.ListMessages(ctx, botpress.ListMessagesParams{ConversationID: ses.conversationID}) {
		if err != nil {
			d.log.WarnContext(ctx, "replies may have come after the end of the session and reached nobody", "error", err)
			return
		}
		if due := parseTimestamp(m.Tags[tagDue]); due.After(d.sessions.clock.now()) {
			d.notifyUnseen(ctx, ses, m.Tags[tagID], lateReply)
		}
	}
}
