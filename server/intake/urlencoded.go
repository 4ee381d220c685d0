package intake

import (
	"fmt"
	"net/url"
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
		name, err := url.QueryUnescape(rawName)
		if err != nil {
			return badEscape("the name of a field")
		}
		value, err := url.QueryUnescape(rawValue)
		if err != nil {
			return badEscape(fmt.Sprintf("field %q", clip(name)))
		}
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

// badEscape leaves out what stands after the percent sign, because it is part of a value.
func badEscape(where string) error {
	return fmt.Errorf("%s has a percent sign that no two hexadecimal digits follow; send it as %%25", where)
}
