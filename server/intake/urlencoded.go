package intake

import (
	"fmt"
	"net/url"
	"strings"
)

// addURLEncoded adds the fields of an urlencoded form, as browsers write it: pairs between ampersands, spaces as +, other
// characters percent-escaped. A semicolon is a character like others.
func (l *fieldList) addURLEncoded(body []byte) error {
	for pair := range strings.SplitSeq(string(body), "&") {
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
		if err := l.add(name, value); err != nil {
			return err
		}
	}
	return nil
}

// badEscape leaves out what stands after the percent sign, because it is part of a value.
func badEscape(where string) error {
	return fmt.Errorf("%s has a percent sign that no two hexadecimal digits follow; send it as %%25", where)
}
