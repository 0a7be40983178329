package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"strings"
)

// teller writes a conversation for people: who says what to whom.
type teller struct {
	w       io.Writer
	colours map[string]string // By speaker; nil writes none.
}

// newTeller returns a teller that uses colours on a terminal, unless NO_COLOR is set.
func newTeller(w io.Writer) *teller {
	t := &teller{w: w}
	if f, ok := w.(*os.File); ok && os.Getenv("NO_COLOR") == "" {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			t.colours = map[string]string{"bot": "33", "Rosa": "32", "": "2", "title": "1"}
		}
	}
	return t
}

// The columns of speaker and hearer, in characters.
const column = 10

func (t *teller) line(format string, args ...any) {
	_, _ = fmt.Fprintf(t.w, format+"\n", args...) // If nobody can read it, nobody misses it.
}

func (t *teller) title(text string) {
	t.line("\n%s", t.paint("title", text))
}

func (t *teller) event(format string, args ...any) {
	t.line("  %*s%s", 2*column+4, "", t.paint("", "("+fmt.Sprintf(format, args...)+")"))
}

// said writes one message; further lines of it are indented.
func (t *teller) said(from, to, text string) {
	who := t.paint(from, fmt.Sprintf("%-*s", column, from))
	line, rest, more := strings.Cut(text, "\n")
	t.line("  %s → %-*s %s", who, column, to, line)
	for more {
		if line, rest, more = strings.Cut(rest, "\n"); line != "" {
			line = strings.Repeat(" ", 2*column+6) + line
		}
		t.line("%s", line)
	}
}

func (t *teller) paint(what, text string) string {
	if t.colours == nil {
		return text
	}
	return "\x1b[" + cmp.Or(t.colours[what], "36") + "m" + text + "\x1b[0m"
}
