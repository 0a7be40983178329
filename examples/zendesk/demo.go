package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/hitl-go/sdk/botpress/botpresstest"
	"github.com/hitl-go/sdk/examples/zendesk/zendesktest"
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/message"
	"github.com/hitl-go/sdk/message/richtext"
)

// demo plays three sessions, and tells them to w: one that the agent closes, one that the end user closes, and one in which
// Zendesk is out of reach for a while.
// Whatever does not arrive where it should is an error.
func demo(ctx context.Context, w io.Writer) (err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	s, err := newStage(ctx, botpresstest.Options{Bot: parcelBot, Attempts: 2, RetryDelay: 200 * time.Millisecond}, hitl.Options{ActivationDelay: 200 * time.Millisecond})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()

	d := &drama{stage: s, ctx: ctx, tell: newTeller(w)}
	d.tell.line("Botpress %s, Zendesk %s and the integration between them %s are up.", s.cloud.URL, s.desk.URL, s.in.URL)
	rosa := s.desk.NewAgent("Rosa Diaz")
	d.agentCloses(rosa)
	d.endUserCloses(rosa)
	d.deskIsDown(rosa)
	if d.err != nil {
		return d.err
	}
	d.tell.line("")
	d.tell.line("All sessions are over, and everything has arrived, once and in order: Zendesk was asked %d times, Botpress called the integration %d times.",
		len(s.desk.Requests()), s.cloud.Count("action_triggered")+s.cloud.Count("message_created")+s.cloud.Count("webhook_received"))
	return nil
}

// parcelBot is the bot that talks to end users before an agent does.
func parcelBot(m message.Message) []message.Message {
	switch text := message.PlainText(m); {
	case strings.Contains(text, "parcel"):
		return []message.Message{message.Choice{Text: "Which parcel is it?", Options: []message.Option{
			{Label: "4711, from Lisbon", Value: "4711"}, {Label: "4712, from Oslo", Value: "4712"},
		}}}
	case strings.Contains(text, "4711"):
		return []message.Message{
			message.Card{
				Title: "Parcel 4711", Subtitle: "Handed over to a neighbour on Monday",
				Actions: []message.Action{{Kind: message.ActionURL, Label: "Track it", Value: "https://parcels.example.com/4711"}},
			},
			message.Location{Latitude: 52.5163, Longitude: 13.3777, Title: "Where it was handed over", Address: "Pariser Platz 1, Berlin"},
		}
	default:
		return []message.Message{message.Text{Text: "I am only a bot. Let me find you a human."}}
	}
}

func (d *drama) agentCloses(rosa zendesktest.User) {
	jane := d.enter("Jane", botpresstest.Profile{Name: "Jane Miller", Email: "jane@example.com"})
	d.tell.title("Jane's parcel")
	d.chats(jane, message.Text{Text: "Where is my parcel?"}, 1)
	d.chats(jane, message.Text{Text: "It is 4711."}, 2)
	d.chats(jane, message.Text{Text: "But I have no neighbours!"}, 1)
	d.escalates(jane, botpresstest.Escalation{
		Title: "Parcel 4711 is lost", Description: "Jane has no neighbours, but one of them has the parcel.",
		Session: Session{Priority: "high", ChatbotName: "Parcel bot"},
	})

	d.agent(func() error { return d.desk.Assign(jane.ticket, rosa) })
	d.hears(jane)
	d.agent(func() error {
		return d.desk.Reply(jane.ticket, rosa, "<p>Hello Jane, I am <b>Rosa</b>. Have you got a photo of the slip?</p>")
	})
	d.hears(jane)
	slip := d.desk.Host(zendesktest.File{Name: "slip.png", ContentType: "image/png", Data: []byte("\x89PNG\r\n\x1a\n")})
	d.writes(jane, message.Image{ImageURL: slip, Title: "The slip"})
	d.writes(jane, message.Bloc{Items: []message.BlocItem{
		message.Text{Text: "And this is my street."},
		message.Location{Latitude: 52.5169, Longitude: 13.3889, Title: "Home"},
	}})
	d.note(jane, rosa, "The driver mixed up 1 and 11 again.")
	d.agent(func() error {
		return d.desk.Reply(jane.ticket, rosa, "<p>Found it, next door but ten.</p><ul><li>It comes today</li><li>The postage is refunded</li></ul>",
			zendesktest.File{Name: "refund.pdf", ContentType: "application/pdf", Data: []byte("%PDF-1.7")})
	})
	d.hears(jane)
	d.writes(jane, message.Text{Text: "You are wonderful."})
	d.agent(func() error { return d.desk.Solve(jane.ticket, rosa) })
	d.hears(jane)
	d.ends(jane)
}

