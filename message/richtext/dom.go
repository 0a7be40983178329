package richtext

import (
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// isInvisible reports whether browsers never show the content of an element as text.
func isInvisible(a atom.Atom) bool {
	switch a {
	case atom.Head, atom.Script, atom.Style, atom.Template, atom.Noscript, atom.Iframe, atom.Object, atom.Title:
		return true
	default:
		return false
	}
}

func isHidden(n *html.Node) bool {
	if has(n, "hidden") {
		return true
	}
	style := styleOf(n)
	return strings.Contains(style, "display:none") || strings.Contains(style, "visibility:hidden") || strings.Contains(style, "mso-hide:all")
}

func keepsLines(n *html.Node) bool {
	style := styleOf(n)
	return strings.Contains(style, "white-space:pre") || strings.Contains(style, "white-space:break-spaces")
}

// breaksAround returns the number of line breaks before and after an element.
func breaksAround(a atom.Atom) int {
	switch a {
	case atom.P, atom.Ul, atom.Ol, atom.Menu, atom.Dir, atom.Dl, atom.Blockquote, atom.Pre, atom.Hr, atom.Figure,
		atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6:
		return 2
	case atom.Div, atom.Section, atom.Article, atom.Aside, atom.Header, atom.Footer, atom.Main, atom.Nav,
		atom.Address, atom.Center, atom.Details, atom.Summary, atom.Figcaption, atom.Fieldset, atom.Form,
		atom.Li, atom.Dt, atom.Dd, atom.Table, atom.Caption, atom.Tr, atom.Option:
		return 1
	default:
		return 0
	}
}

// isPixel reports whether an image is one that nobody sees.
func isPixel(img *html.Node) bool {
	tiny := func(length string) bool { return length == "0" || length == "1" || length == "1px" }
	return tiny(attr(img, "width")) || tiny(attr(img, "height"))
}

// hasPicture reports whether an image is seen in an element.
func hasPicture(n *html.Node) bool {
	for c := range n.ChildNodes() {
		switch {
		case c.Type != html.ElementNode || isInvisible(c.DataAtom) || isHidden(c):
		case c.DataAtom == atom.Img && !isPixel(c), hasPicture(c):
			return true
		}
	}
	return false
}

// blank makes images show nothing. They keep their place.
func blank(doc *html.Node, skip func(src string) bool) {
	for n := range doc.Descendants() {
		if n.DataAtom == atom.Img && skip(strings.TrimSpace(attr(n, "src"))) {
			n.Attr = slices.DeleteFunc(n.Attr, func(a html.Attribute) bool { return a.Key == "src" || a.Key == "alt" })
		}
	}
}

// isRaised reports whether an editor has made a superscript of an element that is none.
func isRaised(n *html.Node) bool { return strings.Contains(styleOf(n), "vertical-align:super") }

// around returns what stands before and after a superscript, so that 10 to the power of 6 is not 106. Thunderbird does the same.
// Ordinals, marks and notes need nothing. base is the character before it.
func around(n *html.Node, base rune) (before, after string) {
	const most = 40 // bytes of what can be a power
	s := collapse(rawText(n, most))
	next := n.NextSibling
	switch {
	case s == "" || len(s) > most || !isWord(base) && !strings.ContainsRune(")]", base):
		return "", ""
	case next != nil && (strings.HasPrefix(next.Data, "/") || strings.HasPrefix(next.Data, "\u2044")):
		return " ", "" // a fraction after a number
	case isOrdinal(s, base) || !strings.ContainsFunc(s, isWord) && !strings.ContainsAny(s, signs) || s[0] == '[':
		return "", ""
	case s[0] == '(' && strings.HasSuffix(s, ")") || !strings.ContainsFunc(strings.Trim(s, signs), func(r rune) bool { return !isWord(r) && r != '.' && r != ',' }):
		return "^", ""
	default:
		return "^(", ")"
	}
}

// rawText returns the text nodes of an element, or more than most bytes if there are more, or too many.
func rawText(n *html.Node, most int) string {
	var b strings.Builder
	nodes := 0
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data[:min(len(d.Data), most+1)])
		}
		if nodes++; b.Len() > most || nodes > most {
			return strings.Repeat("x", most+1)
		}
	}
	return b.String()
}

const signs = "+-\u2212" // with the minus

// isOrdinal reports whether letters after a number or a word are read with it: "1st", "3e", "Mme".
func isOrdinal(s string, base rune) bool {
	if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsLetter(r) && r != '.' }) {
		return false
	}
	return utf8.RuneCountInString(s) > 1 || unicode.IsDigit(base) && strings.Contains("aeo\u00aa\u00ba", s)
}

// textOf returns the text of a node, with the alt texts of images.
func textOf(n *html.Node) string { return textUpTo(n, math.MaxInt) }

// beginningOf returns the text of a node if it is short, or else some 400 bytes or nodes of it: what is longer is no attribution.
func beginningOf(n *html.Node) string { return textUpTo(n, 400) }

func textUpTo(n *html.Node, most int) string {
	var b strings.Builder
	nodes := 0
	var walk func(*html.Node)
	walk = func(n *html.Node) {
		if nodes++; nodes+b.Len() > most {
			return
		}
		after := ""
		switch {
		case n.Type == html.TextNode:
			b.WriteString(n.Data[:min(len(n.Data), most)])
		case n.Type == html.ElementNode && (isInvisible(n.DataAtom) || isHidden(n)):
			return
		case n.DataAtom == atom.Br:
			b.WriteString("\n")
		case n.DataAtom == atom.Img:
			b.WriteString(" " + attr(n, "alt") + " ")
		case n.DataAtom == atom.Sup || n.Type == html.ElementNode && isRaised(n):
			base, _ := utf8.DecodeLastRuneInString(b.String())
			var before string
			before, after = around(n, base)
			b.WriteString(before)
		case breaksAround(n.DataAtom) > 0:
			newLine(&b)
		}
		for c := n.FirstChild; c != nil && nodes+b.Len() <= most; c = c.NextSibling {
			walk(c)
		}
		b.WriteString(after)
		if breaksAround(n.DataAtom) > 0 {
			newLine(&b)
		}
	}
	walk(n)
	return b.String()
}

func newLine(b *strings.Builder) {
	if !strings.HasSuffix(b.String(), "\n") {
		b.WriteString("\n")
	}
}

func has(n *html.Node, key string) bool {
	return slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == key })
}

func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

func hasClass(n *html.Node, names ...string) bool {
	for class := range strings.FieldsSeq(attr(n, "class")) {
		if slices.Contains(names, class) {
			return true
		}
	}
	return false
}

// styleOf returns the beginning of the style attribute of an element, without white space and in lower case.
func styleOf(n *html.Node) string {
	const most = 4 << 10 // bytes: it is looked at several times
	style := attr(n, "style")
	if style == "" {
		return ""
	}
	return strings.ToLower(strings.Join(strings.Fields(style[:min(len(style), most)]), ""))
}
