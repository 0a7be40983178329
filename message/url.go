package message

import (
	"net/netip"
	"strings"
	"unicode"
	"unicode/utf8"
)

// findURL finds the first http or https URL in a text, as people write it: without what belongs to the text around it. start is
// negative if there is none. It looks at each byte a bounded number of times.
//
// It is an extended autolink of GFM 0.29, section 6.9, with these differences: the host is one of the URL standard (WHATWG), the
// characters around may be of any script, and all brackets are treated alike.
func findURL(s string) (start, end int) {
	for from := 0; ; {
		i := strings.Index(s[from:], "://")
		if i < 0 {
			return -1, -1
		}
		colon := from + i
		from = colon + len("://")
		start = schemeStart(s[:colon])
		if start < 0 || endsInWord(s[:start]) {
			continue
		}
		host := len(s) - len(strings.TrimLeft(s[from:], "/")) // URL standard, section 4.4: more slashes mean nothing.
		n := urlLen(s[host:], s[:start])
		if n > 0 {
			return start, host + n
		}
	}
}

// schemeStart returns where the scheme is that ends the text. RFC 3986, section 3.1: its case does not matter.
func schemeStart(s string) int {
	for _, scheme := range []string{"https", "http"} {
		if n := len(s) - len(scheme); n >= 0 && strings.EqualFold(s[n:], scheme) {
			return n
		}
	}
	return -1
}

// endsInWord reports whether Latin letters would continue a word or a number at the end of the text. By UAX #29 they do, except
// after letters of scripts without blanks.
func endsInWord(s string) bool {
	r, _ := utf8.DecodeLastRuneInString(strings.TrimRightFunc(s, unicode.IsMark))
	return unicode.IsDigit(r) || unicode.IsLetter(r) && !unicode.In(r, withoutBlanks...)
}

// withoutBlanks are the scripts that have no blanks between words, and the marks that kana share.
var withoutBlanks = []*unicode.RangeTable{
	unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Bopomofo, unicode.Yi, unicode.Nushu, unicode.Tangut,
	unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar, unicode.Tibetan, unicode.Javanese, unicode.Balinese,
	unicode.Tai_Le, unicode.New_Tai_Lue, unicode.Tai_Tham, unicode.Tai_Viet,
	{R16: []unicode.Range16{{0x3005, 0x3007, 1}, {0x3031, 0x3035, 1}, {0x303C, 0x303C, 1}, {0x30FC, 0x30FC, 1}, {0xFF70, 0xFF70, 1}, {0xFF9E, 0xFF9F, 1}}},
}

// urlLen returns the length of a URL from its host on. It is zero if there is no host.
func urlLen(s, before string) int {
	n := authorityLen(s)
	if n == 0 || s[0] == ':' {
		return 0
	}
	if n < len(s) && strings.IndexByte("/?#", s[n]) >= 0 {
		n += pathLen(s[n:], strings.HasSuffix(before, "("))
	}
	return len(trimURL(s[:n], len(before)-len(strings.TrimRight(before, "_"))))
}

// authorityLen returns the length of user, host and port. Brackets stand only around an IPv6 address.
func authorityLen(s string) int {
	n := hostLen(s)
	if n == 0 || s[n-1] == '@' {
		if ip := ipv6Len(s[n:]); ip > 0 {
			n += ip
			n += hostLen(s[n:])
		}
	}
	return n
}

// hostLen returns the length of the text before what ends a host: forbidden host code points of the URL standard, section 3.1, and
// parentheses and braces, which no registry allows.
func hostLen(s string) int {
	before := rune(0)
	for i, r := range s {
		if endsURL(before, r) || strings.ContainsRune("/?#[](){}|^", r) {
			return i
		}
		before = r
	}
	return len(s)
}

func ipv6Len(s string) int {
	const longest = len("[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255]")
	end := strings.IndexByte(s[:min(len(s), longest)], ']')
	if end < 0 || s[0] != '[' {
		return 0
	}
	ip, err := netip.ParseAddr(s[1:end])
	if err != nil || !ip.Is6() || ip.Zone() != "" {
		return 0
	}
	return end + len("]")
}

// pathLen returns the length of path, query and fragment. A square bracket or a brace that they do not open ends them, as in
// Markdown, BBCode and JSON, and so does a bracket or a bar before another URL. A parenthesis does only if the URL stands in
// parentheses, because GFM takes it.
func pathLen(s string, inParentheses bool) int {
	var open struct{ square, curly, round int }
	before := rune(0)
	for i, r := range s {
		switch r {
		case '[':
			open.square++
		case '{':
			open.curly++
		case '(':
			open.round++
		case ']':
			open.square--
		case '}':
			open.curly--
		case ')':
			open.round--
		}
		closes := open.square < 0 || open.curly < 0 || open.round < 0 && inParentheses
		separates := (r == '[' || r == '{' || r == '|') && startsURL(s[i+1:])
		if closes || separates || endsURL(before, r) {
			return i
		}
		before = r
	}
	return len(s)
}

