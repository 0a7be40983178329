package slacktest

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Post writes a message into the channel and returns its ts.
func (s *Slack) Post(m Member, text string) (ts string, err error) { return s.say("", m, text, nil) }

// Reply writes into a thread.
func (s *Slack) Reply(threadTS string, m Member, text string) (ts string, err error) {
	return s.say(threadTS, m, text, nil)
}

// ReplyWithFile writes into a thread and shares a file there. The text may be empty.
func (s *Slack) ReplyWithFile(threadTS string, m Member, text, name, contentType string, data []byte) (ts string, err error) {
	return s.say(threadTS, m, text, &File{Name: name, Title: name, ContentType: contentType, Data: slices.Clone(data)})
}

// ReplyWithConnectedFile writes into a thread and shares a file as a member of another workspace does.
func (s *Slack) ReplyWithConnectedFile(threadTS string, m Member, text, name, contentType string, data []byte) (ts string, err error) {
	return s.say(threadTS, m, text, &File{Name: name, Title: name, ContentType: contentType, Data: slices.Clone(data), Connected: true})
}

// DeleteFiles deletes the files of a message, which stays.
func (s *Slack) DeleteFiles(ts string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m := s.find(ts); m != nil {
		for _, f := range m.files {
			f.deleted = true
		}
	}
}

// ReplyWithRemoteFile writes into a thread and shares a file that is elsewhere: Slack has only its address.
func (s *Slack) ReplyWithRemoteFile(threadTS string, m Member, text, name, address string) (ts string, err error) {
	return s.say(threadTS, m, text, &File{Name: name, Title: name, ContentType: "application/vnd.slack-remote", URL: address})
}

func (s *Slack) say(threadTS string, by Member, text string, f *File) (ts string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u, err := s.writer(by)
	if err != nil {
		return "", err
	}
	if threadTS != "" && s.rootOf(threadTS) == "" {
		return "", fmt.Errorf("slacktest: there is no thread %s", threadTS)
	}
	if strings.TrimSpace(text) == "" && f == nil {
		return "", errors.New("slacktest: a message without text")
	}
	m := &message{ts: s.newTS(), threadTS: threadTS, author: u, clientID: newClientID()}
	if text != "" {
		v := s.write(text)
		m.text, m.blocks = v.text, v.blocks
	}
	if f != nil {
		added := s.add(*f, u)
		added.shared = append(added.shared, m.ts)
		m.files = []*file{added}
	}
	s.tell(m)
	return m.ts, nil
}

// writer is the account of somebody who may write. Hold s.mu.
func (s *Slack) writer(m Member) (*user, error) {
	u := s.users[m.ID]
	switch {
	case u == nil:
		return nil, fmt.Errorf("slacktest: there is no member %q", m.ID)
	case u.inactive || !s.in[u.ID]:
		return nil, fmt.Errorf("slacktest: %s is not in the channel", u.name)
	case s.archived:
		return nil, errArchived
	}
	return u, nil
}

// own is a message that a member may change. Hold s.mu.
func (s *Slack) own(ts string, by Member) (*message, error) {
	u, err := s.writer(by)
	if err != nil {
		return nil, err
	}
	m := s.find(ts)
	switch {
	case m == nil || m.tombstone:
		return nil, fmt.Errorf("slacktest: there is no message %s", ts)
	case m.author != u:
		return nil, fmt.Errorf("slacktest: message %s is not by %s", ts, u.name)
	}
	return m, nil
}

// Edit replaces the text of a member's own message.
func (s *Slack) Edit(ts string, by Member, text string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := s.own(ts, by)
	if err != nil {
		return err
	}
	v := s.write(text)
	s.change(m, func() {
		m.text, m.blocks = v.text, v.blocks
		m.editedAt, m.editedBy = s.newTS(), by.ID
	})
	return nil
}

// Delete deletes a member's own message.
func (s *Slack) Delete(ts string, by Member) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := s.own(ts, by)
	if err != nil {
		return err
	}
	s.remove(m)
	return nil
}

// DeleteAny deletes a message of anybody's, as an administrator can.
func (s *Slack) DeleteAny(ts string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.find(ts)
	if m == nil || m.tombstone {
		return fmt.Errorf("slacktest: there is no message %s", ts)
	}
	s.remove(m)
	return nil
}

