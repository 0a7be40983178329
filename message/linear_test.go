package message_test

import (
	"strings"
	"testing"
	"time"

	"github.com/hitl-go/sdk/internal/racetest"
	"github.com/hitl-go/sdk/message"
)

// A megabyte of the worst that is known takes less than a second to write.
func TestLinearTime(t *testing.T) {
	if testing.Short() {
		t.Skip("a megabyte of each takes 12 s: the whole run has the time")
	}
	writers := map[string]func(string){
		"HTML":     func(s string) { message.ToHTML(message.Text{Text: s}) },
		"Markdown": func(s string) { message.ToMarkdown(message.Text{Text: s}) },
		"transcript": func(s string) {
			message.Transcript(t.Context(), said(s), &message.TranscriptOptions{Format: message.FormatMarkdown, Limit: 4096})
		},
		"pieces": func(s string) { message.Split(s, 4096, message.UTF16) },
	}
	for _, hostile := range []struct{ first, then string }{
		// What looks like the beginning of an address.
		{"", "http"},
		{"", "://"},
		{"", "http://"},
		{"", "https://https"},
		{"", "http://["},
		{"", "http://[::1"},
		{"", "http://[::1]"},
		{"", "http://|"},
		{"", "http://。"},
		{"", "http://."},
		{"", "http://?"},
		{"", "http:///"},
		{"http://", "/"},
		{"http://", "."},
		{"", "\u0301http://"},
		{"a", "\u0301"},
		{"", "__http://__ "},
		{"http://a/", "_"},
		{"____http://a/", "_"},
		// One long address.
		{"http://a/", "["},
		{"http://a/", "[]"},
		{"http://a/", "("},
		{"(http://a/", ")"},
		{"http://a/", "))(("},
		{"http://a/" + strings.Repeat("[{(", 100_000), ")}]"},
		{"http://", "@"},
		{"http://", "a."},
		{"http://a/", "谢"},
		{"http://a/", "\u200D"},
		{"http://a/谢", "\u200D"},
		{"http://a/", "👨\u200D"},
		{"http://a/", "\u0301"},
		{"http://a/", "·"},
		{"http://a/", "&a;"},
		{"http://a/", "%"},
		// Many addresses.
		{"", "http://a "},
		{"", "http://a\n"},
		{"", "(http://a)"},
		{"", "http://a/。"},
		{"", "http://a/\u200B"},
		{"", "谢http://a/[b]，"},
		{"", "[http://a](http://a)"},
		{"http://a/", "|http://a/"},
		{"http://a/", "|http:/"},
	} {
		for name, write := range writers {
			const size, most = 1 << 20 / racetest.Slowdown, time.Second * racetest.Slowdown
			text := hostile.first + strings.Repeat(hostile.then, size/len(hostile.then))
			start := time.Now()
			write(text)
			took := time.Since(start)
			if took > most { // Another process may have been in the way.
				took = fastestOf(func() { write(text) })
			}
			if took > most {
				t.Errorf("%s of %.40q and then %q: %d KiB take %v", name, hostile.first, hostile.then, size>>10, took)
			}
		}
	}
}
