package message_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/hitl-go/sdk/message"
)

const jane = "user_01"

func nameOf(_ context.Context, userID string) (string, error) {
	if userID == jane {
		return "Jane Patient", nil
	}
	return "", errors.New("no such user")
}

// said makes turns of Jane, and of the bot if a text begins with "bot:".
func said(texts ...string) []message.Turn {
	turns := make([]message.Turn, len(texts))
	for i, text := range texts {
		turns[i] = message.Turn{UserID: jane, Message: message.Text{Text: text}}
		if text, ok := strings.CutPrefix(text, "bot:"); ok {
			turns[i] = message.Turn{Message: message.Text{Text: text}}
		}
	}
	return turns
}

func TestTranscript(t *testing.T) {
	history := append(said("Hello", "Bot:\n  I owe you *100* €", "bot:Which of <them>?"),
		message.Turn{UserID: jane, Message: message.Bloc{Items: []message.BlocItem{
			message.Image{ImageURL: "https://example.com/1.png", Title: "This"}, message.Markdown{Markdown: "# And\n\nthat"},
		}}},
		message.Turn{UserID: "user_02", Message: message.Text{Text: "Hi"}},
		message.Turn{UserID: "user_02", Message: message.Text{}},
		message.Turn{UserID: "user_02"},
		message.Turn{UserID: "user_02", Message: (*message.Text)(nil)},
		message.Turn{UserID: "user_03", Message: &message.Text{Text: "Me too"}},
	)
	for _, tt := range []struct {
		format message.Format
		want   string
	}{
		{message.FormatText, `Jane Patient:
  Hello

  Bot:
    I owe you *100* €

Bot:
  Which of <them>?

Jane Patient:
  Image: This <https://example.com/1.png>

  # And

  that

User:
  Hi

User:
  Me too`},
		{message.FormatMarkdown, `### Jane Patient

> Hello

> Bot:` + "  " + `
> I owe you \*100\* €

### Bot

> Which of \<them>?

### Jane Patient

> Image: [This](https://example.com/1.png)
>
> # And
>
> that

### User

> Hi

### User

> Me too`},
		{message.FormatHTML, `<h3 dir="auto">Jane Patient</h3>
<blockquote><p dir="auto">Hello</p></blockquote>
<blockquote><p dir="auto">Bot:<br>  I owe you *100* €</p></blockquote>
<h3 dir="auto">Bot</h3>
<blockquote><p dir="auto">Which of &lt;them&gt;?</p></blockquote>
<h3 dir="auto">Jane Patient</h3>
<blockquote><p dir="auto">Image: <a href="https://example.com/1.png">This</a></p><p dir="auto"># And<br><br>that</p></blockquote>
<h3 dir="auto">User</h3>
<blockquote><p dir="auto">Hi</p></blockquote>
<h3 dir="auto">User</h3>
<blockquote><p dir="auto">Me too</p></blockquote>`},
	} {
		opts := &message.TranscriptOptions{Format: tt.format, Name: nameOf}
		got := message.Transcript(t.Context(), history, opts)
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("format %d (-want +got):\n%s", tt.format, diff)
		}
		if diff := cmp.Diff([]string{got}, message.TranscriptParts(t.Context(), history, opts)); diff != "" {
			t.Errorf("format %d: without a limit the only part is the whole (-want +got):\n%s", tt.format, diff)
		}
	}
}

func TestTranscriptOfNothing(t *testing.T) {
	for _, history := range [][]message.Turn{nil, {{}}, said("", " \n")} {
		if got := message.Transcript(t.Context(), history, nil); got != "" {
			t.Errorf("Transcript(%v) = %q", history, got)
		}
		if got := message.TranscriptParts(t.Context(), history, &message.TranscriptOptions{Limit: 10}); len(got) != 0 {
			t.Errorf("TranscriptParts(%v) = %q", history, got)
		}
	}
}

