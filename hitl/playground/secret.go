package playground

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"unicode/utf8"

	"github.com/hitl-go/sdk/internal/redact"
)

const hidden = "[secret]"

// secrets knows what the page must not show: it is looked at over shoulders, and what is copied from it ends up in tickets.
type secrets struct {
	known atomic.Pointer[redact.Masker] // Nil masks nothing.

	mu     sync.Mutex // Guards what follows.
	values []string
}

// learn hides these values, too.
func (s *secrets) learn(values ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := len(s.values)
	for _, v := range values {
		if !slices.Contains(s.values, v) {
			s.values = append(s.values, v)
		}
	}
	if len(s.values) > known {
		s.known.Store(redact.New(s.values...))
	}
}

// header is a header to be shown: each line a name and a value, in the order of the names.
func (s *secrets) header(h http.Header) [][2]string {
	lines := [][2]string{}
	for _, name := range slices.Sorted(maps.Keys(h)) {
		for _, v := range s.shown(name, h[name]) {
			lines = append(lines, [2]string{name, v})
		}
	}
	return lines
}

// shown are the values of a header as they are shown.
func (s *secrets) shown(name string, values []string) []string {
	masked := make([]string, len(values))
	for i, v := range values {
		masked[i] = s.known.Load().Mask(v)
		if redact.IsHeader(name) {
			scheme, _, ok := strings.Cut(v, " ")
			if masked[i] = hidden; ok && strings.EqualFold(name, "Authorization") {
				masked[i] = scheme + " " + hidden
			}
		}
	}
	return masked
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

func (s *secrets) text(text string) string { return redact.Named(s.known.Load().Mask(text)) }
