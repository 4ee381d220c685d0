package zoho

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/leadgate/leadgate/worker/crm/simulator"
)

type module struct {
	table   *simulator.Table
	records *simulator.Records
	gone    []deleted // deleted by merging
}

type deleted struct {
	record *simulator.Record
	at     time.Time
}

// Merge implements simulator.Merging. The first record is deleted, and its address with it. Search still finds it for a while.
func (a *api) Merge(from, into string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, m := range a.modules {
		gone, stays := m.records.Find("Email", from), m.records.Find("Email", into)
		if len(gone) == 1 && len(stays) == 1 && gone[0] != stays[0] {
			m.records.Remove(gone[0])
			m.gone = append(m.gone, deleted{gone[0], a.options.Now()})
			return nil
		}
	}
	return fmt.Errorf("there are not two records of %s and %s", from, into)
}

func newModules() map[string]*module {
	person := []simulator.Field{
		{Name: "id", Label: "Record Id", ReadOnly: true}, {Name: "Last_Name", Label: "Last Name", Length: 80, Required: true},
		{Name: "First_Name", Label: "First Name", Length: 40}, {Name: "Full_Name", Label: "Full Name", Type: simulator.Computed},
		{Name: "Email", Label: "Email", Type: simulator.Email, Length: 100, Key: true}, {Name: "Phone", Label: "Phone", Length: 30}, {Name: "Mobile", Label: "Mobile", Length: 30},
		{Name: "Description", Label: "Description", Length: 32000},
		{Name: "Lead_Source", Label: "Lead Source", Type: simulator.Choice, Options: map[string]string{"Advertisement": "Advertisement", "Web Form": "Web Form", "Cold Call": "Cold Call"}},
		{Name: "Email_Opt_Out", Label: "Email Opt Out", Type: simulator.Boolean},
		{Name: "Gateway_Key", Label: "Gateway Key", Length: 255, Unique: true, Key: true},
		{Name: "Created_Time", Label: "Created Time", Type: simulator.Computed},
	}
	lead := slices.Clip(person)
	for _, name := range []string{"Website", "Designation", "Industry", "Street", "City", "State", "Zip_Code", "Country"} {
		lead = append(lead, simulator.Field{Name: name, Label: strings.ReplaceAll(name, "_", " "), Length: 250})
	}
	lead = append(lead, simulator.Field{Name: "Company", Label: "Company", Length: 200, Required: true},
		simulator.Field{Name: "No_of_Employees", Label: "No. of Employees", Type: simulator.Integer}, simulator.Field{Name: "Annual_Revenue", Label: "Annual Revenue", Type: simulator.Number})
	contact := slices.Clip(person)
	for _, name := range []string{"Title", "Mailing_Street", "Mailing_City", "Mailing_State", "Mailing_Zip", "Mailing_Country"} {
		contact = append(contact, simulator.Field{Name: name, Label: strings.ReplaceAll(name, "_", " "), Length: 250})
	}
	records := func(first int) *simulator.Records {
		return simulator.NewRecords(func(n int) string { return fmt.Sprintf("55400000000%05d%03d", first, n) }, "Email")
	}
	return map[string]*module{
		"Leads": {table: simulator.NewTable(lead...), records: records(11)}, "Contacts": {table: simulator.NewTable(contact...), records: records(22)},
	}
}
