package verify

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Tolerance is the default of [HMAC.Tolerance]: how far the timestamp of a signed request may lie in the past or
// the future. It limits how long an attacker can replay a request.
const Tolerance = 5 * time.Minute

// HMAC describes how a desk signs its requests with a shared key. Header is required. The zero values of the other
// fields describe the simplest scheme: the hexadecimal HMAC-SHA256 of the body.
type HMAC struct {
	// Header is the name of the header with the signature.
	Header string

	// Prefix stands before the signature in its header, for instance "sha256=".
	Prefix string

	// Hash is the hash function; nil means [sha256.New]. Some desks use [crypto/sha1.New], which is still secure
	// in an HMAC.
	Hash func() hash.Hash

	// Encoding is the encoding of the signature.
	Encoding Encoding

	// TimeHeader is the name of the header with the timestamp: seconds or milliseconds since 1970, or RFC 3339.
	// Empty means that the scheme has no timestamp; then an attacker can replay a request at any time.
	TimeHeader string

	// Tolerance limits the difference between the timestamp and now, in both directions; zero means [Tolerance].
	Tolerance time.Duration

	// Message returns the text that is signed, given the value of TimeHeader. Nil means the timestamp, if there is
	// one, followed by the body.
	Message func(r *http.Request, timestamp string, body []byte) string
}

// Encoding is the encoding of bytes in a header.
type Encoding int

// The encodings of signatures. Hexadecimal digits may be upper-case; Base64 has the standard alphabet and is padded.
const (
	Hex Encoding = iota
	Base64
)

func (e Encoding) name() string {
	if e == Base64 {
		return "base64 of the standard alphabet, padded"
	}
	return "hexadecimal"
}

func (e Encoding) decode(s string) ([]byte, error) {
	if e == Base64 {
		return base64.StdEncoding.Strict().DecodeString(s)
	}
	return hex.DecodeString(s)
}

// Func returns a [Func] that accepts signatures made with one of the keys. Pass several keys while a secret is
// rotated.
func (h HMAC) Func(keys ...string) Func {
	return func(r *http.Request) error {
		value, err := header(r, h.Header)
		if err != nil {
			return err
		}
		encoded, ok := strings.CutPrefix(value, h.Prefix)
		if !ok {
			return invalid("the header %s does not start with %q", h.Header, h.Prefix)
		}
		signature, err := h.Encoding.decode(encoded)
		if err != nil {
			return invalid("the signature in the header %s is not %s", h.Header, h.Encoding.name())
		}
		return h.check(r, [][]byte{signature}, keys)
	}
}

// check compares the decoded signatures with those of the keys.
func (h HMAC) check(r *http.Request, signatures [][]byte, keys []string) error {
	var timestamp string
	if h.TimeHeader != "" {
		var err error
		if timestamp, err = header(r, h.TimeHeader); err != nil {
			return err
		}
		at, ok := parseTime(timestamp)
		if !ok {
			return invalid("the header %s is not a time", h.TimeHeader)
		}
		tolerance := cmp.Or(h.Tolerance, Tolerance)
		if age := time.Since(at); age > tolerance || age < -tolerance {
			return invalid("it was signed more than %s from now, or a clock is wrong", tolerance)
		}
	}
	body, err := readBody(r)
	if err != nil {
		return err
	}
	newHash := h.Hash
	if newHash == nil {
		newHash = sha256.New
	}
	message := timestamp + string(body)
	if h.Message != nil {
		message = h.Message(r, timestamp, body)
	}
	known, match := false, false
	for _, key := range keys {
		if key == "" {
			continue
		}
		known = true
		mac := hmac.New(newHash, []byte(key))
		mac.Write([]byte(message))
		want := mac.Sum(nil)
		for _, signature := range signatures {
			if hmac.Equal(signature, want) {
				match = true
			}
		}
	}
	switch {
	case !known:
		return errNoSecret
	case !match:
		return errMismatch
	}
	return nil
}

// parseTime parses the formats of desks. A large number counts milliseconds: as seconds it would be the year 5138
// or later.
func parseTime(s string) (time.Time, bool) {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		if n >= 100_000_000_000 {
			return time.UnixMilli(n), true
		}
		return time.Unix(n, 0), true
	}
	t, err := time.Parse(time.RFC3339, s)
	return t, err == nil
}
