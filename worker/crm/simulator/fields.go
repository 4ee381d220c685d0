package simulator

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/mail"
	"slices"
	"strings"
	"unicode/utf8"
)

// Type says what a field holds.
type Type string

// The types that the simulated CRMs tell apart.
const (
	Text     Type = "text"
	Email    Type = "email"
	Number   Type = "number"
	Integer  Type = "integer"
	Boolean  Type = "boolean"
	Date     Type = "date"
	Choice   Type = "choice" // one of Options
	Computed Type = "computed"
)

// Field is one field of the records of a simulated CRM.
type Field struct {
	Name  string `json:"name"`
	Label string `json:"label"`
	Type  Type   `json:"type"`
	// Length is how many characters it takes; 0 for any number.
	Length int `json:"length,omitempty"`
	// Required says that no record can be without.
	Required bool `json:"required,omitempty"`
	ReadOnly bool `json:"read_only,omitempty"`
	// Unique says that no two records have the same value.
	Unique bool `json:"unique,omitempty"`
	// Key says that records can be upserted by it.
	Key bool `json:"key,omitempty"`
	// Options are what a Choice may be; value to label.
	Options map[string]string `json:"options,omitempty"`
}

// FieldChange is what an administrator of the CRM does to its fields, all at once.
type FieldChange struct {
	// Add are new fields, or fields in place of those of the same name.
	Add []Field `json:"add,omitempty"`
	// Remove are names of fields that go.
	Remove []string `json:"remove,omitempty"`
	// Rename is old name to new name.
	Rename map[string]string `json:"rename,omitempty"`
	// ReadOnly are names of fields that nobody may write any more.
	ReadOnly []string `json:"read_only,omitempty"`
	// Require are names of fields that no record can be without from now on.
	Require []string `json:"require,omitempty"`
	// Length is name to how many characters it takes from now on.
	Length map[string]int `json:"length,omitempty"`
	// Type is name to what it holds from now on.
	Type map[string]Type `json:"type,omitempty"`
}

// Fielded is a CRM whose fields can be seen and changed.
type Fielded interface {
	Fields() []Field
	ChangeFields(FieldChange) error
}

// Table is which fields the records of a CRM have. Not safe for concurrent use.
type Table struct{ fields []Field }

// NewTable returns a table of some fields. A label is the name if there is none.
func NewTable(fields ...Field) *Table {
	t := &Table{}
	for _, f := range fields {
		t.put(f)
	}
	return t
}

func (t *Table) put(f Field) {
	f.Label = cmp.Or(f.Label, f.Name)
	f.Type = cmp.Or(f.Type, Text)
	if old := t.find(f.Name); old != nil {
		*old = f
		return
	}
	t.fields = append(t.fields, f)
}

// Fields returns the fields in their order.
func (t *Table) Fields() []Field { return slices.Clone(t.fields) }

// Field returns a field by its name; false if there is none.
func (t *Table) Field(name string) (Field, bool) {
	if f := t.find(name); f != nil {
		return *f, true
	}
	return Field{}, false
}

func (t *Table) find(name string) *Field {
	for i := range t.fields {
		if strings.EqualFold(t.fields[i].Name, name) {
			return &t.fields[i]
		}
	}
	return nil
}

// Change carries a change out, or none of it.
func (t *Table) Change(c FieldChange) error {
	named := slices.Concat(c.Remove, c.ReadOnly, c.Require, slices.Collect(maps.Keys(c.Rename)), slices.Collect(maps.Keys(c.Length)), slices.Collect(maps.Keys(c.Type)))
	for _, name := range named {
		if t.find(name) == nil {
			return fmt.Errorf("there is no field %q", name)
		}
	}
	for _, name := range c.ReadOnly {
		t.find(name).ReadOnly = true
	}
	for _, name := range c.Require {
		t.find(name).Required = true
	}
	for name, length := range c.Length {
		t.find(name).Length = length
	}
	for name, kind := range c.Type {
		t.find(name).Type = kind
	}
	for old, name := range c.Rename {
		t.find(old).Name = name
	}
	t.fields = slices.DeleteFunc(t.fields, func(f Field) bool {
		return slices.ContainsFunc(c.Remove, func(name string) bool { return strings.EqualFold(f.Name, name) })
	})
	for _, f := range c.Add {
		t.put(f)
	}
	return nil
}

// Flaw is what is wrong with a value.
type Flaw string

// The flaws that CRMs tell apart.
const (
	NoField   Flaw = "no such field"
	NotYours  Flaw = "read-only"
	TooLong   Flaw = "too long"
	WrongType Flaw = "wrong type"
	NoOption  Flaw = "not an option"
	BadEmail  Flaw = "not an e-mail address"
	Missing   Flaw = "missing"
)

// Defect is one flaw of a record.
type Defect struct {
	Flaw  Flaw
	Field Field // only its Name if there is no such field
}

// Check returns what is wrong with values that are to be written, by name of field; with those that are missing if a record
// is to be created.
func (t *Table) Check(values map[string]any, create bool) []Defect {
	var defects []Defect
	for _, name := range slices.Sorted(maps.Keys(values)) {
		f, ok := t.Field(name)
		if !ok {
			defects = append(defects, Defect{NoField, Field{Name: name}})
			continue
		}
		if flaw := f.check(values[name]); flaw != "" {
			defects = append(defects, Defect{flaw, f})
		}
	}
	for _, f := range t.fields {
		value, given := values[f.Name]
		if f.Required && !f.ReadOnly && (create || given) && (value == nil || value == "") {
			defects = append(defects, Defect{Missing, f})
		}
	}
	return defects
}

func (f Field) check(value any) Flaw {
	if f.ReadOnly || f.Type == Computed {
		return NotYours
	}
	if value == nil || value == "" {
		return "" // clears it
	}
	switch text, isText := value.(string); f.Type {
	case Number, Integer:
		n, ok := value.(float64)
		if !ok || f.Type == Integer && n != math.Trunc(n) {
			return WrongType
		}
	case Boolean:
		if _, ok := value.(bool); !ok {
			return WrongType
		}
	case Choice:
		if _, ok := f.Options[fmt.Sprint(value)]; !ok {
			return NoOption
		}
	case Email:
		if _, err := mail.ParseAddress(text); err != nil || !isText {
			return BadEmail
		}
		return f.fits(text)
	default:
		if !isText {
			return WrongType
		}
		return f.fits(text)
	}
	return ""
}

func (f Field) fits(text string) Flaw {
	if f.Length > 0 && utf8.RuneCountInString(text) > f.Length {
		return TooLong
	}
	return ""
}

// Values reads a JSON object.
func Values(document []byte) (map[string]any, error) {
	var values map[string]any
	err := json.Unmarshal(document, &values)
	if err == nil && values == nil {
		err = fmt.Errorf("%.20q is not an object", document)
	}
	return values, err
}
