package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// machine is what the measurements were made on and with.
type machine struct {
	date        time.Time
	processor   string
	cores       int
	system      string
	goVersion   string
	nodeVersion string // empty if there is none
	packages    string // of npm
	commit      string
	pinned      pinning
}

func describeMachine(ctx context.Context, root string, p pinning) (machine, error) {
	m := machine{
		date: time.Now(), processor: "unknown processor", cores: runtime.NumCPU(), system: runtime.GOOS + "/" + runtime.GOARCH,
		goVersion: runtime.Version(), pinned: p,
	}
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		m.processor = processor(string(text), m.processor)
	}
	if text, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.system += " " + strings.TrimSpace(string(text))
	}
	m.nodeVersion = output(ctx, root, "node", "--version")
	m.commit = output(ctx, root, "git", "rev-parse", "--short=10", "HEAD")
	if m.commit != "" && output(ctx, root, "git", "status", "--porcelain", "--untracked-files=no") != "" {
		m.commit += " with changes"
	}
	var err error
	m.packages, err = npmPackages(filepath.Join(root, "internal", "bench", "typescript", "package.json"))
	return m, err
}

// processor is the name in /proc/cpuinfo, which not all architectures have.
func processor(cpuinfo, unknown string) string {
	for line := range strings.Lines(cpuinfo) {
		if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return unknown
}

// output is what a command prints, or nothing if it fails.
func output(ctx context.Context, dir, name string, args ...string) string {
	c := exec.CommandContext(ctx, name, args...) //nolint:gosec // The commands are named above.
	c.Dir = dir
	out, err := c.Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

// npmPackages names the packages that the server on the official SDK depends on, with their versions.
func npmPackages(path string) (string, error) {
	data, err := os.ReadFile(path) //nolint:gosec // It is a file of this repository.
	if err != nil {
		return "", err
	}
	var manifest struct {
		Dependencies map[string]string `json:"dependencies"`
	}
	if err := json.Unmarshal(data, &manifest); err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	if len(manifest.Dependencies) == 0 {
		return "", errors.New(path + " has no dependencies")
	}
	var names []string
	for _, name := range sortedKeys(manifest.Dependencies) {
		names = append(names, "`"+name+"` "+manifest.Dependencies[name])
	}
	return strings.Join(names, ", "), nil
}
