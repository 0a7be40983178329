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
			if place == len(s) {
				continue
			}
			for _, spelling := range step {
				if spelling[0] != s[place] || !strings.HasPrefix(s[place:], spelling) {
					continue
				}
				if end := place + len(spelling); !slices.Contains(next, end) {
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
	all := []*pattern{whole(inHex(secret)), whole(inDecimal(secret))}
	for quotes := range maxQuotes + 1 {
		// Only of a \ it matters how often exactly a text is quoted.
		if quotes == maxQuotes || strings.Contains(secret, `\`) {
			all = append(all, whole(inText(secret, quotes)))
		}
	}
	for before := range 3 {
		p := whole(inBase64(secret, before))
		for n := before + len(secret); n%3 != 0; n++ {
			p.steps = append(p.steps, spellings("=", maxQuotes)) // which may be left out: it is more than a match needs
		}
		all = append(all, p)
	}
	return all
}

// inText is the secret in a text that is quoted up to so many times. Each of its characters may be percent-encoded.
func inText(secret string, quotes int) [][]string {
	var steps [][]string
	for len(secret) > 0 {
		_, size := utf8.DecodeRuneInString(secret)
		steps = append(steps, spellings(secret[:size], quotes))
		secret = secret[size:]
	}
	return steps
}

func inHex(secret string) [][]string {
	var steps [][]string
	for _, digit := range hex.EncodeToString([]byte(secret)) {
		steps = append(steps, []string{string(digit), strings.ToUpper(string(digit))})
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
		digit, digits := strings.IndexByte(alphabet, code[i]), base64Digits()
		step := digits[digit]
		for other, ways := range digits {
			if other != digit && other&known == digit&known {
				step = slices.Concat(step, ways)
			}
		}
		steps = append(steps, step)
	}
	return steps
}

// base64Digits are the ways to write each, in both alphabets.
var base64Digits = sync.OnceValue(func() [][]string {
	table := make([][]string, len(alphabet))
	for i := range table {
		table[i] = []string{alphabet[i : i+1]}
	}
	table[62] = slices.Concat(spellings("+", maxQuotes), spellings("-", maxQuotes))
	table[63] = slices.Concat(spellings("/", maxQuotes), spellings("_", maxQuotes))
	return table
})

// maxQuotes is how often a text is quoted: JSON in JSON is twice.
const maxQuotes = 2

// spellings are the ways to write a character in a text that is quoted up to so many times; a \, exactly so many times,
// since two of them may be two or one.
func spellings(c string, quotes int) []string {
	if c[0] < utf8.RuneSelf {
		return ofASCII()[c[0]][quotes]
	}
	return spell(c, quotes)
}

var ofASCII = sync.OnceValue(func() *[utf8.RuneSelf][maxQuotes + 1][]string {
	var table [utf8.RuneSelf][maxQuotes + 1][]string
	for c := range table {
		for quotes := range table[c] {
			table[c][quotes] = spell(string(rune(c)), quotes)
		}
	}
	return &table
})

func spell(c string, quotes int) []string {
	all := []string{c, strings.ToValidUTF8(c, "\ufffd")}
	if quotes > 0 {
		all = append(all, escapes(c)...)
	}
	for range quotes - 1 {
		for _, s := range all {
			all = append(all, requote.Replace(s))
		}
	}
	if c == `\` {
		exact := strings.Repeat(c, 1<<quotes)
		all = slices.DeleteFunc(all, func(s string) bool { return s != exact && strings.Trim(s, c) == "" })
	}
	var lower, upper strings.Builder
	for _, b := range []byte(c) {
		fmt.Fprintf(&lower, "%%%02x", b)
		fmt.Fprintf(&upper, "%%%02X", b)
	}
	all = append(all, lower.String(), upper.String())
	if c == " " {
		all = append(all, "+")
	}
	slices.Sort(all)
	return slices.Compact(all)
}

var requote = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// escapes are the ways to write a character between quotes.
func escapes(c string) []string {
	asJSON, _ := json.Marshal(c) // a string is never an error
	all := []string{inner(strconv.Quote(c)), inner(strconv.QuoteToASCII(c)), inner(string(asJSON))}
	if r, _ := utf8.DecodeRuneInString(c); !alphanumeric(r) {
		var lower, upper strings.Builder
		for _, unit := range utf16.AppendRune(nil, r) {
			fmt.Fprintf(&lower, `\u%04x`, unit)
			fmt.Fprintf(&upper, `\u%04X`, unit)
		}
		all = append(all, lower.String(), upper.String())
	}
	if c == "/" {
		all = append(all, `\/`) // PHP
	}
	return all
}

func inner(quoted string) string { return quoted[1 : len(quoted)-1] }

func alphanumeric(r rune) bool {
	return r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z'
}
