package hitl

import (
	"context"
	"net/http"
	"strconv"

	"github.com/hitl-go/sdk/message"
)

// Integration is one help desk, seen by one installation of the integration in a bot.
// It is what an author writes; [Server] does the rest of the protocol around it.
//
// Session is the type of the extra parameters with which a bot starts a session (a priority, a department);
// use struct{} for none. Its fields become the form that the bot's builder fills in.
//
// Every method must be safe for concurrent use, may be called again with the same request after a failure or
// a lost answer, and should stop when its context ends, which it does at the deadline of the operation.
//
// An error made with [Errorf] is permanent and is shown to the bot's owner. An [Error] that is Temporary is shown, too: messages wait
// until the owner has fixed what it names. Any other error is transient: it is logged, and retried by the server, Botpress or the desk.
type Integration[Session any] interface {
	// CreateUser finds or creates the end user in the desk. It is called before each session.
	CreateUser(context.Context, CreateUserRequest) (Ref, error)

	// StartHitl opens a session: a ticket, a conversation, a chat. When an earlier attempt may have opened it
	// already, the desk can find it by the ConversationID, if it was stored there on creation.
	StartHitl(context.Context, StartHitlRequest[Session]) (Ref, error)

	// StopHitl ends a session because the end user, the bot or a timeout ended it. It returns nil if the session is already over; if the
	// desk no longer has it, nil or an [Error] that is Gone. After a transient error the session still ends for the end user, and the
	// desk is told later. A permanent error is returned to the bot, which then may not tell the end user.
	StopHitl(context.Context, StopHitlRequest) error

	// SendMessage hands the desk what the end user or the bot says. A bloc arrives as one call per item, unless
	// [Definition.JoinBlocs] is set, and a text that is longer than [Definition.MaxText] as one call per piece.
	// The returned Ref is the message in the desk: its ID makes the desk's own report of it an echo
	// that is not sent back to the end user. An empty Ref is fine for a desk that has no such ids.
	SendMessage(context.Context, SendMessageRequest) (Ref, error)

	// HandleWebhook reads a request that somebody, supposedly the desk, sent to the installation's webhook,
	// and says what it means. It must check that the request is genuine. It only returns the events; the server delivers them.
	HandleWebhook(context.Context, *http.Request) (Webhook, error)
}

// Ref is the desk's name for a user, a session or a message. The server keeps it in Botpress as tags
// and hands it back to later calls.
type Ref struct {
	// ID identifies the thing in the desk. It is required for a user and a session, and has at most 500 characters there. Message
	// ids may be empty, and must be unique among all of an installation's messages otherwise.
	ID string

	// Tags holds more facts to be kept beside the ID. Their names must be declared in the [Definition];
	// values have at most 500 characters.
	Tags map[string]string
}

// CreateUserRequest describes an end user who is about to speak with a human.
type CreateUserRequest struct {
	// UserID is the user in Botpress, and the same for each call about this user.
	// A desk that knows external ids should store it.
	UserID string

	// User is what earlier calls returned for this user, or zero.
	User Ref

	// Name may be a placeholder such as "Unknown User".
	Name string

	// Email is an address, or empty: what the HITL plugin makes up where the end user's channel knows none is not
	// passed on, nor is what people type in place of one, as "n/a".
	Email string

	// PictureURL may be empty, and may be longer than a desk accepts.
	PictureURL string
}

// StartHitlRequest describes a conversation that a human shall take over.
type StartHitlRequest[Session any] struct {
	// ConversationID is the session in Botpress, and the same for each attempt to start this session.
	// A desk that knows external ids should store it on creation: its webhooks can then name the session by it,
	// even those that come before StartHitl has returned.
	ConversationID string

	// UserID is the end user in Botpress, User the same one in the desk.
	UserID string
	User   Ref

	// UserName and UserEmail are the end user's as [CreateUserRequest] had them. They may be empty.
	UserName  string
	UserEmail string

	// Title and Description are empty if nothing would be seen of them.
	Title       string
	Description string

	// Session holds the bot's extra parameters; its zero value if the bot gave none.
	Session Session

	// History is what was said so far, oldest first; it may be empty, or contain only the newest part.
	History []message.Turn

	name func(context.Context, string) (string, error)
}

// Transcript renders the history. Unless opts.Name is set, it asks Botpress for the speakers' names. It never fails:
// a name that cannot be found in time is replaced by a general one. A nil opts means plain text without a limit.
func (r StartHitlRequest[Session]) Transcript(ctx context.Context, opts *message.TranscriptOptions) string {
	var o message.TranscriptOptions
	if opts != nil {
		o = *opts
	}
	if o.Name == nil {
		o.Name = r.name
	}
	return message.Transcript(ctx, r.History, &o)
}

// StopHitlRequest names the session that ends.
type StopHitlRequest struct {
	ConversationID string
	Session        Ref
}

