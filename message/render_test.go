package message_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/hitl-go/sdk/internal/strictjson"
	"github.com/hitl-go/sdk/message"
)

func TestRendering(t *testing.T) {
	for _, tt := range []struct {
		name                     string
		message                  message.Message
		plain, markdown, htmlDoc string
	}{
		{
			"text",
			message.Text{Text: "Hi <b>\nthere & \"you\""},
			"Hi <b>\nthere & \"you\"",
			"Hi \\<b>  \nthere & \"you\"",
			`<p dir="auto">Hi &lt;b&gt;<br>there &amp; &#34;you&#34;</p>`,
		},
		{
			"URL in a text",
			message.Text{Text: "See https://example.com/a_b?c=d&e (or not), *now*."},
			"See https://example.com/a_b?c=d&e (or not), *now*.",
			`See <https://example.com/a_b?c=d&e> (or not), \*now\*.`,
			`<p dir="auto">See <a href="https://example.com/a_b?c=d&amp;e">https://example.com/a_b?c=d&amp;e</a> (or not), *now*.</p>`,
		},
		{
			"URL in brackets",
			message.Text{Text: "(https://example.com/x_(y)). xhttp://no"},
			"(https://example.com/x_(y)). xhttp://no",
			`(<https://example.com/x_(y)>). xhttp://no`,
			`<p dir="auto">(<a href="https://example.com/x_(y)">https://example.com/x_(y)</a>). xhttp://no</p>`,
		},
		{
			"markdown",
			message.Markdown{Markdown: "**a** <b>"},
			"**a** <b>", "**a** <b>", `<p dir="auto">**a** &lt;b&gt;</p>`,
		},
		{
			"image",
			message.Image{ImageURL: "https://example.com/i.png", Title: "A [cat]"},
			"Image: A [cat] <https://example.com/i.png>",
			`Image: [A \[cat\]](https://example.com/i.png)`,
			`<p dir="auto">Image: <a href="https://example.com/i.png">A [cat]</a></p>`,
		},
		{
			"audio without a title",
			message.Audio{AudioURL: "https://example.com/a.ogg"},
			"Audio: https://example.com/a.ogg",
			"Audio: <https://example.com/a.ogg>",
			`<p dir="auto">Audio: <a href="https://example.com/a.ogg">https://example.com/a.ogg</a></p>`,
		},
		{
			"video behind no URL",
			message.Video{VideoURL: "javascript:alert(1)", Title: "Click"},
			"Video: Click <javascript:alert(1)>",
			`Video: Click \<javascript:alert(1)>`,
			`<p dir="auto">Video: Click &lt;javascript:alert(1)&gt;</p>`,
		},
		{
			"file",
			message.File{FileURL: `https://example.com/a b").pdf`, Title: "b\nc"},
			`File: b c <https://example.com/a b").pdf>`,
			`File: [b c](https://example.com/a%20b%22%29.pdf)`,
			`<p dir="auto">File: <a href="https://example.com/a%20b&#34;).pdf">b c</a></p>`,
		},
		{
			"file whose title is blank",
			message.File{FileURL: "https://example.com/a", Title: " \u200b"},
			"File: https://example.com/a",
			"File: <https://example.com/a>",
			`<p dir="auto">File: <a href="https://example.com/a">https://example.com/a</a></p>`,
		},
		{
			"card whose label is blank",
			message.Card{Title: "t", Actions: []message.Action{{Kind: message.ActionURL, Label: "\u3164", Value: "https://example.com/a"}}},
			"t\n- https://example.com/a",
			"**t**\n\n- <https://example.com/a>",
			`<p dir="auto"><strong>t</strong></p><ul dir="auto"><li><a href="https://example.com/a">https://example.com/a</a></li></ul>`,
		},
		{
			"URL with quotes",
			message.Audio{AudioURL: "https://example.com/#/it's<b>\t`c`"},
			"Audio: https://example.com/#/it's<b>\t`c`",
			"Audio: <https://example.com/#/it's%3Cb%3E%09`c`>",
			"<p dir=\"auto\">Audio: <a href=\"https://example.com/#/it&#39;s&lt;b&gt;%09`c`\">https://example.com/#/it&#39;s&lt;b&gt;\t`c`</a></p>",
		},
		{
			"location in the north and east",
			message.Location{Latitude: 48.8584, Longitude: 2.2945, Title: "Tour Eiffel", Address: "5 Avenue\nParis"},
			"Location: Tour Eiffel\n5 Avenue\nParis\n48.8584° N, 2.2945° E <https://www.openstreetmap.org/?mlat=48.8584&mlon=2.2945&zoom=16>",
			"Location: Tour Eiffel  \n5 Avenue  \nParis  \n[48.8584° N, 2.2945° E](https://www.openstreetmap.org/?mlat=48.8584&mlon=2.2945&zoom=16)",
			`<p dir="auto">Location: Tour Eiffel<br>5 Avenue<br>Paris<br><a href="https://www.openstreetmap.org/?mlat=48.8584&amp;mlon=2.2945&amp;zoom=16">48.8584° N, 2.2945° E</a></p>`,
		},
		{
			"location in the south and west",
			message.Location{Latitude: -22.9519, Longitude: -43.2105},
			"Location\n22.9519° S, 43.2105° W <https://www.openstreetmap.org/?mlat=-22.9519&mlon=-43.2105&zoom=16>",
			"Location  \n[22.9519° S, 43.2105° W](https://www.openstreetmap.org/?mlat=-22.9519&mlon=-43.2105&zoom=16)",
			`<p dir="auto">Location<br><a href="https://www.openstreetmap.org/?mlat=-22.9519&amp;mlon=-43.2105&amp;zoom=16">22.9519° S, 43.2105° W</a></p>`,
		},
		{
			"card",
			message.Card{Title: "Shop", Subtitle: "Open", ImageURL: "https://example.com/s.png", Actions: []message.Action{
				{Kind: message.ActionURL, Label: "Visit", Value: "https://example.com"},
				{Kind: message.ActionURL, Label: "Trap", Value: "data:text/html,x"},
				{Kind: message.ActionSay, Label: "Hello", Value: "Hello"},
				{Kind: message.ActionPostback, Label: "1. Menu", Value: "menu"},
			}},
			"Shop\nOpen\nImage: https://example.com/s.png\n- Visit <https://example.com>\n- Trap <data:text/html,x>\n- Hello\n- 1. Menu (menu)",
			"**Shop**  \nOpen  \nImage: <https://example.com/s.png>\n\n- [Visit](https://example.com)\n- Trap \\<data:text/html,x>\n- Hello\n- 1\\. Menu (menu)",
			`<p dir="auto"><strong>Shop</strong><br>Open<br>Image: <a href="https://example.com/s.png">https://example.com/s.png</a></p>` +
				`<ul dir="auto"><li><a href="https://example.com">Visit</a></li><li>Trap &lt;data:text/html,x&gt;</li><li>Hello</li><li>1. Menu (menu)</li></ul>`,
		},
		{
			"carousel",
			message.Carousel{Items: []message.Card{{Title: "A"}, {Title: "B"}}},
			"A\n\nB", "**A**\n\n**B**", `<p dir="auto"><strong>A</strong></p><p dir="auto"><strong>B</strong></p>`,
		},
		{
			"choice",
			message.Choice{Text: "Well?", Options: []message.Option{{Label: "Yes", Value: "yes"}, {Label: "No", Value: "No"}}},
			"Well?\n- Yes (yes)\n- No", "Well?\n\n- Yes (yes)\n- No",
			`<p dir="auto">Well?</p><ul dir="auto"><li>Yes (yes)</li><li>No</li></ul>`,
		},
		{
			"dropdown without options",
			message.Dropdown{Text: "Well?"},
			"Well?", "Well?", `<p dir="auto">Well?</p>`,
		},
		{
			"bloc",
			message.Bloc{Items: []message.BlocItem{message.Text{Text: "a"}, message.Markdown{Markdown: "*b*"}, unknown("card", `{"title":"T","actions":[]}`)}},
			"a\n\n*b*\n\nT", "a\n\n*b*\n\n**T**", `<p dir="auto">a</p><p dir="auto">*b*</p><p dir="auto"><strong>T</strong></p>`,
		},
		{
			"unknown type", unknown("poll", `{ "question": "Lunch?" }`),
			`[poll] {"question":"Lunch?"}`, `\[poll\] {"question":"Lunch?"}`, `<p dir="auto">[poll] {&#34;question&#34;:&#34;Lunch?&#34;}</p>`,
		},
		{"no type", unknown("", `"a"`), `"a"`, `"a"`, `<p dir="auto">&#34;a&#34;</p>`},
		{"no JSON", unknown("poll", `{`), `[poll] {`, `\[poll\] {`, `<p dir="auto">[poll] {</p>`},
		{"blank", message.Text{Text: " \n"}, "", "", ""},
		{
			"control characters",
			message.Text{Text: "a\r\nb\rc\x00d\x1b[1me\u0085f\u2028g\xff"},
			"a\nb\nc\uFFFDd\uFFFD[1me\nf\ng\uFFFD",
			"a  \nb  \nc\uFFFDd\uFFFD\\[1me  \nf  \ng\uFFFD",
			"<p dir=\"auto\">a<br>b<br>c\uFFFDd\uFFFD[1me<br>f<br>g\uFFFD</p>",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, check := range []struct{ format, got, want string }{
				{"PlainText", message.PlainText(tt.message), tt.plain},
				{"ToMarkdown", message.ToMarkdown(tt.message), tt.markdown},
				{"ToHTML", message.ToHTML(tt.message), tt.htmlDoc},
			} {
				if check.got != check.want {
					t.Errorf("%s\n got %q\nwant %q", check.format, check.got, check.want)
				}
			}
		})
	}
}

