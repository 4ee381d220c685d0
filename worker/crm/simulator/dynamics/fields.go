package dynamics

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/leadgate/leadgate/worker/crm/simulator"
)

// Fields implements simulator.Fielded, for leads.
func (a *api) Fields() []simulator.Field {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.entities["leads"].table.Fields()
}

// ChangeFields implements simulator.Fielded.
func (a *api) ChangeFields(change simulator.FieldChange) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	_ = a.entities["contacts"].table.Change(change) // they may lack fields of leads
	return a.entities["leads"].table.Change(change)
}

// definitions describes attributes and keys.
func (a *api) definitions(w http.ResponseWriter, path string) {
	found := definition.FindStringSubmatch(path)
	if found == nil || a.entities[found[1]+"s"] == nil {
		fail(w, http.StatusNotFound, "0x80060888", "Resource not found for the segment.")
		return
	}
	e := a.entities[found[1]+"s"]
	rows := []map[string]any{}
	if found[2] == "Keys" {
		answer(w, http.StatusOK, map[string]any{"value": append(rows, map[string]any{"SchemaName": "new_GatewayKey", "KeyAttributes": []string{"new_gatewaykey"}, "EntityKeyIndexStatus": a.options.KeyStatus})})
		return
	}
	native := map[simulator.Type]string{simulator.Integer: "Integer", simulator.Number: "Double", simulator.Boolean: "Boolean", simulator.Choice: "Picklist", simulator.Date: "DateTime"}
	for _, f := range e.table.Fields() {
		kind := native[f.Type]
		if kind == "" {
			if kind = "String"; f.Length > 1000 {
				kind = "Memo"
			}
		}
		name, is := strings.CutSuffix(f.Name, bind)
		if is {
			kind = map[bool]string{true: "Owner", false: "Lookup"}[name == "ownerid"]
		}
		row := map[string]any{"LogicalName": strings.ToLower(name), "SchemaName": name, "IsCustomAttribute": strings.HasPrefix(name, "new_")}
		switch {
		case found[3] != "" && found[3] != kind:
			continue
		case found[3] == "Picklist":
			var options []map[string]any
			for value, label := range f.Options {
				options = append(options, map[string]any{"Value": json.Number(value), "Label": map[string]any{"UserLocalizedLabel": map[string]any{"Label": label}}})
			}
			row["OptionSet"] = map[string]any{"Options": options}
		case found[3] != "":
			row["MaxLength"] = f.Length
		default:
			writable := !f.ReadOnly && f.Type != simulator.Computed
			row["AttributeType"], row["IsValidForCreate"], row["IsValidForUpdate"] = kind, writable, writable
			row["RequiredLevel"] = map[string]any{"Value": map[bool]string{true: "SystemRequired", false: "None"}[f.Required || kind == "Owner"]}
			row["DisplayName"] = map[string]any{"UserLocalizedLabel": map[string]any{"Label": f.Label}}
		}
		rows = append(rows, row)
	}
	answer(w, http.StatusOK, map[string]any{"value": rows})
}
