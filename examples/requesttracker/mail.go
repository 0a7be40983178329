package main

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/hitl-go/sdk/message"
	"github.com/hitl-go/sdk/message/media"
	"github.com/hitl-go/sdk/message/richtext"
)

// content is what somebody wrote in a transaction: the words, and the files.
func (d *desk) content(ctx context.Context, t transaction) (message.Message, error) {
	// The contents have to be read one by one: RT fails to list binary ones.
	attachments, err := list[attachment](ctx, d.rt, fmt.Sprintf("/transaction/%d/attachments", t.ID), url.Values{"fields": {"ContentType,ContentLength,Filename"}})
	if err != nil {
		return nil, forOwner(err)
	}
	words, err := d.words(ctx, attachments)
	if err != nil {
		return nil, forOwner(err)
	}
	spoken := spokenParts(attachments, words, "")
	var items []message.BlocItem
	for _, a := range attachments {
		switch {
		case a.isText() && slices.Contains(spoken, a.ID):
			items = append(items, message.Text{Text: words[a.ID]})
		case a.isText() || a.isContainer():
		default:
			file, err := d.file(ctx, a)
			if err != nil {
				return nil, forOwner(err)
			}
			items = append(items, file)
		}
	}
	return message.Bloc{Items: items}, nil
}

// isText reports whether it is something to read, and no file.
func (a attachment) isText() bool {
	return a.Filename == "" && (a.is("text/plain") || a.is("text/html"))
}

// isContainer reports whether it only holds others together.
func (a attachment) isContainer() bool {
	return a.Filename == "" && (a.ContentLength == "0" || a.ContentLength == "" || strings.HasPrefix(strings.ToLower(a.ContentType), "multipart/"))
}

func (a attachment) is(contentType string) bool { return strings.EqualFold(a.ContentType, contentType) }

// part is an attachment as RT returns it alone. RT fails to list what it is a part of.
type part struct {
	Content string
	Parent  json.RawMessage // An object with an id. At the top it is something else.
}

var errUnreadable = errors.New("RT's answer is not what it has always been")

// read reads an attachment.
func (d *desk) read(ctx context.Context, a attachment) (content []byte, parent string, err error) {
	var p part
	if err := d.rt.get(ctx, "/attachment/"+a.ID, &p); err != nil {
		return nil, "", err
	}
	content, err = base64.StdEncoding.DecodeString(p.Content)
	if err != nil {
		return nil, "", fmt.Errorf("%w: attachment %s: %w", errUnreadable, a.ID, err)
	}
	var above struct {
		ID json.Number `json:"id"`
	}
	_ = json.Unmarshal(p.Parent, &above)
	return content, above.ID.String(), nil
}

// words reads the texts among attachments, and what holds them together. Blank texts have no words.
func (d *desk) words(ctx context.Context, attachments []attachment) (map[string]string, error) {
	words := map[string]string{}
	for i, a := range attachments {
		if !a.isText() && !a.isContainer() {
			continue
		}
		content, parent, err := d.read(ctx, a)
		if err != nil {
			return nil, err
		}
		attachments[i].parent = parent
		text := strings.TrimSpace(string(content))
		if a.is("text/html") {
			text = richtext.Text(text, &richtext.Options{CutQuotes: true, CutSignature: true, SkipImage: isAttached})
		} else {
			text = withoutQuote(text)
		}
		if a.isText() && strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsSpace(r) && !unicode.Is(unicode.Cf, r) }) {
			words[a.ID] = text
		}
	}
	return words, nil
}

// isAttached reports whether a picture in a mail is one of its parts, which is a file of its own.
func isAttached(src string) bool { return strings.HasPrefix(strings.ToLower(src), "cid:") }

// withoutQuote cuts what mail programs put below an answer: the message that is answered, as a quote or as Outlook does it. If there is
// anything else below, somebody wrote it, and everything stays.
func withoutQuote(text string) string {
	lines := strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	end, signature := len(lines), 0
	for i, line := range lines {
		if isOutlookHeader(lines, i) {
			end = i
			break
		}
		if line == signatureLine {
			signature = i
		}
	}
	for _, below := range []int{end, signature} { // A signature is above the quote, or below.
		if begin, found := quoteAbove(lines, below); found {
			end = begin
			break
		}
	}
	if end == len(lines) {
		return text
	}
	for end > 0 && (isBlank(lines[end-1]) || isRule(lines[end-1])) {
		end--
	}
	return cmp.Or(strings.TrimSpace(strings.Join(lines[:end], "\n")), text)
}

const signatureLine = "-- " // RFC 3676

// quoteAbove finds a quote that ends above a line, and where its introduction begins.
func quoteAbove(lines []string, end int) (begin int, found bool) {
	quote := end
	for quote > 0 && (isQuoted(lines[quote-1]) || isBlank(lines[quote-1])) {
		quote--
	}
	first := quote
	for first < end && isBlank(lines[first]) {
		first++
	}
	if first == end || quote == 0 {
		return end, false
	}
	if isOriginal(lines[quote-1]) {
		return quote - 1, true
	}
	const most = 3 // lines of an introduction
	for begin := quote - 1; begin >= max(quote-most, 1) && !isQuoted(lines[begin]); begin-- {
		if introduces(lines[begin:quote]) {
			return begin, true
		}
	}
	if first == quote || endsInColon(lines[quote-1]) { // Somebody quotes by hand.
		return end, false
	}
	var inside []string // Apple Mail quotes the introduction, too.
	for _, line := range lines[first:min(first+most, end)] {
		inside = append(inside, strings.TrimSpace(strings.TrimPrefix(line, ">")))
		if introduces(inside) {
			return first, true
		}
	}
	return end, false
}

