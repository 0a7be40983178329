package media

import (
	"io"
	"mime"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/html/charset"
)

// dispositionName returns the file name of a Content-Disposition header. RFC 6266 has the grammar, which
// many headers break: names lack quotes, or are encoded as those of mail. Browsers take these, too.
func dispositionName(header string) string {
	if header == "" {
		return ""
	}
	params := dispositionParams(header)
	if name := extendedValue(params["filename*"]); name != "" {
		return name
	}
	if name := continued(params); name != "" {
		return name
	}
	return plainValue(params["filename"])
}

// dispositionParams returns the parameters by their names in lower case. Of equal names the first counts.
func dispositionParams(header string) map[string]string {
	params := map[string]string{}
	for rest := header; rest != ""; {
		var name, value string
		end := strings.IndexAny(rest, ";=")
		if end < 0 {
			break
		}
		name, isParam := rest[:end], rest[end] == '='
		rest = rest[end+1:]
		if !isParam {
			continue
		}
		value, rest = dispositionValue(strings.TrimLeft(rest, " \t"))
		name = strings.ToLower(strings.TrimSpace(name))
		if _, known := params[name]; !known {
			params[name] = value
		}
	}
	return params
}

// dispositionValue cuts off a value and the semicolon after it.
func dispositionValue(s string) (value, rest string) {
	if !strings.HasPrefix(s, `"`) {
		value, rest, _ = strings.Cut(s, ";")
		value = strings.TrimSpace(value)
		if n := len(value); n > 1 && value[0] == '\'' && value[n-1] == '\'' {
			value = value[1 : n-1]
		}
		return value, rest
	}
	var b strings.Builder
	b.Grow(len(s))
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '"':
			_, rest, _ = strings.Cut(s[i:], ";")
			return b.String(), rest
		case s[i] == '\\' && (i+1 == len(s) || s[i+1] == '"' || s[i+1] == '\\'): // Others are those of a path.
			if i++; i < len(s) {
				b.WriteByte(s[i])
			}
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String(), ""
}

// extendedValue decodes what RFC 8187 describes: a charset, a language, percent-encoded bytes. It is
// empty if s is something else.
func extendedValue(s string) string {
	label, rest, ok := strings.Cut(s, "'")
	if !ok {
		return ""
	}
	_, encoded, ok := strings.Cut(rest, "'")
	if !ok {
		return ""
	}
	return decodeCharset(label, unescape(encoded))
}

// decodeCharset is empty if the bytes are not of that charset.
func decodeCharset(label, s string) string {
	encoding, name := charset.Lookup(label)
	switch {
	case encoding == nil:
		return ""
	case name == "utf-8":
		if !utf8.ValidString(s) {
			return ""
		}
		return s
	}
	decoded, err := encoding.NewDecoder().String(s)
	if err != nil || strings.ContainsRune(decoded, utf8.RuneError) {
		return ""
	}
	return decoded
}

// continued joins the parts of a name in several parameters, as RFC 2231 has them.
func continued(params map[string]string) string {
	var name strings.Builder
	for i := 0; ; i++ {
		key := "filename*" + strconv.Itoa(i)
		part, extended := params[key+"*"]
		switch plain, ok := params[key]; {
		case extended && i == 0:
			part = extendedValue(part)
		case extended:
			part = unescape(part)
		case ok:
			part = plain
		default:
			return name.String()
		}
		name.WriteString(part)
	}
}

var words = mime.WordDecoder{CharsetReader: func(label string, r io.Reader) (io.Reader, error) {
	return charset.NewReaderLabel(label, r)
}}

// plainValue decodes what names are not to be encoded with, but are.
func plainValue(s string) string {
	if !utf8.ValidString(s) {
		return decodeCharset("windows-1252", s)
	}
	s, err := words.DecodeHeader(s)
	if err != nil || strings.HasPrefix(s, "=?") { // What is left encoded is no name.
		return ""
	}
	if decoded, err := url.PathUnescape(s); err == nil && utf8.ValidString(decoded) {
		s = decoded
	}
	return s
}
