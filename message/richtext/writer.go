package richtext

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"github.com/hitl-go/sdk/message"
)

// writer turns a tree of elements into lines. Blanks and line breaks wait until something follows
// them, so that none are doubled and none are left at the end.
type writer struct {
	markdown bool
	out      strings.Builder

	space  bool     // A blank is due.
	breaks int      // Line breaks that are due: 1 ends a line, 2 end a paragraph.
	nextTo bool     // A cell is due that stands next to another.
	inline int      // How many elements around must stay on one line.
	keep   int      // How many elements around keep the line breaks of their text.
	depth  int      // How many lists and quotes around are indented.
	around []indent // From the outside in.
	marks  []mark   // From the outside in.
	inner  rune     // The last one before the marks that have just been closed, if any.
	lists  []int    // The numbers of the last items, from the outside in; bullets are negative.
	tables []bool   // Whether they hold data, from the outside in.
}

// indent stands before the lines of a list item, a quote or a heading.
type indent struct {
	first, rest string
	used        bool // first has been written.
}

// mark is Markdown around words, such as the asterisks of bold ones.
type mark struct {
	text string
	open bool
}

// maxDepth bounds how deep lists and quotes are indented. Without it the output could grow with
// the square of the input.
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
		if isSilent(n.DataAtom) || isHidden(n) {
			return
		}
		breaks := breaksAround(n.DataAtom)
		if len(w.lists) > 0 && (n.DataAtom == atom.Ul || n.DataAtom == atom.Ol) {
			breaks = 1 // A list in a list stays close.
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
	case atom.Ul, atom.Ol:
		w.list(n)
	case atom.Li:
		w.item(n)
	case atom.Table:
		w.tables = append(w.tables, isData(n))
		w.children(n)
		w.tables = w.tables[:len(w.tables)-1]
	case atom.Td, atom.Th:
		w.tableCell(n)
	default:
		w.block(n)
	}
}

// block writes an element that has no shape of its own.
func (w *writer) block(n *html.Node) {
	if keepsLines(n) {
		w.keep++
		defer func() { w.keep-- }()
	}
	w.children(n)
}

// text writes words, with one blank for any number.
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
	if words != "" {
		w.write(w.escape(words))
		w.space = strings.TrimRightFunc(s, unicode.IsSpace) != s
	}
}

// collapse treats blanks that do not break like others: editors make them of every second blank.
func collapse(s string) string { return strings.Join(strings.Fields(s), " ") }

func (w *writer) escape(s string) string {
	if !w.markdown {
		return s
	}
	if w.atLineStart() {
		return message.EscapeMarkdown(s)
	}
	const before = "." // Keeps what follows from being the beginning of a line.
	return strings.TrimPrefix(message.EscapeMarkdown(before+s), before)
}

func (w *writer) atLineStart() bool {
	return w.out.Len() == 0 || w.breaks > 0 || w.isFresh()
}

// isFresh reports whether the innermost item or quote has nothing in it yet.
func (w *writer) isFresh() bool {
	return len(w.around) > 0 && !w.around[len(w.around)-1].used
}

func (w *writer) breakLine(n int) {
	switch {
	case n == 0:
	case w.inline > 0:
		w.space = true
	case w.isFresh(): // A paragraph that begins an item goes on the item's line.
		w.breaks = max(w.breaks, 1)
	default:
		w.breaks = max(w.breaks, n)
	}
}

func (w *writer) newline() { w.breakLine(min(w.breaks+1, 2)) }

// write writes what is due, and then s, which has no line breaks.
func (w *writer) write(s string) {
	switch {
	case w.out.Len() == 0:
		w.startLine()
	case w.breaks > 0:
		w.breakNow()
	case w.nextTo:
		w.out.WriteString(" | ")
	case w.space || w.isStuck(s):
		w.out.WriteString(" ")
	}
	w.space, w.breaks, w.nextTo = false, 0, false
	w.inner = 0
	for i := range w.marks {
		if !w.marks[i].open {
			w.out.WriteString(w.marks[i].text)
			w.marks[i].open = true
		}
	}
	w.out.WriteString(s)
}

