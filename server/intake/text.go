package intake

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// plain cleans a line of text that should have no HTML: it removes tags, decodes entities, and cleans the rest like line. It is
// idempotent.
func plain(text string) (string, reasons) {
	if isClean(text) {
		return text, 0
	}
	text, why := line(text)
	// Decoding an entity may result in another one, or in a tag. Each round makes the text shorter.
	for turn := 0; strings.ContainsAny(text, "<&"); turn++ {
		stripped := withoutHTML(text)
		if stripped == text {
			break
		}
		if turn == maxNested { // only an attack nests deeper, and a long text of it would take long
			stripped = strings.Map(withoutSigns, stripped)
		}
		why |= whyHTML
		text, _ = line(stripped)
	}
	return text, why
}

// How many levels of nested tags and entities are removed one by one.
const maxNested = 8

func withoutSigns(r rune) rune {
	if r == '<' || r == '>' || r == '&' {
		return -1
	}
	return r
}

// line cleans a line of text: it turns runs of white space, including line ends, into one space and trims both ends, removes
// control and invisible characters, and composes letters (NFC), so that equal names are equal bytes. Invalid UTF-8 becomes U+FFFD.
// line is idempotent.
func line(text string) (string, reasons) {
	if isLine(text) {
		return text, 0
	}
	var why reasons
	var out strings.Builder
	space := false
	for _, r := range text {
		switch {
		case unicode.IsSpace(r):
			if r != ' ' || space || out.Len() == 0 {
				why |= whySpace
			}
			space = true
		case unicode.IsControl(r), isInvisible(r):
			why |= whyInvisible
		default:
			if space && out.Len() > 0 {
				out.WriteByte(' ')
			}
			space = false
			out.WriteRune(r)
		}
	}
	if space {
		why |= whySpace
	}
	cleaned := out.String()
	if composed := norm.NFC.String(cleaned); composed != cleaned {
		return composed, why | whyComposed
	}
	if why == 0 && cleaned != text { // invalid UTF-8
		why = whyInvisible
	}
	return cleaned, why
}

// isLine is a fast check that accepts most text: printable ASCII with single spaces within.
func isLine(text string) bool {
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

// isClean is the same for text without HTML.
func isClean(text string) bool { return isLine(text) && !strings.ContainsAny(text, "<&") }

// paragraphs cleans text of several lines: it turns line ends into \n and tabs into spaces, removes other control characters, trims
// white space, and composes letters (NFC). It keeps spaces within the text, marks of writing direction, which are needed where two
// scripts meet, and HTML, which is what the person wrote.
func paragraphs(text string) (string, reasons) {
	if isLine(text) {
		return text, 0
	}
	var why reasons
	cleaned := strings.Map(func(r rune) rune {
		switch r {
		case '\n', '\u0085', '\u2028', '\u2029':
			return '\n'
		case '\t', '\v', '\f':
			return ' '
		}
		if unicode.IsControl(r) || isInvisible(r) && !isDirection(r) {
			why |= whyInvisible
			return -1
		}
		return r
	}, strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n"))
	cleaned = strings.TrimSpace(cleaned)
	if composed := norm.NFC.String(cleaned); composed != cleaned {
		return strings.TrimSpace(composed), why | whyComposed
	}
	if cleaned != text && why == 0 {
		why = whySpace
	}
	return cleaned, why
}

// isInvisible reports whether a character is one that gets copied along with text, above all around phone numbers and addresses, or
// that can hide text in text: byte order marks, zero-width spaces, direction marks, blanks that count as letters, tags, private-use
// characters and noncharacters. It does not include joiners (U+200C, U+200D) and variation selectors: names in Persian and in
// Indian scripts need them, and so do emoji.
func isInvisible(r rune) bool {
	if r < 0xAD {
		return false
	}
	switch r {
	case '\uFEFF', '\u200B', '\u2060', '\u00AD', '\u034F', '\u180E', '\u2800', '\u115F', '\u1160', '\u3164', '\uFFA0':
		return true
	}
	return isDirection(r) || 0x2061 <= r && r <= 0x206F || 0xFFF9 <= r && r <= 0xFFFB || 0xE0000 <= r && r <= 0xE007F ||
		unicode.In(r, unicode.Co, unicode.Noncharacter_Code_Point)
}

// isDirection reports whether a character is a mark of writing direction.
func isDirection(r rune) bool {
	switch r {
	case '\u061C', '\u200E', '\u200F':
		return true
	}
	return '\u202A' <= r && r <= '\u202E' || '\u2066' <= r && r <= '\u2069'
}

// fold reduces a name to what must match: letters and digits, in lower case, without the accents and strokes of European scripts.
// It keeps the marks of other scripts, which are vowels and distinguish names.
func fold(text string) string {
	if folded, ok := foldASCII(text); ok {
		return folded
	}
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsLetter(r), unicode.IsDigit(r):
			return plainLetter(unicode.ToLower(r))
		case unicode.IsMark(r) && (r < 0x0300 || r > 0x036F):
			return r
		}
		return -1
	}, norm.NFKD.String(text))
}

