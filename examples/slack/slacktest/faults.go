package slacktest

import (
	"slices"
	"time"
)

// SetScopes grants the app these scopes and no others. Without any it has them all again.
func (s *Slack) SetScopes(scopes ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(scopes) == 0 {
		scopes = allScopes
	}
	s.scopes = slices.Clone(scopes)
}

// DropScope takes a scope away.
func (s *Slack) DropScope(scope string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.scopes = slices.DeleteFunc(s.scopes, func(o string) bool { return o == scope })
}

// Revoke ends the app's tokens: it has been removed from the workspace.
func (s *Slack) Revoke() {
	s.mu.Lock()
	s.revoked = true
	s.mu.Unlock()
	s.DropSockets()
}

// Archive archives the channel, or takes it out of the archive. Nobody can write in it then.
func (s *Slack) Archive(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.archived = on
}

// Kick removes the app from the channel.
func (s *Slack) Kick() {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.in, s.BotUserID)
}

// Invite brings the app back into the channel.
func (s *Slack) Invite() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.in[s.BotUserID] = true
}

// Down makes the API answer 503, or work again. Members can work all the same, and events are delivered.
func (s *Slack) Down(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
}

// LoseAnswer does the next call of a method that is not refused, and hangs up.
func (s *Slack) LoseAnswer(method string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lose[method] = true
}

// Refuse answers calls of a method with an error, such as "restricted_action", until the error is empty.
func (s *Slack) Refuse(method, code string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused[method] = code
}

// Slow makes each call of the API take some time before it is done.
func (s *Slack) Slow(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.slow = d
}

// FailDownloads answers the next n downloads of files with 503.
func (s *Slack) FailDownloads(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failDownloads = n
}

// RateLimit refuses the next call of a method, and asks to wait.
func (s *Slack) RateLimit(method string, seconds int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limited[method] = seconds
}