func TestTranscriptInOtherWords(t *testing.T) {
	history := append(said("bot:Bonjour, comment allez-vous aujourd'hui ?", "bot:Bonsoir"), message.Turn{UserID: "user_02", Message: message.Image{ImageURL: "https://example.com"}})
	got := message.Transcript(t.Context(), history, &message.TranscriptOptions{
		Format: message.FormatMarkdown,
		Limit:  105,
		Words: message.Words{
			Bot: "Robot <3", User: "Client\n*", Image: "Photo",
			LeftOut: func(n int) string { return fmt.Sprintf("%d message(s) plus tôt", n) },
		},
	})
	want := `*1 message(s) plus tôt*

### Robot \<3

> Bonsoir

### Client \*

> Photo: <https://example.com>`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestNamesAreFitForAHeading(t *testing.T) {
	for _, tt := range []struct{ name, want string }{
		{"  Jane\r\n\tPatient ", "Jane Patient"},
		{"\u202Eenaj\u2066", "enaj"},
		{"a\x00b", "a\uFFFDb"},
		{" \n", "User"},
		{"bOT", "User"},
		{"Bot\u200b", "User"},
		{"\u2060B\u00ado\ufe0ft", "User"},
		{"Bo T", "Bo T"},
		{strings.Repeat("é", 300), strings.Repeat("é", 200)},
		{strings.Repeat("e\u0301", 300), strings.Repeat("e\u0301", 100)},
		{"x" + strings.Repeat("e\u0301", 300), "x" + strings.Repeat("e\u0301", 99)}, // The 200th rune is half a character.
		{strings.Repeat("\u0301", 300), strings.Repeat("\u0301", 200)},
	} {
		got := message.Transcript(t.Context(), said("Hi"), &message.TranscriptOptions{
			Name: func(context.Context, string) (string, error) { return tt.name, nil },
		})
		if want := tt.want + ":\n  Hi"; got != want {
			t.Errorf("%q: got %q, want %q", tt.name, got, want)
		}
	}
}

func TestNamesAreAskedOnceAndInParallel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var history []message.Turn
		for i := range 1050 {
			history = append(history, message.Turn{UserID: fmt.Sprint("user_", i%150), Message: message.Text{Text: "Hi"}})
		}
		var mu sync.Mutex
		calls := map[string]int{}
		now, most := 0, 0
		start := time.Now()
		got := message.Transcript(t.Context(), history, &message.TranscriptOptions{
			Name: func(_ context.Context, id string) (string, error) {
				mu.Lock()
				calls[id]++
				now++
				most = max(most, now)
				mu.Unlock()
				<-time.After(100 * time.Millisecond)
				mu.Lock()
				defer mu.Unlock()
				now--
				return "Name of " + id, nil
			},
		})
		if took := time.Since(start); took != 1300*time.Millisecond {
			t.Errorf("took %v, want 1.3s: 100 names, 8 at a time", took)
		}
		if most != 8 || len(calls) != 100 {
			t.Errorf("%d calls at a time for %d people, want 8 for 100", most, len(calls))
		}
		for id, n := range calls {
			if n != 1 {
				t.Errorf("%s asked for %d times", id, n)
			}
		}
		if calls["user_50"] != 1 || calls["user_49"] != 0 {
			t.Errorf("asked for %v, want the latest 100", calls)
		}
		if !strings.Contains(got, "Name of user_149:\n") || !strings.Contains(got, "\nUser:\n") {
			t.Error("a name, or its replacement, is missing")
		}
	})
}

func TestNamesNeverFailATranscript(t *testing.T) {
	for _, tt := range []struct {
		name string
		find func(context.Context, string) (string, error)
		took time.Duration
	}{
		{"error", func(context.Context, string) (string, error) { return "half a na", errors.New("no") }, 0},
		{"empty", func(context.Context, string) (string, error) { return "", nil }, 0},
		{"panic", func(context.Context, string) (string, error) { panic("no") }, 0},
		{"slow", func(ctx context.Context, _ string) (string, error) { <-ctx.Done(); return "late", ctx.Err() }, 5 * time.Second},
		{"deaf", func(context.Context, string) (string, error) { <-time.After(time.Hour); return "very late", nil }, 5 * time.Second},
		{"none", nil, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			got := message.Transcript(t.Context(), said("Hi", "bot:Hello"), &message.TranscriptOptions{Name: tt.find})
			if took := time.Since(start); took != tt.took {
				t.Errorf("%s: took %v, want %v", tt.name, took, tt.took)
			}
			if want := "User:\n  Hi\n\nBot:\n  Hello"; got != want {
				t.Errorf("%s: got %q, want %q", tt.name, got, want)
			}
			<-time.After(time.Hour) // Until the call that ignores its context has ended.
		})
	}
}

