package hitl

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/internal/wire"
)

// announcement is the state that says which agent the end user was told of last, by which attempt, and when.
type announcement struct {
	UserID string    `json:"userId"`
	By     string    `json:"by"`
	At     time.Time `json:"at"`
	// Failed says that the attempt has given up, maybe after the event was sent.
	Failed bool `json:"failed"`
	// Seen holds the desk's ids of the latest assignments, of whomever.
	Seen []string `json:"seen,omitempty"`
}

// maxSeen is how many assignments back a duplicate may come and is still known.
const maxSeen = 10

// saw adds an assignment's id to those seen.
func (a announcement) saw(seen []string) announcement {
	a.Seen = append(slices.Clone(seen), a.Seen...)
	a.Seen = a.Seen[max(0, len(a.Seen)-maxSeen):]
	return a
}

// assigned announces the agent who took the session over: once, and again only after somebody else had it.
// The state is written before the event is sent, so that of two replicas only one sends it; he who finds a fresh state
// of another makes sure that its event is there, since the other may have crashed in between.
func (c *call) assigned(ctx context.Context, ses *session, assigned Assigned) error {
	userID, ses, err := c.agent(ctx, ses, assigned.Agent)
	if err != nil {
		return err
	}
	me := announcement{UserID: userID, By: rand.Text(), At: time.Now()}
	if assigned.ID != "" {
		me.Seen = []string{tagValue(assigned.ID)}
	}
	before, err := c.announce(ctx, ses, me)
	if err != nil {
		return err
	}
	payload, err := json.Marshal(wire.AssignedPayload{ConversationID: ses.conversationID, UserID: userID})
	if err != nil {
		return err
	}
	e := botpress.CreateEventParams{Type: c.def.Names.Assigned, Payload: payload, ConversationID: ses.conversationID}
	if before.By == me.By { // nobody was announced before
		return c.emitAnnounced(ctx, ses, me, e)
	}
	if before.UserID != userID || before.Failed {
		return c.announceOver(ctx, ses, me, e)
	}
	age := time.Since(before.At)
	if age > 2*c.opts.Timeout {
		return nil // that attempt is through, or was repeated since
	}
	if there, err := c.emittedSoon(ctx, e); there || err != nil {
		return err
	}
	if age < c.opts.Timeout+10*time.Second { // it may still be at it
		return Retryable(10*time.Second, fmt.Errorf("hitl: agent %s is being announced by another", assigned.Agent.ID))
	}
	return c.announceOver(ctx, ses, me, e)
}

// emitAnnounced sends the event of an announcement that is written down. If that fails, the next attempt need not wait
// for this one.
func (c *call) emitAnnounced(ctx context.Context, ses *session, a announcement, e botpress.CreateEventParams) error {
	err := c.emit(ctx, ses, e)
	if err == nil {
		return nil
	}
	a.Failed = true
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return errors.Join(err, c.write(ctx, ses, a))
}

// write replaces the announcement.
func (c *call) write(ctx context.Context, ses *session, a announcement) error {
	payload, err := json.Marshal(a)
	if err != nil {
		return err
	}
	_, err = again(ctx, func() (botpress.State, error) {
		return c.client.SetState(ctx, assignedState(ses), botpress.SetStateParams{Payload: payload})
	})
	if err != nil {
		return fmt.Errorf("hitl: note who is announced in conversation %s: %w", ses.conversationID, err)
	}
	return nil
}

// announce writes who is announced if nobody was before, and returns what is written.
func (c *call) announce(ctx context.Context, ses *session, a announcement) (announcement, error) {
	payload, err := json.Marshal(a)
	if err != nil {
		return announcement{}, err
	}
	state, err := again(ctx, func() (botpress.State, error) {
		return c.client.GetOrSetState(ctx, assignedState(ses), botpress.SetStateParams{Payload: payload})
	})
	if err != nil {
		return announcement{}, fmt.Errorf("hitl: read who was announced in conversation %s: %w", ses.conversationID, err)
	}
	var written announcement
	if err := json.Unmarshal(state.Payload, &written); err != nil {
		return announcement{}, fmt.Errorf("hitl: read who was announced in conversation %s: %w", ses.conversationID, err)
	}
	return written, nil
}

