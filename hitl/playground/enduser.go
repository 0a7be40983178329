package playground

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hitl-go/sdk/botpress/botpresstest"
	"github.com/hitl-go/sdk/message"
)

// chatUser is the end user on the page.
type chatUser struct {
	*botpresstest.EndUser

	name    string
	waiting bool // Until startHitl returns.
	leave   context.CancelFunc
}

// profiles are the end users, one after the other, and then again from the first.
var profiles = []botpresstest.Profile{
	{Name: "Jane Miller", Email: "jane@example.com"},
	{Name: "Omar Haddad", Email: "omar@example.com"},
	{Name: "Mei Tanaka", Email: "mei@example.com"},
	{Name: "Søren Lund"}, // The plugin invents an address.
	{Name: "Ana Sousa", Email: "ana@example.com"},
}

// nextEndUser starts an empty chat with the next end user. A session of the previous one stays open.
func (p *playground) nextEndUser() {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return
	}
	profile := profiles[p.chatUsers%len(profiles)]
	p.chatUsers++
	if p.chatUser.leave != nil {
		p.chatUser.leave()
	}
	ctx, leave := context.WithCancel(p.running)
	g := chatUser{EndUser: p.in.NewEndUser(profile), name: profile.Name, leave: leave}
	p.chatUser = g
	p.view.clearChat(p.sessionOf(g))
	p.mu.Unlock()
	p.background(func(context.Context) { p.listenTo(ctx, g.EndUser) })
}

// listenTo shows the messages to an end user, until the next one comes.
func (p *playground) listenTo(ctx context.Context, u *botpresstest.EndUser) {
	for {
		r, err := u.Next(ctx)
		if err != nil {
			return
		}
		from := Bot
		if r.From == botpresstest.FromAgent {
			from = Agent
		}
		p.view.addChat(u.UserID(), chatMessage{ID: r.ID, From: from, Name: r.Name, Message: message.Envelope{Message: r.Message}, At: r.At})
	}
}

// say sends a message of the end user. If it asks for a human, it also starts a session.
func (p *playground) say(ctx context.Context, m message.Message) error {
	g := p.currentUser()
	wanted := wantsHuman(m) && !g.Active() && !g.waiting
	title := cmp.Or(p.view.topic(), "Help for "+g.name)
	if err := p.sayOnly(ctx, m); err != nil || !wanted {
		return err
	}
	return p.escalate(botpresstest.Escalation{Title: title})
}

// sayOnly sends a message of the end user. It is shown first, so that it stands above the answer.
func (p *playground) sayOnly(ctx context.Context, m message.Message) error {
	if _, _, err := message.Encode(m); err != nil {
		return err
	}
	g := p.currentUser()
	p.view.addChat(g.UserID(), chatMessage{From: EndUser, Name: g.name, Message: message.Envelope{Message: m}, At: time.Now()})
	return g.Say(ctx, m)
}

var errActive = errors.New("a session is active already")

// escalate starts a session in the background. The chat shows the result.
func (p *playground) escalate(e botpresstest.Escalation) error {
	p.mu.Lock()
	g := p.chatUser
	if g.waiting || g.Active() {
		p.mu.Unlock()
		return errActive
	}
	p.chatUser.waiting = true
	p.mu.Unlock()
	p.view.touch()
	p.background(func(ctx context.Context) {
		err := g.Escalate(ctx, e)
		p.mu.Lock()
		if p.chatUser.EndUser == g.EndUser {
			p.chatUser.waiting = false
		}
		p.mu.Unlock()
		p.view.touch()
		if err != nil && ctx.Err() == nil {
			p.view.addChat(g.UserID(), chatMessage{
				From: System, Name: "The session could not be started", Message: message.Envelope{Message: message.Text{Text: reason(err)}}, At: time.Now(),
			})
		}
	})
	return nil
}

// reason is the error of an escalation, as people read it.
func reason(err error) string {
	var refused *botpresstest.Error
	if errors.As(err, &refused) {
		return fmt.Sprintf("%s (%s, %d)", refused.Message, refused.Type, refused.Status)
	}
	return err.Error()
}

func (p *playground) currentUser() chatUser {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.chatUser
}

// session is the state of the end user's session.
type session struct {
	User         string `json:"user"`
	UserID       string `json:"-"`
	Active       bool   `json:"active"`
	Waiting      bool   `json:"waiting"`         // Until startHitl returns.
	Agent        string `json:"agent,omitempty"` // The assigned agent.
	Conversation string `json:"conversation,omitempty"`
}

// Tags that the HITL plugin sets on a conversation: the agent's name, and why the session has ended.
const (
	tagAgent = "hitl#humanAgentName"
	tagEnd   = "hitl#hitlEndReason"
)

func (p *playground) session() session { return p.sessionOf(p.currentUser()) }

func (p *playground) sessionOf(g chatUser) session {
	s := session{User: g.name, UserID: g.UserID(), Active: g.Active(), Waiting: g.waiting, Conversation: g.DownstreamID()}
	for _, c := range p.cloud.Conversations() {
		if s.Active && c.ID == s.Conversation {
			s.Agent = c.Tags[tagAgent]
		}
	}
	return s
}

// wantsHuman reports whether the end user asks for a human literally.
func wantsHuman(m message.Message) bool {
	text, ok := m.(message.Text)
	said := strings.ToLower(text.Text)
	return ok && (strings.Contains(said, "talk to a human") || strings.Contains(said, "speak to a human"))
}
