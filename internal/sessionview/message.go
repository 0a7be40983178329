package sessionview

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/internal/strictjson"
	"github.com/hitl-go/sdk/internal/wire"
	"github.com/hitl-go/sdk/message"
)

// Message is what somebody has said. ToDesk says which way it goes.
type Message struct {
	ID        string    `json:"id"`
	CreatedAt time.Time `json:"createdAt"`
	ToDesk    bool      `json:"toDesk"`
	From      string    `json:"from"` // a name, or else an id
	Type      string    `json:"type"`
	Text      string    `json:"text"` // its beginning

	// Of a message to the desk: how many of its parts are there, as in 1/3; when an attempt has failed; why the desk refuses it.
	Delivered string    `json:"delivered,omitempty"`
	FailedAt  time.Time `json:"failedAt,omitzero"`
	Refused   string    `json:"refused,omitempty"`
}

// settled reports whether nobody needs to deliver a message to the desk any more.
func (m Message) settled() bool {
	a, b, _ := strings.Cut(m.Delivered, "/")
	delivered, err1 := strconv.Atoi(a)
	parts, err2 := strconv.Atoi(b)
	return m.Refused != "" || err1 == nil && err2 == nil && delivered >= parts
}

// messages reads the latest messages, and those to the desk that are undelivered: all down to the first settled one, as the
// server looks for them, but on fewer pages.
func (r Reader) messages(ctx context.Context, s *Session, users *people) error {
	last, undelivered := []Message{}, []Message{}
	token, settled := "", false
	for range maxPages {
		for m, err := range r.API.ListMessages(ctx, botpress.ListMessagesParams{ConversationID: s.ConversationID, NextToken: token, Next: &token}) {
			if err != nil {
				return err
			}
			if m.Tags[tagPartOf] != "" {
				continue // nobody has said it: it keeps an id of the desk's
			}
			view, err := users.messageOf(ctx, m)
			if err != nil {
				return err
			}
			if len(last) < latest {
				last = append(last, view)
			}
			if !view.ToDesk {
				continue
			}
			if settled = settled || view.settled(); !settled {
				undelivered = append(undelivered, view)
			}
		}
		if token == "" || settled && len(last) == latest {
			break
		}
	}
	slices.Reverse(last)
	slices.Reverse(undelivered)
	s.Messages, s.Undelivered, s.MoreUndelivered = last, undelivered, token != "" && !settled
	return nil
}

func (p *people) messageOf(ctx context.Context, m botpress.Message) (Message, error) {
	view := Message{ID: m.ID, CreatedAt: m.CreatedAt, ToDesk: m.Direction == botpress.Outgoing, Type: m.Type, Text: Clean(string(m.Payload))}
	if decoded, err := message.Decode(message.Type(m.Type), m.Payload); err == nil {
		view.Text = Clean(message.PlainText(decoded))
	}
	speaker := m.UserID
	if view.ToDesk {
		view.Delivered, view.Refused = m.Tags[tagDelivered], Clean(m.Tags[tagRefused])
		if !view.settled() { // what has failed may have been delivered by another process since
			view.FailedAt = timeOf(m.Tags[tagFailed])
		}
		var extras wire.Extras
		_ = strictjson.Unmarshal(m.Payload, &extras) // what is not there is said by the bot
		speaker = cmp.Or(extras.UserID, m.UserID)
	}
	var err error
	view.From, err = p.name(ctx, speaker)
	return view, err
}

// maxText is how many characters are shown of a text that others have written.
const maxText = 200

// Clean cuts a text, and keeps it on one line of a terminal, which must not obey it.
func Clean(s string) string {
	s = strings.Join(strings.Fields(Printable(s)), " ")
	if runes := []rune(s); len(runes) > maxText {
		s = string(runes[:maxText]) + "…"
	}
	return s
}

// Printable has a blank for everything that a terminal might obey.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, s)
}
