package message

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/hitl-go/sdk/internal/invisible"
)

// TranscriptOptions configure a transcript. The zero value, like a nil pointer, means plain text in
// English without a limit, in which every user is called "User".
type TranscriptOptions struct {
	Format Format

	// Limit is the maximum length of the result, or of each part, in Unit. Zero or less means no
	// limit.
	Limit int
	Unit  Unit

	// Name looks up the name of a user. It is called once for each of the last 100 speakers, up to
	// eight at a time, so it must be safe for concurrent use. A user is called Words.User if Name
	// fails, finds nothing or takes longer than five seconds, and if the name is that of the bot. A
	// call that outlasts its context is abandoned. A name is shown on one line and truncated to 200
	// runes.
	Name func(ctx context.Context, userID string) (string, error)

	// Words replace the English words.
	Words Words
}

// Transcript renders a history as one text: the name of each speaker, and below it the messages,
// indented or quoted so that nobody can imitate another speaker. It never fails, because a handover
// must not depend on a transcript. The options may be nil.
//
// If the history is longer than the limit, Transcript keeps the newest messages, as many as fit
// whole, after a note of how many earlier ones it leaves out. If not even the newest fits, it
// truncates that one between two characters and ends it in "…". If the limit is too small for the
// note, the speaker's name or the markup, it leaves these out first. A limit smaller than one
// character gives an empty text.
//
// Nil and empty messages are not shown.
func Transcript(ctx context.Context, history []Turn, opts *TranscriptOptions) string {
	return newTranscript(ctx, history, opts).newest()
}

// TranscriptParts renders a history as [Transcript] does, but completely, in as many parts as the
// limit requires. Each part begins with a speaker's name. A message longer than the limit continues
// in the next part. Nothing is left out, except characters that are longer than the limit. A
// history without text has no parts.
func TranscriptParts(ctx context.Context, history []Turn, opts *TranscriptOptions) []string {
	return newTranscript(ctx, history, opts).parts()
}

// transcript renders a history as a flat sequence of headings and quotes, so that their lengths add
// up.
type transcript struct {
	page            // Writes one message at a time.
	quoted   []byte // The message, indented or quoted.
	history  []Turn
	limit    int
	unit     Unit
	style    style
	names    map[string]string
	headings map[string]string // By user.
}

// style is the markup of one format. Gaps are ASCII, so that they have the same length in all
// units.
type style struct {
	heading  [2]string // Before and after a name, with the gap to the message.
	note     [2]string // Before and after the note, with the gap to the first heading.
	quote    string    // Before each line of a message.
	turns    string    // The gap before a heading.
	messages string    // The gap between two messages of one speaker.
}

func styleOf(f Format) style {
	switch f {
	case FormatMarkdown:
		return style{
			heading: [2]string{"### ", "\n\n"}, note: [2]string{"*", "*\n\n"},
			quote: "> ", turns: "\n\n", messages: "\n\n",
		}
	case FormatHTML:
		return style{
			heading: [2]string{`<h3 dir="auto">`, "</h3>\n"}, note: [2]string{`<p dir="auto"><em>`, "</em></p>\n"},
			turns: "\n", messages: "\n",
		}
	default:
		return style{
			heading: [2]string{"", ":\n"}, note: [2]string{"[", "]\n\n"},
			quote: "  ", turns: "\n\n", messages: "\n\n",
		}
	}
}

func newTranscript(ctx context.Context, history []Turn, opts *TranscriptOptions) *transcript {
	if opts == nil {
		opts = &TranscriptOptions{}
	}
	return &transcript{
		page:     page{format: opts.Format, words: opts.Words.orEnglish()},
		history:  history,
		limit:    opts.Limit,
		unit:     opts.Unit,
		style:    styleOf(opts.Format),
		names:    names(ctx, history, opts.Name),
		headings: map[string]string{},
	}
}

// rendered is a message in the transcript.
type rendered struct {
	turn int // Its index in the history.
	text string
	size int // The length of the transcript if this is its oldest message.
}

