package crm

import (
	"strings"
	"unicode/utf8"
)

// excerpt is the beginning of an answer as it can be kept: UTF-8, at most MaxBody bytes, cut between characters.
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
