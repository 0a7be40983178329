package slacktest

import (
	"encoding/json"
	"html"
	"regexp"
	"strings"
	"unicode/utf8"
)

const (
	longestPost   = 40_000 // More is cut off.
	longestPart   = 4_000  // More becomes several messages.
	longestUpdate = 4_000
	metadataBytes = 8_000
)

// content is what a call says about a message's content.
type content struct {
	text     string
	blocks   []any
	attached []any
	metadata wire
}

func (s *Slack) content(c *call) (content, error) {
	v := content{text: c.arg("text")}
	if c.has("blocks") {
		blocks, err := checkBlocks(c.arg("blocks"))
		if err != nil {
			return v, err
		}
		v.blocks, _ = plainTexts(blocks, html.UnescapeString).([]any)
	}
	if c.arg("attachments") != "" && object(c, "attachments", &v.attached) != nil {
		return v, refusal("invalid_attachments")
	}
	if err := checkAttachments(v.attached); err != nil {
		return v, err
	}
	if c.arg("metadata") != "" {
		if object(c, "metadata", &v.metadata) != nil {
			return v, refusal("invalid_metadata_format")
		}
		if err := checkMetadata(v.metadata, len(c.arg("metadata"))); err != nil {
			return v, err
		}
	}
	return v, nil
}

// checkAttachments refuses attachments with blocks that are not right, and numbers them.
func checkAttachments(attached []any) error {
	if len(attached) > 100 {
		return refusal("too_many_attachments")
	}
	for i, a := range attached {
		attachment, ok := a.(wire)
		if !ok {
			return refusal("invalid_attachments")
		}
		attachment["id"] = i + 1
		if attachment["blocks"] == nil {
			continue
		}
		raw, err := json.Marshal(attachment["blocks"])
		if err != nil {
			return err
		}
		blocks, err := checkBlocks(string(raw))
		if err != nil {
			return err
		}
		attachment["blocks"] = plainTexts(blocks, html.UnescapeString)
	}
	return nil
}

var eventType = regexp.MustCompile(`^[A-Za-z0-9_]{1,255}$`)

// checkMetadata refuses what is not {"event_type": "…", "event_payload": {…}}; an empty object is a way to take metadata away.
func checkMetadata(metadata wire, size int) error {
	if len(metadata) == 0 {
		return nil
	}
	kind, _ := metadata["event_type"].(string)
	_, ok := metadata["event_payload"].(map[string]any)
	switch {
	case !eventType.MatchString(kind), !ok, len(metadata) > 2:
		return refusal("invalid_metadata_format")
	case size > metadataBytes:
		return refusal("metadata_too_large")
	}
	return nil
}

// identity is who a message is said to be from.
func (s *Slack) identity(c *call) (username string, icons wire, err error) {
	username = c.arg("username")
	if emoji := c.arg("icon_emoji"); emoji != "" {
		icons = wire{"emoji": emoji}
	} else if address := c.arg("icon_url"); address != "" {
		icons = wire{"image_48": address}
	}
	if (username != "" || icons != nil) && !s.granted("chat:write.customize") {
		if s.opts.IgnoreNames {
			return "", nil, nil
		}
		return "", nil, s.missing("chat:write.customize")
	}
	return username, icons, nil
}

// mayPost says whether the app may write into the channel.
func (s *Slack) mayPost(c *call) error {
	if err := s.ours(c); err != nil {
		return err
	}
	if s.archived {
		return refusal("is_archived")
	}
	return nil
}

