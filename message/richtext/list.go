package richtext

import (
	"strconv"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// list is a list that is being written.
type list struct {
	ordered bool
	next    int    // number
	step    int    // -1 if it is reversed
	last    int    // number, once there is one
	mark    string // after the numbers; empty before the first
	width   int    // of what stands before the last item, once it has ended
}

func newList(n *html.Node) *list {
	l := &list{ordered: n.DataAtom == atom.Ol, next: 1, step: 1}
	if !l.ordered {
		return l
	}
	if has(n, "reversed") {
		l.next, l.step = countItems(n), -1
	}
	if start, ok := integer(attr(n, "start")); ok {
		l.next = start
	}
	return l
}

// countItems counts the items of a list that browsers show, without those of lists in it.
func countItems(n *html.Node) int {
	count := 0
	for c := range n.ChildNodes() {
		if c.Type != html.ElementNode || isList(c.DataAtom) || isInvisible(c.DataAtom) || isHidden(c) {
			continue
		}
		if c.DataAtom == atom.Li {
			count++
		}
		count += countItems(c)
	}
	return count
}

func isList(a atom.Atom) bool {
	return a == atom.Ol || a == atom.Ul || a == atom.Menu || a == atom.Dir
}

// number takes the number of the next item, and reports whether it is another than Markdown would give it.
func (l *list) number(item *html.Node) (n int, jumps bool) {
	if value, ok := integer(attr(item, "value")); ok {
		l.next = value
	}
	n, jumps = l.next, l.mark == "" || l.next != l.last+1
	l.last, l.next = n, n+l.step
	return n, jumps
}

// list writes a list. Editors put a list that belongs to an item beside it: <ul><li>a</li><ul><li>b</li></ul></ul>.
func (w *writer) list(n *html.Node) {
	width := 0
	if len(w.lists) > 0 {
		width = w.lists[len(w.lists)-1].width
	}
	w.lists = append(w.lists, newList(n))
	if width > 0 {
		w.indented(indent{rest: strings.Repeat(" ", width), used: true}, n)
	} else {
		w.block(n)
	}
	l := w.lists[len(w.lists)-1]
	w.lists = w.lists[:len(w.lists)-1]
	if l.mark != "" {
		w.listEnd, w.listMark = w.out.Len(), l.mark
	}
}

func (w *writer) item(n *html.Node) {
	l := &list{}
	if len(w.lists) > 0 {
		l = w.lists[len(w.lists)-1]
	}
	marker := w.marker(n)
	width, before := l.width, w.out.Len()
	l.width = 0
	w.indented(indent{first: marker, rest: strings.Repeat(" ", len(marker))}, n)
	l.width = width
	if w.out.Len() > before {
		l.width, w.itemEnd = len(marker), w.out.Len()
		w.breaks = min(w.breaks, 1) // No blank line between items, even if they contain paragraphs.
	}
}

// marker is what stands before an item. Markdown counts on from a list's first number: where the numbers jump, another mark after
// them begins a new list.
func (w *writer) marker(n *html.Node) string {
	const most = 999_999_999 // In Markdown, what is more, or negative, is no list.
	if len(w.lists) == 0 || !w.lists[len(w.lists)-1].ordered {
		return "- "
	}
	l := w.lists[len(w.lists)-1]
	number, jumps := l.number(n)
	switch {
	case !w.markdown || !jumps:
	case number < 0 || number > most:
		l.mark = ""
		return "- " + strconv.Itoa(number) + ". "
	case l.mark != "":
		l.mark = otherMark(l.mark)
	case w.listEnd > 0 && w.listEnd == w.out.Len():
		l.mark = otherMark(w.listMark)
	}
	if l.mark == "" {
		l.mark = "."
	}
	if isFirst := jumps && len(w.lists) > 1; w.markdown && number != 1 && (isFirst || w.out.Len() != w.itemEnd) {
		w.breakLine(2) // It would go on with the paragraph before.
	}
	return strconv.Itoa(number) + l.mark + " "
}

func otherMark(mark string) string {
	if mark == "." {
		return ")"
	}
	return "."
}

// integer reads a number as browsers do, by HTML's rules for parsing integers: what follows it does not matter.
func integer(s string) (n int, ok bool) {
	s = strings.TrimLeft(s, " \t\n\f\r")
	digits := strings.TrimLeft(s, "+-")
	if len(s)-len(digits) > 1 {
		return 0, false
	}
	end := len(digits) - len(strings.TrimLeft(digits, "0123456789"))
	v, err := strconv.ParseInt(s[:len(s)-len(digits)+end], 10, 32)
	return int(v), err == nil
}
