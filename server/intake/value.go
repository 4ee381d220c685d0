package intake

import (
	"errors"
	"fmt"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/structpb"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
)

// The types that values may have.
const (
	typeString  = "string"
	typeInteger = "integer"
	typeDecimal = "decimal"
	typeBoolean = "boolean"
	typeDate    = "date"
	typeEnum    = "enum"
)

// Integers beyond this are not exact as numbers in JSON, and travel as text.
const maxExact = 1 << 53

// valueReader reads the values of one lead field as configured.
type valueReader struct {
	kind    string
	most    int // characters; 0 for any number
	initial string
	words   map[string]string // of an enum: what a page sends, folded, to what the lead gets
	allowed []string          // what the lead may get, in words
}

// newValueReader compiles the configuration of a lead field's values.
func newValueReader(cfg *configv1.Value) (*valueReader, error) {
	v := &valueReader{kind: cfg.GetType(), most: int(cfg.GetMaxLength()), initial: cfg.GetDefault()}
	switch {
	case v.kind == "" && len(cfg.GetEnum()) > 0:
		v.kind = typeEnum
	case v.kind == "":
		v.kind = typeString
	case v.kind != typeEnum && len(cfg.GetEnum()) > 0:
		return nil, fmt.Errorf("enum: stands beside type: %s; leave one of them out", v.kind)
	}
	if v.kind == typeEnum {
		if err := v.compileEnum(cfg.GetEnum()); err != nil {
			return nil, err
		}
	}
	if v.initial != "" {
		if _, err := v.read(v.initial, ""); err != nil {
			return nil, fmt.Errorf("default: %q %w", v.initial, err)
		}
	}
	return v, nil
}

func (v *valueReader) compileEnum(enum map[string]string) error {
	if len(enum) == 0 {
		return errors.New(`enum: lists no values; write what pages send and what the lead gets, such as enum: { "1-10": small }`)
	}
	v.words = map[string]string{}
	for _, to := range enum {
		if _, ok := v.words[enumKey(to)]; !ok {
			v.allowed = append(v.allowed, to)
		}
		v.words[enumKey(to)] = to
	}
	for from, to := range enum {
		v.words[enumKey(from)] = to
	}
	return nil
}

// enumKey is what has to match: letters and digits, or, where there are none, the text itself.
func enumKey(text string) string {
	if key := fold(text); key != "" {
		return key
	}
	return strings.TrimSpace(text)
}

// read reads one value, which is cleaned and not empty. The error says what it must be, without repeating it. The region says
// how numbers and dates are written where there are two ways.
func (v *valueReader) read(text, region string) (*structpb.Value, error) {
	switch v.kind {
	case typeInteger:
		digits, ok := readDecimal(text, region)
		if whole, zeros, _ := strings.Cut(digits, "."); ok && strings.Trim(zeros, "0") == "" {
			if n, err := strconv.ParseInt(whole, 10, 64); err == nil && n >= -maxExact && n <= maxExact {
				return structpb.NewNumberValue(float64(n)), nil
			}
			return structpb.NewStringValue(whole), nil
		}
		return nil, errors.New("must be a whole number")
	case typeDecimal:
		if digits, ok := readDecimal(text, region); ok {
			return structpb.NewStringValue(digits), nil
		}
		return nil, errors.New("must be a number")
	case typeBoolean:
		if yes, ok := readBoolean(text); ok {
			return structpb.NewBoolValue(yes), nil
		}
		return nil, errors.New("must be yes or no")
	case typeDate:
		if date, ok := readDate(text, region); ok {
			return structpb.NewStringValue(date), nil
		}
		return nil, errors.New("must be a date, best as in 2026-11-24")
	case typeEnum:
		if word, ok := v.words[enumKey(text)]; ok {
			return structpb.NewStringValue(word), nil
		}
		return nil, fmt.Errorf("must be one of %s", strings.Join(v.allowed, ", "))
	}
	return structpb.NewStringValue(cut(text, v.most)), nil
}

// textOf is a value as a text field of a lead keeps it.
func textOf(value *structpb.Value) string {
	switch kind := value.GetKind().(type) {
	case *structpb.Value_StringValue:
		return kind.StringValue
	case *structpb.Value_NumberValue:
		return strconv.FormatFloat(kind.NumberValue, 'f', -1, 64)
	case *structpb.Value_BoolValue:
		return strconv.FormatBool(kind.BoolValue)
	}
	return ""
}

// What may stand around a number: currencies and units, be they abbreviated as in "Fr. 500" and "ca. 500 kr.", and what stands for
// no pence, as in "500,-", "500.–" and "500/-".
var (
	beforeNumber = regexp.MustCompile(`^(?:\p{L}+\.?|\p{Sc}|\s)*`)
	afterNumber  = regexp.MustCompile(`(?:[.,/][-–—]+)?(?:\p{L}+\.?|\p{Sc}|\s)*$`)
	currency     = regexp.MustCompile(`\p{Sc}`)
	wordsAround  = regexp.MustCompile(`\p{L}+`)
)

