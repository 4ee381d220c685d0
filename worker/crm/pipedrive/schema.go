package pipedrive

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/leadgate/leadgate/worker/crm"
)

// field is Pipedrive's description of a field. The API does not enforce what forms require.
type field struct {
	Code    string `json:"field_code"`
	Name    string `json:"field_name"`
	Type    string `json:"field_type"`
	Options []struct {
		ID    json.RawMessage `json:"id"`
		Label string          `json:"label"`
	} `json:"options"`
}

// Schema implements crm.Destination. It returns the fields of persons and of deals, which leads share.
func (d *destination) Schema(ctx context.Context) (*crm.Schema, crm.Outcome) {
	schema := &crm.Schema{}
	for _, own := range []crm.Property{
		{Name: emailProperty, Label: "Email"}, {Name: phoneProperty, Label: "Phone"}, {Name: "person.first_name", Label: "First name"},
		{Name: "person.last_name", Label: "Last name"}, {Name: noteProperty, Label: "Note"},
	} {
		own.Type, own.Native = crm.Text, "text"
		schema.Properties = append(schema.Properties, own)
	}
	for of, path := range map[string]string{"person": "/api/v2/personFields?limit=500", "lead": "/api/v2/dealFields?limit=500"} {
		var listed []field
		answer, failure := d.get(ctx, path, &listed)
		if failure != nil {
			return nil, *failure
		}
		if len(listed) == 0 {
			return nil, answer.Outcome(crm.Unknown, "the server answered 200, but not with Pipedrive's fields; check pipedrive.base_url")
		}
		for _, f := range listed {
			schema.Properties = append(schema.Properties, f.told(of))
		}
	}
	return schema, crm.Outcome{Kind: crm.Delivered, Status: http.StatusOK}
}

// told converts the field to leadgate's form.
func (f field) told(of string) crm.Property {
	p := crm.Property{Name: of + "." + f.Code, Label: f.Name, Native: f.Type}
	switch f.Type {
	case "varchar", "varchar_auto", "text", "address", "phone":
		p.Type = crm.Text
	case "double", "int", "monetary":
		p.Type = crm.Number
	case "date":
		p.Type = crm.Date
	case "enum", "set":
		p.Type, p.Numbered = crm.Enumeration, true
		if f.Type == "set" {
			p.Type = crm.Enumerations
		}
		for _, o := range f.Options {
			var value any
			_ = json.Unmarshal(o.ID, &value) // a number or a string
			p.Options = append(p.Options, crm.Option{Value: fmt.Sprint(value), Label: o.Label})
		}
	}
	return p
}
