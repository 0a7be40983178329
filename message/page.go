package message

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/hitl-go/sdk/internal/invisible"
)

// page writes text, links and lists in one of the formats.
type page struct {
	format Format
	words  Words
	buf    []byte
	nested int // How many messages around this one are not allowed where they stand, see unknown.
}

func (p *page) write(s string) { p.buf = append(p.buf, s...) }

// paragraph writes text as a block, with all its lines. White space alone is no block.
func (p *page) paragraph(text string) {
	if strings.TrimSpace(text) == "" {
		return
	}
	p.open()
	p.lines(text)
	p.close()
}

// markdown writes a block that is Markdown already.
func (p *page) markdown(source string) {
	if p.format != FormatMarkdown {
		p.paragraph(source)
		return
	}
	p.open()
	p.write(clean(source))
}

// open begins a block, which close ends.
func (p *page) open() {
	switch {
	case p.format == FormatHTML:
		p.write(`<p dir="auto">`)
	case len(p.buf) > 0:
		p.write("\n\n")
	}
}

func (p *page) close() {
	if p.format == FormatHTML {
		p.write("</p>")
	}
}

// newline breaks a line within a block.
func (p *page) newline() {
	switch p.format {
	case FormatMarkdown:
		p.write("  \n") // Two trailing spaces make a hard line break.
	case FormatHTML:
		p.write("<br>")
	default:
		p.write("\n")
	}
}

// list writes a list of n items. item writes each of them, on one line.
func (p *page) list(n int, item func(i int)) {
	if n == 0 {
		return
	}
	if p.format == FormatHTML {
		p.write(`<ul dir="auto">`)
		for i := range n {
			p.write("<li>")
			item(i)
			p.write("</li>")
		}
		p.write("</ul>")
		return
	}
	if p.format == FormatMarkdown {
		p.write("\n") // Some renderers need a blank line before a list.
	}
	for i := range n {
		p.write("\n- ")
		item(i)
	}
}

// lines writes text within a block. It keeps line breaks and makes links of URLs.
func (p *page) lines(text string) {
	text = clean(text)
	if p.format != FormatMarkdown && p.format != FormatHTML {
		p.write(text)
		return
	}
	before, first := "", true
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.TrimRight(line, " \t")
		switch {
		case first:
		case p.format == FormatMarkdown && (line == "" || before == ""):
			p.write("\n") // A blank line separates paragraphs.
		default:
			p.newline()
		}
		p.linkify(line)
		before, first = line, false
	}
}

// linkify writes a line of clean text with its URLs as links.
func (p *page) linkify(line string) {
	for {
		start, end := findURL(line)
		if start < 0 {
			p.escape(line)
			return
		}
		p.escape(line[:start])
		p.link("", line[start:end])
		line = line[end:]
	}
}

// inline writes text on one line, without links.
func (p *page) inline(s string) { p.escape(oneLine(s)) }

// strong writes a title.
func (p *page) strong(s string) {
	s = strings.TrimSpace(oneLine(s)) // White space next to the asterisks would disable them.
	switch {
	case p.format == FormatMarkdown && s != "":
		p.write("**")
		p.escape(s)
		p.write("**")
	case p.format == FormatHTML:
		p.write("<strong>")
		p.escape(s)
		p.write("</strong>")
	default:
		p.escape(s)
	}
}

// link writes a link, or label and URL as text if the URL is not safe. Without a label that is seen
// the URL is the label.
func (p *page) link(label, url string) {
	label, url = oneLine(label), oneLine(url)
	if invisible.Only(label) {
		label = ""
	}
	switch {
	case p.format == FormatHTML && safeURL(url):
		p.write(`<a href="`)
		p.escape(href(url, blanks))
		p.write(`">`)
		p.escape(cmp.Or(label, url))
		p.write("</a>")
	case p.format == FormatMarkdown && safeURL(url) && (label == "" || label == url) && !hasEntity(url):
		p.write("<" + href(url, autolinkEnds) + ">")
	case p.format == FormatMarkdown && safeURL(url):
		p.escapeLast('!') // Behind it, this would be an image.
		p.write("[")
		p.escape(cmp.Or(label, url))
		p.write("](")
		p.target(href(url, targetEnds))
		p.write(")")
	case label == "" || label == url:
		p.escape(url)
	default:
		p.escape(label + " <" + url + ">")
	}
}

// target writes the target of a link in Markdown. CommonMark 0.31.2, section 2.5: character references count there. In autolinks they
// do for some renderers only.
func (p *page) target(url string) {
	for i := range len(url) {
		if url[i] == '&' && isEntity(url[i:]) {
			p.write("&amp;")
		} else {
			p.buf = append(p.buf, url[i])
		}
	}
}

// hasEntity reports whether there is a character reference in a text.
func hasEntity(s string) bool {
	for i := range len(s) {
		if s[i] == '&' && isEntity(s[i:]) {
			return true
		}
	}
	return false
}

