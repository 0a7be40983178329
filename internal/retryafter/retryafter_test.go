package retryafter_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hitl-go/sdk/internal/corpus"
	"github.com/hitl-go/sdk/internal/retryafter"
)

var now = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func header(lines string) http.Header {
	h := http.Header{}
	for line := range strings.SplitSeq(lines, "\n") {
		if name, value, ok := strings.Cut(line, ": "); ok {
			h.Add(name, value)
		}
	}
	return h
}

func TestWait(t *testing.T) {
	for _, kind := range corpus.Load(t, "testdata/headers.txt") {
		t.Run(kind.Name, func(t *testing.T) {
			for _, c := range kind.Cases {
				got := "not asked"
				if wait, ok := retryafter.Wait(header(c.In), now); ok {
					got = wait.String()
				}
				if got != c.Want {
					t.Errorf("line %d: %q asks for %s, want %s", c.Line, c.In, got, c.Want)
				}
			}
		})
	}
}

// Whatever the headers say, the wait is within a year.
func FuzzWait(f *testing.F) {
	for _, kind := range corpus.Load(f, "testdata/headers.txt") {
		for _, c := range kind.Cases {
			f.Add(c.In)
		}
	}
	f.Fuzz(func(t *testing.T, lines string) {
		wait, ok := retryafter.Wait(header(lines), now)
		if wait < 0 || wait > 366*24*time.Hour || wait > 0 && !ok {
			t.Errorf("%q asks for %v, %v", lines, wait, ok)
		}
	})
}
