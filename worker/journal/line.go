package journal

import (
	"strings"
	"unicode"
)

// OneLine makes text from strangers safe to print on one line of a terminal: control characters, line separators and characters that
// change the writing direction become spaces.
func OneLine(text string) string {
	return strings.Map(func(letter rune) rune {
		if unicode.IsControl(letter) || unicode.Is(unicode.Bidi_Control, letter) || letter == '\u2028' || letter == '\u2029' {
			return ' '
		}
		return letter
	}, text)
}
