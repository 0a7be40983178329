package richtext

import (
	"math"
	"slices"
	"strings"

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
	if slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == "hidden" }) {
		return true
	}
	style := styleOf(n)
	return strings.Contains(style, "display:none") || strings.Contains(style, "visibility:hidden") || strings.Contains(style, "mso-hide:all")
}

func keepsLines(n *html.Node) bool {
	return strings.Contains(styleOf(n), "white-space:pre") || strings.Contains(styleOf(n), "white-space:break-spaces")
}

// breaksAround returns the number of line breaks before and after an element.
func breaksAround(a atom.Atom) int {
	switch a {
	case atom.P, atom.Ul, atom.Ol, atom.Dl, atom.Blockquote, atom.Pre, atom.Hr, atom.Figure,
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

// isData reports whether a table holds data, and is not the layout of a mail: it has adjacent
// cells, and only text in them.
func isData(table *html.Node) bool {
	pairs := false
	for n := range table.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		switch n.DataAtom {
		case atom.Table, atom.Ul, atom.Ol, atom.Pre, atom.Blockquote, atom.H1, atom.H2, atom.H3:
			return false
		case atom.Td, atom.Th:
			for c := n.NextSibling; c != nil && !pairs; c = c.NextSibling {
				pairs = c.DataAtom == atom.Td || c.DataAtom == atom.Th
			}
		default:
		}
	}
	return pairs
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
		switch {
		case n.Type == html.TextNode:
			b.WriteString(n.Data[:min(len(n.Data), most)])
		case n.Type == html.ElementNode && (isInvisible(n.DataAtom) || isHidden(n)):
			return
		case n.DataAtom == atom.Br:
			b.WriteString("\n")
		case n.DataAtom == atom.Img:
			b.WriteString(" " + attr(n, "alt") + " ")
		case breaksAround(n.DataAtom) > 0:
			b.WriteString("\n")
		}
		for c := n.FirstChild; c != nil && nodes+b.Len() <= most; c = c.NextSibling {
			walk(c)
		}
	}
	walk(n)
	return b.String()
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
	return strings.ToLower(strings.Join(strings.Fields(style[:min(len(style), most)]), ""))
}