// Markdown must show text as it was typed.
func TestMarkdownOfText(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"# no heading", `\# no heading`},
		{"a # b", "a # b"},
		{"> no quote", `\> no quote`},
		{"a > b", "a > b"},
		{"- no list", `\- no list`},
		{"-5 °C", "-5 °C"},
		{"+ no list", `\+ no list`},
		{"+49 30 1234", "+49 30 1234"},
		{"* no list", `\* no list`},
		{"1. no list", `1\. no list`},
		{"1) no list", `1\) no list`},
		{"1.5 l", "1.5 l"},
		{"title\n---", "title  \n\\---"},
		{"title\n===", "title  \n\\==="},
		{"    no code", "&nbsp;no code"},
		{"\tno code", "&nbsp;no code"},
		{"`no code`", "\\`no code\\`"},
		{"~~~\nno code", "\\~\\~\\~  \nno code"},
		{"snake_case but _no emphasis_", `snake_case but \_no emphasis\_`},
		{"[no](link)", `\[no\](link)`},
		{"<script>", `\<script>`},
		{`C:\new`, `C:\\new`},
		{"AT&T &amp; &#65; &;", `AT&T \&amp; \&#65; &;`},
		{"a\n\n\nb", "a\n\n\nb"},
		{"a  \nb", "a  \nb"},
	} {
		if got := message.ToMarkdown(message.Text{Text: tt.text}); got != tt.want {
			t.Errorf("%q\n got %q\nwant %q", tt.text, got, tt.want)
		}
	}
}

