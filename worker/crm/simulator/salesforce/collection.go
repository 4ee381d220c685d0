package salesforce

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"

	"github.com/leadgate/leadgate/worker/crm/simulator"
)

// maxRecords is the maximum number of records in a collection.
const maxRecords = 200

// result is the result for one record.
type result struct {
	ID      string    `json:"id,omitempty"`
	Success bool      `json:"success"`
	Errors  []problem `json:"errors"`
	Created *bool     `json:"created,omitempty"`
}

// collected is the body of a call about a collection.
type collected struct {
	AllOrNone bool             `json:"allOrNone"`
	Records   []map[string]any `json:"records"`
}

func (a *api) collection(w http.ResponseWriter, c *call) {
	a.collect(w, c, func(values map[string]any) (*object, *simulator.Record, []problem) {
		attributes, _ := values["attributes"].(map[string]any)
		name, _ := attributes["type"].(string)
		o := a.objects[name]
		if o == nil {
			return nil, nil, []problem{{Message: "sObject type '" + name + "' is not supported.", Code: "INVALID_TYPE"}}
		}
		if c.Method == http.MethodPost {
			return o, nil, nil
		}
		id, _ := values["Id"].(string)
		if id == "" {
			id, _ = values["id"].(string)
		}
		delete(values, "Id")
		delete(values, "id")
		record := o.records.Get(id)
		if record == nil {
			return nil, nil, []problem{{Message: "invalid cross reference id", Code: "INVALID_CROSS_REFERENCE_KEY"}}
		}
		return o, record, nil
	})
}

func (a *api) upsertCollection(w http.ResponseWriter, c *call, o *object, field string) {
	f, _ := o.table.Field(field)
	if !o.isKey(field) || a.options.NoEmailKey && f.Name == "Email" {
		fail(w, http.StatusBadRequest, problem{Message: "Field name provided, " + field + " is not an External ID for " + o.name, Code: "INVALID_FIELD"})
		return
	}
	seen := map[string]bool{}
	a.collect(w, c, func(values map[string]any) (*object, *simulator.Record, []problem) {
		key, _ := values[f.Name].(string)
		if key == "" {
			return o, nil, []problem{{Message: f.Name + " not specified", Code: "MISSING_ARGUMENT"}}
		}
		if folded := strings.ToLower(key); seen[folded] {
			return o, nil, []problem{{Message: "Duplicate external id specified: " + key, Code: "DUPLICATE_VALUE", Fields: []string{f.Name}}}
		}
		seen[strings.ToLower(key)] = true
		found := o.records.Find(f.Name, key)
		switch len(found) {
		case 0:
			return o, nil, nil
		case 1:
			return o, found[0], nil
		}
		return o, nil, []problem{{Message: f.Name + ": more than one record found for external id field: [" + found[0].ID + ", " + found[1].ID + "]", Code: "DUPLICATE_EXTERNAL_ID"}}
	})
}

// collect writes records. find returns the object of each, and the record to update; nil for a new one.
func (a *api) collect(w http.ResponseWriter, c *call, find func(map[string]any) (*object, *simulator.Record, []problem)) {
	var b collected
	body, _ := io.ReadAll(c.Body)
	switch err := json.Unmarshal(body, &b); {
	case err != nil:
		fail(w, http.StatusBadRequest, problem{Message: "Unexpected character in the body", Code: "JSON_PARSER_ERROR"})
		return
	case len(b.Records) == 0:
		fail(w, http.StatusBadRequest, problem{Message: "At least 1 record is required", Code: "REQUIRED_FIELD_MISSING"})
		return
	case len(b.Records) > maxRecords:
		fail(w, http.StatusBadRequest, problem{Message: "The number of records exceeds the limit: 200", Code: "EXCEEDED_ID_LIMIT"})
		return
	}
	results := make([]result, len(b.Records))
	var committed int
	var undo []func()
	for i, values := range b.Records {
		o, record, problems := find(values)
		delete(values, "attributes")
		if problems == nil {
			problems = c.refused(i, len(b.Records), values)
		}
		if problems == nil {
			problems = a.check(o, writing{values, record, c.allowSave()})
		}
		if len(problems) > 0 && problems[0].Code == "JSON_PARSER_ERROR" { // a value of the wrong type makes the whole body invalid
			for _, u := range undo {
				u()
			}
			fail(w, http.StatusBadRequest, problems...)
			return
		}
		if problems != nil {
			results[i] = result{Errors: coded(problems)}
			continue
		}
		created := record == nil
		var before map[string]any
		if record != nil {
			before = record.Values
		}
		written := a.put(o, writing{values, record, true})
		undo = append(undo, func() {
			if created {
				o.records.Remove(written)
			} else {
				written.Values = before
			}
		})
		results[i] = result{ID: written.ID, Success: true, Errors: []problem{}, Created: &created}
		committed++
	}
	if b.AllOrNone && committed < len(results) {
		for _, u := range undo {
			u()
		}
		committed = 0
		for i := range results {
			if results[i].Success {
				results[i] = result{Errors: coded([]problem{{Message: "Record rolled back because not all records were valid and the request was using AllOrNone header", Code: "ALL_OR_NONE_OPERATION_ROLLED_BACK"}})}
			}
		}
	}
	simulator.Note(c.Context(), len(results), committed)
	answer(w, http.StatusOK, c.omitted(b.Records, results))
}

// omitted removes the results that KindOmit leaves out.
func (c *call) omitted(records []map[string]any, results []result) []result {
	kept := []result{}
	for i, r := range results {
		if document, _ := json.Marshal(records[i]); !simulator.Omit(c.Context(), i, document) {
			kept = append(kept, r)
		}
	}
	return kept
}
