package intake

import (
	"net/url"
	"strings"
	"unicode"

	"golang.org/x/net/idna"
)

// The longest local part, in bytes (RFC 5321, section 4.5.3.1.1). lead.proto limits the whole address.
const maxLocalPart = 64

// Longer text, in bytes, is not searched for an address.
const maxWrapped = 1024

// address cleans an e-mail address: one line, in lower case, the domain in ASCII (xn--…), as browsers send it from an e-mail input.
// It extracts the address from what people paste: mailto:ada@example.com?subject=Hi, "Ada Lovelace" <ada@example.com>, and the
// first of several addresses. Text that cannot be an address is kept, for lead.proto to refuse. address is idempotent.
func address(text string) (string, reasons) {
	if isPlainAddress(text) {
		return text, 0
	}
	text, why := line(text)
	if len(text) > maxWrapped {
		return text, why
	}
	text, more := narrow(text)
	why |= more
	text, more = line(text)
	why |= more
	for before := ""; before != text; { // each may uncover work for the others
		before = text
		for _, mend := range [...]func(string) (string, reasons){unwrapped, retyped, latin} {
			text, more = mend(text)
			why |= more
		}
	}
	if lower := strings.ToLower(text); lower != text {
		text, why = lower, why|whyLower
	}
	if at := strings.LastIndexByte(text, '@'); at >= 0 && !isASCII(text[at:]) {
		if domain, err := idna.Lookup.ToASCII(text[at+1:]); err == nil && isSpelt(domain) {
			text, why = text[:at+1]+domain, why|whyIDN
		}
	}
	return text, why
}

// isSpelt reports whether a domain in ASCII consists of letters and digits. The library also accepts symbols, which get copied
// along with an address, but are in nobody's domain.
func isSpelt(domain string) bool {
	name, err := idna.Lookup.ToUnicode(domain)
	return err == nil && !strings.ContainsFunc(name, func(r rune) bool {
		return r != '.' && r != '-' && !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r)
	})
}

// latin fixes characters that keyboards and word processors put into an address: dashes and non-breaking hyphens, and Cyrillic or
// Greek letters that look like the Latin ones around them.
func latin(text string) (string, reasons) {
	if isASCII(text) {
		return text, 0
	}
	mended := dashes.Replace(text)
	parts := strings.FieldsFunc(mended, func(r rune) bool { return strings.ContainsRune("@. <>\"", r) })
	for _, part := range parts {
		if plain := lookalikes.Replace(part); plain != part && isASCII(plain) && strings.ContainsFunc(part, isASCIILetter) {
			mended = strings.Replace(mended, part, plain, 1)
		}
	}
	if mended == text {
		return text, 0
	}
	return mended, whyMistyped
}

func isASCIILetter(r rune) bool { return r < unicode.MaxASCII && isLetter(byte(r)) }

var (
	dashes = strings.NewReplacer("\u2010", "-", "\u2011", "-", "\u2012", "-", "\u2013", "-", "\u2014", "-", "\u2212", "-")
	// lookalikes are letters of other scripts that look like Latin ones.
	lookalikes = strings.NewReplacer(
		"а", "a", "е", "e", "о", "o", "р", "p", "с", "c", "х", "x", "у", "y", "і", "i", "ј", "j", "ѕ", "s",
		"А", "A", "В", "B", "Е", "E", "К", "K", "М", "M", "Н", "H", "О", "O", "Р", "P", "С", "C", "Т", "T", "Х", "X", "У", "Y", "І", "I",
		"ο", "o", "Α", "A", "Β", "B", "Ε", "E", "Ζ", "Z", "Η", "H", "Ι", "I", "Κ", "K", "Μ", "M", "Ν", "N", "Ο", "O", "Ρ", "P", "Τ", "T", "Υ", "Y", "Χ", "X",
	)
)

// isPlainAddress is a fast check that accepts most addresses.
func isPlainAddress(text string) bool {
	at, dotted := 0, false
	for i := range len(text) {
		switch c := text[i]; {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '_', c == '+':
		case c == '.':
			if i == 0 || i == len(text)-1 || text[i-1] == '.' || text[i-1] == '@' {
				return false
			}
			dotted = true
		case c == '@':
			if at > 0 || i == 0 || text[i-1] == '.' {
				return false
			}
			at, dotted = i, false
		default:
			return false
		}
	}
	return at > 0 && dotted
}

