// Package sessionview reads sessions as Botpress keeps them, for people who look into one. It changes nothing.
package sessionview

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/internal/lease"
	"github.com/hitl-go/sdk/internal/strictjson"
)

// Tags and states, as package hitl writes them.
const (
	tagID        = "id"
	tagAgentID   = "agentId"
	tagPhase     = "phase"
	tagStartedAt = "startedAt"
	tagClosedAt  = "closedAt"
	tagStopping  = "stopping"
	tagOutbox    = "outbox"
	tagDelivered = "delivered"
	tagFailed    = "failed"
	tagRefused   = "refused"
	tagPartOf    = "partOf"

	outboxPending  = "pending"
	stateStart     = "hitlStart"
	stateOutbox    = "hitlOutbox"
	stateAssigning = "hitlAssigning"
	stateSweep     = "hitlSweep"
)

// The phases of a session.
const (
	Opening   = "opening"
	Open      = "open"
	Closing   = "closing"
	Closed    = "closed"
	Abandoned = "abandoned" // was never opened, and nobody tries to any more
)

const (
	maxSessions = 1_000 // that are listed
	maxPages    = 5     // of messages: the server looks for undelivered ones on more
	latest      = 10    // messages and events that are shown
)

// ErrUnknown means that no session has the id.
var ErrUnknown = errors.New("there is no session with this id")

// Summary is what a session's conversation says.
type Summary struct {
	ConversationID string    `json:"conversationId"`
	SessionID      string    `json:"sessionId,omitempty"` // the desk's
	Phase          string    `json:"phase"`
	CreatedAt      time.Time `json:"createdAt"`
	StartedAt      time.Time `json:"startedAt,omitzero"`
	ClosedAt       time.Time `json:"closedAt,omitzero"`
	UpdatedAt      time.Time `json:"updatedAt"`
	// Pending says that messages are marked as undelivered. There may be others, which nobody has noticed.
	Pending bool `json:"pending"`
}

// Session is all that there is to see of a session. What there may be much of is oldest first, and ends with the latest.
type Session struct {
	Summary

	Users       []User    `json:"users"`
	Undelivered []Message `json:"undelivered"`
	// MoreUndelivered says that there may be more before them.
	MoreUndelivered bool      `json:"moreUndelivered,omitempty"`
	Messages        []Message `json:"messages"`
	Events          []Event   `json:"events"`
	Leases          []Lease   `json:"leases"`
}

// User is somebody who takes part.
type User struct {
	ID     string `json:"id"`
	Name   string `json:"name,omitempty"`
	Kind   string `json:"kind"`             // end user, agent or bot
	DeskID string `json:"deskId,omitempty"` // in the help desk
}

// Event is an event for the bot.
type Event struct {
	ID            string    `json:"id"`
	CreatedAt     time.Time `json:"createdAt"`
	Type          string    `json:"type"`
	Status        string    `json:"status"`
	FailureReason string    `json:"failureReason,omitempty"`
	Payload       string    `json:"payload"` // the beginning of the JSON
}

// Lease says that a process works on the session, or on all of them. One that has expired is still respected for a moment: its
// holder may have died.
type Lease struct {
	State   string    `json:"state"`
	Purpose string    `json:"purpose"`
	Until   time.Time `json:"until"`
	Expired bool      `json:"expired"`
}

// Reader reads the sessions of an installation.
type Reader struct {
	API           *botpress.Client
	BotID         string
	IntegrationID string
	Channel       string // of sessions
}

// List returns the sessions that are not over, or have messages that are marked as undelivered: first what needs attention.
// More says that there are more than it returns.
func (r Reader) List(ctx context.Context) (all []Summary, more bool, err error) {
	all = []Summary{}
	seen := map[string]bool{}
	for _, tags := range []botpress.Tags{{tagPhase: Closing}, {tagOutbox: outboxPending}, {tagPhase: Opening}, {tagPhase: Open}} {
		for conv, err := range r.API.ListConversations(ctx, botpress.ListConversationsParams{Channel: r.Channel, Tags: tags}) {
			switch {
			case err != nil:
				return nil, false, err
			case seen[conv.ID]:
				continue
			case len(all) == maxSessions:
				return all, true, nil
			}
			seen[conv.ID] = true
			all = append(all, summaryOf(conv))
		}
	}
	return all, false, nil
}

// Read returns the session with an id: the conversation's, or the desk's. Of several with one id of the desk it is the newest,
// and rather one that is not over. It returns [ErrUnknown] if there is none.
func (r Reader) Read(ctx context.Context, id string) (*Session, error) {
	conv, err := r.find(ctx, id)
	if err != nil {
		return nil, err
	}
	s := &Session{Summary: summaryOf(conv)}
	users, err := r.participants(ctx, conv.ID)
	if err != nil {
		return nil, err
	}
	if err := r.messages(ctx, s, users); err != nil {
		return nil, err
	}
	s.Users = users.all
	if s.Events, err = r.events(ctx, conv.ID); err != nil {
		return nil, err
	}
	s.Leases, err = r.leases(ctx, s.Summary)
	return s, err
}

