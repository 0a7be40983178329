package richtext_test

import (
	"bytes"
	"html"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	dom "golang.org/x/net/html"

	"github.com/hitl-go/sdk/internal/invisible"
	"github.com/hitl-go/sdk/message/richtext"
)

// flavored renders GitHub Flavored Markdown as HTML, without what it finds in text: addresses.
var flavored = goldmark.New(goldmark.WithExtensions(extension.Strikethrough, extension.Table))

func shownAs(t testing.TB, markdown string) string {
	t.Helper()
	var out bytes.Buffer
	if err := flavored.Convert([]byte(markdown), &out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// visible is what is seen of the text of HTML, without blanks.
func visible(t testing.TB, markup string) string {
	t.Helper()
	doc, err := dom.Parse(strings.NewReader(markup))
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for n := range doc.Descendants() {
		if n.Type == dom.TextNode {
			text.WriteString(n.Data)
		}
	}
	return strings.Map(func(r rune) rune {
		if invisible.Is(r) {
			return -1
		}
		return r
	}, text.String())
}

// Markdown shows the text of its source, however marks, links and code meet, and no more.
func TestMarksShowNothing(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		source := "<p>x" + fragment(random, random.IntN(4)) + "</p>"
		markdown := richtext.Markdown(source, nil)
		if got, want := visible(t, shownAs(t, markdown)), visible(t, source); got != want {
			t.Errorf("%s becomes %q, which shows %q", source, markdown, got)
		}
	}
}

// fragment returns HTML of characters in elements, as deep as that.
func fragment(random *rand.Rand, depth int) string {
	var b strings.Builder
	for range 1 + random.IntN(3) {
		if depth == 0 || random.IntN(3) == 0 {
			for range 1 + random.IntN(3) {
				b.WriteString(html.EscapeString(pieces[random.IntN(len(pieces))]))
			}
			continue
		}
		open := []string{"b", "strong", "i", "em", "s", "del", "span", "code", `a href="https://shop.example/"`, "br"}[random.IntN(10)]
		name, _, _ := strings.Cut(open, " ")
		b.WriteString("<" + open + ">" + fragment(random, depth-1) + "</" + name + ">")
	}
	return b.String()
}

// pieces are what marks can meet. Tildes are left out: the parser takes an escaped one for a part of the mark behind it.
var pieces = []string{
	"a", "b", "1", "é", "e\u0301", "की", "ที่", "م\u064e", "日", "「", "」", ".", "!", "*", "_", "`", "#", "-", "(", ")", "[", "]", "<", ">", "|", `\`,
	":", "@", "&", "lt", "#", "6", ";", "€", "😀", "\"", "'", " ", "\u00a0", "\u200b", "",
}
