package hitl

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/internal/lease"
)

// Tags and states that the server keeps for itself. Their names and meaning are API: docs/compatibility.md.
const (
	tagID            = "id"            // user, conversation, message: the desk's id
	tagEmail         = "email"         // user: the address of an end user or an agent
	tagUserKey       = "userKey"       // user: finds an end user again
	tagAgentID       = "agentId"       // user: finds an agent again
	tagStartKey      = "startKey"      // conversation: idempotency key of startHitl
	tagPhase         = "phase"         // conversation: opening, open, closing or closed
	tagStartedAt     = "startedAt"     // conversation: when the session was opened
	tagClosedAt      = "closedAt"      // conversation: when the session ended
	tagStopping      = "stopping"      // conversation: the session has ended, and the desk is not told yet
	tagUnanswered    = "unanswered"    // conversation: nobody waited any more for the answer to startHitl
	tagRepeatedUntil = "repeatedUntil" // conversation: until when events are scheduled that are sent again, after a repeated startHitl
	tagReadUntil     = "readUntil"     // conversation: when the desk was read back completely
	tagOutbox        = "outbox"        // conversation: messages are known to be undelivered
	tagDelivered     = "delivered"     // message: how many of its parts the desk has: 1/3
	tagFailed        = "failed"        // message: when an attempt to deliver it has failed
	tagResent        = "resent"        // message: the desk may have it several times, with ids of which only the last is known
	tagRefused       = "refused"       // message: why the desk will never take it
	tagDue           = "due"           // message: when a reply reaches the plugin that came before it was ready
	tagCopyOf        = "copyOf"        // message: the reply that it repeats, which came before the plugin was ready
	tagPartOf        = "partOf"        // message: it stands for a part of this one, whose id in the desk it carries

	stateStart     = "hitlStart"     // conversation: lease of who opens the session
	stateAssigned  = "hitlAssigned"  // conversation: the assignment that the bot was told of last
	stateAssigning = "hitlAssigning" // conversation: lease of who replaces that assignment
	stateOutbox    = "hitlOutbox"    // conversation: lease of who delivers what others have left

	stateUser       = "hitlUser"       // user: lease of who creates an end user in the desk
	stateUpdate     = "hitlUpdate"     // integration: lease of who changes a state of the adapter's
	stateSweep      = "hitlSweep"      // integration: lease of who reconciles the sessions
	stateActivation = "hitlActivation" // conversation: until when events are scheduled while the session is activating
)

// The server's own tags, with what the Studio shows of them.
var (
	ownUserTags = []Part{
		{tagID, "External ID", "The user in the help desk"},
		{tagEmail, "Email", "The user's e-mail address"},
		{tagUserKey, "User key", "Finds an end user again"},
		{tagAgentID, "Agent ID", "The agent in the help desk"},
	}
	ownConversationTags = []Part{
		{tagID, "External ID", "The session in the help desk"},
		{tagStartKey, "Start key", "Finds the conversation again when the start of the session is repeated"},
		{tagPhase, "Phase", "Whether the session is opening, open, closing or closed"},
		{tagStartedAt, "Started at", "When the session was opened"},
		{tagClosedAt, "Closed at", "When the session ended"},
		{tagStopping, "Stopping", "The session has ended, and the help desk is not told yet"},
		{tagUnanswered, "Unanswered", "Botpress did not wait until the session was opened"},
		{tagRepeatedUntil, "Repeated until", "When the last event is due that is sent again"},
		{tagReadUntil, "Read until", "When the help desk's record of the session was read last"},
		{tagOutbox, "Outbox", "Whether messages wait to be delivered to the help desk"},
	}
	ownMessageTags = []Part{
		{tagID, "External ID", "The message in the help desk"},
		{tagDelivered, "Delivered", "How many parts of the message the help desk has"},
		{tagFailed, "Failed", "When an attempt to deliver the message has failed"},
		{tagResent, "Resent", "The help desk may have the message several times"},
		{tagRefused, "Refused", "Why the help desk does not take the message"},
		{tagDue, "Due", "When the reply is delivered"},
		{tagCopyOf, "Copy of", "The reply that this one repeats"},
		{tagPartOf, "Part of", "The message of which this is a part"},
	}
)

// outboxPending is the value of the tag outbox.
const outboxPending = "pending"

