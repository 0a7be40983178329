package hitl

import (
	"container/list"
	"context"
	"net"
	"net/http"
	"sync"
)

// connections bounds how many connections a server has. One too many closes the one that has been waiting longest: for a
// request, for the rest of one, or for its signature to be checked. Those at work are left alone.
type connections struct {
	max int

	mu      sync.Mutex
	all     map[net.Conn]*list.Element // nil while it is at work
	waiting list.List                  // of net.Conn, the longest first
}

// connectionKey finds in a request's context a function that marks its connection as busy.
type connectionKey struct{}

// bound makes srv have at most that many connections.
func bound(srv *http.Server, most int) {
	c := &connections{max: most, all: map[net.Conn]*list.Element{}}
	srv.ConnState = c.changed
	srv.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
		return context.WithValue(ctx, connectionKey{}, func() { c.works(conn) })
	}
}

// working marks the connection of a request as busy.
func working(r *http.Request) {
	if works, ok := r.Context().Value(connectionKey{}).(func()); ok {
		works()
	}
}

func (c *connections) changed(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	e, known := c.all[conn]
	if !known && state != http.StateNew { // it is being closed for another
		c.mu.Unlock()
		return
	}
	if e != nil {
		c.waiting.Remove(e)
	}
	if state == http.StateClosed || state == http.StateHijacked {
		delete(c.all, conn)
		c.mu.Unlock()
		return
	}
	c.all[conn] = c.waiting.PushBack(conn)
	var over net.Conn
	if !known && len(c.all) > c.max {
		over, _ = c.waiting.Remove(c.waiting.Front()).(net.Conn)
		delete(c.all, over)
	}
	c.mu.Unlock()
	if over != nil {
		_ = over.Close()
	}
}

func (c *connections) works(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.all[conn]; e != nil {
		c.waiting.Remove(e)
		c.all[conn] = nil
	}
}