// A heading ends before number signs at its end, unless they are escaped.
func TestHeadingsKeepNumberSigns(t *testing.T) {
	for _, text := range []string{"Team #", "Team ##", "#", "##", "C#", `a \#`, "a #b", "a\t#", "a !#", "a #!"} {
		name := func(context.Context, string) (string, error) { return text, nil }
		transcript := message.Transcript(t.Context(), []message.Turn{{UserID: "u", Message: message.Text{Text: "x"}}}, &message.TranscriptOptions{Format: message.FormatMarkdown, Name: name})
		for _, markdown := range []string{"## " + message.EscapeMarkdown(text), transcript} {
			_, shown, _ := strings.Cut(commonMark(t, markdown), ">")
			if heading, _, _ := strings.Cut(shown, "<"); readable(heading) != readable(text) {
				t.Errorf("%q as a heading is %q, which is shown as %q", text, markdown, heading)
			}
		}
	}
	if got := message.EscapeMarkdown("C#"); got != "C#" {
		t.Errorf("C# is %q, though nothing would be lost", got)
	}
}

func TestLinksAreSafe(t *testing.T) {
	for _, tt := range []struct {
		url  string
		safe bool
	}{
		{"https://example.com", true},
		{"HTTP://example.com", true},
		{"mailto:jane@example.com", true},
		{"tel:+49301234", true},
		{"javascript:alert(1)", false},
		{"JavaScript:alert(1)", false},
		{"java\nscript:alert(1)", false},
		{" https://example.com", false},
		{"\x01https://example.com", false},
		{"data:text/html,<script>", false},
		{"vbscript:x", false},
		{"file:///etc/passwd", false},
		{"//example.com", false},
		{"/path", false},
		{"https:", false},
		{"https:/example.com", false},
		{"tel:", false},
		{"", false},
	} {
		card := message.Card{Title: "t", ImageURL: tt.url, Actions: []message.Action{{Kind: message.ActionURL, Label: "l", Value: tt.url}}}
		for _, m := range []message.Message{message.File{FileURL: tt.url, Title: "t"}, message.File{FileURL: tt.url}, card} {
			markup := message.ToHTML(m)
			if got := strings.Contains(markup, "<a "); got != tt.safe {
				t.Errorf("%q: link %v, want %v in %s", tt.url, got, tt.safe, markup)
			}
			markdown := message.ToMarkdown(m)
			got := strings.Contains(markdown, "](") || strings.Contains(strings.ReplaceAll(markdown, `\<`, ""), "<")
			if got != tt.safe {
				t.Errorf("%q: link %v, want %v in %s", tt.url, got, tt.safe, markdown)
			}
		}
	}
}

