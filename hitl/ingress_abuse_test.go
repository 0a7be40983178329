package hitl_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hitl-go/sdk/hitl"
)

// onLoopback serves s on a real socket until the test ends, and returns its address.
func onLoopback(t *testing.T, s *hitl.Server) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, listener) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return listener.Addr().String()
}

// stranger is a connection of somebody who writes HTTP by hand.
type stranger struct {
	net.Conn
	t *testing.T
}

func dial(t *testing.T, addr string) *stranger {
	t.Helper()
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return &stranger{c, t}
}

// begin sends a request up to its body.
func (s *stranger) begin(header ...string) {
	s.t.Helper()
	head := "POST / HTTP/1.1\r\nHost: acme.test\r\nX-Bp-Operation: webhook_received\r\n" + strings.Join(header, "\r\n") + "\r\n\r\n"
	if _, err := io.WriteString(s, head); err != nil {
		s.t.Fatal(err)
	}
}

// status waits for the answer.
func (s *stranger) status() int {
	s.t.Helper()
	res, err := http.ReadResponse(bufio.NewReader(s), nil)
	if err != nil {
		s.t.Fatalf("no answer: %v", err)
	}
	_ = res.Body.Close()
	return res.StatusCode
}

// others checks that the server is there for others, on a new connection.
func others(t *testing.T, addr string) {
	t.Helper()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	r := signed(t, request(webhook), signingSecret)
	r.URL.Host = addr
	a, err := send(&http.Client{Transport: transport, Timeout: 10 * time.Second}, r)
	if err != nil || a.status != http.StatusOK {
		t.Errorf("meanwhile, another request got %d %s, %v", a.status, a.body, err)
	}
}

// memory is what the process holds, in MiB.
func memory() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapInuse+m.StackInuse) / (1 << 20)
}

func TestEndlessBody(t *testing.T) {
	s := (&fakeDesk{}).server(t, hitl.Options{Secrets: []string{signingSecret}, MaxBody: 1 << 20})
	addr := onLoopback(t, s)
	c := dial(t, addr)
	c.begin("Transfer-Encoding: chunked")
	var taken atomic.Int64
	var wg sync.WaitGroup
	wg.Go(func() {
		chunk := []byte("8000\r\n" + strings.Repeat("x", 0x8000) + "\r\n")
		for {
			n, err := c.Write(chunk)
			taken.Add(int64(n))
			if err != nil {
				return
			}
		}
	})
	if got := c.status(); got != http.StatusRequestEntityTooLarge {
		t.Errorf("got %d, want 413", got)
	}
	others(t, addr)
	_ = c.Close()
	wg.Wait()
	// What is beyond the limit fills the buffers of two sockets.
	if taken := taken.Load() >> 20; taken > 32 {
		t.Errorf("the server took %d MiB of a body that may have 1", taken)
	}
}

func TestLargeBodyIsRefusedByItsLength(t *testing.T) {
	addr := onLoopback(t, (&fakeDesk{}).server(t, hitl.Options{Secrets: []string{signingSecret}}))
	c := dial(t, addr)
	c.begin(fmt.Sprintf("Content-Length: %d", 10<<20+1)) // and not a byte of it
	if got := c.status(); got != http.StatusRequestEntityTooLarge {
		t.Errorf("got %d, want 413", got)
	}
}

func TestManyHeaders(t *testing.T) {
	addr := onLoopback(t, (&fakeDesk{}).server(t, hitl.Options{Secrets: []string{signingSecret}}))
	before := memory()
	c := dial(t, addr)
	var wg sync.WaitGroup
	wg.Go(func() {
		w := bufio.NewWriter(c)
		_, _ = io.WriteString(w, "POST / HTTP/1.1\r\nHost: acme.test\r\n")
		for i := range 100_000 {
			if _, err := fmt.Fprintf(w, "X-%d: %d\r\n", i, i); err != nil {
				return // the server has had enough
			}
		}
		_ = w.Flush()
	})
	if got := c.status(); got != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("got %d, want 431", got)
	}
	_ = c.Close()
	wg.Wait()
	others(t, addr)
	if grown := memory() - before; grown > 16 {
		t.Errorf("100,000 headers cost %.0f MiB", grown)
	}
}

