package hitltest

// install comes before all rules, and has no subtest of its own.
var install = rule{
	name: "install",
	says: "The integration can be installed: Definition and types are good, connect takes the Config, and so does Register, if there is one.",
}

// rules are all rules, in the order in which they are checked.
var rules = []rule{
	{
		name: "refs", check: refs,
		says: "A Ref fits into tags: users and sessions have an ID, no value has more than 500 characters, and the names of the tags " +
			"are declared in the Definition. Otherwise Botpress cannot keep it, and nothing can be found again.",
	},
	{
		name: "user-twice", check: userTwice,
		says: "CreateUser is called before each session, and again when an answer was lost, perhaps on another replica. The same UserID " +
			"must give the same user of the desk, under whatever name. Store the UserID in the desk, or look for what you stored.",
	},
	{
		name: "user-apart", check: userApart,
		says: "Two end users are two users of the desk, even if they have the same name and no e-mail address. Never look anybody up by " +
			"something that is empty or that others have, too: one would read the other's conversation.",
	},
	{
		name: "start-twice", check: startTwice,
		says: "StartHitl is called again when its answer was lost, perhaps on another replica. The same ConversationID must give the same " +
			"session. Store the ConversationID in the desk when the session is opened, and look for it before you open one.",
	},
	{
		name: "start-apart", check: startApart,
		says: "Another ConversationID is another session, also when the same end user has one that is still open.",
	},
	{
		name: "start-anything", check: startAnything,
		says: "Nothing that is said, or left unsaid, before a session may keep it from being opened: the end user has been promised a " +
			"human by then. Title, description and history may be empty or longer than the desk takes; see StartHitlRequest.Transcript.",
	},
	{
		name: "stop-twice", check: stopTwice,
		says: "A session that is over is no error of StopHitl: the request may come again, and an agent may have been faster.",
	},
	{
		name: "stop-unknown", check: stopUnknown,
		says: "A session that is not in the desk any more is no error of StopHitl. Otherwise the end user is never told that it is over.",
	},
	{
		name: "message-types", check: messageTypes,
		says: "SendMessage takes every type of message, or refuses it with a *hitl.Error; types of tomorrow arrive as message.Unknown. Any other " +
			"error has the message sent again and again, and a panic is a bug. message.PlainText makes text of any message.",
	},
	{
		name: "message-parts", check: messageParts,
		says: "The items of a bloc arrive as messages with the same MessageID and another Part, and each must get to the desk. An idempotency " +
			"key made of the MessageID alone swallows all but the first. Message ids of the desk are unique, or empty.",
	},
	{
		name: "message-twice", check: messageTwice,
		says: "SendMessage is called again when its answer was lost, perhaps on another replica. The desk must have the message once. Use " +
			"MessageID and Part as idempotency key, or look whether the message is there; if the desk has no way to tell, waive this rule.",
	},
	{
		name: "bot-speaks", check: botSpeaks,
		says: "The bot speaks, too: then UserID and Author are zero, and BotName may be empty. Its last words often come after the session " +
			"is over (Stopped), and are no error then.",
	},
	{
		name: "long-text", check: longText, needs: []string{"Heard"},
		says: "A long text arrives in full, in as many messages as it takes, or is refused with a *hitl.Error. What is cut silently is lost.",
	},
	{
		name: "strange-text", check: strangeText, needs: []string{"Heard"},
		says: "Text arrives as it was written: emoji in one piece, scripts from right to left, line breaks, and whatever looks like markup. " +
			"Control characters may go. Cut between characters, and escape for the format that the desk takes.",
	},
	{
		name: "whole-session", check: wholeSession, needs: []string{"Replied"}, after: "refs", live: true,
		says: "What end user and agent do gets to the other: events name the session by the ID that StartHitl returned, or by the " +
			"ConversationID that the desk has stored, and agents by an ID.",
	},
	{
		name: "agent-name", check: agentName, needs: []string{"Replied"}, after: "whole-session", live: true,
		says: "An agent's name gets to the end user, with Assigned or with Replied. The desk may have to be asked for it.",
	},
	{
		name: "webhook-twice", check: webhookTwice, needs: []string{"Replied"}, after: "whole-session", live: true,
		says: "Desks send the same webhook twice. Both must give the same Replied.ID: by it the end user gets the message once. The ID is the " +
			"message's in the desk, never a random number, a time, or the delivery's. Without one, leave it empty.",
	},
	{
		name: "webhook-order", check: webhookOrder, needs: []string{"Replied"}, after: "whole-session", live: true,
		says: "Webhooks overtake each other. Each must be complete in itself: a reply that comes late, or before the one that was written " +
			"first, or after the end, is neither lost nor repeated nor an error.",
	},
	{
		name: "webhook-early", check: webhookEarly, needs: []string{"Replied"}, after: "whole-session", early: true,
		says: "A desk may report what happens in a session before StartHitl has returned. The adapter must not depend on having stored the " +
			"session then: name it by the desk's id or by the ConversationID that the desk has, and leave the rest to the server.",
	},
	{
		name: "webhook-garbage", check: webhookGarbage,
		says: "Anybody can send anything to a webhook. HandleWebhook answers with an error or with no events, and never panics: look at nothing " +
			"that you have not found to be there.",
	},
	{
		name: "webhook-forged", check: webhookForged, needs: []string{"Sign", "Replied"}, after: "whole-session", live: true,
		says: "A request that is not signed, or wrongly, is refused, before anything in it is believed: else anybody can write to end users as " +
			"an agent. Package verify has the schemes of many desks.",
	},
	{
		name: "notes", check: notes, needs: []string{"Note", "Replied"}, after: "whole-session", live: true,
		says: "Internal notes are for colleagues. They are no events, or have the author hitl.System.",
	},
	{
		name: "customers", check: customers, needs: []string{"Customer", "Replied"}, after: "whole-session", live: true,
		says: "What the end user writes in the desk itself is not an agent's: its author is hitl.Customer, or it is no event. Else the end " +
			"user is answered with their own words.",
	},
	{
		name: "echoes", check: echoes, needs: []string{"Echo", "Replied"}, after: "whole-session", live: true,
		says: "Desks report our own messages back. They are no events, or have the author hitl.Customer or hitl.System, or as Replied.ID the ID that " +
			"SendMessage returned. Else the end user is answered with their own words.",
	},
	{
		name: "concurrent", check: concurrent,
		says: "One adapter serves all sessions of an installation at once. It must not keep what belongs to one call or one session in a " +
			"field. Run the test with -race.",
	},
	{
		name: "cancelled", check: cancelled, needs: []string{"Wire"},
		says: "When its context ends, a method returns at once, with an error. Make requests with http.NewRequestWithContext, and wait for " +
			"nothing else than the context as well. Else a desk that hangs takes the server with it.",
	},
	{
		name: "desk-down", check: deskDown, needs: []string{"Wire"},
		says: "When the desk is busy (429), broken (5xx) or out of reach, a method returns an error that is no *hitl.Error: then it is tried again. A " +
			"*hitl.Error is final and no error means done; either way the end user's words would be lost. Afterwards all goes on.",
	},
}
