package slacktest

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// wire is a JSON object.
type wire = map[string]any

type message struct {
	ts       string
	threadTS string // Of a reply.
	author   *user
	clientID string
	username string // If it is not the author's own.
	icons    wire
	text     string
	blocks   []any
	attached []any // Legacy attachments, among them unfurled links.
	metadata wire
	files    []*file

	broadcast bool
	editedAt  string
	editedBy  string
	reactions []reaction
	deleted   bool
	tombstone bool // Deleted, but the root of a thread.
}

type reaction struct {
	name  string
	users []string
}

// Message is a message as people see it.
type Message struct {
	TS        string
	ThreadTS  string // Of a reply: the root's TS.
	UserID    string // Empty if the author's name is not the account's own.
	Author    string // The name above the message.
	Icon      string // An address or an emoji, if it is not the account's own.
	Bot       bool
	Text      string // What is displayed: of the blocks if there are any, without entities and markup for links.
	Raw       string // What the API calls "text".
	Files     []File
	Buttons   []Button
	Reactions []string // Names of emoji.
	Metadata  map[string]any
	Broadcast bool // A reply that is shown in the channel too.
	Edited    bool
	Deleted   bool
}

// Button is a button of a message.
type Button struct {
	ActionID string
	Label    string
	Value    string
}

// Ephemeral is a message that only one member sees.
type Ephemeral struct {
	To       Member
	ThreadTS string
	Text     string
}

// Thread returns a thread, its root first; deleted replies are not in it.
func (s *Slack) Thread(threadTS string) []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Message
	for _, m := range s.messages {
		if !m.deleted && (m.ts == threadTS || m.threadTS == threadTS) {
			all = append(all, s.seen(m))
		}
	}
	return all
}

// Messages returns every message that there has been, deleted ones too, oldest first.
func (s *Slack) Messages() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Message
	for _, m := range s.messages {
		all = append(all, s.seen(m))
	}
	return all
}

// Message returns a message, deleted or not.
func (s *Slack) Message(ts string) (Message, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.messages {
		if m.ts == ts {
			return s.seen(m), true
		}
	}
	return Message{}, false
}

// Ephemerals returns what single members were told, oldest first.
func (s *Slack) Ephemerals() []Ephemeral {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.ephemerals)
}

// The rest needs s.mu.

// find returns a message that is not deleted, or nil.
func (s *Slack) find(ts string) *message {
	for _, m := range s.messages {
		if m.ts == ts && !m.deleted {
			return m
		}
	}
	return nil
}

func (s *Slack) seen(m *message) Message {
	v := Message{
		TS: m.ts, ThreadTS: m.threadTS, Author: m.author.name, UserID: m.author.ID, Bot: m.author.bot, Raw: m.text,
		Text: s.displayed(m), Buttons: buttons(m.allBlocks()), Metadata: maps.Clone(m.metadata),
		Broadcast: m.broadcast, Edited: m.editedAt != "", Deleted: m.deleted || m.tombstone,
	}
	if m.username != "" || m.icons != nil {
		v.UserID = ""
		if m.username != "" {
			v.Author = m.username
		}
		for _, icon := range m.icons {
			v.Icon, _ = icon.(string)
		}
	}
	if m.tombstone {
		v.Author, v.UserID, v.Bot = "Slackbot", slackbot, true
	}
	for _, f := range m.files {
		v.Files = append(v.Files, f.File)
	}
	for _, r := range m.reactions {
		v.Reactions = append(v.Reactions, r.name)
	}
	return v
}

// allBlocks are the blocks of a message, and those of its attachments below.
func (m *message) allBlocks() []any {
	all := slices.Clone(m.blocks)
	for _, a := range m.attached {
		attachment, _ := a.(wire)
		all = append(all, anys(attachment["blocks"])...)
	}
	return all
}

// replies are the replies to a message, oldest first.
func (s *Slack) replies(root string) []*message {
	var all []*message
	for _, m := range s.messages {
		if m.threadTS == root && !m.deleted {
			all = append(all, m)
		}
	}
	return all
}

const slackbot = "USLACKBOT"

