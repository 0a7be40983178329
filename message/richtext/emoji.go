package richtext

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	joiner   = '\u200D'
	asEmoji  = '\uFE0F' // after a character that is a text by default
	asKeycap = '\u20E3'
	tagEnd   = '\U000E007F'
)

// isEmoji reports whether the alt text of an image is one emoji: a sequence of UTS #51, ED-17a, which it shows. Desks leave out
// U+FE0F now and then.
func isEmoji(alt string) bool {
	for {
		rest, ok := cutEmoji(alt)
		if !ok || rest == "" {
			return ok
		}
		if alt, ok = strings.CutPrefix(rest, string(joiner)); !ok {
			return false
		}
	}
}

// cutEmoji removes an element of a sequence from its beginning.
func cutEmoji(s string) (rest string, ok bool) {
	r, size := utf8.DecodeRuneInString(s)
	rest = s[size:]
	switch {
	case strings.ContainsRune("#*0123456789", r):
		return strings.CutPrefix(strings.TrimPrefix(rest, string(asEmoji)), string(asKeycap))
	case unicode.Is(unicode.Regional_Indicator, r):
		r, size = utf8.DecodeRuneInString(rest)
		return rest[size:], unicode.Is(unicode.Regional_Indicator, r)
	case !isPictograph(r):
		return s, false
	}
	r, size = utf8.DecodeRuneInString(rest)
	switch {
	case r == asEmoji, r >= '\U0001F3FB' && r <= '\U0001F3FF': // the colours of skin
		return rest[size:], true
	case isTag(r):
		rest = strings.TrimLeftFunc(rest, isTag)
		return strings.CutPrefix(rest, string(tagEnd))
	default:
		return rest, true
	}
}

// isTag reports whether a character is one of the letters of a flag, see UTS #51, ED-14a.
func isTag(r rune) bool { return r >= '\U000E0020' && r < tagEnd }

// isPictograph reports whether a character beyond ASCII has the property Emoji of UTS #51. Above the Basic Multilingual Plane
// whole blocks are kept for emoji.
func isPictograph(r rune) bool {
	return strings.ContainsRune(pictographs, r) || unicode.Is(blocks, r)
}

const pictographs = "©®‼⁉™ℹ↔↕↖↗↘↙↩↪⌚⌛⌨⏏⏩⏪⏫⏬⏭⏮⏯⏰⏱⏲⏳⏸⏹⏺Ⓜ▪▫▶◀◻◼◽◾☀☁☂☃☄☎☑☔☕☘☝☠☢☣☦☪☮☯☸☹☺♀♂♈♉♊♋♌♍" +
	"♎♏♐♑♒♓♟♠♣♥♦♨♻♾♿⚒⚓⚔⚕⚖⚗⚙⚛⚜⚠⚡⚧⚪⚫⚰⚱⚽⚾⛄⛅⛈⛎⛏⛑⛓⛔⛩⛪⛰⛱⛲⛳⛴⛵⛷⛸⛹⛺⛽✂✅✈✉✊✋✌✍✏✒✔✖✝✡✨✳" +
	"✴❄❇❌❎❓❔❕❗❣❤➕➖➗➡➰➿⤴⤵⬅⬆⬇⬛⬜⭐⭕〰〽㊗㊙"

var blocks = &unicode.RangeTable{
	R32: []unicode.Range32{
		{0x1F004, 0x1F004, 1},
		{0x1F0CF, 0x1F0CF, 1},
		{0x1F170, 0x1F171, 1},
		{0x1F17E, 0x1F17F, 1},
		{0x1F18E, 0x1F18E, 1},
		{0x1F191, 0x1F19A, 1},
		{0x1F201, 0x1F202, 1},
		{0x1F21A, 0x1F21A, 1},
		{0x1F22F, 0x1F22F, 1},
		{0x1F232, 0x1F23A, 1},
		{0x1F250, 0x1F251, 1},
		{0x1F300, 0x1F64F, 1},
		{0x1F680, 0x1F6FF, 1},
		{0x1F7E0, 0x1F7EB, 1},
		{0x1F7F0, 0x1F7F0, 1},
		{0x1F90C, 0x1F9FF, 1},
		{0x1FA70, 0x1FAFF, 1},
	},
}
