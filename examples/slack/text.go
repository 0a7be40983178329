package main

import (
	"cmp"
	"context"
	"encoding/json"
	"html"
	"regexp"
	"strings"

	"github.com/slack-go/slack"
)

var (
	markup    = regexp.MustCompile(`<([@#!]?)((?:[^:<>|]+:(?://)?)?([^<>|]+))\|?([^<>]*)>`) // The third group is an address without https:// or mailto:.
	emojiName = regexp.MustCompile(`:[^:\s]+:(:skin-tone-\d:)?`)
	// An emoji in blocks, as slack-go writes them: with its code points in hexadecimal digits, unless it is the workspace's own. In what
	// a member writes, quotes are escaped.
	emojiElement = regexp.MustCompile(`"type":"emoji","name":"([^"]+)"(?:,"skin_tone":(\d))?,"unicode":"([^"]+)"`)
)

// text is what somebody has written, in Unicode and with the names of whom it mentions, or the ID of one
// whose name cannot be read right now: a reply does not wait for that.
func (d *desk) text(ctx context.Context, m *slack.Msg) string {
	s := markup.ReplaceAllStringFunc(m.Text, func(part string) string {
		match := markup.FindStringSubmatch(part)
		kind, target, bare, label := match[1], match[2], match[3], match[4]
		switch {
		case kind == "@":
			who, _ := d.ReadAgent(ctx, target)
			return "@" + cmp.Or(who.Name, label, target)
		case kind == "#":
			return "#" + cmp.Or(label, target)
		case kind == "!":
			return "@" + strings.TrimPrefix(cmp.Or(label, target), "@")
		case label == "" || label == target || label == bare:
			return cmp.Or(label, target)
		default:
			return label + " &lt;" + target + "&gt;"
		}
	})
	emoji := map[string]string{}
	blocks, _ := json.Marshal(m.Blocks) // They came as JSON.
	for _, e := range emojiElement.FindAllStringSubmatch(string(blocks), -1) {
		name, tone, points := e[1], e[2], e[3]
		emoji[strings.TrimSuffix(":"+name+"::skin-tone-"+tone+":", ":skin-tone-:")] = "&#x" + strings.ReplaceAll(points, "-", ";&#x") + ";"
	}
	s = emojiName.ReplaceAllStringFunc(s, func(name string) string { return cmp.Or(emoji[name], name) })
	return strings.TrimSpace(html.UnescapeString(s))
}
