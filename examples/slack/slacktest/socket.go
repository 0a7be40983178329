package slacktest

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
)

const (
	mostSockets = 10
	pingEvery   = 10 * time.Second
	grace       = 10 * time.Second // Between being asked to leave and being cut off.
	longestAck  = 20 << 10         // Longer answers are passed over.
)

// socket is a connection of Socket Mode.
type socket struct {
	conn    *websocket.Conn
	ctx     context.Context //nolint:containedctx // The life of the connection.
	cancel  context.CancelFunc
	once    sync.Once
	leaving bool // No more envelopes. Guarded by Slack.mu.
}

// cut ends the connection without a word.
func (c *socket) cut() {
	c.once.Do(func() {
		c.cancel()
		_ = c.conn.CloseNow() // It may be closed already.
	})
}

func (c *socket) write(v wire) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.ctx, patience)
	defer cancel()
	return c.conn.Write(ctx, websocket.MessageText, raw)
}

func (s *Slack) connectionsOpen(*call) (wire, error) {
	if s.requestURL != "" {
		return nil, refusal("access_denied") // Socket Mode is switched off.
	}
	ticket := rand.Text()
	s.tickets[ticket] = true
	host := strings.TrimPrefix(s.URL, "http://")
	return wire{"url": fmt.Sprintf("ws://%s/link/?ticket=%s&app_id=%s", host, ticket, s.AppID)}, nil
}

func (s *Slack) serveSocket(w http.ResponseWriter, r *http.Request) {
	ticket := r.URL.Query().Get("ticket")
	s.mu.Lock()
	ok := s.tickets[ticket] && !s.closed
	refused := s.refusing || s.down
	if ok && !refused {
		delete(s.tickets, ticket)
		s.wg.Add(1) // Done below: the server does not wait for what is hijacked.
	}
	s.mu.Unlock()
	switch {
	case refused:
		http.Error(w, "no connections at the moment", http.StatusServiceUnavailable)
		return
	case !ok:
		http.Error(w, "the ticket is not valid", http.StatusForbidden)
		return
	}
	defer s.wg.Done()
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		return
	}
	conn.SetReadLimit(1 << 20)
	c := &socket{conn: conn}
	c.ctx, c.cancel = context.WithCancel(s.ctx)
	s.connected(c) //nolint:contextcheck // The request ends with the handshake; the connection has a context of its own.
	c.cut()
	s.mu.Lock()
	s.sockets = slices.DeleteFunc(s.sockets, func(o *socket) bool { return o == c })
	s.mu.Unlock()
}

// connected is the life of a connection.
func (s *Slack) connected(c *socket) {
	s.mu.Lock()
	n := len(s.sockets)
	full := n >= mostSockets
	s.mu.Unlock()
	if full {
		if s.sleep(time.Second) == nil { // Some clients are back at once, and again, without end.
			_ = c.write(s.goodbye("too_many_websockets")) // It may be gone.
		}
		return
	}
	if c.write(wire{
		"type": "hello", "num_connections": n + 1, "connection_info": wire{"app_id": s.AppID},
		"debug_info": wire{"host": "applink-1", "build_number": 1, "approximate_connection_time": 18060},
	}) != nil {
		return
	}
	s.mu.Lock()
	if s.refusing || s.requestURL != "" || !s.goes(func() { s.ping(c) }) {
		s.mu.Unlock()
		return
	}
	s.sockets = append(s.sockets, c)
	s.mu.Unlock()
	for {
		_, raw, err := c.conn.Read(c.ctx)
		if err != nil {
			return
		}
		var answer struct {
			EnvelopeID string `json:"envelope_id"`
		}
		if len(raw) > longestAck || json.Unmarshal(raw, &answer) != nil {
			continue
		}
		s.mu.Lock()
		if acked := s.acks[answer.EnvelopeID]; acked != nil {
			delete(s.acks, answer.EnvelopeID)
			close(acked)
		}
		s.mu.Unlock()
	}
}

// ping lets the client know that the connection is alive.
func (s *Slack) ping(c *socket) {
	ticker := time.NewTicker(pingEvery)
	defer ticker.Stop()
	for {
		ctx, cancel := context.WithTimeout(c.ctx, pingEvery)
		err := c.conn.Ping(ctx)
		cancel()
		if err != nil {
			c.cut()
			return
		}
		select {
		case <-ticker.C:
		case <-c.ctx.Done():
			return
		}
	}
}

func (s *Slack) goodbye(reason string) wire {
	return wire{"type": "disconnect", "reason": reason, "debug_info": wire{"host": "applink-1"}}
}

// next is the connection whose turn it is, or nil. Hold s.mu.
func (s *Slack) next() *socket {
	for range s.sockets {
		s.turn++
		if c := s.sockets[s.turn%len(s.sockets)]; !c.leaving {
			return c
		}
	}
	return nil
}

// send writes an envelope to one connection and returns how to wait for the answer.
func (s *Slack) send(d *delivery, n int, reason string) func() result {
	failed := func() result { return result{reason: "timeout"} }
	s.mu.Lock()
	c := s.next()
	id, acked := newClientID(), make(chan struct{})
	if c != nil {
		s.acks[id] = acked
	}
	s.mu.Unlock()
	if c == nil {
		return failed
	}
	envelope := wire{"type": d.kind, "envelope_id": id, "payload": d.payload, "accepts_response_payload": d.kind == "interactive"}
	if d.kind == "events_api" {
		envelope["retry_attempt"], envelope["retry_reason"] = n, reason
	}
	timer := time.NewTimer(patience)
	err := c.write(envelope)
	return func() result {
		defer timer.Stop()
		defer func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			delete(s.acks, id)
		}()
		if err != nil {
			return failed()
		}
		select {
		case <-acked:
			return result{}
		case <-timer.C:
		case <-c.ctx.Done():
			select {
			case <-acked: // At the last moment.
				return result{}
			default:
			}
		}
		return failed()
	}
}

// Connections returns how many connections of Socket Mode are open.
func (s *Slack) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sockets)
}

// DropSockets cuts every connection without a word, as a network does.
func (s *Slack) DropSockets() {
	for _, c := range s.leave(false) {
		c.cut()
	}
}

// SocketsDown cuts every connection and refuses new ones, until it is undone. The API works.
func (s *Slack) SocketsDown(down bool) {
	s.mu.Lock()
	s.refusing = down
	s.mu.Unlock()
	if down {
		s.DropSockets()
	}
}

// RequestDisconnect asks the client to leave every connection. After "warning" they go on as before; after
// "refresh_requested" nothing new comes and they are cut ten seconds later, and after "link_disabled" at once.
func (s *Slack) RequestDisconnect(reason string) error {
	if !slices.Contains([]string{"warning", "refresh_requested", "link_disabled"}, reason) {
		return errors.New("slacktest: no such reason: " + reason)
	}
	for _, c := range s.leave(reason != "warning") {
		_ = c.write(s.goodbye(reason)) // It may be gone.
		switch reason {
		case "link_disabled":
			c.cut()
		case "refresh_requested":
			s.mu.Lock()
			s.goes(func() {
				t := time.NewTimer(grace)
				defer t.Stop()
				select {
				case <-t.C:
				case <-c.ctx.Done():
				}
				c.cut()
			})
			s.mu.Unlock()
		}
	}
	return nil
}

// leave returns the connections, of which some must not be used any more.
func (s *Slack) leave(leaving bool) []*socket {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.sockets {
		c.leaving = c.leaving || leaving
	}
	return slices.Clone(s.sockets)
}
