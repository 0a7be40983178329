// Package chromium drives a headless Chromium, for tests of web pages. It speaks the DevTools protocol over a pipe, so it
// needs nothing but the browser.
package chromium

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"
)

// Browser is a running browser. Create it with [Launch]; it is safe for concurrent use.
type Browser struct {
	command *exec.Cmd
	in      *os.File
	log     bytes.Buffer // What the browser has written; to be read once it has ended.
	done    chan struct{}

	writing sync.Mutex // One message at a time.
	mu      sync.Mutex // Guards what follows.
	last    int
	waiting map[int]chan answer
	pages   map[string]*Page // By session.
	err     error            // Why there is nothing more to be expected.
}

// frame is a message of the protocol, either way.
type frame struct {
	ID      int    `json:"id,omitempty"`
	Session string `json:"sessionId,omitempty"`
	Method  string `json:"method,omitempty"`
	Params  any    `json:"params,omitempty"`
}

type answer struct {
	result json.RawMessage
	err    error
}

// Launch starts a browser with a new profile in dir, which must be empty.
func Launch(ctx context.Context, path, dir string) (*Browser, error) {
	fromUs, toBrowser, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	fromBrowser, toUs, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, fromUs.Close(), toBrowser.Close())
	}
	b := &Browser{in: toBrowser, done: make(chan struct{}), waiting: map[int]chan answer{}, pages: map[string]*Page{}}
	b.command = exec.CommandContext(context.WithoutCancel(ctx), path, //nolint:gosec // The path is the caller's own choice. Close ends it.
		"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--disable-extensions", "--disable-dev-shm-usage", "--force-color-profile=srgb",
		"--remote-debugging-pipe", "--user-data-dir="+dir, "about:blank")
	b.command.ExtraFiles = []*os.File{fromUs, toUs} // It expects them as its files 3 and 4.
	b.command.Stdout, b.command.Stderr = &b.log, &b.log
	b.command.WaitDelay = 5 * time.Second
	err = b.command.Start()
	err = errors.Join(err, fromUs.Close(), toUs.Close())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("chromium: %w", err), toBrowser.Close(), fromBrowser.Close())
	}
	go b.listen(fromBrowser)
	return b, nil
}

// Close ends the browser.
func (b *Browser) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = b.call(ctx, "", "Browser.close", nil, nil) // It need not answer any more.
	_ = b.in.Close()
	select {
	case <-b.done:
	case <-ctx.Done():
		_ = b.command.Process.Kill()
	}
	err := b.command.Wait()
	<-b.done
	if err != nil {
		return fmt.Errorf("chromium: %w: %s", err, b.log.Bytes())
	}
	return nil
}

// listen hands on what the browser says until it says nothing more.
func (b *Browser) listen(from io.ReadCloser) {
	defer close(b.done)
	defer from.Close()
	r := bufio.NewReaderSize(from, 1<<20)
	for {
		said, err := r.ReadBytes(0)
		if err != nil {
			b.end(fmt.Errorf("chromium: the browser has ended: %w", err))
			return
		}
		var m struct {
			ID      int             `json:"id"`
			Session string          `json:"sessionId"`
			Method  string          `json:"method"`
			Params  json.RawMessage `json:"params"`
			Result  json.RawMessage `json:"result"`
			Error   *struct {
				Message string `json:"message"`
			} `json:"error"`
		}
		if err := json.Unmarshal(said[:len(said)-1], &m); err != nil {
			b.end(fmt.Errorf("chromium: the browser speaks no JSON: %w", err))
			return
		}
		b.mu.Lock()
		waiting, page := b.waiting[m.ID], b.pages[m.Session]
		delete(b.waiting, m.ID)
		b.mu.Unlock()
		switch {
		case waiting != nil && m.Error != nil:
			waiting <- answer{err: errors.New(m.Error.Message)}
		case waiting != nil:
			waiting <- answer{result: m.Result}
		case page != nil:
			page.notice(m.Method, m.Params)
		}
	}
}

// end lets nobody wait for ever.
func (b *Browser) end(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err = err
	for id, waiting := range b.waiting {
		waiting <- answer{err: err}
		delete(b.waiting, id)
	}
}

// call asks the browser, or one of its pages, to do something, and decodes what it answers unless out is nil.
func (b *Browser) call(ctx context.Context, session, method string, params, out any) error {
	reply := make(chan answer, 1)
	b.mu.Lock()
	if b.err != nil {
		defer b.mu.Unlock()
		return b.err
	}
	b.last++
	f := frame{ID: b.last, Session: session, Method: method, Params: params}
	b.waiting[f.ID] = reply
	b.mu.Unlock()

	body, err := json.Marshal(f)
	if err != nil {
		return err
	}
	b.writing.Lock()
	_, err = b.in.Write(append(body, 0))
	b.writing.Unlock()
	if err != nil {
		return fmt.Errorf("chromium: %s: %w", method, err)
	}
	select {
	case a := <-reply:
		if a.err != nil {
			return fmt.Errorf("chromium: %s: %w", method, a.err)
		}
		if out == nil {
			return nil
		}
		return json.Unmarshal(a.result, out)
	case <-ctx.Done():
		return fmt.Errorf("chromium: %s: %w", method, context.Cause(ctx))
	}
}
