package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// sessions are whole ones, one after another on each connection.
type sessions struct {
	connections int
	messages    int // each way
}

// run plays the n sessions that come after the first ones, and calls done after each one. What it counts is for sessions, not for
// requests.
func (p sessions) run(ctx context.Context, on *site, first, n int, done func()) (tally, error) {
	w, durations := on.world, make([]time.Duration, n)
	m, err := startMeter(ctx, on)
	if err != nil {
		return tally{}, err
	}
	err = each(ctx, addrs(on.servers), p.connections, n, func(_ context.Context, c *conn, i int) error {
		start := time.Now()
		s, err := p.play(w, c, first+i)
		if err != nil {
			return fmt.Errorf("session %d: %w", i, err)
		}
		durations[i] = time.Since(start)
		if undelivered, replies := w.api.Undelivered(s.conversationID); undelivered != 0 || replies != p.messages {
			return fmt.Errorf("session %d: %d messages are undelivered, and of %d replies %d have arrived", i, undelivered, p.messages, replies)
		}
		w.api.Forget(s.conversationID, s.userID)
		done()
		return nil
	})
	if err != nil {
		return tally{}, err
	}
	t, calls, err := m.end(ctx, durations)
	if err != nil {
		return t, err
	}
	if least, most := p.calls(on.program); t.calls < int64(least*n) || t.calls > int64(most*n) {
		return t, fmt.Errorf("%d sessions took %d calls of the API, and should take %d to %d each: %v", n, t.calls, least, most, calls)
	}
	return t, nil
}

// calls is how many calls of the API a new session takes. This SDK does not read the end user again, but makes other calls: a lease
// while the desk opens the ticket; a state in which replicas agree that the plugin is ready; a look for undelivered messages before
// the session ends, and a further mark; and a call for an agent whom the process has not seen.
func (p sessions) calls(of program) (least, most int) {
	n := 2 + 3 + 3*p.messages + 2
	if !of.guarantees {
		return n, n
	}
	n += 3
	return n, n + 1
}

// play plays one session.
func (p sessions) play(w *world, c *conn, i int) (s openSession, err error) {
	s.in = &w.bots[i%installations]
	output := func(r request, err error) (ids struct{ UserID, ConversationID string }, _ error) {
		if err != nil {
			return ids, err
		}
		body, _, err := c.do(r)
		if err != nil {
			return ids, err
		}
		var answer struct {
			Output struct {
				UserID         string `json:"userId"`
				ConversationID string `json:"conversationId"`
			} `json:"output"`
		}
		if err := json.Unmarshal(body, &answer); err != nil {
			return ids, fmt.Errorf("%s was answered %.500s: %w", r.operation, body, err)
		}
		ids.UserID, ids.ConversationID = answer.Output.UserID, answer.Output.ConversationID
		return ids, nil
	}
	ids, err := output(w.createUser(s.in))
	if err != nil {
		return s, err
	}
	s.userID = ids.UserID
	if ids, err = output(w.startHitl(s.in, s.userID)); err != nil {
		return s, err
	}
	s.conversationID = ids.ConversationID
	for range p.messages {
		if _, err := output(w.message(s)); err != nil {
			return s, err
		}
		if _, err := output(w.reply(s, i/installations)); err != nil {
			return s, err
		}
	}
	_, err = output(w.stopHitl(s.in, s.conversationID))
	return s, err
}
