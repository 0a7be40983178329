package message_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/clipperhouse/uax29/v2/graphemes"

	"github.com/hitl-go/sdk/message"
)

// split is a text with "|" where it must be split. White space beside a "|" is dropped.
type split struct {
	text  string
	limit int
	unit  message.Unit
}

const (
	zwj   = "\u200D"
	acute = "\u0301"
)

// The limits are such that the cuts follow from the documentation by counting.
var splits = map[string][]split{
	"words": {
		{"Hello", 5, message.Runes},
		{"Hello |world", 10, message.Runes},
		{"Hello |world", 5, message.Runes},
		{"one two |three |four", 7, message.Runes},
		{"one two|  three| \t four", 8, message.Runes},
		{"|  one |two  |", 4, message.Runes},
		{"abcde|fghij|k", 5, message.Runes},
		{"a bcdef|ghij", 7, message.Runes}, // The word ends in the first half.
		{"ab cd|efghi", 5, message.Runes},
		{"abc| defgh", 5, message.Runes}, // The word ends in the second half.
		{"ab well-|known", 8, message.Runes},
		{"10\u00A0km to| go", 9, message.Runes},
		{"abcd |1\u00A0km", 6, message.Runes}, // A no-break space.
	},
	"sentences": {
		{"It is. |We are all", 12, message.Runes},
		{"Is it? |We are all", 12, message.Runes},
		{"It is! |We are all", 12, message.Runes},
		{"Well… |We are all", 10, message.Runes},
		{"(It is.) |We are all", 13, message.Runes},
		{"“It is.” |We are all", 13, message.Runes},
		{"It is 3.50 |only", 11, message.Runes},
		{"A. We are |all here", 12, message.Runes}, // The sentence ends in the first half.
		{"example.com |or not", 12, message.Runes},
		{"He is, we |are all", 11, message.Runes},
	},
	"lines and paragraphs": {
		{"a line\n|b. c d e", 12, message.Runes},
		{"a line\r|b. c d e", 12, message.Runes},
		{"a line\u2028|b. c d e", 12, message.Runes},
		{"a line\u0085|b. c d e", 12, message.Runes},
		{"a block\n\n|b\nc. d e f", 13, message.Runes},
		{"a block\n \t\n|b\nc. d e f", 14, message.Runes},
		{"a block\u2029|b\nc. d e f", 13, message.Runes},
		{"a\n\nblock of |words", 12, message.Runes}, // The paragraph ends in the first half.
		{"a block\n\n\n\n\n\n|b c", 8, message.Runes},
		{"ab\ncd\n|ef", 6, message.Runes},
		{"- one\n- two\n|- three", 16, message.Runes},
	},
	"CRLF": {
		{"ab\r\n|cd", 2, message.Runes},
		{"ab\r\n|cd", 3, message.Runes},
		{"ab\r\n|cd", 4, message.Runes},
		{"ab\r\nc|d", 5, message.Runes},
		{"ab\r\ncd|", 6, message.Runes},
		{"ab\r\ncd\r\n|ef", 8, message.Runes},
		{"a block\r\n\r\n|b\r\nc d e", 14, message.Runes},
		{"a line\r\n|b. c d e", 13, message.Runes},
		{"|\r\n\r\nab|\r\n\r\n|cd|\r\n", 3, message.Runes},
	},
	"Chinese and Japanese": {
		{"你好世|界", 3, message.Runes},
		{"你好|世界", 6, message.Bytes},
		{"你好|世界", 8, message.Bytes},
		{"你好世|界", 3, message.UTF16},
		{"你好。|世界很大", 5, message.Runes},
		{"你好！|世界很大", 5, message.Runes},
		{"你好？」|世界很大", 6, message.Runes},
		{"你好，|世界很大", 4, message.Runes},
		{"一二，|三四。」五", 6, message.Runes}, // Marks stay together.
		{"你，世界很|大", 5, message.Runes},   // The word ends in the first half.
		{"一二三，|四五六", 6, message.Runes},
		{"こんにち|は", 4, message.Runes},
		{"東京、大阪、|京都府", 7, message.Runes},
		{"か\u3099か\u3099|か\u3099", 4, message.Runes}, // が in two code points, GraphemeBreakTest: 3099 is Extend.
	},
	"Thai": {
		{"สวัสดี |ครับผม", 10, message.Runes},
		{"สวัส|ดี", 5, message.Runes}, // ดี are two code points, one character.
		{"สวัสดี|ครับ", 6, message.Runes},
		{"กำ|กำ", 3, message.Runes}, // U+0E33 is SpacingMark.
		{"กำ|กำ", 2, message.Runes},
		{"ก็|ก็", 8, message.Bytes},
		{"ที่|นี่", 5, message.Runes},
		{"ไทย\u200B|ภาษา", 6, message.Runes}, // A space without width stays.
	},
	"Arabic and Hebrew": {
		{"مرحبا |بالعالم", 9, message.Runes},
		{"كيف؟ |نحن هنا", 8, message.Runes},
		{"مُ|حَ|مَّ|د", 3, message.Runes}, // Vowel signs stay with their letters.
		{"مُ|حَ|", 2, message.Runes},
		{"می\u200Cخ|واهم", 4, message.Runes}, // A non-joiner stays with the letter before it.
		{"می\u200C|خ", 3, message.Runes},
		{"שָל|וֹם", 4, message.Runes},
		{"\u0600\u0661|\u0600\u0662", 3, message.Runes}, // U+0600 is Prepend.
	},
	"emoji": {
		{"👨‍👩‍👧|👨‍👩‍👧", 5, message.Runes},
		{"👨‍👩‍👧|👨‍👩‍👧", 9, message.Runes},
		{"👨‍👩‍👧|👨‍👩‍👧", 8, message.UTF16},
		{"👨‍👩‍👧|👨‍👩‍👧", 15, message.UTF16},
		{"👨‍👩‍👧|👨‍👩‍👧", 35, message.Bytes},
		{"a👨‍👩‍👧|b", 6, message.Runes},
		{"👩🏽‍🚒|👩🏽‍🚒", 7, message.Runes},
		{"❤️|❤️", 3, message.Runes},
		{"1️⃣|2️⃣", 5, message.Runes},
		{"🏳️‍🌈|🏳️‍🌈", 7, message.Runes},
		{"🏴󠁧󠁢󠁳󠁣󠁴󠁿|🏴󠁧󠁢󠁳󠁣󠁴󠁿", 13, message.Runes},
	},
	"skin tones": {
		{"👍🏻|👍🏼|👍🏽", 2, message.Runes},
		{"👍🏻|👍🏼|👍🏽", 3, message.Runes},
		{"👍🏻👍🏼|👍🏽", 4, message.Runes},
		{"👍🏾|👍🏿", 4, message.UTF16},
		{"👍🏾|👍🏿", 7, message.UTF16},
		{"👍🏾|👍🏿", 8, message.Bytes},
		{"👍🏾|👍🏿", 15, message.Bytes},
		{"a👋🏽|b", 3, message.Runes},
	},
	"flags": {
		{"🇨🇭|🇧🇷", 2, message.Runes},
		{"🇨🇭|🇧🇷", 3, message.Runes},
		{"🇨🇭🇧🇷|🇩🇪", 5, message.Runes},
		{"🇨🇭|🇧🇷", 7, message.UTF16},
		{"🇨🇭|🇧🇷", 4, message.UTF16},
		{"🇨🇭|🇧🇷", 15, message.Bytes},
		{"a🇨🇭|🇧🇷b", 4, message.Runes},
		{"🇨🇭|🇧", 2, message.Runes},
	},
	"Devanagari": {
		{"नि|नि", 3, message.Runes},
		{"क्षि|क्षि", 4, message.Runes}, // One character by GB9c.
		{"क्षि|क्षि", 7, message.Runes},
		{"क्षि|क्षि", 23, message.Bytes},
		{"नम|स्ते", 4, message.Runes},
		{"नमस्ते |दुनिया", 9, message.Runes},
		{"यह है। |वह भी है", 11, message.Runes},
		{"हिं|दी", 4, message.Runes},
	},
	"Hangul": {
		{"한국|어", 2, message.Runes},
		{"\u1112\u1161\u11AB|\u1100\u116E\u11A8", 5, message.Runes}, // L V T.
		{"\u1112\u1161\u11AB|\u1100\u116E\u11A8", 3, message.Runes},
		{"\uAC00\u11A8|\uAC00\u11A8", 3, message.Runes}, // LV T.
		{"\uAC01\u11A8|\uAC01", 2, message.Runes},       // LVT T.
		{"\u1100\uAC00|\u1100\uAC00", 3, message.Runes}, // L LV.
		{"안녕하세요 |여러분", 8, message.Runes},
		{"한|국", 5, message.Bytes},
	},
	"combining marks": {
		{"e" + acute + "|e" + acute, 3, message.Runes},
		{"e" + acute + "|e" + acute, 2, message.Runes},
		{"e" + acute + "|e" + acute, 5, message.Bytes},
		{"ab|e" + acute, 3, message.Runes},
		{"e\u0302\u0323|e\u0302\u0323", 5, message.Runes},
		{"ab| " + acute + "c", 3, message.Runes}, // A space with an accent is not white space.
		{"e" + acute + " |e" + acute, 3, message.Runes},
		{"a|e" + acute + "|" + acute + acute + "|" + acute + "|b", 2, message.Runes}, // Longer than the limit.
		{"x\u20DD|y\u20DD", 3, message.Runes},
	},
	"surrogate pairs": {
		{"😀|😀", 2, message.UTF16},
		{"😀|😀", 3, message.UTF16},
		{"😀😀|😀", 5, message.UTF16},
		{"a😀|😀", 3, message.UTF16},
		{"a|😀", 2, message.UTF16},
		{"𝒳𝒴|𝒵", 4, message.UTF16},
		{"a𝒳b|𝒴", 4, message.UTF16},
		{"𠮷野|家", 3, message.UTF16},
	},
	"URLs": {
		{"see |http://a.example/b", 18, message.Runes},
		{"see |(http://a.example/b)", 21, message.Runes},
		{"see |http://a.example/b |c", 18, message.Runes},
		{"http://a.example/b |c", 18, message.Runes},
		{"see http|://a.exa|mple/b", 8, message.Runes}, // Longer than the limit.
		{"http://a.ex|ample/b", 11, message.Runes},
		{"a, b |(http://a.example/b)", 20, message.Runes},
		{"(|http://a.example/b|)", 18, message.Runes},
		{"see |(http://a.example/b) ok", 23, message.Runes},
		{"http://a.example/b-|c d", 19, message.Runes},
		{"你好：|http://a.example/b", 18, message.Runes},
		{"see |[it](http://a.example)", 22, message.Runes},
		{"please see |[it](http://a.example). |Yes", 23, message.Runes},
		{"[it](|http://a.example|)", 16, message.Runes},
		{"First line.\n|See http://a.example/b", 32, message.Runes},
		{"a |https://a.example/1 |https://a.example/2", 20, message.Runes},
		{"你好 |http://a.example/b。|再见", 19, message.Runes},
		{"see |Http://a.example/[b] |c", 21, message.Runes},
		{"see |“http://a.example/b” |c", 20, message.Runes},
		{"see |[http://a.example/b] |c", 20, message.Runes},
		{"see |http://a.example/b\u200B |c", 19, message.Runes},
		{"see ftp:|//a.exam|ple", 8, message.Runes}, // No URL that the package would link.
	},
	"no limit": {
		{"a b", 0, message.Runes},
		{"a b", -1, message.Bytes},
		{"a b", 3, message.Bytes},
		{" a b\n", 5, message.UTF16}, // A text that fits keeps its white space.
	},
}

