// Package wire defines the protocol between Botpress and an integration: headers, operations and bodies.
package wire

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/hitl-go/sdk/message"
)

// Headers of a request from Botpress.
const (
	HeaderOperation         = "X-Bp-Operation"
	HeaderBotID             = "X-Bot-Id"
	HeaderBotUserID         = "X-Bot-User-Id"
	HeaderIntegrationID     = "X-Integration-Id"
	HeaderIntegrationAlias  = "X-Integration-Alias"
	HeaderWebhookID         = "X-Webhook-Id"
	HeaderConfiguration     = "X-Bp-Configuration"
	HeaderConfigurationType = "X-Bp-Configuration-Type"
	HeaderTraceParent       = "Traceparent"
	HeaderTraceState        = "Tracestate"
)

// Get is [http.Header.Get] for a name that is in its canonical form, as those above are. An operation reads thirty.
func Get(header http.Header, name string) string {
	if values := header[name]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// Operation is what a request from Botpress asks for.
type Operation string

// The operations of the protocol.
const (
	ActionTriggered     Operation = "action_triggered"
	MessageCreated      Operation = "message_created"
	MessageUpdated      Operation = "message_updated"
	ConversationUpdated Operation = "conversation_updated"
	WebhookReceived     Operation = "webhook_received"
	Register            Operation = "register"
	Unregister          Operation = "unregister"
	Ping                Operation = "ping"
	CreateUser          Operation = "create_user"
	CreateConversation  Operation = "create_conversation"
)

// Action is the body of [ActionTriggered].
type Action struct {
	Type  string          `json:"type"`
	Input json.RawMessage `json:"input"`
}

// Output answers an [Action].
type Output struct {
	Output any  `json:"output"`
	Meta   Cost `json:"meta"`
}

// Cost is what an action costs the bot's owner, in U.S. dollars. It is usually zero.
type Cost struct {
	Cost float64 `json:"cost"`
}

// CreateUserInput is the input of the action createUser.
type CreateUserInput struct {
	Name       string `json:"name" jsonschema:"title=Name,description=What the end user is called"`
	PictureURL string `json:"pictureUrl,omitempty" jsonschema:"title=Picture URL,description=Where a picture of the end user is"`
	Email      string `json:"email,omitempty" jsonschema:"title=Email address,description=Address by which the end user is found again"`
}

// StartHitlInput is the input of the action startHitl. Its schema refers to the schema of the session, which the
// author defines.
type StartHitlInput struct {
	UserID      string          `json:"userId" jsonschema:"title=User ID,description=The end user in Botpress"`
	Title       string          `json:"title,omitempty" jsonschema:"title=Title,description=What the session is about in a few words"`
	Description string          `json:"description,omitempty" jsonschema:"title=Description,description=What the session is about in detail"`
	Session     json.RawMessage `json:"hitlSession,omitempty" jsonschema:"title=Session,description=More about the session" jsonschema_extras:"$ref=hitlSession"`
	History     []message.Turn  `json:"messageHistory" jsonschema:"title=History,description=What was said before the session"`
}

// ConversationRef is the input of stopHitl, the output of startHitl and the payload of hitlStopped.
type ConversationRef struct {
	ConversationID string `json:"conversationId" jsonschema:"title=Session ID,description=The conversation in Botpress that is the session"`
}

// UserRef is the output of createUser.
type UserRef struct {
	UserID string `json:"userId" jsonschema:"title=User ID,description=The end user in Botpress"`
}

// AssignedPayload is the payload of the event hitlAssigned.
type AssignedPayload struct {
	ConversationID string `json:"conversationId" jsonschema:"title=Session ID,description=The conversation in Botpress that is the session"`
	UserID         string `json:"userId" jsonschema:"title=Agent ID,description=The user in Botpress that is the agent"`
}

// Message is the body of [MessageCreated], with the fields that the server reads.
type Message struct {
	Type         string          `json:"type"`
	Payload      json.RawMessage `json:"payload"`
	Conversation struct {
		ID      string            `json:"id"`
		Channel string            `json:"channel"`
		Tags    map[string]string `json:"tags"`
	} `json:"conversation"`
	Message struct {
		ID        string            `json:"id"`
		CreatedAt time.Time         `json:"createdAt"`
		Tags      map[string]string `json:"tags"`
	} `json:"message"`
	// User is always the bot's user. [Extras] has the speaker.
	User struct {
		Name string `json:"name"`
	} `json:"user"`
}

// ConversationUpdate is the body of [ConversationUpdated].
type ConversationUpdate struct {
	Current struct {
		Channel string `json:"channel"`
	} `json:"currentConversation"`
}

// Extras are the fields that the hitl channel adds to the payload of every message.
type Extras struct {
	// UserID is the end user who speaks; empty when the bot does.
	UserID string `json:"userId,omitempty" jsonschema:"description=The end user who speaks instead of the bot"`
	// AdditionalData is passed on to the end user's channel, at most 500 characters.
	AdditionalData string `json:"additionalData,omitempty" jsonschema:"maxLength=500" jsonschema_description:"Data for the end user's channel, in any format"`
}

// Webhook is the body of [WebhookReceived].
type Webhook struct {
	Request *WebhookRequest `json:"req"`
}

// WebhookRequest is an HTTP request that somebody sent to an installation's webhook.
// Header names are in lower case, and the query has no question mark.
type WebhookRequest struct {
	Method  string            `json:"method"`
	Path    string            `json:"path"`
	Query   string            `json:"query"`
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"`
}

// Registration is the body of [Register] and [Unregister].
type Registration struct {
	WebhookURL string `json:"webhookUrl"`
}

// Error is the body of every error response.
type Error struct {
	ID       string          `json:"id"`
	Code     int             `json:"code"`
	Type     string          `json:"type"`
	Message  string          `json:"message"`
	Metadata json.RawMessage `json:"metadata,omitempty"`
}
