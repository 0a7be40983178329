package slacktest

import (
	"encoding/json"
	"time"
)

// Deliveries are tried again after they fail: almost at once, a minute and five minutes later.
var pauses = []time.Duration{time.Second, time.Minute, 5 * time.Minute}

// patience is how long an answer may take.
const patience = 3 * time.Second

// delivery is an event on its way.
type delivery struct {
	kind    string // "events_api" or "interactive".
	payload json.RawMessage
	done    chan<- error // Told how it ended, unless nil.
}

// scopeOf is the scope without which an event is not told.
func scopeOf(event wire) string {
	if event["type"] == "reaction_added" {
		return "reactions:read"
	}
	return "channels:history"
}

// emit tells the app of an event, if it may hear of it. Hold s.mu.
func (s *Slack) emit(event wire) {
	if s.muted || s.revoked || !s.in[s.BotUserID] || !s.granted(scopeOf(event)) {
		return
	}
	payload, _ := json.Marshal(wire{
		"token": "deprecated", "team_id": s.TeamID, "context_team_id": s.TeamID, "api_app_id": s.AppID, "event": event,
		"type": "event_callback", "event_id": newID("Ev"), "event_time": now(), "is_ext_shared_channel": false,
		"authorizations": []any{wire{
			"enterprise_id": nil, "team_id": s.TeamID, "user_id": s.BotUserID, "is_bot": true, "is_enterprise_install": false,
		}},
		"event_context": "4-" + newID("c"),
	})
	times := 1
	if s.twice {
		times = 2
	}
	for range times {
		s.enqueue(&delivery{kind: "events_api", payload: payload})
	}
}

// enqueue puts a delivery on its way. Hold s.mu.
func (s *Slack) enqueue(d *delivery) {
	if s.pending++; s.pending == 1 {
		s.idle = make(chan struct{})
	}
	s.queue = append(s.queue, d)
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// dispatch makes the first attempts in the order of the events, and leaves the rest to goroutines of their own.
func (s *Slack) dispatch() {
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-s.wake:
		}
		for {
			s.mu.Lock()
			if len(s.queue) == 0 {
				s.mu.Unlock()
				break
			}
			d := s.queue[0]
			s.queue = s.queue[1:]
			s.mu.Unlock()
			first := s.attempt(d, 0, "")
			s.mu.Lock()
			started := s.goes(func() { s.deliver(d, first) })
			s.mu.Unlock()
			if !started {
				return
			}
		}
	}
}

// result is how an attempt ended.
type result struct {
	reason string // Why it failed; empty if it did not.
	final  bool   // It is not wanted again.
}

// attempt begins an attempt and returns how to wait for its end. What goes through a socket has been written by then.
func (s *Slack) attempt(d *delivery, n int, reason string) func() result {
	s.mu.Lock()
	requestURL := s.requestURL
	s.mu.Unlock()
	if requestURL != "" {
		return func() result { return s.post(requestURL, d, n, reason) }
	}
	return s.send(d, n, reason)
}

// deliver waits for the first attempt and makes the others.
func (s *Slack) deliver(d *delivery, wait func() result) {
	r := wait()
	for n := 0; r.reason != "" && !r.final && d.kind == "events_api" && n < len(pauses); n++ {
		if s.sleep(pauses[n]) != nil {
			break
		}
		r = s.attempt(d, n+1, r.reason)()
	}
	if d.done != nil {
		var err error
		if r.reason != "" {
			err = refusal("slacktest: the app did not answer: " + r.reason)
		}
		d.done <- err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pending--; s.pending == 0 {
		close(s.idle)
	}
}

// Mute keeps every event from the app, for good.
func (s *Slack) Mute(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.muted = on
}

// Duplicate tells the app of every event twice, with the same event_id.
func (s *Slack) Duplicate(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.twice = on
}
