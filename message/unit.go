package message

import (
	"unicode/utf8"

	"github.com/clipperhouse/uax29/v2/graphemes"
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
	end := 0
	for size := 0; end < len(s); {
		_, width := utf8.DecodeRuneInString(s[end:])
		size += u.Len(s[end : end+width])
		end += width
		if size > limit {
			break // This rune shows where the character before it ends. No more are needed.
		}
		runes = append(runes, end)
	}
	if len(runes) == 0 {
		return nil, nil
	}
	for c := graphemes.FromString(s[:end]); c.Next() && c.End() <= runes[len(runes)-1]; {
		characters = append(characters, c.End())
	}
	return characters, runes
}