// An image would be loaded before anybody clicks.
func TestNothingIsAnImage(t *testing.T) {
	const address = "https://shop.example/pixel.png?u=1&amp;r=2" // It needs a link with a label, because of the character reference.
	for _, m := range []message.Message{
		message.Text{Text: "Hi!" + address},
		message.Text{Text: `Hi\!` + address + "!" + address},
		message.Card{Title: "Hi!", Subtitle: "!" + address, Actions: []message.Action{{Kind: message.ActionURL, Label: "!", Value: address}}},
		message.Choice{Text: "!" + address, Options: []message.Option{{Label: "!" + address, Value: "!"}}},
	} {
		transcript := message.Transcript(t.Context(), []message.Turn{{Message: m}}, &message.TranscriptOptions{Format: message.FormatMarkdown})
		for _, markdown := range []string{message.ToMarkdown(m), transcript} {
			if got := commonMark(t, markdown); strings.Contains(got, "<img") || !strings.Contains(got, "!") {
				t.Errorf("%#v is %q, which is shown as %q", m, markdown, got)
			}
		}
	}
	for _, text := range []string{"Hello!", `Hello\!`, "!", "a\n!"} {
		markdown := message.EscapeMarkdown(text) + "[our shop](" + address + ")"
		if got := commonMark(t, markdown); strings.Contains(got, "<img") || !strings.Contains(got, "!<a") {
			t.Errorf("%q before a link is %q, which is shown as %q", text, markdown, got)
		}
	}
}

// The HTML of a message has only the elements and attributes that we write.
func checkHTML(t *testing.T, markup string) {
	t.Helper()
	z := html.NewTokenizer(strings.NewReader(markup))
	var open []string
	for {
		switch z.Next() {
		case html.ErrorToken:
			if len(open) > 0 {
				t.Errorf("%v never end in %q", open, markup)
			}
			return
		case html.StartTagToken:
			token := z.Token()
			for _, attr := range token.Attr {
				switch {
				case attr.Key == "dir" && attr.Val == "auto":
				case token.Data == "a" && attr.Key == "href" && isSafe(attr.Val):
				default:
					t.Errorf("<%s %s=%q> in %q", token.Data, attr.Key, attr.Val, markup)
				}
			}
			switch token.Data {
			case "p", "ul", "li", "strong", "em", "a", "blockquote", "h3":
				open = append(open, token.Data)
			case "br":
			default:
				t.Errorf("<%s> in %q", token.Data, markup)
			}
		case html.EndTagToken:
			token := z.Token()
			if len(open) == 0 || open[len(open)-1] != token.Data {
				t.Fatalf("</%s> ends nothing in %q", token.Data, markup)
			}
			open = open[:len(open)-1]
		case html.CommentToken, html.DoctypeToken, html.SelfClosingTagToken:
			t.Errorf("%s in %q", z.Raw(), markup)
		default:
		}
	}
}

