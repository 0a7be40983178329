package media_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/hitl-go/sdk/message/media"
)

// BenchmarkNewFile finds out the types and names of files.
func BenchmarkNewFile(b *testing.B) {
	for name, file := range map[string]struct{ path, title, contentType, disposition, head string }{
		"picture":  {"/photos/4711.png", "Photo", "image/png", "", png},
		"document": {"/files/4711", "", "application/octet-stream", `attachment; filename="Report May.docx"`, "PK\x03\x04"},
		"text":     {"/files/orders.csv", "", "text/csv; charset=utf-8", "", strings.Repeat("4711,Jane Doe,12.50\n", 26)},
		"film":     {"/d/film.mp4", "The film.mp4", "video/mp4", "", "\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom"},
		"unknown":  {"/d/x", "Something", "", `inline; filename*=UTF-8''R%C3%A9sum%C3%A9`, "\x00\x01"},
	} {
		b.Run(name, func(b *testing.B) {
			data := append([]byte(file.head), make([]byte, 64<<10)...)
			if name == "text" {
				data = []byte(strings.Repeat(file.head, 100))
			}
			header := http.Header{"Content-Type": {file.contentType}}
			if file.disposition != "" {
				header.Set("Content-Disposition", file.disposition)
			}
			u := &url.URL{Path: file.path}
			b.ReportAllocs()
			for b.Loop() {
				media.NewFile(data, file.title, header, u)
			}
		})
	}
}