func (w *writer) breakNow() {
	for i, m := range slices.Backward(w.marks) { // They do not last beyond a paragraph.
		if m.open {
			w.out.WriteString(m.text)
			w.marks[i].open = false
		}
	}
	switch {
	case w.breaks > 1:
		w.out.WriteString("\n" + strings.TrimRight(w.prefix(), " "))
	case w.markdown && !w.isFresh():
		w.out.WriteString("  ") // Else the lines would be joined.
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

// prefix is what stands before a line that begins nothing.
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

// isStuck reports whether a mark would be no mark, because it stands between a word outside and
// punctuation inside: "**Note:**this".
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

func (w *writer) list(n *html.Node) {
	number := -1
	if n.DataAtom == atom.Ol {
		number = 0
		if start, err := strconv.Atoi(attr(n, "start")); err == nil && start > 0 {
			number = start - 1
		}
	}
	w.lists = append(w.lists, number)
	w.block(n)
	w.lists = w.lists[:len(w.lists)-1]
}

func (w *writer) item(n *html.Node) {
	marker := "- "
	if last := len(w.lists) - 1; last >= 0 && w.lists[last] >= 0 {
		w.lists[last]++
		marker = strconv.Itoa(w.lists[last]) + ". "
	}
	before := w.out.Len()
	w.indented(indent{first: marker, rest: strings.Repeat(" ", len(marker))}, n)
	if w.out.Len() > before {
		w.breaks = min(w.breaks, 1) // Items of paragraphs stay together, too.
	}
}

// tableCell writes a cell next to the one before it; in a table that only makes a layout, below.
func (w *writer) tableCell(n *html.Node) {
	if len(w.tables) == 0 || !w.tables[len(w.tables)-1] {
		w.breakLine(1)
		w.block(n)
		w.breakLine(1)
		return
	}
	for c := n.PrevSibling; c != nil && !w.nextTo; c = c.PrevSibling {
		w.nextTo = c.Type == html.ElementNode
	}
	w.inline++
	w.block(n)
	w.inline--
}

// link writes a label and a URL. A URL that is not one to be clicked is left out.
func (w *writer) link(n *html.Node) {
	target := safeURL(attr(n, "href"))
	text := textOf(n)
	label := collapse(text)
	if target == "" || label == "" {
		w.children(n)
		return
	}
	w.space = w.space || strings.TrimLeftFunc(text, unicode.IsSpace) != text
	switch same := isSame(label, target); {
	case same && strings.HasPrefix(target, "http"):
		w.url(target)
	case same && !w.markdown:
		w.write(label)
	case w.markdown:
		if strings.HasSuffix(w.out.String(), "!") && w.breaks == 0 {
			w.space = true // Else this would be an image.
		}
		w.write("[" + w.escape(label) + "](" + target + ")")
	default:
		w.write(label + " <" + target + ">")
	}
	w.space = strings.TrimRightFunc(text, unicode.IsSpace) != text
}

func (w *writer) url(target string) {
	if w.markdown {
		target = "<" + target + ">"
	}
	w.write(target)
}

// isSame reports whether a label says no more than the URL.
func isSame(label, target string) bool {
	bare := func(s string) string {
		s = strings.ToLower(strings.TrimSuffix(s, "/"))
		for _, prefix := range []string{"http://", "https://", "mailto:", "tel:", "www."} {
			s = strings.TrimPrefix(s, prefix)
		}
		return s
	}
	return bare(label) == bare(target)
}

// image writes what stands for a picture. Pictures of a single point only track who reads a mail.
func (w *writer) image(n *html.Node) {
	if isPoint(attr(n, "width")) || isPoint(attr(n, "height")) {
		return
	}
	alt := collapse(attr(n, "alt"))
	src := safeURL(attr(n, "src"))
	switch {
	case !strings.HasPrefix(src, "http") || isEmoji(alt):
		if alt != "" {
			w.write(w.escape(alt))
		}
	case w.markdown:
		w.write("![" + w.escape(alt) + "](" + src + ")")
	case alt == "":
		w.write(src)
	default:
		w.write(alt + " <" + src + ">")
	}
}

func isPoint(length string) bool { return length == "0" || length == "1" || length == "1px" }

// isEmoji reports whether the text of an image is no description but the image itself.
func isEmoji(alt string) bool {
	return alt != "" && !strings.ContainsFunc(alt, func(r rune) bool { return r < unicode.MaxASCII || unicode.IsLetter(r) })
}

func (w *writer) code(n *html.Node) {
	code := collapse(textOf(n))
	switch {
	case code == "":
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

// pre writes its lines as they are.
func (w *writer) pre(n *html.Node) {
	text := strings.Trim(textOf(n), "\n")
	if strings.TrimSpace(text) == "" {
		return
	}
	if w.inline > 0 {
		w.code(n)
		return
	}
	lines := strings.Split(text, "\n")
	if w.markdown {
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

// fenceFor is a row of backticks that is longer than any in the code, and at least n long.
func fenceFor(code string, n int) string {
	for row := range strings.FieldsFuncSeq(code, func(r rune) bool { return r != '`' }) {
		n = max(n, len(row)+1)
	}
	return strings.Repeat("`", n)
}

// safeURL is the URL if a click on it can do no more than open a page, a mail or a call, and else
// empty. Nothing in it ends the target of a link in Markdown.
func safeURL(s string) string {
	u, err := url.Parse(strings.TrimSpace(s))
	if err != nil {
		return ""
	}
	switch u.Scheme {
	case "http", "https":
		if u.Host == "" || strings.ContainsAny(u.Host, " \"'`<>(){}|^\\%") { // url.Parse lets some of these pass.
			return ""
		}
	case "mailto", "tel":
		if u.Opaque == "" {
			return ""
		}
	default:
		return ""
	}
	return strings.NewReplacer("(", "%28", ")", "%29", "<", "%3C", ">", "%3E", `\`, "%5C", " ", "%20").Replace(u.String())
}
