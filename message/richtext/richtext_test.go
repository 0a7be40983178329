package richtext_test

import (
	"fmt"
	"math"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/hitl-go/sdk/message/richtext"
)

func TestTextAndMarkdown(t *testing.T) {
	for _, tt := range []struct{ name, source, text, markdown string }{
		{"plain text", "Hello\nyou & me", "Hello you & me", "Hello you & me"},
		{"paragraphs", "<p>One</p>\n<p>Two<br>Three</p>", "One\n\nTwo\nThree", "One\n\nTwo  \nThree"},
		{"lines of an editor", "<div>One</div><div><br></div><div>Two<br></div><div>Three&nbsp;!</div>", "One\n\nTwo\nThree !", "One\n\nTwo  \nThree !"},
		{"many breaks", "a<br><br><br><br>b<br>", "a\n\nb", "a\n\nb"},
		{"blanks", " <p> a  <b> b </b>\n c<i></i> </p> ", "a b c", "a **b** c"},
		{"bold and more", "a<b>b<strong>c</strong></b><em>d</em> <del>e</del>", "abcd e", "a**bc**\u200b*d* ~~e~~"},
		{"bold beside bold", "<b>Wichtig</b><b>e</b> <strong>Order</strong><strong>: 5</strong>", "Wichtige Order: 5", "**Wichtige Order: 5**"},
		{"marks beside like ones", "<i>a</i><i>b</i> c <s>d</s><s>e</s>", "ab c de", "*ab* c ~~de~~"},
		{"marks beside others", "<b>a<i>b</i></b><i>c</i> <b>d</b><s>e</s>", "abc de", "**a*b***\u200b*c* **d**~~e~~"},
		{"marks in each other again", "<b><i>a</i>b<i>c</i>d</b>", "abcd", "***a*b**\u200b***c*d**"},
		{"marks that begin at once", "foo<s><b>bar</b></s>baz", "foobarbaz", "foo ~~**bar**~~ baz"},
		{"marks in cells", "<table><tr><td><b>a</b><td><b>b</b><tr><td>c<td>d</table>", "a | b\nc | d", "**a** | **b**  \nc | d"},
		{"words that end in combining marks", "की<b>(१)</b> ที่<i>\"a\"</i> cafe\u0301<s>!</s>", "की(१) ที่\"a\" cafe\u0301!", "की **(१)** ที่ *\"a\"* cafe\u0301 ~~!~~"},
		{"bold paragraphs", "<b><p>a</p><p>b</p></b>", "a\n\nb", "**a**\n\n**b**"},
		{
			"looks like Markdown", "<p>1. *no* list_<br># no heading</p><p>a - b<b>!</b><a href='https://e.com'>c</a></p>",
			"1. *no* list_\n# no heading\n\na - b!c <https://e.com>",
			"1\\. \\*no\\* list\\_  \n\\# no heading\n\na - b **!**[c](https://e.com)",
		},
		{"looks like Markdown in pieces", "<p>24<span>. May</span><br>1<i></i>)<br>3<span>.5</span><br>4<img src='https://e.com/i'><br>&amp;<span>lt</span><span>;b;</span> &amp;<b>lt;</b></p>", "24. May\n1)\n3.5\n4https://e.com/i\n&lt;b; &lt;", "24\\. May  \n1\\)  \n3.5  \n4![](https://e.com/i)  \n&lt\\;b; &**lt;**"},
		{"no image", "<p>Look!<a href='https://e.com'>here</a></p>", "Look!here <https://e.com>", "Look! [here](https://e.com)"},
		{"headings", "<h1>A <b>b</b><br>c</h1><h3>D</h3>e", "A b c\n\nD\n\ne", "# A **b** c\n\n### D\n\ne"},
		{
			"lists", "<p>x:</p><ul><li>a<ul><li>b<li>c</ul></li><li><p>d</p></li><li><p>e</p><p>f</p></li><li></li></ul><p>y</p>",
			"x:\n\n- a\n  - b\n  - c\n- d\n- e\n\n  f\n\ny", "x:\n\n- a\n  - b\n  - c\n- d\n- e\n\n  f\n\ny",
		},
		{"numbers", `<ol start="9"><li>a</li><li>b<br>c</li></ol><li>d</li>`, "9. a\n10. b\n    c\n\n- d", "9. a\n10. b  \n    c\n\n- d"},
		{
			"numbers that jump", `<ol><li>a</li><li value="5">b</li><li>c</li><li value="9">d</li></ol><ol><li>e</li></ol>`,
			"1. a\n5. b\n6. c\n9. d\n\n1. e", "1. a\n5) b\n6) c\n9. d\n\n1) e",
		},
		{"numbers below one", `<ol start="-1"><li>a</li><li>b</li><li>c</li></ol>`, "-1. a\n0. b\n1. c", "- -1. a\n0. b\n1. c"},
		{"numbers that go down", `<ol reversed><li>a</li><li>b</li></ol>`, "2. a\n1. b", "2. a\n1) b"},
		{"numbers in a list", `<ol><li>a<ol start="3"><li>b</li></ol></li><li>c</li></ol>`, "1. a\n   3. b\n2. c", "1. a\n\n   3. b\n2. c"},
		{
			"a list beside an item", `<ol><li>Open</li><ol><li>sub <b>a</b></li><li>sub b</li><ul><li>c</li></ul></ol><li>Close</li></ol>`,
			"1. Open\n   1. sub a\n   2. sub b\n      - c\n2. Close", "1. Open\n   1. sub **a**\n   2. sub b\n      - c\n2. Close",
		},
		{
			"a list beside an item that begins elsewhere", `<ol><li>a</li><div><ol start="3"><li>b</li></ol></div><li>c</li></ol>`,
			"1. a\n   3. b\n2. c", "1. a\n\n   3. b\n2. c",
		},
		{"a list before all items", `<ol><ol><li>a</li></ol><li>b</li></ol>`, "1. a\n1. b", "1. a\n1) b"},
		{
			"text after a list in an item", `<ul><li>Pay by:<ul><li><b>card</b></li></ul>Then call us.</li><li>a<ul><li>b</li></ul><div>c</div>d</li></ul>`,
			"- Pay by:\n  - card\n  Then call us.\n- a\n  - b\n  c\n  d", "- Pay by:\n  - **card**\n\n  Then call us.\n- a\n  - b\n\n  c  \n  d",
		},
		{"text beside items", `<ol><li>a</li>b<li>c</li></ol><li>d</li>e`, "1. a\nb\n2. c\n\n- d\ne", "1. a\n\nb\n\n2. c\n\n- d\n\ne"},
		{"cells that are empty", "<table><tr><td>a<td><td>c<tr><td><td><b>b</b><td></table>", "a |  | c\n| b", "a |  | c  \n| **b**"},
		{"superscripts", "10<sup><b>6</b></sup> x<sup>n+1</sup>", "10^6 x^(n+1)", "10^**6** x^(n+1)"},
		{"quote", "<p>a</p><blockquote><p>b</p><p>c<br>d</p></blockquote>e", "a\n\n> b\n>\n> c\n> d\n\ne", "a\n\n> b\n>\n> c  \n> d\n\ne"},
		{
			"code within marks", "<b>Run:<pre>rm *.tmp\n[x](http://e.com)</pre>now</b><p>Then <a href='http://e.com'>call</a></p>",
			"Run:\n\nrm *.tmp\n[x](http://e.com)\n\nnow\n\nThen call <http://e.com>",
			"**Run:**\n\n```\nrm *.tmp\n[x](http://e.com)\n```\n\n**now**\n\nThen [call](http://e.com)",
		},
		{"lines of code in a quote", "<blockquote><pre>a\u2028*b*\u0085c</pre></blockquote>", "> a\n> *b*\n> c", "> ```\n> a\n> *b*\n> c\n> ```"},
		{"code beside code", "<p><code>a</code><code>b</code></p>", "ab", "`a` `b`"},
		{"code", "Run <code>a *b* `c`</code>:<pre>x\n  y ```\n</pre>z", "Run a *b* `c`:\n\nx\n  y ```\n\nz", "Run `` a *b* `c` ``:\n\n````\nx\n  y ```\n````\n\nz"},
		{"code of several lines", "Run <code>cd  /tmp<br>ls\n-l<br><br>`</code> <b><code>x<div>y</div></code></b>z", "Run cd /tmp\nls -l\n\n` x\ny\nz", "Run `cd /tmp`  \n`ls -l`\n\n`` ` `` **`x`**  \n**`y`**  \nz"},
		{"code whose lines are kept", `<code style="white-space: pre">a
b</code> <h2><code>c<br>d</code> <pre>e
f</pre></h2>`, "a\nb\n\nc d e f", "`a`  \n`b`\n\n## `c` `d` `e` `f`"},
		{"code begins with blanks", "<pre>\n \n    a\n  b \n\n</pre>", "    a\n  b", "```\n    a\n  b\n```"},
		{"headings that end in number signs", "<h2>C #</h2><h3>a ##</h3><h3>C#</h3><h2>b <i>#</i></h2><h2>c <span>#</span></h2><h2>#</h2>", "C #\n\na ##\n\nC#\n\nb #\n\nc #\n\n#", "## C \\#\n\n### a #\\#\n\n### C#\n\n## b *\\#*\n\n## c \\#\n\n## \\#"},
		{"lines that are kept", `<div style="white-space: pre-wrap">a
b</div>`, "a\nb", "a  \nb"},
		{"rule", "a<hr>b", "a\n\n---\n\nb", "a\n\n---\n\nb"},
		{"table", "<table><tr><th>A</th><th>B</th></tr><tr><td><p>c</p></td> <td>d</td></tr></table>", "A | B\nc | d", "A | B  \nc | d"},
		{"layout", "<table><tr><td><p>a</p></td><td><table><tr><td>b</td></tr></table></td></tr></table>", "a\n\nb", "a\n\nb"},
		{
			"links", `<a href="https://e.com/a b?(c)">A  <b>link</b></a>, <a href="https://e.com/">e.com</a>, <a href=" HTTPS://e.com ">https://e.com</a>`,
			"A link <https://e.com/a%20b?(c)>, https://e.com/, https://e.com", "[A link](https://e.com/a%20b?%28c%29), <https://e.com/>, <https://e.com>",
		},
		{
			"parentheses in links", `<a href="https://e.com/a_(b)">https://e.com/a_(b)</a> <a href="https://(u)@e.com/c)">x</a> <a href="https://e.com/c)">e.com/c)</a> <a href="https://e.com/)d('">e.com/)d('</a> <img src="https://e.com/i_(1).png">`,
			"https://e.com/a_(b) x <https://%28u%29@e.com/c)> https://e.com/c%29 https://e.com/%29d%28' https://e.com/i_(1).png",
			"<https://e.com/a_(b)> [x](https://%28u%29@e.com/c%29) <https://e.com/c)> <https://e.com/)d('> ![](https://e.com/i_%281%29.png)",
		},
		{"mail and phone", `<a href="mailto:a@e.com">a@e.com</a> <a href="tel:+491">call</a>`, "a@e.com call <tel:+491>", "[a@e.com](mailto:a@e.com) [call](tel:+491)"},
		{
			"no links", `<a href="javascript:alert(1)">a</a> <a href="/b">b</a> <a>c</a> <a href="data:x">d</a> <a href="https:">e</a> <a href="https://%">f</a> <a href="mailto:">g</a>`,
			"a b c d e f g", "a b c d e f g",
		},
		{"image in a link", `<a href="https://e.com"><img src="https://e.com/i.png"></a>`, "https://e.com", "<https://e.com>"},
		{
			"images", `<img src="https://e.com/i.png" alt="A [cat]"> <img src="cid:1" alt="Logo"> <img src="data:image/png;base64,AA"> <img src="https://e.com/s.png" alt="😀"> <img src="https://e.com/p.gif" width="1">`,
			"A [cat] <https://e.com/i.png> Logo 😀", "![A \\[cat\\]](https://e.com/i.png) Logo 😀",
		},
		{"what nobody sees", "<head><title>t</title></head><style>s</style><script>s</script><!-- c --><p hidden>h</p><p style='DISPLAY : none'>d</p><template>t</template>a", "a", "a"},
		{"definitions", "<dl><dt>a</dt><dd>b</dd></dl>", "a\nb", "a  \nb"},
		{"entities", "&lt;b&gt; &amp;amp; &euro; &#x1F600;", "<b> &amp; € 😀", "\\<b> \\&amp; € 😀"},
		{"control characters", "a\x00b\x1bc\u202Ed\xff", "ab\uFFFDc\u202Ed\uFFFD", "ab\uFFFDc\u202Ed\uFFFD"},
		{"right to left", `<p dir="rtl">שלום <b>עולם</b></p>`, "שלום עולם", "שלום **עולם**"},
		{"nothing", "<p> &nbsp; <br></p><ul><li></li></ul><b></b><pre> </pre><code></code>", "", ""},
		{"broken", "<p>a<b>b</p>c</i><", "ab\n\nc<", "a**b**\n\n**c\\<**"},
		{"too deep to parse", strings.Repeat("<div><b>", 600) + "a<br>b<script>x</script></p>c", "a\nb\nc", "a  \nb  \nc"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.text, richtext.Text(tt.source, nil)); diff != "" {
				t.Errorf("Text (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.markdown, richtext.Markdown(tt.source, nil)); diff != "" {
				t.Errorf("Markdown (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCut(t *testing.T) {
	for _, tt := range []struct{ name, source, want string }{
		{"Gmail", `<div dir="ltr">New<br clear="all"><div><br></div><span class="gmail_signature_prefix">-- </span><br><div dir="ltr" class="gmail_signature" data-smartmail="gmail_signature">Al</div></div><br>
			<div class="gmail_quote"><div dir="ltr" class="gmail_attr">On Mon, Jan 5, 2026 at 9:00 AM Jane wrote:<br></div><blockquote class="gmail_quote">Old</blockquote></div>`, "New"},
		{"Gmail forwards", `New<div class="gmail_quote"><div class="gmail_attr">---------- Forwarded message ---------</div>Shown</div>`, "New\n---------- Forwarded message ---------\nShown"},
		{"Apple Mail", `<body>New<br><div><br><blockquote type="cite"><div>On 5 Jan 2026, at 09:00, Jane wrote:</div>Old</blockquote></div></body>`, "New"},
		{"older Apple Mail", `<div>New</div><div>Am 05.01.2026 um 09:00 schrieb Jane:</div><br class="Apple-interchange-newline"><blockquote type="cite">Old</blockquote><div>More</div>`, "New\n\nMore"},
		{"Apple Mail on a phone", `New<br id="lineBreakAtBeginningOfSignature"><div>Sent from my phone</div>`, "New"},
		{"Thunderbird", `<p>New</p><div class="moz-signature">-- <br>Al</div><div class="moz-cite-prefix">Am 05.01.2026 um 09:00 schrieb Jane:<br></div><blockquote type="cite">Old</blockquote>`, "New"},
		{"Outlook on the web", `<div>New</div><div id="x_Signature">Al</div><div id="appendonsend"></div><hr style="width:98%"><div id="divRplyFwdMsg"><b>From:</b> Jane</div><div>Old</div>`, "New"},
		{"Outlook on the web, older", `<div>New</div><hr tabindex="-1"><div id="divRplyFwdMsg"><b>From:</b> Jane</div><div>Old</div>`, "New"},
		{"new Outlook", `<div>New</div><div id="ms-outlook-mobile-signature">Get Outlook</div><div id="mail-editor-reference-message-container"><hr>Old</div>`, "New"},
		{"Outlook for Windows", `<div class="WordSection1"><p>New</p><div><div style="border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0in 0in 0in"><p><b>From:</b> Jane</p></div></div><p>Old</p></div>`, "New"},
		{"original message", `<p>New</p><p>-----Ursprüngliche Nachricht-----<br>Von: Jane</p><p>Old</p>`, "New"},
		{"Yahoo", `New<div class="yahoo_quoted">Old</div>`, "New"},
		{"Proton", `New<div class="protonmail_signature_block">Al</div><div class="protonmail_quote">Old</div>`, "New"},
		{"two dashes", "<p>New<br>-- <br>Al</p><p>Desk</p>", "New"},
		{"dashes in a line", "<p>A <b>b</b>--<i>c</i></p>", "A b--c"},
		{"a quote of the agent's", "<blockquote>You said</blockquote><p>New</p>", "> You said\n\nNew"},
		{"words before a colon", `<p>See here:</p><div class="yahoo_quoted">Old</div>`, "See here:"},
		{"nothing but a quote", `<div class="gmail_quote">Old</div>`, "Old"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := richtext.Text(tt.source, &richtext.Options{CutQuotes: true, CutSignature: true})
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if whole := richtext.Text(tt.source, &richtext.Options{}); len(whole) < len(got) {
				t.Errorf("cutting nothing gives less: %q", whole)
			}
		})
	}
}

func TestCutOneOrTheOther(t *testing.T) {
	const source = `<p>New</p><div class="moz-signature">Al</div><blockquote type="cite">Old</blockquote>`
	if got := richtext.Text(source, &richtext.Options{CutQuotes: true}); got != "New\n\nAl" {
		t.Errorf("without quotes: %q", got)
	}
	if got := richtext.Text(source, &richtext.Options{CutSignature: true}); got != "New\n\n> Old" {
		t.Errorf("without the signature: %q", got)
	}
}

// However deep it stands, code is code.
func TestDeepCodeIsCode(t *testing.T) {
	for _, around := range []string{"<blockquote>", "<ul><li>i", "<ol><li>", "<ul><li>i</li>", "<blockquote><ul><li>"} {
		for depth := range 14 {
			source := strings.Repeat(around, depth) + "<pre>x\n  &lt;img src=x&gt;\n\n# [a](http://e.com) `b`\n</pre>c"
			markdown := richtext.Markdown(source, nil)
			shown := shownAs(t, markdown)
			for _, live := range []string{"<h1", "<img", "<!--", "<a"} {
				if strings.Contains(shown, live) {
					t.Errorf("%s %d times, %q has %s", around, depth, markdown, live)
				}
			}
			if got, want := visible(t, shown), visible(t, source); got != want {
				t.Errorf("%s %d times, %q shows %q, want %q", around, depth, markdown, got, want)
			}
		}
	}
}

func TestDeepQuotesStaySmall(t *testing.T) {
	source := strings.Repeat("<blockquote>", 300) + strings.Repeat("a<br>", 3000)
	if got := richtext.Text(source, nil); len(got) > 5*len(source) || !strings.HasPrefix(got, "> > > ") {
		t.Errorf("%d bytes become %d: %.20q", len(source), len(got), got)
	}
}

// Thirty times the input takes about thirty times the time. A quadratic step would take nine hundred
// times the time.
func TestConversionIsLinear(t *testing.T) {
	for _, piece := range []string{
		"<blockquote>", "<li>a", "<ul><li>a", "<b>a", "<i></p>a", "<a href=https://e.com>!", "<td>a", "<table><tr><td>a<td>", "<p></p><blockquote type=cite>",
		"<p></p>", "<br>a", "*_", "`", "<pre>`", "<", "<div>--</div>", "<h1>", "<img src=https://e.com alt=a>", " ", "a ", "<div class=gmail_quote>", "<p id=appendonsend>",
	} {
		fastest := func(n int) time.Duration {
			source := strings.Repeat("<blockquote><ul>", 100) + strings.Repeat(piece, n) + strings.Repeat("a<br>", n)
			best := time.Duration(math.MaxInt64)
			for range 3 {
				start := time.Now()
				richtext.Markdown(source, &richtext.Options{CutQuotes: true, CutSignature: true})
				best = min(best, time.Since(start))
			}
			return best
		}
		if few, many := fastest(100), fastest(3000); many > 300*few {
			t.Errorf("%s takes %v 100 times and %v 3,000 times", piece, few, many)
		}
	}
}

var escaped = regexp.MustCompile(`\\.`)

func FuzzConvert(f *testing.F) {
	f.Add(`<p>Hi <b>Jane</b>,<br>see <a href="https://e.com/(a)">here</a>!</p><ul><li>a<ol start="7"><li>b</ol></ul>`, true, true)
	f.Add(`<table><tr><td>a<td><p>b</table><pre>x</pre><blockquote type=cite>q</blockquote><div id=appendonsend>`, true, false)
	f.Add(`<img src="javascript:x" alt="y"><h1>a<br>b</h1><i><p>c</i></p>--<br><code>`+"``"+`</code>`, false, true)
	f.Fuzz(func(t *testing.T, source string, quotes, signature bool) {
		opts := &richtext.Options{CutQuotes: quotes, CutSignature: signature}
		text, markdown := richtext.Text(source, opts), richtext.Markdown(source, opts)
		for _, s := range []string{text, markdown} {
			if !utf8.ValidString(s) {
				t.Errorf("broken UTF-8: %q", s)
			}
			if strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }) {
				t.Errorf("control characters: %q", s)
			}
			first, _, _ := strings.Cut(s, "\n")
			if s != strings.TrimRightFunc(s, unicode.IsSpace) || s != "" && strings.TrimSpace(first) == "" {
				t.Errorf("blanks around: %q", s)
			}
			if len(s) > 100*len(source)+100 {
				t.Errorf("%d bytes become %d", len(source), len(s))
			}
		}
		if (text == "") != (markdown == "") {
			t.Errorf("text %q, Markdown %q", text, markdown)
		}
		for _, part := range strings.Split(escaped.ReplaceAllString(markdown, ""), "](")[1:] {
			target, _, _ := strings.Cut(part, ")")
			u, err := url.Parse(target)
			if err != nil || u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "mailto" && u.Scheme != "tel" {
				if !strings.Contains(markdown, "`") { // In code it is no link.
					t.Errorf("links to %q in %q", target, markdown)
				}
			}
		}
	})
}

func BenchmarkText(b *testing.B) {
	source := strings.Repeat(`<p dir="auto">Hi <b>Jane</b>,<br>please see <a href="https://example.com/help">our page</a>.</p><ul><li>one</li><li>two</li></ul>`, 10)
	b.SetBytes(int64(len(source)))
	b.ReportAllocs()
	for b.Loop() {
		richtext.Text(source, nil)
	}
}

// A reply by e-mail: links, a table, a list, a picture, a signature and what it answers.
func BenchmarkReply(b *testing.B) {
	source := `<div dir="ltr"><p>Hi <b>Jane</b>,</p><p style="margin:0">see <a href="https://example.com/help?a=b&amp;c=d">our page</a> or <a href="https://example.com/">example.com</a>.</p>` +
		`<ol><li>one</li><li>two</li><li>three</li></ol><table><tr><th>Name</th><th>Phone</th><th>Fax</th></tr><tr><td>Jane</td><td>1</td><td>2</td></tr></table>` +
		`<img src="https://example.com/a.png" alt="A chart"><div class="gmail_signature">Al</div></div>` +
		`<div class="gmail_quote"><div class="gmail_attr">On Mon, May 6, 2024 at 9:00 AM Jane wrote:<br></div><blockquote class="gmail_quote">` + strings.Repeat("<p>Old words</p>", 20) + `</blockquote></div>`
	opts := &richtext.Options{CutQuotes: true, CutSignature: true}
	b.SetBytes(int64(len(source)))
	b.ReportAllocs()
	for b.Loop() {
		richtext.Markdown(source, opts)
	}
}

func ExampleText() {
	const comment = `<div class="zd-comment"><p>Hi Jane,<br>it is on its way:
		<a href="https://example.com/track/4711">track it</a>.</p><p>Al</p></div>`
	fmt.Println(richtext.Text(comment, nil))
	// Output:
	// Hi Jane,
	// it is on its way: track it <https://example.com/track/4711>.
	//
	// Al
}

func ExampleMarkdown() {
	const reply = `<p>That costs <b>100 €</b>.</p><div>Al</div>
		<div>On 5 May 2026, Jane wrote:</div><blockquote type="cite">What does it cost?</blockquote>`
	fmt.Println(richtext.Markdown(reply, &richtext.Options{CutQuotes: true}))
	// Output:
	// That costs **100 €**.
	//
	// Al
}
