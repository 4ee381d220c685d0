package intake

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/nyaruka/phonenumbers"
)

// readPhone returns the phone number in text; "" if there is none that can be read. The field may contain more than a number, such
// as "0171 1234567 (private)", or two of them: rest then says that there is more, or an extension, besides the returned number.
func readPhone(text string, regions ...string) (number, rest string) {
	text, _ = narrow(text)
	if strings.Contains(text, "/") {
		if digits := whatsApp.FindStringSubmatch(text); digits != nil {
			text, regions = "+"+digits[1], []string{""}
		}
	}
	number, extension := onePhone(text, regions...)
	switch {
	case extension:
		return number, "has an extension, which a lead's phone has no room for"
	case number != "":
		return number, ""
	}
	for _, part := range phoneParts(text) {
		if number, _ := onePhone(part, regions...); number != "" {
			return number, "contains more than a number; only the first number is used"
		}
	}
	return "", ""
}

// whatsApp matches the number in a chat link, which has a calling code and no plus sign.
var whatsApp = regexp.MustCompile(`(?i)\b(?:wa\.me/|whatsapp\.com/send/?\?(?:.*&)?phone=)\+?(\d{7,15})\b`)

// phonePart matches what may be a number among words: digits and their separators.
var phonePart = regexp.MustCompile(`\(?\+?\(?\d[\d ().\-\x{2010}-\x{2015}/]*\d`)

// phoneParts returns the numbers in text that have at least seven digits. It skips one that touches a letter and so is part of
// something else, such as 415-555-O132.
func phoneParts(text string) (parts []string) {
	for _, one := range strings.Split(strings.ReplaceAll(text, " / ", ","), ",") {
		for _, at := range phonePart.FindAllStringIndex(one, -1) {
			before, after, part := one[:at[0]], one[at[1]:], one[at[0]:at[1]]
			if touches(before[max(0, len(before)-1):]) || touches(after[:min(1, len(after))]) || len(digitsOf(part)) < 7 {
				continue
			}
			parts = append(parts, part)
		}
	}
	return parts
}

// touches reports whether a character next to a number makes it part of something else.
func touches(sign string) bool { return sign != "" && strings.Trim(sign, " ();:|\"'[]") != "" }

func digitsOf(text string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, text)
}

// onePhone reads a phone number as people write it and returns it in E.164 form; "" if it cannot be read. A number in national form
// is read for the first region in which it is valid. The second result reports whether there is an extension, which E.164 does not
// include.
//
// An international number only needs a possible length, because numbering plans change faster than the library. A national number
// must be valid: its region is a guess, and a wrong guess would be somebody else's number.
func onePhone(text string, regions ...string) (number string, extension bool) {
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
			// Some possible numbers are too long or too short for lead.proto, including German ones.
			if number = phonenumbers.Format(parsed, phonenumbers.E164); isE164(number) {
				return number, parsed.GetExtension() != ""
			}
		}
	}
	if rest, ok := strings.CutPrefix(text, "00"); ok { // the usual international prefix, even in a region that has another
		return onePhone("+"+strings.TrimLeft(rest, "0"), "")
	}
	return mexican(text, regions), false
}

// mexican reads a Mexican number as it was dialled until 2019 and is still found in address books and chats: with +52 1 for a
// mobile phone from abroad, or 044, 045, 01 or 1 within the country.
func mexican(text string, regions []string) string {
	digits := digitsOf(text)
	prefixes := []string{"044", "045", "01", "1"}
	if strings.HasPrefix(text, "+") {
		prefixes = []string{"521"}
	} else if !slices.Contains(regions, "MX") {
		return ""
	}
	for _, prefix := range prefixes {
		if national, ok := strings.CutPrefix(digits, prefix); ok && len(national) == 10 {
			number, _ := onePhone("+52"+national, "")
			return number
		}
	}
	return ""
}

// isE164 reports whether a number satisfies the rule lead.phone.e164 of lead.proto.
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

// callingCode returns the main country of a calling code, which some pages let visitors select next to their number: +44, 0044; ""
// if text is not one. Without + or 00 it could be anything, unless the field's name says that it is a code.
func callingCode(text, field string) string {
	digits, signed := strings.CutPrefix(text, "+")
	if !signed {
		digits, signed = strings.CutPrefix(text, "00")
	}
	if !signed && !strings.Contains(fold(field), "code") && !strings.Contains(fold(field), "prefix") {
		return ""
	}
	code, err := strconv.Atoi(strings.TrimSpace(digits))
	if err != nil || len(digits) > 4 {
		return ""
	}
	if region := phonenumbers.GetRegionCodeForCountryCode(code); len(region) == 2 && region != "ZZ" {
		return region
	}
	return ""
}
