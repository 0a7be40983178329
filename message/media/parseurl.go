package media

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

var errMalformed = errors.New("the URL is malformed")

// parseURL reads an address as browsers do: by the WHATWG URL standard, as far as it is about http and
// https. A percent sign that begins no escape becomes %25. It decodes to the same, and most servers
// refuse the other.
func parseURL(address string) (*url.URL, error) {
	scheme, rest, hasScheme := strings.Cut(tidy(address), ":")
	scheme = strings.ToLower(scheme)
	switch {
	case !hasScheme || !isScheme(scheme):
		return nil, errMalformed
	case scheme != "http" && scheme != "https":
		return nil, fmt.Errorf("the URL's scheme is %q: only http and https can be fetched", scheme)
	}
	authority, rest := cutAny(strings.TrimLeft(rest, `/\`), `/\?#`)
	user, host := "", authority
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		user, host = authority[:i], authority[i+1:]
	}
	u := &url.URL{Scheme: scheme, User: userinfo(user)}
	var err error
	if u.Host, err = parseHost(host, scheme); err != nil {
		return nil, err
	}
	return u, setPath(u, "", rest)
}

// resolve reads where a redirect leads.
func resolve(base *url.URL, location string) (*url.URL, error) {
	ref := tidy(location)
	if scheme, rest, ok := strings.Cut(ref, ":"); ok && isScheme(scheme) {
		if !strings.EqualFold(scheme, base.Scheme) || startsWithSlashes(rest) {
			return parseURL(ref)
		}
		ref = rest // "https:a" is relative.
	}
	if startsWithSlashes(ref) {
		return parseURL(base.Scheme + ":" + ref)
	}
	u := &url.URL{Scheme: base.Scheme, User: base.User, Host: base.Host}
	if ref, _ = cutAny(ref, "#"); ref == "" && base.RawQuery != "" {
		ref = "?" + base.RawQuery
	}
	return u, setPath(u, base.EscapedPath(), ref)
}

func isScheme(s string) bool {
	for i, c := range []byte(s) {
		isLetter := 'a' <= c|0x20 && c|0x20 <= 'z'
		if !isLetter && (i == 0 || (c < '0' || c > '9') && strings.IndexByte("+-.", c) < 0) {
			return false
		}
	}
	return s != ""
}

func startsWithSlashes(s string) bool {
	return len(s)-len(strings.TrimLeft(s, `/\`)) > 1
}

// tidy leaves out what does not count in an address.
func tidy(address string) string {
	address = strings.TrimFunc(address, func(r rune) bool { return r <= ' ' })
	return strings.NewReplacer("\t", "", "\n", "", "\r", "").Replace(address)
}

// cutAny cuts before the first of the characters.
func cutAny(s, chars string) (before, after string) {
	if i := strings.IndexAny(s, chars); i >= 0 {
		return s[:i], s[i:]
	}
	return s, ""
}

func userinfo(s string) *url.Userinfo {
	name, password, hasPassword := strings.Cut(s, ":")
	if name == "" && password == "" {
		return nil
	}
	if !hasPassword {
		return url.User(unescape(name))
	}
	return url.UserPassword(unescape(name), unescape(password))
}

// unescape decodes what is escaped well, and keeps the rest.
func unescape(s string) string {
	plain, err := url.PathUnescape(fixEscapes(s))
	if err != nil {
		return s
	}
	return plain
}

// fixEscapes escapes percent signs that begin no escape.
func fixEscapes(s string) string { return escape(s, "") }

// setPath sets path and query of what follows the host, or is relative to a path.
func setPath(u *url.URL, base, s string) error {
	s, _ = cutAny(s, "#")
	p, query := cutAny(s, "?")
	p = strings.ReplaceAll(p, `\`, "/")
	switch {
	case p == "" && base != "":
		p = base
	case !strings.HasPrefix(p, "/"):
		p = base[:strings.LastIndexByte(base, '/')+1] + p
	}
	u.ForceQuery = query == "?"
	u.RawQuery = escape(strings.TrimPrefix(query, "?"), ` "#<>'`)
	u.RawPath = escape(withoutDots(p), " \"#<>?^`{}|") // The bar would be fine, but not for the package url.
	var err error
	u.Path, err = url.PathUnescape(u.RawPath)
	return err
}

// withoutDots resolves the segments that are one or two dots.
func withoutDots(p string) string {
	segments := strings.Split(strings.TrimPrefix(p, "/"), "/")
	var kept []string
	for i, segment := range segments {
		dots := strings.ReplaceAll(strings.ToLower(segment), "%2e", ".")
		if dots == ".." && len(kept) > 0 {
			kept = kept[:len(kept)-1]
		}
		switch {
		case dots != "." && dots != "..":
			kept = append(kept, segment)
		case i == len(segments)-1:
			kept = append(kept, "")
		}
	}
	return "/" + strings.Join(kept, "/")
}

// escape percent-encodes controls, what is not ASCII, the given characters, and percent signs that
// begin no escape.
func escape(s, chars string) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if c < ' ' || c > '~' || strings.IndexByte(chars, c) >= 0 || c == '%' && !isEscape(s[i:]) {
			b.WriteString("%" + digits[c>>4:c>>4+1] + digits[c&15:c&15+1])
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}

func isEscape(s string) bool {
	return len(s) > 2 && isHex(s[1]) && isHex(s[2])
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f'
}

// profile is how the standard has host names mapped.
var profile = idna.New(idna.MapForLookup(), idna.Transitional(false), idna.StrictDomainName(false), idna.CheckHyphens(false), idna.CheckJoiners(true), idna.BidiRule())

// parseHost returns the host in its ASCII form, and the port if it is not the scheme's own.
func parseHost(s, scheme string) (string, error) {
	host, port, err := splitPort(s, scheme)
	if err != nil {
		return "", err
	}
	if inner, ok := strings.CutPrefix(host, "["); ok {
		ip, err := netip.ParseAddr(strings.TrimSuffix(inner, "]"))
		if err != nil || !ip.Is6() || ip.Zone() != "" || !strings.HasSuffix(inner, "]") {
			return "", errMalformed
		}
		return "[" + writeIPv6(ip) + "]" + port, nil
	}
	plain := unescape(host)
	host, err = profile.ToASCII(plain)
	if err != nil || !utf8.ValidString(plain) || strings.ContainsFunc(host, isForbidden) {
		return "", errMalformed
	}
	if host == "" {
		return "", errors.New("the URL has no host")
	}
	if host, err = parseIPv4(host); err != nil {
		return "", err
	}
	return host + port, nil
}

// isForbidden reports whether no domain has the character.
func isForbidden(r rune) bool {
	return r <= ' ' || r >= 0x7f || strings.ContainsRune(`#%/:<>?@[\]^|`, r)
}

func splitPort(s, scheme string) (host, port string, err error) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 || i < strings.LastIndexByte(s, ']') {
		return s, "", nil
	}
	host, port = s[:i], s[i+1:]
	if strings.ContainsFunc(port, func(r rune) bool { return r < '0' || r > '9' }) {
		return "", "", errMalformed
	}
	n, err := strconv.ParseUint(cmp.Or(strings.TrimLeft(port, "0"), "0"), 10, 16)
	switch {
	case err != nil:
		return "", "", errMalformed
	case port == "", scheme == "http" && n == 80, scheme == "https" && n == 443:
		return host, "", nil
	}
	return host, ":" + strconv.FormatUint(n, 10), nil
}

// writeIPv6 writes an IPv4 address in one as the standard does, in hexadecimal digits.
func writeIPv6(ip netip.Addr) string {
	if !ip.Is4In6() {
		return ip.String()
	}
	b := ip.As16()
	return "::ffff:" + strconv.FormatUint(uint64(b[12])<<8|uint64(b[13]), 16) + ":" + strconv.FormatUint(uint64(b[14])<<8|uint64(b[15]), 16)
}

// parseIPv4 reads a host whose last part is a number: it may have fewer than four parts, and octal and
// hexadecimal ones. Other hosts are returned as they are.
func parseIPv4(host string) (string, error) {
	parts := strings.Split(strings.TrimSuffix(host, "."), ".")
	last := parts[len(parts)-1]
	if _, err := parseNumber(last); err != nil && (last == "" || strings.Trim(last, "0123456789") != "") {
		return host, nil
	}
	if len(parts) > 4 {
		return "", errMalformed
	}
	var ip uint64
	for i, part := range parts {
		n, err := parseNumber(part)
		limit := uint64(1) << 8
		if i == len(parts)-1 {
			limit = 1 << (8 * (5 - len(parts)))
		}
		if err != nil || n >= limit {
			return "", errMalformed
		}
		if i == len(parts)-1 {
			ip |= n
		} else {
			ip |= n << (8 * (3 - i))
		}
	}
	return netip.AddrFrom4([4]byte{byte(ip >> 24), byte(ip >> 16), byte(ip >> 8), byte(ip)}).String(), nil
}

// parseNumber reads a part of an IPv4 address. "0x" is 0.
func parseNumber(s string) (uint64, error) {
	lower := strings.ToLower(s)
	digits, isHex := strings.CutPrefix(lower, "0x")
	switch {
	case strings.ContainsAny(s, "+-_"):
		return 0, strconv.ErrSyntax
	case isHex && digits == "":
		return 0, nil
	case isHex:
		return strconv.ParseUint(digits, 16, 64)
	case len(s) > 1 && s[0] == '0':
		return strconv.ParseUint(s[1:], 8, 64)
	}
	return strconv.ParseUint(s, 10, 64)
}
