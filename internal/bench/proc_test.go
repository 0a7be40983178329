package main

import (
	"os"
	"slices"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	const numbers = " S 1 4711 4711 0 -1 4194560 2501 0 0 0 150 50 7 9 20 0 8 0 5120 1280000000 5000 18446744073709551615"
	for _, name := range []string{"ours", "a program", "a) (program"} {
		got, err := parseStat("4711 (" + name + ")" + numbers)
		if want := 2 * time.Second; got != want || err != nil {
			t.Errorf("of %q: got %v, %v, want %v", name, got, err, want)
		}
	}
	for _, broken := range []string{"", "4711 (ours", "4711 (ours) S 1", "1 (x) S 1 2 3 4 5 6 7 8 9 10 eleven 12"} {
		if got, err := parseStat(broken); err == nil {
			t.Errorf("%q is taken for %v", broken, got)
		}
	}
}

func TestParseStatus(t *testing.T) {
	got, err := parseStatus("Name:\tours\nVmPeak:\t 1250000 kB\nVmHWM:\t   31744 kB\nVmRSS:\t   20480 kB\nThreads:\t8\n")
	if want := (usage{peak: 31 << 20, resident: 20 << 20}); got != want || err != nil {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	for _, broken := range []string{"", "VmHWM:\t1 kB\n", "VmHWM:\t1 MB\nVmRSS:\t1 kB\n", "VmHWM:\tx kB\nVmRSS:\t1 kB\n"} {
		if got, err := parseStatus(broken); err == nil {
			t.Errorf("%q is taken for %+v", broken, got)
		}
	}
}

func TestUsageOfThisProcess(t *testing.T) {
	got, err := usageOf(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if hasProc() && (got.resident == 0 || got.peak < got.resident) {
		t.Errorf("got %+v", got)
	}
}

func TestParseCores(t *testing.T) {
	for list, want := range map[string][]int{"0": {0}, "0-1": {0, 1}, "2,5-7,9": {2, 5, 6, 7, 9}} {
		if got, err := parseCores(list); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: got %v, %v, want %v", list, got, err, want)
		}
	}
	for _, broken := range []string{"", "x", "1-", "0-x"} {
		if got, err := parseCores(broken); err == nil {
			t.Errorf("%q is taken for %v", broken, got)
		}
	}
}

func TestProcessor(t *testing.T) {
	if got := processor("processor\t: 0\nmodel name\t: A Processor @ 2 GHz\n", "?"); got != "A Processor @ 2 GHz" {
		t.Errorf("got %q", got)
	}
	if got := processor("processor\t: 0\n", "?"); got != "?" {
		t.Errorf("got %q", got)
	}
}
