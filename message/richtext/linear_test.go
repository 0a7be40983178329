package richtext_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hitl-go/sdk/internal/racetest"
	"github.com/hitl-go/sdk/message/richtext"
)

// attributes repeats a text with another attribute each time.
func attributes(text string, times int) string {
	var b strings.Builder
	for i := range times {
		b.WriteString(strings.ReplaceAll(text, "%", fmt.Sprint("a", i)))
	}
	return b.String()
}

// longHost is a host that takes long to be converted between its forms: of labels as long as they can be, of different letters.
func longHost() string {
	var b strings.Builder
	for i := range 255 {
		if i%56 == 55 {
			b.WriteByte('.')
		}
		b.WriteRune('\u4e00' + rune(i*37))
	}
	return b.String()
}

// A megabyte of the worst that is known takes less than a second, and about four times as much as a quarter of it.
func TestLinearTime(t *testing.T) {
	if testing.Short() {
		t.Skip("a megabyte of each takes 25 s: the whole run has the time")
	}
	many := func(s string) string { return strings.Repeat(s, 300) }
	for _, hostile := range []struct{ first, then string }{
		// Texts that the parser joins.
		{"", "</x>a"},
		{"", "</b>a"},
		{"", "<body>a"},
		{"", "<html>a"},
		{"", "<head>a"},
		{"", "</body>a"},
		{"", "<!doctype html>a"},
		{"<select>", "<x>a"},
		{"<select>", "</x>a"},
		{"<table>", "<tr>a"},
		{"<table>", "<tr></tr>a"},
		{"<table>", "</x>a"},
		{"<frameset>", "<x>a"},
		{"<table><colgroup>", "a<col>"},
		{"<svg>", "</x>a"},
		// Many open elements.
		{many("<div>"), "</p>"},
		{many("<b>"), "</p>"},
		{many("<b>"), "<p>"},
		{many("<x>"), "</y>"},
		{many("<math>"), "</ul>"},
		{many("<ul><li>"), "</blockquote>"},
		{many("<table><tr><td>"), "</p>x"},
		{many("<font>"), "</b>a"},
		{many("<i>"), "<a href=https://example.com>"},
		{"", "<a>x"},
		{"", "<a><p>"},
		{"", "<font><p>"},
		{"", "<p><b>"},
		{"", "<nobr><a href=https://example.com>"},
		{"", "<div>"},
		{"", "<table><tr><td>"},
		{"", "<button><a href=https://example.com>"},
		{"", "<b><i></b>"},
		{"", "<blockquote>"},
		{"", "<ul><li>"},
		{"", "<template>"},
		{"", "<ruby><rt>"},
		{"", "<a><table><tr><td>"},
		{"", "<form><input>"},
		// Quotes and signatures that look back and forth.
		{strings.Repeat("a ", 100_000), "<blockquote type=cite></blockquote>"},
		{many("<div class=gmail_quote>"), "<b> </b>"},
		{"", "<p>On 5 May:</p><blockquote type=cite></blockquote>"},
		{"", "--<br>"},
		// Formatting that is opened again, with its attributes.
		{"<div>" + attributes("<i %>", 300) + "</div>", "<p>x"},
		{"<p><b " + attributes("% ", 5000) + ">", "<p>x"},
		{"<body " + attributes("% ", 15000) + ">", "<body b>"},
		{"<svg><title>", "x</q>"},
		{"<math><style>", "x</q>"},
		{"<p style='" + strings.Repeat("a", 500_000) + "'></p>", "<div class=gmail_quote></div>"},
		// Lists and tables that are looked through before they are written.
		{"", "<ol reversed><li>a"},
		{"<ol reversed>", "<li value=-2147483648>a"},
		{many("<ol reversed><li>"), "<div><li>a</div>"},
		{"<ol>", "<li>a</li><ol><li>b</li></ol>"},
		{"<table><tr>", "<td>a"},
		{"<table><tr>", "<td>&#8203;"},
		{"<table><tr><td>a<td>b", "<tr><td rowspan=65535 colspan=65535>a"},
		{"<table><tr><td rowspan=0>a<td rowspan=0>b", "<tr><td>a<td>"},
		// Superscripts, and what nobody sees.
		{"", "a<sup>2"},
		{"", "a<sup>2</sup>"},
		{many("a<sup>2"), "<b>3</b>"},
		{"<a href=https://example.com>", "a<sup>2</sup>"},
		{"", "<b>&#8203;</b>"},
		{"", "<b>a</b>"},
		{"<b>", "<i>a</i>b"},
		{"", "<p>a<b>&#8203;</b>"},
		// Introductions, forwarded mails and answers between quotes.
		{"", "<div class=gmail_quote>"},
		{many("<div class=gmail_quote>"), "<blockquote></blockquote>"},
		{many("<div class=gmail_quote>"), "<b> </b>"},
		{"", "<div class=gmail_quote>On 6 May 2024 at 9:00, a wrote:<blockquote>q</blockquote>a</div>"},
		{"", "<b>a</b><blockquote type=cite></blockquote>"},
		{"", "On 6 May 2024 at 9:00, a wrote:<blockquote type=cite>Begin forwarded message:</blockquote>"},
		{"<blockquote type=cite>", "\u0662:"},
		{many("<div style='border-top:solid #e1e1e1'>"), "<b> </b>"},
		// URLs, and emoji.
		{"<a href='https://", "\u00fc"},
		{"<a href='https://example.com/", "\u00fc\u200b"},
		{"<a href='https://example.com/", "%C3%BC%"},
		{"<a href='https://", "@"},
		{"", "<a href='https://" + longHost() + "'>" + longHost() + "</a>"},
		{"", "<a href='https://" + strings.Repeat("xn--a.", 42) + "'>a</a>"},
		{"<img alt='", "1\ufe0f\u20e3\u200d"},
		{"<img alt='\U0001F3F4", "\U000e0067"},
		// Long tags, entities, comments and runs.
		{"<x ", "a=b "},
		{"<x ", "a "},
		{"<p style='", "color:red;"},
		{"<p class='", "a "},
		{"<a href='https://example.com/", "%20"},
		{"<!--", "-"},
		{"", "&amp;"},
		{"", "&amp;<i></i>a"},
		{"", "1<i></i>"},
		{"", "a<i></i>"},
		{"&", "a"},
		{"", "&NotEqualTilde;"},
		{"", "<!"},
		{"", "<"},
		{"", "</"},
		{"", "*"},
		{"", "`"},
		{"", "<code>`</code>"},
		{"<code>", "a<br>"},
		{"", "<code>a</code>"},
		{"<pre>", " \n"},
		{"", "_a"},
		{"<pre>", "`\n"},
		{"", "\u00a0"},
	} {
		convert := func(size int) time.Duration {
			source := hostile.first + strings.Repeat(hostile.then, size/len(hostile.then))
			start := time.Now()
			richtext.Markdown(source, &richtext.Options{CutQuotes: true, CutSignature: true, SkipImage: func(src string) bool { return src == "" }})
			return time.Since(start)
		}
		const size, most = 1 << 20 / racetest.Slowdown, time.Second * racetest.Slowdown
		const tries = 5 // A busy machine takes its time, too. What is not linear is slow each time.
		isSlow := true
		var quarter, whole time.Duration
		for try := 0; isSlow && try < tries; try++ {
			quarter, whole = convert(size/4), convert(size)
			isSlow = whole > most || whole > 8*quarter+100*time.Millisecond*racetest.Slowdown
		}
		if isSlow {
			t.Errorf("%.40q and then %q: %d KiB take %v, and %d KiB %v", hostile.first, hostile.then, size>>12, quarter, size>>10, whole)
		}
	}
}

// A long thread of Outlook's keeps its structure: its document has many attributes, and nothing in it is nested deep.
func TestLongThreadKeepsItsStructure(t *testing.T) {
	source := `<html xmlns:v="a" xmlns:o="b" xmlns:w="c" xmlns:m="d" xmlns="e"><body lang="EN" link="blue" vlink="purple" style="x" class="y"><div class="WordSection1">` +
		strings.Repeat(`<p class="MsoNormal">Hello <b>you</b><o:p></o:p></p>`, 20_000) + `<ul><li>one</li><li>two</li></ul></div></body></html>`
	if got := richtext.Text(source, nil); !strings.HasSuffix(got, "\n- one\n- two") {
		t.Errorf("it ends in %q", got[len(got)-40:])
	}
}
