package zoho

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/leadgate/leadgate/worker/crm/simulator"
)

// batch is the body of a call that writes.
type batch struct {
	Data   []map[string]any `json:"data"`
	Checks []string         `json:"duplicate_check_fields"`
}

func read(w http.ResponseWriter, r *http.Request) (b batch, ok bool) {
	body, _ := io.ReadAll(r.Body)
	switch err := json.Unmarshal(body, &b); {
	case err != nil:
		fail(w, http.StatusBadRequest, "INVALID_DATA", "body", map[string]any{"expected_data_type": "jsonobject"})
	case len(b.Data) == 0:
		fail(w, http.StatusBadRequest, "MANDATORY_NOT_FOUND", "required field not found", map[string]any{"api_name": "data"})
	case len(b.Data) > maxRecords:
		fail(w, http.StatusBadRequest, "INVALID_DATA", "invalid data", map[string]any{"api_name": "data", "maximum_length": maxRecords})
	default:
		return b, true
	}
	return b, false
}

func (a *api) upsert(w http.ResponseWriter, r *http.Request, m *module) {
	b, ok := read(w, r)
	if !ok {
		return
	}
	checks := b.Checks
	if len(checks) == 0 {
		checks = []string{"Email"}
	}
	for i, name := range checks {
		if f, ok := m.table.Field(name); !ok || !f.Key && !f.Unique {
			fail(w, http.StatusBadRequest, "INVALID_DATA", "the given field is not a unique one", map[string]any{"api_name": "duplicate_check_fields", "json_path": fmt.Sprintf("$.duplicate_check_fields[%d]", i)})
			return
		}
	}
	a.write(w, r, m, b.Data, func(values map[string]any) (*simulator.Record, string) {
		for _, name := range checks {
			value, _ := values[name].(string)
			if found := m.records.Find(name, value); value != "" && len(found) > 0 {
				return found[0], name
			}
		}
		return nil, ""
	})
}

func (a *api) insert(w http.ResponseWriter, r *http.Request, m *module) {
	if b, ok := read(w, r); ok {
		a.write(w, r, m, b.Data, func(map[string]any) (*simulator.Record, string) { return nil, "" })
	}
}

func (a *api) update(w http.ResponseWriter, r *http.Request, m *module) {
	b, ok := read(w, r)
	if !ok {
		return
	}
	record := m.records.Get(r.PathValue("id"))
	if record == nil {
		fail(w, http.StatusBadRequest, "INVALID_DATA", "the id given seems to be invalid", map[string]any{"api_name": "id"})
		return
	}
	a.write(w, r, m, b.Data[:1], func(map[string]any) (*simulator.Record, string) { return record, "" })
}

// write writes records. find returns the record to update; nil for a new one.
func (a *api) write(w http.ResponseWriter, r *http.Request, m *module, data []map[string]any, find func(map[string]any) (*simulator.Record, string)) {
	results := []result{}
	committed := 0
	for i, values := range data {
		document, _ := json.Marshal(values)
		var one result
		if simulator.Refuse(r.Context(), i, len(data), document) {
			one = result{Status: "error", Code: "RECORD_IN_BLUEPRINT", Message: "the record is in a blueprint", Details: map[string]any{}}
		} else {
			one = a.writeOne(m, i, values, find)
		}
		if one.Status == "success" {
			committed++
		}
		if len(data) > 1 && simulator.Omit(r.Context(), i, document) {
			continue
		}
		results = append(results, one)
	}
	simulator.Note(r.Context(), len(data), committed)
	answer(w, http.StatusOK, map[string]any{"data": results})
}

