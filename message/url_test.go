package message_test

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	"golang.org/x/net/html"

	"github.com/hitl-go/sdk/internal/corpus"
	"github.com/hitl-go/sdk/message"
)

// Each text of the corpus has the same links in every format, alone and in a transcript.
func TestLinks(t *testing.T) {
	for _, kind := range corpus.Load(t, "testdata/links.txt") {
		for _, c := range kind.Cases {
			for name, markup := range rendered(t, c.In) {
				got, want := show(t, markup).marked, c.Want
				if strings.HasPrefix(name, "Markdown") {
					got, want = readable(got), readable(want)
				}
				if got != want {
					t.Errorf("line %d, %s, %s\n got %q\nwant %q", c.Line, kind.Name, name, got, want)
				}
			}
		}
	}
}

// Messages of all types say the same in every format.
func TestFormatsAgree(t *testing.T) {
	for _, kind := range corpus.Load(t, "testdata/links.txt") {
		for _, c := range kind.Cases {
			for _, m := range messagesWith(c.In) {
				want := readable(message.PlainText(m))
				for format, markup := range map[string]string{"HTML": message.ToHTML(m), "Markdown": commonMark(t, message.ToMarkdown(m))} {
					if got := readable(show(t, markup).plain); got != want {
						t.Errorf("line %d, %T as %s\n got %q\nwant %q", c.Line, m, format, got, want)
					}
				}
			}
		}
	}
}

// messagesWith returns messages that have a text wherever one can be.
func messagesWith(text string) []message.Message {
	const address = "https://shop.example/a b_(c)?d[]=e&copy;f|g&#65;h"
	return []message.Message{
		message.File{FileURL: address, Title: text},
		message.Audio{AudioURL: address},
		message.Location{Latitude: 1, Longitude: -2, Title: text, Address: text},
		message.Choice{Text: text, Options: []message.Option{{Label: text, Value: "1"}, {Label: "a", Value: text}}},
		message.Carousel{Items: []message.Card{{Title: text, Subtitle: text, ImageURL: address}, {Title: "b", Actions: []message.Action{
			{Kind: message.ActionURL, Label: text, Value: address}, {Kind: message.ActionSay, Label: text, Value: text},
		}}}},
		message.Bloc{Items: []message.BlocItem{message.Text{Text: text}, message.Image{ImageURL: address, Title: text}, message.Text{Text: "- " + text}}},
	}
}

// rendered returns a text as HTML in every way that the package writes it.
func rendered(t *testing.T, text string) map[string]string {
	t.Helper()
	m := message.Text{Text: text}
	transcript := func(f message.Format) string {
		s := message.Transcript(t.Context(), []message.Turn{{Message: m}}, &message.TranscriptOptions{Format: f})
		return s
	}
	_, quoted, _ := strings.Cut(transcript(message.FormatHTML), "\n")
	_, quotedMarkdown, _ := strings.Cut(transcript(message.FormatMarkdown), "\n")
	return map[string]string{
		"HTML":                   message.ToHTML(m),
		"HTML transcript":        quoted,
		"Markdown":               commonMark(t, message.ToMarkdown(m)),
		"Markdown in transcript": commonMark(t, quotedMarkdown),
	}
}

// commonMark renders Markdown as HTML.
func commonMark(t testing.TB, markdown string) string {
	t.Helper()
	var out bytes.Buffer
	if err := goldmark.Convert([]byte(markdown), &out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// shown is what a reader sees of HTML.
type shown struct {
	text   string // With a mark before each item of a list.
	marked string // The text, with its links in angle brackets. If the target of a link is not its label, both are there.
	plain  string // The text as PlainText has it, with the targets of links that are not their labels.
	links  []string
}

func show(t testing.TB, markup string) shown {
	t.Helper()
	root, err := html.Parse(strings.NewReader(markup))
	if err != nil {
		t.Fatal(err)
	}
	var s shown
	for n := range root.Descendants() {
		switch {
		case n.Type == html.TextNode && n.Parent.Data == "a":
			label, target := n.Data, n.Parent.Attr[0].Val
			s.links = append(s.links, target)
			s.text += label
			if decoded(label) == decoded(target) {
				s.marked += "<" + label + ">"
				s.plain += label
			} else {
				s.marked += "<" + label + " -> " + target + ">"
				s.plain += label + " <" + target + ">"
			}
		case n.Type == html.TextNode:
			s.add(n.Data)
		case n.Data == "br":
			s.add("\n")
		case n.Data == "li":
			s.add("- ")
		}
	}
	return s
}

func (s *shown) add(text string) {
	s.text += text
	s.marked += text
	s.plain += text
}

// decoded decodes what is percent-encoded. A percent sign of no encoding stays.
func decoded(s string) string {
	const hex = "0123456789ABCDEF"
	var out []byte
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			high, low := strings.IndexByte(hex, upper(s[i+1])), strings.IndexByte(hex, upper(s[i+2]))
			if high >= 0 && low >= 0 {
				out = append(out, byte(high<<4|low))
				i += 2
				continue
			}
		}
		out = append(out, s[i])
	}
	return string(out)
}

