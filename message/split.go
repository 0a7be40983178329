package message

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/clipperhouse/uax29/v2/graphemes"
)

// Split splits a text that is longer than the limit of a help desk into pieces that are not. Each
// piece is as long as possible, but ends at the best place within its second half: the end of a
// paragraph, of a line, of a sentence or of a word, in this order. Split does not cut a character,
// which is a grapheme cluster of UAX #29, nor an http or https URL, unless it is longer than the
// limit. It keeps a URL together with the rest of the word before and the punctuation after, such as
// "[text](" and ")", if they fit. It does not interpret Markdown.
//
// Split drops white space between the pieces, before the first and after the last. It drops nothing
// else, except code points that are longer than the limit.
//
// A text within the limit is the only piece, as it is. A limit of zero or less means no limit. A
// text of nothing but white space has no pieces. Invalid UTF-8 is replaced by U+FFFD first.
func Split(text string, limit int, unit Unit) []string {
	text = strings.ToValidUTF8(text, string(utf8.RuneError))
	if isBlank(text) {
		return nil
	}
	if limit <= 0 || unit.Len(text) <= limit {
		return []string{text}
	}
	var pieces []string
	s := splitter{text: text, limit: limit, unit: unit}
	s.findURLs()
	for at := s.skipBlank(0); at < len(text); at = s.skipBlank(at) {
		end := s.cut(at)
		if end > at {
			pieces = append(pieces, text[at:end])
		} else {
			end = at + len(firstCharacter(text[at:]))
			pieces = append(pieces, s.runes(text[at:end])...)
		}
		at = end
	}
	return pieces
}

type splitter struct {
	text  string
	limit int
	unit  Unit
	whole []span // What must not be cut, as far as it is not in a piece yet.
}

type span struct{ start, end int }

// findURLs finds the URLs that fit, with the rest of the word before and the punctuation after if
// these fit too.
func (s *splitter) findURLs() {
	notSpace := func(r rune) bool { return !unicode.IsSpace(r) }
	for at := 0; ; {
		start, end := findURL(s.text[at:])
		if start < 0 {
			return
		}
		url := span{at + start, at + end}
		word := span{
			start: at + len(strings.TrimRightFunc(s.text[at:url.start], notSpace)),
			end:   len(s.text) - len(strings.TrimLeftFunc(s.text[url.end:], followsURL)),
		}
		at = word.end
		for _, whole := range []span{word, url} {
			if s.unit.Len(s.text[whole.start:whole.end]) <= s.limit {
				s.whole = append(s.whole, whole)
				break
			}
		}
	}
}

// followsURL reports whether r after a URL is punctuation that belongs to the text before it.
func followsURL(r rune) bool {
	return strings.ContainsRune(".,;:!?)]}", r) || unicode.In(r, unicode.Terminal_Punctuation, unicode.Pe, unicode.Pf)
}

// skipBlank returns the offset of the first character at or after at that is not white space. White
// space with an accent is a character.
func (s *splitter) skipBlank(at int) int {
	for characters := graphemes.FromString(s.text[at:]); characters.Next(); {
		if !isBlank(characters.Value()) {
			return at + characters.Start()
		}
	}
	return len(s.text)
}

// cut returns the end of the piece that begins at start, which is start if the first character does
// not fit. It reads no further than to the first character that does not fit.
func (s *splitter) cut(start int) int {
	for len(s.whole) > 0 && s.whole[0].end <= start {
		s.whole = s.whole[1:]
	}
	whole := s.whole
	type end struct{ offset, size int }
	var latest [paragraphEnd + 1]end // The latest place of each kind. Each is one that is anywhere, too.
	fits, size := end{offset: start}, 0
	var g gap
	for characters := graphemes.FromString(s.text[start:]); characters.Next(); {
		c, at := characters.Value(), start+characters.Start()
		size += s.unit.Len(c)
		if isBlank(c) {
			g.add(c)
			continue
		}
		for len(whole) > 0 && whole[0].end <= at {
			whole = whole[1:]
		}
		mark := markOf(c)
		if fits.size > 0 && (len(whole) == 0 || at <= whole[0].start) {
			latest[g.place(mark)], latest[anywhere] = fits, fits
		}
		if size > s.limit {
			if latest[anywhere].size == 0 {
				return fits.offset // No character fits, or a URL fits but for a character that is joined to it.
			}
			best := paragraphEnd
			for 2*latest[best].size < latest[anywhere].size {
				best--
			}
			return latest[best].offset
		}
		fits = end{at + len(c), size}
		if mark == closing {
			mark = g.mark
		}
		g = gap{mark: mark}
	}
	return fits.offset
}