func (s *Slack) postMessage(c *call) (wire, error) {
	if err := s.mayPost(c); err != nil {
		return nil, err
	}
	v, err := s.content(c)
	if err != nil {
		return nil, err
	}
	if strings.TrimSpace(v.text) == "" && len(v.blocks) == 0 && len(v.attached) == 0 {
		return nil, refusal("no_text")
	}
	if c.has("thread_ts") && c.arg("thread_ts") == "" {
		return nil, refusal("invalid_thread_ts")
	}
	username, icons, err := s.identity(c)
	if err != nil {
		return nil, err
	}
	m := &message{
		threadTS: s.rootOf(c.arg("thread_ts")), author: s.users[s.BotUserID], username: username, icons: icons,
		blocks: v.blocks, attached: v.attached, metadata: v.metadata,
	}
	m.broadcast = m.threadTS != "" && c.flag("reply_broadcast")
	text := []rune(cut(v.text, longestPost))
	for len(v.blocks) == 0 && len(text) > longestPart {
		part := *m
		part.ts, part.text, part.metadata, part.attached = s.newTS(), string(text[:longestPart]), nil, nil
		s.tell(&part)
		text = text[longestPart:]
	}
	m.ts, m.text = s.newTS(), string(text)
	s.tell(m)
	answer := s.wire(m, false, true)
	s.shareLinked(m)
	return wire{"channel": s.Channel, "ts": m.ts, "message": answer}, nil
}

// rootOf is the thread that a reply goes to. Without a root that can have replies there is none: the reply stands by itself.
func (s *Slack) rootOf(ts string) string {
	if root := s.find(ts); root != nil && root.threadTS == "" {
		return ts
	}
	return ""
}

func (s *Slack) postEphemeral(c *call) (wire, error) {
	if err := s.mayPost(c); err != nil {
		return nil, err
	}
	v, err := s.content(c)
	if err != nil {
		return nil, err
	}
	switch {
	case strings.TrimSpace(v.text) == "" && len(v.blocks) == 0 && len(v.attached) == 0:
		return nil, refusal("no_text")
	case utf8.RuneCountInString(v.text) > longestUpdate:
		return nil, refusal("msg_too_long")
	}
	to := s.users[c.arg("user")]
	if to == nil || !s.in[to.ID] {
		return nil, refusal("user_not_in_channel")
	}
	if _, _, err := s.identity(c); err != nil {
		return nil, err
	}
	shown := s.displayed(&message{text: v.text, blocks: v.blocks})
	s.ephemerals = append(s.ephemerals, Ephemeral{To: to.Member, ThreadTS: c.arg("thread_ts"), Text: shown})
	return wire{"message_ts": s.newTS()}, nil
}

func (s *Slack) update(c *call) (wire, error) {
	if err := s.mayPost(c); err != nil {
		return nil, err
	}
	m := s.find(c.arg("ts"))
	switch {
	case m == nil:
		return nil, refusal("message_not_found")
	case m.author.ID != s.BotUserID || m.tombstone:
		return nil, refusal("cant_update_message")
	}
	v, err := s.content(c)
	if err != nil {
		return nil, err
	}
	switch {
	case v.text == "" && !c.has("blocks") && !c.has("attachments"):
		return nil, refusal("no_text")
	case v.text == "" && len(v.blocks) == 0 && len(v.attached) == 0:
		return nil, refusal("no_text")
	case utf8.RuneCountInString(v.text) > longestUpdate:
		return nil, refusal("msg_too_long")
	}
	s.change(m, func() {
		if v.text != "" || c.has("blocks") {
			m.text = v.text
			m.blocks = v.blocks // Text without blocks takes the blocks away.
		}
		if c.has("attachments") {
			m.attached = v.attached
		}
		if c.arg("metadata") != "" {
			m.metadata = v.metadata // Otherwise it stays; an empty object takes it away.
		}
		if len(v.blocks) == 0 {
			m.editedAt, m.editedBy = s.newTS(), s.BotID
		}
	})
	return wire{"channel": s.Channel, "ts": m.ts, "text": m.text, "message": s.wire(m, false, true)}, nil
}

// cut cuts a text off after n characters.
func cut(text string, n int) string {
	if r := []rune(text); len(r) > n {
		return string(r[:n])
	}
	return text
}