// plainLetter replaces letters whose strokes or forms Unicode does not decompose.
func plainLetter(r rune) rune {
	switch r {
	case 'ı':
		return 'i'
	case 'ł':
		return 'l'
	case 'ø':
		return 'o'
	case 'đ':
		return 'd'
	case 'ς':
		return 'σ'
	}
	return r
}

// foldASCII is fold for most text.
func foldASCII(text string) (string, bool) {
	changes := false
	for i := range len(text) {
		c := text[i]
		if c >= utf8.RuneSelf {
			return "", false
		}
		changes = changes || (c < 'a' || c > 'z') && (c < '0' || c > '9')
	}
	if !changes {
		return text, true
	}
	folded := make([]byte, 0, len(text))
	for i := range len(text) {
		switch c := text[i]; {
		case 'A' <= c && c <= 'Z':
			folded = append(folded, c+'a'-'A')
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
			folded = append(folded, c)
		}
	}
	return string(folded), true
}

// narrow converts the full-width characters of East Asian keyboards to plain ones: ＡＢＣ１２３＠.
func narrow(text string) (string, reasons) {
	if isASCII(text) {
		return text, 0
	}
	if plain := norm.NFKC.String(text); plain != text {
		return plain, whyWidth
	}
	return text, 0
}

// westernDigits converts the digits of Arabic, Persian, Indian and other scripts to 0 to 9, and Arabic separators to western ones.
func westernDigits(text string) string {
	if isASCII(text) {
		return text
	}
	return strings.Map(func(r rune) rune {
		switch r {
		case '٫':
			return '.'
		case '٬':
			return ','
		}
		for _, zero := range "٠۰०০੦૦௦౦೦൦๐໐၀០" {
			if zero <= r && r <= zero+9 {
				return '0' + r - zero
			}
		}
		return r
	}, text)
}

// cut shortens text to a number of characters; 0 means no limit. It does not split what people see as one character, such as the
// emoji of a flag or a family.
func cut(text string, most int) string {
	if most == 0 || len(text) <= most || utf8.RuneCountInString(text) <= most {
		return text
	}
	for i := range text {
		if most == 0 {
			return strings.TrimSpace(text[:boundary(text, i)])
		}
		most--
	}
	return text
}

// boundary returns the last position up to at between what people see as characters; at itself if there is none.
func boundary(text string, at int) int {
	for i := at; i > 0; {
		before, size := utf8.DecodeLastRuneInString(text[:i])
		after, _ := utf8.DecodeRuneInString(text[i:])
		inFlag := isFlagLetter(after) && flagLetters(text[:i])%2 == 1
		if before != zeroWidthJoiner && !extends(after) && !inFlag {
			return i
		}
		i -= size
	}
	return at
}

const zeroWidthJoiner = '\u200D'

// extends reports whether a character combines with the one before it: an accent, a vowel sign, a skin tone.
func extends(r rune) bool {
	return unicode.IsMark(r) || r == zeroWidthJoiner || 0x1F3FB <= r && r <= 0x1F3FF
}

// isFlagLetter reports whether a character is a regional indicator, two of which make a flag.
func isFlagLetter(r rune) bool { return 0x1F1E6 <= r && r <= 0x1F1FF }

// flagLetters returns how many of them text ends with.
func flagLetters(text string) int {
	return len(text[len(strings.TrimRightFunc(text, isFlagLetter)):]) / len("🇩")
}
