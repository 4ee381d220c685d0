package salesforce

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/leadgate/leadgate/worker/crm/simulator"
)

// object is a kind of records: leads or contacts.
type object struct {
	name     string
	table    *simulator.Table
	records  *simulator.Records
	modified time.Time // when its description changed
}

func newObjects(now time.Time) map[string]*object {
	text := func(name, label string, length int) simulator.Field {
		return simulator.Field{Name: name, Label: label, Length: length}
	}
	person := []simulator.Field{
		{Name: "Id", Label: "Record ID", ReadOnly: true},
		{Name: "LastName", Label: "Last Name", Length: 80, Required: true},
		text("FirstName", "First Name", 40), text("Salutation", "Salutation", 40), text("Title", "Title", 128),
		{Name: "Name", Label: "Full Name", Type: simulator.Computed},
		{Name: "Email", Label: "Email", Type: simulator.Email, Length: 80},
		text("Phone", "Phone", 40), text("MobilePhone", "Mobile Phone", 40), text("Fax", "Fax", 40), text("Description", "Description", 32000),
		{Name: "LeadSource", Label: "Lead Source", Type: simulator.Choice, Options: options("Web", "Phone Inquiry", "Partner Referral", "Purchased List", "Other")},
		{Name: "HasOptedOutOfEmail", Label: "Email Opt Out", Type: simulator.Boolean},
		{Name: "Gateway_Key__c", Label: "Gateway Key", Length: 255, Unique: true, Key: true},
		{Name: "CreatedDate", Label: "Created Date", Type: simulator.Computed},
	}
	lead := append(slices.Clip(person),
		simulator.Field{Name: "Company", Label: "Company", Length: 255, Required: true},
		text("Website", "Website", 255), text("Industry", "Industry", 40),
		text("Street", "Street", 255), text("City", "City", 40), text("State", "State/Province", 80), text("PostalCode", "Zip/Postal Code", 20), text("Country", "Country", 80),
		simulator.Field{Name: "Status", Label: "Lead Status", Type: simulator.Choice, Options: options("Open - Not Contacted", "Working - Contacted", "Closed - Converted", "Closed - Not Converted")},
		simulator.Field{Name: "NumberOfEmployees", Label: "No. of Employees", Type: simulator.Integer},
		simulator.Field{Name: "AnnualRevenue", Label: "Annual Revenue", Type: simulator.Number},
		simulator.Field{Name: "IsConverted", Label: "Converted", Type: simulator.Computed},
	)
	contact := append(slices.Clip(person),
		text("MailingStreet", "Mailing Street", 255), text("MailingCity", "Mailing City", 40), text("MailingState", "Mailing State/Province", 80),
		text("MailingPostalCode", "Mailing Zip/Postal Code", 20), text("MailingCountry", "Mailing Country", 80), text("AccountId", "Account ID", 18),
	)
	now = now.UTC().Truncate(time.Second)
	return map[string]*object{
		"Lead":    {"Lead", simulator.NewTable(lead...), simulator.NewRecords(identifiers("00Q5g00000"), "Email"), now},
		"Contact": {"Contact", simulator.NewTable(contact...), simulator.NewRecords(identifiers("0035g00000"), "Email"), now},
	}
}

func options(values ...string) map[string]string {
	all := map[string]string{}
	for _, value := range values {
		all[value] = value
	}
	return all
}

// identifiers returns a function that generates identifiers of 18 characters: 15, and three that encode the case of those.
func identifiers(prefix string) func(int) string {
	return func(n int) string {
		id := fmt.Sprintf("%s%05d", prefix, n)
		const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
		for chunk := range 3 {
			bits := 0
			for i, r := range id[chunk*5 : chunk*5+5] {
				if r >= 'A' && r <= 'Z' {
					bits |= 1 << i
				}
			}
			id += string(alphabet[bits])
		}
		return id
	}
}

// writing is a record to write.
type writing struct {
	values    map[string]any
	record    *simulator.Record // to update; nil to create one
	allowSave bool              // despite a duplicate alert
}

