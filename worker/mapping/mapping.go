// Package mapping turns a lead into the properties of a CRM, as configured.
package mapping

// Property is one property of a CRM's record with the value it gets.
type Property struct {
	// Name is the CRM's name of the property.
	Name string
	// Value is a string, a bool, a float64 or a []any of these; never an empty string and never nil, because a field
	// that a lead does not have is left out.
	Value any
}