func isSafe(url string) bool {
	scheme, _, _ := strings.Cut(strings.ToLower(url), ":")
	return scheme == "http" || scheme == "https" || scheme == "mailto" || scheme == "tel"
}

// Botpress does not allow nested blocs, but they must not be expensive either.
func TestDeeplyNestedBloc(t *testing.T) {
	const depth = 2000
	payload := strings.Repeat(`{"items":[{"type":"bloc","payload":`, depth) + `{"items":[]}` + strings.Repeat(`}]}`, depth)
	m, err := message.Decode(message.TypeBloc, []byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	if got := message.PlainText(m); !strings.HasPrefix(got, "[bloc] ") {
		t.Errorf("renders as %.40q, want JSON from some depth on", got)
	}
}

func BenchmarkConvert(b *testing.B) {
	for name, text := range map[string]string{
		"prose":   "It is 3.50 for two, see https://example.com/prices. Is that all right?\nI hope so.\n\n",
		"Chinese": "请看 https://example.com/价格。好吗？\n",
		"one URL": "https://example.com/",
	} {
		m := message.Text{Text: "x " + strings.Repeat(text, 1<<16/len(text))}
		for format, convert := range map[string]func(message.Message) string{"HTML": message.ToHTML, "Markdown": message.ToMarkdown} {
			b.Run(name+"/"+format, func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(len(m.Text)))
				for b.Loop() {
					convert(m)
				}
			})
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, m := range all() {
		kind, payload, err := message.Encode(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(kind), []byte(payload))
	}
	f.Add("text", []byte(`{"text":"a","text":"b"}`))
	f.Add("poll", []byte(`{"question":"?"}`))
	f.Add("bloc", []byte(`{"items":[{"type":"card","payload":{"title":5}},"x",null]}`))
	f.Add("text", []byte(`{"text":"<script>\u0000\ud800 javascript:x https://e.com/a_(b)"}`))
	f.Fuzz(func(t *testing.T, kind string, payload []byte) {
		m, err := message.Decode(message.Type(kind), payload)
		if (err == nil) != json.Valid(payload) {
			t.Fatalf("valid JSON: %v, error: %v", json.Valid(payload), err)
		}
		if err != nil {
			return
		}
		sameKind, again, err := message.Encode(m)
		if err != nil || string(sameKind) != kind {
			t.Fatalf("Encode = %q, %v", sameKind, err)
		}
		if u, ok := m.(message.Unknown); ok && !bytes.Equal(u.Payload, payload) {
			t.Fatalf("unknown payload %q, want %q", u.Payload, payload)
		}
		m2, err := message.Decode(sameKind, again)
		if err != nil {
			t.Fatal(err)
		}
		_, twice, err := message.Encode(m2)
		if err != nil || !bytes.Equal(again, twice) {
			t.Fatalf("encodes as %s, then as %s, %v", again, twice, err)
		}
		_ = message.Validate(m)
		_, _ = message.PlainText(m), message.ToMarkdown(m)
		checkHTML(t, message.ToHTML(m))

		var e message.Envelope
		if err := json.Unmarshal(payload, &e); err != nil || e.Message == nil {
			t.Fatalf("envelope %v, %v", e, err)
		}
		if _, err := json.Marshal(e); err != nil {
			t.Fatal(err)
		}
		var turn message.Turn
		if err := json.Unmarshal(payload, &turn); err != nil && !errors.Is(err, strictjson.ErrDuplicate) || turn.Message == nil {
			t.Fatalf("turn %v, %v", turn, err)
		}
	})
}
