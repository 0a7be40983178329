package tutorial

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// What stands behind the language of a fenced block says what the block is for:
//
//	go file=main.go     the whole file; the language is any
//	diff file=main.go   a change of that file
//	console             commands, after "$ ", and lines that they print; "…" stands for anything
//	console fails       the last command fails
//	console stays       the command runs until the end of the section
//	text, sh            to read only
type block struct {
	line    int // in the page
	kind    string
	file    string // of what is written
	content string
}

// section is the text from one heading to the next.
type section struct {
	title  string
	blocks []block
}

var fence = regexp.MustCompile("^```(\\w+) ?(?:file=(\\S+)|(fails|stays))?$")

// read takes the page apart.
func read(page string) ([]section, error) {
	var sections []section
	var open *block
	for i, line := range strings.SplitAfter(page, "\n") {
		text := strings.TrimSuffix(line, "\n")
		switch title, isTitle := strings.CutPrefix(text, "## "); {
		case open != nil && text == "```":
			last := &sections[len(sections)-1]
			last.blocks, open = append(last.blocks, *open), nil
		case open != nil:
			open.content += line
		case isTitle:
			sections = append(sections, section{title: title})
		case strings.HasPrefix(text, "```"):
			m := fence.FindStringSubmatch(text)
			if m == nil || len(sections) == 0 {
				return nil, fmt.Errorf("line %d: nothing is known of the block %s", i+1, text)
			}
			open = &block{line: i + 1, kind: strings.TrimSpace(m[1] + " " + m[3]), file: m[2]}
			switch open.kind {
			case "console", "console fails", "console stays", "text", "sh":
			default:
				if open.file == "" {
					return nil, fmt.Errorf("line %d: nothing is known of the block %s", i+1, text)
				}
			}
		}
	}
	if open != nil {
		return nil, fmt.Errorf("line %d: the block does not end", open.line)
	}
	return sections, nil
}

// write writes the file of a block, or changes it.
func (b block) write(folder string) error {
	name := filepath.Join(folder, b.file)
	content := b.content
	if b.kind == "diff" {
		before, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if content, err = patched(string(before), b.content); err != nil {
			return fmt.Errorf("%s: %w", b.file, err)
		}
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	return os.WriteFile(name, []byte(content), 0o600)
}

// patched makes the changes of a diff, whose hunks begin with "@@" and have no line numbers.
func patched(text, diff string) (string, error) {
	for hunk := range strings.SplitSeq(diff, "@@\n") {
		var before, after string
		for line := range strings.Lines(hunk) {
			if line[0] != '+' {
				before += line[1:]
			}
			if line[0] != '-' {
				after += line[1:]
			}
		}
		if hunk == "" {
			continue
		}
		if n := strings.Count(text, before); n != 1 {
			return "", fmt.Errorf("these lines are there %d times:\n%s", n, before)
		}
		text = strings.Replace(text, before, after, 1)
	}
	return text, nil
}

// missing returns the first line that is promised and not printed, in this order.
func missing(promised []string, printed string) (string, bool) {
	lines := strings.Split(printed, "\n")
	for _, p := range promised {
		pattern := regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(p), "…", ".*") + "$")
		for {
			if len(lines) == 0 {
				return p, true
			}
			line := strings.TrimRight(lines[0], " \r")
			lines = lines[1:]
			if pattern.MatchString(line) {
				break
			}
		}
	}
	return "", false
}

func TestRead(t *testing.T) {
	for page, want := range map[string]string{
		"## A\n```go\n```\n":               "line 2: nothing is known of the block ```go",
		"## A\n```console later\n```\n":    "line 2: nothing is known of the block ```console later",
		"```console\n```\n":                "line 1: nothing is known of the block ```console",
		"## A\n```go file=main.go\n``` \n": "line 2: the block does not end",
	} {
		if _, err := read(page); err == nil || err.Error() != want {
			t.Errorf("%q: the error is %v, want %s", page, err, want)
		}
	}
}

func TestPatched(t *testing.T) {
	const text = "a\n\tb\nc\nd\n"
	got, err := patched(text, "@@\n a\n-\tb\n+\tB\n@@\n-d\n")
	if want := "a\n\tB\nc\n"; err != nil || got != want {
		t.Errorf("it becomes %q, want %q; the error is %v", got, want, err)
	}
	if _, err := patched(text, " a\n-c\n"); err == nil {
		t.Error("a change of lines that are not there is made")
	}
}

func TestMissing(t *testing.T) {
	const printed = "ok \tdesk\t5.2s\nPASS\n"
	if line, ok := missing([]string{"ok \tdesk\t…s", "PASS"}, printed); ok {
		t.Errorf("%q is missing", line)
	}
	for _, promised := range [][]string{{"PASS", "ok \tdesk\t…"}, {"PAS"}, {"ASS"}, {"…FAIL"}} {
		if _, ok := missing(promised, printed); !ok {
			t.Errorf("%q is not missing", promised)
		}
	}
}
