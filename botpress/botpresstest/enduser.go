package botpresstest

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/hitl-go/sdk/message"
)

// webchat is the one channel on which the plugin shows agents as themselves.
const webchat = "webchat"

// Profile is what the bot's channel knows about an end user.
type Profile struct {
	Name       string // Empty: the desk gets "Unknown User".
	Email      string // Sent to the desk unless the [Escalation] has another one. Empty: the plugin generates one.
	PictureURL string
	Channel    string // The integration of the bot's channel. Empty: "webchat".
}

// EndUser is a person who talks to the bot, in one conversation.
type EndUser struct {
	server   *Server
	in       *Installation
	email    string
	user     *user
	up       *conversation
	received []Received    // Guarded by server.mu, like all below.
	taken    int           // How many of them Next has returned.
	more     chan struct{} // Closed, and replaced, when there is one more.
}

// Speaker is the author of a message to an end user.
type Speaker string

// The speakers.
const (
	FromBot   Speaker = "bot"   // The bot, or the plugin.
	FromAgent Speaker = "agent" // A human agent.
)

// Received is a message that an end user was shown.
type Received struct {
	ID         string // Of the message upstream.
	From       Speaker
	Name       string // The agent's, as shown. Empty for the bot, and where the channel shows none.
	PictureURL string // Likewise.
	Message    message.Message
	At         time.Time         // By Botpress' clock.
	Tags       map[string]string // As the bot sees them, such as "hitl#downstream" and "hitl#additionalData".
}

// Escalation is the input of the bot's card "Start HITL".
type Escalation struct {
	Title       string // Left out if empty, which the real card never does, but its successor may.
	Description string // Left out if empty.
	Email       string // The end user's. Empty: the profile's.
	Session     any    // The integration's session entity, such as a priority. Nil: left out.
	// Config overrides the plugin's configuration for this session. Nil: the server's.
	Config *PluginConfig
}

// NewEndUser makes an end user with an empty conversation, in a bot whose HITL plugin uses this installation.
func (in *Installation) NewEndUser(p Profile) *EndUser {
	s := in.server
	s.mu.Lock()
	defer s.mu.Unlock()
	channel := cmp.Or(p.Channel, webchat)
	u := &EndUser{server: s, in: in, email: p.Email, more: make(chan struct{})}
	u.user = &user{entity: s.newEntity("user", nil, nil), name: p.Name, picture: p.PictureURL}
	s.users.add(u.user)
	u.up = &conversation{entity: s.newEntity("conv", nil, nil), channel: "channel", integration: channel, endUser: u}
	u.up.join(u.user.id)
	s.conversations.add(u.up)
	return u
}

// UserID is the end user's id upstream.
func (u *EndUser) UserID() string { return u.user.id }

// ConversationID is the id of the end user's conversation with the bot.
func (u *EndUser) ConversationID() string { return u.up.id }

// DownstreamUserID is the id of the end user's counterpart in the desk; empty before the first escalation.
func (u *EndUser) DownstreamUserID() string {
	u.server.mu.Lock()
	defer u.server.mu.Unlock()
	return u.user.tags[tagDownstream]
}

// DownstreamID is the id of the latest HITL session's conversation; empty before the first escalation.
func (u *EndUser) DownstreamID() string {
	u.server.mu.Lock()
	defer u.server.mu.Unlock()
	return u.up.tags[tagDownstream]
}

// Active says whether a HITL session is active.
func (u *EndUser) Active() bool {
	u.server.mu.Lock()
	defer u.server.mu.Unlock()
	return u.up.active
}

// Say sends a message to the bot, or to the agent while a session is active. It returns when Botpress has accepted the
// message; [Server.Settle] waits for its delivery. It fails if the message cannot be encoded, if too much work is queued,
// or if the context has ended.
func (u *EndUser) Say(ctx context.Context, m message.Message) error {
	kind, payload, err := message.Encode(m)
	if err != nil {
		return fmt.Errorf("botpresstest: the message cannot be sent: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	s := u.server
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.crowded(); err != nil {
		return err
	}
	s.send(u.up, u.user, parsedMessage{messageBody: messageBody{Type: string(kind), Payload: lastWins(payload)}})
	return nil
}

// End types the command that closes the session.
func (u *EndUser) End(ctx context.Context) error {
	u.server.mu.Lock()
	command := cmp.Or(u.up.config.CloseCommand, closeCommand)
	u.server.mu.Unlock()
	return u.Say(ctx, message.Text{Text: command})
}

// Escalate runs the bot's card "Start HITL", and returns when the session is active or has failed. The error wraps
// [ErrIgnored], or an [*Error] with the integration's response.
func (u *EndUser) Escalate(ctx context.Context, e Escalation) error {
	ctx, cancel := u.server.within(ctx)
	defer cancel()
	config := u.server.opts.Plugin
	if e.Config != nil {
		config = *e.Config
	}
	return u.server.escalate(ctx, escalation{
		in: u.in, up: u.up, user: u.user, title: e.Title, description: e.Description, email: cmp.Or(e.Email, u.email),
		session: e.Session, config: config,
	})
}

// StopHitl runs the bot's card "Stop HITL", and returns when the integration has responded. Its errors are like those of
// Escalate.
func (u *EndUser) StopHitl(ctx context.Context) error {
	ctx, cancel := u.server.within(ctx)
	defer cancel()
	return u.server.stopHitl(ctx, u.up)
}

// Received returns what the end user has been shown, in order.
func (u *EndUser) Received() []Received {
	u.server.mu.Lock()
	defer u.server.mu.Unlock()
	return slices.Clone(u.received)
}

// Next waits for the next message that Next has not returned yet. It fails only with the context's error.
func (u *EndUser) Next(ctx context.Context) (Received, error) {
	for {
		u.server.mu.Lock()
		if u.taken < len(u.received) {
			next := u.received[u.taken]
			u.taken++
			u.server.mu.Unlock()
			return next, nil
		}
		more := u.more
		u.server.mu.Unlock()
		select {
		case <-more:
		case <-ctx.Done():
			return Received{}, fmt.Errorf("the end user was shown no further message: %w", ctx.Err())
		}
	}
}

// show shows a message to the end user. Hold server.mu.
func (u *EndUser) show(m *msg) {
	said, err := message.Decode(message.Type(m.kind), m.payload)
	if err != nil {
		u.server.log.Error("a message cannot be shown", "message", m.id, "error", err)
		return
	}
	r := Received{ID: m.id, From: FromBot, Message: said, At: u.server.clock.stamp(), Tags: maps.Clone(m.tags)}
	if m.tags[tagDownstream] != "" {
		r.From = FromAgent
		var payload struct {
			UserID string `json:"userId"`
		}
		if json.Unmarshal(m.payload, &payload) == nil {
			if agent := u.server.users.byID[payload.UserID]; agent != nil {
				r.Name, r.PictureURL = agent.name, agent.picture
			}
		}
	}
	u.received = append(u.received, r)
	close(u.more)
	u.more = make(chan struct{})
}
