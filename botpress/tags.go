package botpress

import (
	"context"
	"iter"
	"net/url"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// Tags are names and values attached to a user, a conversation or a message.
// Names are at most 200 characters and must be declared in the definition of
// the bot or integration, values at most 500. In an update, tags that are not
// named stay as they are and an empty value unsets one. Nil means no tags, or
// in an update no change.
type Tags map[string]string

// MarshalJSON makes nil tags an object, because the API refuses null. Nearly every
// call carries tags, and json.Marshal of a map would allocate twice as much.
func (t Tags) MarshalJSON() ([]byte, error) {
	names, size := make([]string, 0, len(t)), len("{}")
	for name, value := range t {
		names = append(names, name)
		size += len(name) + len(value) + len(`"":"",`)
	}
	slices.Sort(names)
	text := append(make([]byte, 0, size), '{')
	for _, name := range names {
		if len(text) > 1 {
			text = append(text, ',')
		}
		text, _ = jsontext.AppendQuote(text, name) // bytes that are no UTF-8 are replaced, as by encoding/json
		text, _ = jsontext.AppendQuote(append(text, ':'), t[name])
	}
	return append(text, '}'), nil
}

// discriminate reports whether get-or-create by the tags that are named finds
// what an earlier attempt has created: each of them must have a value.
func (t Tags) discriminate(by []string) bool {
	return len(by) > 0 && !slices.ContainsFunc(by, func(name string) bool { return t[name] == "" })
}

// TagOwner is the kind of thing that a tag is attached to.
type TagOwner string

// The kinds of things that have tags.
const (
	TagOfUser         TagOwner = "user"
	TagOfConversation TagOwner = "conversation"
	TagOfMessage      TagOwner = "message"
)

// ListTagValuesParams says whose tags [Client.ListTagValues] lists.
type ListTagValuesParams struct {
	// Type is required.
	Type TagOwner
	// PageSize is how many items are fetched at once. 0 leaves it to the API.
	PageSize int
	// NextToken is where the list starts, a token from Next. Empty means the
	// first page.
	NextToken string
	// Next, if set, ends the list after one page and receives the token of the
	// next page, "" after the last.
	Next *string
}

type tagValuePage struct {
	page
	Tags []tagValue `json:"tags"`
}

type tagValue struct {
	Value string `json:"value"`
}

// ListTagValues ranges over the values in use for the tag with the given name.
func (c *Client) ListTagValues(ctx context.Context, key string, p ListTagValuesParams) iter.Seq2[string, error] {
	r := get("/v1/chat/tags/{key}/values", key)
	r.query = url.Values(query{}.
		text("type", string(p.Type)).
		number("pageSize", p.PageSize).
		text("nextToken", p.NextToken))
	return pages(ctx, c, r, p.Next, func(p tagValuePage) ([]string, string) {
		values := make([]string, len(p.Tags))
		for i, t := range p.Tags {
			values[i] = t.Value
		}
		return values, p.Meta.NextToken
	})
}