func (d *drama) endUserCloses(rosa zendesktest.User) {
	omar := d.enter("Omar", botpresstest.Profile{Name: "Omar Haddad"})
	d.tell.title("Omar's question")
	d.chats(omar, message.Text{Text: "Do you deliver on Sundays?"}, 1)
	d.escalates(omar, botpresstest.Escalation{Title: "Delivery on Sundays"})
	d.agent(func() error {
		nobody := int64(0)
		return d.desk.Submit(omar.ticket, rosa, zendesktest.Update{AssigneeID: &nobody, HTML: "<p>We do not, I am afraid.</p>"})
	})
	d.hears(omar) // The plugin says that somebody has joined, and
	d.hears(omar) // then what it was.
	d.writes(omar, message.Text{Text: "A pity. Thank you!"})
	d.says(omar, message.Text{Text: "/end"})
	d.hears(omar)
	d.arrives(omar, 1)
	d.ends(omar)
}

// deskIsDown lets Zendesk's API fail while both write, until Botpress has given up sending what the end user says. What was said
// arrives all the same: the server delivers it, and reads the ticket back.
func (d *drama) deskIsDown(rosa zendesktest.User) {
	lena := d.enter("Lena", botpresstest.Profile{Name: "Lena Berg"})
	d.tell.title("Lena's outage")
	d.chats(lena, message.Text{Text: "My parcel is wet."}, 1)
	d.escalates(lena, botpresstest.Escalation{Title: "A wet parcel"})
	d.agent(func() error { return d.desk.Assign(lena.ticket, rosa) })
	d.hears(lena)

	if d.err != nil {
		return
	}
	d.desk.SetDown(true)
	d.tell.event("Zendesk's API is down")
	d.offline(lena, "It rains into your van.")
	d.offline(lena, "Are you there?")
	if d.err == nil {
		d.err = d.desk.Reply(lena.ticket, rosa, "<p>I am. Shall we send another one?</p>") // Its webhook fails, so nobody waits for it.
	}
	d.tell.said("Rosa", lena.place(), "I am. Shall we send another one?")
	lena.seen++
	d.arrives(lena, 0)
	d.tell.event("nothing has arrived, and Botpress has given up")

	d.desk.SetDown(false)
	d.tell.event("Zendesk's API is back")
	d.hears(lena)
	lena.seen--
	d.await(lena, 2)
	d.writes(lena, message.Text{Text: "Yes, please."})
	d.agent(func() error { return d.desk.Solve(lena.ticket, rosa) })
	d.hears(lena)
	d.ends(lena)
}

// offline lets an end user write what cannot arrive now, and waits until Botpress has given it up.
func (d *drama) offline(c *character, text string) {
	d.says(c, message.Text{Text: text})
	if d.err == nil {
		d.tell.said(c.name, "Botpress", text)
	}
}

// await waits until there are this many new comments in a ticket, and tells them.
func (d *drama) await(c *character, comments int) {
	for d.err == nil {
		if t, _ := d.desk.Ticket(c.ticket); len(t.Comments)-c.seen >= comments {
			break
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-d.ctx.Done():
			d.err = fmt.Errorf("%s waits for %d comments: %w", c.place(), comments, context.Cause(d.ctx))
		}
	}
	d.arrives(c, comments)
}

// drama is a play under way. After the first failure nothing more is played.
type drama struct {
	*stage

	ctx  context.Context //nolint:containedctx // It lasts as long as the play.
	tell *teller
	err  error
}

// character is an end user, and the ticket where they appear.
type character struct {
	*botpresstest.EndUser

	name   string
	chat   []message.Message // What was said before there was a ticket.
	ticket int64
	seen   int // How many of the ticket's comments have been told.
}

// first is how people call each other.
func first(name string) string {
	name, _, _ = strings.Cut(name, " ")
	return name
}

func (c *character) place() string { return fmt.Sprintf("ticket #%d", c.ticket) }

func (d *drama) enter(name string, p botpresstest.Profile) *character {
	return &character{EndUser: d.in.NewEndUser(p), name: name}
}

