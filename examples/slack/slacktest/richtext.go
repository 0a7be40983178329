package slacktest

import (
	"fmt"
	"html"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// emojis are those that have a name here; there are many more.
var emojis = map[string]string{
	"😀": "grinning", "😁": "grin", "😂": "joy", "😄": "smile", "😅": "sweat_smile", "😉": "wink", "😊": "blush", "😍": "heart_eyes",
	"😎": "sunglasses", "😢": "cry", "😭": "sob", "😡": "rage", "🤔": "thinking_face", "🙂": "slightly_smiling_face", "👋": "wave",
	"👍": "+1", "👎": "-1", "👏": "clap", "🙏": "pray", "🎉": "tada", "🔥": "fire", "🚀": "rocket", "✅": "white_check_mark",
	"❌": "x", "❤️": "heart", "⚠️": "warning", "👀": "eyes", "💯": "100",
}

var emojiByName = func() map[string]string {
	names := map[string]string{}
	for emoji, name := range emojis {
		names[name] = emoji
	}
	return names
}()

// typed is what somebody types into Slack, as Slack stores it: mrkdwn with entities, and a rich_text block.
type typed struct {
	text   string
	blocks []any
}

var (
	bullet  = regexp.MustCompile(`^[-*•] +(.*)$`)
	numeral = regexp.MustCompile(`^[0-9]+[.)] +(.*)$`)
)

// write turns what somebody types into a message. Hold s.mu.
func (s *Slack) write(text string) typed {
	w := writer{s: s}
	lines := strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	for i := 0; i < len(lines); {
		line := lines[i]
		if strings.HasPrefix(line, "```") {
			i = w.code(lines, i)
			continue
		}
		kind, _ := kindOf(line)
		if kind == "" {
			w.line(line)
			i++
			continue
		}
		var items []string
		for ; i < len(lines); i++ {
			k, item := kindOf(lines[i])
			if k != kind {
				break
			}
			items = append(items, item)
		}
		w.group(kind, items)
	}
	w.flush()
	return typed{
		text:   strings.Join(w.text, "\n"),
		blocks: []any{wire{"type": "rich_text", "block_id": newID("b")[2:7], "elements": w.elements}},
	}
}

// kindOf says whether a line is of a list or a quotation, and what is behind its mark.
func kindOf(line string) (kind, rest string) {
	if m := bullet.FindStringSubmatch(line); m != nil {
		return "bullet", m[1]
	}
	if m := numeral.FindStringSubmatch(line); m != nil {
		return "ordered", m[1]
	}
	if rest, ok := strings.CutPrefix(line, "> "); ok {
		return "quote", rest
	}
	return "", line
}

type writer struct {
	s        *Slack
	text     []string // Lines.
	elements []any    // Of the block.
	open     []any    // Of a section that still grows.
	begun    bool
}

func (w *writer) flush() {
	if w.begun {
		w.elements = append(w.elements, wire{"type": "rich_text_section", "elements": merged(w.open)})
	}
	w.open, w.begun = nil, false
}

func (w *writer) line(line string) {
	elements, text := w.s.inline(line)
	if w.begun {
		w.open = append(w.open, wire{"type": "text", "text": "\n"})
	}
	w.open, w.begun = append(w.open, elements...), true
	w.text = append(w.text, text)
}

func (w *writer) code(lines []string, i int) (next int) {
	first := strings.TrimPrefix(lines[i], "```")
	var code []string
	if before, ok := strings.CutSuffix(first, "```"); ok && first != "" {
		code, i = []string{before}, i+1
	} else {
		closed := false
		if first != "" {
			code = append(code, first)
		}
		for i++; i < len(lines) && !closed; i++ {
			before, ok := strings.CutSuffix(lines[i], "```")
			closed = ok
			if before != "" || !ok {
				code = append(code, before)
			}
		}
	}
	w.flush()
	all := strings.Join(code, "\n")
	w.elements = append(w.elements, wire{"type": "rich_text_preformatted", "border": 0, "elements": []any{wire{"type": "text", "text": all}}})
	w.text = append(w.text, "```"+escape(all)+"```")
	return i
}

func (w *writer) group(kind string, items []string) {
	w.flush()
	var sections, quoted []any
	for i, item := range items {
		elements, text := w.s.inline(item)
		sections = append(sections, wire{"type": "rich_text_section", "elements": merged(elements)})
		if i > 0 {
			quoted = append(quoted, wire{"type": "text", "text": "\n"})
		}
		quoted = append(quoted, elements...)
		switch kind {
		case "quote":
			text = "&gt; " + text
		case "bullet":
			text = "• " + text
		default:
			text = strconv.Itoa(i+1) + ". " + text
		}
		w.text = append(w.text, text)
	}
	if kind == "quote" {
		w.elements = append(w.elements, wire{"type": "rich_text_quote", "elements": merged(quoted)})
		return
	}
	w.elements = append(w.elements, wire{"type": "rich_text_list", "style": kind, "indent": 0, "border": 0, "elements": sections})
}

// merged joins texts of the same style that follow each other.
func merged(elements []any) []any {
	all := []any{}
	for _, e := range elements {
		next := e.(wire)
		if len(all) > 0 {
			last := all[len(all)-1].(wire)
			if last["type"] == "text" && next["type"] == "text" && fmt.Sprint(last["style"]) == fmt.Sprint(next["style"]) {
				joined := maps.Clone(last)
				joined["text"] = last["text"].(string) + next["text"].(string)
				all[len(all)-1] = joined
				continue
			}
		}
		all = append(all, next)
	}
	return all
}

var (
	address = regexp.MustCompile(`^(?:https?://|mailto:)[^\s<>|]*[^\s<>|.,;:!?)'"*_~]`)
	token   = regexp.MustCompile(`^<([@#!])([^>|]+)(?:\|[^>]*)?>`)
	named   = regexp.MustCompile(`^:([a-z0-9_+'-]+):`)
	styles  = map[byte]string{'*': "bold", '_': "italic", '~': "strike", '`': "code"}
)

// inline turns a line into elements and text.
func (s *Slack) inline(line string) (elements []any, text string) {
	return s.styled(line, nil)
}

func (s *Slack) styled(line string, style wire) (elements []any, text string) {
	var plain, out strings.Builder
	add := func(e wire, as string) {
		if plain.Len() > 0 {
			elements = append(elements, withStyle(wire{"type": "text", "text": plain.String()}, style))
			plain.Reset()
		}
		if e != nil {
			elements = append(elements, withStyle(e, style))
		}
		out.WriteString(as)
	}
	before := byte(' ')
	for i := 0; i < len(line); {
		rest := line[i:]
		n, e, as := s.special(rest)
		switch {
		case n > 0:
			add(e, as)
		case styles[rest[0]] != "" && !wordy(before) && style[styles[rest[0]]] == nil:
			if end := closing(rest); end > 0 {
				inner := wire{styles[rest[0]]: true}
				maps.Copy(inner, style)
				add(nil, "")
				if rest[0] == '`' {
					elements = append(elements, withStyle(wire{"type": "text", "text": rest[1:end]}, inner))
					out.WriteString("`" + escape(rest[1:end]) + "`")
				} else {
					in, as := s.styled(rest[1:end], inner)
					elements = append(elements, in...)
					out.WriteString(rest[:1] + as + rest[:1])
				}
				n = end + 1
			}
		}
		if n == 0 {
			n = len(string([]rune(rest)[:1]))
			plain.WriteString(rest[:n])
			out.WriteString(escape(rest[:n]))
		}
		before = line[i+n-1]
		i += n
	}
	add(nil, "")
	return elements, out.String()
}

// special says how long a link, a mention or an emoji at the beginning is, and what it becomes.
func (s *Slack) special(rest string) (n int, e wire, as string) {
	if u := address.FindString(rest); u != "" {
		label := strings.TrimPrefix(u, "mailto:")
		e := wire{"type": "link", "url": u}
		if label != u {
			e["text"] = label
			return len(u), e, "<" + escape(u) + "|" + escape(label) + ">"
		}
		return len(u), e, "<" + escape(u) + ">"
	}
	if m := token.FindStringSubmatch(rest); m != nil {
		switch m[1] {
		case "@":
			return len(m[0]), wire{"type": "user", "user_id": m[2]}, "<@" + m[2] + ">"
		case "#":
			return len(m[0]), wire{"type": "channel", "channel_id": m[2]}, "<#" + m[2] + ">"
		default:
			return len(m[0]), wire{"type": "broadcast", "range": m[2]}, "<!" + m[2] + ">"
		}
	}
	if rest[0] == '@' {
		for _, id := range s.order {
			for _, name := range []string{s.users[id].name, s.users[id].handle} {
				if strings.HasPrefix(rest[1:], name) {
					return 1 + len(name), wire{"type": "user", "user_id": id}, "<@" + id + ">"
				}
			}
		}
		for _, name := range []string{"here", "channel", "everyone"} {
			if strings.HasPrefix(rest[1:], name) {
				return 1 + len(name), wire{"type": "broadcast", "range": name}, "<!" + name + ">"
			}
		}
	}
	if m := named.FindStringSubmatch(rest); m != nil {
		if emoji, ok := emojiByName[m[1]]; ok {
			return len(m[0]), emojiElement(m[1], emoji), m[0]
		}
	}
	for emoji, name := range emojis {
		if strings.HasPrefix(rest, emoji) {
			return len(emoji), emojiElement(name, emoji), ":" + name + ":"
		}
	}
	return 0, nil, ""
}

func emojiElement(name, emoji string) wire {
	var points []string
	for _, r := range emoji {
		points = append(points, fmt.Sprintf("%04x", r))
	}
	return wire{"type": "emoji", "name": name, "unicode": strings.Join(points, "-")}
}

func wordy(b byte) bool {
	return b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z'
}

// closing says where the style ends that begins here, or zero.
func closing(rest string) int {
	mark := rest[0]
	if len(rest) < 3 || rest[1] == ' ' || rest[1] == mark {
		return 0
	}
	for i := 2; i < len(rest); i++ {
		if rest[i] == mark && rest[i-1] != ' ' && (i+1 == len(rest) || !wordy(rest[i+1])) {
			return i
		}
	}
	return 0
}

func withStyle(e, style wire) wire {
	if len(style) > 0 {
		e["style"] = maps.Clone(style)
	}
	return e
}

var entities = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

func escape(text string) string { return entities.Replace(text) }

// plainTexts is a copy of blocks, with another plain_text in place of each.
func plainTexts(v any, other func(string) string) any {
	switch v := v.(type) {
	case []any:
		all := make([]any, len(v))
		for i, e := range v {
			all[i] = plainTexts(e, other)
		}
		return all
	case map[string]any:
		all := map[string]any{}
		for key, e := range v {
			all[key] = plainTexts(e, other)
		}
		if text, ok := v["text"].(string); ok && v["type"] == "plain_text" {
			all["text"] = other(text)
		}
		return all
	default:
		return v
	}
}

// displayed is what people read: the blocks if there are any, otherwise the text. Hold s.mu.
func (s *Slack) displayed(m *message) string {
	var lines []string
	if len(m.blocks) == 0 {
		lines = append(lines, s.readable(m.text))
	}
	for _, b := range m.allBlocks() {
		block, _ := b.(wire)
		elements, _ := block["elements"].([]any)
		switch block["type"] {
		case "section", "header":
			for _, t := range append([]any{block["text"]}, anys(block["fields"])...) {
				lines = append(lines, s.object(t))
			}
		case "context":
			var parts []string
			for _, e := range elements {
				parts = append(parts, s.object(e))
			}
			lines = append(lines, strings.Join(parts, " "))
		case "markdown":
			text, _ := block["text"].(string)
			lines = append(lines, text)
		case "rich_text":
			lines = append(lines, richText([]any{b}, s.mention))
		}
	}
	return strings.Join(slices.DeleteFunc(lines, func(l string) bool { return l == "" }), "\n")
}

func anys(v any) []any {
	all, _ := v.([]any)
	return all
}

// object is a text object as it is displayed.
func (s *Slack) object(t any) string {
	object, _ := t.(wire)
	if object["type"] == "plain_text" {
		return plain(t)
	}
	return s.readable(plain(t))
}

var (
	markup    = regexp.MustCompile(`<([^<>|]*)(?:\|([^<>]*))?>`)
	shortcode = regexp.MustCompile(`:[a-z0-9_+'-]+:`)
)

// readable is mrkdwn as it is displayed, but for the marks of styles.
func (s *Slack) readable(text string) string {
	text = markup.ReplaceAllStringFunc(text, func(m string) string {
		parts := markup.FindStringSubmatch(m)
		switch {
		case strings.HasPrefix(parts[1], "@"):
			return s.mention(parts[1][1:])
		case parts[2] != "":
			return parts[2]
		}
		return strings.TrimLeft(parts[1], "!#")
	})
	text = shortcode.ReplaceAllStringFunc(text, func(m string) string {
		if emoji, ok := emojiByName[strings.Trim(m, ":")]; ok {
			return emoji
		}
		return m
	})
	return html.UnescapeString(text)
}

// mention is how a mention of a user is displayed.
func (s *Slack) mention(id string) string {
	if u := s.users[id]; u != nil {
		return "@" + u.name
	}
	return "@" + id
}

// richText is what rich_text blocks say.
func richText(blocks []any, mention func(id string) string) string {
	var lines []string
	for _, b := range blocks {
		block, _ := b.(wire)
		for _, e := range anys(block["elements"]) {
			element, _ := e.(wire)
			if element["type"] != "rich_text_list" {
				lines = append(lines, richLine(element, mention))
				continue
			}
			for i, item := range anys(element["elements"]) {
				mark := "• "
				if element["style"] == "ordered" {
					mark = strconv.Itoa(i+1) + ". "
				}
				section, _ := item.(wire)
				lines = append(lines, mark+richLine(section, mention))
			}
		}
	}
	return strings.Join(lines, "\n")
}

func richLine(section wire, mention func(id string) string) string {
	var b strings.Builder
	for _, e := range anys(section["elements"]) {
		element, _ := e.(wire)
		get := func(name string) string { v, _ := element[name].(string); return v }
		switch element["type"] {
		case "text":
			b.WriteString(get("text"))
		case "link":
			if get("text") != "" {
				b.WriteString(get("text"))
			} else {
				b.WriteString(get("url"))
			}
		case "emoji":
			if emoji, ok := emojiByName[get("name")]; ok {
				b.WriteString(emoji)
			} else {
				b.WriteString(":" + get("name") + ":")
			}
		case "user":
			if mention != nil {
				b.WriteString(mention(get("user_id")))
			}
		case "broadcast":
			b.WriteString("@" + get("range"))
		}
	}
	return b.String()
}
