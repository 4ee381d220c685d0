package pipedrive

import (
	"cmp"
	"net/http"
	"strings"

	"github.com/leadgate/leadgate/worker/crm/simulator"
)

// Fields implements simulator.Fielded, for persons.
func (a *api) Fields() []simulator.Field {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.fields.Fields()
}

// ChangeFields implements simulator.Fielded.
func (a *api) ChangeFields(change simulator.FieldChange) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.fields.Change(change)
}

// said returns the first defect in Pipedrive's words; empty if there is none.
func said(defects []simulator.Defect) string {
	if len(defects) == 0 {
		return ""
	}
	switch d := defects[0]; d.Flaw {
	case simulator.Missing:
		return strings.ToUpper(d.Field.Name[:1]) + d.Field.Name[1:] + " must be given."
	case simulator.NoField:
		return "Parameter '" + d.Field.Name + "' is not allowed in the request body"
	default:
		return "Validation failed: " + d.Field.Name + ": " + string(d.Flaw)
	}
}

func (a *api) personFields(*http.Request, map[string]any) (int, any) {
	return http.StatusOK, described(a.fields)
}

func (a *api) dealFields(*http.Request, map[string]any) (int, any) {
	return http.StatusOK, described(a.deals)
}

func described(table *simulator.Table) []map[string]any {
	rows := []map[string]any{}
	for _, f := range table.Fields() {
		native := cmp.Or(map[simulator.Type]string{simulator.Choice: "enum", simulator.Number: "double", simulator.Integer: "int", simulator.Date: "date"}[f.Type], "varchar")
		var options []map[string]any
		for value, label := range f.Options {
			options = append(options, map[string]any{"id": value, "label": label})
		}
		rows = append(rows, map[string]any{"field_code": f.Name, "field_name": f.Label, "field_type": native, "is_custom_field": len(f.Name) == 40, "options": options})
	}
	return rows
}
