package richtext

import (
	"regexp"
	"strings"
	"unicode"

	"github.com/hitl-go/sdk/internal/invisible"
)

// isIntroduction reports whether a text is what mail programs write above a quote, in any language: it has a date, and then a time,
// an address, or a word for writing, and ends in a colon. An agent's own "Regarding your question 2:" has not.
func isIntroduction(text string) bool {
	const most = 300 // bytes
	text = strings.TrimFunc(text, invisible.Is)
	if len(text) >= most || !endsInColon(text) {
		return false
	}
	text = strings.Map(plainDigit, text)
	return (shortDate.MatchString(text) || year.MatchString(text) && day.MatchString(text)) &&
		(timeOfDay.MatchString(text) || strings.Contains(text, "@") || wrote.MatchString(text))
}

var (
	year      = regexp.MustCompile(`(^|\D)(1[3-9]|2[0-6])\d\d(\D|$)`) // also of the Islamic, the Persian and the Buddhist calendar
	day       = regexp.MustCompile(`(^|\D)\d{1,2}(\D|$)`)
	shortDate = regexp.MustCompile(`(^|\D)\d{1,2}[./-]\d{1,2}[./-]\d\d(\D|$)`)
	timeOfDay = regexp.MustCompile(`\d[:h時时시點点]\d\d`)

	// wrote has the words that stand without a time, too.
	wrote = regexp.MustCompile(`(?i)wrote|schrieb|a écrit|escribió|escrigué|va escriure|ha scritto|escreveu|schreef|skrev|kirjoitti|napisał|napsal|írta|` +
		`a scris|έγραψε|yazdı|написа|пише|писал|写道|寫道|写了|のメール|書きました|作成|작성|썼|씀|كتب|كتابة|نوشت|כתב|מאת|लिखा|লিখেছেন|เขียน|viết|menulis`)
)

func endsInColon(s string) bool {
	return strings.HasSuffix(s, ":") || strings.HasSuffix(s, "：") || strings.HasSuffix(s, "﹕")
}

// plainDigit makes an ASCII digit of one of any script, and leaves out format characters.
func plainDigit(r rune) rune {
	switch {
	case r < unicode.MaxASCII:
		return r
	case unicode.Is(unicode.Cf, r):
		return -1
	case !unicode.Is(unicode.Nd, r):
		return r
	}
	zero := r
	for unicode.Is(unicode.Nd, zero-1) {
		zero--
	}
	return '0' + (r-zero)%10 // Scripts have their digits in rows of ten.
}
