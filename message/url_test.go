package message_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/yuin/goldmark"
	"golang.org/x/net/html"

	"github.com/hitl-go/sdk/internal/corpus"
	"github.com/hitl-go/sdk/message"
)

// Each text of the corpus has the same links in every format, alone and in a transcript.
func TestLinks(t *testing.T) {
	for _, kind := range corpus.Load(t, "testdata/links.txt") {
		for _, c := range kind.Cases {
			for name, markup := range rendered(t, c.In) {
				got, want := marked(t, markup), c.Want
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

// marked returns the visible text of HTML, with its links in angle brackets. A link whose target is not its label has both.
func marked(t testing.TB, markup string) string {
	t.Helper()
	root, err := html.Parse(strings.NewReader(markup))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for n := range root.Descendants() {
		switch {
		case n.Type == html.TextNode && n.Parent.Data != "a":
			out.WriteString(n.Data)
		case n.Data == "br":
			out.WriteString("\n")
		case n.Data == "a":
			label, target := n.FirstChild.Data, n.Attr[0].Val
			if decoded(label) != decoded(target) {
				label += " -> " + target
			}
			out.WriteString("<" + label + ">")
		}
	}
	return out.String()
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

// readable returns what Markdown shows of a text: it encodes brackets in links and renders white space as it likes.
func readable(s string) string { return strings.Join(strings.Fields(decoded(s)), " ") }
