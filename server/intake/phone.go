package intake

import (
	"strings"

	"github.com/nyaruka/phonenumbers"
)

// readPhone reads a phone number as people write it and returns it in E.164 form, "" if it cannot be read. A number in
// national form is read as one of the first region in which it is valid. An extension is not part of E.164; the second
// result says whether there was one.
//
// A number that says its country only has to have a possible length, because numbering plans change faster than libraries
// that know them. In national form it has to be valid: it takes a guess, and a wrong one would be somebody else's number.
func readPhone(text string, regions ...string) (number string, extension bool) {
	text, _ = narrow(text)
	if rest, ok := cutPrefixFold(text, "tel:"); ok {
		text = rest
	}
	if number := readPlainPhone(text, regions...); number != "" {
		return number, false
	}
	international := strings.HasPrefix(text, "+") || strings.HasPrefix(text, "(+")
	for _, region := range regions {
		parsed, err := phonenumbers.Parse(text, region)
		if err != nil {
			continue
		}
		if international && phonenumbers.IsPossibleNumber(parsed) || phonenumbers.IsValidNumber(parsed) {
			// Some possible numbers are too long or too short for the lead's rule, German ones among them.
			if number = phonenumbers.Format(parsed, phonenumbers.E164); isE164(number) {
				return number, parsed.GetExtension() != ""
			}
		}
	}
	if rest, ok := strings.CutPrefix(text, "00"); ok { // the usual prefix for calls abroad, in a region that has another
		return readPhone("+"+strings.TrimLeft(rest, "0"), "")
	}
	return "", false
}

// isE164 says whether a number keeps the rule lead.phone.e164 of lead.proto.
func isE164(number string) bool {
	if len(number) < 8 || len(number) > 16 || number[0] != '+' || number[1] < '1' || number[1] > '9' {
		return false
	}
	return strings.Trim(number[2:], "0123456789") == ""
}

func cutPrefixFold(text, prefix string) (string, bool) {
	if len(text) >= len(prefix) && strings.EqualFold(text[:len(prefix)], prefix) {
		return text[len(prefix):], true
	}
	return text, false
}
