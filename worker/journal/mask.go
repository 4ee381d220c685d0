package journal

import (
	"strings"
	"unicode/utf8"
)

// MaskEmail hides who an e-mail address belongs to and leaves what helps to find a fault: the first letter and the domain,
// as in a***@example.com. What is not an address is hidden altogether.
func MaskEmail(email string) string {
	if email == "" {
		return ""
	}
	at := strings.LastIndexByte(email, '@')
	if at < 0 {
		return "***"
	}
	_, first := utf8.DecodeRuneInString(email)
	if first >= at { // a single letter would not be hidden
		first = 0
	}
	return email[:first] + "***" + email[at:]
}
