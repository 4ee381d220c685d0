package intake

import (
	"strings"

	"golang.org/x/net/idna"
)

// address cleans an e-mail address: one line, lower case, the domain in ASCII (xn--…), as browsers send it from an e-mail
// input. Part of a domain that cannot be written so stays as it is, for lead.proto to refuse.
func address(text string) string {
	text = strings.ToLower(line(text))
	at := strings.LastIndexByte(text, '@')
	if at < 0 {
		return text
	}
	domain, err := idna.Lookup.ToASCII(text[at+1:])
	if err != nil {
		return text
	}
	return text[:at+1] + domain
}
