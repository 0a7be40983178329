// Package mutants tests the tests. A mutant is a change of the code that breaks a guarantee. Some test must fail with it.
//
// The files in testdata describe the mutants:
//
//	mutant: old signatures stay valid
//	breaks: A signed request cannot be replayed later.
//	test: ./hitl/verify ^TestReplay$
//	file: hitl/verify/hmac.go
//	-age > tolerance || age < -tolerance
//	+age < -tolerance
//
// Lines with "-" are text that must occur once in the file, lines with "+" replace it. Another "-" after a "+" begins
// another edit, another "file" an edit of another file. Lines with "#" are comments.
//
// HITL_MUTANTS=1 runs the tests with each mutant, HITL_MUTANTS=0/2 and 1/2 with every second one. Without it the mutants are only
// checked for whether they still fit the code.
package mutants

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

type mutant struct {
	name, breaks string
	pkg, run     string
	edits        []edit
}

type edit struct{ file, before, after string }

func TestMutants(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	mutants := load(t)
	overlays := make([]string, len(mutants))
	for i, m := range mutants {
		if overlays[i], err = m.overlay(root, t.TempDir()); err != nil {
			t.Errorf("mutant %q: %v", m.name, err)
		}
	}
	number, of, err := share(os.Getenv("HITL_MUTANTS"))
	if err != nil {
		t.Fatal(err)
	}
	if t.Failed() || of == 0 {
		return
	}

	var killed atomic.Int64
	var group errgroup.Group
	group.SetLimit(2)
	for i, m := range mutants {
		if i%of != number {
			continue
		}
		group.Go(func() error {
			// A mutant may hang a test: the timeout ends it, and counts as a failure of the test.
			cmd := exec.CommandContext(t.Context(), "go", "test", "-json", "-count=1", "-vet=off", "-timeout=2m",
				"-overlay="+overlays[i], "-run="+m.run, m.pkg)
			cmd.Dir = root
			began := time.Now()
			output, err := cmd.CombinedOutput()
			by, problem := verdict(output, err)
			if problem != nil {
				t.Errorf("mutant %q: %v\nIt breaks: %s\ngo test %s -run %s\n%s", m.name, problem, m.breaks, m.pkg, m.run, text(output))
				return nil
			}
			killed.Add(1)
			t.Logf("killed: %s (by %s, after %.1f s)", m.name, by, time.Since(began).Seconds())
			return nil
		})
	}
	_ = group.Wait()
	t.Logf("%d mutants killed, of %d", killed.Load(), len(mutants))
}

// share reads which mutants are run: number n of every so many. None is no share.
func share(s string) (number, of int, err error) {
	switch s {
	case "":
		return 0, 0, nil
	case "1":
		return 0, 1, nil
	}
	if n, err := fmt.Sscanf(s, "%d/%d", &number, &of); n != 2 || err != nil || of < 1 || number < 0 || number >= of {
		return 0, 0, fmt.Errorf("HITL_MUTANTS is %q; set it to 1, or to a share such as 0/2", s)
	}
	return number, of, nil
}

func load(t *testing.T) []mutant {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no mutants: %v", err)
	}
	var all []mutant
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		mutants, err := parse(string(data))
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all = append(all, mutants...)
	}
	return all
}

func parse(data string) ([]mutant, error) {
	var all []mutant
	var m *mutant
	var e *edit
	var file string
	var previous byte // The first character of the line before.
	for i, line := range strings.Split(data, "\n") {
		if line == "" || line[0] == '#' {
			previous = 0
			continue
		}
		key, value, _ := strings.Cut(line, ": ")
		switch {
		case key == "mutant":
			all = append(all, mutant{name: value})
			m, file = &all[len(all)-1], ""
		case m == nil:
			return nil, fmt.Errorf("line %d stands before the first mutant", i+1)
		case key == "breaks":
			m.breaks = value
		case key == "test":
			m.pkg, m.run, _ = strings.Cut(value, " ")
		case key == "file":
			file = value
		case line[0] == '-' && previous != '-':
			m.edits = append(m.edits, edit{file: file, before: line[1:]})
			e = &m.edits[len(m.edits)-1]
		case line[0] == '-':
			e.before += "\n" + line[1:]
		case line[0] == '+' && previous == '-':
			e.after = line[1:]
		case line[0] == '+' && previous == '+':
			e.after += "\n" + line[1:]
		default:
			return nil, fmt.Errorf("line %d makes no sense: %s", i+1, line)
		}
		previous = line[0]
	}
	return all, nil
}

// overlay writes the changed files to a folder, and with them what go test -overlay takes.
func (m mutant) overlay(root, folder string) (string, error) {
	if m.name == "" || m.breaks == "" || m.pkg == "" || m.run == "" || len(m.edits) == 0 {
		return "", errors.New("it has no name, no guarantee to break, no test or no edit")
	}
	changed := map[string]string{}
	for _, e := range m.edits {
		file := filepath.Join(root, filepath.FromSlash(e.file))
		source, ok := changed[file]
		if !ok {
			data, err := os.ReadFile(file)
			if err != nil {
				return "", err
			}
			source = string(data)
		}
		if n := strings.Count(source, e.before); n != 1 {
			return "", fmt.Errorf("%s has this text %d times, not once:\n%s", e.file, n, e.before)
		}
		if e.before == e.after {
			return "", fmt.Errorf("this edit of %s changes nothing:\n%s", e.file, e.before)
		}
		changed[file] = strings.Replace(source, e.before, e.after, 1)
	}
	replace := map[string]string{}
	for file, source := range changed {
		if _, err := parser.ParseFile(token.NewFileSet(), file, source, parser.SkipObjectResolution); err != nil {
			return "", err
		}
		mutated := filepath.Join(folder, fmt.Sprintf("%d.go", len(replace)))
		if err := os.WriteFile(mutated, []byte(source), 0o600); err != nil {
			return "", err
		}
		replace[file] = mutated
	}
	data, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(folder, "overlay.json")
	return overlay, os.WriteFile(overlay, data, 0o600)
}

// event is a line of go test -json.
type event struct{ Action, Test, Output, FailedBuild string }

func events(output []byte) []event {
	var all []event
	for line := range bytes.Lines(output) {
		var e event
		if err := json.Unmarshal(line, &e); err != nil {
			e = event{Output: string(line)}
		}
		all = append(all, e)
	}
	return all
}

func text(output []byte) string {
	var b strings.Builder
	for _, e := range events(output) {
		b.WriteString(e.Output)
	}
	return b.String()
}

// verdict returns the test that failed first, or else the one that was running when a panic ended the process.
func verdict(output []byte, exit error) (by string, problem error) {
	running := ""
	for _, e := range events(output) {
		switch {
		case e.FailedBuild != "":
			return "", errors.New("it does not compile")
		case e.Action == "fail" && e.Test != "":
			return e.Test, nil
		case e.Action == "run":
			running = e.Test
		}
	}
	switch {
	case running == "":
		return "", errors.New("no test ran")
	case exit == nil:
		return "", errors.New("it survived")
	}
	return running, nil
}
