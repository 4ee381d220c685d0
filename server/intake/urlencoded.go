package intake

import (
	"strconv"
	"strings"
)

// charsetField is the name of a hidden field that browsers fill with the charset in which they send a form (HTML, "_charset_").
const charsetField = "_charset_"

// addURLEncoded adds the fields of an urlencoded form, as browsers write it: pairs between ampersands, spaces as +, other
// characters percent-escaped. A semicolon is a character like others.
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

// charsetOf is the decoder of the charset that a field of the form names, nil if none does.
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

// unescaped reads + as a space and %XX as the byte it stands for. A percent sign that no two hexadecimal digits follow is itself, as
// browsers have it (URL Standard, "percent-decode"): a program that sends "100% sure" as it was typed loses no lead.
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
