package server

import (
	"bytes"
	"regexp"
	"strconv"
)

// maxExact bounds the integers that a double represents exactly. A number in a custom field is a double.
const maxExact = 1 << 53

// exactDigits is the most digits of an integer that a double surely represents exactly.
const exactDigits = 15

var textsOrNumbers = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*`)

// keepDigits quotes integers in JSON that a double may not represent exactly, such as the identifier of an ad. In a custom field they
// become texts with all their digits, as they would in a form.
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

// hasLongNumber reports whether more than exactDigits digits follow each other anywhere, even in a string. Most bodies have no such place
// and need no further work.
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
