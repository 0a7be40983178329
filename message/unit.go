package message

import (
	"unicode"
	"unicode/utf8"
)

// Unit is what a help desk counts when it limits the length of a text.
type Unit int

// The units. JavaScript, Java and C# count the length of a string in UTF-16 units: most letters are
// one, most emoji are two or more.
const (
	Bytes Unit = iota // Bytes of UTF-8.
	Runes             // Unicode code points.
	UTF16             // UTF-16 code units.
)

// Len is the length of s in this unit.
func (u Unit) Len(s string) int {
	switch u {
	case Runes:
		return utf8.RuneCountInString(s)
	case UTF16:
		n := 0
		for _, r := range s {
			n += runeLen(r)
		}
		return n
	default:
		return len(s)
	}
}

func runeLen(r rune) int {
	if r > 0xFFFF { // A surrogate pair.
		return 2
	}
	return 1
}

// cuts returns the offsets at which s can be cut so that the text before is at most limit units
// long: the ends of grapheme clusters, called characters here, and the ends of runes. Both ascend.
func (u Unit) cuts(s string, limit int) (characters, runes []int) {
	for at, size, flags := 0, 0, 0; at < len(s); {
		r, width := utf8.DecodeRuneInString(s[at:])
		if size += u.Len(s[at : at+width]); size > limit {
			break
		}
		at += width
		if flags++; !isFlag(r) {
			flags = 0
		}
		next, _ := utf8.DecodeRuneInString(s[at:])
		runes = append(runes, at)
		if at == len(s) || !joined(r, next, flags) {
			characters = append(characters, at)
		}
	}
	return characters, runes
}

// joined reports whether two adjacent runes belong to one grapheme cluster. It covers accents,
// emoji with joiners, skin tones and tags, flags and Hangul, which are what chats contain; the
// other rules of UAX #29 would need tables. flags is the number of consecutive regional indicators
// that end with left.
func joined(left, right rune, flags int) bool {
	const joiner, nonJoiner = '\u200D', '\u200C'
	switch {
	case left == joiner || right == joiner || right == nonJoiner, unicode.Is(unicode.M, right):
		return true
	case right >= 0x1F3FB && right <= 0x1F3FF: // Skin tones.
		return true
	case right >= 0xE0020 && right <= 0xE007F: // Tags, as in the flag of Scotland.
		return true
	case right >= 0x1160 && right <= 0x11FF: // The vowel or the end of a Hangul syllable.
		return true
	default:
		return isFlag(right) && flags%2 == 1
	}
}

// isFlag reports whether r is a regional indicator: two of them make a flag.
func isFlag(r rune) bool { return r >= 0x1F1E6 && r <= 0x1F1FF }
