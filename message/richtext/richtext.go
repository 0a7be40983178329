// Package richtext converts the HTML of help desks, which is what human agents write, to plain text
// or Markdown for end users.
//
//	hitl.Replied{Message: message.Text{Text: richtext.Text(comment.HTMLBody, nil)}}
//
// No input is an error: malformed HTML also yields its text. Hidden elements, scripts and style
// sheets are left out. Links and images whose URL is not http, https, mailto or tel are shown
// without the URL. The result is empty if there is nothing to be seen in it. The time is linear in
// the input: less than a second for a megabyte.
package richtext

import (
	"strings"
	"unicode"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"github.com/hitl-go/sdk/message"
)

// Options select what to leave out of a comment that came by e-mail. The zero value, like a nil
// pointer, leaves out nothing. Nothing is cut if nothing would remain.
type Options struct {
	// CutQuotes leaves out the earlier messages that mail programs quote below a reply, as Gmail,
	// Outlook, Apple Mail, Thunderbird, Yahoo and Proton mark them. It keeps quotes that the agent
	// made by hand.
	CutQuotes bool

	// CutSignature leaves out signatures, as the same programs mark them, and everything after a
	// line that is only "--".
	CutSignature bool

	// SkipImage, if set, reports by their src which images are left out, because they are sent on
	// as files.
	SkipImage func(src string) bool
}

// Text converts HTML to plain text. Lists, quotes and tables keep their structure. Links and images
// show their URL.
func Text(source string, opts *Options) string { return convert(source, opts, false) }

// Markdown converts HTML to Markdown. Text that looks like Markdown is escaped.
func Markdown(source string, opts *Options) string { return convert(source, opts, true) }

func convert(source string, opts *Options, markdown bool) string {
	if opts == nil {
		opts = &Options{}
	}
	if opts.CutQuotes || opts.CutSignature {
		doc := parse(source)
		cut(doc, *opts)
		if s := write(doc, *opts, markdown); s != "" {
			return s
		}
	}
	return write(parse(source), *opts, markdown)
}

func parse(source string) *html.Node {
	if cheap, ok := prepare(source); ok {
		if doc, err := html.Parse(strings.NewReader(cheap)); err == nil {
			return doc
		}
	}
	return flat(source)
}

// flat reads HTML that is nested too deep, or for too long. It keeps only text and line breaks.
func flat(source string) *html.Node {
	doc := &html.Node{Type: html.DocumentNode}
	skipped := atom.Atom(0) // The element whose content is left out.
	for z := html.NewTokenizer(strings.NewReader(source)); z.Next() != html.ErrorToken; {
		switch token := z.Token(); {
		case skipped != 0:
			if token.Type == html.EndTagToken && token.DataAtom == skipped {
				skipped = 0
			}
		case token.Type == html.TextToken:
			doc.AppendChild(&html.Node{Type: html.TextNode, Data: token.Data})
		case token.Type == html.StartTagToken && isInvisible(token.DataAtom):
			skipped = token.DataAtom
		case breaksAround(token.DataAtom) > 0 || token.DataAtom == atom.Br:
			doc.AppendChild(&html.Node{Type: html.ElementNode, DataAtom: atom.Br, Data: "br"})
		}
	}
	return doc
}

// write renders a document. PlainText replaces control characters.
func write(doc *html.Node, opts Options, markdown bool) string {
	w := writer{markdown: markdown, skip: opts.SkipImage, tied: -1}
	if w.skip != nil {
		blank(doc, w.skip)
	}
	w.children(doc)
	w.closeMarks(0)
	return strings.TrimRightFunc(message.PlainText(message.Text{Text: w.out.String()}), unicode.IsSpace)
}