// introduces reports whether lines introduce a quote: several ones only if they have an address.
func introduces(lines []string) bool {
	introduction := strings.Join(lines, " ")
	return isIntroduction(introduction) && (len(lines) == 1 || address.MatchString(introduction))
}

var address = regexp.MustCompile(`<[^<>]+@[^<>]+>`)

// isOutlookHeader reports whether a line begins what Outlook puts above the message that is answered, which it does not mark as
// quoted: its sender, time and subject. Below a line that ends in a colon, or that is of a forwarded message, somebody shows it.
func isOutlookHeader(lines []string, at int) bool {
	if at == 0 || !sender.MatchString(lines[at]) || !isBlank(lines[at-1]) && !isRule(lines[at-1]) {
		return false
	}
	above := at - 1
	for above >= 0 && (isBlank(lines[above]) || isRule(lines[above])) {
		above--
	}
	if above < 0 || endsInColon(lines[above]) || forwarded.MatchString(lines[above]) {
		return false
	}
	end := at
	for end < len(lines) && !isBlank(lines[end]) {
		end++
	}
	if !slices.ContainsFunc(lines[at:end], sent.MatchString) || !slices.ContainsFunc(lines[at:end], subject.MatchString) {
		return false
	}
	for end < len(lines) && isBlank(lines[end]) {
		end++
	}
	if end == len(lines) || !isQuoted(lines[end]) {
		return end < len(lines)
	}
	for end < len(lines) && lines[end] != signatureLine && (isQuoted(lines[end]) || isBlank(lines[end])) {
		end++
	}
	return end == len(lines) || lines[end] == signatureLine // Else somebody has answered between the lines.
}

var (
	sender    = regexp.MustCompile(`(?i)^\*?(from|von|de|da|van)[ \x{a0}]?:`)
	sent      = regexp.MustCompile(`(?i)^\*?(sent|date|gesendet|datum|envoyé|enviado|enviada( em)?|fecha|inviato|data|verzonden)[ \x{a0}]?:`)
	subject   = regexp.MustCompile(`(?i)^\*?(subject|betreff|objet|asunto|assunto|oggetto|onderwerp)[ \x{a0}]?:`)
	forwarded = regexp.MustCompile(`^--.*--\s*$`)
	rule      = regexp.MustCompile(`^_{8,}\s*$`) // Outlook draws it.
)

func isQuoted(line string) bool { return strings.HasPrefix(line, ">") }

func isBlank(line string) bool { return strings.TrimSpace(line) == "" }

func endsInColon(line string) bool { return strings.HasSuffix(strings.TrimSpace(line), ":") }

func isRule(line string) bool { return rule.MatchString(line) || isOriginal(line) }

// isOriginal reports whether package richtext takes a line for what Outlook puts above the message that is answered:
// "-----Original Message-----".
func isOriginal(line string) bool {
	quote := "<p>.</p><p>" + html.EscapeString(line) + "</p><p>?</p>"
	return richtext.Text(quote, &richtext.Options{CutQuotes: true}) == "."
}

// isIntroduction reports whether package richtext takes a line for the introduction of a quote: "On 5 May 2026, Jane wrote:".
func isIntroduction(line string) bool {
	quote := "<p>.</p><p>" + html.EscapeString(line) + `</p><blockquote type="cite">?</blockquote>`
	return richtext.Text(quote, &richtext.Options{CutQuotes: true}) == "."
}

// spokenParts are the ids of the texts below a part that say everything once. The parts of multipart/alternative say the same,
// in plain text and in HTML. Several parts at the top come from a mail whose tree is lost, and are taken for such ones.
func spokenParts(attachments []attachment, words map[string]string, below string) (ids []string) {
	alternative := slices.ContainsFunc(attachments, func(a attachment) bool { return a.ID == below && a.is("multipart/alternative") })
	children := 0
	for _, a := range attachments {
		if a.parent != below || !a.isText() && !a.isContainer() {
			continue
		}
		children++
		if words[a.ID] != "" {
			ids = append(ids, a.ID)
		} else {
			ids = append(ids, spokenParts(attachments, words, a.ID)...)
		}
	}
	if !alternative && (below != "" || children < 2) {
		return ids
	}
	isHTML := func(id string) bool { // In HTML, quotes and signatures are marked.
		return slices.ContainsFunc(attachments, func(a attachment) bool { return a.ID == id && a.is("text/html") })
	}
	if slices.ContainsFunc(ids, isHTML) {
		ids = slices.DeleteFunc(ids, func(id string) bool { return !isHTML(id) })
	}
	return ids
}

// file reads an attachment and puts it where the end user can get it, as RT shows it to its own users only.
func (d *desk) file(ctx context.Context, a attachment) (message.BlocItem, error) {
	if a.Filename == "" {
		a.Filename = media.FileName("", a.ContentType)
	}
	if n, _ := a.ContentLength.Int64(); n == 0 || n > maxFile {
		return message.Text{Text: a.Filename + " (a file that cannot be passed on)"}, nil
	}
	content, _, err := d.read(ctx, a)
	if r := lasting(err); r != nil && r.status != http.StatusUnauthorized || errors.Is(err, errUnreadable) { // whoever refuses it
		d.in.Logger.WarnContext(ctx, "a file in RT does not reach the end user", "attachment", a.ID, "error", err)
		return message.Text{Text: a.Filename + " (a file that cannot be passed on)"}, nil // The words do.
	}
	if err != nil {
		return nil, err
	}
	address, err := d.in.PublishFile(ctx, a.ID+"/"+a.Filename, a.ContentType, content)
	if err != nil {
		return nil, err
	}
	return message.Attachment(a.ContentType, address, a.Filename), nil
}
