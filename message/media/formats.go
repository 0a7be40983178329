package media

import "strings"

// format is a media type, as IANA registers it, with the extensions of its files. The first one is
// added to names. In are the types for which its files can be taken when only their bytes are known.
type format struct {
	contentType, extensions string
	in                      []string
}

var (
	ownSignature = []string{}
	unsniffed    = []string{unknownType}
	text         = []string{"text/plain", htmlType, "text/xml"}
	zipped       = []string{"application/zip"}
	compound     = []string{compoundFile}
	office       = []string{"application/zip", compoundFile} // Encrypted, it is a compound file.
	ogg          = []string{"application/ogg"}
	boxes        = []string{"video/mp4", otherBoxes}
	matroska     = []string{"video/webm"}
)

// formats are those of common files. The table of package mime depends on the system, and has
// several extensions for some types.
var formats = []format{
	{"application/gzip", "gz tgz", ownSignature},
	{"application/json", "json", text},
	{"application/msword", "doc dot", compound},
	{"application/ogg", "ogg ogx", ownSignature},
	{"application/pdf", "pdf", ownSignature},
	{"application/rtf", "rtf", text},
	{"application/vnd.rar", "rar", ownSignature},
	{"application/x-7z-compressed", "7z", unsniffed},
	{"application/x-tar", "tar", unsniffed},
	{"application/xml", "xml", text},
	{"application/yaml", "yaml yml", text},
	{"application/zip", "zip", ownSignature},

	{"application/epub+zip", "epub", zipped},
	{"application/vnd.android.package-archive", "apk", zipped},
	{"application/vnd.apple.keynote", "key", zipped},
	{"application/vnd.apple.numbers", "numbers", zipped},
	{"application/vnd.apple.pages", "pages", zipped},
	{"application/vnd.google-earth.kmz", "kmz", zipped},
	{"application/vnd.ms-excel", "xls xlt", compound},
	{"application/vnd.ms-excel.sheet.binary.macroEnabled.12", "xlsb", office},
	{"application/vnd.ms-excel.sheet.macroEnabled.12", "xlsm", office},
	{"application/vnd.ms-outlook", "msg", compound},
	{"application/vnd.ms-powerpoint", "ppt pps pot", compound},
	{"application/vnd.ms-powerpoint.presentation.macroEnabled.12", "pptm", office},
	{"application/vnd.ms-word.document.macroEnabled.12", "docm", office},
	{"application/vnd.oasis.opendocument.graphics", "odg", zipped},
	{"application/vnd.oasis.opendocument.presentation", "odp", zipped},
	{"application/vnd.oasis.opendocument.spreadsheet", "ods", zipped},
	{"application/vnd.oasis.opendocument.text", "odt", zipped},
	{"application/vnd.openxmlformats-officedocument.presentationml.presentation", "pptx", office},
	{"application/vnd.openxmlformats-officedocument.presentationml.slideshow", "ppsx", office},
	{"application/vnd.openxmlformats-officedocument.presentationml.template", "potx", office},
	{"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx", office},
	{"application/vnd.openxmlformats-officedocument.spreadsheetml.template", "xltx", office},
	{"application/vnd.openxmlformats-officedocument.wordprocessingml.document", "docx", office},
	{"application/vnd.openxmlformats-officedocument.wordprocessingml.template", "dotx", office},
	{"application/vnd.visio", "vsd", compound},

	{"audio/3gpp", "3ga", append([]string{"video/3gpp"}, boxes...)},
	{"audio/aac", "aac", unsniffed},
	{"audio/amr", "amr", unsniffed},
	{"audio/flac", "flac", unsniffed},
	{"audio/matroska", "mka", matroska},
	{"audio/midi", "mid midi", ownSignature},
	{"audio/mp4", "m4a m4b", boxes},
	{"audio/mpeg", "mp3", unsniffed},
	{"audio/ogg", "ogg oga opus spx", ogg},
	{"audio/vnd.wave", "wav", ownSignature},
	{"audio/webm", "weba", matroska},

	{"image/avif", "avif", append([]string{"image/heif"}, boxes...)},
	{"image/bmp", "bmp", ownSignature},
	{"image/gif", "gif", ownSignature},
	{"image/heic", "heic", append([]string{"image/heif"}, boxes...)},
	{"image/heif", "heif", boxes},
	{"image/jpeg", "jpg jpeg jpe jfif", ownSignature},
	{"image/png", "png", ownSignature},
	{"image/svg+xml", "svg", text},
	{"image/tiff", "tiff tif", unsniffed},
	{"image/vnd.microsoft.icon", "ico", ownSignature},
	{"image/webp", "webp", ownSignature},

	{"message/rfc822", "eml", text},
	{"text/calendar", "ics", text},
	{"text/css", "css", text},
	{"text/csv", "csv", text},
	{htmlType, "html htm", text},
	{"text/javascript", "js mjs", text},
	{"text/markdown", "md markdown", text},
	{"text/plain", "txt bat c cfg conf cpp cs diff go h ini java log patch php py rb sh sql srt tex toml ts", text},
	{"text/tab-separated-values", "tsv", text},
	{"text/vcard", "vcf", text},
	{"text/vtt", "vtt", text},
	{"text/xml", "", text},

	{"video/3gpp", "3gp", boxes},
	{"video/3gpp2", "3g2", boxes},
	{"video/matroska", "mkv", matroska},
	{"video/mp4", "mp4 m4v", ownSignature},
	{"video/mpeg", "mpg mpeg", unsniffed},
	{"video/ogg", "ogv", ogg},
	{"video/quicktime", "mov qt", append([]string{unknownType}, boxes...)}, // Old ones have no brand.
	{"video/vnd.avi", "avi", ownSignature},
	{"video/webm", "webm", ownSignature},
}

