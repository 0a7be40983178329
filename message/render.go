package message

import (
	"bytes"
	"encoding/json"
	"iter"
	"math"
	"strconv"
	"strings"
)

// Format is a way to write a message for people.
type Format int

// The formats.
const (
	FormatText     Format = iota // Plain text, see [PlainText].
	FormatMarkdown               // CommonMark, see [ToMarkdown].
	FormatHTML                   // A fragment of HTML, see [ToHTML].
)

// PlainText renders any message as text, in full: a card with its buttons, a question with its
// answers, a file with its title and URL, an unknown message with its JSON. Lines end in "\n",
// and control characters are replaced by U+FFFD. A nil message is empty.
func PlainText(m Message) string { return render(m, FormatText) }

// ToMarkdown renders any message as Markdown, with the same content as [PlainText]. What a message
// holds as text is escaped and reads as it was written; a [Markdown] message is Markdown already
// and goes through as it is, so whoever shows the result must sanitize what its author may not do.
//
// Only http, https, mailto and tel URLs become links. Images are links too: nothing is loaded
// before an agent clicks.
func ToMarkdown(m Message) string { return render(m, FormatMarkdown) }

// ToHTML renders any message as a fragment of HTML, with the same content as [PlainText], that is
// safe to show: everything is escaped, a [Markdown] message is shown as its source, and only http,
// https, mailto and tel URLs become links. Paragraphs find their direction themselves, so that
// right-to-left languages read well.
func ToHTML(m Message) string { return render(m, FormatHTML) }

// EscapeMarkdown escapes text so that it reads in Markdown as it stands, also at the beginning of
// a line. Use it for what goes into a note beside a transcript, such as a title. Line breaks stay,
// and Markdown may join the lines; [ToMarkdown] of a [Text] keeps them apart.
func EscapeMarkdown(text string) string {
	p := page{format: FormatMarkdown}
	for i, line := range strings.Split(clean(text), "\n") {
		if i > 0 {
			p.write("\n")
		}
		p.escape(line)
	}
	return string(p.buf)
}

// Flatten yields the items of a bloc, or the message itself if it is no bloc. It yields values and
// skips what is nil.
func Flatten(m Message) iter.Seq[Message] {
	return func(yield func(Message) bool) {
		m, err := value(m)
		if err != nil {
			return
		}
		bloc, ok := m.(Bloc)
		if !ok {
			yield(m)
			return
		}
		for _, item := range bloc.Items {
			if v, err := value(item); err == nil && !yield(v) {
				return
			}
		}
	}
}

func render(m Message, f Format) string {
	p := page{format: f, words: Words{}.orEnglish()}
	p.message(m)
	return string(p.buf)
}

// message writes any message. What a page looks like in each format is in page.go.
func (p *page) message(m Message) {
	switch m := m.(type) {
	case Text:
		p.paragraph(m.Text)
	case Markdown:
		p.markdown(m.Markdown)
	case Image:
		p.media(p.words.Image, m.Title, m.ImageURL)
	case Audio:
		p.media(p.words.Audio, m.Title, m.AudioURL)
	case Video:
		p.media(p.words.Video, m.Title, m.VideoURL)
	case File:
		p.media(p.words.File, m.Title, m.FileURL)
	case Location:
		p.location(m)
	case Card:
		p.card(m)
	case Carousel:
		for _, card := range m.Items {
			p.card(card)
		}
	case Choice:
		p.question(m.Text, m.Options)
	case Dropdown:
		p.question(m.Text, m.Options)
	case Bloc:
		for _, item := range m.Items {
			p.message(item)
		}
	case Unknown:
		p.unknown(m)
	default:
		if v, err := value(m); err == nil { // A pointer.
			p.message(v)
		}
	}
}

func (p *page) media(word, title, url string) {
	p.open()
	p.inline(word + ": ")
	p.link(title, url)
	p.close()
}

func (p *page) location(l Location) {
	p.open()
	p.inline(p.words.Location)
	if l.Title != "" {
		p.inline(": " + l.Title)
	}
	if l.Address != "" {
		p.newline()
		p.lines(l.Address)
	}
	p.newline()
	p.link(degrees(l.Latitude, "N", "S")+", "+degrees(l.Longitude, "E", "W"), mapURL(l))
	p.close()
}

func degrees(d float64, positive, negative string) string {
	side := positive
	if d < 0 {
		side = negative
	}
	return strconv.FormatFloat(math.Abs(d), 'f', -1, 64) + "° " + side
}

// mapURL points to OpenStreetMap, which asks for no account and no key.
func mapURL(l Location) string {
	lat := strconv.FormatFloat(l.Latitude, 'f', -1, 64)
	lon := strconv.FormatFloat(l.Longitude, 'f', -1, 64)
	return "https://www.openstreetmap.org/?mlat=" + lat + "&mlon=" + lon + "&zoom=16"
}

func (p *page) card(c Card) {
	p.open()
	p.strong(c.Title)
	if c.Subtitle != "" {
		p.newline()
		p.lines(c.Subtitle)
	}
	if c.ImageURL != "" {
		p.newline()
		p.inline(p.words.Image + ": ")
		p.link("", c.ImageURL)
	}
	p.close()
	p.list(len(c.Actions), func(i int) {
		if a := c.Actions[i]; a.Kind == ActionURL {
			p.link(a.Label, a.Value)
		} else {
			p.labelled(a.Label, a.Value)
		}
	})
}

func (p *page) question(text string, options []Option) {
	p.paragraph(text)
	p.list(len(options), func(i int) { p.labelled(options[i].Label, options[i].Value) })
}

// labelled shows the value beside the label unless it says the same.
func (p *page) labelled(label, value string) {
	p.inline(label)
	if value != label {
		p.inline(" (" + value + ")")
	}
}

// maxMisplaced bounds how deep blocs in blocs are read; what is deeper shows as JSON. Each level is
// parsed again, so without a bound a hostile payload would cost quadratic time.
const maxMisplaced = 3

// unknown shows the JSON, unless this is a message that only stood where it may not stand, such as
// a card in a bloc.
func (p *page) unknown(u Unknown) {
	if m, ok := decode(u.Kind, u.Payload); ok && p.misplaced < maxMisplaced {
		p.misplaced++
		p.message(m)
		p.misplaced--
		return
	}
	var text strings.Builder
	if u.Kind != "" {
		text.WriteString("[" + string(u.Kind) + "] ")
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, u.Payload); err != nil {
		compact.Reset()
		compact.Write(u.Payload)
	}
	text.Write(compact.Bytes())
	p.paragraph(text.String())
}
