package richtext

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"github.com/hitl-go/sdk/internal/invisible"
	"github.com/hitl-go/sdk/message"
)

// writer turns a tree of elements into lines. It writes pending spaces and line breaks only when
// text follows, so that none are doubled and none trail.
type writer struct {
	markdown bool
	out      strings.Builder

	space  bool     // A space is pending.
	breaks int      // Pending line breaks: 1 ends a line, 2 end a paragraph.
	bars   int      // Pending separators of table cells.
	lead   string   // What is pending before the next text on the line: what nobody sees, and what raises it.
	inline int      // Number of enclosing elements that must stay on one line.
	keep   int      // Number of enclosing elements that preserve line breaks.
	depth  int      // Number of enclosing lists and quotes.
	around []indent // Outermost first.
	marks  []mark   // Outermost first.
	inner  rune     // The last rune before the marks that were just closed, if any.
	lists  []*list  // Outermost first.
	tables []places // Outermost first.
	column int      // The place of the last cell in its row.

	listEnd  int    // Where the last numbered list ended.
	listMark string // What was after its numbers.

	skip func(src string) bool // [Options.SkipImage]
}

// indent precedes the lines of a list item, a quote or a heading.
type indent struct {
	first, rest string
	used        bool // first is written.
}

// mark is a Markdown delimiter around text, such as "**".
type mark struct {
	text string
	open bool
}

// maxDepth limits the indentation of nested lists and quotes. Without it the output could be
// quadratic in the size of the input.
const maxDepth = 8

func (w *writer) children(n *html.Node) {
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		w.node(c)
	}
}

func (w *writer) node(n *html.Node) {
	switch n.Type {
	case html.TextNode:
		w.text(n.Data)
	case html.ElementNode:
		if isInvisible(n.DataAtom) || isHidden(n) {
			return
		}
		breaks := breaksAround(n.DataAtom)
		if len(w.lists) > 0 && isList(n.DataAtom) {
			breaks = 1 // No blank line before a nested list.
		}
		w.breakLine(breaks)
		w.element(n)
		w.breakLine(breaks)
	default:
	}
}

func (w *writer) element(n *html.Node) {
	switch n.DataAtom {
	case atom.Br:
		w.newline()
	case atom.Hr:
		w.write("---")
	case atom.B, atom.Strong:
		w.marked("**", n)
	case atom.I, atom.Em:
		w.marked("*", n)
	case atom.S, atom.Del, atom.Strike:
		w.marked("~~", n)
	case atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6:
		w.heading(n)
	case atom.A:
		w.link(n)
	case atom.Img:
		w.image(n)
	case atom.Code, atom.Kbd, atom.Samp:
		w.code(n)
	case atom.Pre:
		w.pre(n)
	case atom.Blockquote:
		w.indented(indent{first: "> ", rest: "> "}, n)
	case atom.Ul, atom.Ol, atom.Menu, atom.Dir:
		w.list(n)
	case atom.Li:
		w.item(n)
	case atom.Table:
		w.tables = append(w.tables, placesOf(n))
		w.children(n)
		w.tables = w.tables[:len(w.tables)-1]
	case atom.Tr:
		w.column = 0
		w.children(n)
		w.bars = 0
	case atom.Td, atom.Th:
		w.tableCell(n)
	case atom.Sup:
		w.raised(n)
	default:
		w.block(n)
	}
}

// block writes an element without special treatment.
func (w *writer) block(n *html.Node) {
	if isRaised(n) {
		w.raised(n)
		return
	}
	if keepsLines(n) {
		w.keep++
		defer func() { w.keep-- }()
	}
	w.children(n)
}

// text writes a text node and collapses its white space.
func (w *writer) text(s string) {
	if w.keep > 0 {
		for i, line := range strings.Split(s, "\n") {
			if i > 0 {
				w.newline()
			}
			w.words(line)
		}
		return
	}
	w.words(s)
}

func (w *writer) words(s string) {
	words := collapse(s)
	w.space = w.space || strings.TrimLeftFunc(s, unicode.IsSpace) != s
	switch {
	case words == "":
	case (w.atLineStart() || w.bars > 0) && invisible.Only(words):
		const most = 64
		if len(w.lead)+len(words) <= most {
			w.lead += words
		}
	default:
		w.write(w.escape(words))
		w.space = strings.TrimRightFunc(s, unicode.IsSpace) != s
	}
}

// collapse treats non-breaking spaces like others, because editors insert them for every second
// space.
func collapse(s string) string { return strings.Join(strings.Fields(s), " ") }

func (w *writer) escape(s string) string {
	if !w.markdown {
		return s
	}
	before := ""
	if !w.atLineStart() {
		before = "."
	}
	s = strings.TrimPrefix(message.EscapeMarkdown(before+s), before)
	if bare, ok := strings.CutSuffix(s, `\!`); ok {
		return bare + "!" // link sees to it.
	}
	return s
}

