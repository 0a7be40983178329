package media

import (
	"mime"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const unknownType = "application/octet-stream"

// typeOf returns the media type of a file. The Content-Type headers of help desks and their storage
// are often wrong.
func typeOf(data []byte, header http.Header) string {
	declared, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil || isGeneric(declared) {
		declared = ""
	}
	sniffed, _, _ := strings.Cut(http.DetectContentType(data), ";")
	switch {
	case strings.HasPrefix(sniffed, "image/") || sniffed == "application/pdf": // Sniffing is reliable here.
		return sniffed
	case declared != "": // Sniffing cannot tell spreadsheets from zips, or audio from video.
		return declared
	default:
		return sniffed
	}
}

// isGeneric reports whether a type says nothing about the content.
func isGeneric(t string) bool {
	switch t {
	case unknownType, "binary/octet-stream", "application/force-download", "application/download", "application/x-download", "application/unknown":
		return true
	}
	return !strings.Contains(t, "/")
}

// nameOf makes a file name from the title, the Content-Disposition header or the URL, in this
// order.
func nameOf(title string, header http.Header, u *url.URL, contentType string) string {
	sent := ""
	if _, params, err := mime.ParseMediaType(header.Get("Content-Disposition")); err == nil {
		sent = lastElement(params["filename"])
	}
	candidates := []string{sanitize(title), sanitize(sent), sanitize(lastElement(u.Path)), "file"}
	name := candidates[slices.IndexFunc(candidates, func(s string) bool { return s != "" })]
	if extension(name) == "" {
		for _, ext := range []string{extension(candidates[1]), extensions[contentType], extension(candidates[2])} {
			if ext != "" {
				return shorten(name, maxNameLen-len(ext)) + ext
			}
		}
	}
	return shorten(name, maxNameLen)
}

func lastElement(p string) string {
	return p[strings.LastIndexAny(p, `/\`)+1:]
}

// maxNameLen is in bytes. File systems accept 255, help desks often fewer.
const maxNameLen = 150

// sanitize makes a file name of any text. It is empty if nothing usable is left.
func sanitize(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == utf8.RuneError || unicode.IsControl(r) || unicode.IsSpace(r):
			return ' '
		case unicode.Is(unicode.Bidi_Control, r): // They display "fdp.exe" as "exe.pdf".
			return -1
		case strings.ContainsRune(`/\:*?"<>|`, r):
			return '_'
		default:
			return r
		}
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	s = strings.Trim(s, ". ") // Hidden on Unix, forbidden on Windows.
	if strings.Trim(s, "_-. ") == "" {
		return ""
	}
	if stem, _, _ := strings.Cut(s, "."); isDevice(stem) {
		s = "_" + s
	}
	return s
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
	if len(ext) < 2 || len(ext) > 6 || ext == name {
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

// extensions are those of common files. The table of package mime depends on the system, and has
// several extensions for some types.
var extensions = map[string]string{
	"application/gzip":                               ".gz",
	"application/json":                               ".json",
	"application/msword":                             ".doc",
	"application/ogg":                                ".ogg",
	"application/pdf":                                ".pdf",
	"application/rtf":                                ".rtf",
	"application/vnd.ms-excel":                       ".xls",
	"application/vnd.ms-powerpoint":                  ".ppt",
	"application/vnd.oasis.opendocument.spreadsheet": ".ods",
	"application/vnd.oasis.opendocument.text":        ".odt",
	"application/vnd.openxmlformats-officedocument.presentationml.presentation": ".pptx",
	"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet":         ".xlsx",
	"application/vnd.openxmlformats-officedocument.wordprocessingml.document":   ".docx",
	"application/zip": ".zip",
	"audio/aac":       ".aac",
	"audio/amr":       ".amr",
	"audio/mp4":       ".m4a",
	"audio/mpeg":      ".mp3",
	"audio/ogg":       ".ogg",
	"audio/wav":       ".wav",
	"audio/wave":      ".wav",
	"audio/webm":      ".weba",
	"audio/x-wav":     ".wav",
	"image/bmp":       ".bmp",
	"image/gif":       ".gif",
	"image/heic":      ".heic",
	"image/jpeg":      ".jpg",
	"image/png":       ".png",
	"image/svg+xml":   ".svg",
	"image/tiff":      ".tiff",
	"image/webp":      ".webp",
	"text/calendar":   ".ics",
	"text/csv":        ".csv",
	"text/html":       ".html",
	"text/plain":      ".txt",
	"text/vcard":      ".vcf",
	"video/3gpp":      ".3gp",
	"video/mp4":       ".mp4",
	"video/quicktime": ".mov",
	"video/webm":      ".webm",
}