// A slow lookup does not affect the other names. With a cancelled context there is no wait.
func TestNamesInTimeAreUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		history := append(said("Hi"), message.Turn{UserID: "slow", Message: message.Text{Text: "Ho"}})
		find := func(ctx context.Context, id string) (string, error) {
			if id == "slow" {
				<-ctx.Done()
			}
			return nameOf(ctx, id)
		}
		want := "Jane Patient:\n  Hi\n\nUser:\n  Ho"
		if got := message.Transcript(t.Context(), history, &message.TranscriptOptions{Name: find}); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		start := time.Now()
		message.Transcript(ctx, history, &message.TranscriptOptions{
			Name: func(context.Context, string) (string, error) {
				t.Error("asked with a context that had ended")
				return "", nil
			},
		})
		synctest.Wait()
		if took := time.Since(start); took != 0 {
			t.Errorf("took %v with a context that had ended", took)
		}
	})
}

func TestLimit(t *testing.T) {
	history := said("one", "bot:two", "three", "four")
	for _, tt := range []struct {
		limit int
		want  string
	}{
		{0, "Jane Patient:\n  one\n\nBot:\n  two\n\nJane Patient:\n  three\n\n  four"},
		{62, "Jane Patient:\n  one\n\nBot:\n  two\n\nJane Patient:\n  three\n\n  four"},
		{61, "[2 earlier messages left out]\n\nJane Patient:\n  three\n\n  four"},
		{60, "[2 earlier messages left out]\n\nJane Patient:\n  three\n\n  four"},
		{59, "[3 earlier messages left out]\n\nJane Patient:\n  four"},
		{51, "[3 earlier messages left out]\n\nJane Patient:\n  four"},
		{50, "Jane Patient:\n  four"},
		{20, "Jane Patient:\n  four"},
		{19, "  four"}, // Rather than the name and "…", which is three bytes long.
		{6, "  four"},
		{5, "four"},
		{3, "fou"},
		{1, "f"},
		{-1, "Jane Patient:\n  one\n\nBot:\n  two\n\nJane Patient:\n  three\n\n  four"},
	} {
		got := message.Transcript(t.Context(), history, &message.TranscriptOptions{Limit: tt.limit, Name: nameOf})
		if got != tt.want {
			t.Errorf("limit %d\n got %q\nwant %q", tt.limit, got, tt.want)
		}
	}
}

func TestParts(t *testing.T) {
	history := said("one", "bot:two", "a message longer than one part", "four")
	for _, tt := range []struct {
		limit int
		want  []string
	}{
		{37, []string{
			"Jane Patient:\n  one\n\nBot:\n  two",
			"Jane Patient:\n  a message longer than",
			"Jane Patient:\n  one part",
			"Jane Patient:\n  four",
		}},
		{14, []string{"  one", "Bot:\n  two", "  a message", "  longer than", "  one part", "  four"}},
	} {
		got := message.TranscriptParts(t.Context(), history, &message.TranscriptOptions{Limit: tt.limit, Name: nameOf})
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("limit %d (-want +got):\n%s", tt.limit, diff)
		}
	}
}

// hard are histories that are difficult to truncate.
func hard() map[string][]message.Turn {
	var many []message.Turn
	for i := range 10_000 {
		many = append(many, said([]string{"Hello", "bot:Hi", "What is up?"}[i%3])...)
	}
	var types []message.Turn
	for _, m := range all() {
		types = append(types, message.Turn{UserID: jane, Message: m})
	}
	return map[string][]message.Turn{
		"10,000 messages":      many,
		"all types":            types,
		"one long message":     said("bot:Before", strings.Repeat("A word of many. ", 300)),
		"one long word":        said(strings.Repeat("word", 200)),
		"one long line of <":   said(strings.Repeat("<", 500)),
		"emoji with joiners":   said(strings.Repeat("👨‍👩‍👧‍👦👍🏽🏴󠁧󠁢󠁳󠁣󠁴󠁿🇨🇭❤️", 40)),
		"right to left":        said(strings.Repeat("שלום לכולם، مرحبا بالجميع ", 40), "bot:\u202Eabc\u202C \u200Fdef"),
		"CRLF":                 said(strings.Repeat("a\r\nb\r\r\nc\n", 150)),
		"zero width":           said(strings.Repeat("\u200B\u200C\uFEFF\u2060", 100)),
		"control characters":   said(strings.Repeat("\x00\x1b[31m\x7f\u0085\a", 100)),
		"accents upon accents": said("Z" + strings.Repeat("\u0351\u0334", 300)),
		"broken UTF-8":         said(strings.Repeat("\xff\xc3\x28\xed\xa0\x80", 100)),
		"URLs":                 said(strings.Repeat("https://example.com/a_(b)?c=d&e=*f* ", 40)),
		"line starts":          said(strings.Repeat("# a\n- b\n1. c\n    d\n---\n", 60)),
	}
}

