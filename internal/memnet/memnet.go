// Package memnet is a network in memory: listeners and connections that never leave the process. Real sockets cannot be
// used inside a testing/synctest bubble, because the runtime cannot tell whether they are idle; these connections can,
// so a whole HTTP conversation between several servers runs on the bubble's clock.
package memnet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"syscall"
)

// Network connects listeners with dialers by address. The zero value is an empty network. It is safe for concurrent use.
// Everything on it belongs to the bubble, if any, in which it was created.
type Network struct {
	mu        sync.Mutex
	listeners map[string]*listener
}

// Listen starts to listen on an address such as "botpress.test:80". It fails if the address is taken. The address is
// free again once the listener is closed.
func (n *Network) Listen(addr string) (net.Listener, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.listeners[addr] != nil {
		return nil, fmt.Errorf("memnet: listen %s: %w", addr, syscall.EADDRINUSE)
	}
	l := &listener{network: n, addr: address(addr), accept: make(chan net.Conn), done: make(chan struct{})}
	if n.listeners == nil {
		n.listeners = make(map[string]*listener)
	}
	n.listeners[addr] = l
	return l, nil
}

// DialContext connects to the listener at addr, with the signature that [http.Transport] wants. The name of the network
// is not looked at. It fails with ECONNREFUSED when nobody listens there.
func (n *Network) DialContext(ctx context.Context, _, addr string) (net.Conn, error) {
	n.mu.Lock()
	l := n.listeners[addr]
	n.mu.Unlock()
	if l == nil {
		return nil, fmt.Errorf("memnet: dial %s: %w", addr, syscall.ECONNREFUSED)
	}
	client, server := net.Pipe()
	select {
	case l.accept <- server:
		return client, nil
	case <-l.done:
		return nil, errors.Join(fmt.Errorf("memnet: dial %s: %w", addr, syscall.ECONNREFUSED), client.Close(), server.Close())
	case <-ctx.Done():
		return nil, errors.Join(fmt.Errorf("memnet: dial %s: %w", addr, ctx.Err()), client.Close(), server.Close())
	}
}

// Client returns a new HTTP client that dials on this network. Close its idle connections when done with it: each holds
// a goroutine.
func (n *Network) Client() *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: n.DialContext}}
}

type listener struct {
	network *Network
	addr    address
	accept  chan net.Conn
	done    chan struct{}
	once    sync.Once
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.accept:
		return c, nil
	case <-l.done:
		return nil, fmt.Errorf("memnet: accept %s: %w", l.addr, net.ErrClosed)
	}
}

func (l *listener) Close() error {
	l.once.Do(func() {
		l.network.mu.Lock()
		delete(l.network.listeners, string(l.addr))
		l.network.mu.Unlock()
		close(l.done)
	})
	return nil
}

func (l *listener) Addr() net.Addr { return l.addr }

// address is a net.Addr: the string given to Listen.
type address string

func (address) Network() string  { return "memnet" }
func (a address) String() string { return string(a) }
