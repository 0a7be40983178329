package richtext_test

import (
	"net/url"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"github.com/hitl-go/sdk/internal/corpus"
	"github.com/hitl-go/sdk/internal/invisible"
	"github.com/hitl-go/sdk/message/richtext"
)

// seed adds the inputs of the corpus.
func seed(f *testing.F) {
	f.Helper()
	for path := range tables {
		for _, kind := range corpus.Load(f, path) {
			for _, c := range kind.Cases {
				f.Add(c.In)
			}
		}
	}
}

// FuzzLetters: every letter that is shown is there, once and in its place, and no other is. What is cut is only left out.
func FuzzLetters(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, source string) {
		const most = 1000 // bytes: what is nested deeper than the parser goes has its words in another order
		source = strings.ToValidUTF8(source, "?")
		doc, err := html.Parse(strings.NewReader(source))
		if err != nil || len(source) > most {
			t.Skip()
		}
		whole := lettersOf(richtext.Text(source, nil))
		if cut := lettersOf(richtext.Text(source, &richtext.Options{CutQuotes: true, CutSignature: true})); !isWithin(cut, whole) {
			t.Errorf("%q has %q, which is not in %q", source, cut, whole)
		}
		if shown, plain := shown(doc); plain && lettersOf(shown) != whole {
			t.Errorf("%q shows %q, and becomes %q", source, lettersOf(shown), whole)
		}
	})
}

// shown is the text of a document. It reports false if there is more to it: links and pictures, whose URLs are text as well, and
// what may be hidden.
func shown(doc *html.Node) (text string, plain bool) {
	var b strings.Builder
	for n := range doc.Descendants() {
		if n.Type == html.TextNode && !isRaw(n.Parent) {
			b.WriteString(n.Data)
		}
		if n.DataAtom == atom.Img {
			return "", false
		}
		for _, a := range n.Attr {
			if a.Key == "href" || a.Key == "style" || a.Key == "hidden" {
				return "", false
			}
		}
	}
	return b.String(), true
}

// isRaw reports whether an element is in one whose content is not shown.
func isRaw(n *html.Node) bool {
	for ; n != nil; n = n.Parent {
		switch n.DataAtom {
		case atom.Head, atom.Script, atom.Style, atom.Template, atom.Noscript, atom.Iframe, atom.Object, atom.Title:
			return true
		default:
		}
	}
	return false
}

// lettersOf is what must not get lost. U+FFFD stands for characters that are none.
func lettersOf(s string) string {
	return strings.Map(func(r rune) rune {
		if invisible.Is(r) || r == utf8.RuneError || !unicode.IsLetter(r) && !unicode.IsSymbol(r) || strings.ContainsRune("^|>", r) {
			return -1
		}
		return r
	}, s)
}

// isWithin reports whether part is what is left of whole when some of it is left out.
func isWithin(part, whole string) bool {
	for _, r := range whole {
		if first, size := utf8.DecodeRuneInString(part); size > 0 && first == r {
			part = part[size:]
		}
	}
	return part == ""
}

var target = regexp.MustCompile(`\]\(([^)]*)\)|<((?:https?|mailto|tel):[^>]*)>`)

// FuzzLinks: every link leads where an attribute says.
func FuzzLinks(f *testing.F) {
	seed(f)
	f.Add("<a href=\"https://shop.example/a\n %b\tc\r\">x")
	f.Fuzz(func(t *testing.T, source string) {
		doc, err := html.Parse(strings.NewReader(source))
		if err != nil {
			t.Skip()
		}
		known, plain := map[string]bool{}, true
		for n := range doc.Descendants() {
			for _, a := range n.Attr {
				if a.Key == "href" || a.Key == "src" {
					bare := bareURL(a.Val)
					known[bare] = true
					plain = plain && !strings.Contains(bare, "xn") && !strings.ContainsFunc(bare, func(r rune) bool { return r >= utf8.RuneSelf })
				}
			}
		}
		markdown := richtext.Markdown(source, nil)
		if strings.Contains(markdown, "`") { // In code it is no link.
			t.Skip()
		}
		for _, m := range target.FindAllStringSubmatch(escaped.ReplaceAllString(markdown, ""), -1) {
			to := m[1] + m[2]
			u, err := url.Parse(to)
			if err != nil || u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "mailto" && u.Scheme != "tel" {
				t.Errorf("%q links to %q, %v", source, to, err)
			}
			if plain && !known[bareURL(to)] { // Hosts outside ASCII have several forms.
				t.Errorf("%q links to %q, which is none of %v", source, to, known)
			}
		}
	})
}

var code = regexp.MustCompile("%[0-9A-Fa-f]{2}")

// removed are the characters that the URL standard takes out of an address before anything else, also out of an escape.
var removed = strings.NewReplacer("\t", "", "\n", "", "\r", "")

// bareURL is what all the ways in which a URL is written have in common.
func bareURL(s string) string {
	s = removed.Replace(s)
	s = code.ReplaceAllStringFunc(s, func(c string) string {
		plain, err := url.PathUnescape(c)
		if err != nil {
			return c
		}
		return plain
	})
	return strings.ToLower(strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return r
		}
		return -1
	}, s))
}
