package journal

import (
	"strings"
	"unicode/utf8"
)

// MaskEmail hides whose e-mail address it is, but keeps the first letter and the domain, which help to find a fault:
// a***@example.com. Text that is not an address becomes ***.
func MaskEmail(email string) string {
	if email == "" {
		return ""
	}
	at := strings.LastIndexByte(email, '@')
	if at < 0 {
		return "***"
	}
	_, first := utf8.DecodeRuneInString(email)
	if first >= at { // the address has only one letter
		first = 0
	}
	return email[:first] + "***" + email[at:]
}
