package hitltest

// install comes before all rules, and has no subtest.
var install = rule{
	name: "install",
	text: "The integration can be installed: Definition and types are valid, connect accepts the Config, and Register, if there is one, succeeds.",
}

// rules are all rules in the order of their checks.
var rules = []rule{
	{
		name: "refs", check: refs,
		text: "Botpress stores a Ref as tags: users and sessions have an ID, no value has more than 500 characters, and the Definition " +
			"declares the names of the tags.",
	},
	{
		name: "user-twice", check: userTwice,
		text: "CreateUser is called before each session, and retried when its answer was lost, perhaps on another replica. The same UserID " +
			"must return the same user of the desk, under whatever name. Store the UserID in the desk, and look for it first.",
	},
	{
		name: "user-apart", check: userApart,
		text: "Two end users are two users of the desk, even if they have the same name and no e-mail address. Never look users up by " +
			"a value that may be empty or shared: one user would read the other's conversation.",
	},
	{
		name: "start-twice", check: startTwice,
		text: "StartHitl is retried when its answer was lost, perhaps on another replica. The same ConversationID must return the same " +
			"session. Store the ConversationID in the desk when the session is opened, and look for it before you open one.",
	},
	{
		name: "start-apart", check: startApart,
		text: "Another ConversationID is another session, even if the same end user has one that is still open.",
	},
	{
		name: "start-anything", check: startAnything,
		text: "StartHitl succeeds with any title, description and history, also if they are empty or longer than the desk accepts: by then " +
			"the end user has been promised a human. See StartHitlRequest.Transcript.",
	},
	{
		name: "start-history", check: startHistory, needs: []string{"Wire"},
		text: "Agents get the title, the description and what was said before: otherwise the end user has to say it again. " +
			"See StartHitlRequest.Transcript. If the desk has no place for some of it, waive this rule.",
	},
	{
		name: "stop-twice", check: stopTwice,
		text: "StopHitl succeeds if the session is over already: the request may be a retry, and an agent may have been faster.",
	},
	{
		name: "stop-unknown", check: stopUnknown,
		text: "StopHitl of a session that the desk no longer has returns nil, or a *hitl.Error that is Gone. After another permanent error the " +
			"end user is not told of the end; a transient one is retried in vain.",
	},
	{
		name: "stop-stays-closed", check: stopStaysClosed, needs: []string{"Open"},
		text: "After StopHitl the session is over in the desk, and stays so: the bot's last words (Stopped) often come afterwards. Many desks " +
			"reopen a session when the end user writes, so never send them as the end user, nor change the status with them.",
	},
	{
		name: "message-types", check: messageTypes,
		text: "SendMessage accepts every type of message, or rejects it with a *hitl.Error; future types arrive as message.Unknown. Any other " +
			"error is retried again and again, a panic is a bug, and what is dropped is lost. message.PlainText converts any message to text.",
	},
	{
		name: "message-parts", check: messageParts,
		text: "The items of a bloc arrive as messages with the same MessageID and another Part, and each must reach the desk. An idempotency " +
			"key of the MessageID alone drops all but the first. The message ids that SendMessage returns are unique, or empty.",
	},
	{
		name: "message-twice", check: messageTwice,
		text: "SendMessage is retried when its answer was lost, perhaps on another replica. The desk must have the message once. Use " +
			"SendMessageRequest.Key as idempotency key, or check whether the message exists; if the desk supports neither, waive this rule.",
	},
	{
		name: "bot-speaks", check: botSpeaks,
		text: "The bot sends messages, too: UserID and Author are zero then, and Name may be empty. Its last message often comes after " +
			"the end of the session (Stopped), and must not fail then.",
	},
	{
		name: "long-text", check: longText, needs: []string{"Heard"},
		text: "A long text arrives in full, in one message or several, or is rejected with a *hitl.Error. Text that is cut off silently is lost.",
	},
	{
		name: "split-text", check: splitText, needs: []string{"Heard"}, after: "long-text", live: true,
		text: "If the Definition has MaxText, the server splits longer texts, and SendMessage gets each piece as a Part. The desk must take " +
			"every text of that length, so choose the TextUnit that the desk counts in. The pieces arrive in full and in order, and have different ids, or none.",
	},
	{
		name: "strange-text", check: strangeText, needs: []string{"Heard"},
		text: "Text arrives unchanged: emoji, right-to-left scripts, line breaks, and whatever looks like markup. Control characters may be " +
			"removed. Split between characters, and escape for the format of the desk.",
	},
	{
		name: "whole-session", check: wholeSession, needs: []string{"Replied"}, after: "refs", live: true,
		text: "What end user and agent do reaches the other, as text without markup. Events name the session by the ID that StartHitl returned, or by the " +
			"ConversationID that the desk has stored, and agents by an ID.",
	},
	{
		name: "agent-name", check: agentName, needs: []string{"Replied"}, after: "whole-session", live: true,
		text: "An agent's name reaches the end user, with Assigned or with Replied. Where a webhook has only an ID, an AgentReader is asked for the agent.",
	},
	{
		name: "webhook-twice", check: webhookTwice, needs: []string{"Replied"}, after: "whole-session", live: true,
		text: "Desks deliver webhooks at least once. A redelivery must have the same Replied.ID, by which the server deduplicates. The ID is " +
			"that of the message in the desk, never a random number, a time, or the id of the delivery. Without one, leave it empty.",
	},
	{
		name: "webhook-order", check: webhookOrder, needs: []string{"Replied"}, after: "whole-session", live: true,
		text: "Webhooks arrive out of order. Each must be complete in itself: a reply that comes late, or before an earlier one, is " +
			"neither lost nor repeated.",
	},
	{
		name: "late-reply", check: lateReply, needs: []string{"Replied", "Stopped"}, after: "whole-session", live: true,
		text: "A reply after the end of the session is no error: the desk would send its webhook again and again. A Notifier tells the agent " +
			"by an internal note, which the end user does not see, and which does not reopen the session.",
	},
	{
		name: "webhook-early", check: webhookEarly, needs: []string{"Replied"}, after: "whole-session", early: true,
		text: "A desk may send webhooks about a session before StartHitl has returned. HandleWebhook must not depend on anything that StartHitl " +
			"stores afterwards: name the session by the desk's id or by the ConversationID in the desk. The server does the rest.",
	},
	{
		name: "webhook-garbage", check: webhookGarbage,
		text: "Anybody can send anything to a webhook. HandleWebhook returns an error or no events, and never panics: check that a field " +
			"exists before you use it.",
	},
	{
		name: "noise", check: noise, needs: []string{"Noise", "Replied"}, after: "whole-session", live: true,
		text: "Most of what happens in a desk means nothing to the end user: a tag, a priority, a status that is not the end. Webhooks that report " +
			"it have no events. Stopped is only for the statuses in which nobody works on the session any more.",
	},
	{
		name: "webhook-forged", check: webhookForged, needs: []string{"Sign", "Replied"}, after: "whole-session", live: true,
		text: "A request without a valid signature is rejected before it is read. Otherwise anybody can write to end users as an agent. " +
			"Package verify has the signature schemes of many desks.",
	},
	{
		name: "notes", check: notes, needs: []string{"Note", "Replied"}, after: "whole-session", live: true,
		text: "Internal notes must not reach the end user. They are no events, or have no author.",
	},
	{
		name: "customers", check: customers, needs: []string{"Customer", "Replied"}, after: "whole-session", live: true,
		text: "What the end user writes in the desk itself is not an agent's: it is no event, has no author, or " +
			"one that ReadAgent returns without an ID. Otherwise " +
			"the end user receives their own messages.",
	},
	{
		name: "echoes", check: echoes, needs: []string{"Echo", "Replied"}, after: "whole-session", live: true,
		text: "Desks send webhooks for the adapter's own messages, too. These echoes are no events, or have no author, or " +
			"as Replied.ID the ID that SendMessage returned. Otherwise the end user receives their own messages.",
	},
	{
		name: "receive-twice", check: receiveTwice, is: receiver, needs: []string{"Act"}, live: true,
		text: "Receive delivers again what deliver has returned an error for, and other processes run a Receive, too. The server deduplicates by " +
			"Replied.ID: it must be that of the message in the desk, and the same as in webhooks.",
	},
	{
		name: "receive-restart", check: receiveRestart, is: receiver, needs: []string{"Act"}, live: true,
		text: "Receive returns when its context ends, and goes on when it is run again, perhaps in another process: what was said in between is " +
			"delivered. Move a cursor only when deliver has returned nil; start before what is known, or be a Backfiller as well.",
	},
	{
		name: "backfill-complete", check: backfillComplete, is: backfiller, needs: []string{"Replied or Act"},
		text: "Backfill returns all that agents said in the session, oldest first, and that it has ended. Read all pages. Each message has " +
			"the ID that it has in webhooks, by which the server deduplicates. It is no way around the rules for notes, customers and echoes.",
	},
	{
		name: "backfill-since", check: backfillSince, is: backfiller, needs: []string{"Replied or Act"},
		text: "Backfill leaves out nothing that happened after Since, whatever its time zone; too much is fine. Of a session that was deleted in the desk, it " +
			"returns Stopped, or a *hitl.Error that is Gone; otherwise the end user stays in it. For one that never existed it may also return another error, or nothing.",
	},
	{
		name: "concurrent", check: concurrent,
		text: "One adapter serves all sessions of an installation concurrently. It must not store data of one call or one session in a " +
			"field. Run the test with -race.",
	},
	{
		name: "cancelled", check: cancelled, needs: []string{"Wire"},
		text: "When its context ends, a method returns an error at once. Use http.NewRequestWithContext, and select on ctx.Done() in every " +
			"wait. Otherwise a desk that hangs blocks the server, too.",
	},
	{
		name: "desk-down", check: deskDown, needs: []string{"Wire"},
		text: "When the desk is overloaded (429), fails (5xx) or cannot be reached, a method returns an error that is no *hitl.Error: it is " +
			"transient, and retried. A *hitl.Error is for what only the bot's owner can mend, and no error means success; both would lose what was asked for.",
	},
	{
		name: "not-found", check: notFound, needs: []string{"Wire"},
		text: "A web server before the desk answers 404, too: while the desk is being updated, or if its address is wrong. That is no word about " +
			"a session, so SendMessage, Backfill and StopHitl return an error that is not Gone. Otherwise one such answer ends every open session.",
	},
	{
		name: "register-converges", check: registerConverges, is: registrar, needs: []string{"Wire"},
		text: "Register runs every hour, so it looks at what is there, and writes only what differs. One that makes a new webhook each time loses " +
			"what the desk sends in the meantime, replaces secrets that other processes use, and exhausts the desk's limits.",
	},
	{
		name: "register-apart", check: registerApart, is: registrar, needs: []string{"Wire"}, after: "register-converges",
		text: "Several bots may use one desk, each with its own webhook. Register and Unregister look at the one with their URL, and leave the others " +
			"alone. If the desk has only one webhook, waive this rule.",
	},
}