// announceOver announces an agent after another. The state is there already and can only be written over, so one
// replica does it at a time, and looks first whether another has just done it.
func (c *call) announceOver(ctx context.Context, ses *session, a announcement, e botpress.CreateEventParams) error {
	release, err := c.claim(ctx, ses.conversationID, stateAssigning, func() (bool, error) { return c.emitted(ctx, e, time.Time{}) })
	if err != nil || release == nil {
		return err
	}
	defer release()
	before, err := c.announce(ctx, ses, a)
	if err != nil {
		return err
	}
	late := !before.Failed && len(a.Seen) > 0 && slices.Contains(before.Seen, a.Seen[0]) // and somebody else was assigned since
	if late {
		return nil
	}
	if there, err := c.emitted(ctx, e, time.Time{}); there || err != nil {
		return err
	}
	a = a.saw(before.Seen)
	if err := c.write(ctx, ses, a); err != nil {
		return err
	}
	return c.emitAnnounced(ctx, ses, a, e)
}

func assignedState(ses *session) botpress.StateKey {
	return botpress.StateKey{Type: botpress.StateOfConversation, ID: ses.conversationID, Name: stateAssigned}
}

// stopped tells the bot that the session is over.
func (c *call) stopped(ctx context.Context, ses *session) error {
	if ses.closed() {
		return nil // by us, or reported before
	}
	if c.young(ses) {
		conv, err := c.client.GetConversation(ctx, ses.conversationID)
		if err != nil {
			return fmt.Errorf("hitl: read conversation %s: %w", ses.conversationID, err)
		}
		ses = c.sessionOf(conv)
		c.remember(ses)
	}
	if err := c.emitStopped(ctx, ses); err != nil {
		return err
	}
	return c.closed(ctx, ses)
}

func (c *call) emitStopped(ctx context.Context, ses *session) error {
	payload, err := json.Marshal(wire.ConversationRef{ConversationID: ses.conversationID})
	if err != nil {
		return err
	}
	return c.emit(ctx, ses, botpress.CreateEventParams{Type: c.def.Names.Stopped, Payload: payload, ConversationID: ses.conversationID})
}

// emit sends an event to the bot, now or when its plugin is ready for it. Nothing keeps the API from sending an event twice,
// so after an answer was lost it looks before it tries again.
func (c *call) emit(ctx context.Context, ses *session, e botpress.CreateEventParams) error {
	e.Schedule = c.schedule(ses)
	since := time.Now().Add(-5 * time.Second) // our clock may be ahead of the API's
	doubt := false
	_, err := again(ctx, func() (struct{}, error) {
		if doubt {
			if there, err := c.emitted(ctx, e, since); there || err != nil {
				return struct{}{}, err
			}
		}
		_, err := c.client.CreateEvent(ctx, e)
		doubt = err != nil
		return struct{}{}, err
	})
	if err != nil {
		return fmt.Errorf("hitl: send the event %s: %w", e.Type, err)
	}
	return nil
}

// emitted looks whether the event is there: whether the newest of its type in the conversation says the same, and is not
// from before the given time.
func (c *call) emitted(ctx context.Context, p botpress.CreateEventParams, since time.Time) (bool, error) {
	looked := 0
	for e, err := range c.client.ListEvents(ctx, botpress.ListEventsParams{ConversationID: p.ConversationID}) {
		if err != nil {
			return false, fmt.Errorf("hitl: look for the event %s: %w", p.Type, err)
		}
		if e.Type == p.Type || strings.HasSuffix(e.Type, ":"+p.Type) {
			return sameJSON(e.Payload, p.Payload) && !e.CreatedAt.Before(since), nil
		}
		if looked++; looked >= maxLook {
			break
		}
	}
	return false, nil
}

// maxLook is how many events are looked through for one. In doubt there are few newer ones: the doubt is seconds old.
const maxLook = 200

// emittedSoon gives another attempt, which may still be under way, time to send the event.
func (c *call) emittedSoon(ctx context.Context, e botpress.CreateEventParams) (bool, error) {
	for wait := 100 * time.Millisecond; ; wait *= 2 {
		there, err := c.emitted(ctx, e, time.Time{})
		if there || err != nil || wait > 3*time.Second {
			return there, err
		}
		if err := sleep(ctx, wait); err != nil {
			return false, err
		}
	}
}

func sameJSON(a, b json.RawMessage) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}
