package dynamics

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/leadgate/leadgate/worker/crm/simulator"
)

// one gets, updates or upserts a record, by identifier or by key. record is nil if it does not exist.
func (a *api) one(w http.ResponseWriter, r *http.Request, e *entity, record *simulator.Record, id string, key map[string]any) {
	switch name := e.unknown(r); {
	case name != "":
		fail(w, http.StatusBadRequest, "0x0", "Could not find a property named '"+name+"' on type 'Microsoft.Dynamics.CRM."+e.name+"'.")
	case r.Method == http.MethodGet && record == nil, record == nil && r.Header.Get("If-Match") == "*":
		fail(w, http.StatusNotFound, "0x80040217", "Entity '"+e.name+"' Does Not Exist")
	case r.Method == http.MethodGet:
		answer(w, http.StatusOK, e.shown(record, r))
	case record != nil && r.Header.Get("If-None-Match") == "*":
		fail(w, http.StatusPreconditionFailed, "0x80060892", "A record with matching key values already exists.")
	case r.Method == http.MethodPatch:
		a.write(w, r, e, record, id, key)
	default:
		a.Fail(w, http.StatusMethodNotAllowed)
	}
}

// write decodes and writes one record.
func (a *api) write(w http.ResponseWriter, r *http.Request, e *entity, record *simulator.Record, id string, key map[string]any) {
	body, _ := io.ReadAll(r.Body)
	values, err := simulator.Values(body)
	if err != nil {
		fail(w, http.StatusBadRequest, "0x80048d19", "Error identified in Payload provided by the user for Entity :'"+e.set+"'")
		return
	}
	simulator.Note(r.Context(), 1, 0)
	if simulator.Refuse(r.Context(), 0, 1, body) {
		fail(w, http.StatusBadRequest, "0x80040265", "An error occurred in the plug-in")
		return
	}
	for _, d := range e.table.Check(values, record == nil) {
		if d.Flaw != simulator.NotYours {
			code, message := refusal(e, d, values[d.Field.Name])
			fail(w, http.StatusBadRequest, code, message)
			return
		}
		delete(values, d.Field.Name) // ignored
	}
	for name, value := range values {
		id := reference.FindStringSubmatch(fmt.Sprint(value))
		if strings.HasSuffix(name, bind) && id != nil && id[2] == uuid.Nil.String() { // no record has it
			fail(w, http.StatusNotFound, "0x80040217", "Entity '"+strings.TrimSuffix(id[1], "s")+"' With Id = "+id[2]+" Does Not Exist")
			return
		}
	}
	maps.Copy(values, key)
	for _, f := range e.table.Fields() {
		value, _ := values[f.Name].(string)
		for _, other := range e.records.Find(f.Name, value) {
			if f.Unique && value != "" && other != record {
				fail(w, http.StatusPreconditionFailed, "0x80060892", "A record that has the attribute values "+f.Label+" already exists. The entity key "+f.Label+" Key requires that this set of attributes contains unique values.")
				return
			}
		}
	}
	address, _ := values["emailaddress1"].(string)
	if a.options.DetectDuplicates && record == nil && address != "" && len(e.records.Find("emailaddress1", address)) > 0 && r.Header.Get("MSCRM.SuppressDuplicateDetection") == "false" {
		fail(w, http.StatusInternalServerError, "0x80040333", "A record was not created or updated because a duplicate of the current record already exists.")
		return
	}
	now, created := a.options.Now(), record == nil
	if created {
		values["createdon"], values["statecode"], values["merged"] = now.UTC().Format(time.RFC3339), 0.0, false
		record = e.records.Insert(id, values, now)
	} else {
		e.records.Update(record, values, now)
	}
	simulator.Note(r.Context(), 1, 1)
	w.Header().Set("OData-EntityId", fmt.Sprintf("http://%s/api/data/v9.2/%s(%s)", r.Host, e.set, record.ID))
	if !strings.Contains(r.Header.Get("Prefer"), "return=representation") {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	w.Header().Set("Preference-Applied", "return=representation")
	status := http.StatusOK
	if created {
		status = http.StatusCreated
	}
	answer(w, status, e.shown(record, r))
}

// reference matches the path of a record.
var reference = regexp.MustCompile(`^/(\w+)\(([0-9a-fA-F-]{36})\)$`)

// refusal returns a defect in Dynamics' words.
func refusal(e *entity, d simulator.Defect, value any) (code, message string) {
	const payload = "Error identified in Payload provided by the user for Entity :'%s', For more information on this error please follow this help link ---->  InnerException : Microsoft.OData.ODataException: "
	switch d.Flaw {
	case simulator.NoField:
		if name, is := strings.CutSuffix(d.Field.Name, bind); is {
			return "0x80048d19", fmt.Sprintf(payload, e.set) + fmt.Sprintf("An undeclared property '%s' which only has property annotations in the payload but no property value was found in the payload. In OData, only declared navigation properties and declared named streams can be represented as properties without values.", name)
		}
		return "0x80048d19", fmt.Sprintf(payload, e.set) + fmt.Sprintf("An error occurred while validating input parameters: The property '%s' does not exist on type 'Microsoft.Dynamics.CRM.%s'. Make sure to only use property names that are defined by the type.", d.Field.Name, e.name)
	case simulator.TooLong:
		return "0x80044331", fmt.Sprintf("A validation error occurred.  The length of the '%s' attribute of the '%s' entity exceeded the maximum allowed length of '%d'.", d.Field.Name, e.name, d.Field.Length)
	case simulator.NoOption:
		return "0x8004431a", fmt.Sprintf("A validation error occurred.  The value %v of '%s' on record of type '%s' is outside the valid range. Accepted Values: 1,8,10", value, d.Field.Name, e.name)
	}
	return "0x80048d19", fmt.Sprintf(payload, e.set) + fmt.Sprintf("Cannot convert the literal '%v' to the expected type 'Edm.%s'.", value, map[simulator.Type]string{simulator.Integer: "Int32", simulator.Number: "Double", simulator.Boolean: "Boolean"}[d.Field.Type])
}

func (e *entity) shown(record *simulator.Record, r *http.Request) map[string]any {
	wanted := selected(r)
	row := map[string]any{"@odata.etag": fmt.Sprintf(`W/"%d"`, record.Updated.UnixNano()), e.id: record.ID}
	for _, f := range e.table.Fields() {
		name := readAs(f)
		if len(wanted) > 0 && !slices.Contains(wanted, name) {
			continue
		}
		row[name] = record.Values[f.Name]
		if id := reference.FindStringSubmatch(record.Text(f.Name)); f.Type == lookup && id != nil {
			row[name] = id[2]
		}
	}
	row[e.id] = record.ID
	return row
}

func (a *api) list(w http.ResponseWriter, r *http.Request, e *entity) {
	if name := e.unknown(r); name != "" {
		fail(w, http.StatusBadRequest, "0x0", "Could not find a property named '"+name+"' on type 'Microsoft.Dynamics.CRM."+e.name+"'.")
		return
	}
	records := e.records.All()
	if filter := r.URL.Query().Get("$filter"); filter != "" {
		found := where.FindStringSubmatch(filter)
		if found == nil {
			fail(w, http.StatusBadRequest, "0x80060888", "The query specified in the URI is not valid.")
			return
		}
		records = slices.DeleteFunc(e.records.Find(found[1], strings.ReplaceAll(found[2], "''", "'")), func(record *simulator.Record) bool {
			return found[3] != "" && record.Values["statecode"] != 0.0 && record.Values["merged"] != true
		})
	}
	switch order := r.URL.Query().Get("$orderby"); order {
	case "":
	case "statecode asc,createdon desc":
		slices.Reverse(records)
		slices.SortStableFunc(records, func(one, other *simulator.Record) int {
			return strings.Compare(one.Text("statecode"), other.Text("statecode"))
		})
	default:
		fail(w, http.StatusBadRequest, "0x80060888", "The query specified in the URI is not valid: $orderby "+order)
		return
	}
	rows := []map[string]any{}
	for _, record := range records {
		rows = append(rows, e.shown(record, r))
		if r.URL.Query().Get("$top") == "1" {
			break
		}
	}
	answer(w, http.StatusOK, map[string]any{"value": rows})
}