// runes splits a character that is longer than the limit.
func (s *splitter) runes(character string) []string {
	var pieces []string
	for character != "" {
		_, n := utf8.DecodeRuneInString(character)
		if _, runes := s.unit.cuts(character, s.limit); len(runes) > 0 {
			n = runes[len(runes)-1]
			if piece := character[:n]; !isBlank(piece) {
				pieces = append(pieces, piece)
			}
		}
		character = character[n:]
	}
	return pieces
}

// place is a place where a text can be cut. A greater one is better.
type place int

const (
	anywhere place = iota // Between two characters.
	wordEnd
	sentenceEnd
	lineEnd
	paragraphEnd
)

// gap is what lies between two characters that are not white space.
type gap struct {
	mark  mark // Before the white space, and before closing marks.
	lines int  // The number of line breaks.
	space bool // Whether there is white space that may end a line.
}

// add adds a character of white space.
func (g *gap) add(c string) {
	switch c {
	case "\n", "\r\n", "\r", "\v", "\f", "\u0085", "\u2028":
		g.lines++
	case "\u2029": // Paragraph separator.
		g.lines += 2
	case "\u00A0", "\u2007", "\u202F": // No-break spaces.
		return
	}
	g.space = true
}

// place classifies the gap before a character with this mark.
func (g *gap) place(next mark) place {
	switch {
	case g.lines > 1:
		return paragraphEnd
	case g.lines == 1:
		return lineEnd
	case g.space && (g.mark == stop || g.mark == wideStop):
		return sentenceEnd
	case g.space:
		return wordEnd
	case next != 0: // Marks stay together.
		return anywhere
	case g.mark == wideStop:
		return sentenceEnd
	case g.mark == wideComma:
		return wordEnd
	default:
		return anywhere
	}
}

// mark is a punctuation mark. Zero is any other character.
type mark int

const (
	stop      mark = iota + 1 // Ends a sentence if white space follows.
	wideStop                  // Ends a sentence. Chinese and Japanese have no white space.
	wideComma                 // Ends a word.
	closing                   // May follow another mark.
)

func markOf(c string) mark {
	r, _ := utf8.DecodeRuneInString(c)
	switch r {
	case '.', '!', '?', '…', '؟', '۔', '।', '॥':
		return stop
	case '。', '！', '？', '｡', '．':
		return wideStop
	case '，', '、', '；', '：', '､', '\u200B': // U+200B is a space without width.
		return wideComma
	case '"', '\'', ')', ']', '}', '”', '’', '»', '」', '』', '）', '】', '》', '〉':
		return closing
	default:
		return 0
	}
}

func isBlank(s string) bool { return strings.TrimSpace(s) == "" }

func firstCharacter(s string) string {
	characters := graphemes.FromString(s)
	return characters.First()
}

// Title makes one line of a text, as for the subject of a ticket. It makes one space of control
// characters and white space, and removes them from both ends. It removes invisible characters that
// could disguise a text, such as bidirectional controls, but keeps those that shape letters and
// emoji.
//
// It truncates a text that is longer than the limit between two characters, after a word if one
// ends in the second half, and ends it in "…". It cuts a character only if it is the first and does
// not fit. A limit smaller than "…" gives an empty title. A limit of zero or less means no limit.
func Title(text string, limit int, unit Unit) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsControl(r):
			return ' '
		case isDisguise(r):
			return -1
		default:
			return r
		}
	}, text)
	text = strings.Join(strings.Fields(text), " ")
	if limit <= 0 || unit.Len(text) <= limit {
		return text
	}
	const end = "…"
	room := limit - unit.Len(end)
	if room < 0 {
		return ""
	}
	cuts, runes := unit.cuts(text, room)
	if len(cuts) == 0 {
		cuts = runes
	}
	if len(cuts) == 0 {
		return end
	}
	n := cuts[len(cuts)-1]
	word := strings.LastIndexByte(text[:n+1], ' ')
	if _, ok := slices.BinarySearch(cuts, word); ok && word > n/2 {
		n = word
	}
	return strings.TrimRight(text[:n], " ") + end
}

// isDisguise reports whether r is an invisible format character. Joiners shape letters and emoji,
// tags the flags of regions, and the prepended marks are visible.
func isDisguise(r rune) bool {
	const nonJoiner, joiner = '\u200C', '\u200D'
	isTag := r >= 0xE0020 && r <= 0xE007F
	return r != nonJoiner && r != joiner && !isTag && unicode.Is(unicode.Cf, r) && !unicode.Is(unicode.Prepended_Concatenation_Mark, r)
}