// escape writes one line of clean text, escaped for the format.
func (p *page) escape(s string) {
	switch p.format {
	case FormatMarkdown:
		p.escapeMarkdown(s)
	case FormatHTML:
		p.escapeHTML(s)
	default:
		p.write(s)
	}
}

func (p *page) escapeHTML(s string) {
	for i := range len(s) {
		switch c := s[i]; c {
		case '&':
			p.write("&amp;")
		case '<':
			p.write("&lt;")
		case '>':
			p.write("&gt;")
		case '"':
			p.write("&#34;")
		case '\'':
			p.write("&#39;")
		default:
			p.buf = append(p.buf, c)
		}
	}
}

// escapeMarkdown escapes only what Markdown would interpret at this place, because some desks do
// not render Markdown.
func (p *page) escapeMarkdown(s string) {
	if p.atLineStart() {
		s = p.escapeLineStart(s)
	}
	for i := range len(s) {
		c := s[i]
		switch c {
		case '\\', '`', '*', '[', ']', '<', '~':
			p.write(`\`)
		case '_':
			before, _ := utf8.DecodeLastRuneInString(s[:i])
			after, _ := utf8.DecodeRuneInString(s[i+1:])
			if !isWord(before) || !isWord(after) { // Not in snake_case.
				p.write(`\`)
			}
		case '&':
			if isEntity(s[i:]) {
				p.write(`\`)
			}
		}
		p.buf = append(p.buf, c)
	}
}

// escapeLast escapes the last character, if it is c and was written as it is.
func (p *page) escapeLast(c byte) {
	if n := len(p.buf); n > 0 && p.buf[n-1] == c {
		p.buf = append(p.buf[:n-1], '\\', c)
	}
}

// escapeNumberSigns escapes the last of the number signs at the end. Behind a blank, they would end a heading, and not be shown.
func (p *page) escapeNumberSigns() {
	text := bytes.TrimRight(p.buf, "#")
	if bytes.HasSuffix(text, []byte(" ")) || bytes.HasSuffix(text, []byte("\t")) {
		p.escapeLast('#')
	}
}

func (p *page) atLineStart() bool {
	n := len(p.buf)
	return n == 0 || p.buf[n-1] == '\n' || slices.Equal(p.buf[max(0, n-3):], []byte("\n- "))
}

// escapeLineStart escapes what would make the line a heading, a quote, a list, a rule, a code
// block or the second line of a table. It returns the rest of the line.
func (p *page) escapeLineStart(s string) string {
	text := strings.TrimLeft(s, " \t")
	if indent := s[:len(s)-len(text)]; len(indent) > 3 || strings.Contains(indent, "\t") {
		p.write("&nbsp;") // Four spaces would make it a code block.
	}
	digits := len(text) - len(strings.TrimLeft(text, "0123456789"))
	switch {
	case text == "":
	case text[0] == '#' || text[0] == '>' || isMarker(text, "-") || isMarker(text, "+"), strings.Trim(text, "= ") == "", isTable(text):
		p.write(`\`)
	case digits > 0 && (isMarker(text[digits:], ".") || isMarker(text[digits:], ")")):
		p.write(text[:digits] + `\`)
		return text[digits:]
	}
	return text
}

// isTable reports whether a line makes it and the line before it a table, in GitHub Flavored Markdown 0.29, section 4.10. Cells
// that are beyond the columns are not shown there.
func isTable(line string) bool {
	return strings.Trim(line, "|:- \t") == "" && strings.ContainsAny(line, "|:")
}

// isMarker reports whether a line that begins with the mark is a list item, a rule or the underline
// of a heading.
func isMarker(line, mark string) bool {
	rest, ok := strings.CutPrefix(line, mark)
	return ok && (rest == "" || strings.HasPrefix(rest, mark) || rest[0] == ' ' || rest[0] == '\t')
}

// isWord reports whether r belongs to a word, in any script. utf8.RuneError, which stands for none, does not.
func isWord(r rune) bool {
	if r < utf8.RuneSelf {
		return '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
	}
	return unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.IsMark(r)
}

// isEntity reports whether text that begins with an ampersand begins with a character reference,
// such as "&amp;".
func isEntity(s string) bool {
	name, _, ok := strings.Cut(s[1:min(len(s), 34)], ";")
	name = strings.TrimPrefix(name, "#")
	return ok && name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return r >= utf8.RuneSelf || !isWord(r)
	})
}

// clean sanitizes text: it makes every line end "\n", and replaces control characters and invalid
// UTF-8. It keeps joiners and bidirectional controls.
func clean(s string) string {
	s = strings.ReplaceAll(s, "\r\n", "\n")
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case r == '\r' || r == '\v' || r == '\f' || r == '\u0085' || r == '\u2028' || r == '\u2029':
			return '\n'
		case unicode.IsControl(r):
			return utf8.RuneError
		default:
			return r
		}
	}, s)
}

// oneLine cleans text and replaces line breaks by spaces.
func oneLine(s string) string {
	return strings.ReplaceAll(clean(s), "\n", " ")
}