// SendMessageRequest is one message of the end user or of the bot.
type SendMessageRequest struct {
	// ConversationID is the session in Botpress, Session the same one in the desk.
	ConversationID string
	Session        Ref

	// UserID is the end user who speaks, Author the same one in the desk. Both are zero when the bot speaks:
	// then Author is for the desk to choose.
	UserID string
	Author Ref

	// Name is what the end user or the bot is called in Botpress, PictureURL the end user's picture: an address with https of at
	// most 2,048 characters. Both may be empty.
	Name       string
	PictureURL string

	// MessageID is the message in Botpress and Part the index of the piece: an item of a bloc, or a piece of a text that
	// is longer than [Definition.MaxText]; else zero.
	// Together they are the same for each attempt to send this message: see [SendMessageRequest.Key].
	MessageID string
	Part      int

	// Repeated reports whether an earlier attempt, in this process or another, may have reached the desk.
	Repeated bool

	// Stopped reports whether the session is already over. The bot's last words often come then; they must not reopen it.
	Stopped bool

	// Message is a [message.Bloc] only with [Definition.JoinBlocs]. It may be a [message.Unknown]; [message.PlainText] turns any message into text.
	Message message.Message
}

// Key identifies the message and the part: MessageID, a slash and Part, such as "msg_01J…/0". It is the same for each attempt. A desk
// that takes idempotency keys or external IDs should get it; in others, look for it before the message is written.
func (r SendMessageRequest) Key() string { return r.MessageID + "/" + strconv.Itoa(r.Part) }

// Webhook is what a request to the webhook meant.
type Webhook struct {
	// Events happened in the desk, in this order. A request without a meaning for us has none.
	Events []Event

	// Done is called once the events have been passed on, or refused for good, for instance to note how far the desk has been read.
	// If it fails the sender is asked to try again; nil does nothing.
	Done func(context.Context) error

	// Status, Header and Body are the answer that the sender gets once the events have been passed on. Status 0 means 200, a
	// nil Body an empty JSON object. With status 429 or 503, a Retry-After of a minute or more is shortened as by [Retryable].
	Status int
	Header http.Header
	Body   []byte
}

// Event is something that happened in the desk: [Assigned], [Replied], [Stopped] or [Changed].
//
// An event names its session by the desk's id (SessionID), or by the ConversationID that the desk stored, or by both.
// A desk that gives a later session the id of an earlier one needs the ConversationID. Otherwise an event that arrives while the
// later session starts is attributed to the earlier one. An event of a session that Botpress does not know is ignored.
//
//sumtype:decl
type Event interface {
	session() sessionKey
}

// Assigned says that an agent took the session over. An assignment to nobody, or to a group alone, is not one:
// events whose agent has no ID are ignored, and so are those whose agent an [AgentReader] does not take for one.
type Assigned struct {
	SessionID      string
	ConversationID string

	Agent Agent

	// ID identifies this assignment in the desk, for instance the webhook's own id. By it, a report that comes again after
	// somebody else has taken over is recognised. Empty if the desk has none.
	ID string
}

// Replied says that somebody wrote in the session. Only what agents write is sent to the end user.
type Replied struct {
	SessionID      string
	ConversationID string

	// Author is the agent who wrote it. Without an ID and a name it is nobody: what the end user, the desk itself, its automations or
	// our own bot wrote, and internal notes, are ignored.
	Author Agent

	// ID is the message in the desk. By it, the same message is recognised when the desk reports it again, and
	// our own when the desk reports it back. Without an ID the webhook's own content serves instead; what comes from a
	// [Receiver] or a [Backfiller] needs one.
	ID string

	// Message is sent as it is if it is a text, image, audio, video, file or bloc, and as text otherwise. Items of a bloc in which
	// nothing is seen are left out, and a bloc of one item is sent as that item.
	Message message.Message

	// Load, if set, makes the message instead: for what takes calls, as with files that are copied. It is not called for a message
	// that this process knows Botpress to have. It may be called again by another process, so it should be idempotent. If it
	// fails, the delivery of the reply fails with its error. A backfill leaves the reply out if the error is permanent ([Errorf]), or
	// lasts for ten minutes.
	Load func(context.Context) (message.Message, error)

	// AdditionalData is passed on to the end user's channel: at most 500 characters, in any format. More than that is left out.
	AdditionalData string
}

// Stopped says that the session is over in the desk.
type Stopped struct {
	SessionID      string
	ConversationID string
}

// Changed says that something happened in the session, and that the desk is to be read back: for webhooks that say little,
// come out of order or get lost. The adapter must be a [Backfiller].
//
// The zero value is about no session in particular: soon, all open ones are read back. A [Receiver] says so when it is connected
// again and may have missed something.
type Changed struct {
	SessionID      string
	ConversationID string
}

// Agent is a human who works in the desk.
type Agent struct {
	// ID is the agent in the desk. Messages of agents without one are attributed to one agent a session.
	ID string

	// Name and PictureURL are shown to the end user. Empty ones are left as they are. Without a name, an [AgentReader] is asked for
	// what the event leaves empty.
	Name       string
	PictureURL string

	// Email and Tags are stored with the agent's user in Botpress, where bots can read them. Tags must be declared as
	// [Definition.UserTags].
	Email string
	Tags  map[string]string
}

// sessionKey names a session in the desk's words, in ours, or in both.
type sessionKey struct{ sessionID, conversationID string }

func (e Assigned) session() sessionKey { return sessionKey{e.SessionID, e.ConversationID} }
func (e Replied) session() sessionKey  { return sessionKey{e.SessionID, e.ConversationID} }
func (e Stopped) session() sessionKey  { return sessionKey{e.SessionID, e.ConversationID} }
func (e Changed) session() sessionKey  { return sessionKey{e.SessionID, e.ConversationID} }
