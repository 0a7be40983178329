package hitltest

import (
	"bytes"
	"io"
	"sync"
)

// serverLog keeps what the server has logged since the current rule's trial began. The server outlives the trial, so it
// cannot log to the trial's own output.
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
