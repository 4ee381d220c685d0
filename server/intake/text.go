package intake

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// line cleans text of one line: runs of white space, line ends among them, become one space, none at either end; control
// characters and marks that nobody sees go; letters are composed (NFC), so that equal names are equal bytes. What is not
// UTF-8 becomes U+FFFD. Cleaning twice changes nothing.
func line(text string) string {
	if isClean(text) {
		return text
	}
	var out strings.Builder
	space := false
	for _, r := range text {
		switch {
		case unicode.IsSpace(r):
			space = out.Len() > 0
		case unicode.IsControl(r), isInvisible(r):
		default:
			if space {
				out.WriteByte(' ')
				space = false
			}
			out.WriteRune(r)
		}
	}
	return norm.NFC.String(out.String())
}

// isClean is a quick answer for most text: printable ASCII with single spaces within.
func isClean(text string) bool {
	before := byte(' ')
	for i := range len(text) {
		c := text[i]
		if c < ' ' || c > '~' || c == ' ' && before == ' ' {
			return false
		}
		before = c
	}
	return text == "" || before != ' '
}

// paragraphs cleans text of several lines: line ends become \n, other control characters go (tabs become a space), outer
// white space goes, spaces within stay as typed, letters are composed (NFC).
func paragraphs(text string) string {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	text = strings.Map(func(r rune) rune {
		switch r {
		case '\n', '\r', '\u0085', '\u2028', '\u2029':
			return '\n'
		case '\t', '\v', '\f':
			return ' '
		}
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, text)
	return norm.NFC.String(strings.TrimSpace(text))
}

// isInvisible tells the marks that come along when text is copied, above all around phone numbers and addresses: byte order
// marks, zero-width spaces, marks of writing direction. The joiners (U+200C, U+200D) are not among them: names in Persian and
// in Indian scripts need them.
func isInvisible(r rune) bool {
	switch r {
	case '\uFEFF', '\u200B', '\u2060', '\u00AD', '\u061C', '\u200E', '\u200F':
		return true
	}
	return '\u202A' <= r && r <= '\u202E' || '\u2066' <= r && r <= '\u2069'
}

// fold reduces a name to what has to match: letters and digits, lower case, without the accents of European scripts. (Marks
// of other scripts are vowels, and tell one name from another.)
func fold(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsLetter(r), unicode.IsDigit(r):
			return unicode.ToLower(r)
		case unicode.IsMark(r) && (r < 0x0300 || r > 0x036F):
			return r
		}
		return -1
	}, norm.NFKD.String(text))
}

// cut shortens text to so many characters; 0 is no bound.
func cut(text string, most int) string {
	if most == 0 || utf8.RuneCountInString(text) <= most {
		return text
	}
	for i := range text {
		if most == 0 {
			return strings.TrimSpace(text[:i])
		}
		most--
	}
	return text
}
