package botpress_test

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// No test and no client may leave a goroutine behind.
func TestMain(m *testing.M) {
	before := len(goroutines())
	code := m.Run()
	for deadline := time.Now().Add(5 * time.Second); code == 0 && len(goroutines()) > before; runtime.Gosched() {
		if time.Now().After(deadline) {
			fmt.Fprintln(os.Stderr, "left behind:\n"+strings.Join(goroutines(), "\n\n"))
			code = 1
		}
	}
	os.Exit(code)
}

// goroutines returns the stacks of all goroutines but that of package os/signal,
// which fuzzing starts.
func goroutines() []string {
	buf := make([]byte, 1<<20)
	buf = buf[:runtime.Stack(buf, true)]
	var stacks []string
	for stack := range strings.SplitSeq(string(buf), "\n\n") {
		if !strings.Contains(stack, "os/signal") {
			stacks = append(stacks, stack)
		}
	}
	return stacks
}
