package zoho

import (
	"net/http"

	"github.com/leadgate/leadgate/worker/crm/simulator"
)

// Fields implements simulator.Fielded, for leads.
func (a *api) Fields() []simulator.Field {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.modules["Leads"].table.Fields()
}

// ChangeFields implements simulator.Fielded.
func (a *api) ChangeFields(change simulator.FieldChange) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	_ = a.modules["Contacts"].table.Change(change) // they may lack fields of leads
	return a.modules["Leads"].table.Change(change)
}

func (a *api) settings(w http.ResponseWriter, _ *http.Request, m *module) {
	native := map[simulator.Type]string{
		simulator.Text: "text", simulator.Email: "email", simulator.Number: "double", simulator.Integer: "integer", simulator.Boolean: "boolean",
		simulator.Date: "date", simulator.Choice: "picklist", simulator.Computed: "text",
	}
	fields := []map[string]any{}
	for _, f := range m.table.Fields() {
		values := []map[string]any{}
		for value, label := range f.Options {
			values = append(values, map[string]any{"actual_value": value, "display_value": label, "type": "used"})
		}
		readOnly := f.ReadOnly || f.Type == simulator.Computed
		fields = append(fields, map[string]any{
			"api_name": f.Name, "field_label": f.Label, "data_type": native[f.Type], "length": f.Length, "system_mandatory": f.Required,
			"read_only": readOnly, "field_read_only": readOnly, "visible": true, "pick_list_values": values, "unique": unique(f),
			"operation_type": map[string]bool{"api_create": !readOnly, "api_update": !readOnly},
		})
	}
	answer(w, http.StatusOK, map[string]any{"fields": fields})
}

func unique(f simulator.Field) map[string]any {
	if f.Unique {
		return map[string]any{"casesensitive": ""}
	}
	return map[string]any{}
}
