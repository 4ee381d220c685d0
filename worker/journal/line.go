package journal

import (
	"strings"
	"unicode"
)

// OneLine makes what strangers wrote fit for a line that people read: what would move a terminal's cursor, set its clipboard,
// begin a line or turn the direction of writing becomes a space.
func OneLine(text string) string {
	return strings.Map(func(letter rune) rune {
		if unicode.IsControl(letter) || unicode.Is(unicode.Bidi_Control, letter) || letter == '\u2028' || letter == '\u2029' {
			return ' '
		}
		return letter
	}, text)
}
