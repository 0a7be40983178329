package retryafter_test

import (
	"cmp"
	"net/http"
	"strconv"
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
				h := header(c.In)
				status, err := strconv.Atoi(cmp.Or(h.Get("Status"), "429"))
				if err != nil {
					t.Fatal(err)
				}
				if wait, ok := retryafter.Wait(status, h, now); ok {
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
			f.Add(http.StatusTooManyRequests, c.In)
		}
	}
	f.Fuzz(func(t *testing.T, status int, lines string) {
		wait, ok := retryafter.Wait(status, header(lines), now)
		if wait < 0 || wait > 366*24*time.Hour || wait > 0 && !ok {
			t.Errorf("%d with %q asks for %v, %v", status, lines, wait, ok)
		}
	})
}