func TestHardLimits(t *testing.T) {
	units := map[string]message.Unit{"bytes": message.Bytes, "runes": message.Runes, "UTF-16": message.UTF16}
	for name, history := range hard() {
		for unitName, unit := range units {
			for format := range message.FormatHTML + 1 {
				for _, limit := range []int{1, 7, 12, 40, 160, 4096} {
					if len(history) > 1000 && limit < 4096 {
						continue // Ten thousand tiny parts prove nothing more.
					}
					opts := &message.TranscriptOptions{Format: format, Limit: limit, Unit: unit, Name: nameOf}
					t.Run(fmt.Sprintf("%s/%d %s/format %d", name, limit, unitName, format), func(t *testing.T) {
						checkTranscript(t, history, opts)
						if format == message.FormatText && limit >= 4 { // The longest rune has four bytes.
							checkNothingLost(t, history, opts)
						}
					})
				}
			}
		}
	}
}

// checkTranscript checks the invariants of every history and limit.
func checkTranscript(t *testing.T, history []message.Turn, opts *message.TranscriptOptions) {
	t.Helper()
	whole := message.Transcript(t.Context(), history, &message.TranscriptOptions{Format: opts.Format, Name: opts.Name})
	fitted := message.Transcript(t.Context(), history, opts)
	parts := message.TranscriptParts(t.Context(), history, opts)
	for _, s := range append(parts, fitted) {
		if n := opts.Unit.Len(s); n > opts.Limit {
			t.Errorf("%d units, limit %d: %q", n, opts.Limit, s)
		}
		if !utf8.ValidString(s) {
			t.Errorf("broken UTF-8: %q", s)
		}
		if strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }) {
			t.Errorf("control characters: %q", s)
		}
		if s != strings.TrimRight(s, " \n") {
			t.Errorf("ends in blanks: %q", s)
		}
		if opts.Format == message.FormatHTML {
			checkHTML(t, s)
		}
	}
	if opts.Unit.Len(whole) <= opts.Limit && fitted != whole {
		t.Errorf("all of it would fit, got %q", fitted)
	}
	if slices.Contains(parts, "") {
		t.Error("an empty part")
	}
}

// checkNothingLost checks that the parts together have the same words as the whole transcript.
func checkNothingLost(t *testing.T, history []message.Turn, opts *message.TranscriptOptions) {
	t.Helper()
	parts := message.TranscriptParts(t.Context(), history, opts)
	got, want := words(parts...), words(message.Transcript(t.Context(), history, &message.TranscriptOptions{Name: opts.Name}))
	if got != want {
		t.Errorf("the parts say %q, want %q", got, want)
	}
}

// words are the words of text transcripts, without headings and white space.
func words(transcripts ...string) string {
	var b strings.Builder
	for _, transcript := range transcripts {
		for line := range strings.SplitSeq(transcript, "\n") {
			if line != "Jane Patient:" && line != "User:" && line != "Bot:" {
				b.WriteString(strings.Join(strings.Fields(line), ""))
			}
		}
	}
	return b.String()
}

// A limit that has room for the longest grapheme cluster never splits one.
func TestCharactersStayWhole(t *testing.T) {
	clusters := []string{"👨‍👩‍👧‍👦", "👍🏽", "🏴󠁧󠁢󠁳󠁣󠁴󠁿", "🇨🇭", "🇧🇷", "❤️", "e\u0301", "1️⃣", "각", "नि", "क्षि", "\u0600\u0661", "a"}
	history := said(strings.Repeat(strings.Join(clusters, ""), 20))
	for unit := range message.UTF16 + 1 {
		for limit := 40; limit < 80; limit++ {
			parts := message.TranscriptParts(t.Context(), history, &message.TranscriptOptions{Limit: limit, Unit: unit})
			for _, part := range parts {
				text := strings.TrimSpace(strings.TrimPrefix(part, "User:\n"))
				for text != "" {
					i := slices.IndexFunc(clusters, func(c string) bool { return strings.HasPrefix(text, c) })
					if i < 0 {
						t.Fatalf("limit %d in unit %d: %q has half a character", limit, unit, part)
					}
					text = text[len(clusters[i]):]
				}
			}
		}
	}
}

