package hubspot

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/leadgate/leadgate/worker/crm"
)

const propertiesPath = "/crm/v3/properties/contacts?archived=false"

// property is HubSpot's description of a property. Which ones are required, this API does not say (contracts, hubspot.md §6).
type property struct {
	Name       string `json:"name"`
	Label      string `json:"label"`
	Type       string `json:"type"`
	FieldType  string `json:"fieldType"`
	Archived   bool   `json:"archived"`
	Calculated bool   `json:"calculated"`
	External   bool   `json:"externalOptions"` // the options are stored elsewhere, and the list is empty
	Unique     bool   `json:"hasUniqueValue"`
	Options    []struct {
		Label string `json:"label"`
		Value string `json:"value"`
	} `json:"options"`
	Modification struct {
		ReadOnlyValue bool `json:"readOnlyValue"`
	} `json:"modificationMetadata"`
}

// Schema implements crm.Destination.
func (d *destination) Schema(ctx context.Context) (*crm.Schema, crm.Outcome) {
	answer, failure := d.call(ctx, http.MethodGet, propertiesPath, nil)
	if failure != nil {
		return nil, *failure
	}
	if answer.Status != http.StatusOK {
		return nil, d.failed(answer)
	}
	var listed struct {
		Results []property `json:"results"`
	}
	if json.Unmarshal(answer.Body, &listed) != nil || len(listed.Results) == 0 {
		outcome := answer.Outcome(crm.Unknown, "the server answered 200, but not with HubSpot's properties; check hubspot.base_url")
		return nil, outcome
	}
	d.lookForSeconds(ctx)
	schema := &crm.Schema{}
	for _, p := range listed.Results {
		if !p.Archived {
			schema.Properties = append(schema.Properties, p.told())
		}
	}
	return schema, crm.Outcome{Kind: crm.Delivered, Status: answer.Status}
}

// told converts the property to leadgate's form.
func (p property) told() crm.Property {
	property := crm.Property{
		Name: p.Name, Label: p.Label, Native: p.Type,
		ReadOnly: p.Calculated || p.Modification.ReadOnlyValue,
		Unique:   p.Unique || p.Name == emailProperty,
	}
	switch p.Type {
	case "string", "phone_number":
		property.Type = crm.Text
	case "number":
		property.Type = crm.Number
	case "bool":
		property.Type = crm.Bool
	case "date":
		property.Type = crm.Date
	case "datetime":
		property.Type = crm.Time
	case "enumeration":
		property.Type = crm.Enumeration
		if p.FieldType == "checkbox" {
			property.Type = crm.Enumerations
		}
		if p.External {
			break
		}
		for _, o := range p.Options {
			property.Options = append(property.Options, crm.Option{Value: o.Value, Label: o.Label})
		}
	}
	return property
}