func (r Reader) find(ctx context.Context, id string) (found botpress.Conversation, err error) {
	if id != "." && id != ".." { // these would make another path
		conv, err := r.API.GetConversation(ctx, id)
		if err == nil && conv.Channel == r.Channel {
			return conv, nil
		}
		if err != nil && !isUnknown(err) {
			return found, err
		}
	}
	for conv, err := range r.API.ListConversations(ctx, botpress.ListConversationsParams{Channel: r.Channel, Tags: botpress.Tags{tagID: id}}) {
		if err != nil {
			return found, err
		}
		isOpen := conv.Tags[tagClosedAt] == ""
		if found.ID == "" || isOpen {
			found = conv
		}
		if isOpen {
			break
		}
	}
	if found.ID == "" {
		return found, ErrUnknown
	}
	return found, nil
}

// isUnknown reports whether the API does not know an id, or says that it is none.
func isUnknown(err error) bool {
	var api *botpress.Error
	return errors.Is(err, botpress.ErrNotFound) || errors.As(err, &api) &&
		slices.Contains([]botpress.ErrorType{botpress.TypeInvalidIdentifier, botpress.TypeInvalidPayload, botpress.TypeReferenceNotFound}, api.Type)
}

func summaryOf(conv botpress.Conversation) Summary {
	s := Summary{
		ConversationID: conv.ID, SessionID: conv.Tags[tagID], CreatedAt: conv.CreatedAt, UpdatedAt: conv.UpdatedAt,
		StartedAt: timeOf(conv.Tags[tagStartedAt]), ClosedAt: timeOf(conv.Tags[tagClosedAt]), Pending: conv.Tags[tagOutbox] != "",
	}
	switch { // as the server decides it: the tag phase may be late
	case conv.Tags[tagStopping] != "":
		s.Phase = Closing
	case !s.ClosedAt.IsZero():
		s.Phase = Closed
	case !s.StartedAt.IsZero():
		s.Phase = Open
	case conv.Tags[tagPhase] != "":
		s.Phase = Opening
	default:
		s.Phase = Abandoned
	}
	return s
}

// timeOf reads a time of the server's. It is zero for anything else.
func timeOf(tag string) time.Time {
	t, err := time.Parse(time.RFC3339, tag)
	if err != nil {
		return time.Time{}
	}
	return t
}

func (r Reader) participants(ctx context.Context, conversationID string) (*people, error) {
	p := &people{Reader: r, all: []User{}, byID: map[string]User{}}
	for u, err := range r.API.ListParticipants(ctx, conversationID, botpress.ListParticipantsParams{}) {
		if err != nil {
			return nil, err
		}
		p.add(u)
	}
	slices.Reverse(p.all)
	return p, nil
}

// people are the users of a session: those who take part, and those whom the bot speaks for, who do not in Botpress' view.
type people struct {
	Reader

	all  []User
	byID map[string]User
}

func (p *people) add(u botpress.User) {
	user := User{ID: u.ID, Name: Clean(u.Name), DeskID: u.Tags[tagID]}
	switch {
	case u.ID == p.BotID:
		user.Kind = "bot"
	case u.Tags[tagAgentID] != "":
		user.Kind, user.DeskID = "agent", u.Tags[tagAgentID]
	default:
		user.Kind = "end user"
	}
	p.all, p.byID[u.ID] = append(p.all, user), user
}

// name returns the name of a user, or else the id.
func (p *people) name(ctx context.Context, id string) (string, error) {
	if _, known := p.byID[id]; !known {
		u, err := p.API.GetUser(ctx, id)
		if err != nil && !isUnknown(err) {
			return "", err
		}
		u.ID = id // a user who was deleted has nothing else
		p.add(u)
	}
	return cmp.Or(p.byID[id].Name, id), nil
}

func (r Reader) events(ctx context.Context, conversationID string) ([]Event, error) {
	all := []Event{}
	for e, err := range r.API.ListEvents(ctx, botpress.ListEventsParams{ConversationID: conversationID}) {
		if err != nil {
			return nil, err
		}
		all = append(all, Event{
			ID: e.ID, CreatedAt: e.CreatedAt, Type: e.Type, Status: string(e.Status), FailureReason: Clean(e.FailureReason), Payload: Clean(string(e.Payload)),
		})
		if len(all) == latest {
			break
		}
	}
	slices.Reverse(all)
	return all, nil
}

func (r Reader) leases(ctx context.Context, s Summary) ([]Lease, error) {
	all := []Lease{}
	of := func(name string) botpress.StateKey {
		return botpress.StateKey{Type: botpress.StateOfConversation, ID: s.ConversationID, Name: name}
	}
	for _, l := range []struct {
		key     botpress.StateKey
		purpose string
	}{
		{of(stateStart), "opens the session"},
		{of(stateOutbox), "delivers messages to the help desk"},
		{of(stateAssigning), "tells the bot of an assignment"},
		{botpress.StateKey{Type: botpress.StateOfIntegration, ID: r.IntegrationID, Name: stateSweep}, "puts all sessions in order"},
	} {
		if l.key.Name == stateStart && !s.StartedAt.IsZero() {
			continue // it is kept, and nobody asks for it any more
		}
		state, err := r.API.GetState(ctx, l.key)
		if errors.Is(err, botpress.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		var record lease.Record
		if err := strictjson.Unmarshal(state.Payload, &record); err != nil {
			return nil, fmt.Errorf("the state %s is no lease: %w", l.key.Name, err)
		}
		if now := time.Now(); now.Before(record.Until.Add(lease.MaxSkew)) {
			all = append(all, Lease{State: l.key.Name, Purpose: l.purpose, Until: record.Until, Expired: now.After(record.Until)})
		}
	}
	return all, nil
}
