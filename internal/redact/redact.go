// Package redact masks secrets in what people read: logs, errors, pages.
//
// A secret is recognised in the forms in which programs write it down: as it is; percent-encoded; quoted, by Go or as
// JSON, once or twice; in base64, also in the middle of a longer text such as that of HTTP Basic; in hex; and in the
// decimal numbers as which fmt writes bytes. In which alphabet and case, and which of the characters are escaped, does
// not matter.
//
// A first part of a secret is recognised, too, if it has at least 8 characters and half of the secret: messages are cut
// to a length.
//
// Secrets shorter than 6 characters are not masked: "high" and "en" stand everywhere.
package redact

import (
	"strings"
	"unicode/utf8"
)

const (
	mask      = "[secret]"
	minSecret = 6
	minCut    = 8
)

// Masker masks secrets. Nil and the zero value mask nothing. It is safe for concurrent use.
type Masker struct {
	// Most places of a text are left out by their first two bytes: pairs is the set of those that a pattern begins with.
	pairs  [1 << 16 / 64]uint64
	starts map[uint16][]*pattern
}

// New returns a Masker of these secrets. Their order does not matter, and what is too short is left out.
func New(secrets ...string) *Masker {
	m := &Masker{starts: map[uint16][]*pattern{}}
	for _, secret := range secrets {
		if utf8.RuneCountInString(secret) < minSecret {
			continue
		}
		for _, p := range patterns(secret) {
			for _, pair := range p.pairs() {
				m.pairs[pair/64] |= 1 << (pair % 64)
				m.starts[pair] = append(m.starts[pair], p)
			}
		}
	}
	return m
}

// Mask puts [secret] in place of every secret. Of secrets that overlap nothing is left.
//
// The time is linear in the text; a secret that repeats itself, in a text that does, makes it that of their product.
func (m *Masker) Mask(s string) string {
	if m == nil {
		return s
	}
	var clean strings.Builder
	end := 0 // of the last secret
	for i := range len(s) - 1 {
		pair := uint16(s[i])<<8 | uint16(s[i+1])
		if m.pairs[pair/64]&(1<<(pair%64)) == 0 {
			continue
		}
		length := 0
		for _, p := range m.starts[pair] {
			length = max(length, p.match(s[i:]))
		}
		if i+length <= end || length == 0 {
			continue
		}
		if i >= end {
			clean.WriteString(s[end:i])
			clean.WriteString(mask)
		}
		end = i + length
	}
	if end == 0 {
		return s
	}
	clean.WriteString(s[end:])
	return clean.String()
}

// Error returns an error with the text masked, which wraps err; err itself if there is nothing to mask.
func (m *Masker) Error(err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	clean := m.Mask(text)
	if clean == text {
		return err
	}
	return &masked{clean, err}
}

type masked struct {
	text string
	err  error
}

func (e *masked) Error() string { return e.text }
func (e *masked) Unwrap() error { return e.err }