// startsURL reports whether a text begins with "http://" or "https://".
func startsURL(s string) bool {
	colon := strings.Index(s[:min(len(s), len("https://"))], "://")
	return colon > 0 && schemeStart(s[:colon]) == 0
}

// endsURL reports whether a URL ends before r, wherever it stands. Letters, digits, marks and symbols of all scripts belong to it.
func endsURL(before, r rune) bool {
	switch {
	case r < utf8.RuneSelf:
		return r <= ' ' || r == '<' || r == '>' || r == '"' || r == '`' || r == '\\' || r == 0x7F
	case unicode.IsLetter(r):
		return r == '\u3164' || r == '\uFFA0' // Hangul fillers, which are blank.
	case unicode.Is(unicode.Cf, r):
		// Joiners and tags extend the character before, by UAX #29. They are for other scripts and emoji.
		return before < utf8.RuneSelf || isDisguise(r)
	default:
		return r == utf8.RuneError || unicode.IsSpace(r) || unicode.IsControl(r) || isTextPunctuation(r)
	}
}

// isTextPunctuation reports whether r is punctuation beyond ASCII that ends or encloses a part of a text, in any script. Punctuation
// within words is none: hyphens, Catalan and Japanese middle dots, Hebrew quotes.
func isTextPunctuation(r rune) bool {
	return unicode.In(r, unicode.Terminal_Punctuation, unicode.Quotation_Mark, unicode.Ps, unicode.Pe, unicode.Pi, unicode.Pf, separators)
}

// separators are bullets, ellipses, dashes longer than a hyphen and the like, which have no property of their own in Unicode.
var separators = &unicode.RangeTable{R16: []unicode.Range16{
	{0x00A1, 0x00BF, 0xBF - 0xA1}, // ¡ and ¿
	{0x2014, 0x2015, 1},           // Em dash, horizontal bar.
	{0x2020, 0x2022, 1},           // Daggers and a bullet.
	{0x2025, 0x2026, 1},           // Leaders and ellipsis.
	{0x203B, 0x203B, 1},           // Reference mark.
	{0x2800, 0x2800, 1},           // Braille blank.
	{0x2E3A, 0x2E3B, 1},           // Longer dashes.
	{0x301C, 0x301C, 1},           // Wave dash.
	{0x3030, 0x3030, 1},           // Wavy dash.
	{0xFF01, 0xFF0F, 1},           // Fullwidth forms of what is neither a letter nor a digit in ASCII.
	{0xFF1A, 0xFF20, 1},
	{0xFF3B, 0xFF40, 1},
	{0xFF5B, 0xFF5E, 1},
}}

// trimURL removes what is at the end but belongs to the text: punctuation, brackets that are opened or closed only there, and as many
// underscores as there are before the URL, which are emphasis.
func trimURL(url string, underscores int) string {
	excess := strings.Count(url, ")") - strings.Count(url, "(")
	for {
		r, n := utf8.DecodeLastRuneInString(url)
		switch {
		case r == ')' && excess > 0:
			excess--
		case r == '(':
			excess++
		case r == '_' && underscores > 0:
			underscores--
		case strings.ContainsRune(".,;:!?'*~|[{", r) || isBetweenLetters(r):
		default:
			return url
		}
		url = url[:len(url)-n]
	}
}

// isBetweenLetters reports whether r means something only if a letter follows: joiners, and the punctuation that URLs keep, see
// isTextPunctuation.
func isBetweenLetters(r rune) bool {
	switch r {
	case '\u00B7', '\u2027', '\u30FB', '\uFF65', '\u200C', '\u200D':
		return true
	default:
		return r >= utf8.RuneSelf && unicode.Is(unicode.Pd, r)
	}
}

// safeURL reports whether a click on the URL can only open a page, a mail or a call.
func safeURL(url string) bool {
	scheme, rest, _ := strings.Cut(url, ":")
	switch strings.ToLower(scheme) {
	case "http", "https":
		return len(rest) > len("//") && strings.HasPrefix(rest, "//")
	case "mailto", "tel":
		return rest != ""
	default:
		return false
	}
}

// href percent-encodes the characters that would end a URL where it is written.
func href(url, ends string) string {
	if !strings.ContainsAny(url, ends) {
		return url
	}
	var b strings.Builder
	for _, r := range url {
		if strings.ContainsRune(ends, r) {
			const hex = "0123456789ABCDEF"
			b.Write([]byte{'%', hex[r>>4&15], hex[r&15]})
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// What would end a URL in an attribute of HTML, which is escaped as well, in an autolink of Markdown, and as the target of a link of
// Markdown.
const (
	blanks       = "\t "
	autolinkEnds = blanks + "<>"
	targetEnds   = autolinkEnds + "\"'()\\`"
)
