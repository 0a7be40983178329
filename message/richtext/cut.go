package richtext

import (
	"regexp"
	"slices"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// cut removes quoted messages and signatures from a document.
func cut(doc *html.Node, o Options) {
	var alone, andAfter []*html.Node
	for n := range doc.Descendants() {
		switch {
		case o.CutQuotes && isQuote(n), o.CutSignature && isSignature(n):
			alone = append(alone, n)
		case o.CutQuotes && startsQuote(n), o.CutSignature && startsSignature(n):
			andAfter = append(andAfter, n)
		}
	}
	for _, n := range alone {
		removeAttribution(n)
		remove(n)
	}
	for _, n := range andAfter {
		removeAttribution(n)
		for at := n; at != nil; at = at.Parent {
			for at.NextSibling != nil {
				remove(at.NextSibling)
			}
		}
		remove(n)
	}
}

func remove(n *html.Node) {
	if n.Parent != nil {
		n.Parent.RemoveChild(n)
	}
}

// isQuote reports whether an element is one in which mail programs put the quoted message.
func isQuote(n *html.Node) bool {
	switch {
	case n.Type != html.ElementNode:
		return false
	case n.DataAtom == atom.Blockquote && attr(n, "type") == "cite": // Apple Mail, Thunderbird.
		return true
	case hasClass(n, "gmail_quote", "gmail_quote_container"):
		return !isForwarded(n)
	default:
		return hasClass(n, "yahoo_quoted", "protonmail_quote", "moz-cite-prefix", "zmail_extra") ||
			attr(n, "id") == "mail-editor-reference-message-container" // Outlook.
	}
}

// isForwarded reports whether a quote is a forwarded message, which the agent wants to show.
func isForwarded(n *html.Node) bool {
	return strings.Contains(beginningOf(n), "Forwarded message")
}

var (
	// originalMessage is the line that Outlook puts above the quoted message.
	originalMessage = regexp.MustCompile(`(?i)^-{2,}\s*(original message|ursprüngliche nachricht|message d'origine|mensaje original|` +
		`messaggio originale|mensagem original|oorspronkelijk bericht)\s*-{2,}$`)

	// outlookRule is the style of the rule that Outlook draws there instead.
	outlookRule = regexp.MustCompile(`border-top:(1(\.0)?pt)?solid#?(e1e1e1|b5c4df)`)
)

// startsQuote reports whether a node precedes the quoted message and does not contain it.
func startsQuote(n *html.Node) bool {
	switch n.Type {
	case html.TextNode:
		return len(n.Data) < 200 && originalMessage.MatchString(strings.TrimSpace(n.Data))
	case html.ElementNode:
		id := strings.TrimPrefix(attr(n, "id"), "x_") // Outlook on the web adds this prefix to the ids of others.
		return slices.Contains([]string{"divRplyFwdMsg", "appendonsend", "stopSpelling"}, id) ||
			hasClass(n, "OutlookMessageHeader") || outlookRule.MatchString(styleOf(n))
	default:
		return false
	}
}

func isSignature(n *html.Node) bool {
	if n.Type != html.ElementNode {
		return false
	}
	id := strings.TrimPrefix(attr(n, "id"), "x_")
	return hasClass(n, "gmail_signature", "gmail_signature_prefix", "moz-signature", "protonmail_signature_block", "signature") ||
		slices.Contains([]string{"Signature", "signature", "AppleMailSignature", "ms-outlook-mobile-signature"}, id)
}

// startsSignature reports whether a node is the line "--" of RFC 3676, or what Apple Mail uses
// instead.
func startsSignature(n *html.Node) bool {
	if n.Type == html.ElementNode {
		return attr(n, "id") == "lineBreakAtBeginningOfSignature"
	}
	return n.Type == html.TextNode && strings.TrimSpace(n.Data) == "--" && endsLine(n.PrevSibling) && endsLine(n.NextSibling)
}

func endsLine(neighbour *html.Node) bool {
	return neighbour == nil || neighbour.DataAtom == atom.Br || breaksAround(neighbour.DataAtom) > 0
}

// removeAttribution removes the line above a quote: a rule, or an attribution such as "On 5 May,
// Jane wrote:". In all languages it has a date and ends in a colon.
func removeAttribution(quote *html.Node) {
	n := quote.PrevSibling
	for range 5 { // A few blank lines may stand between.
		if n == nil || n.DataAtom == atom.Hr || strings.TrimSpace(beginningOf(n)) != "" {
			break
		}
		n = n.PrevSibling
	}
	if n == nil {
		return
	}
	text := strings.TrimSpace(beginningOf(n))
	if n.DataAtom == atom.Hr || len(text) < 300 && strings.HasSuffix(text, ":") && strings.ContainsAny(text, "0123456789") {
		remove(n)
	}
}
