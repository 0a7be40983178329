package slacktest

import (
	"crypto/rand"
	"slices"
	"strings"
)

// Member is somebody in the workspace.
type Member struct {
	ID   string
	Name string // What is displayed.
}

type user struct {
	Member
	name     string
	handle   string
	email    string
	bot      bool
	botID    string
	appID    string
	guest    bool
	stranger bool
	inactive bool
	hidden   bool
}

// NewMember adds a member to the workspace and to the channel.
func (s *Slack) NewMember(name string) Member { return s.join(name, func(*user) {}) }

// NewGuest adds a guest who sees this channel only.
func (s *Slack) NewGuest(name string) Member { return s.join(name, func(u *user) { u.guest = true }) }

// NewStranger adds somebody of another workspace with whom the channel is shared.
func (s *Slack) NewStranger(name string) Member {
	return s.join(name, func(u *user) { u.stranger = true })
}

// NewBot adds another app to the channel.
func (s *Slack) NewBot(name string) Member {
	return s.join(name, func(u *user) { u.bot, u.botID, u.appID = true, newID("B"), newID("A") })
}

// Deactivate takes a member's account away. What was written stays.
func (s *Slack) Deactivate(m Member) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u := s.users[m.ID]; u != nil {
		u.inactive = true
		delete(s.in, u.ID)
	}
}

// Hide keeps a member, as some of another workspace are, from the app: what they write is shown, but not who they are.
func (s *Slack) Hide(m Member) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u := s.users[m.ID]; u != nil {
		u.hidden = true
	}
}

// Rename changes the name that is displayed.
func (s *Slack) Rename(m Member, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u := s.users[m.ID]; u != nil {
		u.Name, u.name = name, name
	}
}

func (s *Slack) join(name string, is func(*user)) Member {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hire(name, is).Member
}

// hire adds an account. Hold s.mu.
func (s *Slack) hire(name string, is func(*user)) *user {
	handle := strings.ToLower(strings.Join(strings.Fields(name), "."))
	u := &user{Member: Member{ID: newID("U"), Name: name}, name: name, handle: handle, email: handle + "@example.com"}
	is(u)
	s.users[u.ID] = u
	s.order = append(s.order, u.ID)
	s.in[u.ID] = true
	return u
}

func (s *Slack) avatar(u *user) string { return s.URL + "/avatars/" + u.ID + "_192.png" }

func (s *Slack) userWire(u *user) wire {
	profile := wire{
		"real_name": u.name, "real_name_normalized": u.name, "display_name": u.name, "display_name_normalized": u.name,
		"image_48": s.avatar(u), "image_192": s.avatar(u), "team": s.TeamID,
	}
	if !u.bot && !u.stranger && slices.Contains(s.scopes, "users:read.email") {
		profile["email"] = u.email
	}
	if u.bot {
		profile["bot_id"], profile["api_app_id"] = u.botID, u.appID
	}
	w := wire{
		"id": u.ID, "team_id": s.TeamID, "name": u.handle, "deleted": u.inactive, "profile": profile, "is_bot": u.bot,
		"is_app_user": false, "updated": now(),
	}
	if u.stranger {
		w["is_stranger"], w["team_id"] = true, "T0000000ELSE"
	}
	if !u.inactive { // Of deactivated accounts little is told.
		w["real_name"], w["tz"], w["tz_offset"] = u.name, "Etc/UTC", 0
		w["is_admin"], w["is_owner"], w["is_restricted"], w["is_ultra_restricted"] = false, false, u.guest, u.guest
	}
	return w
}

func (s *Slack) usersInfo(c *call) (wire, error) {
	u := s.users[c.arg("user")]
	switch {
	case u == nil:
		return nil, refusal("user_not_found")
	case u.hidden:
		return nil, refusal("user_not_visible")
	}
	return wire{"user": s.userWire(u)}, nil
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // It never fails.
	return b
}
