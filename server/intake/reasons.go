package intake

import (
	"math/bits"
	"strings"
)

// reasons are why a value was changed, as a set of bits, so that collecting them costs nothing if there are none.
type reasons uint32

const (
	whySpace reasons = 1 << iota
	whyInvisible
	whyComposed
	whyHTML
	whyWidth
	whyMailto
	whyDisplayName
	whySeveral
	whyMistyped
	whyLower
	whyIDN
	whyE164
	whyRest
	whyCountry
	whyRegion
	whyPostalCode
	whyCapitals
	whySplit
	whyURL
	whyTyped
	whyCut
	whyDefault
	whyAddress
	whyLooks
	whyDrift
	whyFirst
)

// The number of reasons.
const reasonCount = 26

// word returns the text of a reason, by its bit.
func (r reasons) word(bit int) string {
	return [reasonCount]string{
		"white space tidied",
		"invisible characters removed",
		"accents and letters joined into one character",
		"HTML removed",
		"full-width characters made plain",
		"extracted from a mailto link",
		"display name removed",
		"several values joined",
		"a typing mistake corrected",
		"in lower case",
		"domain in ASCII",
		"as an international number",
		"without what stands beside the number",
		"as the ISO code of the country",
		"as the region is written in its country",
		"as postal codes are written in the country",
		"capitals mended",
		"full name split",
		"as a complete web address",
		"read as the configured type",
		"cut to the configured length",
		"the configured default, because nothing arrived",
		"taken from the URL of the page",
		"taken because the value looks like it",
		"taken by auto_map, though nothing maps the field",
		"the first of several",
	}[bit]
}

// String joins the texts of the reasons.
func (r reasons) String() string {
	if bits.OnesCount32(uint32(r)) == 1 {
		return r.word(bits.TrailingZeros32(uint32(r)))
	}
	var words []string
	for left := uint32(r); left != 0; left &= left - 1 {
		words = append(words, r.word(bits.TrailingZeros32(left)))
	}
	return strings.Join(words, "; ")
}