// unwrapped extracts an address from a mailto link or the brackets after a display name, and the first of a list.
func unwrapped(text string) (string, reasons) {
	var why reasons
	for {
		before := text
		if len(text) >= len("mailto:") && strings.EqualFold(text[:len("mailto:")], "mailto:") {
			text, _, _ = strings.Cut(text[len("mailto:"):], "?")
			if plain, err := url.PathUnescape(text); err == nil {
				text, _ = line(plain)
			}
			why |= whyMailto
		}
		if open := strings.LastIndexByte(text, '<'); open >= 0 {
			if inner, _, ok := strings.Cut(text[open+1:], ">"); ok && strings.Contains(inner, "@") {
				text, why = strings.TrimSpace(inner), why|whyDisplayName
			}
		}
		if comment := strings.IndexByte(text, '('); comment > 0 && strings.HasSuffix(text, ")") && strings.Contains(text[:comment], "@") {
			text, why = strings.TrimSpace(text[:comment]), why|whyDisplayName
		}
		if first := firstAddress(text); first != text {
			text, why = first, why|whyFirst
		}
		if label := strings.LastIndexByte(text, ':'); label > 0 && !strings.ContainsAny(text[:label], "@\"") && !strings.HasPrefix(text[label:], ":/") {
			text, why = strings.TrimSpace(text[label+1:]), why|whyDisplayName // E-mail: ada@example.com
		}
		if trimmed := strings.TrimRight(text, closing); trimmed != text && trimmed != "" {
			text, why = strings.TrimLeft(trimmed, opening), why|whyMistyped
		}
		if trimmed := strings.Trim(text, " ,;:<>[]"); trimmed != text {
			text, why = trimmed, why|whyMistyped
		}
		if text == before {
			return text, why
		}
	}
}

// Characters around an address that was quoted or copied. No domain ends with one of closing. An address may begin with some of
// opening, so those are removed only if closing ones are.
const (
	closing = "\"'`*/\\’”“»«›‹‘"
	opening = closing + "„‚"
)

// firstAddress returns the first of several addresses separated by commas, semicolons or spaces; text itself if it has at most one.
func firstAddress(text string) string {
	if strings.Count(text, "@") < 2 || strings.Contains(text, `"`) {
		return text
	}
	for part := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ',' || r == ';' || r == ' ' }) {
		if strings.Count(part, "@") == 1 {
			return part
		}
	}
	return text
}

// retyped corrects certain mistakes: spaces next to the at sign or a dot, a comma in the domain, a dot at either end, and addresses
// that are disguised from robots.
func retyped(text string) (string, reasons) {
	mended := text
	if !strings.Contains(mended, "@") {
		for _, sign := range []string{"(at)", "[at]", "{at}", "%40"} {
			if before, after, ok := cutFold(mended, sign); ok {
				mended = strings.TrimSpace(before) + "@" + strings.TrimSpace(after)
				break
			}
		}
		if !strings.Contains(mended, "@") {
			return text, 0
		}
		for _, sign := range []string{"(dot)", "[dot]", "{dot}"} {
			for before, after, ok := cutFold(mended, sign); ok; before, after, ok = cutFold(mended, sign) {
				mended = strings.TrimSpace(before) + "." + strings.TrimSpace(after)
			}
		}
	}
	if strings.Contains(mended, `"`) { // a quoted local part may contain anything
		return text, 0
	}
	for _, sign := range []string{"@", "."} {
		for strings.Contains(mended, " "+sign) || strings.Contains(mended, sign+" ") {
			mended = strings.ReplaceAll(strings.ReplaceAll(mended, " "+sign, sign), sign+" ", sign)
		}
	}
	local, domain, _ := strings.Cut(mended, "@")
	domain = strings.TrimRight(strings.ReplaceAll(domain, ",", "."), ".")
	if mended = strings.TrimRight(strings.TrimLeft(local, "."), ".") + "@" + domain; mended == text || len(mended) < 3 {
		return text, 0
	}
	return mended, whyMistyped
}

// cutFold is strings.Cut with ASCII letters of either case.
func cutFold(text, sign string) (before, after string, found bool) {
	for i := 0; i+len(sign) <= len(text); i++ {
		if strings.EqualFold(text[i:i+len(sign)], sign) {
			return text[:i], text[i+len(sign):], true
		}
	}
	return text, "", false
}

// addressFault says what is wrong with an address that the rules of lead.proto allow; empty if nothing is. The rules are from RFC
// 5321, and CRMs refuse a lead that breaks them.
func addressFault(address string) string {
	at := strings.LastIndexByte(address, '@')
	if at < 0 {
		return ""
	}
	switch local := address[:at]; {
	case len(local) > maxLocalPart:
		return "must have at most 64 characters before the @"
	case strings.HasPrefix(local, "."), strings.HasSuffix(local, "."), strings.Contains(local, ".."):
		return "must not have a dot at an end of what stands before the @, nor two in a row"
	case !strings.Contains(address[at:], "."):
		return "must have a domain with a dot, such as example.com"
	}
	return ""
}
