package salesforce

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/leadgate/leadgate/worker/crm/simulator"
)

// read decodes the body of a call about one record.
func (c *call) read() (map[string]any, *problem) {
	body, _ := io.ReadAll(c.Body)
	values, err := simulator.Values(body)
	if err != nil {
		return nil, &problem{Message: "Unexpected character in the body", Code: "JSON_PARSER_ERROR"}
	}
	delete(values, "attributes")
	return values, nil
}

func (c *call) allowSave() bool {
	return strings.Contains(strings.ReplaceAll(strings.ToLower(c.Header.Get("Sforce-Duplicate-Rule-Header")), " ", ""), "allowsave=true")
}

// refused returns the problem of the i-th of n records if KindPartial refuses it.
func (c *call) refused(i, n int, values map[string]any) []problem {
	if document, _ := json.Marshal(values); simulator.Refuse(c.Context(), i, n, document) {
		return []problem{{Message: "The lead is not welcome", Code: "FIELD_CUSTOM_VALIDATION_EXCEPTION", Fields: []string{}}}
	}
	return nil
}

func (a *api) create(w http.ResponseWriter, c *call, o *object) {
	a.write(w, c, o, nil, nil, func(record *simulator.Record) {
		answer(w, http.StatusCreated, result{ID: record.ID, Success: true, Errors: []problem{}})
	})
}

func (a *api) update(w http.ResponseWriter, c *call, o *object) {
	record := o.records.Get(c.segments[2])
	if record == nil {
		missing(w)
		return
	}
	a.write(w, c, o, record, nil, func(*simulator.Record) { w.WriteHeader(http.StatusNoContent) })
}

// write decodes and writes one record, then calls done. key is the key from the URL.
func (a *api) write(w http.ResponseWriter, c *call, o *object, record *simulator.Record, key map[string]any, done func(*simulator.Record)) {
	values, p := c.read()
	if p != nil {
		fail(w, http.StatusBadRequest, *p)
		return
	}
	simulator.Note(c.Context(), 1, 0)
	for name, value := range key {
		if _, given := values[name]; given {
			fail(w, http.StatusBadRequest, problem{Message: fmt.Sprintf("The %s field should not be specified in the sobject data.", name), Code: "INVALID_FIELD", Fields: []string{name}})
			return
		}
		values[name] = value
	}
	problems := c.refused(0, 1, values)
	if problems == nil {
		problems = a.check(o, writing{values, record, c.allowSave()})
	}
	if problems != nil {
		fail(w, http.StatusBadRequest, problems...)
		return
	}
	written := a.put(o, writing{values, record, c.allowSave()})
	simulator.Note(c.Context(), 1, 1)
	done(written)
}

func (a *api) get(w http.ResponseWriter, c *call, o *object) {
	if record := o.records.Get(c.segments[2]); record != nil {
		answer(w, http.StatusOK, o.shown(record, c))
		return
	}
	missing(w)
}

func (a *api) remove(w http.ResponseWriter, o *object, id string) {
	if record := o.records.Get(id); record != nil {
		o.records.Remove(record)
		w.WriteHeader(http.StatusNoContent)
		return
	}
	missing(w)
}

func missing(w http.ResponseWriter) {
	fail(w, http.StatusNotFound, problem{Message: "Provided external ID field does not exist or is not accessible", Code: "NOT_FOUND"})
}

// shown returns a record with its fields, or only with those in the query.
func (o *object) shown(record *simulator.Record, c *call) map[string]any {
	shown := map[string]any{"attributes": map[string]string{"type": o.name, "url": fmt.Sprintf("/services/data/v%.1f/sobjects/%s/%s", c.version, o.name, record.ID)}, "Id": record.ID}
	wanted := strings.FieldsFunc(c.URL.Query().Get("fields"), func(r rune) bool { return r == ',' || r == ' ' })
	for _, f := range o.table.Fields() {
		if len(wanted) > 0 && !containsFold(wanted, f.Name) || f.Name == "Id" {
			continue
		}
		shown[f.Name] = record.Values[f.Name]
	}
	return shown
}

func containsFold(names []string, name string) bool {
	for _, n := range names {
		if strings.EqualFold(n, name) {
			return true
		}
	}
	return false
}

// isKey reports whether records can be upserted by a field: an external ID, or Email.
func (o *object) isKey(field string) bool {
	f, ok := o.table.Field(field)
	return ok && (f.Key || f.Name == "Email")
}

// byKey gets or upserts one record by a key.
func (a *api) byKey(w http.ResponseWriter, c *call, o *object, field, value string) {
	if !o.isKey(field) {
		missing(w)
		return
	}
	f, _ := o.table.Field(field)
	found := o.records.Find(f.Name, value)
	if len(found) > 1 {
		urls := make([]string, len(found))
		for i, record := range found {
			urls[i] = fmt.Sprintf("/services/data/v%.1f/sobjects/%s/%s", c.version, o.name, record.ID)
		}
		answer(w, http.StatusMultipleChoices, urls)
		return
	}
	var record *simulator.Record
	if len(found) == 1 {
		record = found[0]
	}
	if c.Method == http.MethodGet || c.URL.Query().Get("updateOnly") == "true" {
		if record == nil {
			missing(w)
			return
		}
	}
	if c.Method == http.MethodGet {
		answer(w, http.StatusOK, o.shown(record, c))
		return
	}
	a.write(w, c, o, record, map[string]any{f.Name: value}, func(written *simulator.Record) {
		created := record == nil
		switch {
		case created:
			answer(w, http.StatusCreated, result{ID: written.ID, Success: true, Errors: []problem{}, Created: &created})
		case c.version < 46:
			w.WriteHeader(http.StatusNoContent)
		default:
			answer(w, http.StatusOK, result{ID: written.ID, Success: true, Errors: []problem{}, Created: &created})
		}
	})
}
