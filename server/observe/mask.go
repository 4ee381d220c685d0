package observe

import (
	"strings"

	"github.com/leadgate/leadgate/worker/journal"
)

// Bytes of an e-mail address besides ASCII letters and digits. The asterisk is left out, so that addresses already masked stay as
// they are.
const (
	localLetters  = "!#$%&'+-/=?^_`{|}~."
	domainLetters = "-."
)

// maskEmails masks every e-mail address in a text. Events are published with known personal data masked; this catches the
// unexpected: an address used as an idempotency key, or quoted in the error of a proxy in front of the CRM.
func maskEmails(text string) string {
	at := strings.IndexByte(text, '@')
	if at < 0 {
		return text
	}
	var masked strings.Builder
	done := 0
	for ; at >= 0; at = next(text, at) {
		from, to := at, at+1
		for from > done && isPart(text[from-1], localLetters) {
			from--
		}
		for to < len(text) && isPart(text[to], domainLetters) {
			to++
		}
		if from == at || to == at+1 {
			continue
		}
		masked.WriteString(text[done:from])
		masked.WriteString(journal.MaskEmail(text[from:to]))
		done = to
	}
	masked.WriteString(text[done:])
	return masked.String()
}

// next returns the position of the next @ after at; negative if there is none.
func next(text string, at int) int {
	if i := strings.IndexByte(text[at+1:], '@'); i >= 0 {
		return at + 1 + i
	}
	return -1
}

// isPart reports whether a byte may be part of an address. All non-ASCII bytes may.
func isPart(b byte, others string) bool {
	return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' || b >= 0x80 || strings.IndexByte(others, b) >= 0
}
