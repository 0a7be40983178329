package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
)

// pinning keeps servers on one core, and the load with the API on another one, so that neither takes time from the other. The
// zero value pins nothing.
type pinning struct {
	tool         string // taskset
	server, load int
	why          string // it pins nothing
}

// findPinning looks whether this machine can pin: it takes Linux, taskset and two cores.
func findPinning() pinning {
	tool, err := exec.LookPath("taskset")
	if runtime.GOOS != "linux" || err != nil {
		return pinning{why: "there is no taskset"}
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return pinning{why: err.Error()}
	}
	list, _ := statusField(string(status), "Cpus_allowed_list")
	cores, err := parseCores(list)
	if err != nil || len(cores) < 2 {
		return pinning{why: "there is one core"}
	}
	return pinning{tool: tool, server: cores[0], load: cores[1]}
}

// parseCores reads a list such as 0-3,8.
func parseCores(list string) (cores []int, err error) {
	for part := range strings.SplitSeq(list, ",") {
		from, to, isRange := strings.Cut(part, "-")
		first, err := strconv.Atoi(from)
		if err != nil {
			return nil, err
		}
		last := first
		if isRange {
			if last, err = strconv.Atoi(to); err != nil {
				return nil, err
			}
		}
		for core := first; core <= last; core++ {
			cores = append(cores, core)
		}
	}
	return cores, nil
}

func (p pinning) String() string {
	if p.tool == "" {
		return "unpinned, because " + p.why
	}
	return fmt.Sprintf("servers on core %d, load and API on core %d", p.server, p.load)
}

// command is a command of a server.
func (p pinning) command(ctx context.Context, args []string) *exec.Cmd {
	if p.tool != "" {
		args = append([]string{p.tool, "-c", strconv.Itoa(p.server)}, args...)
	}
	return exec.CommandContext(ctx, args[0], args[1:]...) //nolint:gosec // The driver has built the program itself.
}

// self pins this process. A Go program that is pinned from the start has one thread for one core; this one has to be told.
func (p pinning) self(ctx context.Context) error {
	if p.tool == "" {
		return nil
	}
	out, err := exec.CommandContext(ctx, p.tool, "-a", "-c", "-p", strconv.Itoa(p.load), strconv.Itoa(os.Getpid())).CombinedOutput() //nolint:gosec // see above
	if err != nil {
		return fmt.Errorf("pin the load: %w: %s", err, out)
	}
	runtime.GOMAXPROCS(1)
	return nil
}
