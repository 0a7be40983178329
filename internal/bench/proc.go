package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// usage is what processes have used up to now. It is known on Linux only, and zero elsewhere.
type usage struct {
	cpu      time.Duration
	resident int64 // bytes, now
	peak     int64 // bytes, ever
}

// userHZ is the unit of /proc/<pid>/stat: 100 a second on every architecture.
const userHZ = 100

// usageOf adds up the usage of processes.
func usageOf(pids ...int) (sum usage, err error) {
	for _, pid := range pids {
		dir := fmt.Sprintf("/proc/%d/", pid)
		stat, err := os.ReadFile(dir + "stat") //nolint:gosec // The path is made of a number.
		if errors.Is(err, os.ErrNotExist) && !hasProc() {
			return usage{}, nil
		}
		if err != nil {
			return sum, err
		}
		status, err := os.ReadFile(dir + "status") //nolint:gosec // see above
		if err != nil {
			return sum, err
		}
		cpu, err := parseStat(string(stat))
		if err != nil {
			return sum, fmt.Errorf("%sstat: %w", dir, err)
		}
		one, err := parseStatus(string(status))
		if err != nil {
			return sum, fmt.Errorf("%sstatus: %w", dir, err)
		}
		sum.cpu, sum.resident, sum.peak = sum.cpu+cpu, sum.resident+one.resident, sum.peak+one.peak
	}
	return sum, nil
}

// hasProc reports whether this system says in /proc what processes use.
func hasProc() bool {
	_, err := os.Stat("/proc/self/stat")
	return err == nil
}

// parseStat reads how much time a process and its threads have computed, in their own code and in the kernel's.
func parseStat(stat string) (time.Duration, error) {
	// The name of the program comes second, in parentheses, and may hold spaces and parentheses itself.
	_, after, ok := cutLast(stat, ")")
	fields := strings.Fields(after)
	const user, system = 11, 12 // after the name
	if !ok || len(fields) <= system {
		return 0, fmt.Errorf("it has %d fields", len(fields))
	}
	var ticks int64
	for _, field := range []string{fields[user], fields[system]} {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / userHZ, nil
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// parseStatus reads how much memory a process has.
func parseStatus(status string) (u usage, err error) {
	for name, into := range map[string]*int64{"VmRSS": &u.resident, "VmHWM": &u.peak} {
		value, ok := statusField(status, name)
		kib, isKiB := strings.CutSuffix(value, " kB")
		if !ok || !isKiB {
			return u, fmt.Errorf("it has no %s in kB", name)
		}
		n, err := strconv.ParseInt(kib, 10, 64)
		if err != nil {
			return u, fmt.Errorf("%s: %w", name, err)
		}
		*into = n << 10
	}
	return u, nil
}

// statusField returns the value of a line "name: value".
func statusField(status, name string) (string, bool) {
	for line := range strings.Lines(status) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(value), true
		}
	}
	return "", false
}
