package hitl_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hitl-go/sdk/botpress"
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
	head := "POST / HTTP/1.1\r\nHost: acme.test\r\nX-Bp-Operation: webhook_received\r\n" +
		fmt.Sprintf("X-Bp-Signature: %d,%s\r\n", time.Now().UnixMilli(), strings.Repeat("A", 43)) + // of which only the end of the body shows that it is none
		strings.Join(header, "\r\n") + "\r\n\r\n"
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

// large is a signed webhook with so many bytes, for a bot.
func large(t *testing.T, bot string, size int) *http.Request {
	t.Helper()
	body := strings.Replace(webhook[1], "hello", "hello from "+bot, 1)
	r := request([2]string{webhook[0], strings.Repeat(" ", size-len(body)) + body})
	r.Header.Set("X-Bot-Id", bot)
	return signed(t, r, signingSecret)
}

// Strangers that begin large bodies and fall silent take no memory from those who send them.
func TestLargeBodiesOfStrangers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := (&fakeDesk{}).server(t, hitl.Options{Secrets: []string{signingSecret}})
		network, client, _ := onNetwork(t, s)
		var strangers []*stranger
		for range 100 {
			raw, err := network.DialContext(t.Context(), "", "acme.test:80")
			if err != nil {
				t.Fatal(err)
			}
			defer raw.Close()
			c := &stranger{raw, t}
			c.begin("Content-Length: 9000000")
			if _, err := c.Write(make([]byte, 100<<10)); err != nil {
				t.Fatal(err)
			}
			strangers = append(strangers, c)
		}
		synctest.Wait()
		began := time.Now()
		for _, size := range []int{9 << 20, 1000} {
			if a, err := send(client, large(t, "bot_1", size)); err != nil || a.status != http.StatusOK || time.Since(began) > 0 {
				t.Errorf("a signed body of %d bytes: %d %s, %v after %s, want 200 at once", size, a.status, a.body, err, time.Since(began))
			}
		}
		for _, c := range strangers {
			if got := c.status(); got != http.StatusRequestTimeout {
				t.Errorf("a stranger got %d, want 408", got)
			}
		}
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("strangers were waited for %s", took)
		}
	})
}

// A body holds its part of the memory until its operation has ended. Others wait for it as long as a body may take. One
// installation gets a part of it, and small bodies have their own.
func TestBodyMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		desk := &fakeDesk{handleWebhook: func(_ context.Context, r *http.Request) (hitl.Webhook, error) {
			if r.URL.Path == "/" {
				<-release
			}
			return hitl.Webhook{}, nil
		}}
		// Large bodies may take 4 MiB in all, and one installation 1 MiB.
		s := desk.server(t, hitl.Options{Secrets: []string{signingSecret}, MaxBody: 1 << 20, MaxBodyMemory: 8 << 20, MaxConcurrent: 16})
		network, _, _ := onNetwork(t, s)
		client := network.Client()
		defer client.CloseIdleConnections()
		type result struct {
			answer

			after time.Duration
		}
		began := time.Now()
		ask := func(r *http.Request) chan result {
			got := make(chan result, 1)
			go func() {
				a, err := send(client, r)
				if err != nil {
					t.Error(err)
				}
				got <- result{a, time.Since(began)}
			}()
			synctest.Wait()
			return got
		}
		var held []chan result
		for i := range 4 {
			held = append(held, ask(large(t, fmt.Sprintf("bot_%d", i), 1<<20)))
		}
		waiting := ask(large(t, "bot_5", 1<<20))
		small := ask(signed(t, request([2]string{webhook[0], strings.Replace(webhook[1], `"/"`, `"/small"`, 1)}), signingSecret))
		if got := <-small; got.status != http.StatusOK || got.after > 0 {
			t.Errorf("a small body: %d after %s, want 200 at once", got.status, got.after)
		}
		if got := <-waiting; got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" || got.after != 15*time.Second {
			t.Errorf("a large body beyond the memory: %d after %s, want 503 with Retry-After after 15s", got.status, got.after)
		}
		waiting = ask(large(t, "bot_6", 1<<20))
		close(release)
		for _, c := range append(held, waiting) {
			if got := <-c; got.status != http.StatusOK {
				t.Errorf("a large body: %d %s, want 200", got.status, got.body)
			}
		}
	})
}

// Many large bodies that arrive together do not wait for each other: each has a part of the memory and needs more.
func TestLargeBodiesThatArriveTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := (&fakeDesk{}).server(t, hitl.Options{Secrets: []string{signingSecret}, MaxBody: 1 << 20, MaxBodyMemory: 8 << 20, MaxConcurrent: 16})
		network, _, _ := onNetwork(t, s)
		client := network.Client()
		defer client.CloseIdleConnections()
		var all sync.WaitGroup
		for i := range 6 {
			r := large(t, fmt.Sprintf("bot_%d", i), 1<<20-100)
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Fatal(err)
			}
			r.Body = io.NopCloser(&paced{rest: body})
			all.Go(func() {
				if a, err := send(client, r); err != nil || a.status != http.StatusOK {
					t.Errorf("a large body: %d %s, %v", a.status, a.body, err)
				}
			})
		}
		all.Wait()
	})
}

// paced gives a sixteenth of a megabyte every 100 ms.
type paced struct{ rest []byte }