// blanks are the texts without pieces.
var blanks = []string{"", " ", "\n", "\r\n", " \t\n\v\f\r", "\u00A0\u3000", "\u2028\u2029", strings.Repeat(" ", 5000)}

func TestSplit(t *testing.T) {
	for kind, tests := range splits {
		for _, tt := range tests {
			text, want := strings.ReplaceAll(tt.text, "|", ""), []string{tt.text}
			if strings.Contains(tt.text, "|") {
				want = nil
				for piece := range strings.SplitSeq(tt.text, "|") {
					if !strings.HasPrefix(piece, " "+acute) {
						piece = strings.TrimSpace(piece)
					}
					if piece != "" {
						want = append(want, piece)
					}
				}
			}
			if got := message.Split(text, tt.limit, tt.unit); !slices.Equal(got, want) {
				t.Errorf("%s: %q in %d of unit %d:\n got %q\nwant %q", kind, text, tt.limit, tt.unit, got, want)
			}
			for unit := range message.UTF16 + 1 {
				for limit := range 40 {
					checkSplit(t, text, limit, unit)
				}
			}
		}
	}
	for _, text := range blanks {
		for _, limit := range []int{0, 1, 6000} {
			if got := message.Split(text, limit, message.Runes); got != nil {
				t.Errorf("blank %q has the pieces %q", text, got)
			}
		}
	}
}

