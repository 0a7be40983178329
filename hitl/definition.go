package hitl

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"unicode/utf8"

	"github.com/hitl-go/sdk/botpress"
)

// Definition describes the integration to Botpress and to the people who install it.
type Definition struct {
	// Name identifies the integration in its workspace: lower-case letters, digits and hyphens. Version is semantic.
	Name    string
	Version string

	Title       string
	Description string

	// Names renames parts of the HITL interface for this integration.
	Names Names

	// UserTags, ConversationTags and MessageTags declare the names of the tags that the adapter sets through [Ref.Tags].
	UserTags         []string
	ConversationTags []string
	MessageTags      []string
}

// Names is what the integration calls the parts of the HITL interface. Empty fields keep the interface's own names.
type Names struct {
	CreateUser string // action
	StartHitl  string // action
	StopHitl   string // action
	Assigned   string // event, hitlAssigned
	Stopped    string // event, hitlStopped
	Channel    string // hitl
	Session    string // entity, hitlSession
}

// Tags and states that the server keeps for itself.
const (
	tagID        = "id"        // user, conversation, message: the desk's id
	tagEmail     = "email"     // user: finds an end user again
	tagAgentID   = "agentId"   // user: the desk's id of an agent
	tagStartKey  = "startKey"  // conversation: finds an earlier attempt to start the session
	tagStartedAt = "startedAt" // conversation: since when the session is open
	tagClosedAt  = "closedAt"  // conversation: since when it is over
	tagSent      = "sent"      // message: how many parts of it the desk has

	stateStart    = "hitlStart"    // conversation: who is opening the session
	stateAssigned = "hitlAssigned" // conversation: which agent was announced last
)

func (d Definition) validate() error {
	var errs []error
	if d.Name == "" {
		errs = append(errs, errors.New("hitl: Definition.Name is empty"))
	}
	if d.Version == "" {
		errs = append(errs, errors.New("hitl: Definition.Version is empty"))
	}
	return errors.Join(errs...)
}

func (d Definition) withDefaults() Definition {
	d.Names = Names{
		CreateUser: cmp.Or(d.Names.CreateUser, "createUser"),
		StartHitl:  cmp.Or(d.Names.StartHitl, "startHitl"),
		StopHitl:   cmp.Or(d.Names.StopHitl, "stopHitl"),
		Assigned:   cmp.Or(d.Names.Assigned, "hitlAssigned"),
		Stopped:    cmp.Or(d.Names.Stopped, "hitlStopped"),
		Channel:    cmp.Or(d.Names.Channel, "hitl"),
		Session:    cmp.Or(d.Names.Session, "hitlSession"),
	}
	return d
}

// From a Ref to tags.

func (d Definition) userTags(ref Ref) (botpress.Tags, error) {
	return refTags("CreateUser", ref, d.UserTags)
}

func (d Definition) conversationTags(ref Ref) (botpress.Tags, error) {
	return refTags("StartHitl", ref, d.ConversationTags)
}

func refTags(method string, ref Ref, declared []string) (botpress.Tags, error) {
	if ref.ID == "" {
		return nil, fmt.Errorf("hitl: %s returned a Ref that cannot be kept: %w", method, errNoID)
	}
	return appendRefTags(method, botpress.Tags{}, ref, declared)
}

// appendRefTags adds what a Ref says to tags. Nothing is cut: half an id is another thing's id.
func appendRefTags(method string, tags botpress.Tags, ref Ref, declared []string) (botpress.Tags, error) {
	if ref.ID != "" {
		tags[tagID] = ref.ID
	}
	for name, value := range ref.Tags {
		if !slices.Contains(declared, name) {
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

// From tags to a Ref.

func (d Definition) userRef(tags botpress.Tags) Ref { return refOf(tags, d.UserTags) }

func (d Definition) conversationRef(tags botpress.Tags) Ref { return refOf(tags, d.ConversationTags) }

func refOf(tags botpress.Tags, declared []string) Ref {
	ref := Ref{ID: tags[tagID]}
	for name, value := range maps.All(tags) {
		if slices.Contains(declared, name) {
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
