package slacktest

import (
	"encoding/base64"
	"regexp"
	"slices"
	"strings"
)

// window is what a call asks for of a list of messages.
type window struct {
	oldest, latest string
	inclusive      bool
}

var formTS = regexp.MustCompile(`^[0-9]{1,10}(\.[0-9]{1,6})?$`)

func readWindow(c *call) (window, error) {
	w := window{oldest: c.arg("oldest"), latest: c.arg("latest"), inclusive: c.flag("inclusive")}
	switch {
	case w.oldest != "" && !formTS.MatchString(w.oldest):
		return w, refusal("invalid_ts_oldest")
	case w.latest != "" && w.latest != "now" && !formTS.MatchString(w.latest):
		return w, refusal("invalid_ts_latest")
	}
	if w.latest == "now" {
		w.latest = ""
	}
	return w, nil
}

func (w window) has(ts string) bool {
	if w.oldest != "" {
		if d := compareTS(ts, w.oldest); d < 0 || d == 0 && !w.inclusive {
			return false
		}
	}
	if w.latest != "" {
		if d := compareTS(ts, w.latest); d > 0 || d == 0 && !w.inclusive {
			return false
		}
	}
	return true
}

// compareTS compares timestamps, which have as many digits as they need.
func compareTS(a, b string) int { return strings.Compare(padded(a), padded(b)) }

func padded(ts string) string {
	seconds, fraction, _ := strings.Cut(ts, ".")
	return strings.Repeat("0", max(0, 12-len(seconds))) + seconds + "." + fraction + strings.Repeat("0", max(0, 6-len(fraction)))
}

// page cuts a page out of a list; a cursor says where the next one begins.
func (s *Slack) page(c *call, all []*message, limit int) (wire, error) {
	from := 0
	if cursor := c.arg("cursor"); cursor != "" {
		raw, err := base64.StdEncoding.DecodeString(cursor)
		ts, ok := strings.CutPrefix(string(raw), "next_ts:")
		if err != nil || !ok {
			return nil, refusal("invalid_cursor")
		}
		if from = slices.IndexFunc(all, func(m *message) bool { return m.ts == ts }); from < 0 {
			from = len(all)
		}
	}
	to := min(from+limit, len(all))
	messages := []any{}
	for _, m := range all[from:to] {
		messages = append(messages, s.wire(m, false, c.flag("include_all_metadata")))
	}
	w := wire{"messages": messages, "has_more": to < len(all)}
	if to < len(all) {
		w["response_metadata"] = wire{"next_cursor": base64.StdEncoding.EncodeToString([]byte("next_ts:" + all[to].ts))}
	}
	return w, nil
}

func (s *Slack) conversationsReplies(c *call) (wire, error) {
	if err := s.ours(c); err != nil {
		return nil, err
	}
	root := s.find(c.arg("ts"))
	if root == nil {
		return nil, refusal("thread_not_found")
	}
	w, err := readWindow(c)
	if err != nil {
		return nil, err
	}
	limit, err := number(c, "limit", 1000, 1000)
	if err != nil {
		return nil, err
	}
	var all []*message
	if root.threadTS != "" {
		all = []*message{root} // Of a reply only itself is told.
	} else {
		all = append([]*message{root}, s.replies(root.ts)...)
	}
	return s.page(c, slices.DeleteFunc(all, func(m *message) bool { // The root comes whatever the window is.
		return m != root && !w.has(m.ts)
	}), limit)
}

func (s *Slack) conversationsHistory(c *call) (wire, error) {
	if err := s.ours(c); err != nil {
		return nil, err
	}
	w, err := readWindow(c)
	if err != nil {
		return nil, err
	}
	limit, err := number(c, "limit", 100, 999)
	if err != nil {
		return nil, err
	}
	var all []*message
	for _, m := range slices.Backward(s.messages) {
		if !m.deleted && (m.threadTS == "" || m.broadcast) && w.has(m.ts) {
			all = append(all, m)
		}
	}
	return s.page(c, all, limit)
}

func (s *Slack) conversationsInfo(c *call) (wire, error) {
	if c.arg("channel") != s.Channel {
		return nil, refusal("channel_not_found")
	}
	channel := wire{
		"id": s.Channel, "name": channelName, "name_normalized": channelName, "is_channel": true, "is_group": false, "is_im": false,
		"is_mpim": false, "is_private": false, "is_archived": s.archived, "is_general": false, "is_member": s.in[s.BotUserID],
		"is_shared": false, "is_ext_shared": false, "is_org_shared": false, "context_team_id": s.TeamID,
	}
	if c.flag("include_num_members") {
		channel["num_members"] = len(s.in)
	}
	return wire{"channel": channel}, nil
}

const channelName = "support"

func (s *Slack) conversationsMembers(c *call) (wire, error) {
	if c.arg("channel") != s.Channel {
		return nil, refusal("channel_not_found")
	}
	members := []string{}
	for _, id := range s.order {
		if s.in[id] {
			members = append(members, id)
		}
	}
	return wire{"members": members, "response_metadata": wire{"next_cursor": ""}}, nil
}
