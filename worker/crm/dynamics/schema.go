package dynamics

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/leadgate/leadgate/worker/crm"
)

// label is text in the user's language.
type label struct {
	Localized struct {
		Label string `json:"Label"`
	} `json:"UserLocalizedLabel"`
}

// attribute is Dynamics' description of a column. Requirements of forms are not part of it; the API does not enforce them either.
type attribute struct {
	LogicalName      string `json:"LogicalName"`
	SchemaName       string `json:"SchemaName"`
	IsCustom         bool   `json:"IsCustomAttribute"`
	AttributeType    string `json:"AttributeType"`
	DisplayName      label  `json:"DisplayName"`
	IsValidForCreate bool   `json:"IsValidForCreate"`
	IsValidForUpdate bool   `json:"IsValidForUpdate"`
	RequiredLevel    struct {
		Value string `json:"Value"`
	} `json:"RequiredLevel"`
	MaxLength int        `json:"MaxLength"`
	OptionSet *optionSet `json:"OptionSet"`
	GlobalSet *optionSet `json:"GlobalOptionSet"`
}

type optionSet struct {
	Options []struct {
		Value json.Number `json:"Value"`
		Label label       `json:"Label"`
	} `json:"Options"`
}

// Schema implements crm.Destination. Lengths and options need further calls; they are left unknown if one fails, unless for a rate
// limit or the credentials.
func (d *destination) Schema(ctx context.Context) (*crm.Schema, crm.Outcome) {
	listed, outcome := d.attributes(ctx, "", "$select=LogicalName,SchemaName,IsCustomAttribute,AttributeType,DisplayName,RequiredLevel,IsValidForCreate,IsValidForUpdate")
	if outcome.Kind != crm.Delivered {
		return nil, outcome
	}
	if len(listed) == 0 {
		outcome.Kind, outcome.Reason = crm.Unknown, "the server answered 200, but not with Dynamics' columns; check dynamics.url"
		return nil, outcome
	}
	schema := &crm.Schema{}
	for _, a := range listed {
		schema.Properties = append(schema.Properties, d.told(a))
	}
	for kind, query := range map[string]string{
		"String": "$select=LogicalName,MaxLength", "Memo": "$select=LogicalName,MaxLength",
		"Picklist": "$select=LogicalName&$expand=OptionSet,GlobalOptionSet",
	} {
		more, partial := d.attributes(ctx, kind, query)
		if partial.Kind == crm.RateLimited || partial.Kind == crm.CredentialsRefused {
			return nil, partial
		}
		for _, a := range more {
			if p := schema.Property(a.LogicalName); p != nil {
				p.MaxLength, p.Options = a.MaxLength, a.options()
			}
		}
	}
	if failure := d.checkKey(ctx); failure != nil {
		return nil, *failure
	}
	d.known.Store(schema)
	return schema, crm.Outcome{Kind: crm.Delivered, Status: outcome.Status}
}

func (d *destination) attributes(ctx context.Context, kind, query string) ([]attribute, crm.Outcome) {
	path := "EntityDefinitions(LogicalName='" + d.name + "')/Attributes"
	if kind != "" {
		path += "/Microsoft.Dynamics.CRM." + kind + "AttributeMetadata"
	}
	answer, failure := d.call(ctx, http.MethodGet, path+"?"+query, nil, nil)
	if failure != nil {
		return nil, *failure
	}
	if answer.Status != http.StatusOK {
		return nil, brokenDown(answer)
	}
	var listed struct {
		Value []attribute `json:"value"`
	}
	if json.Unmarshal(answer.Body, &listed) != nil {
		return nil, answer.Outcome(crm.Unknown, "the server answered 200, but not with Dynamics' columns; check dynamics.url")
	}
	return listed.Value, crm.Outcome{Kind: crm.Delivered, Status: answer.Status}
}

// checkKey reports what is wrong with the alternate key; nil if nothing is, or none is configured.
func (d *destination) checkKey(ctx context.Context) *crm.Outcome {
	if d.key == "" {
		return nil
	}
	answer, failure := d.call(ctx, http.MethodGet, "EntityDefinitions(LogicalName='"+url.PathEscape(d.name)+"')/Keys?$select=SchemaName,KeyAttributes,EntityKeyIndexStatus", nil, nil)
	if failure != nil {
		return failure
	}
	var listed struct {
		Value []struct {
			KeyAttributes []string `json:"KeyAttributes"`
			Status        string   `json:"EntityKeyIndexStatus"`
		} `json:"value"`
	}
	if answer.Status != http.StatusOK || json.Unmarshal(answer.Body, &listed) != nil {
		return nil // perhaps keys are read in another way here; a delivery will show
	}
	for _, k := range listed.Value {
		if !slices.Equal(k.KeyAttributes, []string{d.key}) {
			continue
		}
		if strings.EqualFold(k.Status, "Active") {
			return nil
		}
		outcome := answer.Outcome(crm.Refused, "the index of the key "+d.key+" is "+k.Status+"; nothing can be upserted by it until it is Active")
		return &outcome
	}
	outcome := answer.Outcome(crm.Refused, "the table has no key of the column "+d.key+" alone; make one in Dynamics, or take dynamics.key out")
	return &outcome
}

// told converts the column to leadgate's form.
func (d *destination) told(a attribute) crm.Property {
	p := crm.Property{
		Name: a.LogicalName, Label: a.DisplayName.Localized.Label, Native: a.AttributeType, ReadOnly: !a.IsValidForCreate && !a.IsValidForUpdate,
		Required: a.isRequired() && a.LogicalName != d.id && d.cfg.GetPlaceholders()[a.LogicalName] == "",
		Unique:   a.LogicalName == d.key,
	}
	p.Label = cmp.Or(p.Label, a.LogicalName)
	switch a.AttributeType {
	case "Lookup", "Owner":
		if p.Name += bindSuffix; a.IsCustom {
			p.Name = a.SchemaName + bindSuffix
		}
	case "String", "Memo":
		p.Type = crm.Text
	case "Integer", "BigInt", "Decimal", "Double", "Money":
		p.Type = crm.Number
	case "Boolean":
		p.Type = crm.Bool
	case "DateTime":
		p.Type = crm.Time
	case "Picklist", "State", "Status":
		p.Type, p.Numbered = crm.Enumeration, true
	}
	return p
}

// isRequired reports whether a record cannot be created without the column. Dynamics fills in the owner and the state by itself.
func (a attribute) isRequired() bool {
	switch a.AttributeType {
	case "Owner", "State", "Status", "Uniqueidentifier", "EntityName":
		return false
	}
	return a.RequiredLevel.Value == "SystemRequired" && a.IsValidForCreate
}

// options returns the values of a choice, which are numbers.
func (a attribute) options() []crm.Option {
	var options []crm.Option
	for _, set := range []*optionSet{a.OptionSet, a.GlobalSet} {
		if set == nil || options != nil {
			continue
		}
		for _, o := range set.Options {
			options = append(options, crm.Option{Value: o.Value.String(), Label: o.Label.Localized.Label})
		}
	}
	return options
}
