package intake

import (
	"strings"

	"buf.build/go/protovalidate"
	"github.com/nyaruka/phonenumbers"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

// readPhone reads a phone number as people write it and returns it in E.164 form, "" if it cannot be read. A number in
// national form is read as one of the first region in which it is valid. An extension is not part of E.164; the second
// result says whether there was one.
//
// A number that says its country only has to have a possible length, because numbering plans change faster than libraries
// that know them. In national form it has to be valid: it takes a guess, and a wrong one would be somebody else's number.
func readPhone(text string, regions ...string) (number string, extension bool) {
	international := strings.HasPrefix(text, "+") || strings.HasPrefix(text, "(+")
	for _, region := range regions {
		parsed, err := phonenumbers.Parse(text, region)
		if err != nil {
			continue
		}
		if international && phonenumbers.IsPossibleNumber(parsed) || phonenumbers.IsValidNumber(parsed) {
			number = phonenumbers.Format(parsed, phonenumbers.E164)
			// Some possible numbers are too long or too short for the lead's rule, German ones among them.
			if protovalidate.Validate(&leadgatev1.Lead{Phone: number}) == nil {
				return number, parsed.GetExtension() != ""
			}
		}
	}
	if rest, ok := strings.CutPrefix(text, "00"); ok { // the usual prefix for calls abroad, in a region that has another
		return readPhone("+"+rest, "")
	}
	return "", false
}
