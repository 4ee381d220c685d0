// Package mapping maps a lead to the properties of a CRM, as configured.
package mapping

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/rules"
	"github.com/leadgate/leadgate/worker/spelling"
)

// Property is a property of a CRM's record, with its value.
type Property struct {
	// Name is the CRM's name of the property.
	Name string
	// Value is a string, a bool, a float64 or a []any of these; never an empty string, an empty list or nil: a field that a lead
	// does not have is left out.
	Value any
}

// Mapping says which lead field each property of a CRM gets. It is immutable and safe for concurrent use.
type Mapping struct {
	entries []entry // sorted by property
}

type entry struct {
	property   string
	field      field
	expression *rules.Value // used instead of field if not nil
}

// Failure is a property that was left out because its expression failed for a lead.
type Failure struct {
	// Property is the CRM's name of the property.
	Property string
	// Reason says why, for people, without the lead's values.
	Reason string
}

// Expression returns what follows the equals sign of a configured property value, and whether there is one: the value is an
// expression then, and otherwise the name of a lead field.
func Expression(text string) (expression string, ok bool) {
	return strings.CutPrefix(strings.TrimSpace(text), "=")
}

// Compile returns the mapping for configured properties: the CRM's property names, each with a lead field, or an equals sign and an
// expression. The error lists every faulty property and suggests the right name for a misspelt one.
func Compile(properties map[string]string) (*Mapping, error) {
	m := &Mapping{}
	var problems []error
	var environment *rules.Environment // created for the first expression
	for _, property := range slices.Sorted(maps.Keys(properties)) {
		path := properties[property]
		e, err := compile(property, path, &environment)
		switch {
		case property == "":
			err = fmt.Errorf("a property without a name is to get %s; give the CRM's name for it", path)
		case err != nil:
			err = fmt.Errorf("%s: %w", property, err)
		}
		if err != nil {
			problems = append(problems, err)
			continue
		}
		m.entries = append(m.entries, e)
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	return m, nil
}

func compile(property, text string, environment **rules.Environment) (entry, error) {
	expression, ok := Expression(text)
	if !ok {
		f, err := parse(text)
		switch {
		case err == nil || strings.TrimSpace(text) == "" || strings.Contains(text, "."):
		case text == "full_name":
			err = errors.New(`a lead has no full_name, which forms split into first_name and last_name; write '= lead.first_name + " " + lead.last_name' for both`)
		case spelling.Nearest(text, Fields()) == "":
			err = fmt.Errorf("%w; a text that is the same for every lead is written '= %q'", err, text)
		}
		return entry{property: property, field: f}, err
	}
	if *environment == nil {
		var err error
		if *environment, err = rules.NewEnvironment(); err != nil {
			return entry{}, err
		}
	}
	value, err := (*environment).Value(expression)
	return entry{property: property, expression: value}, err
}

// Texts returns the texts that each property's expression can result in, as far as they are literals in it.
func (m *Mapping) Texts() map[string][]string {
	texts := map[string][]string{}
	for _, e := range m.entries {
		if e.expression != nil && len(e.expression.Texts()) > 0 {
			texts[e.property] = e.expression.Texts()
		}
	}
	return texts
}

// Map returns the properties of a lead, sorted by name. It leaves out what the lead does not have, so that nothing is cleared in
// the CRM, and properties whose expression fails, which it returns as failures. Equal leads get equal properties.
func (m *Mapping) Map(record *leadgatev1.LeadRecord) (properties []Property, failures []Failure) {
	properties = make([]Property, 0, len(m.entries))
	for _, e := range m.entries {
		value, err := e.of(record)
		switch {
		case err != nil:
			failures = append(failures, Failure{Property: e.property, Reason: err.Error()})
		case value != nil:
			properties = append(properties, Property{Name: e.property, Value: value})
		}
	}
	return properties, failures
}

func (e *entry) of(record *leadgatev1.LeadRecord) (any, error) {
	if e.expression == nil {
		return e.field.of(record.GetLead()), nil
	}
	value, err := e.expression.Of(record)
	if number, ok := value.(int64); ok {
		value = float64(number)
	}
	return value, err
}
