package salesforce

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/leadgate/leadgate/worker/crm"
)

// field is Salesforce's description of a field. Fields that field-level security hides from the user are missing.
type field struct {
	Name              string `json:"name"`
	Label             string `json:"label"`
	Type              string `json:"type"`
	Length            int    `json:"length"`
	Nillable          bool   `json:"nillable"`
	Createable        bool   `json:"createable"`
	Updateable        bool   `json:"updateable"`
	DefaultedOnCreate bool   `json:"defaultedOnCreate"`
	Unique            bool   `json:"unique"`
	Restricted        bool   `json:"restrictedPicklist"`
	Values            []struct {
		Active bool   `json:"active"`
		Value  string `json:"value"`
		Label  string `json:"label"`
	} `json:"picklistValues"`
}

// Schema implements crm.Destination.
func (d *destination) Schema(ctx context.Context) (*crm.Schema, crm.Outcome) {
	answer, _, failure := d.call(ctx, http.MethodGet, "sobjects/"+d.object+"/describe", nil)
	if failure != nil {
		return nil, *failure
	}
	if answer.Status != http.StatusOK {
		return nil, d.failed(answer)
	}
	var described struct {
		Createable *bool   `json:"createable"`
		Fields     []field `json:"fields"`
	}
	if json.Unmarshal(answer.Body, &described) != nil || len(described.Fields) == 0 {
		return nil, answer.Outcome(crm.Unknown, "the server answered 200, but not with Salesforce's fields; check salesforce.url")
	}
	if described.Createable != nil && !*described.Createable {
		return nil, answer.Outcome(crm.CredentialsRefused, "the user may not create "+d.object+" records; grant it by a permission set")
	}
	schema := &crm.Schema{}
	for _, f := range described.Fields {
		schema.Properties = append(schema.Properties, d.told(f))
	}
	d.known.Store(schema)
	return schema, crm.Outcome{Kind: crm.Delivered, Status: answer.Status}
}

// told converts the field to leadgate's form.
func (d *destination) told(f field) crm.Property {
	p := crm.Property{
		Name: f.Name, Label: f.Label, Native: f.Type, MaxLength: f.Length, Unique: f.Unique || f.Name == d.key,
		ReadOnly: !f.Createable && !f.Updateable,
		// A field with a placeholder is not required of the mapping.
		Required: !f.Nillable && f.Createable && !f.DefaultedOnCreate && d.placeholders[f.Name] == "",
	}
	switch f.Type {
	case "string", "textarea", "email", "phone", "url", "encryptedstring", "combobox":
		p.Type = crm.Text
	case "int", "double", "currency", "percent", "long":
		p.Type = crm.Number
	case "boolean":
		p.Type = crm.Bool
	case "date":
		p.Type = crm.Date
	case "datetime":
		p.Type = crm.Time
	case "picklist", "multipicklist":
		p.Type = crm.Enumeration
		if f.Type == "multipicklist" {
			p.Type = crm.Enumerations
		}
		if !f.Restricted { // other values are accepted, too
			break
		}
		for _, v := range f.Values {
			if v.Active {
				p.Options = append(p.Options, crm.Option{Value: v.Value, Label: v.Label})
			}
		}
	}
	return p
}
