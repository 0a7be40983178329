package playground

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/hitl-go/sdk/internal/redact"
	"github.com/hitl-go/sdk/internal/schema"
)

const hidden = "[secret]"

// secrets knows what the page must not show: it is looked at over shoulders, and what is copied from it ends up in tickets.
type secrets struct {
	known *redact.Masker
}

// newSecrets hides these values, and what of a configuration its schema calls secret.
func newSecrets(config, configuration json.RawMessage, values ...string) *secrets {
	return &secrets{known: redact.New(append(schema.Secrets(config, configuration), values...)...)}
}

var (
	secretName = regexp.MustCompile(`(?i)secret|passw|authorization|signature$|api[_-]?key|cookie|^x-bp-configuration$|(^|[_-])(access|auth|refresh|api)?[_-]?token$`)

	// secretField is a text in JSON, perhaps in JSON within JSON, whose name says that it is secret.
	secretField = regexp.MustCompile(`(?i)(\\?"[^"\\]*(?:secret|passw|authorization|signature|api_?key|cookie|api_?token|access_?token|x-bp-configuration)\\?"\s*:\s*\\?")[^"\\]+`)
)

// header is a header to be shown: each line a name and a value, in the order of the names.
func (s *secrets) header(h http.Header) [][2]string {
	lines := [][2]string{}
	for name, values := range h {
		for _, v := range values {
			switch {
			case secretName.MatchString(name):
				scheme, _, ok := strings.Cut(v, " ")
				if v = hidden; ok && strings.EqualFold(name, "Authorization") {
					v = scheme + " " + hidden
				}
			default:
				v = s.known.Mask(v)
			}
			lines = append(lines, [2]string{name, v})
		}
	}
	slices.SortFunc(lines, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) })
	return lines
}

// body is a body to be shown, or why it is not.
func (s *secrets) body(b []byte, gone bool) (text, missing string) {
	switch {
	case gone:
		return "", "no longer kept"
	case len(b) > maxBody:
		return "", fmt.Sprintf("longer than %d kB", maxBody>>10)
	case !utf8.Valid(b):
		return "", fmt.Sprintf("%d bytes that are no text", len(b))
	}
	return s.text(string(b)), ""
}

func (s *secrets) text(text string) string {
	return secretField.ReplaceAllString(s.known.Mask(text), "${1}"+hidden)
}
