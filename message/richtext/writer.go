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

	line   int      // Where the text of the last line begins in out.
	space  bool     // A space is pending.
	breaks int      // Pending line breaks: 1 ends a line, 2 end a paragraph.
	bars   int      // Pending separators of table cells.
	lead   string   // What is pending before the next text on the line: what nobody sees, and what raises it.
	inline int      // Number of enclosing elements that must stay on one line.
	keep   int      // Number of enclosing elements that preserve line breaks.
	depth  int      // Number of enclosing lists and quotes.
	around []indent // Outermost first.
	marks  []string // The marks around what is written next, such as "**". Outermost first.
	open   []string // The marks that are open in out. Outermost first.
	tied   int      // Which of the open marks was opened in one piece with the mark in it, as "***". Or -1.
	lists  []*list  // Outermost first.
	tables []places // Outermost first.
	column int      // The place of the last cell in its row.

	itemEnd  int    // Where the last item of a list ended.
	listEnd  int    // Where the last numbered list ended.
	listMark string // What was after its numbers.

	skip func(src string) bool // [Options.SkipImage]
}

// indent precedes the lines of a list item, a quote or a heading.
type indent struct {
	first, rest string
	used        bool // first is written.
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
	before, line := "", ""
	if !w.atLineStart() {
		before = ". " // So that the text is not at the beginning of a line.
		line = w.out.String()[w.line:]
	}
	escaped := strings.TrimPrefix(message.EscapeMarkdown(before+s), before)
	switch {
	case s == "" || w.space || !slices.Equal(w.open, w.marks):
	case isNumber(line) && (s[0] == '.' || s[0] == ')') && (len(s) == 1 || s[1] == ' '):
		escaped = `\` + escaped
	case endsReference(line, s):
		escaped = strings.Replace(escaped, ";", `\;`, 1)
	}
	if bare, ok := strings.CutSuffix(escaped, `\!`); ok {
		return bare + "!" // between knows whether a link follows.
	}
	return escaped
}

// isNumber reports whether a text can be the number of an item.
func isNumber(s string) bool {
	return s != "" && len(s) < 10 && strings.Trim(s, "0123456789") == ""
}

// endsReference reports whether a character reference, such as "&lt;", begins in the one text and ends in the next.
func endsReference(line, next string) bool {
	const longest = 33 // bytes
	line = line[max(0, len(line)-longest):]
	i := strings.LastIndexByte(line, '&')
	if i < 0 || strings.Contains(line[i:], ";") {
		return false
	}
	return strings.HasPrefix(message.EscapeMarkdown("."+line[i:]+next[:min(len(next), longest)]), `.\&`)
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
	if w.markdown && w.breaks == 1 && !w.isFresh() && w.itemEnd == w.out.Len() {
		w.breaks = 2 // What is no item would go on with the paragraph of the last one.
	}
	same := w.same()
	between := w.between(same, s)
	w.closeMarks(same)
	switch {
	case w.out.Len() == 0:
		w.startLine()
		w.line = w.out.Len()
	case w.breaks > 0:
		w.breakNow()
		w.line = w.out.Len()
	case w.bars > 0 || w.space:
		w.out.WriteString(" ")
	case w.lead == "":
		w.out.WriteString(between)
	}
	for range w.bars - 1 {
		w.out.WriteString("|  ")
	}
	if w.bars > 0 {
		w.out.WriteString("| ")
	}
	w.out.WriteString(w.lead)
	if w.lead != "" && len(w.open) < len(w.marks) {
		w.out.WriteString(w.between(len(w.open), s))
	}
	w.space, w.breaks, w.bars, w.lead = false, 0, 0, ""
	for i, mark := range w.marks[same:] {
		if i > 0 && isStar(mark) && isStar(w.marks[same+i-1]) {
			w.tied = same + i - 1
		}
		w.out.WriteString(mark)
	}
	w.open = append(w.open, w.marks[same:]...)
	w.out.WriteString(s)
}

// same returns how many of the open marks go on.
func (w *writer) same() (n int) {
	if w.breaks > 0 || w.bars > 0 {
		return 0
	}
	for n < min(len(w.open), len(w.marks)) && w.open[n] == w.marks[n] {
		n++
	}
	if w.tied >= 0 && w.tied < n && slices.ContainsFunc(w.marks[n:], isStar) {
		return w.tied // By their lengths, the new mark would close what is left of "***".
	}
	return n
}

func isStar(mark string) bool { return mark[0] == '*' }

// closeMarks closes all but the outermost marks.
func (w *writer) closeMarks(left int) {
	for _, mark := range slices.Backward(w.open[left:]) {
		w.out.WriteString(mark)
	}
	w.open = w.open[:left]
	if w.tied >= left {
		w.tied = -1
	}
}

// between is what has to stand before next, where nothing does, so that Markdown is read as it is meant. same marks go on.
//
// CommonMark 0.31.2, section 6.2: a mark counts unless it stands between a letter outside and punctuation inside, and other marks are
// punctuation.
func (w *writer) between(same int, next string) string {
	left, _ := utf8.DecodeLastRuneInString(w.out.String())
	right, _ := utf8.DecodeRuneInString(next)
	closed, opened := w.open[same:], w.marks[same:]
	isFree := func(marks []string, inside rune) bool {
		isOther := func(mark string) bool { return mark[0] != marks[0][0] }
		return !slices.ContainsFunc(marks, isOther) && isOrdinary(inside) && !unicode.IsSymbol(inside)
	}
	switch {
	case len(closed) > 0 && len(opened) > 0 && closed[0][0] != opened[0][0]:
		return ""
	case len(closed) > 0 && len(opened) > 0 && isFree(closed, left) && isFree(opened, right):
		return "\u200B" // They would be one mark.
	case len(closed) > 0 && len(opened) > 0,
		len(closed) > 0 && isOrdinary(right) && !isFree(closed, left),
		len(opened) > 0 && isOrdinary(left) && !isFree(opened, right),
		len(closed)+len(opened) == 0 && w.markdown && left == '!' && right == '[', // It would be an image.
		len(closed)+len(opened) == 0 && w.markdown && left == '`' && right == '`': // Two pieces of code would be one.
		return " "
	default:
		return ""
	}
}

func (w *writer) breakNow() {
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

// marked puts a mark around an element. It is closed when something else is written, so that it goes on in a like element beside.
func (w *writer) marked(mark string, n *html.Node) {
	if w.markdown && !slices.Contains(w.marks, mark) {
		w.marks = append(w.marks, mark)
		defer func() { w.marks = w.marks[:len(w.marks)-1] }()
	}
	w.children(n)
}

// isOrdinary reports whether a character is neither a blank nor punctuation. Before CommonMark 0.31, symbols beyond ASCII were none.
func isOrdinary(r rune) bool {
	return !unicode.IsSpace(r) && !unicode.IsPunct(r) && (r >= utf8.RuneSelf || !unicode.IsSymbol(r))
}

func isWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) }

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
	base, _ := utf8.DecodeLastRuneInString(w.out.String())
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
		w.write("[" + w.escape(label) + "](" + target.target() + ")")
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
	switch {
	case w.markdown:
		target = "<" + target + ">"
	case !isBalanced(target):
		target = parentheses.Replace(target)
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
		w.write("![" + w.escape(alt) + "](" + src.target() + ")")
	case alt == "":
		w.url(src.String())
	default:
		w.write(alt + " <" + src.String() + ">")
	}
}

// code writes code within a paragraph. Each of its lines is a piece of code, which has none in Markdown.
func (w *writer) code(n *html.Node) {
	for d := range n.Descendants() {
		if d.Type == html.TextNode && w.keep == 0 && !keepsLines(n) {
			d.Data = strings.ReplaceAll(d.Data, "\n", " ")
		}
	}
	w.codeLines(strings.Split(textOf(n), "\n"))
}

func (w *writer) codeLines(lines []string) {
	for i, line := range lines {
		if i > 0 {
			w.newline()
		}
		code := collapse(line)
		switch {
		case invisible.Only(code):
		case w.markdown:
			fence := fenceFor(code, 1)
			if strings.HasPrefix(code, "`") || strings.HasSuffix(code, "`") {
				code = " " + code + " "
			}
			w.write(fence + code + fence)
		default:
			w.write(code)
		}
	}
}

// lineBreaks are all that end a line somewhere.
var lineBreaks = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\v", "\n", "\f", "\n", "\u0085", "\n", "\u2028", "\n", "\u2029", "\n")

// pre writes preformatted lines.
func (w *writer) pre(n *html.Node) {
	text := strings.TrimRightFunc(lineBreaks.Replace(textOf(n)), unicode.IsSpace)
	if invisible.Only(text) {
		return
	}
	lines := strings.Split(text, "\n")
	for strings.TrimSpace(lines[0]) == "" {
		lines = lines[1:]
	}
	if w.inline > 0 || w.markdown && w.depth > maxDepth { // A fence ends where its indentation does.
		w.codeLines(lines)
		return
	}
	if w.markdown {
		defer func(marks []string) { w.marks = marks }(w.marks)
		w.marks = nil // Behind a mark, a fence is none.
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
