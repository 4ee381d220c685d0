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

// Type is the type of a field.
type Type string

// The types that the simulated CRMs distinguish.
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

// Field is a field of a simulated CRM's records.
type Field struct {
	Name  string `json:"name"`
	Label string `json:"label"`
	Type  Type   `json:"type"`
	// Length is the maximum length in characters; 0 for no limit.
	Length int `json:"length,omitempty"`
	// Required means that records cannot be without a value.
	Required bool `json:"required,omitempty"`
	ReadOnly bool `json:"read_only,omitempty"`
	// Unique means that no two records have the same value.
	Unique bool `json:"unique,omitempty"`
	// Key means that records can be upserted by this field.
	Key bool `json:"key,omitempty"`
	// Options are the values of a Choice, with their labels.
	Options map[string]string `json:"options,omitempty"`
}

// FieldChange is a change of the fields, such as an administrator makes.
type FieldChange struct {
	// Add are new fields. They replace fields of the same name.
	Add []Field `json:"add,omitempty"`
	// Remove are names of fields to remove.
	Remove []string `json:"remove,omitempty"`
	// Rename maps old names to new names.
	Rename map[string]string `json:"rename,omitempty"`
	// ReadOnly are names of fields that become read-only.
	ReadOnly []string `json:"read_only,omitempty"`
	// Require are names of fields that become required.
	Require []string `json:"require,omitempty"`
	// Length maps names to new maximum lengths.
	Length map[string]int `json:"length,omitempty"`
	// Type maps names to new types.
	Type map[string]Type `json:"type,omitempty"`
}

// Fielded is a CRM whose fields can be read and changed.
type Fielded interface {
	Fields() []Field
	ChangeFields(FieldChange) error
}

// Table is the fields of a CRM's records. It is not safe for concurrent use.
type Table struct{ fields []Field }

// NewTable returns a table of fields. A field without a label gets its name as the label.
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

// Fields returns the fields in order.
func (t *Table) Fields() []Field { return slices.Clone(t.fields) }

// Field returns the field with that name, in any case; false if there is none.
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

// Change makes a change, unless it names a field that does not exist.
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

// Flaw is a kind of problem with a value.
type Flaw string

// The flaws that CRMs distinguish.
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
	Field Field // only Name is set if there is no such field
}

// Check returns the problems with values to write, by field name. If a record is to be created, they include missing values.
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
		return "" // clears the field
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

// Values decodes a JSON object.
func Values(document []byte) (map[string]any, error) {
	var values map[string]any
	err := json.Unmarshal(document, &values)
	if err == nil && values == nil {
		err = fmt.Errorf("%.20q is not an object", document)
	}
	return values, err
}
