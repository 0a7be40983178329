package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"html"
	"regexp"
	"strings"

	"github.com/slack-go/slack"
)

var (
	markup    = regexp.MustCompile(`<([@#!]?)((?:[^:<>|]+:(?://)?)?([^<>|]+))\|?([^<>]*)>`) // The third group is an address without https:// or mailto:.
	emojiName = regexp.MustCompile(`:[^:\s]+:(:skin-tone-\d:)?`)
)

// text is what somebody has written, in Unicode and with the names of whom it mentions.
func (d *desk) text(ctx context.Context, m *slack.Msg) (s string, err error) {
	s = markup.ReplaceAllStringFunc(m.Text, func(part string) string {
		match := markup.FindStringSubmatch(part)
		kind, target, bare, label := match[1], match[2], match[3], match[4]
		switch {
		case kind == "@":
			u, failed := d.member(ctx, target)
			if err = cmp.Or(err, failed); failed == nil {
				label = cmp.Or(nameOf(u), label)
			}
			return "@" + cmp.Or(label, target)
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
	blocks, _ := json.Marshal(m.Blocks) // It came as JSON.
	var tree any
	_ = json.Unmarshal(blocks, &tree)
	findEmoji(tree, emoji)
	s = emojiName.ReplaceAllStringFunc(s, func(name string) string { return cmp.Or(emoji[name], name) })
	return strings.TrimSpace(html.UnescapeString(s)), err
}

// findEmoji finds the emoji in blocks, by their names in the text, as entities. Slack tells their code points in hexadecimal digits,
// unless they are the workspace's own.
func findEmoji(tree any, found map[string]string) {
	switch tree := tree.(type) {
	case []any:
		for _, e := range tree {
			findEmoji(e, found)
		}
	case map[string]any:
		name := fmt.Sprintf(":%v:", tree["name"])
		if tone, ok := tree["skin_tone"]; ok {
			name += fmt.Sprintf(":skin-tone-%v:", tone)
		}
		if points, ok := tree["unicode"].(string); ok {
			found[name] = "&#x" + strings.ReplaceAll(points, "-", ";&#x") + ";"
		}
		findEmoji(tree["elements"], found)
	}
}