func TestTenThousandMessages(t *testing.T) {
	history := hard()["10,000 messages"]
	got := message.Transcript(t.Context(), history, &message.TranscriptOptions{Limit: 4096, Unit: message.UTF16, Name: nameOf})
	var left int
	if _, err := fmt.Sscanf(got, "[%d earlier messages left out]", &left); err != nil {
		t.Fatalf("no note: %.60q", got)
	}
	shown := strings.Count(got, "  Hello") + strings.Count(got, "  Hi") + strings.Count(got, "  What")
	if left+shown != len(history) || shown < 100 {
		t.Errorf("%d shown, %d left out of %d", shown, left, len(history))
	}
	if n := message.UTF16.Len(got); n < 4000 {
		t.Errorf("only %d of 4096 units are used", n)
	}
	if !strings.HasSuffix(got, "\nJane Patient:\n  What is up?\n\n  Hello") {
		t.Errorf("the newest are missing: %q", got[len(got)-60:])
	}
}

func TestUnitLen(t *testing.T) {
	for _, tt := range []struct {
		text                string
		bytes, runes, utf16 int
	}{
		{"", 0, 0, 0},
		{"abc", 3, 3, 3},
		{"é€", 5, 2, 2},
		{"👍🏽", 8, 2, 4},
	} {
		got := []int{message.Bytes.Len(tt.text), message.Runes.Len(tt.text), message.UTF16.Len(tt.text)}
		if want := []int{tt.bytes, tt.runes, tt.utf16}; !slices.Equal(got, want) {
			t.Errorf("%q has lengths %v, want %v", tt.text, got, want)
		}
	}
}

func FuzzTranscript(f *testing.F) {
	f.Add("Hello", "**hi**", "Jane", uint16(20), uint8(0), uint8(0))
	f.Add("👨‍👩‍👧‍👦👍🏽🇨🇭", "# a\r\n- b\x00", "\u202Eenaj\n", uint16(40), uint8(1), uint8(1))
	f.Add("https://example.com/a_(b)?c=d&e=*f*", "    x\n~~~", "<b>", uint16(7), uint8(2), uint8(2))
	f.Fuzz(func(t *testing.T, text, markdown, name string, limit uint16, unit, format uint8) {
		history := []message.Turn{
			{UserID: jane, Message: message.Text{Text: text}},
			{UserID: jane, Message: message.Markdown{Markdown: markdown}},
			{Message: message.Choice{Text: markdown, Options: []message.Option{{Label: text, Value: name}}}},
			{UserID: "user_02", Message: message.File{FileURL: text, Title: markdown}},
		}
		checkTranscript(t, history, &message.TranscriptOptions{
			Limit: int(limit%5000) + 1, Unit: message.Unit(unit % 3), Format: message.Format(format % 3),
			Name: func(context.Context, string) (string, error) { return name, nil },
		})
		text, markdown = strings.ReplaceAll(text, ":", ";"), strings.ReplaceAll(markdown, ":", ";") // No line is like a heading.
		checkNothingLost(t, said(text, "bot:"+markdown, markdown, text), &message.TranscriptOptions{
			Limit: int(limit%5000) + 4, Unit: message.Unit(unit % 3),
		})
	})
}

// chat is a typical history of n messages: mostly short texts, and some other types.
func chat(n int) []message.Turn {
	turns := make([]message.Turn, n)
	for i := range turns {
		turns[i] = message.Turn{UserID: jane, Message: message.Text{Text: "My order 4711 has not arrived *yet*, see https://example.com/orders/4711"}}
		switch i % 10 {
		case 1, 3, 5, 7:
			turns[i] = message.Turn{Message: message.Text{Text: "Sorry to hear that!\nLet me look for it."}}
		case 8:
			turns[i] = message.Turn{Message: message.Choice{Text: "Which one?", Options: []message.Option{{Label: "Shoes", Value: "1"}, {Label: "Hat", Value: "2"}}}}
		case 9:
			turns[i] = message.Turn{UserID: jane, Message: message.Image{ImageURL: "https://example.com/p.png", Title: "The box"}}
		}
	}
	return turns
}

