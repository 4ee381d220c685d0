package hubspot

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/mail"
	"slices"
	"strconv"
	"strings"
	"time"
)

// valueError is a problem with the value of one property, as HubSpot embeds it in messages.
type valueError struct {
	IsValid   bool   `json:"isValid"`
	Message   string `json:"message"`
	Error     string `json:"error"`
	Name      string `json:"name"`
	Localized string `json:"localizedErrorMessage"`
	PortalID  int    `json:"portalId"`
}

// validate returns the problem with properties to write; nil if there is none.
func (s *schema) validate(properties map[string]string) *problem {
	var wrong []valueError
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		code, message := s.check(name, properties[name])
		if code != "" {
			wrong = append(wrong, valueError{Message: message, Error: code, Name: name, Localized: message, PortalID: portalID})
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	embedded, err := json.Marshal(wrong)
	if err != nil {
		panic(err) // it contains only strings, numbers and bools
	}
	p := invalid("Property values were not valid: " + string(embedded))
	for _, w := range wrong {
		p.Errors = append(p.Errors, problem{Message: w.Message, Code: w.Error, Context: map[string][]string{"propertyName": {w.Name}}})
	}
	return &p
}

func (s *schema) check(name, value string) (code, message string) {
	p := s.get(name)
	switch {
	case p == nil:
		return "PROPERTY_DOESNT_EXIST", fmt.Sprintf("Property %q does not exist", name)
	case p.readOnly():
		return "READ_ONLY_VALUE", fmt.Sprintf("%q is a read only property; its value cannot be set.", name)
	case value == "": // clears the property
		return "", ""
	case name == "email":
		if !isEmail(value) {
			return "INVALID_EMAIL", fmt.Sprintf("Email address %s is invalid", value)
		}
		return "", ""
	}
	switch p.Type {
	case typeNumber:
		if _, err := strconv.ParseFloat(value, 64); err != nil {
			return "INVALID_LONG", fmt.Sprintf("%s was not a valid long.", value)
		}
	case typeDate, typeDatetime:
		if !isTime(value) {
			return "INVALID_DATE", fmt.Sprintf("%s was not a valid date.", value)
		}
	case typeEnumeration, typeBool:
		for chosen := range strings.SplitSeq(value, ";") {
			if !slices.ContainsFunc(p.Options, func(o option) bool { return o.Value == chosen }) {
				return "INVALID_OPTION", fmt.Sprintf("%s was not one of the allowed options: [%s]", chosen, p.allowed())
			}
		}
	}
	return "", ""
}

func (p *property) allowed() string {
	var values []string
	for _, o := range p.Options {
		values = append(values, o.Value)
	}
	return strings.Join(values, ", ")
}

func isEmail(value string) bool {
	address, err := mail.ParseAddress(value)
	return err == nil && address.Name == "" && address.Address == value && strings.Contains(value[strings.LastIndexByte(value, '@'):], ".")
}

// isTime reports whether a value has one of HubSpot's formats: ISO 8601, or milliseconds since 1970.
func isTime(value string) bool {
	if _, err := strconv.ParseInt(value, 10, 64); err == nil {
		return true
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if _, err := time.Parse(layout, value); err == nil {
			return true
		}
	}
	return false
}
