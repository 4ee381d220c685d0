package intake

import (
	"errors"
	"fmt"
	"maps"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/structpb"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
)

// The types of values.
const (
	typeString  = "string"
	typeInteger = "integer"
	typeDecimal = "decimal"
	typeBoolean = "boolean"
	typeDate    = "date"
	typeEnum    = "enum"
)

// Integers beyond this are not exact as JSON numbers, and are kept as text.
const maxExact = 1 << 53

// valueReader reads the values of a lead field as configured.
type valueReader struct {
	kind    string
	most    int // the longest text, in characters; 0 for no limit
	initial string
	words   map[string]string // of an enum: from what a page sends, as returned by enumKey, to what the lead gets
	allowed []string          // the values that the lead may get
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
	comes := slices.Sorted(maps.Keys(enum))
	for _, from := range comes {
		to := enum[from]
		if _, ok := v.words[enumKey(to)]; !ok {
			v.allowed = append(v.allowed, to)
		}
		v.words[enumKey(to)] = to
	}
	first := map[string]string{}
	for _, from := range comes {
		key := enumKey(from)
		if before, twice := first[key]; twice && enum[before] != enum[from] {
			return fmt.Errorf("enum: %q and %q are the same, as case and signs do not matter; one of them has to go", before, from)
		}
		first[key], v.words[key] = from, enum[from]
	}
	return nil
}

// enumKey returns the part of a text that must match: its letters and digits or, if it has none, all of it.
func enumKey(text string) string {
	if key := fold(text); key != "" {
		return key
	}
	return strings.TrimSpace(text)
}

// read reads a value, which must be clean and not empty. The error says what it must be, without repeating it. The region decides
// where numbers and dates are ambiguous.
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

// textOf returns a value as a lead's text field has it.
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

// What may surround a number: currencies and units, also abbreviated as in "Fr. 500" and "ca. 500 kr.", and signs for no pence, as
// in "500,-", "500.–" and "500/-".
var (
	beforeNumber = regexp.MustCompile(`^(?:\p{L}+\.?|\p{Sc}|\s)*`)
	afterNumber  = regexp.MustCompile(`(?:[.,/][-–—]+)?(?:\p{L}+\.?|\p{Sc}|\s)*$`)
	currency     = regexp.MustCompile(`\p{Sc}`)
	wordsAround  = regexp.MustCompile(`\p{L}+`)
)

// multiples are words that multiply a number. What they mean differs from place to place, so numbers with one are not read; only k
// is.
var multiples = setOf(`m mm mn mio mil mill million millions millionen millones milhões milioni miljoen miljoner millioner
	mln млн миллион миллионов milyon juta triệu 百万 백만 b bn billion billions mrd mld mlrd млрд milyar miliar
	tsd tausend thousand mille mila duizend tys tis tisíc tusen tusind тыс тысяч bin ribu nghìn ngàn ezer 千 천
	万 萬 만 万円 萬元 万元 만원 億 亿 억 億円 亿元 억원 l lakh lakhs lac crore crores cr ألف مليون`)

// currencies are words that say that a number is money.
var currencies = setOf(`eur euro euros usd dollar dollars gbp pound pounds chf sfr fr sek nok dkk kr pln zł zl czk kč kc huf ron lei bgn лв rub руб р uah грн
	try tl inr rs jpy cny rmb krw brl mxn ars clp cop cad aud nzd sgd hkd zar aed sar ils myr rm idr rp php thb vnd đ`)

func setOf(words string) map[string]bool {
	set := map[string]bool{}
	for word := range strings.FieldsSeq(words) {
		set[word] = true
	}
	return set
}

// readDecimal reads a number as people write it, such as "€ 1.234,50" or "1,234.50", and returns it as programs do: 1234.50. If the
// only separator stands before the last three digits, the region decides what it means.
func readDecimal(text, region string) (string, bool) {
	text, _ = narrow(text)
	text = westernDigits(text)
	before := beforeNumber.FindString(text)
	text = text[len(before):]
	after := afterNumber.FindString(text)
	text = text[:len(text)-len(after)]
	thousands, money := false, currency.MatchString(before+after)
	for _, word := range wordsAround.FindAllString(before+" "+after, -1) {
		if word = strings.ToLower(word); multiples[word] {
			return "", false
		}
		thousands = thousands || word == "k"
		money = money || currencies[word]
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
	text, grouped := withoutSpaces(text)
	if !grouped || text == "" || len(text) > 64 || strings.Trim(text, "0123456789.,") != "" {
		return "", false
	}
	whole, part, ok := splitDecimal(text, region, money)
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
			whole += "0" // otherwise it would be read as thousands there if it were read again
		}
	}
	if number, ok := new(big.Rat).SetString(whole); !ok || number.Sign() == 0 {
		sign = ""
	}
	return sign + whole, true
}