func TestTranscriptAllocations(t *testing.T) {
	for _, n := range []int{100, 1000, 10_000} {
		history := chat(n)
		opts := &message.TranscriptOptions{Format: message.FormatMarkdown, Name: nameOf}
		perMessage := testing.AllocsPerRun(3, func() { message.Transcript(t.Context(), history, opts) }) / float64(n)
		if perMessage >= 3 {
			t.Errorf("%.2f allocations a message in %d messages, want fewer than 3", perMessage, n)
		}
	}
}

// A hundred times the messages take about a hundred times the time. A quadratic step would take ten
// thousand times the time.
func TestTranscriptIsLinear(t *testing.T) {
	for _, opts := range []*message.TranscriptOptions{{Format: message.FormatMarkdown}, {Format: message.FormatHTML, Limit: 4096, Unit: message.UTF16}} {
		few, many := fastest(t, chat(100), opts), fastest(t, chat(10_000), opts)
		if many > 1000*few {
			t.Errorf("100 messages take %v, 10,000 take %v", few, many)
		}
	}
}

// The same for single adversarial messages.
func TestRenderingIsLinear(t *testing.T) {
	opts := &message.TranscriptOptions{Format: message.FormatMarkdown, Limit: 1000}
	for _, text := range []string{"http:", "http://", "http://a)", "http://.", "(", "_", "&", "1", "#", " ", "\r", "<", "👨\u200D", "\u0301", "\xff", "a\n"} {
		few, many := fastest(t, said(strings.Repeat(text, 1200)), opts), fastest(t, said(strings.Repeat(text, 24_000)), opts)
		if many > 200*few {
			t.Errorf("%q takes %v 1,200 times and %v 24,000 times", text, few, many)
		}
	}
}

func fastest(t *testing.T, history []message.Turn, opts *message.TranscriptOptions) time.Duration {
	t.Helper()
	return fastestOf(func() { message.TranscriptParts(t.Context(), history, opts) })
}

// fastestOf is the time of the fastest of three runs, which is the least noisy one.
func fastestOf(run func()) time.Duration {
	best := time.Duration(math.MaxInt64)
	for range 3 {
		start := time.Now()
		run()
		best = min(best, time.Since(start))
	}
	return best
}

// BenchmarkTranscript also reports the slope, which is the exponent of the cost in the number of
// messages. 1 is linear.
func BenchmarkTranscript(b *testing.B) {
	var sizes, costs []float64
	for _, n := range []int{10, 100, 1000, 10_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			history := chat(n)
			opts := &message.TranscriptOptions{Format: message.FormatMarkdown, Name: nameOf}
			b.ReportAllocs()
			for b.Loop() {
				message.Transcript(b.Context(), history, opts)
			}
			cost := float64(b.Elapsed()) / float64(b.N)
			b.ReportMetric(cost/float64(n), "ns/message")
			if n == 1000 && cost > float64(5*time.Millisecond) {
				b.Errorf("1,000 messages take %v, want less than 5ms", time.Duration(cost))
			}
			sizes, costs = append(sizes, math.Log(float64(n))), append(costs, math.Log(cost))
			if len(sizes) > 1 {
				b.ReportMetric(slope(sizes, costs), "slope")
			}
		})
	}
}

// slope is that of a linear regression by least squares.
func slope(x, y []float64) float64 {
	n := float64(len(x))
	var sx, sy, sxx, sxy float64
	for i := range x {
		sx, sy, sxx, sxy = sx+x[i], sy+y[i], sxx+x[i]*x[i], sxy+x[i]*y[i]
	}
	return (n*sxy - sx*sy) / (n*sxx - sx*sx)
}

func BenchmarkDecode(b *testing.B) {
	data := read(b, "history.json")
	b.ReportAllocs()
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		var turns []message.Turn
		if err := json.Unmarshal(data, &turns); err != nil {
			b.Fatal(err)
		}
	}
}
