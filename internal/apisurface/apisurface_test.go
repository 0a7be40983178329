// Package apisurface compares the module's exported API with the one on record in testdata.
package apisurface

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/build"
	"go/doc"
	"go/format"
	"go/parser"
	"go/printer"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	root         = "../.."
	module       = "github.com/hitl-go/sdk"
	maxHitlLines = 40
)

var update = flag.Bool("update", false, "rewrite testdata")

func TestSurface(t *testing.T) {
	got := surfaces(t)
	if *update {
		if err := os.RemoveAll("testdata"); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		for name, text := range got {
			if err := os.WriteFile(filepath.Join("testdata", name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	const howTo = "if this is intended: go test ./internal/apisurface -update"
	for name, text := range got {
		want, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(text, "\n")); diff != "" {
			t.Errorf("the API in %s has changed (-recorded +now); %s\n%s", name, howTo, diff)
		}
	}
	recorded, err := os.ReadDir("testdata")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range recorded {
		if _, ok := got[file.Name()]; !ok {
			t.Errorf("the package of testdata/%s is gone; %s", file.Name(), howTo)
		}
	}
}

func TestHitlIsShort(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "go", "doc", "-short", "./hitl")
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if n := bytes.Count(out, []byte("\n")); n > maxHitlLines {
		t.Errorf("go doc -short ./hitl has %d lines, want at most %d:\n%s", n, maxHitlLines, out)
	}
}

// surfaces returns the exported API of each public package, by the name of its file in testdata.
func surfaces(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(root, func(dir string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return err
		}
		name := entry.Name()
		if dir != root && (name == "internal" || name == "examples" || name == "testdata" || name[0] == '.' || name[0] == '_') {
			return fs.SkipDir
		}
		rel, err := filepath.Rel(root, dir)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		text, err := surface(dir, path.Join(module, rel))
		if text != "" {
			all[strings.ReplaceAll(rel, "/", ".")+".txt"] = text
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// surface is empty if the folder has no package, a command, or a package that exports nothing.
func surface(dir, importPath string) (string, error) {
	pkg, err := build.ImportDir(dir, 0)
	var none *build.NoGoError
	switch {
	case errors.As(err, &none):
		return "", nil
	case err != nil:
		return "", err
	case pkg.IsCommand():
		return "", nil
	}
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range pkg.GoFiles {
		file, err := parser.ParseFile(fset, filepath.Join(dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			return "", err
		}
		files = append(files, file)
	}
	api, err := doc.NewFromFiles(fset, files, importPath)
	if err != nil {
		return "", err
	}

	p := declarations{fset: fset}
	p.values(api.Consts)
	p.values(api.Vars)
	p.funcs(api.Funcs)
	for _, typ := range api.Types {
		p.add(typ.Decl)
		p.values(typ.Consts)
		p.values(typ.Vars)
		p.funcs(typ.Funcs)
		p.funcs(typ.Methods)
	}
	if p.err != nil || len(p.texts) == 0 {
		return "", p.err
	}
	return fmt.Sprintf("package %s // import %q\n\n%s", api.Name, importPath, strings.Join(p.texts, "\n")), nil
}

type declarations struct {
	fset  *token.FileSet
	texts []string
	err   error
}

func (d *declarations) values(all []*doc.Value) {
	first := len(d.texts)
	for _, v := range all {
		d.add(v.Decl)
	}
	slices.Sort(d.texts[first:])
}

func (d *declarations) funcs(all []*doc.Func) {
	for _, f := range all {
		d.add(f.Decl)
	}
}

// blank matches the lines that comments have left empty.
var blank = regexp.MustCompile(`\n\s*\n`)

// add prints a declaration. It formats it again without blank lines, because these would break the alignment of fields.
func (d *declarations) add(decl ast.Decl) {
	var b bytes.Buffer
	err := printer.Fprint(&b, d.fset, decl)
	text, formatErr := format.Source(blank.ReplaceAll(b.Bytes(), []byte("\n")))
	d.err = errors.Join(d.err, err, formatErr)
	d.texts = append(d.texts, string(text)+"\n")
}