func (w *writer) atLineStart() bool {
	return w.out.Len() == 0 || w.breaks > 0 || w.isFresh()
}

// isFresh reports whether the innermost item or quote is still empty.
func (w *writer) isFresh() bool {
	return len(w.around) > 0 && !w.around[len(w.around)-1].used
}

func (w *writer) breakLine(n int) {
	switch {
	case n == 0:
	case w.inline > 0:
		w.space = true
		return
	case w.isFresh(): // The first paragraph of an item stands on the item's line.
		w.breaks = max(w.breaks, 1)
	default:
		w.breaks = max(w.breaks, n)
	}
	if n > 0 {
		w.lead = ""
	}
}

func (w *writer) newline() { w.breakLine(min(w.breaks+1, 2)) }

// write writes pending breaks, spaces and marks, and then s, which has no line breaks.
func (w *writer) write(s string) {
	switch {
	case w.out.Len() == 0:
		w.startLine()
	case w.breaks > 0:
		w.breakNow()
	case w.bars > 0:
		w.out.WriteString(" ")
	case w.space || w.lead == "" && w.isStuck(s):
		w.out.WriteString(" ")
	}
	for range w.bars - 1 {
		w.out.WriteString("|  ")
	}
	if w.bars > 0 {
		w.out.WriteString("| ")
	}
	w.out.WriteString(w.lead)
	w.space, w.breaks, w.bars, w.lead = false, 0, 0, ""
	w.inner = 0
	for i := range w.marks {
		if !w.marks[i].open {
			w.out.WriteString(w.marks[i].text)
			w.marks[i].open = true
		}
	}
	w.out.WriteString(s)
}

// closeMarks ends the marks that are open. They begin anew with the next text.
func (w *writer) closeMarks() {
	for i, m := range slices.Backward(w.marks) {
		if m.open {
			w.out.WriteString(m.text)
			w.marks[i].open = false
		}
	}
}

func (w *writer) breakNow() {
	w.closeMarks() // They cannot span paragraphs.
	switch {
	case w.breaks > 1:
		w.out.WriteString("\n" + strings.TrimRight(w.prefix(), " "))
	case w.markdown && !w.isFresh():
		w.out.WriteString("  ") // A hard line break.
	}
	w.out.WriteString("\n")
	w.startLine()
}

func (w *writer) startLine() {
	for i := range w.around {
		if in := &w.around[i]; in.used {
			w.out.WriteString(in.rest)
		} else {
			w.out.WriteString(in.first)
			in.used = true
		}
	}
}

// prefix returns the indentation of an empty line.
func (w *writer) prefix() string {
	var s strings.Builder
	for _, in := range w.around {
		if in.used {
			s.WriteString(in.rest)
		}
	}
	return s.String()
}

func (w *writer) indented(in indent, n *html.Node) {
	if w.depth >= maxDepth {
		in.rest = ""
	}
	w.depth++
	w.around = append(w.around, in)
	w.block(n)
	w.around = w.around[:len(w.around)-1]
	w.depth--
}

func (w *writer) marked(text string, n *html.Node) {
	for _, m := range w.marks {
		if m.text == text {
			w.children(n)
			return
		}
	}
	if !w.markdown {
		w.children(n)
		return
	}
	w.marks = append(w.marks, mark{text: text})
	w.children(n)
	last := len(w.marks) - 1
	if w.marks[last].open {
		if w.inner == 0 {
			w.inner, _ = utf8.DecodeLastRuneInString(w.out.String())
		}
		w.out.WriteString(text)
	}
	w.marks = w.marks[:last]
}

// isStuck reports whether Markdown would not see a mark, because it stands between a letter outside
// and punctuation inside: "**Note:**this".
func (w *writer) isStuck(next string) bool {
	left, _ := utf8.DecodeLastRuneInString(w.out.String())
	right, _ := utf8.DecodeRuneInString(next)
	opens := slices.ContainsFunc(w.marks, func(m mark) bool { return !m.open })
	return opens && isWord(left) && !isWord(right) || w.inner != 0 && !isWord(w.inner) && isWord(right)
}

func isWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

func (w *writer) heading(n *html.Node) {
	w.inline++
	defer func() { w.inline-- }()
	if w.markdown {
		level := int(n.Data[1] - '0')
		w.indented(indent{first: strings.Repeat("#", level) + " "}, n)
		return
	}
	w.children(n)
}

