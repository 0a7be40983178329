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

// Tolerance is how far the time of a signed request may lie in the past or the future, unless [HMAC.Tolerance] says
// otherwise. It bounds for how long somebody who has seen a request can send it once more.
const Tolerance = 5 * time.Minute

// HMAC describes how a desk signs its requests with a key that it shares with us. Header is required; the zero
// value of the rest describes the plainest scheme: the hexadecimal SHA-256 of the body.
type HMAC struct {
	// Header has the signature.
	Header string

	// Prefix stands before the signature in its header, for instance "sha256=".
	Prefix string

	// Hash makes the hash; nil means [sha256.New]. The other one in use is [crypto/sha1.New], which is good enough
	// for an HMAC.
	Hash func() hash.Hash

	// Encoding is how the signature is written.
	Encoding Encoding

	// TimeHeader has the time of signing: seconds or milliseconds since 1970, or RFC 3339. Empty means that the scheme
	// has no time; then a request can be repeated for ever by somebody who has seen it.
	TimeHeader string

	// Tolerance bounds the difference between the time in TimeHeader and now, both ways; zero means [Tolerance].
	Tolerance time.Duration

	// Message returns what is signed, given the value of TimeHeader. Nil means the body alone, or the time followed
	// by the body.
	Message func(r *http.Request, timestamp string, body []byte) string
}

// Encoding is how bytes are written in a header.
type Encoding int

// The encodings of signatures. Hexadecimal digits may be upper-case.
const (
	Hex Encoding = iota
	Base64
)

func (e Encoding) decode(s string) ([]byte, error) {
	if e == Base64 {
		return base64.StdEncoding.Strict().DecodeString(s)
	}
	return hex.DecodeString(s)
}

// Func returns the scheme with its keys: several while a secret is being replaced, else one.
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
			return invalid("the header %s has no signature of the right form", h.Header)
		}
		return h.check(r, [][]byte{signature}, keys)
	}
}

// check compares signatures, which were decoded, with those that the keys would make.
func (h HMAC) check(r *http.Request, signatures [][]byte, keys []string) error {
	var timestamp string
	if h.TimeHeader != "" {
		var err error
		if timestamp, err = header(r, h.TimeHeader); err != nil {
			return err
		}
		at, ok := parseTime(timestamp)
		if !ok {
			return invalid("the header %s is no time", h.TimeHeader)
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
		return invalid("the signature does not match")
	}
	return nil
}

// parseTime reads the forms in which desks write the time. A number this large counts milliseconds:
// as seconds it would be the year 5138.
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