// multiples are words that make a number another one. What they make of it differs from place to place, so that such numbers are
// left out, but for k.
var multiples = map[string]bool{
	"m": true, "mm": true, "mn": true, "mio": true, "mil": true, "mill": true, "million": true, "millions": true, "millionen": true,
	"millones": true, "milhões": true, "milioni": true, "miljoen": true, "b": true, "bn": true, "billion": true, "mrd": true,
	"tsd": true, "tausend": true, "thousand": true, "mille": true, "mila": true, "duizend": true,
	"lakh": true, "lakhs": true, "lac": true, "crore": true, "crores": true, "cr": true,
}

// readDecimal reads a number as people write it, "€ 1.234,50" or "1,234.50", and returns it as programs do: 1234.50. Where one
// sign stands three digits before the end, the region says what it is.
func readDecimal(text, region string) (string, bool) {
	text, _ = narrow(text)
	before := beforeNumber.FindString(text)
	text = text[len(before):]
	after := afterNumber.FindString(text)
	text = text[:len(text)-len(after)]
	thousands := false
	for _, word := range wordsAround.FindAllString(before+" "+after, -1) {
		if word = strings.ToLower(word); multiples[word] {
			return "", false
		}
		thousands = thousands || word == "k"
	}
	sign := ""
	switch {
	case strings.HasPrefix(text, "-"), strings.HasPrefix(text, "−"):
		_, size := utf8.DecodeRuneInString(text)
		sign, text = "-", text[size:]
	case strings.HasPrefix(text, "+"):
		text = text[1:]
	}
	text = strings.TrimFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.Is(unicode.Sc, r) })
	text = strings.NewReplacer(" ", "", "\u00a0", "", "'", "", "’", "", "_", "").Replace(text)
	if text == "" || len(text) > 64 || strings.Trim(text, "0123456789.,") != "" {
		return "", false
	}
	whole, part, ok := splitDecimal(text, region, currency.MatchString(before+after))
	if !ok || whole == "" && part == "" {
		return "", false
	}
	if thousands {
		part += strings.Repeat("0", max(0, 3-len(part)))
		whole, part = whole+part[:3], part[3:]
	}
	whole = strings.TrimLeft(whole, "0")
	if whole == "" {
		whole = "0"
	}
	if part != "" {
		whole += "." + part
		if len(part) == 3 && usesComma(region) {
			whole += "0" // or it would be read as thousands there, were it read again
		}
	}
	if number, ok := new(big.Rat).SetString(whole); !ok || number.Sign() == 0 {
		sign = ""
	}
	return sign + whole, true
}

// splitDecimal parts a number at its decimal sign. Money is known by its sign: $10,000 is ten thousand everywhere.
func splitDecimal(text, region string, money bool) (whole, part string, ok bool) {
	dots, commas := strings.Count(text, "."), strings.Count(text, ",")
	decimal := "." // the sign before the fraction; none if there is no fraction
	switch {
	case dots+commas == 0:
		return text, "", true
	case dots > 0 && commas > 0: // the last one
		if strings.LastIndexByte(text, ',') > strings.LastIndexByte(text, '.') {
			decimal = ","
		}
	case dots+commas > 1, money && groups(text, ".,"): // several of one kind group thousands; money has no thousandths
		decimal = "none"
	case !groups(text, ".,"):
		if commas == 1 {
			decimal = ","
		}
	case region != "":
		if usesComma(region) {
			decimal = ","
		}
	case commas == 1: // 1,234 of nobody knows where: more often thousands
		decimal = "none"
	}
	whole, part = text, ""
	if decimal != "none" {
		whole, part, _ = strings.Cut(text, decimal)
	}
	if strings.ContainsAny(part, ".,") {
		return "", "", false
	}
	if strings.ContainsAny(whole, ".,") && !groups(whole, ".,") {
		return "", "", false
	}
	return strings.NewReplacer(".", "", ",", "").Replace(whole), part, true
}

// groups says whether the signs part digits as thousands: one to three digits, then three each.
func groups(text, signs string) bool {
	parts := strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(signs, r) })
	for i, part := range parts {
		if i == 0 && len(part) > 3 || i > 0 && len(part) != 3 {
			return false
		}
	}
	return len(parts) > 1 && parts[0] != "0"
}

// usesComma says whether a country writes a comma before the fraction.
func usesComma(region string) bool {
	switch region {
	case "US", "GB", "IE", "CA", "AU", "NZ", "IN", "CN", "JP", "KR", "TW", "HK", "SG", "MY", "TH", "PH", "IL", "MX", "PK", "BD", "LK", "NG", "KE", "GH",
		"EG", "SA", "AE", "CH", "LI", "MT", "PR", "GT", "HN", "NI", "PA", "DO", "SV":
		return false
	}
	return true
}

// readBoolean reads yes and no in the languages of the dictionary, and what check boxes send.
func readBoolean(text string) (yes, ok bool) {
	switch fold(text) {
	case "1", "true", "t", "y", "yes", "on", "checked", "x", "ja", "wahr", "oui", "vrai", "si", "verdadero", "sim", "verdadeiro", "vero", "ok", "agree", "agreed",
		"accepted", "accept", "granted", "waar", "subscribed":
		return true, true
	case "0", "false", "f", "n", "no", "off", "unchecked", "nein", "falsch", "non", "faux", "falso", "nao", "nee", "onwaar", "none", "declined", "denied", "refused":
		return false, true
	}
	return false, false
}