// aliases are common names of types that have a registered one.
var aliases = map[string]string{
	"application/csv":              "text/csv",
	"application/x-gzip":           "application/gzip",
	"application/x-pdf":            "application/pdf",
	"application/x-rar":            "application/vnd.rar",
	"application/x-rar-compressed": "application/vnd.rar",
	"application/x-rtf":            "application/rtf",
	"application/x-yaml":           "application/yaml",
	"application/x-zip":            "application/zip",
	"application/x-zip-compressed": "application/zip",
	"audio/m4a":                    "audio/mp4",
	"audio/mp3":                    "audio/mpeg",
	"audio/opus":                   "audio/ogg", // Registered for RTP, not for files.
	"audio/wav":                    "audio/vnd.wave",
	"audio/wave":                   "audio/vnd.wave",
	"audio/x-flac":                 "audio/flac",
	"audio/x-m4a":                  "audio/mp4",
	"audio/x-matroska":             "audio/matroska",
	"audio/x-mp3":                  "audio/mpeg",
	"audio/x-mpeg":                 "audio/mpeg",
	"audio/x-wav":                  "audio/vnd.wave",
	"image/jpg":                    "image/jpeg",
	"image/pjpeg":                  "image/jpeg",
	"image/svg":                    "image/svg+xml",
	"image/tif":                    "image/tiff",
	"image/x-icon":                 "image/vnd.microsoft.icon",
	"image/x-ms-bmp":               "image/bmp",
	"image/x-png":                  "image/png",
	"text/comma-separated-values":  "text/csv",
	"text/directory":               "text/vcard",
	"text/x-csv":                   "text/csv",
	"text/x-markdown":              "text/markdown",
	"text/x-vcalendar":             "text/calendar",
	"text/x-vcard":                 "text/vcard",
	"text/x-yaml":                  "application/yaml",
	"text/yaml":                    "application/yaml",
	"video/avi":                    "video/vnd.avi",
	"video/x-m4v":                  "video/mp4",
	"video/x-matroska":             "video/matroska",
	"video/x-msvideo":              "video/vnd.avi",
}

var (
	formatsByType    = map[string]format{} // By lower-case type.
	typesByExtension = map[string]string{} // With the dot. An extension that is there twice stands for the later one.
)

func init() {
	for _, f := range formats {
		formatsByType[strings.ToLower(f.contentType)] = f
		for ext := range strings.FieldsSeq(f.extensions) {
			typesByExtension["."+ext] = f.contentType
		}
	}
}

// extension returns what a format's files end in, or nothing.
func (f format) extension() string {
	first, _, _ := strings.Cut(f.extensions, " ")
	if first == "" {
		return ""
	}
	return "." + first
}
