package richtext

import (
	"regexp"
	"slices"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"github.com/hitl-go/sdk/internal/invisible"
)

// cut removes quoted messages and signatures from a document.
func cut(doc *html.Node, o Options) {
	f := finder{Options: o}
	f.find(doc, false)
	for _, q := range f.begun {
		for at := q.first; at != q.around; at = at.Parent {
			for at.PrevSibling != nil {
				remove(at.PrevSibling)
			}
		}
		removeAttribution(q.around)
	}
	for _, n := range f.alone {
		removeAttribution(n)
		if n.Parent != nil && !isSignature(n) { // What was said above and below a quote stays apart.
			n.Parent.InsertBefore(&html.Node{Type: html.ElementNode, DataAtom: atom.P, Data: "p"}, n)
		}
		remove(n)
	}
	for _, n := range f.andAfter {
		removeAttribution(n)
		for at := n; at != nil; at = at.Parent {
			for at.NextSibling != nil {
				remove(at.NextSibling)
			}
		}
		remove(n)
	}
}

// finder finds what is to be cut.
type finder struct {
	Options
	alone, andAfter []*html.Node
	begun           []begun
}

// begun is an element around quotes and the answers between them, and the first of these quotes. What is before that introduces
// them.
type begun struct{ around, first *html.Node }

// find looks for what is to be cut in an element. answered says that quotes in it have an introduction: there, all quotes are of
// the message that is answered.
func (f *finder) find(parent *html.Node, answered bool) {
	for n := range parent.ChildNodes() {
		quote := f.CutQuotes && (isQuote(n) || answered && n.DataAtom == atom.Blockquote)
		switch {
		case f.CutQuotes && !answered && isForwarded(n, quote):
		case quote:
			f.quote(n, answered)
		case f.CutSignature && isSignature(n):
			f.alone = append(f.alone, n)
		case f.CutQuotes && startsQuote(n), f.CutSignature && startsSignature(n):
			f.andAfter = append(f.andAfter, n)
		default:
			f.find(n, answered)
		}
	}
}

func (f *finder) quote(n *html.Node, answered bool) {
	if n.DataAtom != atom.Blockquote && !answered {
		if first := firstQuote(n); first != nil {
			f.begun = append(f.begun, begun{n, first})
			f.find(n, true)
			return
		}
	}
	f.alone = append(f.alone, n)
}

// firstQuote returns the first quote in an element that has only an introduction before it.
func firstQuote(around *html.Node) *html.Node {
	const most = 300 // bytes, or nodes: what is longer is no introduction
	var before strings.Builder
	nodes := 0
	for n := range around.Descendants() {
		switch {
		case n.DataAtom == atom.Blockquote && (invisible.Only(before.String()) || isIntroduction(before.String())):
			return n
		case n.DataAtom == atom.Blockquote:
			return nil
		case n.Type == html.TextNode:
			before.WriteString(n.Data[:min(len(n.Data), most)])
		}
		if nodes++; nodes+before.Len() > most {
			return nil
		}
	}
	return nil
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
	default:
		return hasClass(n, "gmail_quote", "gmail_quote_container", "yahoo_quoted", "protonmail_quote", "moz-cite-prefix", "zmail_extra") ||
			attr(n, "id") == "mail-editor-reference-message-container" // Outlook.
	}
}

// isForwarded reports whether an element holds a forwarded message, which the agent wants to show. If there is an introduction
// above, the message that is answered has been forwarded.
func isForwarded(n *html.Node, quote bool) bool {
	if !quote {
		return hasClass(n, "moz-forward-container") // Thunderbird
	}
	first, _, _ := strings.Cut(strings.TrimFunc(beginningOf(n), invisible.Is), "\n")
	return forwarded.MatchString(collapse(first)) && !isIntroduction(textOfAll(lineAbove(n)))
}

