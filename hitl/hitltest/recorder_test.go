package hitltest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
)

// recorder is a test that records its failures.
type recorder struct {
	t    *testing.T // The test that runs it.
	name string

	mu       sync.Mutex
	failures []string
	skipped  string
	log      []string
	cleanups []func()
	tests    []*recorder
	output   bytes.Buffer
}

// watch runs a function as a test, which may fail.
func watch(t *testing.T, f func(runner)) *recorder {
	t.Helper()
	root := &recorder{t: t}
	root.Run("watched", f)
	return root.tests[0]
}

func (r *recorder) Helper()                  {}
func (r *recorder) Context() context.Context { return r.t.Context() }
func (r *recorder) Output() io.Writer        { return (*recorded)(r) }

// recorded is the output of a recorder.
type recorded recorder

func (r *recorded) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.output.Write(b)
}

func (r *recorder) Failed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.failures) > 0
}

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
	r.tests = append(r.tests, sub)
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

// of returns the failures of a subtest.
func (r *recorder) of(name string) string {
	i := slices.IndexFunc(r.tests, func(sub *recorder) bool { return sub.name == name })
	if i < 0 {
		return ""
	}
	return strings.Join(r.tests[i].failures, "\n")
}