// tableCell writes a cell of a data table next to the one before it, and a cell of a layout table
// below.
func (w *writer) tableCell(n *html.Node) {
	if len(w.tables) == 0 || w.tables[len(w.tables)-1] == nil {
		w.breakLine(1)
		w.block(n)
		w.breakLine(1)
		return
	}
	place := w.tables[len(w.tables)-1][n]
	w.bars += place - w.column
	w.column = place
	w.lead = ""
	w.inline++
	w.block(n)
	w.inline--
}

// raised writes a superscript.
func (w *writer) raised(n *html.Node) {
	base := w.inner
	if base == 0 {
		base, _ = utf8.DecodeLastRuneInString(w.out.String())
	}
	if w.space || w.breaks > 0 || w.bars > 0 {
		base = ' '
	}
	before, after := around(n, base)
	lead, written := w.lead, w.out.Len()
	w.lead += before
	w.children(n)
	switch space := w.space; {
	case w.out.Len() == written:
		w.lead = lead
	case after != "":
		w.space = false
		w.write(after)
		w.space = space
	}
}

// link writes a label and a URL. It leaves out a URL that is not safe.
func (w *writer) link(n *html.Node) {
	target, ok := parseURL(attr(n, "href"))
	if !ok {
		w.children(n)
		return
	}
	text := textOf(n)
	label := collapse(text)
	if invisible.Only(label) {
		w.emptyLink(n, target)
		return
	}
	w.space = w.space || strings.TrimLeftFunc(text, unicode.IsSpace) != text
	switch same := target.isSame(label); {
	case same && target.host != "":
		w.url(target.readable())
	case same && !w.markdown:
		w.write(label)
	case w.markdown:
		if strings.HasSuffix(w.out.String(), "!") && w.breaks == 0 {
			w.space = true // Without a space this would be an image.
		}
		w.write("[" + w.escape(label) + "](" + target.String() + ")")
	default:
		w.write(label + " <" + target.String() + ">")
	}
	w.space = strings.TrimRightFunc(text, unicode.IsSpace) != text
}

// emptyLink writes a link without words: nobody can click on it, unless there is a picture in it.
func (w *writer) emptyLink(n *html.Node, target address) {
	switch {
	case !hasPicture(n):
		w.children(n)
	case w.skip == nil || !w.skip(attr(n, "href")):
		w.url(target.String())
	}
}

func (w *writer) url(target string) {
	if w.markdown {
		target = "<" + target + ">"
	}
	w.write(target)
}

// image writes an image as its alt text and URL. It leaves out images of one pixel, which are for
// tracking.
func (w *writer) image(n *html.Node) {
	if isPixel(n) {
		return
	}
	alt := collapse(attr(n, "alt"))
	if invisible.Only(alt) {
		alt = ""
	}
	src, ok := parseURL(attr(n, "src"))
	switch {
	case !ok || src.host == "" || isEmoji(alt):
		if alt != "" {
			w.write(w.escape(alt))
		}
	case w.markdown:
		w.write("![" + w.escape(alt) + "](" + src.String() + ")")
	case alt == "":
		w.write(src.String())
	default:
		w.write(alt + " <" + src.String() + ">")
	}
}

func (w *writer) code(n *html.Node) {
	code := collapse(textOf(n))
	switch {
	case invisible.Only(code):
	case w.markdown:
		fence := fenceFor(code, 1)
		if strings.HasPrefix(code, "`") || strings.HasSuffix(code, "`") {
			code = " " + code + " "
		}
		w.space = w.space || strings.HasSuffix(w.out.String(), "`") // Two spans without anything between them would be one.
		w.write(fence + code + fence)
	default:
		w.write(code)
	}
}

// lineBreaks are all that end a line somewhere.
var lineBreaks = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\v", "\n", "\f", "\n", "\u0085", "\n", "\u2028", "\n", "\u2029", "\n")

// pre writes preformatted lines.
func (w *writer) pre(n *html.Node) {
	text := strings.Trim(lineBreaks.Replace(textOf(n)), "\n")
	if invisible.Only(text) {
		return
	}
	if w.inline > 0 {
		w.code(n)
		return
	}
	lines := strings.Split(text, "\n")
	if w.markdown {
		w.closeMarks() // Behind a mark, a fence is none.
		defer func(marks []mark) { w.marks = marks }(w.marks)
		w.marks = nil
		fence := fenceFor(text, 3)
		lines = append(append([]string{fence}, lines...), fence)
	}
	for i, line := range lines {
		if i == 0 {
			w.write(line)
			continue
		}
		w.out.WriteString("\n")
		w.startLine()
		w.out.WriteString(line)
	}
}

// fenceFor returns at least n backticks, and more than any run of them in the code.
func fenceFor(code string, n int) string {
	for row := range strings.FieldsFuncSeq(code, func(r rune) bool { return r != '`' }) {
		n = max(n, len(row)+1)
	}
	return strings.Repeat("`", n)
}
