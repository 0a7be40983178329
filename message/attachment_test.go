package message_test

import (
	"testing"

	"github.com/hitl-go/sdk/message"
)

func TestAttachment(t *testing.T) {
	const url, title = "https://example.com/a", "A"
	for contentType, want := range map[string]message.Message{
		"image/png":                 message.Image{ImageURL: url, Title: title},
		"IMAGE/PNG":                 message.Image{ImageURL: url, Title: title},
		"audio/ogg; codecs=opus":    message.Audio{AudioURL: url, Title: title},
		"video/mp4":                 message.Video{VideoURL: url, Title: title},
		"application/pdf":           message.File{FileURL: url, Title: title},
		"text/plain; charset=utf-8": message.File{FileURL: url, Title: title},
		"imagery":                   message.File{FileURL: url, Title: title},
		"":                          message.File{FileURL: url, Title: title},
	} {
		got := message.Attachment(contentType, url, title)
		if got != want {
			t.Errorf("%q is %#v, want %#v", contentType, got, want)
		}
		if u, name, ok := message.Media(got); u != url || name != title || !ok {
			t.Errorf("Media(%#v) = %q, %q, %v", got, u, name, ok)
		}
	}
	image := &message.Image{ImageURL: url}
	if u, _, ok := message.Media(image); u != url || !ok {
		t.Errorf("Media of a pointer = %q, %v", u, ok)
	}
	for _, m := range []message.Message{nil, message.Text{Text: "hi"}, message.Bloc{}, (*message.Image)(nil)} {
		if _, _, ok := message.Media(m); ok {
			t.Errorf("%#v counts as media", m)
		}
	}
}
