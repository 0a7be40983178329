package botpresstest

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// messageCreated is the type of the events that bring an incoming message to the bot.
const messageCreated = "message_created"

// Event is an event for the bot, past or scheduled: a message, an event of an integration such as
// "zendesk:hitlAssigned", or one of the plugin's own such as "hitl#humanAgentAssignedTimeout".
type Event struct {
	ID             string          `json:"id"`
	CreatedAt      time.Time       `json:"createdAt"`
	Type           string          `json:"type"`
	Payload        json.RawMessage `json:"payload"`
	ConversationID string          `json:"conversationId,omitempty"`
	UserID         string          `json:"userId,omitempty"`
	MessageID      string          `json:"messageId,omitempty"`
	// Status is pending, scheduled, canceled, processed, failed, or ignored. The plugin ignores events while no session is
	// active.
	Status        string  `json:"status"`
	FailureReason *string `json:"failureReason"` // Why it failed; nil unless it did.
}

type event struct {
	id             string
	number         uint64
	owner          *Installation
	createdAt      time.Time
	kind           string // The event type; with the alias in front if an integration made it.
	payload        json.RawMessage
	conversationID string
	userID         string
	messageID      string
	status         string
	failure        *string
	message        *msg      // For messageCreated only.
	at             time.Time // When it is due; zero is now.
}

func (e *event) view() Event {
	payload := e.payload
	if payload == nil {
		payload = json.RawMessage("{}")
	}
	return Event{
		ID: e.id, CreatedAt: e.createdAt, Type: e.kind, Payload: payload, ConversationID: e.conversationID,
		UserID: e.userID, MessageID: e.messageID, Status: e.status, FailureReason: e.failure,
	}
}

// Events returns all events, oldest first, those of messages included. Their status says how the plugin handled them.
func (s *Server) Events() []Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	views := make([]Event, len(s.events))
	for i, e := range s.events {
		views[i] = e.view()
	}
	return views
}

// receive stores an event and passes it to the bot when it is due. Events about one conversation are handled in order.
// Hold s.mu.
func (s *Server) receive(e *event) {
	e.id, e.number, e.createdAt, e.status = s.newID("evt"), s.number(), s.clock.stamp(), "pending"
	s.events = append(s.events, e)
	s.eventByID[e.id] = e
	if e.at.After(s.clock.now()) {
		e.status = "scheduled"
	}
	s.later(e.at, func() {
		if e.status == "canceled" {
			return
		}
		e.status = "pending"
		s.enqueue("bot:"+e.about(), func(ctx context.Context) {
			outcome, err := s.handle(ctx, e)
			s.mu.Lock()
			defer s.mu.Unlock()
			e.status = outcome
			if err != nil {
				reason := err.Error()
				e.status, e.failure = "failed", &reason
				s.log.WarnContext(ctx, "the plugin has failed on an event", "type", e.kind, "event", e.id, "error", err)
			}
		})
	})
}

// about returns the conversation of an event.
func (e *event) about() string {
	if e.conversationID != "" {
		return e.conversationID
	}
	if id := e.field("conversationId"); id != "" {
		return id
	}
	return e.id
}

// field is a string in the payload.
func (e *event) field(name string) string {
	var payload map[string]any
	if json.Unmarshal(e.payload, &payload) != nil {
		return ""
	}
	text, _ := payload[name].(string)
	return text
}

