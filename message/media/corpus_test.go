package media_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/hitl-go/sdk/internal/corpus"
	"github.com/hitl-go/sdk/message/media"
)

// TestFiles compares what becomes of the types and names of files.
func TestFiles(t *testing.T) {
	for table, c := range map[string]struct {
		sent func(parts []string) sent
		got  func(media.File) string
	}{
		"types": {
			sent: func(p []string) sent { return sent{path: p[0], contentType: p[1], body: p[2]} },
			got:  func(f media.File) string { return f.ContentType },
		},
		"captions": {
			sent: func(p []string) sent { return sent{path: "download", title: p[0], contentType: p[1], body: p[2]} },
			got:  func(f media.File) string { return f.Name },
		},
		"names": {
			sent: func(p []string) sent { return sent{path: "fallback.pdf", disposition: p[0], body: "%PDF-1.7"} },
			got:  func(f media.File) string { return f.Name },
		},
	} {
		parts := 3
		if table == "names" {
			parts = 1
		}
		for _, kind := range corpus.Load(t, "testdata/"+table+".txt") {
			t.Run(kind.Name, func(t *testing.T) {
				for _, tt := range kind.Cases {
					got := c.got(c.sent(strings.SplitN(tt.In, "|", parts)).file())
					if got != tt.Want {
						t.Errorf("line %d: %q becomes %q, want %q", tt.Line, tt.In, got, tt.Want)
					}
				}
			})
		}
	}
}

// sent is a file as a server sends it.
type sent struct{ path, title, contentType, disposition, body string }

func (s sent) file() media.File {
	header := http.Header{"Content-Type": {s.contentType}}
	if s.disposition != "" {
		header.Set("Content-Disposition", s.disposition)
	}
	return media.NewFile([]byte(s.body), s.title, header, &url.URL{Path: "/" + s.path})
}

func TestAddresses(t *testing.T) {
	base, err := media.ParseURL("https://jane@shop.example/a/b?q#f")
	if err != nil {
		t.Fatal(err)
	}
	for table, parse := range map[string]func(string) (*url.URL, error){
		"addresses": media.ParseURL,
		"redirects": func(s string) (*url.URL, error) { return media.Resolve(base, s) },
	} {
		for _, kind := range corpus.Load(t, "testdata/"+table+".txt") {
			t.Run(kind.Name, func(t *testing.T) {
				for _, tt := range kind.Cases {
					got := "malformed"
					if u, err := parse(tt.In); err == nil {
						got = u.String()
					}
					if got != tt.Want {
						t.Errorf("line %d: %q becomes %q, want %q", tt.Line, tt.In, got, tt.Want)
					}
				}
			})
		}
	}
}
