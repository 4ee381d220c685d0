// Package mapping turns a lead into the properties of a CRM, as configured.
package mapping

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
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
	property string
	field    field
}

// Compile makes a mapping of what is configured: CRM property to lead field. The error names every property at fault and,
// where a name is misspelt, the likely right one.
func Compile(properties map[string]string) (*Mapping, error) {
	m := &Mapping{}
	var problems []error
	for _, property := range slices.Sorted(maps.Keys(properties)) {
		path := properties[property]
		f, err := parse(path)
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
		m.entries = append(m.entries, entry{property, f})
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	return m, nil
}

// Apply returns the properties of a lead, sorted by name. What the lead does not have is left out, so that nothing is
// cleared in the CRM. Equal leads give equal properties.
func (m *Mapping) Apply(record *leadgatev1.LeadRecord) []Property {
	properties := make([]Property, 0, len(m.entries))
	for _, e := range m.entries {
		if value := e.field.of(record.GetLead()); value != nil {
			properties = append(properties, Property{Name: e.property, Value: value})
		}
	}
	return properties
}
