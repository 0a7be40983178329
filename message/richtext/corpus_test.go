package richtext_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hitl-go/sdk/internal/corpus"
	"github.com/hitl-go/sdk/message/richtext"
)

// tables are the corpus, and the options with which each of its tables is converted.
var tables = map[string]*richtext.Options{
	"testdata/text.txt":     nil,
	"testdata/cut.txt":      {CutQuotes: true},
	"testdata/pictures.txt": {SkipImage: func(src string) bool { return strings.HasPrefix(src, "https://desk.example/attachments/") }},
}

func TestCorpus(t *testing.T) {
	for path, opts := range tables {
		for _, kind := range corpus.Load(t, path) {
			t.Run(kind.Name, func(t *testing.T) {
				for _, c := range kind.Cases {
					if diff := cmp.Diff(c.Want, richtext.Text(c.In, opts)); diff != "" {
						t.Errorf("%s:%d: %s\n(-want +got)\n%s", path, c.Line, c.In, diff)
					}
				}
			})
		}
	}
}
