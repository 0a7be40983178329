package message

import (
	"mime"
	"strings"
)

// Attachment makes the message for a file: an image, audio or video depending on its content type, such as
// "image/png", and a [File] otherwise. The result can also be an item of a [Bloc].
func Attachment(contentType, url, title string) BlocItem {
	kind, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		kind = strings.ToLower(contentType)
	}
	switch {
	case strings.HasPrefix(kind, "image/"):
		return Image{ImageURL: url, Title: title}
	case strings.HasPrefix(kind, "audio/"):
		return Audio{AudioURL: url, Title: title}
	case strings.HasPrefix(kind, "video/"):
		return Video{VideoURL: url, Title: title}
	}
	return File{FileURL: url, Title: title}
}

// Media returns the URL and the title of an image, audio, video or file message; the title may be empty. It
// reports false for all other messages.
func Media(m Message) (url, title string, ok bool) {
	v, err := value(m)
	if err != nil {
		return "", "", false
	}
	switch m := v.(type) {
	case Image:
		return m.ImageURL, m.Title, true
	case Audio:
		return m.AudioURL, m.Title, true
	case Video:
		return m.VideoURL, m.Title, true
	case File:
		return m.FileURL, m.Title, true
	default:
		return "", "", false
	}
}
