package main

import (
	"cmp"
	"context"
	"encoding/json"
	"html"
	"regexp"
	"strconv"
	"strings"

	"github.com/slack-go/slack"
	"github.com/slack-go/slack/slackutilsx"
)

var markup = regexp.MustCompile(`<([@#!]?)((?:[^:<>|]+:(?://)?)?([^<>|]+))\|?([^<>]*)>`) // The third group is an address without https:// or mailto:.

// text is what somebody has written, in Unicode and with the names of whom it mentions, or the ID of one
// whose name cannot be read right now: a reply does not wait for that.
func (d *desk) text(ctx context.Context, m *slack.Msg) string {
	s := markup.ReplaceAllStringFunc(withEmoji(m), func(part string) string {
		match := markup.FindStringSubmatch(part)
		kind, target, bare, label := match[1], match[2], match[3], match[4]
		switch {
		case kind == "@":
			who, _ := d.ReadAgent(ctx, target)
			return "@" + cmp.Or(who.Name, label, target)
		case kind == "#":
			return "#" + cmp.Or(label, target)
		case kind == "!" && strings.HasPrefix(target, "date^"):
			return cmp.Or(label, target)
		case kind == "!":
			return "@" + strings.TrimPrefix(cmp.Or(label, strings.TrimPrefix(target, "subteam^")), "@")
		case label == "" || label == target || label == bare:
			return cmp.Or(label, target)
		default:
			return label + " &lt;" + target + "&gt;"
		}
	})
	return strings.TrimSpace(html.UnescapeString(s))
}

// element is a part of a message's blocks.
type element struct {
	Type     string    `json:"type"`
	Text     string    `json:"text"`
	Name     string    `json:"name"`
	Tone     int       `json:"skin_tone"`
	Unicode  string    `json:"unicode"` // In hexadecimal digits. The workspace's own emoji have none.
	Elements []element `json:"elements"`
}

// withEmoji is the text with emoji in place of their names. A name that somebody has typed as such, as in code, is a text in the
// blocks: so what is in them is looked for in its order.
func withEmoji(m *slack.Msg) string {
	var blocks []element
	source, _ := json.Marshal(m.Blocks) // They came as JSON.
	_ = json.Unmarshal(source, &blocks) // The text of other blocks is no string.
	var done strings.Builder
	rest := m.Text
	replace := func(part, by string) {
		if before, after, ok := strings.Cut(rest, part); ok {
			done.WriteString(before + by)
			rest = after
		}
	}
	var walk func([]element)
	walk = func(all []element) {
		for _, e := range all {
			switch e.Type {
			case "text":
				for line := range strings.SplitSeq(slackutilsx.EscapeMessage(e.Text), "\n") { // Between them, a quote has its marks.
					replace(line, line)
				}
			case "emoji":
				name, character := ":"+e.Name+":", ""
				if e.Tone > 0 {
					name += ":skin-tone-" + strconv.Itoa(e.Tone) + ":"
				}
				if e.Unicode != "" {
					character = "&#x" + strings.ReplaceAll(e.Unicode, "-", ";&#x") + ";"
				}
				replace(name, cmp.Or(character, name))
			}
			walk(e.Elements)
		}
	}
	walk(blocks)
	return done.String() + rest
}
