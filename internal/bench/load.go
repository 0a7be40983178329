package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// The load is our own, and not a library's. Libraries send requests that are known beforehand, mostly at a given rate. Here each
// connection sends the next request when the last one is answered, the requests of a session need the answers of those before,
// and each must be signed when it is sent. What remains is this file. It writes to the connection itself: a client of net/http
// would cost the load's core as much as the server is to cost its own.

// conn is a connection to a server. It is used by one goroutine.
type conn struct {
	tcp    net.Conn
	reader *bufio.Reader
	out    []byte
}

func dial(ctx context.Context, addr string) (*conn, error) {
	tcp, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return &conn{tcp: tcp, reader: bufio.NewReader(tcp)}, nil
}

// requestTimeout is how long a server may take for an answer.
const requestTimeout = time.Minute

// do sends a request and returns the body of the answer, and how long it took. An answer that is no success is an error.
func (c *conn) do(r request) (body []byte, took time.Duration, err error) {
	start := time.Now()
	if c.out, err = r.append(c.out[:0], start); err != nil {
		return nil, 0, err
	}
	start = time.Now() // Signing is not the server's work.
	if err := c.tcp.SetDeadline(start.Add(requestTimeout)); err != nil {
		return nil, 0, err
	}
	if _, err := c.tcp.Write(c.out); err != nil {
		return nil, 0, fmt.Errorf("send %s: %w", r.operation, err)
	}
	res, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		return nil, 0, fmt.Errorf("read the answer to %s: %w", r.operation, err)
	}
	body, err = io.ReadAll(res.Body)
	took = time.Since(start)
	if err = errors.Join(err, res.Body.Close()); err != nil {
		return nil, 0, fmt.Errorf("read the answer to %s: %w", r.operation, err)
	}
	if res.StatusCode/100 != 2 {
		return nil, 0, fmt.Errorf("%s was answered %s: %.500s", r.operation, res.Status, body)
	}
	return body, took, nil
}

// each calls do with the numbers from 0 to n-1, on as many connections at once as there are, which are spread over the addresses. It
// ends with the first error.
func each(ctx context.Context, addrs []string, connections, n int, do func(ctx context.Context, c *conn, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var conns []*conn
	defer func() {
		for _, c := range conns {
			_ = c.tcp.Close() // All that was of interest is read.
		}
	}()
	for i := range connections {
		c, err := dial(ctx, addrs[i%len(addrs)])
		if err != nil {
			return err
		}
		conns = append(conns, c)
	}
	var next atomic.Int64
	var working sync.WaitGroup
	for _, c := range conns {
		working.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if err := do(ctx, c, i); err != nil {
					cancel(err)
				}
			}
		})
	}
	working.Wait()
	return context.Cause(ctx)
}
