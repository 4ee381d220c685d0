package dynamics

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/leadgate/leadgate/worker/crm/simulator"
)

// entity is a kind of records.
type entity struct {
	name, set, id string // lead, leads, leadid
	table         *simulator.Table
	records       *simulator.Records
}

// lookup is the type of a column that refers to another record. It is written as the other's path, under the name of the navigation
// property followed by bind, and read as its identifier.
const lookup simulator.Type = "lookup"

const bind = "@odata.bind"

// readAs returns the name under which a field is read.
func readAs(f simulator.Field) string {
	if f.Type == lookup {
		return "_" + strings.ToLower(strings.TrimSuffix(f.Name, bind)) + "_value"
	}
	return f.Name
}

// unknown returns the first column that a call asks for and that does not exist; empty if there is none.
func (e *entity) unknown(r *http.Request) string {
	for _, name := range selected(r) {
		if name != e.id && !slices.ContainsFunc(e.table.Fields(), func(f simulator.Field) bool { return readAs(f) == name }) {
			return name
		}
	}
	return ""
}

func selected(r *http.Request) []string {
	return strings.FieldsFunc(r.URL.Query().Get("$select"), func(c rune) bool { return c == ',' })
}

func newEntities() map[string]*entity {
	person := []simulator.Field{
		{Name: "subject", Label: "Topic", Length: 300}, {Name: "firstname", Label: "First Name", Length: 50}, {Name: "lastname", Label: "Last Name", Length: 50},
		{Name: "emailaddress1", Label: "Email", Length: 100}, {Name: "telephone1", Label: "Business Phone", Length: 50}, {Name: "mobilephone", Label: "Mobile Phone", Length: 50},
		{Name: "jobtitle", Label: "Job Title", Length: 100}, {Name: "description", Label: "Description", Length: 2000}, {Name: "websiteurl", Label: "Website", Length: 200},
		{Name: "address1_line1", Label: "Street 1", Length: 250}, {Name: "address1_city", Label: "City", Length: 80}, {Name: "address1_stateorprovince", Label: "State/Province", Length: 50},
		{Name: "address1_postalcode", Label: "ZIP/Postal Code", Length: 20}, {Name: "address1_country", Label: "Country/Region", Length: 80},
		{Name: "donotemail", Label: "Do not allow Emails", Type: simulator.Boolean}, {Name: "numberofemployees", Label: "No. of Employees", Type: simulator.Integer},
		{Name: "leadsourcecode", Label: "Lead Source", Type: simulator.Choice, Options: map[string]string{"1": "Advertisement", "8": "Web", "10": "Other"}},
		{Name: "statecode", Label: "Status", Type: simulator.Computed}, {Name: "createdon", Label: "Created On", Type: simulator.Computed},
		{Name: "merged", Label: "Merged", Type: simulator.Computed}, {Name: "_masterid_value", Label: "Master ID", Type: simulator.Computed},
		{Name: "ownerid" + bind, Label: "Owner", Type: lookup}, {Name: "new_Region" + bind, Label: "Region", Type: lookup},
		{Name: "new_gatewaykey", Label: "Gateway Key", Length: 100, Unique: true, Key: true},
	}
	lead := append(slices.Clip(person), simulator.Field{Name: "companyname", Label: "Company Name", Length: 100}, simulator.Field{Name: "campaignid" + bind, Label: "Source Campaign", Type: lookup})
	records := func(first string) *simulator.Records {
		return simulator.NewRecords(func(n int) string { return fmt.Sprintf("%s-0000-4000-8000-%012d", first, n) }, "emailaddress1")
	}
	return map[string]*entity{
		"leads":    {"lead", "leads", "leadid", simulator.NewTable(append(lead, simulator.Field{Name: "leadid", ReadOnly: true})...), records("1ead0000")},
		"contacts": {"contact", "contacts", "contactid", simulator.NewTable(append(slices.Clip(person), simulator.Field{Name: "contactid", ReadOnly: true})...), records("c0ac0000")},
	}
}