func TestCompressedBody(t *testing.T) {
	var member bytes.Buffer
	z := gzip.NewWriter(&member)
	if _, err := z.Write(make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	bomb := strings.Repeat(member.String(), 100) // which is how gzip concatenates
	var log bytes.Buffer
	s := (&fakeDesk{}).server(t, hitl.Options{Logger: logTo(&log)})
	before := memory()
	for _, encoding := range []string{"gzip", "deflate", "br", "gzip, identity"} {
		r := request([2]string{"webhook_received", bomb})
		r.Header.Set("Content-Encoding", encoding)
		if a := ask(s, r); a.status != http.StatusUnsupportedMediaType || a.failure(t).Type != "UnsupportedMediaType" {
			t.Errorf("%s: got %d %s, want 415", encoding, a.status, a.body)
		}
	}
	r := request(webhook)
	r.Header.Set("Content-Encoding", "identity")
	if a := ask(s, r); a.status != http.StatusOK {
		t.Errorf("identity: got %d %s", a.status, a.body)
	}
	if grown := memory() - before; grown > 16 {
		t.Errorf("100 MiB in %d KiB of gzip cost %.0f MiB", len(bomb)>>10, grown)
	}
}

func TestSlowSenders(t *testing.T) {
	for _, test := range []struct {
		name   string
		send   func(c *stranger)
		status int // 0 means that the connection is closed without a word
		within time.Duration
	}{
		{"nothing", func(*stranger) {}, 0, 10 * time.Second},
		{"half of the headers", func(c *stranger) { _, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost:") }, 0, 10 * time.Second},
		{"no body", func(c *stranger) { c.begin("Content-Length: 10") }, 408, 15 * time.Second},
		{"no body, where none is wanted", func(c *stranger) { c.begin("Content-Length: 10", "Content-Encoding: gzip") }, 415, 0},
		{"a byte now and then", func(c *stranger) {
			c.begin("Content-Length: 100")
			for range 14 {
				<-time.After(time.Second)
				_, _ = io.WriteString(c, "x")
			}
		}, 408, 15 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := (&fakeDesk{}).server(t, hitl.Options{Secrets: []string{signingSecret}})
				network, client, _ := onNetwork(t, s)
				raw, err := network.DialContext(t.Context(), "", "acme.test:80")
				if err != nil {
					t.Fatal(err)
				}
				defer raw.Close()
				c := &stranger{raw, t}
				begin := time.Now()
				test.send(c)
				if a, err := send(client, signed(t, request(webhook), signingSecret)); err != nil || a.status != http.StatusOK {
					t.Errorf("meanwhile, another request got %d %s, %v", a.status, a.body, err)
				}
				if test.status != 0 {
					if got := c.status(); got != test.status {
						t.Errorf("got %d, want %d", got, test.status)
					}
				} else if rest, err := io.ReadAll(c); err != nil || len(rest) > 0 {
					t.Errorf("got %q, %v, want the end of the connection", rest, err)
				}
				if took := time.Since(begin); took > test.within {
					t.Errorf("it took %s, want at most %s", took, test.within)
				}
			})
		})
	}
}

func TestLargeBodiesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := (&fakeDesk{}).server(t, hitl.Options{Secrets: []string{signingSecret}})
		network, client, _ := onNetwork(t, s)
		large := strings.Repeat(" ", 100<<10) + webhook[1]
		status := func(body string) int {
			t.Helper()
			a, err := send(client, signed(t, request([2]string{webhook[0], body}), signingSecret))
			if err != nil {
				t.Fatal(err)
			}
			return a.status
		}
		for range 8 {
			raw, err := network.DialContext(t.Context(), "", "acme.test:80")
			if err != nil {
				t.Fatal(err)
			}
			defer raw.Close()
			c := &stranger{raw, t}
			c.begin("Content-Length: 1000000")
			if _, err := io.WriteString(c, large); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if got := status(large); got != http.StatusServiceUnavailable {
			t.Errorf("the ninth large body: got %d, want 503", got)
		}
		if got := status(webhook[1]); got != http.StatusOK {
			t.Errorf("a small body meanwhile: got %d, want 200", got)
		}
		<-time.After(16 * time.Second)
		if got := status(large); got != http.StatusOK {
			t.Errorf("a large body once the others are out of time: got %d, want 200", got)
		}
	})
}

// The worst that a thousand strangers can do at once: each sends as much as is read without asking how much is being
// read elsewhere, and then falls silent.
func TestThousandConnections(t *testing.T) {
	addr := onLoopback(t, (&fakeDesk{}).server(t, hitl.Options{Secrets: []string{signingSecret}}))
	before := memory()
	const connections, each = 1000, 60 << 10
	body := bytes.Repeat([]byte("x"), each)
	strangers := make([]*stranger, connections)
	for i := range strangers {
		strangers[i] = dial(t, addr)
		strangers[i].begin("Content-Length: 65000")
		if _, err := strangers[i].Write(body); err != nil {
			t.Fatal(err)
		}
	}
	for range 10 {
		others(t, addr)
	}
	grown := memory() - before
	t.Logf("%d connections with %d KiB each: %.0f MiB, client included", connections, each>>10, grown)
	if grown > 256 {
		t.Errorf("%d connections cost %.0f MiB, want at most 256", connections, grown)
	}
	for _, c := range strangers {
		_ = c.Close()
	}
	others(t, addr)
}

// A thousand requests at once, of Botpress itself: as many as there are places are served, the others told to come back.
func TestThousandRequests(t *testing.T) {
	const requests, places = 1000, 256
	var refused, served, at atomic.Int64
	release := make(chan struct{})
	desk := &fakeDesk{handleWebhook: func(context.Context, *http.Request) (hitl.Webhook, error) {
		at.Add(1)
		<-release
		return hitl.Webhook{}, nil
	}}
	addr := onLoopback(t, desk.server(t, hitl.Options{Secrets: []string{signingSecret}, MaxConcurrent: places, MaxPerInstallation: 2 * places}))
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	before := memory()
	var wg sync.WaitGroup
	for range requests {
		r := signed(t, request(webhook), signingSecret)
		r.URL.Host = addr
		wg.Go(func() {
			a, err := send(client, r)
			if err == nil && a.status == http.StatusOK {
				served.Add(1)
				return
			}
			if err != nil || a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" {
				t.Errorf("got %d %s, %v, want 200, or 503 with Retry-After", a.status, a.body, err)
			}
			if refused.Add(1) == requests-places {
				t.Logf("%d requests at once: %.0f MiB, client included", requests, memory()-before)
				close(release)
			}
		})
	}
	wg.Wait()
	if served.Load() != places || at.Load() != places {
		t.Errorf("%d were served and %d refused, want %d and %d", served.Load(), refused.Load(), places, requests-places)
	}
}
