package message

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"
)

// TranscriptOptions say how a history is written. The zero value, like a nil pointer, is plain
// text of any length in English, in which every user is called "User".
type TranscriptOptions struct {
	Format Format

	// Limit is the greatest length of the result, or of each part, in Unit. Zero or less is no
	// limit.
	Limit int
	Unit  Unit

	// Name finds the name of a user. It is called once for each of the last 100 speakers, up to
	// eight at a time, so it must be safe for concurrent use. Whoever has no name, and whoever's
	// name is not there after five seconds, is called Words.User: an error is no more than that,
	// and whoever takes the name of the bot is, too. A call that outlasts its context is left behind.
	// A name is shown on one line and cut after 200 runes.
	Name func(ctx context.Context, userID string) (string, error)

	// Words replace the English words.
	Words Words
}

// Transcript writes a history as one text: the name of each speaker, and below it what they said,
// set off so that nobody can put words into the mouth of another. It cannot fail, because a
// transcript is never worth a failed hand-over. The options may be nil.
//
// If all of it is longer than the limit, it keeps the newest messages, as many as fit whole, and
// begins with how many earlier ones were left out. If not even the newest fits, that one is cut
// between two characters and ends in "…". Where a limit is too small for the note about earlier
// messages, for the speaker's name or for any markup, these go first; a limit smaller than one
// character gives an empty text.
//
// Messages that are nil or say nothing are not shown.
func Transcript(ctx context.Context, history []Turn, opts *TranscriptOptions) string {
	return newTranscript(ctx, history, opts).newest()
}

// TranscriptParts writes a history as [Transcript] does, but all of it, in as many parts as the
// limit demands. Each part begins with a speaker's name. A message longer than the limit goes on
// in the next part. Nothing is left out, except characters that are longer than the limit
// themselves. A history in which nothing is said has no parts.
func TranscriptParts(ctx context.Context, history []Turn, opts *TranscriptOptions) []string {
	return newTranscript(ctx, history, opts).parts()
}

// transcript writes a history as a flat row of headings and quotes, so that lengths can be added.
type transcript struct {
	page            // Writes one message at a time.
	quoted   []byte // The message, set off.
	history  []Turn
	limit    int
	unit     Unit
	style    style
	names    map[string]string
	headings map[string]string // By user.
}

// style is what one format puts around and between the pieces. Gaps are ASCII, and so of one length
// in all units.
type style struct {
	heading  [2]string // Before and after a name, with the gap to what was said.
	note     [2]string // Before and after the note, with the gap to the first heading.
	quote    string    // Before each line that was said.
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

// said is a message as it stands in the transcript.
type said struct {
	turn int // Its place in the history.
	text string
	size int // Of the transcript, if this is its oldest message.
}

// newest writes the newest messages that fit, and renders no more of the history than that.
func (t *transcript) newest() string {
	var kept []said // The newest first.
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
		kept, neighbour = append(kept, said{i, text, size}), i
	}
	return t.join("", kept)
}

// shortened makes room for the note that messages were left out. excess is the newest one that
// does not fit.
func (t *transcript) shortened(kept []said, excess int) string {
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

func (t *transcript) join(note string, kept []said) string {
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
		if t.tooLong(length) { // Even for a part of its own.
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

// split divides one message that is longer than the limit.
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

// divisible is a message as text that can be cut anywhere, and the way back from a piece of it.
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

// piece writes as much of the beginning of text as fits, behind the first lead that leaves room
// for a character, and tells how many bytes of it are done. Where text is cut, end follows. If
// there is no room for any markup, the text stands alone; if there is none for a whole character,
// it is cut between its runes.
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
			} else if n > 0 { // Blanks.
				return "", n
			}
		}
		if s, n := t.fit(text, t.limit, whole, bare); n > 0 {
			return s, n
		}
	}
	return "", 0
}

// fit finds out how many bytes of text can be written in the room there is, up to the end of a
// word if one is near.
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
		return write(word), word + 1 // The blank is done, too.
	}
	return write(n), n
}

func (t *transcript) tooLong(n int) bool { return t.limit > 0 && n > t.limit }

const none = -1

// lead is what stands before a message of this turn: the gap to its neighbour before it, or none,
// and a heading if the speaker changes. A conversation reads the same both ways: the heading is as
// long if the neighbour comes after it.
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

// heading names a speaker, with the gap after it.
func (t *transcript) heading(userID string) string {
	if h, ok := t.headings[userID]; ok {
		return h
	}
	name := t.words.Bot
	if userID != "" {
		name = cmp.Or(t.names[userID], t.words.User)
		if strings.EqualFold(name, t.words.Bot) { // People may choose their names.
			name = t.words.User
		}
	}
	t.buf = append(t.buf[:0], t.style.heading[0]...)
	t.inline(name)
	t.write(t.style.heading[1])
	h := string(t.buf)
	t.headings[userID] = h
	return h
}

// note says that n messages were left out, with the gap after it.
func (t *transcript) note(n int) string {
	if n == 0 {
		return ""
	}
	t.buf = append(t.buf[:0], t.style.note[0]...)
	t.inline(t.words.LeftOut(n))
	t.write(t.style.note[1])
	return string(t.buf)
}

// quote writes a message so that no line of it can be taken for a heading. It is empty if the
// message says nothing.
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

// bare writes text with nothing around it, for limits that are smaller than any markup.
func (t *transcript) bare(text string) string {
	t.buf = t.buf[:0]
	t.lines(strings.TrimSpace(text))
	return string(t.buf)
}
