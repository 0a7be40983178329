package richtext

import (
	"net/netip"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"

	"github.com/hitl-go/sdk/internal/invisible"
)

// address is a URL that can only open a page, a mail or a call. It is read as browsers read it, by the rules of the WHATWG.
type address struct {
	scheme string
	user   string // with its @
	host   string // in Unicode if it is written so, in ASCII otherwise
	ascii  string // the host as it is looked up
	port   string // with its colon
	rest   string // Nothing in it ends a URL in angle brackets.
}

// parseURL reports false for what browsers do not open, and for all other schemes.
func parseURL(s string) (address, bool) {
	s = strings.TrimFunc(s, func(r rune) bool { return r <= ' ' })
	s = withoutBreaks.Replace(s)
	scheme, rest, _ := strings.Cut(s, ":")
	switch scheme = strings.ToLower(scheme); scheme {
	case "http", "https":
		return parsePage(scheme, strings.TrimLeft(rest, `/\`))
	case "mailto", "tel":
		return address{scheme: scheme, rest: escapeURL(rest)}, strings.Trim(rest, "/") != ""
	default:
		return address{}, false
	}
}

var (
	withoutBreaks = strings.NewReplacer("\t", "", "\n", "", "\r", "")
	slashes       = strings.NewReplacer(`\`, "/")
)

// parsePage reads what follows the slashes.
func parsePage(scheme, s string) (address, bool) {
	a := address{scheme: scheme}
	end := len(s)
	if i := strings.IndexAny(s, "?#"); i >= 0 {
		end = i
	}
	authority, path, below := strings.Cut(slashes.Replace(s[:end]), "/")
	if below {
		path = "/" + path
	}
	a.rest = escapeURL(path + s[end:])
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		if i > 0 {
			a.user = escape(authority[:i], inUser) + "@"
		}
		authority = authority[i+1:]
	}
	host, port := authority, ""
	if i := strings.LastIndexByte(authority, ':'); i > strings.LastIndexByte(authority, ']') { // not in an address of IPv6
		host, port = authority[:i], authority[i+1:]
	}
	if port != "" {
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return a, false
		}
		a.port = ":" + port
	}
	var ok bool
	a.host, a.ascii, ok = hostname(host)
	return a, ok
}

// String is the URL as browsers and other programs take it.
func (a address) String() string {
	if a.host == "" {
		return a.scheme + ":" + a.rest
	}
	return a.scheme + "://" + a.user + a.host + a.port + a.rest
}

// target is the URL as the target of a link in Markdown.
func (a address) target() string { return parentheses.Replace(a.String()) }

var parentheses = strings.NewReplacer("(", "%28", ")", "%29")

// readable is the URL with its letters instead of their codes.
func (a address) readable() string {
	if host, err := domains.ToUnicode(a.host); err == nil {
		a.host = host
	}
	a.rest = unescapeLetters(a.rest)
	return a.String()
}

// isSame reports whether a label only repeats the URL.
func (a address) isSame(label string) bool {
	if a.host == "" {
		label = strings.TrimPrefix(label, a.scheme+":")
		return mailKey(label) == mailKey(a.rest)
	}
	if strings.Contains(label, " ") && !strings.HasPrefix(label, "http") {
		return false
	}
	l, ok := parseURL(label)
	if !ok || l.host == "" {
		if l, ok = parseURL("https://" + label); !ok {
			return false
		}
	}
	return a.pageKey() == l.pageKey()
}

// pageKey is equal for all the ways in which people write a page's URL.
func (a address) pageKey() string {
	host := strings.ToLower(strings.TrimPrefix(a.ascii, "www."))
	return a.user + host + a.port + "\n" + strings.TrimSuffix(bare(a.rest), "/")
}

// mailKey is pageKey for what follows mailto and tel.
func mailKey(s string) string {
	s = strings.ToLower(bare(s))
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		if _, ascii, ok := hostname(s[i+1:]); ok {
			return s[:i] + "@" + ascii
		}
	}
	return s
}

// bare decodes a part of a URL, and removes what nobody sees.
func bare(s string) string {
	return strings.Map(func(r rune) rune {
		if invisible.Is(r) && r != ' ' {
			return -1
		}
		return r
	}, unescape(s))
}

// domains converts hosts as browsers do: WHATWG URL, domain to ASCII and domain to Unicode.
var domains = idna.New(idna.MapForLookup(), idna.Transitional(false), idna.StrictDomainName(false), idna.CheckHyphens(false), idna.CheckJoiners(true), idna.BidiRule())

// The lengths of a domain and of its labels in RFC 1035. Each character in Unicode is at least one there.
const maxHost, maxLabel = 255, 63

// hostname reads the host of a page's URL. It reports false for hosts that cannot be.
func hostname(s string) (host, ascii string, ok bool) {
	if strings.HasPrefix(s, "[") {
		ip, err := netip.ParseAddr(strings.Trim(s, "[]"))
		return s, s, err == nil && ip.Is6() && ip.Zone() == "" && strings.HasSuffix(s, "]")
	}
	if isPlain(s) {
		return s, s, s != ""
	}
	host = unescape(s)
	if isTooLong(host) || !utf8.ValidString(host) {
		return "", "", false
	}
	ascii, err := domains.ToASCII(host)
	if err != nil || ascii == "" || strings.ContainsFunc(ascii, endsHost) {
		return "", "", false
	}
	if isASCII(host) {
		return ascii, ascii, true
	}
	host, err = domains.ToUnicode(host)
	return host, ascii, err == nil
}

func isTooLong(host string) bool {
	if utf8.RuneCountInString(host) > maxHost {
		return true
	}
	for label := range strings.SplitSeq(host, ".") {
		if utf8.RuneCountInString(label) > maxLabel {
			return true
		}
	}
	return false
}

// endsHost reports the forbidden domain code points of the WHATWG, and quotes and brackets, which no domain has.
func endsHost(r rune) bool {
	return r <= ' ' || r == 0x7f || strings.ContainsRune("\"#%'()/:<>?@[\\]^`{|}", r)
}

// isPlain reports whether a host stands for itself.
func isPlain(s string) bool {
	for i := range len(s) {
		c := s[i]
		isLetter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if !isLetter && (c < '0' || c > '9') && c != '.' && c != '-' && c != '_' {
			return false
		}
	}
	return !strings.Contains(strings.ToLower(s), "xn--")
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf })
}

// escapeURL encodes what does not belong into a URL, and what ends one in text. Letters of all scripts stay.
func escapeURL(s string) string { return escape(s, inURL) }

// escape encodes all that is not left, and each % that encodes nothing.
func escape(s string, left func(r rune) bool) string {
	var b strings.Builder
	done := 0
	for i, r := range s {
		width := 1
		switch {
		case r == '%' && isEscape(s[i:]), r != '%' && left(r):
			continue
		case r != utf8.RuneError:
			width = utf8.RuneLen(r)
		case strings.HasPrefix(s[i:], string(utf8.RuneError)):
			width = len(string(utf8.RuneError))
		}
		b.WriteString(s[done:i])
		for _, c := range []byte(string(r)) {
			const hex = "0123456789ABCDEF"
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		}
		done = i + width
	}
	if done == 0 {
		return s
	}
	return b.String() + s[done:]
}

// isBalanced reports whether the parentheses of a URL belong together. Of others, programs that look for URLs in text leave out the last.
func isBalanced(url string) bool {
	open := 0
	for _, r := range url {
		switch r {
		case '(':
			open++
		case ')':
			open--
		}
		if open < 0 {
			return false
		}
	}
	return open == 0
}

func inURL(r rune) bool {
	if r < utf8.RuneSelf {
		return r > ' ' && r < 0x7f && !strings.ContainsRune("\"<>\\^`{}", r)
	}
	return isReadable(r)
}

func inUser(r rune) bool { return r < utf8.RuneSelf && inURL(r) && !strings.ContainsRune("@[]|()", r) }

// isReadable reports whether a character beyond ASCII can stand in a URL in a text. Punctuation would end it, and nobody sees
// format characters.
func isReadable(r rune) bool {
	return r != utf8.RuneError && unicode.In(r, unicode.L, unicode.M, unicode.N, unicode.S) && !unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r)
}