func (p *paced) Read(b []byte) (int, error) {
	if len(p.rest) == 0 {
		return 0, io.EOF
	}
	<-time.After(100 * time.Millisecond)
	n := copy(b, p.rest[:min(len(p.rest), 1<<16)])
	p.rest = p.rest[n:]
	return n, nil
}

func TestBodyMemoryOfOneInstallation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		desk := &fakeDesk{handleWebhook: func(context.Context, *http.Request) (hitl.Webhook, error) {
			<-release
			return hitl.Webhook{}, nil
		}}
		s := desk.server(t, hitl.Options{Secrets: []string{signingSecret}, MaxBody: 1 << 20, MaxBodyMemory: 8 << 20, MaxConcurrent: 16})
		network, _, _ := onNetwork(t, s)
		client := network.Client()
		defer client.CloseIdleConnections()
		var wg sync.WaitGroup
		wg.Go(func() {
			if a, err := send(client, large(t, "bot_1", 1<<20)); err != nil || a.status != http.StatusOK {
				t.Errorf("the first: %d %s, %v, want 200", a.status, a.body, err)
			}
		})
		synctest.Wait()
		if a, err := send(client, large(t, "bot_1", 1<<20-1)); err != nil || a.status != http.StatusServiceUnavailable {
			t.Errorf("the second: %d %s, %v, want 503", a.status, a.body, err)
		}
		close(release)
		wg.Wait()
		if a, err := send(client, large(t, "bot_1", 1<<20-2)); err != nil || a.status != http.StatusOK {
			t.Errorf("the third, later: %d %s, %v, want 200", a.status, a.body, err)
		}
	})
}

// A body of unknown length is read to its end, and its end must be there.
func TestChunkedBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got string
		desk := &fakeDesk{handleWebhook: func(_ context.Context, r *http.Request) (hitl.Webhook, error) {
			b, err := io.ReadAll(r.Body)
			got = string(b)
			return hitl.Webhook{}, err
		}}
		network, client, _ := onNetwork(t, desk.server(t, hitl.Options{Secrets: []string{signingSecret}, MaxBody: 1 << 20}))
		for _, size := range []int{1, 4095, 4096, 4097, 65535, 65536, 65537, 300_000, 1<<20 - 100, 1 << 20} {
			text := strings.Repeat("x", size)
			r := signed(t, request([2]string{webhook[0], strings.Replace(webhook[1], "hello", text, 1)}), signingSecret)
			r.ContentLength = -1
			got = ""
			if a, err := send(client, r); err != nil || (a.status == http.StatusOK) != (size < 1<<20) || a.status == http.StatusOK && got != text {
				t.Errorf("%d bytes: %d %s, %v; the adapter got %d", size, a.status, a.body, err, len(got))
			}
		}
		got = ""
		raw, err := network.DialContext(t.Context(), "", "acme.test:80")
		if err != nil {
			t.Fatal(err)
		}
		defer raw.Close()
		c := &stranger{raw, t}
		signature, err := botpress.Sign(signingSecret, time.Now(), []byte(webhook[1]))
		if err != nil {
			t.Fatal(err)
		}
		r := request(webhook)
		r.Header.Set(botpress.SignatureHeader, signature)
		var head bytes.Buffer
		if err := r.Header.Write(&head); err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: acme.test\r\nTransfer-Encoding: chunked\r\n%s\r\n%x\r\n%s\r\n", &head, len(webhook[1]), webhook[1]); err != nil { // and no last chunk
			t.Fatal(err)
		}
		if status := c.status(); status != http.StatusRequestTimeout || got != "" {
			t.Errorf("a body without an end: %d, and the adapter got %q", status, got)
		}
	})
}

// One connection too many closes the one that has been waiting longest, and none that is at work.
func TestConnectionsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		desk := &fakeDesk{handleWebhook: func(context.Context, *http.Request) (hitl.Webhook, error) {
			<-release
			return hitl.Webhook{}, nil
		}}
		s := desk.server(t, hitl.Options{Secrets: []string{signingSecret}, MaxConcurrent: 5, MaxPerInstallation: 5}) // twenty connections
		network, client, _ := onNetwork(t, s)
		var wg sync.WaitGroup
		wg.Go(func() {
			if a, err := send(client, signed(t, request(webhook), signingSecret)); err != nil || a.status != http.StatusOK {
				t.Errorf("the request at work: %d %s, %v", a.status, a.body, err)
			}
		})
		synctest.Wait()
		conns := make([]*stranger, 30)
		for i := range conns {
			raw, err := network.DialContext(t.Context(), "", "acme.test:80")
			if err != nil {
				t.Fatal(err)
			}
			defer raw.Close()
			conns[i] = &stranger{raw, t}
			switch i % 3 {
			case 0:
				_, _ = io.WriteString(conns[i], "POST / HTTP/1.1\r\n")
			case 1:
				conns[i].begin("Content-Length: 1000")
				_, _ = conns[i].Write(make([]byte, 999))
			}
			synctest.Wait()
		}
		for i, c := range conns {
			_ = c.SetReadDeadline(time.Now().Add(time.Millisecond))
			_, err := c.Read(make([]byte, 1))
			if closed := !errors.Is(err, os.ErrDeadlineExceeded); closed != (i < 11) {
				t.Errorf("connection %d of 30 is closed: %t (%v)", i, closed, err)
			}
		}
		close(release)
		wg.Wait()
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