// Unfurl adds the preview of a link to a message, some time after it was posted: it has changed, but nobody has edited it.
func (s *Slack) Unfurl(ts, address, title string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.find(ts)
	if m == nil || m.tombstone {
		return fmt.Errorf("slacktest: there is no message %s", ts)
	}
	s.change(m, func() {
		m.attached = append(slices.Clone(m.attached), wire{
			"id": len(m.attached) + 1, "from_url": address, "original_url": address, "title": title, "title_link": address, "fallback": title,
		})
	})
	return nil
}

// React adds a reaction; emoji is its name, with or without colons.
func (s *Slack) React(ts string, by Member, emoji string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	u, err := s.writer(by)
	if err != nil {
		return err
	}
	m := s.find(ts)
	if m == nil || m.tombstone {
		return fmt.Errorf("slacktest: there is no message %s", ts)
	}
	name := strings.Trim(emoji, ":")
	if known, ok := emojis[emoji]; ok {
		name = known
	}
	i := slices.IndexFunc(m.reactions, func(r reaction) bool { return r.name == name })
	switch {
	case i < 0:
		m.reactions = append(m.reactions, reaction{name: name, users: []string{u.ID}})
	case slices.Contains(m.reactions[i].users, u.ID):
		return errors.New("slacktest: already_reacted")
	default:
		m.reactions[i].users = append(m.reactions[i].users, u.ID)
	}
	event := wire{
		"type": "reaction_added", "user": u.ID, "reaction": name, "event_ts": s.newTS(),
		"item": wire{"type": "message", "channel": s.Channel, "ts": ts},
	}
	if m.username == "" && m.icons == nil {
		event["item_user"] = m.author.ID
	}
	s.emit(event)
	return nil
}

// Press presses a button and waits for the app to acknowledge it. It fails if the message has no such button, or if the app
// did not answer within three seconds, which is when Slack shows a warning sign.
func (s *Slack) Press(ts string, by Member, actionID string) error {
	done := make(chan error, 1)
	if err := s.press(ts, by, actionID, done); err != nil {
		return err
	}
	select {
	case err := <-done:
		return err
	case <-s.ctx.Done():
		return s.ctx.Err()
	}
}

func (s *Slack) press(ts string, by Member, actionID string, done chan<- error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	u, err := s.writer(by)
	if err != nil {
		return err
	}
	m := s.find(ts)
	if m == nil {
		return fmt.Errorf("slacktest: there is no message %s", ts)
	}
	var action wire
	eachButton(m.allBlocks(), func(block, e wire) {
		if e["action_id"] != actionID || action != nil {
			return
		}
		action = wire{"type": "button", "action_id": actionID, "block_id": block["block_id"], "text": e["text"], "action_ts": s.newTS()}
		for _, name := range []string{"value", "style"} {
			if e[name] != nil {
				action[name] = e[name]
			}
		}
	})
	if action == nil {
		return fmt.Errorf("slacktest: message %s has no button %q", ts, actionID)
	}
	container := wire{"type": "message", "message_ts": ts, "channel_id": s.Channel, "is_ephemeral": false}
	if m.threadTS != "" {
		container["thread_ts"] = m.threadTS
	}
	for _, a := range m.attached {
		attachment, _ := a.(wire)
		eachButton(anys(attachment["blocks"]), func(_, e wire) {
			if e["action_id"] == actionID {
				container["type"], container["attachment_id"], container["is_app_unfurl"] = "message_attachment", attachment["id"], false
			}
		})
	}
	payload, _ := json.Marshal(wire{
		"type": "block_actions", "api_app_id": s.AppID, "token": "deprecated", "container": container, "trigger_id": newID("trigger"),
		"user": wire{"id": u.ID, "username": u.handle, "name": u.handle, "team_id": s.TeamID},
		"team": wire{"id": s.TeamID, "domain": "acme"}, "enterprise": nil, "is_enterprise_install": false,
		"channel": wire{"id": s.Channel, "name": channelName}, "message": s.wire(m, false, true),
		"state": wire{"values": wire{}}, "response_url": s.URL + "/actions/" + s.TeamID + "/" + newID("r"), "actions": []any{action},
	})
	if s.revoked || s.closed {
		return errors.New("slacktest: the app is gone")
	}
	s.enqueue(&delivery{kind: "interactive", payload: payload, done: done})
	return nil
}