// check returns the problems with a record to write.
func (a *api) check(o *object, w writing) []problem {
	if w.record != nil && w.record.Values["IsConverted"] == true {
		return []problem{{Message: "cannot reference converted lead", Code: "CANNOT_UPDATE_CONVERTED_LEAD"}}
	}
	var problems []problem
	var missing []string
	for _, d := range o.table.Check(w.values, w.record == nil) {
		if d.Flaw == simulator.Missing {
			missing = append(missing, d.Field.Name)
			continue
		}
		problems = append(problems, o.problem(d, w.values[d.Field.Name]))
	}
	if len(missing) > 0 {
		problems = append(problems, problem{Message: "Required fields are missing: [" + strings.Join(missing, ", ") + "]", Code: "REQUIRED_FIELD_MISSING", Fields: missing})
	}
	if len(problems) > 0 {
		return problems[:1] // Salesforce, too, reports only the first
	}
	for _, f := range o.table.Fields() {
		value, _ := w.values[f.Name].(string)
		if !f.Unique || value == "" {
			continue
		}
		for _, other := range o.records.Find(f.Name, value) {
			if other != w.record {
				return []problem{{Message: fmt.Sprintf("duplicate value found: %s duplicates value on record with id: %s", f.Name, other.ID), Code: "DUPLICATE_VALUE"}}
			}
		}
	}
	return a.duplicates(o, w)
}

// duplicates returns what the duplicate rule says about a lead to write. Matching contacts come before other leads.
func (a *api) duplicates(o *object, w writing) []problem {
	email, _ := w.values["Email"].(string)
	if o.name != "Lead" || a.options.Rule == NoRule || email == "" || a.options.Rule == Alert && w.allowSave {
		return nil
	}
	results := []map[string]any{}
	for _, of := range []string{"Contact", "Lead"} {
		matches := []map[string]any{}
		for _, record := range a.objects[of].records.Find("Email", email) {
			if record != w.record {
				matches = append(matches, map[string]any{"matchConfidence": 100.0, "record": map[string]any{
					"attributes": map[string]string{"type": of, "url": "/services/data/v62.0/sobjects/" + of + "/" + record.ID}, "Id": record.ID,
				}})
			}
		}
		if len(matches) > 0 {
			results = append(results, map[string]any{"entityType": of, "errors": []any{}, "matchEngine": "FuzzyMatchEngine", "matchRecords": matches, "size": len(matches), "success": true})
		}
	}
	if len(results) == 0 {
		return nil
	}
	p := problem{Message: "Use one of these records?", Code: "DUPLICATES_DETECTED"}
	if !a.options.BareDuplicates {
		p.Duplicates = map[string]any{
			"allowSave": a.options.Rule == Alert, "duplicateRule": "Standard_Lead_Duplicate_Rule", "duplicateRuleEntityType": o.name,
			"errorMessage": p.Message, "matchResults": results,
		}
	}
	return []problem{p}
}

// problem returns a defect in Salesforce's words.
func (o *object) problem(d simulator.Defect, value any) problem {
	f := d.Field
	switch d.Flaw {
	case simulator.NoField:
		return problem{Message: fmt.Sprintf("No such column '%s' on sobject of type %s", f.Name, o.name), Code: "INVALID_FIELD"}
	case simulator.NotYours:
		return problem{Message: fmt.Sprintf("Unable to create/update fields: %s. Please check the security settings of this field and verify that it is read/write for your profile or permission set.", f.Name),
			Code: "INVALID_FIELD_FOR_INSERT_UPDATE", Fields: []string{f.Name}}
	case simulator.TooLong:
		return problem{Message: fmt.Sprintf("%s: data value too large: %.40v (max length=%d)", f.Label, value, f.Length), Code: "STRING_TOO_LONG", Fields: []string{f.Name}}
	case simulator.NoOption:
		return problem{Message: fmt.Sprintf("%s: bad value for restricted picklist field: %v", f.Label, value), Code: "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", Fields: []string{f.Name}}
	case simulator.BadEmail:
		return problem{Message: fmt.Sprintf("%s: invalid email address: %v", f.Label, value), Code: "INVALID_EMAIL_ADDRESS", Fields: []string{f.Name}}
	}
	return problem{Message: fmt.Sprintf("Cannot deserialize instance of %s from value %v", f.Type, value), Code: "JSON_PARSER_ERROR"}
}

// put writes a valid record.
func (a *api) put(o *object, w writing) *simulator.Record {
	for name, value := range w.values {
		if value == "" {
			w.values[name] = nil
		}
	}
	now := a.options.Now()
	if w.record != nil {
		o.records.Update(w.record, w.values, now)
		return w.record
	}
	if _, given := w.values["Status"]; !given && o.name == "Lead" {
		w.values["Status"] = "Open - Not Contacted"
	}
	w.values["CreatedDate"] = now.UTC().Format(timeFormat)
	return o.records.Insert("", w.values, now)
}

const timeFormat = "2006-01-02T15:04:05.000+0000"