var (
	// forwarded is the first line of a forwarded message.
	forwarded = regexp.MustCompile(`(?i)^[-=*_ ]*(begin )?(forwarded message|(anfang der )?weitergeleiteten? nachricht|(début du )?message (transféré|réexpédié)|` +
		`(inicio del )?mensaje reenviado|(inizio )?messaggio inoltrato|doorgestuurd bericht|(início da )?mensagem (re)?encaminhada|` +
		`vidarebefordrat (brev|meddelande)|videresendt (besked|meddelelse|melding)|välitetty viesti|przekazana wiadomość|přeposlaná zpráva|` +
		`továbbított üzenet|iletilen mesaj|(начало )?(переадресованного|переадресованное|пересылаемого|пересылаемое|пересланное) сообщени[ея]|` +
		`(початок )?(пересланого|переслане) повідомлення|下面是被转发的邮件|以下是轉寄的郵件|(被)?(转发|轉寄)的?(邮件|郵件|消息|訊息)|転送された?メッセージ|転送メール|` +
		`전달된 (메시지|메일)|הודעה (שהועברה|מועברת)|(بداية )?(الرسالة|رسالة) (المحولة|المعاد توجيهها|معاد توجيهها)|अग्रेषित संदेश|ข้อความที่ส่งต่อ)( seuraa)? ?[:：]?[-=*_ ]*$`)

	// originalMessage is the line that Outlook and others put above the quoted message.
	originalMessage = regexp.MustCompile(`(?i)^-{2,} ?(original( message)?|ursprüngliche nachricht|message d'origine|mensaje original|` +
		`messaggio originale|mensagem original|oorspronkelijk bericht|ursprungligt meddelande|oprindelig meddelelse|opprinnelig melding|alkuperäinen viesti|` +
		`wiadomość oryginalna|původní zpráva|eredeti üzenet|özgün ileti|исходное сообщение|оригинальное сообщение|原始邮件|原始郵件|原始訊息|邮件原件|` +
		`元のメッセージ|원본 (메시지|메일)|הודעה מקורית|الرسالة الأصلية|मूल संदेश|ข้อความต้นฉบับ) ?-{2,}$`)

	// outlookRule is the style of the rule that Outlook draws there instead.
	outlookRule = regexp.MustCompile(`border-top:(1(\.0)?pt)?solid#?(e1e1e1|b5c4df)`)
)

// startsQuote reports whether a node precedes the quoted message and does not contain it.
func startsQuote(n *html.Node) bool {
	switch n.Type {
	case html.TextNode:
		return len(n.Data) < 200 && originalMessage.MatchString(collapse(n.Data))
	case html.ElementNode:
		id := strings.TrimPrefix(attr(n, "id"), "x_") // Outlook on the web adds this prefix to the ids of others.
		return slices.Contains([]string{"divRplyFwdMsg", "appendonsend", "stopSpelling"}, id) ||
			hasClass(n, "OutlookMessageHeader") || n.DataAtom == atom.Div && outlookRule.MatchString(styleOf(n)) && beginsWithLabel(n)
	default:
		return false
	}
}

// beginsWithLabel reports whether the first words of an element are bold and end in a colon, as in "From: Jane".
func beginsWithLabel(n *html.Node) bool {
	const most = 50
	looked := 0
	for d := range n.Descendants() {
		if looked++; looked > most {
			return false
		}
		if d.Type != html.TextNode || invisible.Only(d.Data) {
			continue
		}
		for p := d.Parent; p != n; p = p.Parent {
			if p.DataAtom == atom.B || p.DataAtom == atom.Strong {
				return endsInColon(collapse(d.Data))
			}
		}
		return false
	}
	return false
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

// removeAttribution removes the line above a quote: a rule, or an introduction such as "On 5 May,
// Jane wrote:".
func removeAttribution(quote *html.Node) {
	line := lineAbove(quote)
	if len(line) == 1 && line[0].DataAtom == atom.Hr || isIntroduction(textOfAll(line)) {
		for _, n := range line {
			remove(n)
		}
	}
}

// lineAbove returns the nodes of the line above a quote, the last first.
func lineAbove(quote *html.Node) (line []*html.Node) {
	n := quote.PrevSibling
	for range 5 { // A few blank lines may stand between.
		if n == nil || n.DataAtom == atom.Hr || !invisible.Only(beginningOf(n)) {
			break
		}
		n = n.PrevSibling
	}
	const most = 10 // nodes of an introduction
	for n != nil && len(line) < most {
		line = append(line, n)
		if !isInline(n) || n.PrevSibling == nil || !isInline(n.PrevSibling) {
			return line
		}
		n = n.PrevSibling
	}
	return nil
}

func isInline(n *html.Node) bool { return n.DataAtom != atom.Br && breaksAround(n.DataAtom) == 0 }

// textOfAll returns the text of the nodes of a line, the last first.
func textOfAll(line []*html.Node) string {
	var text string
	for _, n := range line {
		text = beginningOf(n) + text
	}
	return text
}