// wire is a message as the API tells it. Events have a subtype for files, lists of messages do not.
func (s *Slack) wire(m *message, event, metadata bool) wire {
	w := wire{"type": "message", "ts": m.ts, "text": m.text}
	switch {
	case m.tombstone:
		w["subtype"], w["user"], w["hidden"] = "tombstone", slackbot, true
	case m.author.bot && len(m.files) > 0 && m.author.botID != s.BotID:
		w["user"], w["team"] = m.author.ID, s.TeamID
	case m.author.bot:
		w["bot_id"], w["app_id"] = m.author.botID, m.author.appID
		if m.username == "" && m.icons == nil {
			w["user"], w["team"], w["bot_profile"] = m.author.ID, s.TeamID, s.botProfile(m.author)
			break
		}
		w["subtype"], w["username"] = "bot_message", m.username
		if m.username == "" {
			w["username"] = m.author.name
		}
		if m.icons != nil {
			w["icons"] = m.icons
		}
	default:
		w["user"], w["team"], w["client_msg_id"] = m.author.ID, s.TeamID, m.clientID
	}
	if len(m.blocks) > 0 && !m.tombstone {
		w["blocks"] = plainTexts(m.blocks, escape)
	}
	if len(m.attached) > 0 {
		w["attachments"] = plainTexts(m.attached, escape)
	}
	if len(m.metadata) > 0 && metadata {
		w["metadata"] = m.metadata
	}
	if m.editedAt != "" {
		w["edited"] = wire{"user": m.editedBy, "ts": m.editedAt}
	}
	if len(m.files) > 0 {
		var files []any
		for _, f := range m.files {
			files = append(files, s.mentioned(f))
		}
		w["files"], w["upload"], w["display_as_bot"] = files, true, false
		if event && w["subtype"] == nil {
			w["subtype"] = "file_share"
		}
	}
	if len(m.reactions) > 0 {
		var all []any
		for _, r := range m.reactions {
			all = append(all, wire{"name": r.name, "users": slices.Clone(r.users), "count": len(r.users)})
		}
		w["reactions"] = all
	}
	s.threadWire(m, w)
	return w
}

// threadWire adds what a message has because it is in a thread.
func (s *Slack) threadWire(m *message, w wire) {
	if m.threadTS != "" {
		w["thread_ts"] = m.threadTS
		for _, root := range s.messages {
			if root.ts != m.threadTS {
				continue
			}
			switch {
			case root.tombstone:
				w["parent_user_id"] = slackbot
			case root.username == "" && root.icons == nil:
				w["parent_user_id"] = root.author.ID
			}
			if m.broadcast {
				w["subtype"], w["root"] = "thread_broadcast", s.wire(root, false, false)
			}
		}
		return
	}
	replies := s.replies(m.ts)
	if len(replies) == 0 {
		return
	}
	var who []string
	for _, r := range replies {
		id := r.author.ID
		if r.username != "" || r.icons != nil {
			id = r.author.botID
		}
		if !slices.Contains(who, id) {
			who = append(who, id)
		}
	}
	w["thread_ts"], w["reply_count"], w["reply_users_count"] = m.ts, len(replies), len(who)
	w["reply_users"], w["latest_reply"] = who[:min(len(who), 5)], replies[len(replies)-1].ts
	w["subscribed"], w["is_locked"] = false, false
}

func (s *Slack) botProfile(u *user) wire {
	return wire{
		"id": u.botID, "deleted": false, "name": u.name, "updated": s.lastTS / 1e6, "app_id": u.appID, "team_id": s.TeamID, "user_id": u.ID,
		"icons": wire{"image_48": s.avatar(u)},
	}
}

// tell adds a new message and tells the app.
func (s *Slack) tell(m *message) {
	s.messages = append(s.messages, m)
	w := s.wire(m, true, true)
	w["channel"], w["channel_type"], w["event_ts"] = s.Channel, "channel", m.ts
	s.emit(w)
}

// change changes a message and tells the app what it was and is.
func (s *Slack) change(m *message, how func()) {
	before := s.wire(m, true, true)
	how()
	ts := s.newTS()
	s.emit(wire{
		"type": "message", "subtype": "message_changed", "hidden": true, "channel": s.Channel, "channel_type": "channel",
		"ts": ts, "event_ts": ts, "message": s.wire(m, true, true), "previous_message": before,
	})
}

// remove deletes a message. The root of a thread leaves a tombstone, until the last reply is gone too.
func (s *Slack) remove(m *message) {
	if m.threadTS == "" && len(s.replies(m.ts)) > 0 {
		s.change(m, func() {
			*m = message{ts: m.ts, author: m.author, text: "This message was deleted.", tombstone: true}
		})
		return
	}
	before := s.wire(m, true, true)
	m.deleted = true
	ts := s.newTS()
	s.emit(wire{
		"type": "message", "subtype": "message_deleted", "hidden": true, "channel": s.Channel, "channel_type": "channel",
		"ts": ts, "event_ts": ts, "deleted_ts": m.ts, "previous_message": before,
	})
	if root := s.find(m.threadTS); root != nil && root.tombstone && len(s.replies(root.ts)) == 0 {
		s.remove(root)
	}
}

// newClientID is what Slack's own clients give every message.
func newClientID() string {
	b := randomBytes(16)
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func now() int64 { return time.Now().Unix() }
