package media

import (
	"bytes"
	"cmp"
	"errors"
	"mime"
	"net/http"
	"slices"
	"strings"
)

const (
	unknownType = "application/octet-stream"
	htmlType    = "text/html"

	// These have no registered name, and are reported as unknown.
	compoundFile = "compound file" // Of Office before 2007, and of encrypted documents.
	otherBoxes   = "other boxes"   // ISO base media of a brand that is not in brands.
)

// typeOf returns the media type of a file. The bytes decide. Where they show only a container, the
// Content-Type header and the extensions of the names say what is in it, if it can be. The headers of
// help desks and their storage are often wrong.
func typeOf(data []byte, contentType string, names []string) string {
	sniffed := sniff(data)
	if sniffed == "application/pdf" || strings.HasPrefix(sniffed, "image/") && sniffed != "image/heif" { // These hold nothing else.
		return sniffed
	}
	declared := declaredType(contentType)
	t := sniffed
	if fits(declared, sniffed) || sniffed == unknownType && declared != "" && declared != "text/plain" { // Servers call text what they do not know.
		t = declared
	}
	if t == htmlType && declared == t {
		return t
	}
	for _, name := range names {
		named := typesByExtension[strings.ToLower(extension(name))]
		if named == t {
			break
		}
		if named != htmlType && fits(named, t) { // A name must not make a page of a text.
			return named
		}
	}
	if t == compoundFile || t == otherBoxes {
		return unknownType
	}
	return t
}

// declaredType reads a Content-Type header. It is empty if the header says nothing about the content.
func declaredType(header string) string {
	t, _, err := mime.ParseMediaType(header)
	if err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter) || isGeneric(t) {
		return ""
	}
	return registered(t)
}

// isGeneric reports whether a type says nothing about the content.
func isGeneric(t string) bool {
	switch t {
	case unknownType, "binary/octet-stream", "application/force-download", "application/download", "application/x-download", "application/unknown":
		return true
	}
	return !strings.Contains(t, "/")
}

// registered returns IANA's name of a type in lower case.
func registered(t string) string {
	return cmp.Or(aliases[t], formatsByType[t].contentType, t)
}

// fits reports whether a file of a type can look as the bytes of sniffed do.
func fits(t, sniffed string) bool {
	f, known := formatsByType[strings.ToLower(t)]
	switch {
	case known:
		return slices.Contains(f.in, sniffed)
	case sniffed == "application/zip":
		return strings.HasSuffix(t, "+zip") || strings.HasPrefix(t, "application/vnd.openxmlformats-officedocument.") ||
			strings.HasPrefix(t, "application/vnd.oasis.opendocument.")
	}
	return t != "" && slices.Contains(text, sniffed)
}

// sniff returns the type that the bytes show.
func sniff(data []byte) string {
	t, _, _ := strings.Cut(http.DetectContentType(data), ";")
	switch t {
	case "text/plain", htmlType, "text/xml", "application/pdf", "application/postscript":
		return t
	case unknownType, "video/mp4":
		return sniffContainer(data, t)
	case "application/ogg":
		return sniffOgg(data)
	}
	if !isBinary(data) { // The package http takes "BMW" for a picture, and "ID3 tags" for music.
		return "text/plain"
	}
	return registered(t)
}

// sniffContainer knows containers that the package http does not know, or not well.
func sniffContainer(data []byte, otherwise string) string {
	switch {
	case bytes.HasPrefix(data, []byte("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")):
		return compoundFile
	case len(data) < 12 || string(data[4:8]) != "ftyp":
		return otherwise
	}
	brand := string(data[8:12])
	for _, b := range brands {
		if strings.HasPrefix(brand, b.prefix) {
			return b.contentType
		}
	}
	if otherwise == unknownType {
		return otherBoxes
	}
	return otherwise
}

// brands are what the major brands of ISO base media begin with.
var brands = []struct{ prefix, contentType string }{
	{"3g2", "video/3gpp2"},
	{"3gp", "video/3gpp"},
	{"M4A ", "audio/mp4"},
	{"M4B ", "audio/mp4"},
	{"M4V ", "video/mp4"},
	{"avc1", "video/mp4"},
	{"avif", "image/avif"},
	{"heic", "image/heic"},
	{"heix", "image/heic"},
	{"iso", "video/mp4"},
	{"mif1", "image/heif"},
	{"mp4", "video/mp4"},
	{"qt  ", "video/quicktime"},
}

// sniffOgg looks at the first packet.
func sniffOgg(data []byte) string {
	const segments = 26 // Where their number is; then come their lengths.
	if len(data) <= segments || len(data) < segments+1+int(data[segments]) {
		return "application/ogg"
	}
	packet := data[segments+1+int(data[segments]):]
	for _, codec := range []string{"OpusHead", "\x01vorbis", "Speex   ", "\x7fFLAC"} {
		if bytes.HasPrefix(packet, []byte(codec)) {
			return "audio/ogg"
		}
	}
	if bytes.HasPrefix(packet, []byte("\x80theora")) {
		return "video/ogg"
	}
	return "application/ogg"
}

// isBinary reports whether the beginning has bytes that no text has.
func isBinary(data []byte) bool {
	for _, b := range data[:min(len(data), 512)] {
		if b < ' ' && !strings.ContainsRune("\t\n\f\r\x1b", rune(b)) {
			return true
		}
	}
	return false
}
