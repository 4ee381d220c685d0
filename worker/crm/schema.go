package crm

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Schema describes the properties of a CRM's records.
type Schema struct {
	// Properties are all that the credentials can see, in the CRM's order.
	Properties []Property
}

// Property is one property of a CRM's records.
type Property struct {
	// Name identifies the property in the mapping and the CRM's API.
	Name string
	// Label is the name that the CRM's users see.
	Label string
	// Type says which values the property accepts.
	Type PropertyType
	// Native is the CRM's own name of the type, for people.
	Native string
	// ReadOnly means that the property cannot be written, at least not with these credentials.
	ReadOnly bool
	// Required means that a record cannot be created without the property, and that the CRM has no default for it.
	Required bool
	// MaxLength is the maximum length in characters; 0 if unknown.
	MaxLength int
	// Options are the values of an enumeration; empty if others are accepted too, or if they are unknown.
	Options []Option
	// Numbered means that the values of Options are numbers in the CRM, and are sent as numbers.
	Numbered bool
	// Unique means that no two records have the same value, so that it identifies a record.
	Unique bool
}

// Option is one value of an enumeration.
type Option struct {
	// Value is what is sent.
	Value string
	// Label is what the CRM's users see.
	Label string
}

// PropertyType says which values a property accepts.
type PropertyType int

const (
	// Other is a type that values cannot be checked against.
	Other PropertyType = iota
	// Text is any text.
	Text
	// Number is a number.
	Number
	// Bool is true or false.
	Bool
	// Date is a day.
	Date
	// Time is a date and a time.
	Time
	// Enumeration is one of Options.
	Enumeration
	// Enumerations is any number of Options.
	Enumerations
)

// Property returns the property with that name; nil if there is none.
func (s *Schema) Property(name string) *Property {
	if s == nil {
		return nil
	}
	i := slices.IndexFunc(s.Properties, func(p Property) bool { return p.Name == name })
	if i < 0 {
		return nil
	}
	return &s.Properties[i]
}

// Names returns the names of the writable properties.
func (s *Schema) Names() []string {
	var names []string
	for _, p := range s.Properties {
		if !p.ReadOnly {
			names = append(names, p.Name)
		}
	}
	return names
}

// Option returns the option that text means: the one with that value or, failing that, the only one whose value or label differs
// from text just in case, accents, spaces and punctuation. It returns nil if there is none.
func (p *Property) Option(text string) *Option {
	for i := range p.Options {
		if p.Options[i].Value == text {
			return &p.Options[i]
		}
	}
	meant := loosely(text)
	if meant == "" {
		return nil
	}
	var found *Option
	for i := range p.Options {
		if loosely(p.Options[i].Value) != meant && loosely(p.Options[i].Label) != meant {
			continue
		}
		if found != nil {
			return nil // ambiguous: reporting it is better than guessing
		}
		found = &p.Options[i]
	}
	return found
}

// Of converts a value to the form of the CRM's records. A text becomes the option that it means or, for properties of those types,
// the number or bool that it spells, since CRMs refuse "12" for a number. Numbers and bools become text for a text property. Times
// become dates for a date property. A value of an Enumerations property becomes a list, and a list of one becomes a single value
// for properties that hold only one. A value that does not fit is returned unchanged; the CRM decides what to make of it.
func (p *Property) Of(value any) any {
	list, several := value.([]any)
	if several && len(list) == 1 && p.Type != Enumerations && p.Type != Other {
		return p.one(list[0])
	}
	if !several {
		if value = p.one(value); p.Type == Enumerations {
			return []any{value}
		}
		return value
	}
	values := make([]any, len(list))
	for i, item := range list {
		values[i] = p.one(item)
	}
	return values
}

func (p *Property) one(value any) any {
	switch v := value.(type) {
	case string:
		return p.ofText(v)
	case float64:
		if p.takesWords() {
			return p.ofText(strconv.FormatFloat(v, 'f', -1, 64))
		}
	case bool:
		if p.takesWords() {
			return p.ofText(strconv.FormatBool(v))
		}
	}
	return value
}

func (p *Property) takesWords() bool {
	switch p.Type {
	case Text, Enumeration, Enumerations:
		return !p.Numbered
	}
	return false
}

func (p *Property) ofText(text string) any {
	if o := p.Option(text); o != nil {
		text = o.Value
	}
	switch {
	case p.Type == Number || p.Numbered:
		return number(text)
	case p.Type == Bool:
		switch strings.ToLower(text) {
		case "true", "yes", "on", "1": // browsers send on for a checkbox without a value
			return true
		case "false", "no", "off", "0":
			return false
		}
	case p.Type == Date || p.Type == Time:
		return ofTime(text, p.Type)
	}
	return text
}

// ofTime formats an RFC 3339 time as a date, or as a time in whole seconds. The date is that of the text's own time zone. Fractions
// of a second are dropped because Zoho refuses them. Text that is not a time is returned unchanged.
func ofTime(text string, as PropertyType) string {
	at, err := time.Parse(time.RFC3339, text)
	switch {
	case err != nil:
		return text
	case as == Date:
		return at.Format(time.DateOnly)
	}
	return at.Format(time.RFC3339)
}

// exactDigits is how many decimal digits a float64 holds exactly, as most JSON parsers read numbers.
const exactDigits = 15

// number returns the number that a text spells; the text itself if it spells none, or if the number could lose digits.
func number(text string) any {
	if len(text) > exactDigits || strings.Trim(text, "-.0123456789") != "" {
		return text
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return text
	}
	return n
}

// loosely normalises what people write in different ways: "In Progress", "in_progress" and "INPROGRESS" become equal, but "1-10"
// and "110" do not, nor do "C" and "C++".
func loosely(text string) string {
	var kept []rune
	digits := false // the last rune kept was a digit, and was followed by a separator
	for _, r := range norm.NFKD.String(text) {
		switch {
		case unicode.Is(unicode.Mn, r): // an accent
		case unicode.IsLetter(r), unicode.IsDigit(r), r == '+', r == '#':
			if digits && unicode.IsDigit(r) {
				kept = append(kept, '-')
			}
			digits = false
			kept = append(kept, unicode.ToLower(r))
		default:
			digits = len(kept) > 0 && unicode.IsDigit(kept[len(kept)-1])
		}
	}
	return string(kept)
}
