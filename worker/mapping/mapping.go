// Package mapping turns a lead into the properties of a CRM, as configured.
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

// Property is one property of a CRM's record with the value it gets.
type Property struct {
	// Name is the CRM's name of the property.
	Name string
	// Value is a string, a bool, a float64 or a []any of these; never an empty string and never nil, because a field
	// that a lead does not have is left out.
	Value any
}

// Mapping says which field of a lead each property of a CRM gets. It never changes and is safe for concurrent use.
type Mapping struct {
	entries []entry // by property
}

type entry struct {
	property   string
	field      field
	expression *rules.Value // instead of the field
}

// Failure is a property whose expression came to nothing for a lead. It is left out.
type Failure struct {
	// Property is the CRM's name of the property.
	Property string
	// Reason is why, in words, without the lead's values.
	Reason string
}

// Expression returns the expression that stands for a lead field under properties: what comes after an equals sign.
func Expression(text string) (expression string, ok bool) {
	return strings.CutPrefix(strings.TrimSpace(text), "=")
}

// Compile makes a mapping of what is configured: CRM property to lead field, or to an equals sign and an expression. The error
// names every property at fault and, where a name is misspelt, the likely right one.
func Compile(properties map[string]string) (*Mapping, error) {
	m := &Mapping{}
	var problems []error
	var environment *rules.Environment // made when the first expression needs it
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

// Texts are the texts that expressions hold for their properties, by property: the value, or one of several.
func (m *Mapping) Texts() map[string][]string {
	texts := map[string][]string{}
	for _, e := range m.entries {
		if e.expression != nil && len(e.expression.Texts()) > 0 {
			texts[e.property] = e.expression.Texts()
		}
	}
	return texts
}

// Map returns the properties of a lead, sorted by name. What the lead does not have is left out, so that nothing is cleared in
// the CRM, and so is what an expression fails to make, which is told. Equal leads give equal properties.
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
