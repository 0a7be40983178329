package redact

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf16"
	"unicode/utf8"
)

// pattern is one encoding of a secret.
type pattern struct {
	steps [][]string // the ways to write each of its characters
	least int        // how many steps in a row are a match
}

// match returns the length of the longest match at the beginning of s, or 0.
func (p *pattern) match(s string) int {
	length := 0
	// There is more than one place to go on from only after \ and %, which are escapes or stand for themselves.
	var a, b [8]int
	places, next := append(a[:0], 0), b[:0]
	for i, step := range p.steps {
		next = next[:0]
		for _, place := range places {
			for _, spelling := range step {
				if end := place + len(spelling); strings.HasPrefix(s[place:], spelling) && !slices.Contains(next, end) {
					next = append(next, end)
				}
			}
		}
		if len(next) == 0 {
			break
		}
		if i+1 >= p.least {
			length = max(length, slices.Max(next))
		}
		places, next = next, places
	}
	return length
}

// pairs are the first two bytes of all matches.
func (p *pattern) pairs() []uint16 {
	var all []uint16
	for _, first := range p.steps[0] {
		for _, second := range p.steps[1] {
			two := first + second
			if pair := uint16(two[0])<<8 | uint16(two[1]); !slices.Contains(all, pair) {
				all = append(all, pair)
			}
		}
	}
	return all
}

// patterns are all encodings of a secret.
func patterns(secret string) []*pattern {
	length := utf8.RuneCountInString(secret)
	need := min(length, max(minCut, (length+1)/2))
	whole := func(steps [][]string) *pattern {
		return &pattern{steps, (need*len(steps) + length - 1) / length}
	}
	all := []*pattern{whole(plain(secret)), whole(inHex(secret)), whole(inDecimal(secret))}
	for before := range 3 {
		p := whole(inBase64(secret, before))
		for n := before + len(secret); n%3 != 0; n++ {
			p.steps = append(p.steps, spellings("=")) // which may be left out: it is more than a match needs
		}
		all = append(all, p)
	}
	return all
}

// plain is the secret as it is, each character escaped or not.
func plain(secret string) [][]string {
	var steps [][]string
	for len(secret) > 0 {
		_, size := utf8.DecodeRuneInString(secret)
		steps = append(steps, spellings(secret[:size]))
		secret = secret[size:]
	}
	return steps
}

func inHex(secret string) [][]string {
	var steps [][]string
	for _, digit := range hex.EncodeToString([]byte(secret)) {
		steps = append(steps, distinct(string(digit), strings.ToUpper(string(digit))))
	}
	return steps
}

// inDecimal is how fmt, and JSON of arrays, write bytes.
func inDecimal(secret string) [][]string {
	var steps [][]string
	for i, b := range []byte(secret) {
		number := strconv.Itoa(int(b))
		if i == 0 {
			steps = append(steps, []string{number})
		} else {
			steps = append(steps, []string{" " + number, "," + number, ", " + number})
		}
	}
	return steps
}

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

// inBase64 is the secret in the base64 of a text in which so many bytes stand before it, of any three.
func inBase64(secret string, before int) [][]string {
	text := strings.Repeat("\x00", before) + secret
	code := base64.RawStdEncoding.EncodeToString([]byte(text))
	var steps [][]string
	for i := before * 8 / 6; i < len(code); i++ {
		known := 0 // the bits of this digit that are the secret's, and not those of what stands around it
		for bit := 6 * i; bit < 6*i+6; bit++ {
			known <<= 1
			if bit >= 8*before && bit < 8*len(text) {
				known |= 1
			}
		}
		digit := strings.IndexByte(alphabet, code[i])
		var step []string
		for other, ways := range base64Digits() {
			if other&known == digit&known {
				step = append(step, ways...)
			}
		}
		steps = append(steps, step)
	}
	return steps
}

// base64Digits are the ways to write each, in both alphabets.
var base64Digits = sync.OnceValue(func() (table [64][]string) {
	for i := range table {
		table[i] = []string{alphabet[i : i+1]}
	}
	table[62] = slices.Concat(spellings("+"), spellings("-"))
	table[63] = slices.Concat(spellings("/"), spellings("_"))
	return table
})

// spellings are the ways to write a character in URLs, in Go, in JSON, and in JSON or Go that is quoted as JSON.
func spellings(c string) []string {
	if c[0] < utf8.RuneSelf {
		return ofASCII()[c[0]]
	}
	return spell(c)
}

var ofASCII = sync.OnceValue(func() (table [utf8.RuneSelf][]string) {
	for c := range table {
		table[c] = spell(string(rune(c)))
	}
	return table
})

var quote = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

func spell(c string) []string {
	asJSON, _ := json.Marshal(c) // a string is never an error
	escapes := []string{unquoted(strconv.Quote(c)), unquoted(strconv.QuoteToASCII(c)), unquoted(string(asJSON))}
	r, _ := utf8.DecodeRuneInString(c)
	var lower, upper string
	for _, unit := range utf16.AppendRune(nil, r) {
		lower += fmt.Sprintf(`\u%04x`, unit)
		upper += fmt.Sprintf(`\u%04X`, unit)
	}
	escapes = append(escapes, lower, upper)
	if c == "/" {
		escapes = append(escapes, `\/`) // PHP
	}
	all := []string{c, strings.ToValidUTF8(c, "\ufffd")}
	for _, escape := range escapes {
		all = append(all, escape, quote.Replace(escape))
	}
	lower, upper = "", ""
	for _, b := range []byte(c) {
		lower += fmt.Sprintf("%%%02x", b)
		upper += fmt.Sprintf("%%%02X", b)
	}
	all = append(all, lower, upper)
	if c == " " {
		all = append(all, "+")
	}
	return distinct(all...)
}

func unquoted(s string) string { return s[1 : len(s)-1] }

func distinct(s ...string) []string {
	slices.Sort(s)
	return slices.Compact(s)
}
