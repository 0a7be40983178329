package richtext

import (
	"slices"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// The parser takes more than linear time in two cases: where it ignores tags, it adds each text to the one before, and copies
// both; and for many tags it goes through all open elements.
const (
	maxCopied  = 1 << 20 // bytes, until a separator is put in
	maxVisited = 2 << 20 // elements, in all
	maxOpen    = 512     // elements, beyond which the parser gives up

	// separator ends a text for the parser, and is invisible: an element in tables, and a comment in lists of options.
	separator = "<wbr/><!---->"
)

// prepare returns source with separators where the parser would join many texts. It reports false if the parser would take too
// long, because many elements are open for long.
func prepare(source string) (prepared string, ok bool) {
	var b strings.Builder
	at, done := 0, 0 // in source
	joined, copied := 0, 0
	var open []string // elements
	visited := 0
	raw := false // whether a tag would be text
	for z := html.NewTokenizer(strings.NewReader(source)); ; {
		kind := z.Next()
		length := len(z.Raw())
		at += length
		switch kind {
		case html.ErrorToken:
			if done == 0 {
				return source, true
			}
			b.WriteString(source[done:])
			return b.String(), true
		case html.TextToken:
			if raw {
				break
			}
			if joined, copied = joined+length, copied+joined+length; copied > maxCopied {
				b.WriteString(source[done:at])
				b.WriteString(separator)
				done, joined, copied = at, 0, 0
			}
		case html.StartTagToken, html.SelfClosingTagToken, html.EndTagToken:
			name, _ := z.TagName()
			tag := atom.Lookup(name)
			raw = kind == html.StartTagToken && isRaw(tag)
			if !closesItself(tag) {
				open = opened(open, string(name), kind == html.EndTagToken)
			}
			if visited += len(open); visited > maxVisited {
				return "", false
			}
		default:
		}
	}
}

// opened returns which elements are open after a tag.
func opened(open []string, name string, end bool) []string {
	if !end {
		if len(open) < maxOpen {
			open = append(open, name)
		}
		return open
	}
	for i, o := range slices.Backward(open) {
		if o == name {
			return open[:i]
		}
	}
	return open // there is no such element
}

// isRaw reports whether the content of an element is text, whatever it looks like.
func isRaw(a atom.Atom) bool {
	switch a {
	case atom.Iframe, atom.Noembed, atom.Noframes, atom.Noscript, atom.Plaintext, atom.Script, atom.Style, atom.Textarea, atom.Title, atom.Xmp:
		return true
	default:
		return false
	}
}

// closesItself reports whether people leave out an element's end tag, or must.
func closesItself(a atom.Atom) bool {
	switch a {
	case atom.Area, atom.Base, atom.Br, atom.Col, atom.Embed, atom.Hr, atom.Img, atom.Input, atom.Link, atom.Meta, atom.Param, atom.Source,
		atom.Track, atom.Wbr, // void elements
		atom.Html, atom.Head, atom.Body, atom.P, atom.Li, atom.Dt, atom.Dd, atom.Option, atom.Optgroup, atom.Tr, atom.Td, atom.Th,
		atom.Tbody, atom.Thead, atom.Tfoot, atom.Colgroup, atom.Caption, atom.Rt, atom.Rp: // optional end tags
		return true
	default:
		return false
	}
}
