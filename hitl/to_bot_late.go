package hitl

import (
	"context"

	"github.com/hitl-go/sdk/hitl/bplog"
)

// lateReply is what an agent reads whose reply came after the end.
const lateReply = "The conversation with the bot has ended. The customer did not get this reply."

// notifyLate tells the agent that a reply came after the end of the session and reached nobody. If the desk cannot be told,
// the bot's owner is. It never fails: the desk would repeat the reply.
func (b *toBot) notifyLate(ctx context.Context, ses *session, e Replied) {
	var err error
	if n, ok := adapterAs[Notifier](b.desk.adapter); ok {
		err = n.Notify(ctx, Notice{ConversationID: ses.conversationID, Session: ses.ref, MessageID: e.ID, Text: lateReply})
		if err == nil {
			return
		}
	}
	b.log.WarnContext(ctx, "An agent's reply came after the end of the session and reached nobody", "message", e.ID, "error", err, bplog.ForBotOwner())
}
