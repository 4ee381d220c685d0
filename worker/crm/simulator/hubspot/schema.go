package hubspot

import (
	"cmp"
	"maps"
	"slices"
)

// property is HubSpot's description of a property of contacts.
type property struct {
	Name           string          `json:"name"`
	Label          string          `json:"label"`
	Type           string          `json:"type"`      // string, number, date, datetime, enumeration, bool or phone_number
	FieldType      string          `json:"fieldType"` // how forms display it
	GroupName      string          `json:"groupName"`
	Description    string          `json:"description"`
	Options        []option        `json:"options"`
	Hidden         bool            `json:"hidden"`
	Archived       bool            `json:"archived"`
	Calculated     bool            `json:"calculated"`
	ExternalOption bool            `json:"externalOptions"`
	HasUniqueValue bool            `json:"hasUniqueValue"`
	FormField      bool            `json:"formField"`
	Modification   map[string]bool `json:"modificationMetadata"`
}

type option struct {
	Label        string `json:"label"`
	Value        string `json:"value"`
	DisplayOrder int    `json:"displayOrder"`
	Hidden       bool   `json:"hidden"`
}

// Types of properties.
const (
	typeString      = "string"
	typeNumber      = "number"
	typeDate        = "date"
	typeDatetime    = "datetime"
	typeEnumeration = "enumeration"
	typeBool        = "bool"
)

func (p *property) readOnly() bool { return p.Modification["readOnlyValue"] }

// schema is the properties of contacts. It is not safe for concurrent use.
type schema struct{ properties map[string]*property }

// newSchema returns the properties that every account has, as far as leads need them.
func newSchema() *schema {
	s := &schema{properties: map[string]*property{}}
	for _, name := range []string{
		"email", "firstname", "lastname", "company", "website", "jobtitle", "address", "city", "state", "zip", "country", "message",
		"salutation", "degree", "industry", "school", "twitterhandle", "hs_language", "hs_email_domain", "hs_persona",
		"work_email", "annualrevenue", "date_of_birth", "gender", "marital_status", "job_function", "seniority", "field_of_study",
	} {
		s.add(&property{Name: name, Type: typeString, FieldType: "text", FormField: true})
	}
	for _, name := range []string{"phone", "mobilephone", "fax"} {
		s.add(&property{Name: name, Type: typeString, FieldType: "phonenumber", FormField: true})
	}
	s.add(&property{Name: "numemployees", Type: typeEnumeration, FieldType: "select", FormField: true, Options: options(
		"1-5", "5-25", "25-50", "50-100", "100-500", "500-1000", "1000+")})
	s.add(&property{Name: "lifecyclestage", Type: typeEnumeration, FieldType: "radio", FormField: true, Options: options(
		"subscriber", "lead", "marketingqualifiedlead", "salesqualifiedlead", "opportunity", "customer", "evangelist", "other")})
	s.add(&property{Name: "hs_lead_status", Type: typeEnumeration, FieldType: "radio", FormField: true, Options: options(
		"NEW", "OPEN", "IN_PROGRESS", "OPEN_DEAL", "UNQUALIFIED", "ATTEMPTED_TO_CONTACT", "CONNECTED", "BAD_TIMING")})
	s.add(&property{Name: "hs_email_optout", Type: typeBool, FieldType: "booleancheckbox", Options: options("true", "false")})
	s.add(&property{Name: "closedate", Type: typeDatetime, FieldType: "date"})
	s.add(&property{Name: "hs_additional_emails", Type: typeString, FieldType: "text"})
	for _, name := range []string{"createdate", "lastmodifieddate"} {
		s.add(&property{Name: name, Type: typeDatetime, FieldType: "date", Modification: map[string]bool{"readOnlyValue": true}})
	}
	for _, name := range []string{"hs_object_id", "num_conversion_events"} {
		s.add(&property{Name: name, Type: typeNumber, FieldType: "number", Modification: map[string]bool{"readOnlyValue": true}})
	}
	return s
}

func options(values ...string) []option {
	all := make([]option, len(values))
	for i, value := range values {
		all[i] = option{Label: value, Value: value, DisplayOrder: i}
	}
	return all
}

func (s *schema) add(p *property) {
	p.Label = cmp.Or(p.Label, p.Name)
	p.GroupName = cmp.Or(p.GroupName, "contactinformation")
	if p.Options == nil {
		p.Options = []option{}
	}
	if p.Modification == nil {
		p.Modification = map[string]bool{"readOnlyValue": false}
	}
	s.properties[p.Name] = p
}

// get returns a property; nil if it does not exist or is archived.
func (s *schema) get(name string) *property {
	if p := s.properties[name]; p != nil && !p.Archived {
		return p
	}
	return nil
}

func (s *schema) isUnique(name string) bool {
	p := s.get(name)
	return p != nil && p.HasUniqueValue
}

// list returns the archived properties or the others, sorted by name.
func (s *schema) list(archived bool) []*property {
	var all []*property
	for _, name := range slices.Sorted(maps.Keys(s.properties)) {
		if p := s.properties[name]; p.Archived == archived {
			all = append(all, p)
		}
	}
	return all
}