// do does something and waits until it has had all its consequences.
func (d *drama) do(what string, f func() error) {
	if d.err != nil {
		return
	}
	if err := errors.Join(f(), d.settle(d.ctx)); err != nil {
		d.err = fmt.Errorf("%s: %w", what, err)
	}
}

func (d *drama) agent(f func() error) { d.do("the agent works in Zendesk", f) }

// chats lets an end user say something to the bot, who gives this many answers.
func (d *drama) chats(c *character, m message.Message, answers int) {
	d.says(c, m)
	if d.err == nil {
		d.tell.said(c.name, "bot", message.PlainText(m))
	}
	c.chat = append(c.chat, m)
	for range answers {
		d.hears(c)
	}
}

func (d *drama) says(c *character, m message.Message) {
	d.do(c.name+" says something", func() error { return c.Say(d.ctx, m) })
}

// writes lets an end user write to the agent, and tells what arrives in the ticket.
func (d *drama) writes(c *character, m message.Message) {
	d.says(c, m)
	d.arrives(c, 1)
}

// arrives tells the newest comments of a ticket, of which there must be this many.
func (d *drama) arrives(c *character, comments int) {
	if d.err != nil {
		return
	}
	t, _ := d.desk.Ticket(c.ticket)
	if got := len(t.Comments) - c.seen; got != comments {
		d.err = fmt.Errorf("%s has got %d new comments instead of %d", c.place(), got, comments)
		return
	}
	for _, comment := range t.Comments[c.seen:] {
		d.tell.said(first(d.desk.User(comment.AuthorID).Name), c.place(), richtext.Text(comment.HTML, nil))
		for _, file := range comment.Attachments {
			d.tell.event("with %s, %s, in Zendesk", file.Name, file.ContentType)
		}
	}
	c.seen = len(t.Comments)
}

// note lets an agent write a note, which no end user must see.
func (d *drama) note(c *character, agent zendesktest.User, text string) {
	before := len(c.Received())
	d.agent(func() error { return d.desk.Note(c.ticket, agent, "<p>"+text+"</p>") })
	if d.err == nil && len(c.Received()) > before {
		d.err = fmt.Errorf("%s was shown an internal note", c.name)
	}
	if d.err == nil {
		d.tell.said(first(agent.Name), c.place(), text)
		d.tell.event("an internal note, which stays there")
		c.seen++
	}
}

// hears waits for the next message that an end user is shown, and tells it.
func (d *drama) hears(c *character) {
	if d.err != nil {
		return
	}
	r, err := c.Next(d.ctx)
	if err != nil {
		d.err = fmt.Errorf("%s: %w", c.name, err)
		return
	}
	from := "bot"
	if r.From == botpresstest.FromAgent {
		from = first(r.Name)
		c.seen++
	}
	if c.ticket == 0 {
		c.chat = append(c.chat, r.Message)
	}
	d.tell.said(from, c.name, message.PlainText(r.Message))
}

// escalates hands the conversation over, and checks that the ticket begins with all of it.
func (d *drama) escalates(c *character, e botpresstest.Escalation) {
	d.do("hand over", func() error { return c.Escalate(d.ctx, e) })
	d.hears(c)
	if d.err != nil {
		return
	}
	tickets := d.desk.Tickets()
	t := tickets[len(tickets)-1]
	if t.ExternalID != c.DownstreamID() {
		d.err = fmt.Errorf("there is no ticket for %s", c.name)
		return
	}
	c.ticket, c.seen = t.ID, len(t.Comments)
	opening := richtext.Text(t.Comments[0].HTML, nil)
	for _, said := range c.chat {
		if line, _, _ := strings.Cut(message.PlainText(said), "\n"); !strings.Contains(opening, line) {
			d.err = fmt.Errorf("%s does not begin with %q", c.place(), line)
			return
		}
	}
	priority := ""
	if t.Priority != "" {
		priority = ", priority " + t.Priority
	}
	d.tell.event("%s “%s”%s: it begins with the %d messages so far", c.place(), t.Subject, priority, len(c.chat))
}

// ends checks that the session is over on both sides.
func (d *drama) ends(c *character) {
	if d.err != nil {
		return
	}
	t, _ := d.desk.Ticket(c.ticket)
	switch {
	case t.Status != "solved":
		d.err = fmt.Errorf("%s is %s instead of solved", c.place(), t.Status)
	case c.Active():
		d.err = fmt.Errorf("the session of %s is not over", c.name)
	default:
		d.tell.event("%s is solved", c.place())
	}
}
