package slacktest

import (
	"encoding/json"
	"fmt"
	"unicode/utf8"
)

const (
	mostBlocks  = 50
	blocksChars = 13_172 // The text of all blocks together.
)

// checkBlocks decodes the blocks of a message from an app, or refuses them.
func checkBlocks(raw string) ([]any, error) {
	var blocks []any
	if raw == "" {
		return nil, nil
	}
	if json.Unmarshal([]byte(raw), &blocks) != nil {
		return nil, refusal("invalid_blocks_format")
	}
	v := &validator{ids: map[string]bool{}}
	v.atMost(len(blocks), mostBlocks, "/blocks")
	for i, b := range blocks {
		block, ok := b.(wire)
		if !ok {
			return nil, refusal("invalid_blocks_format")
		}
		v.block(block, fmt.Sprintf("/blocks/%d", i))
		if block["block_id"] == nil || block["block_id"] == "" {
			block["block_id"] = newID("b")[2:7]
		}
	}
	switch {
	case len(v.wrong) > 0:
		return nil, &detailed{"invalid_blocks", wire{"response_metadata": wire{"messages": v.wrong}}}
	case v.chars > blocksChars:
		return nil, refusal("msg_blocks_too_long")
	}
	return blocks, nil
}

type validator struct {
	wrong []string
	chars int
	ids   map[string]bool
}

func (v *validator) fail(at, format string, args ...any) {
	v.wrong = append(v.wrong, fmt.Sprintf("[ERROR] "+format+" [json-pointer:%s]", append(args, at)...))
}

func (v *validator) atMost(n, most int, at string) {
	if n > most {
		v.fail(at, "no more than %d items allowed", most)
	}
}

func (v *validator) block(b wire, at string) {
	id, _ := b["block_id"].(string)
	v.length(id, 0, 255, at+"/block_id")
	if id != "" && v.ids["block "+id] {
		v.fail(at+"/block_id", "`block_id` already exists: %s", id)
	}
	v.ids["block "+id] = true
	elements, _ := b["elements"].([]any)
	switch b["type"] {
	case "divider":
	case "section":
		fields, _ := b["fields"].([]any)
		v.atMost(len(fields), 10, at+"/fields")
		for i, f := range fields {
			v.text(f, 2000, false, fmt.Sprintf("%s/fields/%d", at, i))
		}
		if b["text"] != nil || len(fields) == 0 {
			v.text(b["text"], 3000, false, at+"/text")
		}
		if accessory, ok := b["accessory"].(wire); ok {
			v.element(accessory, at+"/accessory")
		}
	case "header":
		v.text(b["text"], 150, true, at+"/text")
	case "markdown":
		text, _ := b["text"].(string)
		v.length(text, 1, 12_000, at+"/text")
		v.chars += utf8.RuneCountInString(text)
	case "context":
		v.atMost(len(elements), 10, at+"/elements")
		v.some(elements, at)
		for i, e := range elements {
			if element, _ := e.(wire); element["type"] == "image" {
				v.image(element, fmt.Sprintf("%s/elements/%d", at, i))
			} else {
				v.text(e, 3000, false, fmt.Sprintf("%s/elements/%d", at, i))
			}
		}
	case "actions":
		v.atMost(len(elements), 25, at+"/elements")
		v.some(elements, at)
		for i, e := range elements {
			element, _ := e.(wire)
			v.element(element, fmt.Sprintf("%s/elements/%d", at, i))
		}
	case "image":
		v.image(b, at)
	case "rich_text":
		v.some(elements, at)
		v.chars += utf8.RuneCountInString(richText([]any{b}, nil))
	default:
		v.fail(at+"/type", "unsupported type: %v", b["type"])
	}
}

func (v *validator) some(elements []any, at string) {
	if len(elements) == 0 {
		v.fail(at+"/elements", "must provide at least one item")
	}
}

func (v *validator) length(text string, least, most int, at string) {
	switch n := utf8.RuneCountInString(text); {
	case n < least:
		v.fail(at, "must be more than %d characters", least-1)
	case n > most:
		v.fail(at, "must be less than %d characters", most+1)
	}
}

// text checks a text object.
func (v *validator) text(t any, most int, plain bool, at string) {
	object, ok := t.(wire)
	if !ok {
		v.fail(at, "missing required field: text")
		return
	}
	kind, text := object["type"], ""
	if kind != "plain_text" && (plain || kind != "mrkdwn") {
		v.fail(at+"/type", "unsupported type: %v", kind)
	}
	text, _ = object["text"].(string)
	v.length(text, 1, most, at+"/text")
	v.chars += utf8.RuneCountInString(text)
}

func (v *validator) image(b wire, at string) {
	address, _ := b["image_url"].(string)
	v.length(address, 1, 3000, at+"/image_url")
	alt, _ := b["alt_text"].(string)
	v.length(alt, 1, 2000, at+"/alt_text")
}

func (v *validator) element(e wire, at string) {
	id, _ := e["action_id"].(string)
	v.length(id, 0, 255, at+"/action_id")
	if id != "" && v.ids["action "+id] {
		v.fail(at+"/action_id", "`action_id` already exists: %s", id)
	}
	v.ids["action "+id] = true
	switch e["type"] {
	case "button":
		v.text(e["text"], 75, true, at+"/text")
		value, _ := e["value"].(string)
		v.length(value, 0, 2000, at+"/value")
		address, _ := e["url"].(string)
		v.length(address, 0, 3000, at+"/url")
		if style, ok := e["style"]; ok && style != "primary" && style != "danger" {
			v.fail(at+"/style", "failed to match all allowed schemas")
		}
	case "image":
		v.image(e, at)
	case "static_select", "overflow", "datepicker", "checkboxes", "radio_buttons", "users_select":
	default:
		v.fail(at+"/type", "unsupported type: %v", e["type"])
	}
}

// buttons are the buttons of a message's blocks.
func buttons(blocks []any) []Button {
	var all []Button
	eachButton(blocks, func(_, e wire) {
		b := Button{}
		b.ActionID, _ = e["action_id"].(string)
		b.Value, _ = e["value"].(string)
		b.Label = plain(e["text"])
		all = append(all, b)
	})
	return all
}

func eachButton(blocks []any, do func(block, element wire)) {
	for _, b := range blocks {
		block, _ := b.(wire)
		elements, _ := block["elements"].([]any)
		for _, e := range append([]any{block["accessory"]}, elements...) {
			if element, _ := e.(wire); element["type"] == "button" && block["type"] != "rich_text" {
				do(block, element)
			}
		}
	}
}

// plain is the text of a text object.
func plain(t any) string {
	object, _ := t.(wire)
	text, _ := object["text"].(string)
	return text
}