func upper(c byte) byte {
	if 'a' <= c && c <= 'f' {
		return c - 'a' + 'A'
	}
	return c
}

// readable returns what Markdown shows of a text: it may encode what is in links, and renders white space as it likes.
func readable(s string) string { return strings.Join(strings.Fields(decoded(s)), "") }

// Nothing that is written makes a link of what was none, nor loses a letter, and an address on a line of its own is always a link.
func FuzzLinks(f *testing.F) {
	for _, kind := range corpus.Load(f, "testdata/links.txt") {
		for _, c := range kind.Cases {
			f.Add(c.In)
		}
	}
	for _, text := range []string{"”_a_” “__b__”", "。_a_。", "€_a_€", "a_b_c д_е", "\t\u00A0_a", "- a\n\n    b\n> c\n===\n1. d", "a  \n  b", "![a](b) [a]: c", "a\\\nb", "&amp;&copy"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		const known = "https://shop.example/help"
		m := message.Text{Text: text + "\n" + known}
		plain, markup, markdown := message.PlainText(m), message.ToHTML(m), message.ToMarkdown(m)
		if !utf8.ValidString(plain) || !utf8.ValidString(markup) || !utf8.ValidString(markdown) {
			t.Fatalf("%q, %q or %q is no UTF-8", plain, markup, markdown)
		}
		checkHTML(t, markup)
		fromHTML, fromMarkdown := show(t, markup), show(t, commonMark(t, markdown))
		var lines []string
		for line := range strings.SplitSeq(plain, "\n") {
			lines = append(lines, strings.TrimRight(line, " \t"))
		}
		if want := strings.Join(lines, "\n"); fromHTML.text != want {
			t.Errorf("HTML shows\n%q, want\n%q", fromHTML.text, want)
		}
		if got, want := readable(fromMarkdown.marked), readable(fromHTML.marked); got != want {
			t.Errorf("Markdown shows\n%q, want\n%q", got, want)
		}
		for _, link := range fromHTML.links {
			if !strings.Contains(plain, link) || !isSafe(link) {
				t.Errorf("%q is a link, but not in %q", link, plain)
			}
		}
		if n := len(fromHTML.links); n == 0 || fromHTML.links[n-1] != known {
			t.Errorf("%q is no link", known)
		}
	})
}

// GitHub Flavored Markdown makes tables of lines, and drops cells for which there is no column.
func TestTextIsNoTable(t *testing.T) {
	flavored := goldmark.New(goldmark.WithExtensions(extension.Table))
	for _, text := range []string{
		"| a | b |\n|---|---|\n| 1 | 2 | hidden |", "a|b\n-|-\n1|2|hidden", "a|b\n:-|-:\n1|2|hidden", "a|b\n  | - | - |\n1|2|hidden",
		"|a|\n|-|\n|1|hidden|", "a\n:-\n1|hidden", "a\n|-\n1|hidden", "a|b\n---|---\n1|2|hidden", "a | b\n-- | --\n1|2|hidden",
	} {
		m := message.Text{Text: text}
		quoted := message.Transcript(t.Context(), []message.Turn{{Message: m}}, &message.TranscriptOptions{Format: message.FormatMarkdown})
		for name, markdown := range map[string]string{"message": message.ToMarkdown(m), "transcript": quoted} {
			var out bytes.Buffer
			if err := flavored.Convert([]byte(markdown), &out); err != nil {
				t.Fatal(err)
			}
			if got := out.String(); strings.Contains(got, "<table") || !strings.Contains(got, "hidden") {
				t.Errorf("%q as a %s is %q, which is shown as %q", text, name, markdown, got)
			}
		}
	}
}
