package intake

import (
	"bytes"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/nyaruka/phonenumbers"
)

// phonePlan is what is needed to read a plainly written number of one region, at a hundredth of the cost of the library, which
// handles all notations.
type phonePlan struct {
	code     string         // calling code, such as 44
	trunk    string         // the trunk prefix of national numbers, such as 0; may be empty
	valid    *regexp.Regexp // matches national numbers of any type
	possible []int32        // lengths of national numbers
}

// readPlainPhone reads a number of digits and separators, if it is unambiguous; otherwise it returns "". The result is the
// library's, with one exception: a number without the region's trunk prefix is first tried in the other regions, and then as one
// that begins with a calling code. So (415) 555-0132 from a visitor in Germany is read as the American number that it is.
func readPlainPhone(text string, regions ...string) string {
	var space [24]byte
	digits, international := plainDigits(space[:0], text)
	if len(digits) < 7 {
		return ""
	}
	if international {
		return readInternational(digits)
	}
	var plans [4]*phonePlan
	known := plans[:0]
	for _, region := range regions {
		if region == "" {
			continue
		}
		plan := phonePlans().plan(region)
		if plan == nil || plan.possible == nil || len(known) == cap(known) {
			return ""
		}
		known = append(known, plan)
	}
	for _, plan := range known {
		if national := plan.atHome(digits); national != nil {
			return plan.number(national)
		}
	}
	if digits[0] == '0' {
		return ""
	}
	for _, plan := range known {
		if national, ok := bytes.CutPrefix(digits, []byte(plan.code)); ok && plan.takes(national) {
			return plan.number(national)
		}
	}
	for _, plan := range known {
		if plan.takes(digits) {
			return plan.number(digits)
		}
	}
	return ""
}

// atHome returns the national number of one that is written as it is dialled in the region; nil if it is not.
func (p *phonePlan) atHome(digits []byte) []byte {
	if p.trunk == "" || p.trunk == "1" && digits[0] != '1' { // North Americans leave it out
		if p.takes(digits) {
			return digits
		}
		return nil
	}
	if national, ok := bytes.CutPrefix(digits, []byte(p.trunk)); ok && p.takes(national) && !p.matches(digits) {
		return national
	}
	return nil
}

// takes reports whether digits are a valid national number that does not begin with 0, which would be ambiguous.
func (p *phonePlan) takes(national []byte) bool {
	return len(national) > 0 && national[0] != '0' && p.matches(national)
}

// number returns a national number in E.164 form; "" if a lead cannot hold it.
func (p *phonePlan) number(national []byte) string {
	if number := "+" + p.code + string(national); isE164(number) {
		return number
	}
	return ""
}

func readInternational(digits []byte) string {
	for length := 1; length <= 3; length++ {
		region, ok := phonePlans().byCode[string(digits[:length])]
		if !ok {
			continue
		}
		plan := phonePlans().plan(region)
		if plan == nil {
			return ""
		}
		if national := digits[length:]; plan.takes(national) {
			return plan.number(national)
		}
		return ""
	}
	return ""
}

// plainDigits returns the digits of a number that consists of digits, spaces, dots, hyphens and parentheses only, and whether it
// begins with a +. It returns none if there is anything else or they exceed the capacity. A zero in parentheses, as in +44 (0)20,
// is left to the library.
func plainDigits(digits []byte, text string) (_ []byte, international bool) {
	if text, international = strings.CutPrefix(text, "+"); international && strings.Contains(text, "(0") {
		return nil, false
	}
	for i := range len(text) {
		switch c := text[i]; c {
		case ' ', '-', '.', '(', ')':
		default:
			if c < '0' || c > '9' || len(digits) == cap(digits) {
				return nil, false
			}
			digits = append(digits, c)
		}
	}
	return digits, international
}

func (p *phonePlan) matches(national []byte) bool {
	return slices.Contains(p.possible, int32(len(national))) && p.valid.Match(national) //nolint:gosec // at most 24
}

// planTable has the plans built so far. Building all takes a while, and a form needs few.
type planTable struct {
	byCode   map[string]string // the main region of each calling code
	metadata map[string]*phonenumbers.PhoneMetadata
	made     sync.Map // *phonePlan by region
}

// plan returns the plan of a region; nil if there is none.
func (t *planTable) plan(region string) *phonePlan {
	if plan, ok := t.made.Load(region); ok {
		return plan.(*phonePlan) //nolint:forcetypeassert // nothing else is kept
	}
	metadata := t.metadata[region]
	if metadata == nil {
		return nil
	}
	plan, _ := t.made.LoadOrStore(region, newPhonePlan(metadata))
	return plan.(*phonePlan) //nolint:forcetypeassert // as above
}

// phonePlans loads the library's own table, once.
var phonePlans = sync.OnceValue(func() *planTable {
	t := &planTable{byCode: map[string]string{}, metadata: map[string]*phonenumbers.PhoneMetadata{}}
	collection, err := phonenumbers.MetadataCollection()
	if err != nil {
		return t // the library reads all numbers then, and reports what is wrong
	}
	for _, metadata := range collection.GetMetadata() {
		if len(metadata.GetId()) == 2 {
			t.metadata[metadata.GetId()] = metadata
		}
	}
	for code := range phonenumbers.GetSupportedCallingCodes() {
		t.byCode[strconv.Itoa(code)] = phonenumbers.GetRegionCodeForCountryCode(code)
	}
	return t
})

func newPhonePlan(metadata *phonenumbers.PhoneMetadata) *phonePlan {
	plan := &phonePlan{code: strconv.Itoa(int(metadata.GetCountryCode())), possible: metadata.GetGeneralDesc().GetPossibleLength()}
	var patterns []string
	for _, kind := range []*phonenumbers.PhoneNumberDesc{
		metadata.GetFixedLine(), metadata.GetMobile(), metadata.GetTollFree(), metadata.GetPremiumRate(), metadata.GetSharedCost(),
		metadata.GetPersonalNumber(), metadata.GetVoip(), metadata.GetPager(), metadata.GetUan(), metadata.GetVoicemail(),
	} {
		if pattern := kind.GetNationalNumberPattern(); pattern != "" && !slices.Contains(patterns, pattern) {
			patterns = append(patterns, pattern)
		}
	}
	plan.valid = regexp.MustCompile("^(?:" + strings.Join(patterns, "|") + ")$")
	if trunk := metadata.GetNationalPrefix(); trunk == metadata.GetNationalPrefixForParsing() && metadata.GetNationalPrefixTransformRule() == "" {
		plan.trunk = trunk
	} else if metadata.GetNationalPrefixForParsing() != "" {
		plan.possible = nil // its numbers need more than a prefix: left to the library
	}
	return plan
}
