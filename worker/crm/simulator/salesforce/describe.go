package salesforce

import (
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/leadgate/leadgate/worker/crm/simulator"
)

// describe describes an object, unless it has not changed since the caller's If-Modified-Since.
func (o *object) describe(w http.ResponseWriter, c *call) {
	w.Header().Set("Last-Modified", o.modified.Format(http.TimeFormat))
	if since, err := http.ParseTime(c.Header.Get("If-Modified-Since")); err == nil && !o.modified.After(since) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	fields := []map[string]any{}
	for _, f := range o.table.Fields() {
		fields = append(fields, described(f))
	}
	answer(w, http.StatusOK, map[string]any{
		"name": o.name, "label": o.name, "createable": true, "updateable": true, "queryable": true, "fields": fields,
		"urls": map[string]string{"sobject": c.URL.Path}, "recordTypeInfos": []any{}, "childRelationships": []any{},
	})
}

func described(f simulator.Field) map[string]any {
	native := map[simulator.Type]string{
		simulator.Text: "string", simulator.Email: "email", simulator.Number: "double", simulator.Integer: "int", simulator.Boolean: "boolean",
		simulator.Date: "date", simulator.Choice: "picklist", simulator.Computed: "string",
	}[f.Type]
	if f.Length > 255 {
		native = "textarea"
	}
	writable := !f.ReadOnly && f.Type != simulator.Computed
	values := []map[string]any{}
	for _, value := range slices.Sorted(maps.Keys(f.Options)) {
		values = append(values, map[string]any{"active": true, "value": value, "label": f.Options[value], "defaultValue": false, "validFor": nil})
	}
	return map[string]any{
		"name": f.Name, "label": f.Label, "type": native, "length": f.Length, "precision": 0, "scale": 0,
		"nillable": !f.Required && f.Type != simulator.Boolean, "createable": writable, "updateable": writable,
		"defaultedOnCreate": f.Type == simulator.Boolean || !writable, "custom": len(f.Name) > 3 && f.Name[len(f.Name)-3:] == "__c",
		"externalId": f.Key, "unique": f.Unique, "idLookup": f.Key || f.Name == "Email" || f.Name == "Id", "caseSensitive": false,
		"restrictedPicklist": f.Type == simulator.Choice, "dependentPicklist": false, "controllerName": nil, "picklistValues": values,
		"referenceTo": []any{}, "calculated": f.Type == simulator.Computed,
	}
}

func (a *api) describeGlobal(w http.ResponseWriter) {
	all := []map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(a.objects)) {
		all = append(all, map[string]any{"name": name, "label": name, "createable": true, "keyPrefix": map[string]string{"Lead": "00Q", "Contact": "003"}[name]})
	}
	answer(w, http.StatusOK, map[string]any{"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": all, "at": a.options.Now().UTC().Format(time.RFC3339)})
}
