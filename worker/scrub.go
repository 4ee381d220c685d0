package worker

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/structpb"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

const (
	// What stands in the place of a lead's value.
	scrubbed = "***"
	// CRMs quote long values in part: that many bytes from a value's beginning are recognised as part of it.
	scrubPrefix = 16
	// Values shorter than this, such as a country's code, are only recognised in the same case: "IT" is not "it".
	scrubFold = 4
)

// scrub replaces a lead's own values in a text that a CRM wrote, so that log lines and the live stream show what is wrong but
// not whose data it is. It recognises values in any case, as whole words, also within JSON strings and URLs.
func scrub(text string, lead *leadgatev1.Lead) string {
	if text == "" {
		return ""
	}
	values := valuesOf(lead)
	var out strings.Builder
	for i := 0; i < len(text); {
		if n := matchAt(text, i, values); n > 0 {
			out.WriteString(scrubbed)
			i += n
			continue
		}
		_, size := utf8.DecodeRuneInString(text[i:])
		out.WriteString(text[i : i+size])
		i += size
	}
	return out.String()
}

// matchAt returns how many bytes of the text from i on are one of the values, or the beginning of a long one.
func matchAt(text string, i int, values []string) int {
	if before, _ := utf8.DecodeLastRuneInString(text[:i]); i > 0 && isWord(before) {
		return 0
	}
	for _, value := range values {
		n := commonPrefix(text[i:], value)
		if n >= scrubPrefix {
			return n
		}
		if n < len(value) {
			continue
		}
		if after, _ := utf8.DecodeRuneInString(text[i+n:]); i+n == len(text) || !isWord(after) {
			return n
		}
	}
	return 0
}

func isWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

// commonPrefix is how many bytes two texts have in common from the start, ASCII letters in any case unless the value is
// short. It ends between characters.
func commonPrefix(text, value string) int {
	fold := len(value) >= scrubFold
	n := 0
	for n < len(text) && n < len(value) && (text[n] == value[n] || fold && lower(text[n]) == lower(value[n])) {
		n++
	}
	for n > 0 && n < len(value) && !utf8.RuneStart(value[n]) {
		n--
	}
	return n
}

func lower(b byte) byte {
	if 'A' <= b && b <= 'Z' {
		return b + ('a' - 'A')
	}
	return b
}

// valuesOf returns the values that tell who a lead is or what they wrote, in the forms in which they may be quoted, longest
// first. Single characters and booleans tell nothing.
func valuesOf(lead *leadgatev1.Lead) []string {
	var values []string
	add := func(value string) {
		if utf8.RuneCountInString(value) < 2 {
			return
		}
		values = append(values, value)
		for _, form := range []string{jsonForm(value), strings.ReplaceAll(value, "@", "%40"), strings.TrimPrefix(value, "+")} {
			if form != value {
				values = append(values, form)
			}
		}
	}
	for _, value := range []string{
		lead.GetEmail(), lead.GetFirstName(), lead.GetLastName(), lead.GetPhone(), lead.GetCompany(), lead.GetWebsite(),
		lead.GetJobTitle(), lead.GetStreet(), lead.GetCity(), lead.GetRegion(), lead.GetPostalCode(), lead.GetCountry(),
		lead.GetMessage(), lead.GetSource().GetIp(), lead.GetSource().GetPageUrl(), lead.GetSource().GetReferrer(),
	} {
		add(value)
	}
	for _, value := range lead.GetCustom() {
		eachScalar(value, add)
	}
	slices.SortFunc(values, func(a, b string) int { return len(b) - len(a) })
	return values
}

// jsonForm is a value as it stands within a JSON string.
func jsonForm(value string) string {
	quoted := strconv.Quote(value) // JSON's own for what leads hold: quotes, backslashes, line ends
	return quoted[1 : len(quoted)-1]
}

func eachScalar(value *structpb.Value, visit func(string)) {
	switch kind := value.GetKind().(type) {
	case *structpb.Value_StringValue:
		visit(kind.StringValue)
	case *structpb.Value_NumberValue:
		visit(strconv.FormatFloat(kind.NumberValue, 'f', -1, 64))
	case *structpb.Value_ListValue:
		for _, item := range kind.ListValue.GetValues() {
			eachScalar(item, visit)
		}
	}
}
