// Package dependencies compares what an adapter links with docs/dependencies.md.
package dependencies

import (
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	root   = "../.."
	page   = "docs/dependencies.md"
	module = "github.com/hitl-go/sdk"
)

func TestPage(t *testing.T) {
	if diff := cmp.Diff(documented(t), linked(t)); diff != "" {
		t.Errorf("%s does not say what examples/minimal links (-page +code); change the page, or leave the import out:\n%s", page, diff)
	}
}

// importers names, by modules, what imports them: packages of ours, or else modules of others.
type importers map[string][]string

// documented reads the rows of the page's tables. The first cell has the module, the second one its importers.
func documented(t *testing.T) importers {
	t.Helper()
	text, err := os.ReadFile(root + "/" + page)
	if err != nil {
		t.Fatal(err)
	}
	code := regexp.MustCompile("`([^`]+)`")
	all := importers{}
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 || !code.MatchString(cells[1]) {
			continue
		}
		name := code.FindStringSubmatch(cells[1])[1]
		if _, twice := all[name]; twice {
			t.Errorf("%s has two rows for %s", page, name)
		}
		all[name] = []string{}
		for _, match := range code.FindAllStringSubmatch(cells[2], -1) {
			all[name] = append(all[name], match[1])
		}
		slices.Sort(all[name])
	}
	return all
}

// linked asks the go command. Linux stands for all systems.
func linked(t *testing.T) importers {
	t.Helper()
	const format = `{{if not .Standard}}{{.ImportPath}} {{.Module.Path}} {{.Dir}}{{range .Imports}} {{.}}{{end}}{{end}}`
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", format, "./hitl", "./message", "./botpress", "./examples/minimal")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, stderr.String())
	}
	moduleOf, imports := map[string]string{}, map[string][]string{}
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		moduleOf[words[0]], imports[words[0]] = words[1], words[3:]
		if words[1] == module {
			if _, err := os.ReadDir(words[2]); err != nil { // so that a cached result is not used after a change
				t.Fatal(err)
			}
		}
	}
	direct, indirect := importers{}, importers{}
	for pkg, imported := range imports {
		for _, other := range imported {
			switch m := moduleOf[other]; {
			case m == "", m == module, m == moduleOf[pkg]: // standard library, or their own
			case moduleOf[pkg] == module:
				direct[m] = append(direct[m], strings.TrimPrefix(pkg, module+"/"))
			default:
				indirect[m] = append(indirect[m], moduleOf[pkg])
			}
		}
	}
	maps.Copy(indirect, direct)
	for m, by := range indirect {
		slices.Sort(by)
		indirect[m] = slices.Compact(by)
	}
	return indirect
}
