package crm

import (
	"strings"
	"unicode/utf8"
)

// excerpt returns the beginning of an answer as valid UTF-8 of at most MaxBody bytes, cut between characters.
func excerpt(body []byte) string {
	if len(body) > MaxBody {
		end := MaxBody
		for end > MaxBody-utf8.UTFMax && !utf8.RuneStart(body[end]) {
			end--
		}
		body = body[:end]
	}
	return strings.ToValidUTF8(string(body), "")
}