func createEvent(r *request) (any, *Error) {
	body, err := decode[struct {
		Type           string          `json:"type"`
		Payload        json.RawMessage `json:"payload"`
		Schedule       json.RawMessage `json:"schedule"`
		ConversationID string          `json:"conversationId"`
		UserID         string          `json:"userId"`
		WorkflowID     string          `json:"workflowId"`
		MessageID      string          `json:"messageId"`
	}](r.body, "type! payload! schedule conversationId userId workflowId messageId")
	if err != nil {
		return nil, err
	}
	if err := object("payload", body.Payload); err != nil {
		return nil, err
	}
	e := &event{
		owner: r.in, kind: body.Type, payload: body.Payload,
		conversationID: body.ConversationID, userID: body.UserID, messageID: body.MessageID,
	}
	if utf8.RuneCountInString(e.kind) > maxName {
		return nil, invalidPayload("type has more than %d characters", maxName)
	}
	if r.in != nil {
		if err := r.in.checkEvent(e); err != nil {
			return nil, err
		}
		e.kind = r.in.Alias + ":" + e.kind
	}
	for name, id := range map[string]string{"conversationId": e.conversationID, "userId": e.userID, "messageId": e.messageID, "workflowId": body.WorkflowID} {
		if err := checkID(name, id); err != nil {
			return nil, err
		}
	}
	if _, err := r.conversation(e.conversationID); e.conversationID != "" && err != nil {
		return nil, unknownReference("conversation", e.conversationID)
	}
	if _, err := r.user(e.userID); e.userID != "" && err != nil {
		return nil, unknownReference("user", e.userID)
	}
	if _, err := r.message(e.messageID); e.messageID != "" && err != nil {
		return nil, unknownReference("message", e.messageID)
	}
	if e.at, err = r.when(body.Schedule); err != nil {
		return nil, err
	}
	r.receive(e)
	return map[string]any{"event": e.view()}, nil
}

// checkEvent refuses an event that is not declared, or whose payload does not conform to the HITL interface.
func (in *Installation) checkEvent(e *event) *Error {
	var want []string
	switch e.kind {
	case in.Names.Assigned:
		want = []string{"conversationId", "userId"}
	case in.Names.Stopped:
		want = []string{"conversationId"}
	default:
		if !slices.Contains(in.Events, e.kind) {
			return invalidPayload("the event %q is not declared in the definition of %s", e.kind, in.Name)
		}
	}
	for _, name := range want {
		if e.field(name) == "" {
			return invalidPayload("the payload of %s needs %s, a string", e.kind, name)
		}
	}
	return nil
}

// event finds an event that the caller may see.
func (r *request) event(id string) (*event, *Error) {
	if e := r.eventByID[id]; e != nil && (r.in == nil || e.owner == r.in) {
		return e, nil
	}
	return nil, notFound("event", id)
}

func getEvent(r *request) (any, *Error) {
	e, err := r.event(r.http.PathValue("id"))
	if err != nil {
		return nil, err
	}
	return map[string]any{"event": e.view()}, nil
}

func cancelScheduledEvent(r *request) (any, *Error) {
	e, err := r.event(r.http.PathValue("id"))
	if err != nil {
		return nil, err
	}
	if e.status != "scheduled" {
		return nil, notFound("scheduled event", e.id)
	}
	e.status = "canceled"
	return struct{}{}, nil
}

func listEvents(r *request) (any, *Error) {
	q, err := r.query("type", "conversationId", "userId", "messageId", "workflowId", "status=pending,ignored,processed,failed,scheduled")
	if err != nil {
		return nil, err
	}
	var chosen []*event
	for _, e := range r.events {
		kind := e.kind
		if r.in != nil && !strings.Contains(q.Get("type"), ":") {
			kind = strings.TrimPrefix(kind, r.in.Alias+":")
		}
		matches := (r.in == nil || e.owner == r.in) && q.Get("workflowId") == ""
		for name, value := range map[string]string{
			"type": kind, "conversationId": e.conversationID, "userId": e.userID, "messageId": e.messageID, "status": e.status,
		} {
			matches = matches && (q.Get(name) == "" || q.Get(name) == value)
		}
		if matches {
			chosen = append(chosen, e)
		}
	}
	page, meta, err := paged(q, chosen, false, func(e *event) position { return position{Number: e.number} })
	if err != nil {
		return nil, err
	}
	views := make([]Event, len(page))
	for i, e := range page {
		views[i] = e.view()
	}
	return map[string]any{"events": views, "meta": meta}, nil
}
