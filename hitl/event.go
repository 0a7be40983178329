package hitl

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"reflect"
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
}

// assigned announces the agent who took the session over: once, and again only after somebody else had it.
// The state is written before the event is sent, so that of two replicas only one sends it; he who finds a fresh state
// of another makes sure that its event is there, since the other may have crashed in between.
func (c *call) assigned(ctx context.Context, ses *session, agent Agent) error {
	userID, ses, err := c.agent(ctx, ses, agent)
	if err != nil {
		return err
	}
	me := announcement{UserID: userID, By: rand.Text(), At: time.Now()}
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
		return c.emit(ctx, ses, e)
	}
	if before.UserID == userID {
		if time.Since(before.At) > 2*c.opts.Timeout {
			return nil // that attempt is through, or was repeated since
		}
		if there, err := c.emittedSoon(ctx, e); there || err != nil {
			return err
		}
	}
	return c.announceOver(ctx, ses, me, e)
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
	payload, err := json.Marshal(a)
	if err != nil {
		return err
	}
	release, err := c.claim(ctx, ses.conversationID, stateAssigning, func() (bool, error) { return c.emitted(ctx, e) })
	if err != nil || release == nil {
		return err
	}
	defer release()
	if there, err := c.emitted(ctx, e); there || err != nil {
		return err
	}
	_, err = again(ctx, func() (botpress.State, error) {
		return c.client.SetState(ctx, assignedState(ses), botpress.SetStateParams{Payload: payload})
	})
	if err != nil {
		return fmt.Errorf("hitl: note who is announced in conversation %s: %w", ses.conversationID, err)
	}
	return c.emit(ctx, ses, e)
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
	doubt := false
	_, err := again(ctx, func() (struct{}, error) {
		if doubt {
			if there, err := c.emitted(ctx, e); there || err != nil {
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

// emitted looks whether the event is there: whether the newest of its type in the conversation says the same.
func (c *call) emitted(ctx context.Context, p botpress.CreateEventParams) (bool, error) {
	looked := 0
	for e, err := range c.client.ListEvents(ctx, botpress.ListEventsParams{ConversationID: p.ConversationID}) {
		if err != nil {
			return false, fmt.Errorf("hitl: look for the event %s: %w", p.Type, err)
		}
		if e.Type == p.Type || strings.HasSuffix(e.Type, ":"+p.Type) {
			return sameJSON(e.Payload, p.Payload), nil
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
		there, err := c.emitted(ctx, e)
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
