package hitltest

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
)

// recorder is a test that may fail: it only remembers.
type recorder struct {
	t    *testing.T // For what a recorder shares with a real test.
	name string

	mu       sync.Mutex
	failures []string
	skipped  string
	log      []string
	cleanups []func()
	tests    []*recorder
}

func (r *recorder) Helper()                  {}
func (r *recorder) Context() context.Context { return r.t.Context() }
func (r *recorder) Output() io.Writer        { return io.Discard }

func (r *recorder) Cleanup(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cleanups = append(r.cleanups, f)
}

func (r *recorder) Logf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.log = append(r.log, fmt.Sprintf(format, args...))
}

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

func (r *recorder) Skipf(format string, args ...any) {
	r.mu.Lock()
	r.skipped = fmt.Sprintf(format, args...)
	r.mu.Unlock()
	runtime.Goexit()
}

func (r *recorder) Run(name string, f func(runner)) bool {
	sub := &recorder{t: r.t, name: name}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			for _, clean := range slices.Backward(sub.cleanups) {
				clean()
			}
		}()
		f(sub)
	}()
	<-done
	r.tests = append(r.tests, sub)
	return len(sub.failures) == 0
}

// failed are the names of the tests that failed.
func (r *recorder) failed() (names []string) {
	for _, sub := range r.tests {
		if len(sub.failures) > 0 {
			names = append(names, sub.name)
		}
	}
	return names
}

// all is everything that a subtest had to say.
func (r *recorder) all(name string) string {
	for _, sub := range r.tests {
		if sub.name == name {
			return strings.Join(append(slices.Clone(sub.failures), sub.skipped), "\n")
		}
	}
	return ""
}