// withoutSpaces joins a number with separated thousands, such as 1 234 567 or 1'234. It rejects 12 34, which is ambiguous.
func withoutSpaces(text string) (joined string, ok bool) {
	parts := strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune("'’_", r) })
	for i, part := range parts {
		whole := part
		if i == len(parts)-1 && i > 0 {
			whole = part[:len(part)-len(strings.TrimLeft(part, "0123456789"))]
		}
		if i > 0 && len(whole) != 3 || i == 0 && len(parts) > 1 && len(whole) > 3 {
			return "", false
		}
	}
	return strings.Join(parts, ""), true
}

// splitDecimal splits a number at its decimal separator. Separators of money group thousands if they can: $10,000 is ten thousand
// everywhere.
func splitDecimal(text, region string, money bool) (whole, part string, ok bool) {
	dots, commas := strings.Count(text, "."), strings.Count(text, ",")
	decimal := "." // the decimal separator; "none" if there is no fraction
	switch {
	case dots+commas == 0:
		return text, "", true
	case dots > 0 && commas > 0: // the last one is the decimal separator
		if strings.LastIndexByte(text, ',') > strings.LastIndexByte(text, '.') {
			decimal = ","
		}
	case dots+commas > 1, money && groups(text, ".,"): // repeated ones group thousands; money has no thousandths
		decimal = "none"
	case !groups(text, ".,"):
		if commas == 1 {
			decimal = ","
		}
	case region != "":
		if usesComma(region) {
			decimal = ","
		}
	case commas == 1: // 1,234 of an unknown region: more often thousands
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

// groups reports whether the separators group thousands: one to three digits, then three each, or in India two each and three at
// the end.
func groups(text, signs string) bool {
	parts := strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(signs, r) })
	if len(parts) < 2 || parts[0] == "0" || len(parts[len(parts)-1]) != 3 {
		return false
	}
	western, indian := len(parts[0]) <= 3, len(parts[0]) <= 2 && !strings.Contains(text, ".")
	for _, part := range parts[1 : len(parts)-1] {
		western, indian = western && len(part) == 3, indian && len(part) == 2
	}
	return western || indian
}

// usesComma reports whether a country has a decimal comma.
func usesComma(region string) bool {
	switch region {
	case "US", "GB", "IE", "CA", "AU", "NZ", "IN", "CN", "JP", "KR", "TW", "HK", "SG", "MY", "TH", "PH", "IL", "MX", "PK", "BD", "LK", "NG", "KE", "GH",
		"EG", "SA", "AE", "CH", "LI", "MT", "PR", "GT", "HN", "NI", "PA", "DO", "SV", "PE", "CU", "ZA", "ZW", "ZM", "BW", "NA", "UG", "TZ", "ET", "GM", "SL", "LR",
		"JM", "TT", "BS", "BB", "BZ", "GY", "FJ", "PG", "GU", "VI", "AS", "MP", "NP", "MV", "MM", "BN", "KH", "JO", "KW", "QA", "BH", "OM", "YE", "IQ", "MO":
		return false
	}
	return true
}

// readBoolean reads yes and no in the languages of the dictionary, and the values that check boxes send.
func readBoolean(text string) (yes, ok bool) {
	word := fold(text)
	if yesWords()[word] {
		return true, true
	}
	return false, noWords()[word]
}

var (
	yesWords = sync.OnceValue(func() map[string]bool {
		return foldedSet(`1 true t y yes on checked x ok agree agreed accepted accept granted subscribed
			ja wahr oui vrai si verdadero sim verdadeiro vero waar
			iagree iaccept yesiagree ichstimmezu einverstanden zugestimmt akzeptiert jaccepte accepte acepto aceptado deacuerdo aceito concordo accetto acconsento
			akkoord zgadzamsie souhlasim согласен согласна 同意 同意する 同意します 동의 동의함 да так tak ano áno evet igen kylla jah taip ναι はい 是 예 네 نعم כן ya`)
	})
	noWords = sync.OnceValue(func() map[string]bool {
		return foldedSet(`0 false f n no off unchecked none declined denied refused
			nein falsch non faux falso nao nee onwaar
			idontagree idonotagree idontaccept idonotaccept niezgadzamsie nesouhlasim 不同意 同意しない nej nei нет ні не nie ne hayır nem ei όχι οχι いいえ 否 아니요 아니오 لا לא tidak`)
	})
)

func foldedSet(words string) map[string]bool {
	set := map[string]bool{}
	for word := range setOf(words) {
		set[fold(word)] = true
	}
	return set
}
