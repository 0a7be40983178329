package schema

import (
	"bytes"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
)

// Secrets are the strings and numbers in a value that must not be shown: those where the schema says x-zui.secret, and
// passwords in URLs, because people put them there. They are sorted, and none is there twice.
//
// Without a schema nobody knows what is not secret, so everything is.
func Secrets(schema, value json.RawMessage) []string {
	v, err := decode(value)
	if err != nil {
		return nil
	}
	s, err := decode(schema)
	if err != nil {
		s = map[string]any{zui: map[string]any{"secret": true}}
	}
	found := appendSecrets(nil, s, v)
	for _, text := range appendScalars(nil, v) {
		found = appendUserinfo(found, text)
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// decode keeps numbers as they are written.
func decode(raw json.RawMessage) (v any, err error) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	err = decoder.Decode(&v)
	return v, err
}

func appendSecrets(found []string, schema, value any) []string {
	s, ok := schema.(map[string]any)
	if !ok {
		return found // true, false or nothing: it says nothing about what is within
	}
	if ui, ok := s[zui].(map[string]any); ok && ui["secret"] == true {
		return appendScalars(found, value)
	}
	if all, ok := s["anyOf"].([]any); ok { // which of them it is does not matter: a secret of any is one
		for _, one := range all {
			found = appendSecrets(found, one, value)
		}
	}
	switch v := value.(type) {
	case []any:
		for _, item := range v {
			found = appendSecrets(found, s["items"], item)
		}
	case map[string]any:
		properties, _ := s["properties"].(map[string]any)
		for name, member := range v {
			known := false
			for property, sub := range properties {
				if strings.EqualFold(property, name) { // in any case: rather mask too much than too little
					known = true
					found = appendSecrets(found, sub, member)
				}
			}
			if !known {
				found = appendSecrets(found, s["additionalProperties"], member)
			}
		}
	}
	return found
}

func appendScalars(found []string, v any) []string {
	switch v := v.(type) {
	case string:
		found = append(found, v)
	case json.Number:
		found = append(found, v.String())
	case []any:
		for _, item := range v {
			found = appendScalars(found, item)
		}
	case map[string]any:
		for _, item := range v {
			found = appendScalars(found, item)
		}
	}
	return found
}

// appendUserinfo finds the password in a URL, and a user that is no name but a token. It looks at the text itself: what
// url.Parse refuses is still logged.
func appendUserinfo(found []string, text string) []string {
	_, rest, ok := strings.Cut(text, "://")
	if !ok {
		return found
	}
	end := strings.IndexAny(rest, "/?#")
	if _, err := url.Parse(text); end < 0 || err != nil { // such as for a password with a slash in it
		end = len(rest)
	}
	at := strings.LastIndexByte(rest[:end], '@')
	if at < 0 {
		return found
	}
	user, password, _ := strings.Cut(rest[:at], ":")
	if user = unescaped(user); isToken(user) {
		found = append(found, user)
	}
	if password = unescaped(password); password != "" {
		found = append(found, password)
	}
	return found
}

func unescaped(s string) string {
	if plain, err := url.PathUnescape(s); err == nil {
		return plain
	}
	return s
}

// isToken tells what machines make from what people are called.
func isToken(user string) bool {
	return len(user) >= 16 && strings.ContainsAny(user, "0123456789") && !strings.Contains(user, "@")
}
