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

// guest is the end user on the page.
type guest struct {
	*botpresstest.EndUser

	name    string
	waiting bool // For the answer to startHitl.
	leave   context.CancelFunc
}

// people come one after the other, and from the beginning again.
var people = []botpresstest.Profile{
	{Name: "Jane Miller", Email: "jane@example.com"},
	{Name: "Omar Haddad", Email: "omar@example.com"},
	{Name: "Mei Tanaka", Email: "mei@example.com"},
	{Name: "Søren Lund"}, // The plugin makes up an address.
	{Name: "Ana Sousa", Email: "ana@example.com"},
}

// invite lets the next end user in, with an empty chat. What the one before had open stays open.
func (p *playground) invite() {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return
	}
	profile := people[p.guests%len(people)]
	p.guests++
	if p.guest.leave != nil {
		p.guest.leave()
	}
	ctx, leave := context.WithCancel(p.running)
	g := guest{EndUser: p.in.NewEndUser(profile), name: profile.Name, leave: leave}
	p.guest = g
	p.view.clearChat(p.sessionOf(g))
	p.mu.Unlock()
	p.background(func(context.Context) { p.listenTo(ctx, g.EndUser) })
}

// listenTo shows what an end user is told, until the next one comes.
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

// say lets the end user say something. Who asks for a human gets one, as in a bot that understands it.
func (p *playground) say(ctx context.Context, m message.Message) error {
	g := p.present()
	wanted := wantsHuman(m) && !g.Active() && !g.waiting
	title := cmp.Or(p.view.topic(), "Help for "+g.name)
	if err := p.sayOnly(ctx, m); err != nil || !wanted {
		return err
	}
	return p.escalate(botpresstest.Escalation{Title: title})
}

// sayOnly lets the end user say something. It is shown first: the answer must not stand before it.
func (p *playground) sayOnly(ctx context.Context, m message.Message) error {
	if _, _, err := message.Encode(m); err != nil {
		return err
	}
	g := p.present()
	p.view.addChat(g.UserID(), chatMessage{From: EndUser, Name: g.name, Message: message.Envelope{Message: m}, At: time.Now()})
	return g.Say(ctx, m)
}

var errActive = errors.New("a session is active already")

// escalate hands the conversation over. How that ends is seen in the chat.
func (p *playground) escalate(e botpresstest.Escalation) error {
	p.mu.Lock()
	g := p.guest
	if g.waiting || g.Active() {
		p.mu.Unlock()
		return errActive
	}
	p.guest.waiting = true
	p.mu.Unlock()
	p.view.touch()
	p.background(func(ctx context.Context) {
		err := g.Escalate(ctx, e)
		p.mu.Lock()
		if p.guest.EndUser == g.EndUser {
			p.guest.waiting = false
		}
		p.mu.Unlock()
		p.view.touch()
		if err != nil && ctx.Err() == nil {
			p.view.addChat(g.UserID(), chatMessage{
				From: System, Name: "Hand-over failed", Message: message.Envelope{Message: message.Text{Text: reason(err)}}, At: time.Now(),
			})
		}
	})
	return nil
}

// reason is why a hand-over failed, without the words that only programs need.
func reason(err error) string {
	var refused *botpresstest.Error
	if errors.As(err, &refused) {
		return fmt.Sprintf("%s (%s, %d)", refused.Message, refused.Type, refused.Status)
	}
	return err.Error()
}

func (p *playground) present() guest {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.guest
}

// session is where the end user's chat stands.
type session struct {
	User         string `json:"user"`
	UserID       string `json:"-"`
	Active       bool   `json:"active"`
	Waiting      bool   `json:"waiting"`         // For the integration to open a session.
	Agent        string `json:"agent,omitempty"` // Who has taken it over.
	Conversation string `json:"conversation,omitempty"`
}

// tagAgent and tagEnd are what the HITL plugin notes in a conversation: the agent's name, and why the session has ended.
const (
	tagAgent = "hitl#humanAgentName"
	tagEnd   = "hitl#hitlEndReason"
)

func (p *playground) session() session { return p.sessionOf(p.present()) }

func (p *playground) sessionOf(g guest) session {
	s := session{User: g.name, UserID: g.UserID(), Active: g.Active(), Waiting: g.waiting, Conversation: g.DownstreamID()}
	for _, c := range p.cloud.Conversations() {
		if s.Active && c.ID == s.Conversation {
			s.Agent = c.Tags[tagAgent]
		}
	}
	return s
}

// wantsHuman says whether the end user asks for a human in so many words.
func wantsHuman(m message.Message) bool {
	text, ok := m.(message.Text)
	said := strings.ToLower(text.Text)
	return ok && (strings.Contains(said, "talk to a human") || strings.Contains(said, "speak to a human"))
}
