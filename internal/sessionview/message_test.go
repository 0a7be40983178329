package sessionview_test

import (
	"strings"
	"testing"

	"github.com/hitl-go/sdk/internal/sessionview"
)

func TestClean(t *testing.T) {
	for name, tc := range map[string]struct{ in, want string }{
		"a text":            {"Grüße 👋", "Grüße 👋"},
		"lines":             {" one\r\n\ttwo\u2028three ", "one two three"},
		"colours":           {"\x1b[31mred\x1b]0;title\x07", "[31mred ]0;title"},
		"another direction": {"a\u202eb\u200bc", "a b c"},
		"not UTF-8":         {"a\xffb", "a\ufffdb"},
		"short enough":      {strings.Repeat("é", 200), strings.Repeat("é", 200)},
		"too long":          {strings.Repeat("é", 201), strings.Repeat("é", 200) + "…"},
	} {
		if got := sessionview.Clean(tc.in); got != tc.want {
			t.Errorf("%s: got %q, want %q", name, got, tc.want)
		}
	}
}
