package intake

import (
	"strconv"
	"strings"
)

// charsetField is a hidden field that browsers fill in with the charset of the form's submission (HTML, "_charset_").
const charsetField = "_charset_"

// addURLEncoded adds the fields of an urlencoded form, as browsers write it: pairs separated by ampersands, spaces as +, other
// characters percent-encoded. A semicolon is an ordinary character.
func (l *fieldList) addURLEncoded(body string, read *decoder) error {
	if read == nil {
		read = charsetOf(body)
	}
	l.expect(1 + strings.Count(body, "&"))
	for pair := range strings.SplitSeq(body, "&") {
		if pair == "" {
			continue
		}
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name, value := unescaped(rawName), unescaped(rawValue)
		if err := l.add(read.text(name), read.text(value)); err != nil {
			return err
		}
	}
	return nil
}

// charsetOf returns the decoder for the charset that the form's _charset_ field names; nil if there is none.
func charsetOf(body string) *decoder {
	_, after, ok := strings.Cut(body, charsetField+"=")
	if !ok {
		return nil
	}
	name, _, _ := strings.Cut(after, "&")
	read, err := charsetReader(name)
	if err != nil {
		return nil
	}
	return read
}

// unescaped decodes + to a space and %XX to a byte. A percent sign that is not followed by two hexadecimal digits stands for
// itself, as in browsers (URL Standard, "percent-decode"), so that a program which sends "100% sure" unencoded loses no lead.
func unescaped(raw string) string {
	if !strings.ContainsAny(raw, "%+") {
		return raw
	}
	var out strings.Builder
	out.Grow(len(raw))
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; c {
		case '+':
			out.WriteByte(' ')
		case '%':
			if decoded, err := strconv.ParseUint(raw[min(i+1, len(raw)):min(i+3, len(raw))], 16, 8); err == nil && i+2 < len(raw) {
				out.WriteByte(byte(decoded))
				i += 2
				continue
			}
			out.WriteByte(c)
		default:
			out.WriteByte(c)
		}
	}
	return out.String()
}
