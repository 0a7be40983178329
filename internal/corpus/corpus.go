// Package corpus reads tables of inputs and right values, which are kept by kind in testdata:
//
//	kind: a full stop outside ASCII ends an address
//	source: UAX #44, general category Po
//	"看 https://shop.example/help。谢谢" => "看 <https://shop.example/help>。谢谢"
//
// Both sides are strings of Go, also raw ones, on one line: a case more is a line more. Lines with # are comments; after a case, # begins a note. A kind
// has a source, which says where its right values come from, and at least eight cases.
package corpus

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

// Kind is a kind of inputs.
type Kind struct {
	Name, Source string
	Cases        []Case
}

// Case is an input and what is right for it. Note is what the table says about it, and Line where it stands.
type Case struct {
	In, Want, Note string
	Line           int
}

// minCases is how many inputs stand for a kind.
const minCases = 8

// Load reads a table.
func Load(t testing.TB, path string) []Kind {
	t.Helper()
	data, err := os.ReadFile(path) //nolint:gosec // Tests name it.
	if err != nil {
		t.Fatal(err)
	}
	var kinds []Kind
	for i, line := range strings.Split(string(data), "\n") {
		line = strings.TrimSpace(line)
		name, isKind := strings.CutPrefix(line, "kind: ")
		source, isSource := strings.CutPrefix(line, "source: ")
		switch {
		case line == "" || line[0] == '#':
		case isKind:
			kinds = append(kinds, Kind{Name: name})
		case len(kinds) == 0:
			t.Fatalf("%s:%d stands before the first kind", path, i+1)
		case isSource:
			kinds[len(kinds)-1].Source = source
		default:
			c, ok := parse(line)
			if !ok {
				t.Fatalf("%s:%d is not two strings with => between them: %s", path, i+1, line)
			}
			c.Line = i + 1
			k := &kinds[len(kinds)-1]
			k.Cases = append(k.Cases, c)
		}
	}
	for _, k := range kinds {
		if k.Source == "" || len(k.Cases) < minCases {
			t.Errorf("%s: the kind %q has %d cases, at least %d are needed, and the source %q", path, k.Name, len(k.Cases), minCases, k.Source)
		}
	}
	return kinds
}

func parse(line string) (c Case, ok bool) {
	in, err := strconv.QuotedPrefix(line)
	if err != nil {
		return c, false
	}
	want, ok := strings.CutPrefix(strings.TrimSpace(line[len(in):]), "=> ")
	if !ok {
		return c, false
	}
	want = strings.TrimSpace(want)
	right, err := strconv.QuotedPrefix(want)
	if err != nil {
		return c, false
	}
	note := strings.TrimSpace(want[len(right):])
	if note != "" && note[0] != '#' {
		return c, false
	}
	c.Note = strings.TrimSpace(strings.TrimPrefix(note, "#"))
	var err1, err2 error
	c.In, err1 = strconv.Unquote(in)
	c.Want, err2 = strconv.Unquote(right)
	return c, err1 == nil && err2 == nil
}
