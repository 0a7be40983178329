package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/slack-go/slack"
)

var (
	markup    = regexp.MustCompile(`<([@#!]?)([^<>|]+)\|?([^<>]*)>`)
	emojiName = regexp.MustCompile(`:[^:\s]+:(:skin-tone-\d:)?`)
	entities  = strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&")
)

// text is what somebody has written, in Unicode and with the names of whom it mentions.
func (d *desk) text(ctx context.Context, m *slack.Msg) (s string, err error) {
	s = markup.ReplaceAllStringFunc(m.Text, func(part string) string {
		match := markup.FindStringSubmatch(part)
		kind, target, label := match[1], match[2], match[3]
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
		case label == "" || label == target || label == bare(target):
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
	return strings.TrimSpace(entities.Replace(s)), err
}

// bare is an address without https:// or mailto:, as people write it.
func bare(address string) string {
	_, rest, _ := strings.Cut(address, ":")
	return strings.TrimPrefix(rest, "//")
}

// findEmoji finds the emoji in blocks, by their names in the text. They have their code points in hexadecimal digits, unless they are
// the workspace's own.
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
		points, _ := tree["unicode"].(string)
		var emoji strings.Builder
		for point := range strings.SplitSeq(points, "-") {
			if n, err := strconv.ParseUint(point, 16, 32); err == nil {
				emoji.WriteRune(rune(n))
			}
		}
		if tree["type"] == "emoji" {
			found[name] = emoji.String()
		}
		findEmoji(tree["elements"], found)
	}
}
