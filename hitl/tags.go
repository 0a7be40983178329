package hitl

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"unicode/utf8"

	"github.com/hitl-go/sdk/botpress"
)

// Tags and states that the server keeps for itself.
const (
	tagID        = "id"        // user, conversation, message: the desk's id
	tagEmail     = "email"     // user: finds an end user again
	tagAgentID   = "agentId"   // user: the desk's id of an agent
	tagStartKey  = "startKey"  // conversation: finds an earlier attempt to start the session
	tagStartedAt = "startedAt" // conversation: since when the session is open
	tagClosedAt  = "closedAt"  // conversation: since when it is over
	tagStopping  = "stopping"  // conversation: it is over, but the desk could not be told yet
	tagSent      = "sent"      // message: how many parts of it the desk has

	stateStart     = "hitlStart"     // conversation: who is opening the session
	stateAssigned  = "hitlAssigned"  // conversation: which agent was announced last
	stateAssigning = "hitlAssigning" // conversation: who is announcing an agent after another
)

// Texts of the tags, for who looks at them in Botpress.

func ownUserTags() map[string]Text {
	return map[string]Text{
		tagID:      {"External ID", "Who the end user is in the help desk"},
		tagEmail:   {"Email", "The address by which the end user is found again"},
		tagAgentID: {"Agent ID", "Who the agent is in the help desk"},
	}
}

func ownConversationTags() map[string]Text {
	return map[string]Text{
		tagID:        {"External ID", "Which session this is in the help desk"},
		tagStartKey:  {"Start key", "By which a repeated attempt to start the session finds the first one"},
		tagStartedAt: {"Started at", "Since when the session is open"},
		tagClosedAt:  {"Closed at", "Since when the session is over"},
		tagStopping:  {"Stopping", "That the session is over but the help desk could not be told yet"},
	}
}

func ownMessageTags() map[string]Text {
	return map[string]Text{
		tagID:   {"External ID", "Which message this is in the help desk"},
		tagSent: {"Sent", "How many parts of the message the help desk has"},
	}
}

// ownStates are the server's states of conversations, with values of their types.
func ownStates() map[string]any {
	return map[string]any{stateStart: holder{}, stateAssigning: holder{}, stateAssigned: announcement{}}
}

// From a Ref to tags.

func (d Definition) userTags(ref Ref) (botpress.Tags, error) {
	return refTags("CreateUser", ref, d.UserTags)
}

func (d Definition) conversationTags(ref Ref) (botpress.Tags, error) {
	return refTags("StartHitl", ref, d.ConversationTags)
}

func refTags(method string, ref Ref, declared map[string]Text) (botpress.Tags, error) {
	if ref.ID == "" {
		return nil, fmt.Errorf("hitl: %s returned a Ref that cannot be kept: %w", method, errNoID)
	}
	return appendRefTags(method, botpress.Tags{}, ref, declared)
}

// appendRefTags adds what a Ref says to tags. Nothing is cut: half an id is another thing's id.
func appendRefTags(method string, tags botpress.Tags, ref Ref, declared map[string]Text) (botpress.Tags, error) {
	if ref.ID != "" {
		tags[tagID] = ref.ID
	}
	for name, value := range ref.Tags {
		if _, ok := declared[name]; !ok {
			return nil, fmt.Errorf("hitl: %s returned the tag %q, which the Definition does not declare", method, name)
		}
		tags[name] = value
	}
	for name, value := range tags {
		if utf8.RuneCountInString(value) > maxTag {
			return nil, fmt.Errorf("hitl: %s returned %d characters for the tag %q, and Botpress keeps %d", method, utf8.RuneCountInString(value), name, maxTag)
		}
	}
	return tags, nil
}

// addMessageTags adds what SendMessage returned. Unlike other ids, a message's is never handed back to the adapter, only
// recognised: so it may have any length.
func (d Definition) addMessageTags(tags botpress.Tags, ref Ref) error {
	ref.ID = tagValue(ref.ID)
	valid, err := appendRefTags("SendMessage", botpress.Tags{}, ref, d.MessageTags)
	if err == nil {
		maps.Copy(tags, valid)
	}
	return err
}

// From tags to a Ref.

func (d Definition) userRef(tags botpress.Tags) Ref { return refOf(tags, d.UserTags) }

func (d Definition) conversationRef(tags botpress.Tags) Ref { return refOf(tags, d.ConversationTags) }

func refOf(tags botpress.Tags, declared map[string]Text) Ref {
	ref := Ref{ID: tags[tagID]}
	for name, value := range tags {
		if _, ok := declared[name]; ok {
			if ref.Tags == nil {
				ref.Tags = map[string]string{}
			}
			ref.Tags[name] = value
		}
	}
	return ref
}

// maxTag is how many characters the API keeps of a tag.
const maxTag = 500

// tagValue makes any text a tag's value. A long one is replaced by its hash, which is as good for finding it again.
func tagValue(s string) string {
	if utf8.RuneCountInString(s) <= maxTag {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	return "sha256:" + hex.EncodeToString(sum[:])
}
