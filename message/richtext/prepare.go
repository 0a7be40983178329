package richtext

import (
	"slices"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// The parser takes more than linear time in three cases: where it ignores tags, it adds each text to the one before, and copies
// both; for many tags it goes through all open elements; and it opens formatting elements again in each new block, with all their
// attributes.
const (
	maxCopied  = 1 << 20 // bytes, until a separator is put in
	maxVisited = 2 << 20 // elements, in all
	maxAgain   = 1 << 19 // elements and attributes that are opened again, in all
	maxOpen    = 512     // elements, beyond which the parser gives up

	// separator ends a text for the parser, and is invisible: an element in tables, and a comment in lists of options.
	separator = "<wbr/><!---->"
)

// prepare returns source with separators where the parser would join many texts. It reports false if the parser would take too
// long, because much is open for long.
func prepare(source string) (prepared string, ok bool) {
	var b strings.Builder
	at, done := 0, 0 // in source
	joined, copied := 0, 0
	var p pending
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
			name, more := z.TagName()
			tag, text := atom.Lookup(name), string(name)
			attributes := 1
			for more {
				_, _, more = z.TagAttr()
				attributes++
			}
			raw = kind == html.StartTagToken && isRaw(tag)
			if raw && p.foreign() { // there, it is an element like others
				z.NextIsNotRawText()
				raw = false
			}
			p.tag(tag, text, kind, attributes)
			p.visited += len(p.open)
		default:
		}
		if p.again += p.weight; p.visited > maxVisited || p.again > maxAgain {
			return "", false
		}
	}
}

// pending is what is open at a place of a text.
type pending struct {
	open    []string // elements
	formats []format // that the parser opens again
	weight  int      // of the formats
	outer   int      // attributes of html and body
	visited int      // elements, in all so far
	again   int      // formats and attributes that are looked through again, in all so far
}

// format is a formatting element that is not closed yet.
type format struct {
	name   string
	weight int // how much it costs to open it again: its attributes
}

func (p *pending) foreign() bool {
	return slices.Contains(p.open, "svg") || slices.Contains(p.open, "math")
}

// tag opens and closes what a tag opens and closes.
func (p *pending) tag(tag atom.Atom, name string, kind html.TokenType, weight int) {
	switch {
	case tag == atom.Html || tag == atom.Body: // all their attributes are one element's, and looked through at each such tag
		p.outer += weight
		p.again += p.outer
	case closesItself(tag), kind == html.SelfClosingTagToken && p.foreign():
	case kind == html.EndTagToken:
		p.close(name)
	default:
		if tag == atom.A { // one in another ends that, and nothing else
			p.forget(name)
			if i := slices.Index(p.open, name); i >= 0 {
				p.open = slices.Delete(p.open, i, i+1)
			}
		}
		if len(p.open) < maxOpen {
			p.open = append(p.open, name)
		}
		if isFormat(tag) {
			p.formats = append(p.formats, format{name, weight})
			p.weight += weight
		}
	}
}

// close closes an element and those in it, if it is open. A formatting element is opened again until its own end.
func (p *pending) close(name string) {
	for i, o := range slices.Backward(p.open) {
		if o == name {
			p.open = p.open[:i]
			break
		}
	}
	p.forget(name)
}

// forget takes a formatting element off those that are opened again.
func (p *pending) forget(name string) {
	for i, f := range slices.Backward(p.formats) {
		if f.name == name {
			p.weight -= f.weight
			p.formats = slices.Delete(p.formats, i, i+1)
			break
		}
	}
}

// isFormat reports whether the parser opens an element again after the end of the block in which it was opened.
func isFormat(a atom.Atom) bool {
	switch a {
	case atom.A, atom.B, atom.Big, atom.Code, atom.Em, atom.Font, atom.I, atom.Nobr, atom.S, atom.Small, atom.Strike, atom.Strong, atom.Tt, atom.U:
		return true
	default:
		return false
	}
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
		atom.Head, atom.P, atom.Li, atom.Dt, atom.Dd, atom.Option, atom.Optgroup, atom.Tr, atom.Td, atom.Th,
		atom.Tbody, atom.Thead, atom.Tfoot, atom.Colgroup, atom.Caption, atom.Rt, atom.Rp: // optional end tags
		return true
	default:
		return false
	}
}