// newest returns the newest messages that fit. It does not render older ones.
func (t *transcript) newest() string {
	var kept []rendered // The newest first.
	size, neighbour := 0, none
	for i, turn := range slices.Backward(t.history) {
		text := t.quote(turn.Message)
		if text == "" {
			continue
		}
		gap, heading := t.lead(neighbour, i)
		size += len(gap) + t.unit.Len(heading) + t.unit.Len(text)
		if t.limit > 0 && size > t.limit {
			return t.shortened(kept, i)
		}
		kept, neighbour = append(kept, rendered{i, text, size}), i
	}
	return t.join("", kept)
}

// shortened drops messages until the note fits. excess is the newest message that does not fit.
func (t *transcript) shortened(kept []rendered, excess int) string {
	newest := excess
	if len(kept) > 0 {
		newest = kept[0].turn
	}
	for ; len(kept) > 0; kept = kept[:len(kept)-1] {
		oldest := kept[len(kept)-1]
		if note := t.note(oldest.turn); t.unit.Len(note)+oldest.size <= t.limit {
			return t.join(note, kept)
		}
	}
	_, heading := t.lead(none, newest)
	text, message := t.divisible(t.history[newest].Message)
	s, _ := t.piece(text, message, "…", t.note(newest)+heading, heading, "")
	return s
}

func (t *transcript) join(note string, kept []rendered) string {
	var b strings.Builder
	b.WriteString(note)
	neighbour := none
	for _, m := range slices.Backward(kept) {
		gap, heading := t.lead(neighbour, m.turn)
		b.WriteString(gap)
		b.WriteString(heading)
		b.WriteString(m.text)
		neighbour = m.turn
	}
	return b.String()
}

// parts fills one part after the other.
func (t *transcript) parts() []string {
	var parts []string
	var part strings.Builder
	size, neighbour := 0, none
	finish := func() {
		if size > 0 {
			parts = append(parts, part.String())
		}
		part.Reset()
		size, neighbour = 0, none
	}
	for i, turn := range t.history {
		text := t.quote(turn.Message)
		if text == "" {
			continue
		}
		gap, heading := t.lead(neighbour, i)
		length := len(gap) + t.unit.Len(heading) + t.unit.Len(text)
		if t.tooLong(size + length) {
			finish()
			gap, heading = t.lead(none, i)
			length = t.unit.Len(heading) + t.unit.Len(text)
		}
		if t.tooLong(length) { // Even alone.
			parts = append(parts, t.split(i)...)
			continue
		}
		part.WriteString(gap)
		part.WriteString(heading)
		part.WriteString(text)
		size += length
		neighbour = i
	}
	finish()
	return parts
}

// split splits one message that is longer than the limit.
func (t *transcript) split(turn int) []string {
	var parts []string
	_, heading := t.lead(none, turn)
	text, message := t.divisible(t.history[turn].Message)
	for text != "" {
		part, n := t.piece(text, message, "", heading, "")
		if part != "" {
			parts = append(parts, part)
		}
		if n == 0 { // The limit is smaller than this character.
			_, n = utf8.DecodeRuneInString(text)
		}
		text = text[n:]
	}
	return parts
}

// divisible returns a message as text that can be cut anywhere, and a function that makes a message
// of a piece of it.
func (t *transcript) divisible(m Message) (text string, message func(string) Message) {
	if v, err := value(m); err == nil && t.format == FormatMarkdown {
		if md, ok := v.(Markdown); ok {
			return clean(md.Markdown), func(s string) Message { return Markdown{s} }
		}
	}
	plain := page{words: t.words}
	plain.message(m)
	return string(plain.buf), func(s string) Message { return Text{s} }
}

// piece renders as much of the beginning of text as fits, after the first of the leads that leaves
// room for a character. It returns the number of bytes of text that it has consumed. Where it
// truncates text, it appends end. If there is no room for markup, it writes the text alone; if
// there is no room for a whole character, it cuts between runes.
func (t *transcript) piece(text string, message func(string) Message, end string, leads ...string) (string, int) {
	quote := func(n int) string {
		if n < len(text) {
			return t.quote(message(text[:n] + end))
		}
		return t.quote(message(text))
	}
	bare := func(n int) string { return t.bare(text[:n]) }
	for _, whole := range []bool{true, false} {
		for _, lead := range leads {
			if s, n := t.fit(text, t.limit-t.unit.Len(lead), whole, quote); s != "" {
				return lead + s, n
			} else if n > 0 { // Only white space.
				return "", n
			}
		}
		if s, n := t.fit(text, t.limit, whole, bare); n > 0 {
			return s, n
		}
	}
	return "", 0
}

