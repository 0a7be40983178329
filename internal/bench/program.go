package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// program is a server that is measured.
type program struct {
	key, name  string
	isGo       bool
	guarantees bool // it keeps order, deduplicates and so on, by further calls of the API
	dir        string
	args       func(port int) []string

	size, stripped int64 // of what is deployed, in bytes; stripped is zero where there is no such thing
}

// Keys of the programs.
const (
	ours = "ours"
	node = "node"
	bare = "bare"
)

// build makes the programs that are asked for, ready to be started, with their files in dir. Root is the folder of the module, and tags
// are those of the Go compiler.
func build(ctx context.Context, root, dir string, keys []string, tags string) ([]program, error) {
	var programs []program
	for _, key := range keys {
		var p program
		var err error
		switch key {
		case ours:
			p = program{name: "hitl-go", isGo: true, guarantees: true}
			err = p.buildGo(ctx, root, filepath.Join(dir, key), key, tags)
			bin := filepath.Join(dir, key)
			p.args = func(port int) []string { return []string{bin, "serve", "--addr", "127.0.0.1:" + strconv.Itoa(port)} }
		case bare:
			p = program{name: "bare net/http", isGo: true}
			err = p.buildGo(ctx, root, filepath.Join(dir, key), key, tags)
			bin := filepath.Join(dir, key)
			p.args = func(int) []string { return []string{bin} }
		case node:
			p, err = nodeProgram(root)
		default:
			err = fmt.Errorf("there is no server %q; there are ours, node and bare", key)
		}
		if err != nil {
			return nil, err
		}
		p.key = key
		programs = append(programs, p)
	}
	return programs, nil
}

func (p *program) buildGo(ctx context.Context, root, bin, name, tags string) error {
	for _, flags := range [][]string{{"-ldflags=-s -w"}, {"-tags=" + tags}} { // The one that is run comes last.
		args := append([]string{"build", "-trimpath"}, flags...)
		c := exec.CommandContext(ctx, "go", append(args, "-o", bin, "./internal/bench/"+name)...) //nolint:gosec // The names are ours.
		c.Dir = root
		if out, err := c.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w: %s", name, err, out)
		}
		info, err := os.Stat(bin)
		if err != nil {
			return err
		}
		p.stripped, p.size = p.size, info.Size()
	}
	return nil
}

// nodeProgram is the server on the official SDK. Its packages are installed by "npm ci", which is not done here: a benchmark does not
// reach for the network.
func nodeProgram(root string) (program, error) {
	dir := filepath.Join(root, "internal", "bench", "typescript")
	modules := filepath.Join(dir, "node_modules")
	if _, err := os.Stat(filepath.Join(modules, "@botpress", "sdk")); err != nil {
		return program{}, errors.New("the official SDK is not there: run npm ci --ignore-scripts in internal/bench/typescript")
	}
	bin, err := exec.LookPath("node")
	if err != nil {
		return program{}, fmt.Errorf("the official SDK needs Node.js: %w", err)
	}
	size, err := sizeOf(modules)
	return program{
		name: "TypeScript SDK", dir: dir, size: size,
		args: func(int) []string { return []string{bin, "server.mjs"} },
	}, err
}

// sizeOf adds up the files in a folder.
func sizeOf(dir string) (sum int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		sum += info.Size()
		return nil
	})
	return sum, err
}

// moduleRoot is the folder of the module that this program belongs to.
func moduleRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/hitl-go/sdk").Output()
	if err != nil {
		return "", fmt.Errorf("run it within the module: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}
