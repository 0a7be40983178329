package richtext

import (
	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"github.com/hitl-go/sdk/internal/invisible"
)

// maxColumns bounds what is known of a table's columns. Without it a few wide cells could make a long output.
const maxColumns = 20

// places says for each cell of a table how many columns are before it. It is nil for tables that hold no data, but are the layout
// of a mail: they have other things than text in them, or only one column with something in it.
type places map[*html.Node]int

func placesOf(table *html.Node) places {
	if !isText(table) {
		return nil
	}
	column := places{}
	var used [maxColumns + 1]int // 1 for a column with something in it, and for those beyond
	for section := range table.ChildNodes() {
		place(section, column, &used)
	}
	used[maxColumns] = 0
	var before [maxColumns + 1]int
	for i := range maxColumns {
		before[i+1] = before[i] + used[i]
	}
	if before[maxColumns] < 2 {
		return nil
	}
	for cell, c := range column {
		column[cell] = before[min(c, maxColumns)] + max(c-maxColumns, 0)
	}
	return column
}

// isText reports whether a table has nothing but text in it.
func isText(table *html.Node) bool {
	for n := range table.Descendants() {
		switch n.DataAtom {
		case atom.Table, atom.Ul, atom.Ol, atom.Pre, atom.Blockquote, atom.H1, atom.H2, atom.H3:
			return false
		default:
		}
	}
	return true
}

// place finds the columns of the cells of a section of a table, by the table model of HTML 4.9.12.
func place(section *html.Node, column places, used *[maxColumns + 1]int) {
	var taken [maxColumns + 1]int // rows in which a cell of an earlier one takes the column
	for row := range section.ChildNodes() {
		if row.DataAtom != atom.Tr || isHidden(row) {
			continue
		}
		at := 0
		for cell := range row.ChildNodes() {
			if cell.DataAtom != atom.Td && cell.DataAtom != atom.Th || isHidden(cell) {
				continue
			}
			for at < maxColumns && taken[at] > 0 {
				at++
			}
			column[cell] = at
			if !isBlank(cell) {
				used[min(at, maxColumns)] = 1
			}
			rows := span(cell, "rowspan")
			for range min(span(cell, "colspan"), maxColumns) {
				taken[min(at, maxColumns)] = rows
				at++
			}
		}
		for i := range taken {
			taken[i] = max(taken[i]-1, 0)
		}
	}
}

// span is the number of columns or rows that a cell takes.
func span(cell *html.Node, key string) int {
	n, ok := integer(attr(cell, key))
	switch {
	case ok && n > 0:
		return n
	case ok && n == 0 && key == "rowspan":
		return 1 << 16 // all that follow
	default:
		return 1
	}
}

// isBlank reports whether there is nothing to be seen in a cell.
func isBlank(cell *html.Node) bool {
	switch {
	case cell.Type == html.TextNode:
		return invisible.Only(cell.Data)
	case cell.DataAtom == atom.Img:
		return isPixel(cell) || invisible.Only(attr(cell, "alt")) && attr(cell, "src") == ""
	case cell.DataAtom == atom.Hr:
		return false
	case cell.Type != html.ElementNode || isInvisible(cell.DataAtom) || isHidden(cell):
		return true
	}
	for c := range cell.ChildNodes() {
		if !isBlank(c) {
			return false
		}
	}
	return true
}