// What cannot be sent whole is not sent in part: half a code point is no text.
func TestSplitLeavesOutCodePointsLongerThanTheLimit(t *testing.T) {
	for _, tt := range []struct {
		text  string
		limit int
		unit  message.Unit
		want  []string
	}{
		{"aéb", 1, message.Bytes, []string{"a", "b"}},
		{"aéb", 2, message.Bytes, []string{"a", "é", "b"}},
		{"a😀b", 1, message.UTF16, []string{"a", "b"}},
		{"a😀b", 3, message.Bytes, []string{"a", "b"}},
		{"👨" + zwj + "👩", 3, message.Bytes, []string{zwj}},
		{"👨" + zwj + "👩", 1, message.UTF16, []string{zwj}},
		{"e" + acute, 1, message.Bytes, []string{"e"}},
		{"😀😀", 1, message.Bytes, nil},
	} {
		if got := message.Split(tt.text, tt.limit, tt.unit); !slices.Equal(got, tt.want) {
			t.Errorf("%q in %d of unit %d: got %q, want %q", tt.text, tt.limit, tt.unit, got, tt.want)
		}
	}
}

func TestSplitReplacesInvalidUTF8(t *testing.T) {
	for text, want := range map[string][]string{
		"\xff":             {"\uFFFD"},
		"a\xff\xfe":        {"a\uFFFD"},
		"abc \xc3":         {"abc", "\uFFFD"},
		"abc \xed\xa0\x80": {"abc", "\uFFFD"}, // Half a surrogate pair.
		"abcd\xf0\x9f\x98": {"abcd", "\uFFFD"},
		"\x80abcd":         {"\uFFFDa", "bcd"},
		"a\x80b\x80":       {"a\uFFFD", "b\uFFFD"},
		"\xc0\x80abcdef":   {"\uFFFDa", "bcde", "f"}, // An overlong NUL.
	} {
		if got := message.Split(text, 4, message.Bytes); !slices.Equal(got, want) {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

// Good places must not cost many more messages: prose has at most twice as many pieces as it must.
func TestSplitMakesNoTinyPieces(t *testing.T) {
	for _, text := range []string{
		"A word. ", "Word ", "One line.\n", "A\n\nb\n\n", "A paragraph.\n\nAnother one. With two sentences.\n", "长句子，很长。", "a", "क्षि ",
		"A\n\nb\nc. " + strings.Repeat("word ", 32) + "\n\n",
	} {
		text := strings.Repeat(text, 2000)
		for _, limit := range []int{100, 160, 1000, 4096} {
			pieces := len(message.Split(text, limit, message.Runes))
			if must := message.Runes.Len(text)/limit + 1; pieces > 2*must {
				t.Errorf("%.20q in %d has %d pieces, could have %d", text, limit, pieces, must)
			}
		}
	}
}

// checkSplit checks what holds for every text, limit and unit.
func checkSplit(t *testing.T, text string, limit int, unit message.Unit) {
	t.Helper()
	pieces := message.Split(text, limit, unit)
	valid := strings.ToValidUTF8(text, "\uFFFD")
	if limit <= 0 || unit.Len(valid) <= limit {
		if !slices.Equal(pieces, []string{valid}) && strings.TrimSpace(valid) != "" {
			t.Fatalf("%q fits into %d of unit %d, but is split into %q", text, limit, unit, pieces)
		}
		return
	}
	for _, piece := range pieces {
		if n := unit.Len(piece); n > limit || strings.TrimSpace(piece) == "" || !utf8.ValidString(piece) {
			t.Fatalf("%q in %d of unit %d has the piece %q of length %d", text, limit, unit, piece, n)
		}
	}
	kept := func(r rune) rune {
		if unicode.IsSpace(r) || unit.Len(string(r)) > limit {
			return -1
		}
		return r
	}
	if got, want := strings.Map(kept, strings.Join(pieces, "")), strings.Map(kept, valid); got != want {
		t.Fatalf("%q in %d of unit %d: the pieces have %q, want %q", text, limit, unit, got, want)
	}
	if limit >= utf8.UTFMax { // No code point is left out.
		checkCuts(t, valid, pieces, limit, unit)
	}
}

// checkCuts checks that only white space is missing between the pieces, and that no character that
// fits is cut.
func checkCuts(t *testing.T, text string, pieces []string, limit int, unit message.Unit) {
	t.Helper()
	inside := map[int]bool{}
	for c := graphemes.FromString(text); c.Next(); {
		for at := c.Start() + 1; at < c.End() && unit.Len(c.Value()) <= limit; at++ {
			inside[at] = true
		}
	}
	at := 0
	for _, piece := range pieces {
		i := strings.Index(text[at:], piece)
		if i < 0 || strings.TrimSpace(text[at:at+i]) != "" {
			t.Fatalf("%q in %d of unit %d: text is missing before %q", text, limit, unit, piece)
		}
		start, end := at+i, at+i+len(piece)
		if inside[start] || inside[end] {
			t.Fatalf("%q in %d of unit %d: %q is cut within a character", text, limit, unit, piece)
		}
		at = end
	}
}

func FuzzSplit(f *testing.F) {
	for _, tests := range splits {
		for _, tt := range tests {
			f.Add(strings.ReplaceAll(tt.text, "|", ""), int16(tt.limit), uint8(tt.unit))
		}
	}
	f.Add("a\xff\xed\xa0\x80 b", int16(2), uint8(0))
	f.Fuzz(func(t *testing.T, text string, limit int16, unit uint8) {
		u := message.Unit(unit % 3)
		checkSplit(t, text, int(limit), u)
		if a, b := message.Split(text, int(limit), u), message.Split(text, int(limit), u); !slices.Equal(a, b) {
			t.Errorf("%q is split into %q and %q", text, a, b)
		}
		const url = "https://example.com/a?b=c"
		whole := func(piece string) bool { return strings.Contains(piece, url) }
		if limit >= int16(len(url)) && !slices.ContainsFunc(message.Split(text+" "+url+" "+text, int(limit), u), whole) {
			t.Errorf("the URL after %q is cut", text)
		}
	})
}

// A title is tested with what makes it difficult.
func TestTitle(t *testing.T) {
	for kind, tests := range map[string][]struct {
		text  string
		limit int
		unit  message.Unit
		want  string
	}{
		"one line": {
			{"", 10, message.Runes, ""},
			{" \n\t ", 10, message.Runes, ""},
			{"Hello", 10, message.Runes, "Hello"},
			{"  Hello \n\n world ", 0, message.Runes, "Hello world"},
			{"a\r\nb\rc\u2028d\u2029e\u0085f\vg\fh", 0, message.Runes, "a b c d e f g h"},
			{"a\x00b\x1Bc\x7Fd\u009Be", 0, message.Runes, "a b c d e"},
			{"\x1B[31mred", 0, message.Runes, "[31mred"},
			{"a\u00A0\u3000b", 0, message.Runes, "a b"},
			{"a\n", 1, message.Runes, "a"}, // It is cleaned before it is measured.
			{"a\xff\xfeb", 0, message.Runes, "a\uFFFD\uFFFDb"},
		},
		// Unicode Technical Report 36, section 3.3, and CVE-2021-42574.
		"disguises": {
			{"\u202Efdp.exe", 0, message.Runes, "fdp.exe"},
			{"a\u202Ab\u202Bc\u202Cd\u202De", 0, message.Runes, "abcde"},
			{"a\u2066b\u2067c\u2068d\u2069e", 0, message.Runes, "abcde"},
			{"a\u200Eb\u200Fc\u061Cd", 0, message.Runes, "abcd"},
			{"ad\u200Bmin", 0, message.Runes, "admin"},
			{"ad\u00ADmin", 0, message.Runes, "admin"},
			{"\uFEFFadmin", 0, message.Runes, "admin"},
			{"ad\u2060min", 0, message.Runes, "admin"},
			{"a\u202E\u202E\u202Eb", 2, message.Runes, "ab"},
			{"\u202E", 5, message.Runes, ""},
		},
		"format characters that stay": {
			{"👨‍👩‍👧", 0, message.Runes, "👨‍👩‍👧"},
			{"می\u200Cخواهم", 0, message.Runes, "می\u200Cخواهم"},
			{"🏴󠁧󠁢󠁳󠁣󠁴󠁿", 0, message.Runes, "🏴󠁧󠁢󠁳󠁣󠁴󠁿"},
			{"\u0600\u0661", 0, message.Runes, "\u0600\u0661"},
			{"क्\u200Dष", 0, message.Runes, "क्\u200Dष"},
			{"❤️", 0, message.Runes, "❤️"},
			{"👍🏽", 0, message.Runes, "👍🏽"},
			{"e" + acute, 0, message.Runes, "e" + acute},
		},
		"truncated": {
			{"Hello world", 11, message.Runes, "Hello world"},
			{"Hello world", 10, message.Runes, "Hello…"},
			{"Hello world", 6, message.Runes, "Hello…"},
			{"Hello world", 5, message.Runes, "Hell…"},
			{"Hello world", 8, message.Bytes, "Hello…"},
			{"a worldwide web", 7, message.Runes, "a worl…"}, // The word ends in the first half.
			{"Hello world", 7, message.Runes, "Hello…"},      // No white space before "…".
			{"It is. We are all", 12, message.Runes, "It is. We…"},
			{"a bc", 3, message.Runes, "a…"},
			{"你好世界", 3, message.Runes, "你好…"},
			{"你好世界", 9, message.Bytes, "你好…"},
			{"你好世界", 8, message.Bytes, "你…"},
		},
		"characters": {
			{"👨‍👩‍👧👨‍👩‍👧", 9, message.Runes, "👨‍👩‍👧…"},
			{"👨‍👩‍👧👨‍👩‍👧", 9, message.UTF16, "👨‍👩‍👧…"},
			{"🇨🇭🇧🇷", 4 - 1, message.Runes, "🇨🇭…"},
			{"👍🏻👍🏼👍🏽", 4, message.Runes, "👍🏻…"},
			{"😀😀", 3, message.UTF16, "😀…"},
			{"क्षिक्षि", 7, message.Runes, "क्षि…"},
			{"e" + acute + "e" + acute, 3, message.Runes, "e" + acute + "…"},
			{"ab " + acute + "c", 4, message.Runes, "ab…"},
			{"ab\u0600 " + acute + "cd", 6, message.Runes, "ab\u0600 " + acute + "…"}, // The space is within a character.
			{"\u1112\u1161\u11AB\u1100\u116E\u11A8", 5, message.Runes, "\u1112\u1161\u11AB…"},
		},
		"tiny limits": {
			{"Hello", 1, message.Runes, "…"},
			{"Hello", 1, message.UTF16, "…"},
			{"Hello", 1, message.Bytes, ""},
			{"Hello", 2, message.Bytes, ""},
			{"Hello", 3, message.Bytes, "…"},
			{"Hello", 4, message.Bytes, "H…"},
			{"😀😀", 2, message.UTF16, "…"},
			{"👨‍👩‍👧", 4, message.Runes, "👨‍👩…"}, // A character longer than the limit.
		},
	} {
		for _, tt := range tests {
			if got := message.Title(tt.text, tt.limit, tt.unit); got != tt.want {
				t.Errorf("%s: %q in %d of unit %d: got %q, want %q", kind, tt.text, tt.limit, tt.unit, got, tt.want)
			}
		}
	}
}

func FuzzTitle(f *testing.F) {
	f.Add("Hello\r\n world", int16(8), uint8(0))
	f.Add("\u202E👨‍👩‍👧\x00e\u0301\u0301", int16(3), uint8(1))
	f.Add(" \u0301\xff \u0600 ", int16(4), uint8(2))
	f.Add("0\u0600 \x810", int16(4), uint8(1)) // The space is part of the character.
	f.Fuzz(func(t *testing.T, text string, limit int16, unit uint8) {
		u := message.Unit(unit % 3)
		title, whole := message.Title(text, int(limit), u), message.Title(text, 0, u)
		if n := u.Len(title); limit > 0 && n > int(limit) {
			t.Errorf("%q is %d units long, limit %d", title, n, limit)
		}
		unfit := func(r rune) bool {
			return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || unicode.IsSpace(r) && r != ' '
		}
		if strings.ContainsFunc(title, unfit) || strings.Contains(title, "  ") || title != strings.TrimSpace(title) || !utf8.ValidString(title) {
			t.Errorf("%q is not one line of clean text", title)
		}
		if title == whole || title == "" {
			return
		}
		start, ok := strings.CutSuffix(title, "…")
		if !ok || !strings.HasPrefix(whole, start) {
			t.Fatalf("%q is not the beginning of %q", title, whole)
		}
		for c := graphemes.FromString(whole); c.Next(); {
			if end := c.Start() + len(strings.TrimRight(c.Value(), " ")); c.Start() > 0 && c.Start() < len(start) && end > len(start) {
				t.Errorf("%q cuts %q", title, c.Value())
			}
		}
		if again := message.Title(title, int(limit), u); again != title {
			t.Errorf("the title of %q is %q", title, again)
		}
	})
}

func TestSplitIsLinear(t *testing.T) {
	for _, text := range []string{
		"a", " ", "a ", "a\n\n", "a. b", "http:", "http://", "http://a ", "https://example.com/ b ", "http://a)", "http://.", "👨\u200D", acute, " " + acute, "🇨", "क्", "가", "\u0600", "。", "\xff", "\r\n",
	} {
		for _, limit := range []int{1, 500} { // Even the short texts must be split.
			few, many := strings.Repeat(text, 600), strings.Repeat(text, 12_000)
			short := fastestOf(func() { message.Split(few, limit, message.UTF16); message.Title(few, limit, message.UTF16) })
			long := fastestOf(func() { message.Split(many, limit, message.UTF16); message.Title(many, limit, message.UTF16) })
			if long > 200*short {
				t.Errorf("%q in %d takes %v 600 times and %v 12,000 times", text, limit, short, long)
			}
		}
	}
}

func BenchmarkSplit(b *testing.B) {
	for name, text := range map[string]string{
		"prose":       "It is 3.50 for two, see https://example.com/prices. Is that all right?\nI hope so.\n\n",
		"Chinese":     "你好，世界很大。",
		"one word":    "a",
		"one URL":     "https://example.com/",
		"marks":       acute,
		"families":    "👨" + zwj,
		"white space": " ",
	} {
		text := "x" + strings.Repeat(text, 1<<20/len(text))
		for _, limit := range []int{160, 4096} {
			b.Run(fmt.Sprint(name, "/", limit), func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(len(text)))
				for b.Loop() {
					message.Split(text, limit, message.UTF16)
				}
			})
		}
	}
}