// fit renders as many bytes of text as fit into the room, up to the end of a word if one is near,
// and returns how many it has consumed.
func (t *transcript) fit(text string, room int, whole bool, write func(n int) string) (string, int) {
	characters, runes := t.unit.cuts(text, room)
	cuts := runes
	if whole {
		cuts = characters
	}
	fits := func(n int) bool { return t.unit.Len(write(n)) <= room }
	if len(cuts) > 0 && cuts[len(cuts)-1] == len(text) && fits(len(text)) {
		return write(len(text)), len(text)
	}
	i := sort.Search(len(cuts), func(i int) bool { return !fits(cuts[i]) })
	if i == 0 {
		return "", 0
	}
	n := cuts[i-1]
	word := strings.LastIndexAny(text[:min(n+1, len(text))], " \n")
	if word > n/2 && fits(word) {
		return write(word), word + 1 // The space is consumed, too.
	}
	return write(n), n
}

func (t *transcript) tooLong(n int) bool { return t.limit > 0 && n > t.limit }

const none = -1

// lead returns what precedes a message of this turn: the gap to the neighbour, if there is one, and
// a heading if the speaker changes. The total length is the same if the neighbour comes after the
// message; newest relies on that.
func (t *transcript) lead(neighbour, turn int) (gap, heading string) {
	userID := t.history[turn].UserID
	switch {
	case neighbour == none:
		return "", t.heading(userID)
	case t.history[neighbour].UserID == userID:
		return t.style.messages, ""
	default:
		return t.style.turns, t.heading(userID)
	}
}

// heading returns a speaker's name as a heading, with the gap after it.
func (t *transcript) heading(userID string) string {
	if h, ok := t.headings[userID]; ok {
		return h
	}
	name := t.words.Bot
	if userID != "" {
		name = cmp.Or(t.names[userID], t.words.User)
		if strings.EqualFold(seen(name), seen(t.words.Bot)) { // Nobody may pass for the bot.
			name = t.words.User
		}
	}
	t.buf = append(t.buf[:0], t.style.heading[0]...)
	t.inline(name)
	if t.format == FormatMarkdown {
		t.escapeNumberSigns()
	}
	t.write(t.style.heading[1])
	h := string(t.buf)
	t.headings[userID] = h
	return h
}

// seen is what is seen of a name.
func seen(name string) string {
	return strings.Map(func(r rune) rune {
		if r != ' ' && invisible.Is(r) {
			return -1
		}
		return r
	}, name)
}

// note returns the note that n messages were left out, with the gap after it.
func (t *transcript) note(n int) string {
	if n == 0 {
		return ""
	}
	t.buf = append(t.buf[:0], t.style.note[0]...)
	t.inline(t.words.LeftOut(n))
	t.write(t.style.note[1])
	return string(t.buf)
}

// quote renders a message so that none of its lines can be taken for a heading. The result is empty
// if the message is.
func (t *transcript) quote(m Message) string {
	t.buf = t.buf[:0]
	t.message(m)
	body := bytes.TrimRight(bytes.TrimLeft(t.buf, "\n"), " \t\n")
	if len(body) == 0 {
		return ""
	}
	if t.format == FormatHTML {
		return "<blockquote>" + string(body) + "</blockquote>"
	}
	t.quoted = t.quoted[:0]
	for line := range bytes.SplitSeq(body, []byte("\n")) {
		if len(t.quoted) > 0 {
			t.quoted = append(t.quoted, '\n')
		}
		t.quoted = append(t.quoted, t.style.quote...)
		t.quoted = append(t.quoted, line...)
		if len(line) == 0 {
			t.quoted = bytes.TrimRight(t.quoted, " ")
		}
	}
	return string(t.quoted)
}

// bare renders text without markup, for limits that are smaller than any markup.
func (t *transcript) bare(text string) string {
	t.buf = t.buf[:0]
	t.lines(strings.TrimSpace(text))
	return string(t.buf)
}
