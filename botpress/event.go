package botpress

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"net/url"
	"time"

	"github.com/hitl-go/sdk/internal/strictjson"
)

// EventStatus is how far an event has come.
type EventStatus string

// The statuses of an event.
const (
	EventPending   EventStatus = "pending"
	EventProcessed EventStatus = "processed"
	EventIgnored   EventStatus = "ignored"
	EventFailed    EventStatus = "failed"
	EventScheduled EventStatus = "scheduled"
	EventCanceled  EventStatus = "canceled"
)

// Event is an event that bots and plugins react to.
type Event struct {
	ID        string      `json:"id"`
	CreatedAt time.Time   `json:"createdAt"`
	Type      string      `json:"type"`
	Status    EventStatus `json:"status"`
	// Payload is a JSON object.
	Payload        json.RawMessage `json:"payload"`
	ConversationID string          `json:"conversationId,omitempty"`
	UserID         string          `json:"userId,omitempty"`
	MessageID      string          `json:"messageId,omitempty"`
	// FailureReason is empty unless the event failed.
	FailureReason string `json:"failureReason,omitempty"`
}

// Schedule says when something is to happen: at a time or after a delay, not
// both. The order of what is scheduled for the same time is undefined.
type Schedule struct {
	// DateTime is sent with millisecond precision.
	DateTime time.Time
	// Delay counts from the call, in whole milliseconds, at least one.
	Delay time.Duration
}

// MarshalJSON encodes whichever field is set.
func (s Schedule) MarshalJSON() ([]byte, error) {
	var wire struct {
		DateTime string `json:"dateTime,omitempty"`
		Delay    int64  `json:"delay,omitempty"`
	}
	if !s.DateTime.IsZero() {
		wire.DateTime = stamp(s.DateTime)
	}
	if s.Delay < 0 {
		return nil, errors.New("the delay of a schedule is negative")
	}
	if s.Delay > 0 || s.DateTime.IsZero() {
		wire.Delay = max(1, s.Delay.Milliseconds()) // the API wants one of both
	}
	return json.Marshal(wire)
}

// UnmarshalJSON decodes what MarshalJSON encodes.
func (s *Schedule) UnmarshalJSON(data []byte) error {
	var wire struct {
		DateTime time.Time `json:"dateTime"`
		Delay    float64   `json:"delay"`
	}
	if err := strictjson.Unmarshal(data, &wire); err != nil {
		return err
	}
	*s = Schedule{DateTime: wire.DateTime, Delay: time.Duration(wire.Delay * float64(time.Millisecond))}
	return nil
}

// CreateEventParams describes a new event.
type CreateEventParams struct {
	// Type is required. An integration uses the names of its own definition.
	Type string `json:"type"`
	// Payload is a JSON object. Nil means an empty one.
	Payload json.RawMessage `json:"payload"`
	// Schedule delays the event. Nil means now.
	Schedule       *Schedule `json:"schedule,omitempty"`
	ConversationID string    `json:"conversationId,omitempty"`
	UserID         string    `json:"userId,omitempty"`
	WorkflowID     string    `json:"workflowId,omitempty"`
	MessageID      string    `json:"messageId,omitempty"`
}

// ListEventsParams selects events. The zero value selects all, newest first.
type ListEventsParams struct {
	Type           string
	ConversationID string
	UserID         string
	MessageID      string
	WorkflowID     string
	Status         EventStatus
	// PageSize is how many items are fetched at once. 0 leaves it to the API.
	PageSize int
	// NextToken is where the list starts, a token from Next. Empty means the
	// first page.
	NextToken string
	// Next, if set, ends the list after one page and receives the token of the
	// next page, "" after the last.
	Next *string
}

type eventReply struct {
	Event Event `json:"event"`
}

type eventPage struct {
	page
	Events []Event `json:"events"`
}

// CreateEvent emits an event, now or as scheduled. Called twice it emits two.
func (c *Client) CreateEvent(ctx context.Context, p CreateEventParams) (Event, error) {
	p.Payload = object(p.Payload)
	reply, err := do[eventReply](ctx, c, shownPost(p, "/v1/chat/events"))
	return reply.Event, err
}

// GetEvent returns an event, or [ErrNotFound].
func (c *Client) GetEvent(ctx context.Context, id string) (Event, error) {
	reply, err := do[eventReply](ctx, c, get("/v1/chat/events/{id}", id))
	return reply.Event, err
}

// ListEvents ranges over the events that p selects.
func (c *Client) ListEvents(ctx context.Context, p ListEventsParams) iter.Seq2[Event, error] {
	r := get("/v1/chat/events")
	r.query = url.Values(query{}.
		text("type", p.Type).
		text("conversationId", p.ConversationID).
		text("userId", p.UserID).
		text("messageId", p.MessageID).
		text("workflowId", p.WorkflowID).
		text("status", string(p.Status)).
		number("pageSize", p.PageSize).
		text("nextToken", p.NextToken))
	return pages(ctx, c, r, p.Next, func(p eventPage) ([]Event, string) { return p.Events, p.Meta.NextToken })
}

// CancelScheduledEvent cancels an event that is not due yet.
func (c *Client) CancelScheduledEvent(ctx context.Context, id string) error {
	_, err := do[struct{}](ctx, c, del("/v1/chat/events/scheduled/{id}", id))
	return err
}
