package message

import (
	"bytes"
	"encoding/json"
	"iter"
	"math"
	"strconv"
	"strings"
)

// Format is an output format.
type Format int

// The formats.
const (
	FormatText     Format = iota // Plain text, see [PlainText].
	FormatMarkdown               // CommonMark, see [ToMarkdown].
	FormatHTML                   // An HTML fragment, see [ToHTML].
)

// PlainText renders any message completely as text: a card with its buttons, a question with its
// options, a file with its title and URL, an unknown message with its JSON. Lines end in "\n".
// U+FFFD replaces control characters. A nil message gives an empty text.
func PlainText(m Message) string { return render(m, FormatText) }

// ToMarkdown renders any message as Markdown, with the same content as [PlainText]. It escapes
// text, but returns a [Markdown] message as it is: sanitize the rendered result if you do not trust
// its author.
//
// Only http, https, mailto and tel URLs become links. Images become links too, so that nothing is
// loaded before an agent clicks.
func ToMarkdown(m Message) string { return render(m, FormatMarkdown) }

// ToHTML renders any message as an HTML fragment that is safe to show, with the same content as
// [PlainText]. It escapes everything and shows a [Markdown] message as its source. Only http,
// https, mailto and tel URLs become links. Blocks have dir="auto", for right-to-left languages.
func ToHTML(m Message) string { return render(m, FormatHTML) }

// EscapeMarkdown escapes text for use in Markdown, also at the beginning of a line, before a link and
// as a heading. Use it for your own notes around a transcript, such as a title. Line breaks stay,
// but a renderer may join the lines; [ToMarkdown] of a [Text] makes hard line breaks.
func EscapeMarkdown(text string) string {
	p := page{format: FormatMarkdown}
	for i, line := range strings.Split(clean(text), "\n") {
		if i > 0 {
			p.write("\n")
		}
		p.escape(line)
	}
	p.escapeNumberSigns()
	p.escapeLast('!') // A link that follows would be an image.
	return string(p.buf)
}

// Flatten yields the items of a bloc, or the message itself if it is not a bloc. It yields values
// and skips nil.
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

// message writes any message.
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

// mapURL links to OpenStreetMap, which needs no account and no key.
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

// labelled writes the label, and the value if it differs.
func (p *page) labelled(label, value string) {
	p.inline(label)
	if value != label {
		p.inline(" (" + value + ")")
	}
}

// maxNested bounds how deep blocs in blocs are rendered; deeper ones are shown as JSON. Each level
// is parsed again, so without a bound a hostile payload would cost quadratic time.
const maxNested = 3

// unknown writes the JSON, except for a message of a known type that is not allowed where it
// stands, such as a card in a bloc: it renders that.
func (p *page) unknown(u Unknown) {
	if m, ok := decode(u.Kind, u.Payload); ok && p.nested < maxNested {
		p.nested++
		p.message(m)
		p.nested--
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
