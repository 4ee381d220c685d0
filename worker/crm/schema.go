package crm

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Schema is which properties the records of a CRM have.
type Schema struct {
	// Properties are all of them that the credentials can see, in the CRM's order.
	Properties []Property
}

// Property is one property of a CRM's records.
type Property struct {
	// Name is what the mapping and the CRM's interface call it.
	Name string
	// Label is what the CRM's users call it.
	Label string
	// Type is what values it takes.
	Type PropertyType
	// Native is the CRM's own word for the type, for people.
	Native string
	// ReadOnly: it cannot be written, or not by these credentials.
	ReadOnly bool
	// Required: a record cannot be made without it, and the CRM fills in nothing by itself.
	Required bool
	// MaxLength is how many characters it takes; 0 if that is not said.
	MaxLength int
	// Options are the values of an enumeration; empty if it takes others too, or if they are not said.
	Options []Option
	// Numbered: the values of Options are numbers for the CRM, and are sent so.
	Numbered bool
	// Unique: no two records have the same value, so that records can be told apart by it.
	Unique bool
}

// Option is one value of an enumeration.
type Option struct {
	// Value is what is sent.
	Value string
	// Label is what the CRM's users see.
	Label string
}

// PropertyType is what values a property takes.
type PropertyType int

const (
	// Other is a type that leads cannot be checked against.
	Other PropertyType = iota
	// Text is any text.
	Text
	// Number is a number.
	Number
	// Bool is yes or no.
	Bool
	// Date is a day.
	Date
	// Time is a day and a time.
	Time
	// Enumeration is one of Options.
	Enumeration
	// Enumerations is any of Options.
	Enumerations
)

// Property returns the property of a name; nil if there is none.
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

// Names returns the names of the properties that can be written.
func (s *Schema) Names() []string {
	var names []string
	for _, p := range s.Properties {
		if !p.ReadOnly {
			names = append(names, p.Name)
		}
	}
	return names
}

// Option returns the option that a text means: the one of that value or, where there is none, the only one whose value or
// label differs from it in case, accents, blanks and punctuation alone. Nil if there is none.
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
			return nil // to guess would be worse than to say
		}
		found = &p.Options[i]
	}
	return found
}

// Of is a value as the CRM's records have it: the option that a text means; the number, or the yes or no, that it spells, where
// the property is one, as CRMs refuse "12" for a number; a number in words where it is a text. Any of several options is a list,
// be it of one, and of what can be one only, a list of one is that; the day of a time where it is a date. A value that does not
// fit is itself: what to make of it is up to the CRM.
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
		case "true", "yes", "on", "1": // a checkbox without a value of its own sends on
			return true
		case "false", "no", "off", "0":
			return false
		}
	case p.Type == Date || p.Type == Time:
		return ofTime(text, p.Type)
	}
	return text
}

// ofTime is a time as a date, or as a time of whole seconds; a text that is no time is itself. Where only a day is asked for it is
// that on which it is so late there, as the text has it; fractions of a second are refused by Zoho, and of use to nobody.
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

// exactDigits is how many digits a number keeps as JSON's readers have it.
const exactDigits = 15

// number is the number that a text spells; the text itself if it is none, or if it would not be the same number any more.
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

// loosely is a text without what people write in different ways: "In Progress", "in_progress" and "INPROGRESS" are one,
// "1-10" and "110" are not, nor are "C" and "C++".
func loosely(text string) string {
	var kept []rune
	digits := false // apart: the last rune kept was a digit, and something else came after it
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
