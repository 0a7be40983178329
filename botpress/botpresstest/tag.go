package botpresstest

import (
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// Limits of the API, in characters.
const (
	maxTagName  = 200
	maxTagValue = 500
	maxName     = 200
	maxPicture  = 40_000
)

// kind is the kind of record that a tag is declared for.
type kind string

const (
	onUser         kind = "user"
	onConversation kind = "conversation"
	onMessage      kind = "message"
)

// tagName returns the full name of a tag that an integration calls by its short name, if it may use it. The bot uses full
// names.
func (r *request) tagName(k kind, name string) (string, *Error) {
	switch {
	case name == "" || utf8.RuneCountInString(name) > maxTagName:
		return "", invalidPayload("the tag name %q must have 1 to %d characters", name, maxTagName)
	case r.in == nil:
		return name, nil
	case !slices.Contains(r.in.declared(k), name):
		return "", invalidPayload("the tag %q is not declared for a %s in the definition of %s", name, k, r.in.Name)
	}
	return r.in.Alias + ":" + name, nil
}

// tagNames checks tags and gives them their full names. An empty value, or null, unsets a tag.
func (r *request) tagNames(k kind, given map[string]string) (map[string]string, *Error) {
	full := make(map[string]string, len(given))
	for name, value := range given {
		name, err := r.tagName(k, name)
		if err != nil {
			return nil, err
		}
		if n := utf8.RuneCountInString(value); n > maxTagValue {
			return nil, invalidPayload("the value of tag %q has %d characters, more than %d", name, n, maxTagValue)
		}
		full[name] = value
	}
	return full, nil
}

// discriminators returns the tags by which get-or-create searches: the named ones, or all that are given. What the real API
// does without any is not public; they are refused, because everything would match.
func (r *request) discriminators(k kind, tags map[string]string, names []string) (map[string]string, *Error) {
	if len(names) == 0 {
		names = slices.Sorted(maps.Keys(tags))
		if r.in != nil {
			for i, name := range names {
				names[i] = strings.TrimPrefix(name, r.in.Alias+":")
			}
		}
	}
	by := make(map[string]string, len(names))
	for _, name := range names {
		full, err := r.tagName(k, name)
		if err != nil {
			return nil, err
		}
		if tags[full] == "" {
			return nil, invalidPayload("discriminateByTags names the tag %q, which has no value in tags", name)
		}
		by[full] = tags[full]
	}
	if len(by) == 0 {
		return nil, invalidPayload("get-or-create needs at least one tag with a value to look for")
	}
	return by, nil
}

// ownTags are tags as the caller sees them: an integration its own, by their short names; the bot all of them.
func ownTags(in *Installation, tags map[string]string) map[string]string {
	own := make(map[string]string, len(tags))
	for name, value := range tags {
		if in == nil {
			own[name] = value
		} else if short, ok := strings.CutPrefix(name, in.Alias+":"); ok {
			own[short] = value
		}
	}
	return own
}

// maySee reports whether a record is visible to the caller. That an integration sees no records of others is the strict
// guess.
func (r *request) maySee(e *entity) bool {
	return r.in == nil || e.owner == r.in || e.id == r.BotID
}

func listTagValues(r *request) (any, *Error) {
	k := kind(r.http.URL.Query().Get("type"))
	if k != onUser && k != onConversation && k != onMessage {
		return nil, invalidQuery("type must be user, conversation or message")
	}
	name, err := r.tagName(k, r.http.PathValue("key"))
	if err != nil {
		return nil, err
	}
	var values []string
	first := map[string]position{} // Where a value was seen first.
	collect := func(e *entity) {
		value := e.tags[name]
		if _, seen := first[value]; !seen && value != "" && r.maySee(e) {
			first[value] = position{Number: e.number}
			values = append(values, value)
		}
	}
	switch k {
	case onUser:
		for _, u := range r.users.order {
			collect(&u.entity)
		}
	case onConversation:
		for _, c := range r.conversations.order {
			collect(&c.entity)
		}
	case onMessage:
		for _, m := range r.messages.order {
			collect(&m.entity)
		}
	}
	q, err := r.query("type")
	if err != nil {
		return nil, err
	}
	page, meta, err := paged(q, values, false, func(v string) position { return first[v] }) // The newest first, like every list.
	if err != nil {
		return nil, err
	}
	tags := make([]map[string]string, len(page))
	for i, value := range page {
		tags[i] = map[string]string{"value": value}
	}
	return map[string]any{"tags": tags, "meta": meta}, nil
}
