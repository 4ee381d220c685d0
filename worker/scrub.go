package worker

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/structpb"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

const (
	// What replaces a lead's values.
	scrubbed = "***"
	// CRMs quote long values in part: this many bytes from the start of a value are recognised as part of it.
	scrubPrefix = 16
	// Values shorter than this, such as country codes, are matched case-sensitively: "IT" is not "it".
	scrubFold = 4
)

// scrub replaces a lead's own values in a text from a CRM, so that the log and the live stream show what is wrong but not whose
// data it is. It matches whole words in any case, also within URLs and escaped JSON strings.
func scrub(text string, lead *leadgatev1.Lead) string {
	if text == "" {
		return ""
	}
	values := valuesOf(lead)
	if strings.Contains(text, `\`) {
		text = scrubRead(scrubRead(text, values, deeplyUnescaped), values, unescaped)
	}
	return scrubRead(text, values, utf8.DecodeRuneInString)
}

// reading decodes the first character of a text that is not empty, and returns how many bytes it takes there.
type reading func(text string) (letter rune, size int)

// unescaped decodes text within a JSON string.
func unescaped(text string) (rune, int) { return readEscape(text, 1) }

// deeplyUnescaped decodes text within a JSON string nested in others.
func deeplyUnescaped(text string) (rune, int) {
	return readEscape(text, max(1, len(text)-len(strings.TrimLeft(text, `\`))))
}

// readEscape decodes the first character of a text in which that many backslashes begin an escape.
func readEscape(text string, backslashes int) (rune, int) {
	if !strings.HasPrefix(text, `\`) || len(text) == backslashes {
		return utf8.DecodeRuneInString(text)
	}
	switch letter := text[backslashes]; letter {
	case 'n', 'r', 't', 'b', 'f':
		return rune("\n\r\t\b\f"[strings.IndexByte("nrtbf", letter)]), backslashes + 1
	case '"', '\\', '/':
		return rune(letter), backslashes + 1
	case 'u':
		first, size := readCode(text, backslashes)
		if second, more := readCode(text[size:], backslashes); utf16.IsSurrogate(first) && more > 0 {
			return utf16.DecodeRune(first, second), size + more
		}
		if size > 0 {
			return first, size
		}
	}
	return utf8.DecodeRuneInString(text)
}

// readCode decodes the \u and four digits at the beginning of a text; size is 0 if there are none.
func readCode(text string, backslashes int) (code rune, size int) {
	end := backslashes + len("u0000")
	if len(text) < end || strings.TrimLeft(text[:backslashes], `\`) != "" || text[backslashes] != 'u' {
		return 0, 0
	}
	n, err := strconv.ParseUint(text[backslashes+1:end], 16, 16)
	if err != nil {
		return 0, 0
	}
	return rune(n), end
}

// scrubRead replaces values in a text, which it decodes with read.
func scrubRead(text string, values []string, read reading) string {
	var out strings.Builder
	within := false // inside a word
	for i := 0; i < len(text); {
		if !within {
			if n := matchAt(text[i:], values, read); n > 0 {
				out.WriteString(scrubbed)
				i += n
				continue
			}
		}
		letter, size := read(text[i:])
		out.WriteString(text[i : i+size])
		within = isWord(letter)
		i += size
	}
	return out.String()
}

// matchAt returns how many bytes at the beginning of a text match one of the values, or the beginning of a long one.
func matchAt(text string, values []string, read reading) int {
	for _, value := range values {
		n, same := commonPrefix(text, value, read)
		if same >= scrubPrefix {
			return n
		}
		if same < len(value) {
			continue
		}
		if n == len(text) {
			return n
		}
		if after, _ := read(text[n:]); !isWord(after) {
			return n
		}
	}
	return 0
}

func isWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

// commonPrefix returns the length of the common prefix of text and value, in bytes of each, ignoring case unless value is short.
func commonPrefix(text, value string, read reading) (ofText, ofValue int) {
	fold := len(value) >= scrubFold
	for ofText < len(text) && ofValue < len(value) {
		is, size := read(text[ofText:])
		want, width := utf8.DecodeRuneInString(value[ofValue:])
		if is != want && (!fold || unicode.ToLower(is) != unicode.ToLower(want)) {
			break
		}
		ofText += size
		ofValue += width
	}
	return ofText, ofValue
}

// valuesOf returns the values that reveal who a lead is or what they wrote, in the forms in which they may be quoted, longest
// first. Single characters and booleans reveal nothing.
func valuesOf(lead *leadgatev1.Lead) []string {
	var values []string
	add := func(value string) {
		if utf8.RuneCountInString(value) < 2 {
			return
		}
		values = append(values, value)
		for _, form := range []string{strings.ReplaceAll(value, "@", "%40"), strings.TrimPrefix(value, "+")} {
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
