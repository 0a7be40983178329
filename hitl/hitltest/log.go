package hitltest

import (
	"bytes"
	"io"
	"sync"
)

// serverLog keeps the log of the servers since the current trial began. The servers outlive the trial, so they cannot log to
// its output.
type serverLog struct {
	mu    sync.Mutex
	lines bytes.Buffer
}

func (l *serverLog) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lines.Write(line)
}

func (l *serverLog) clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines.Reset()
}

func (l *serverLog) copyTo(w io.Writer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = w.Write(l.lines.Bytes()) // A test's output takes everything.
}

// copyLines copies the lines that contain a word.
func (l *serverLog) copyLines(w io.Writer, word string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range bytes.Lines(l.lines.Bytes()) {
		if bytes.Contains(line, []byte(word)) {
			_, _ = w.Write(line)
		}
	}
}