// ownState is a state that the server keeps, with a value of its type.
type ownState struct {
	scope   botpress.StateType
	payload any
}

func ownStates() map[string]ownState {
	const conversation = botpress.StateOfConversation
	return map[string]ownState{
		stateStart:      {conversation, lease.Record{}},
		stateAssigning:  {conversation, lease.Record{}},
		stateOutbox:     {conversation, lease.Record{}},
		stateAssigned:   {conversation, assignmentRecord{}},
		stateActivation: {conversation, activationRecord{}},
		stateUser:       {botpress.StateOfUser, lease.Record{}},
		stateUpdate:     {botpress.StateOfIntegration, lease.Record{}},
		stateSweep:      {botpress.StateOfIntegration, lease.Record{}},
	}
}

func hasPart(parts []Part, name string) bool {
	return slices.ContainsFunc(parts, func(p Part) bool { return p.Name == name })
}

// From a Ref to tags.

func (d *Definition) userTags(ref Ref) (botpress.Tags, error) {
	return requiredRefTags("CreateUser", ref, d.UserTags, ownUserTags)
}

func (d *Definition) conversationTags(ref Ref) (botpress.Tags, error) {
	return requiredRefTags("StartHitl", ref, d.ConversationTags, ownConversationTags)
}

// messageTags makes tags of what SendMessage returned. A message's id is never handed back to the adapter, only compared: so
// it may have any length.
func (d *Definition) messageTags(ref Ref) (botpress.Tags, error) {
	ref.ID = tagValue(ref.ID)
	return refTags("SendMessage", ref, d.MessageTags, ownMessageTags)
}

var errNoID = errors.New("it has no ID")

func requiredRefTags(method string, ref Ref, declared, own []Part) (botpress.Tags, error) {
	if ref.ID == "" {
		return nil, fmt.Errorf("hitl: %s returned a Ref that cannot be kept: %w", method, errNoID)
	}
	return refTags(method, ref, declared, own)
}

// refTags makes tags of a Ref. Nothing is cut: a truncated id is another thing's id.
func refTags(method string, ref Ref, declared, own []Part) (botpress.Tags, error) {
	tags := botpress.Tags{}
	for name, value := range ref.Tags {
		if hasPart(own, name) {
			return nil, fmt.Errorf("hitl: %s returned the tag %q, which the server keeps itself", method, name)
		}
		if !hasPart(declared, name) {
			return nil, fmt.Errorf("hitl: %s returned the tag %q, which the Definition does not declare", method, name)
		}
		tags[name] = value
	}
	if ref.ID != "" {
		tags[tagID] = ref.ID
	}
	for name, value := range tags {
		if n := utf8.RuneCountInString(value); n > maxTag {
			return nil, fmt.Errorf("hitl: %s returned %d characters for the tag %q, and Botpress keeps %d", method, n, name, maxTag)
		}
	}
	return tags, nil
}

// From tags to a Ref.

func (d *Definition) userRef(tags botpress.Tags) Ref { return refOf(tags, d.UserTags, ownUserTags) }

func (d *Definition) conversationRef(tags botpress.Tags) Ref {
	return refOf(tags, d.ConversationTags, ownConversationTags)
}

func refOf(tags botpress.Tags, declared, own []Part) Ref {
	ref := Ref{ID: tags[tagID]}
	for name, value := range tags {
		if hasPart(declared, name) && !hasPart(own, name) {
			if ref.Tags == nil {
				ref.Tags = map[string]string{}
			}
			ref.Tags[name] = value
		}
	}
	return ref
}

// clone keeps an adapter that writes into the tags it was given from writing into ours.
func (r Ref) clone() Ref { return Ref{ID: r.ID, Tags: maps.Clone(r.Tags)} }

// maxTag is how many characters the API keeps of a tag.
const maxTag = 500

// tagValue makes any text a tag's value. A long one is replaced by its hash, which identifies it as well.
func tagValue(s string) string {
	if utf8.RuneCountInString(s) <= maxTag {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// timestamp formats times for tags: sortable, in UTC, to the millisecond.
func timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// parseTimestamp reads a [timestamp]. It returns the zero time for anything else.
func parseTimestamp(tag string) time.Time {
	if tag == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, tag)
	if err != nil {
		return time.Time{}
	}
	return t
}
