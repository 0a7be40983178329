// Package invisible recognises text in which nobody sees anything.
package invisible

import (
	"strings"
	"unicode"
)

// Only reports whether a text has nothing but blanks and characters that are not shown.
func Only(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return !Is(r) })
}

// Is reports whether a character is a blank or is not shown: White_Space and Default_Ignorable_Code_Point of UAX #44, the other
// format characters, controls, and the Braille pattern without dots.
func Is(r rune) bool {
	if r < 0x80 {
		return r <= ' ' || r == 0x7f
	}
	const brailleBlank = '\u2800'
	return r == brailleBlank || unicode.IsSpace(r) || unicode.IsControl(r) ||
		unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector, unicode.Cf) && !unicode.Is(unicode.Prepended_Concatenation_Mark, r)
}
