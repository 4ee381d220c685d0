package zoho

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/leadgate/leadgate/worker/crm"
)

// field is Zoho's description of a field. Requirements of individual layouts are not part of it.
type field struct {
	APIName   string         `json:"api_name"`
	Label     string         `json:"field_label"`
	DataType  string         `json:"data_type"`
	Length    int            `json:"length"`
	Mandatory bool           `json:"system_mandatory"`
	ReadOnly  bool           `json:"read_only"`
	FieldRO   bool           `json:"field_read_only"`
	Unique    map[string]any `json:"unique"`
	Values    []struct {
		Actual  string `json:"actual_value"`
		Display string `json:"display_value"`
		Type    string `json:"type"`
	} `json:"pick_list_values"`
	Operations *struct {
		Create bool `json:"api_create"`
		Update bool `json:"api_update"`
	} `json:"operation_type"`
}

// Schema implements crm.Destination.
func (d *destination) Schema(ctx context.Context) (*crm.Schema, crm.Outcome) {
	answer, failure := d.call(ctx, http.MethodGet, "settings/fields?module="+url.QueryEscape(d.module), nil)
	if failure != nil {
		return nil, *failure
	}
	if answer.Status != http.StatusOK {
		return nil, d.failed(answer)
	}
	var listed struct {
		Fields []field `json:"fields"`
	}
	if json.Unmarshal(answer.Body, &listed) != nil || len(listed.Fields) == 0 {
		return nil, answer.Outcome(crm.Unknown, "the server answered 200, but not with Zoho's fields")
	}
	schema := &crm.Schema{}
	for _, f := range listed.Fields {
		schema.Properties = append(schema.Properties, d.told(f))
	}
	d.known.Store(schema)
	return schema, crm.Outcome{Kind: crm.Delivered, Status: answer.Status}
}

// told converts the field to leadgate's form.
func (d *destination) told(f field) crm.Property {
	p := crm.Property{
		Name: f.APIName, Label: f.Label, Native: f.DataType, MaxLength: f.Length, Unique: len(f.Unique) > 0,
		ReadOnly: f.ReadOnly || f.FieldRO || f.Operations != nil && !f.Operations.Create && !f.Operations.Update,
		// A field with a placeholder is not required of the mapping.
		Required: f.Mandatory && d.placeholders[f.APIName] == "",
	}
	switch f.DataType {
	case "text", "textarea", "email", "phone", "website":
		p.Type = crm.Text
	case "integer", "bigint", "double", "currency", "percent":
		p.Type = crm.Number
	case "boolean":
		p.Type = crm.Bool
	case "date":
		p.Type = crm.Date
	case "datetime":
		p.Type = crm.Time
	case "picklist", "multiselectpicklist":
		p.Type = crm.Enumeration
		if f.DataType == "multiselectpicklist" {
			p.Type = crm.Enumerations
		}
		for _, v := range f.Values {
			if v.Type != "unused" && v.Actual != "-None-" {
				p.Options = append(p.Options, crm.Option{Value: v.Actual, Label: v.Display})
			}
		}
	}
	return p
}