func (a *api) writeOne(m *module, i int, values map[string]any, find func(map[string]any) (*simulator.Record, string)) result {
	for name := range values {
		if _, ok := m.table.Field(name); !ok {
			delete(values, name) // silently
		}
	}
	record, duplicate := find(values)
	for _, d := range m.table.Check(values, record == nil) {
		if d.Flaw != simulator.NotYours { // read-only fields are ignored, too
			return refusal(i, d)
		}
		delete(values, d.Field.Name)
	}
	for _, f := range m.table.Fields() {
		value, _ := values[f.Name].(string)
		for _, other := range m.records.Find(f.Name, value) {
			if f.Unique && value != "" && other != record {
				return result{Status: "error", Code: "DUPLICATE_DATA", Message: "duplicate data", Details: map[string]any{"api_name": f.Name, "json_path": fmt.Sprintf("$.data[%d].%s", i, f.Name), "id": other.ID}}
			}
		}
	}
	now := a.options.Now()
	done := result{Status: "success", Code: "SUCCESS", Action: "insert", Message: "record added"}
	if record == nil {
		values["Created_Time"] = now.Format(time.RFC3339)
		record = m.records.Insert("", values, now)
	} else {
		m.records.Update(record, values, now)
		done.Action, done.Message, done.Duplicate = "update", "record updated", &duplicate
	}
	done.Details = map[string]any{"id": record.ID, "Created_Time": record.Created.Format(time.RFC3339), "Modified_Time": now.Format(time.RFC3339)}
	return done
}

// refusal returns a defect in Zoho's words.
func refusal(i int, d simulator.Defect) result {
	details := map[string]any{"api_name": d.Field.Name, "json_path": fmt.Sprintf("$.data[%d].%s", i, d.Field.Name)}
	code, message := "INVALID_DATA", "invalid data"
	switch d.Flaw {
	case simulator.Missing:
		code, message = "MANDATORY_NOT_FOUND", "required field not found"
	case simulator.TooLong:
		details["maximum_length"] = d.Field.Length
	case simulator.BadEmail:
		details["expected_data_type"] = "email"
	default:
		details["expected_data_type"] = string(d.Field.Type)
	}
	return result{Status: "error", Code: code, Message: message, Details: details}
}

func (a *api) search(w http.ResponseWriter, r *http.Request, m *module) {
	var found []*simulator.Record
	query := r.URL.Query()
	wanted := map[string]string{"Email": query.Get("email"), "Phone": query.Get("phone")}
	if criteria := query.Get("criteria"); criteria != "" {
		parts := criterion.FindStringSubmatch(criteria)
		if parts == nil {
			fail(w, http.StatusBadRequest, "INVALID_QUERY", "Invalid query formed", map[string]any{"reason": "criteria"})
			return
		}
		if _, ok := m.table.Field(parts[1]); !ok {
			fail(w, http.StatusBadRequest, "INVALID_QUERY", "Invalid query formed", map[string]any{"api_name": parts[1], "reason": "the field is not available for search"})
			return
		}
		wanted[parts[1]] = regexp.MustCompile(`\\(.)`).ReplaceAllString(parts[2], "$1")
	}
	now := a.options.Now()
	for field, value := range wanted {
		if value == "" {
			continue
		}
		for _, record := range m.records.Find(field, value) {
			if now.Sub(record.Created) >= a.options.SearchLag {
				found = append(found, record)
			}
		}
		for _, d := range m.gone {
			if now.Sub(d.at) < a.options.SearchLag && strings.EqualFold(d.record.Text(field), value) {
				found = append(found, d.record)
			}
		}
	}
	show(w, found)
}

// criterion matches a condition, in which a backslash escapes parentheses, commas and itself.
var criterion = regexp.MustCompile(`^\((\w+):equals:((?:[^(),\\]|\\.)*)\)$`)

func (a *api) get(w http.ResponseWriter, r *http.Request, m *module) {
	if record := m.records.Get(r.PathValue("id")); record != nil {
		show(w, []*simulator.Record{record})
		return
	}
	show(w, nil)
}

func show(w http.ResponseWriter, records []*simulator.Record) {
	if len(records) == 0 {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	data := []map[string]any{}
	for _, record := range records {
		row := map[string]any{"id": record.ID}
		maps.Copy(row, record.Values)
		data = append(data, row)
	}
	answer(w, http.StatusOK, map[string]any{"data": data, "info": map[string]any{"count": len(data), "more_records": false}})
}