func isEscape(s string) bool {
	_, ok := escaped(s)
	return ok
}

// escaped returns the byte whose code a text begins with.
func escaped(s string) (byte, bool) {
	if len(s) < 3 || s[0] != '%' {
		return 0, false
	}
	high, low := strings.IndexByte(hexDigits, s[1]), strings.IndexByte(hexDigits, s[2])
	if high < 0 || low < 0 {
		return 0, false
	}
	return byte(value(high)<<4 | value(low)), true
}

const hexDigits = "0123456789ABCDEFabcdef"

// value is that of a digit by its place in hexDigits.
func value(place int) int {
	if place > 15 {
		return place - 6
	}
	return place
}

func unescape(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		c, ok := escaped(s[i:])
		if ok {
			i += 2
		} else {
			c = s[i]
		}
		out = append(out, c)
	}
	return string(out)
}

// unescapeLetters decodes only what is readable.
func unescapeLetters(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		n := 0
		for ; n < utf8.UTFMax && isEscape(s[min(i+3*n, len(s)):]); n++ {
		}
		r, width := utf8.DecodeRuneInString(unescape(s[i : i+3*n]))
		if n > 0 && r >= utf8.RuneSelf && isReadable(r) {
			b.WriteRune(r)
			i += 3 * width
			continue
		}
		b.WriteByte(s[i])
		i++
	}
	return b.String()
}
