package playground

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	redacted  = "[secret]"
	minSecret = 6 // Shorter strings of a configuration, such as "high", occur everywhere.
)

// secrets redacts what the page shows, because people share their screen and copy requests into tickets.
type secrets struct {
	known *strings.Replacer
}

// newSecrets redacts these values, and all strings of a configuration: nothing in it says which of them are secret.
func newSecrets(configuration json.RawMessage, values ...string) *secrets {
	var config any
	if json.Unmarshal(configuration, &config) == nil {
		values = appendTexts(values, config)
	}
	values = slices.DeleteFunc(values, func(v string) bool { return len(v) < minSecret })
	slices.SortFunc(values, func(a, b string) int { return len(b) - len(a) }) // A secret may be part of another.
	var pairs []string
	for _, v := range slices.Compact(values) {
		pairs = append(pairs, v, redacted, jsonEscaped(v), redacted)
	}
	return &secrets{known: strings.NewReplacer(pairs...)}
}

func appendTexts(texts []string, v any) []string {
	switch v := v.(type) {
	case string:
		texts = append(texts, v)
	case []any:
		for _, item := range v {
			texts = appendTexts(texts, item)
		}
	case map[string]any:
		for _, item := range v {
			texts = appendTexts(texts, item)
		}
	}
	return texts
}

var (
	secretName = regexp.MustCompile(`(?i)secret|passw|authorization|signature$|api[_-]?key|cookie|^x-bp-configuration$|(^|[_-])(access|auth|refresh|api)?[_-]?token$`)

	// secretField is a string in JSON, or in JSON within a JSON string, whose name says that it is secret.
	secretField = regexp.MustCompile(`(?i)(\\?"[^"\\]*(?:secret|passw|authorization|signature|api_?key|cookie|api_?token|access_?token|x-bp-configuration)\\?"\s*:\s*\\?")[^"\\]+`)
)

// header returns the redacted lines of a header, name and value, sorted by name.
func (s *secrets) header(h http.Header) [][2]string {
	lines := [][2]string{}
	for name, values := range h {
		for _, v := range values {
			switch {
			case secretName.MatchString(name):
				scheme, _, ok := strings.Cut(v, " ")
				if v = redacted; ok && strings.EqualFold(name, "Authorization") {
					v = scheme + " " + redacted
				}
			default:
				v = s.known.Replace(v)
			}
			lines = append(lines, [2]string{name, v})
		}
	}
	slices.SortFunc(lines, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) })
	return lines
}

// body returns the redacted body, or why it is not shown.
func (s *secrets) body(b []byte, gone bool) (text, missing string) {
	switch {
	case gone:
		return "", "no longer available"
	case len(b) > maxBody:
		return "", fmt.Sprintf("longer than %d kB", maxBody>>10)
	case !utf8.Valid(b):
		return "", fmt.Sprintf("%d bytes that are no text", len(b))
	}
	return s.text(string(b)), ""
}

func (s *secrets) text(text string) string {
	return secretField.ReplaceAllString(s.known.Replace(text), "${1}"+redacted)
}
