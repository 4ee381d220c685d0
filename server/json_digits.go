package server

import (
	"bytes"
	"regexp"
	"strconv"
)

// maxExact is up to where a double has every whole number. A number in a field of one's own is a double.
const maxExact = 1 << 53

// exactDigits is how many digits a whole number may have that a double has for certain.
const exactDigits = 15

var textsOrNumbers = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*`)

// keepDigits puts whole numbers of JSON that a double may not have, such as the identifier of an ad, into quotes: a field of
// one's own keeps each of their digits then, as a text, which is what becomes of them in a form.
func keepDigits(body []byte) []byte {
	if !hasLongNumber(body) {
		return body
	}
	return textsOrNumbers.ReplaceAllFunc(body, func(token []byte) []byte {
		if token[0] == '"' || bytes.ContainsAny(token, ".eE") {
			return token
		}
		if n, err := strconv.ParseInt(string(token), 10, 64); err == nil && n >= -maxExact && n <= maxExact {
			return token
		}
		return strconv.AppendQuote(nil, string(token))
	})
}

// hasLongNumber reports whether more digits than that stand in a row anywhere, be it in a text; most bodies have none, and are
// not looked at any closer.
func hasLongNumber(body []byte) bool {
	digits := 0
	for _, c := range body {
		if digits++; c < '0' || c > '9' {
			digits = 0
		}
		if digits > exactDigits {
			return true
		}
	}
	return false
}
