// Package docs tests the pages in the folder docs and the READMEs: links lead somewhere, code is code of this module, and what can be made
// of the code is up to date.
//
// What pages show of Go stands in some file of this module that is compiled: in an example, or in a test of this package.
package docs

import (
	"errors"
	"go/build"
	"go/format"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

const (
	root   = "../.."
	module = "github.com/hitl-go/sdk"
	index  = "docs/README.md"
)

var (
	fence   = regexp.MustCompile("(?ms)^```([^\n]*)\n(.*?)^```")
	code    = regexp.MustCompile("`[^`\n]*`")
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ +(.*)$`)
)

func TestLinks(t *testing.T) {
	pages := readPages(t)
	anchors := map[string][]string{}
	for name, text := range pages {
		anchors[name] = anchorsOf(text)
	}
	links := 0
	for name, text := range pages {
		for _, m := range link.FindAllStringSubmatch(withoutCode(text), -1) {
			links++
			if problem := check(name, m[1], anchors); problem != "" {
				t.Errorf("%s: the link to %s: %s", name, m[1], problem)
			}
		}
	}
	if links == 0 {
		t.Error("there are no links")
	}
}

// check says what is wrong with a link of a page.
func check(page, target string, anchors map[string][]string) string {
	if documented, ok := strings.CutPrefix(target, "https://pkg.go.dev/"+module+"/"); ok {
		return checkDocumented(documented)
	}
	if strings.Contains(target, "://") {
		return "" // That takes a network.
	}
	file, anchor, _ := strings.Cut(target, "#")
	name := page
	if file != "" {
		name = path.Join(path.Dir(page), file)
	}
	if _, err := os.Stat(filepath.Join(root, name)); err != nil {
		return "there is no such file"
	}
	if anchor != "" && !slices.Contains(anchors[name], anchor) {
		return "the page has no such heading"
	}
	return ""
}

// checkDocumented looks for a package, and for what a link names of it, in the API on record.
func checkDocumented(documented string) string {
	name, symbol, _ := strings.Cut(documented, "#")
	surface, err := os.ReadFile(filepath.Join(root, "internal/apisurface/testdata", strings.ReplaceAll(name, "/", ".")+".txt"))
	if err != nil {
		return "there is no such package"
	}
	pattern := `\b` + regexp.QuoteMeta(symbol) + `\b`
	if typ, member, ok := strings.Cut(symbol, "."); ok {
		pattern = `func \([a-z]* ?\*?` + typ + `(\[\w+\])?\) ` + member + `\(|type ` + typ + `\b[^}]*\b` + member + `\b`
	}
	if !regexp.MustCompile(pattern).Match(surface) {
		return "the package has nothing of this name"
	}
	return ""
}

// anchorsOf returns the anchors that GitHub gives the headings of a page.
func anchorsOf(text string) (anchors []string) {
	times := map[string]int{}
	for _, m := range heading.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		anchor := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, m[1])
		if n := times[anchor]; n > 0 {
			anchors = append(anchors, anchor+"-"+string(rune('0'+n)))
		} else {
			anchors = append(anchors, anchor)
		}
		times[anchor]++
	}
	return anchors
}

// withoutCode is a page without what only looks like a link.
func withoutCode(text string) string {
	return code.ReplaceAllStringFunc(fence.ReplaceAllString(text, ""), func(s string) string { return strings.Repeat("x", len(s)) })
}

// TestIndex checks that every page of the folder is found in the index.
func TestIndex(t *testing.T) {
	pages := readPages(t)
	linked := map[string]bool{index: true}
	for _, m := range link.FindAllStringSubmatch(withoutCode(pages[index]), -1) {
		file, _, _ := strings.Cut(m[1], "#")
		linked[path.Join("docs", file)] = true
	}
	for name := range pages {
		if strings.HasPrefix(name, "docs/") && !linked[name] {
			t.Errorf("%s is not in the index, %s", name, index)
		}
	}
}

// TestGoCode checks that the Go code of the pages is code of this module, and so compiles. The tutorial's blocks name the files that its own
// test writes and builds.
func TestGoCode(t *testing.T) {
	sources := readSources(t)
	blocks := 0
	for name, text := range readPages(t) {
		here := 0
		for _, m := range fence.FindAllStringSubmatch(text, -1) {
			language, of, _ := strings.Cut(m[1], " ")
			if language != "go" {
				continue
			}
			here++
			isFile := name == "docs/tutorial.md" && strings.HasPrefix(of, "file=")
			if !isFile && !compiled(sources, m[2]) {
				t.Errorf("%s: no Go file of this module has this code:\n%s", name, m[2])
			}
			if formatted, err := format.Source([]byte(m[2])); err != nil || string(formatted) != m[2] {
				t.Errorf("%s: this code is not formatted (%v):\n%s", name, err, m[2])
			}
		}
		if n := strings.Count(text, "```go"); n != here {
			t.Errorf("%s has %d blocks of Go code, of which %d stand at the beginning of their lines", name, n, here)
		}
		blocks += here
	}
	if blocks == 0 {
		t.Error("the pages show no Go code")
	}
}

// compiled reports whether some file has the lines of a block, one after the other, however far they are indented.
func compiled(sources map[string]string, block string) bool {
	lines := "\n" + unindent(block)
	for _, source := range sources {
		if strings.Contains(source, lines) {
			return true
		}
	}
	return false
}

func unindent(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.TrimLeft(lines[i], "\t")
	}
	return strings.Join(lines, "\n")
}

// readSources reads the Go files that "go test ./..." compiles here, without indentation.
func readSources(t *testing.T) map[string]string {
	t.Helper()
	sources := map[string]string{}
	for name, text := range readTree(t, ".go") {
		dir, file := filepath.Split(filepath.Join(root, name))
		if ok, err := build.Default.MatchFile(dir, file); err == nil && ok {
			sources[name] = "\n" + unindent(text)
		}
	}
	return sources
}

// readPages reads the Markdown that people read.
func readPages(t *testing.T) map[string]string {
	t.Helper()
	pages := readTree(t, ".md")
	maps.DeleteFunc(pages, func(name, _ string) bool { return strings.HasPrefix(name, "internal/") })
	if pages[index] == "" {
		t.Fatalf("there is no %s", index)
	}
	return pages
}

// readTree reads the files of this module with an extension, by their names with slashes.
func readTree(t *testing.T, extension string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != ".":
			_, err := os.Stat(filepath.Join(root, name, "go.mod"))
			base := d.Name()
			if base[0] == '.' || base == "testdata" || base == "node_modules" || !errors.Is(err, fs.ErrNotExist) {
				return fs.SkipDir
			}
		case path.Ext(name) == extension:
			text, err := os.ReadFile(filepath.Join(root, name))
			files[name] = string(text)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
