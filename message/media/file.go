package media

import (
	"cmp"
	"net/http"
	"net/url"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"
)

// FileName makes a file name of any text, or of none, for a file of the given media type. It is safe on
// all systems, never empty, and ends in an extension that fits the type, if there is a usual one.
func FileName(title, contentType string) string {
	return nameOf(sanitize(title), "", "", declaredType(contentType))
}

// newFile finds out the name and the type of a file. The title is what somebody wrote about it, and
// perhaps no file name.
func newFile(data []byte, title string, header http.Header, u *url.URL) File {
	title = sanitize(title)
	sent := sanitize(lastElement(dispositionName(header.Get("Content-Disposition"))))
	last := sanitize(lastElement(u.Path))
	contentType := typeOf(data, header.Get("Content-Type"), []string{title, sent, last})
	return File{Name: nameOf(title, sent, last, contentType), ContentType: contentType, Data: data}
}

// nameOf makes a file name of the title, the name in the Content-Disposition header or the last
// element of the URL, in this order.
func nameOf(title, sent, last, contentType string) string {
	name := cmp.Or(title, sent, last, "file")
	ext := extension(name)
	if ext != "" && (title == "" && sent != "" || isExtensionOf(ext, contentType) ||
		title != "" && (strings.EqualFold(ext, extension(sent)) || strings.EqualFold(ext, extension(last)))) {
		return shorten(name, maxNameLen)
	}
	added := formatsByType[strings.ToLower(contentType)].extension()
	if e := extension(sent); isExtensionOf(e, contentType) || added == "" {
		added = e
	}
	if added == "" {
		added = extension(last)
	}
	if strings.EqualFold(added, ext) {
		return shorten(name, maxNameLen)
	}
	return shorten(name, maxNameLen-len(added)) + added
}

// isExtensionOf reports whether files of a type have this extension.
func isExtensionOf(ext, contentType string) bool {
	t := typesByExtension[strings.ToLower(ext)]
	return t != "" && (t == contentType || fits(t, contentType) || fits(contentType, t))
}

func lastElement(p string) string {
	return p[strings.LastIndexAny(p, `/\`)+1:]
}

// maxNameLen is in bytes. File systems accept 255, help desks often fewer.
const maxNameLen = 150

// sanitize makes a file name of any text. It is empty if nothing usable is left.
func sanitize(s string) string {
	if s == "" {
		return ""
	}
	s = strings.Map(safe, s)
	if strings.Contains(s, "  ") {
		s = strings.Join(strings.Fields(s), " ")
	}
	s = strings.Trim(s, ". ") // Hidden on Unix, forbidden on Windows.
	if strings.Trim(s, "_-. ") == "" {
		return ""
	}
	if stem, _, _ := strings.Cut(s, "."); isDevice(stem) {
		s = "_" + s
	}
	return s
}

// safe returns what stands for a character in a file name.
func safe(r rune) rune {
	switch {
	case 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9':
		return r
	case strings.ContainsRune(`/\:*?"<>|`, r):
		return '_'
	case r == utf8.RuneError || unicode.IsControl(r) || unicode.IsSpace(r):
		return ' '
	case unicode.Is(unicode.Bidi_Control, r): // They display "fdp.exe" as "exe.pdf".
		return -1
	}
	return r
}

// isDevice reports whether Windows reserves the name for a device, with any extension.
func isDevice(stem string) bool {
	stem = strings.ToUpper(strings.TrimSpace(stem))
	switch stem {
	case "CON", "PRN", "AUX", "NUL":
		return true
	}
	return len(stem) == 4 && (strings.HasPrefix(stem, "COM") || strings.HasPrefix(stem, "LPT")) && unicode.IsDigit(rune(stem[3]))
}

// extension returns the file extension of a name. It is empty if what follows the last dot does not
// look like one.
func extension(name string) string {
	ext := path.Ext(name)
	if len(ext) < 2 || ext == name || len(ext) > 6 && typesByExtension[strings.ToLower(ext)] == "" {
		return ""
	}
	letters := false
	for _, r := range ext[1:] {
		isLetter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
		if !isLetter && (r < '0' || r > '9') {
			return ""
		}
		letters = letters || isLetter
	}
	if !letters {
		return ""
	}
	return ext
}

// shorten truncates the stem of a name so that the whole has at most n bytes.
func shorten(name string, n int) string {
	if len(name) <= n {
		return name
	}
	ext := extension(name)
	stem := name[:n-len(ext)]
	for !utf8.ValidString(stem) {
		stem = stem[:len(stem)-1]
	}
	return strings.TrimRight(stem, ". ") + ext
}
