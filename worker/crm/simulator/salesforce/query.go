package salesforce

import (
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/leadgate/leadgate/worker/crm/simulator"
)

// soql matches the queries that a lookup needs.
var soql = regexp.MustCompile(`(?is)^\s*SELECT\s+(.+?)\s+FROM\s+(\w+)(?:\s+WHERE\s+(\w+)\s*(?:=\s*('(?:[^'\\]|\\.)*')|IN\s*\(([^)]*)\)))?(?:\s+ORDER\s+BY\s+\w+(?:\s+(ASC|DESC))?)?(?:\s+LIMIT\s+(\d+))?\s*$`)

var quoted = regexp.MustCompile(`'((?:[^'\\]|\\.)*)'`)

func (a *api) query(w http.ResponseWriter, c *call) {
	found := soql.FindStringSubmatch(c.URL.Query().Get("q"))
	if found == nil {
		fail(w, http.StatusBadRequest, problem{Message: "unexpected token", Code: "MALFORMED_QUERY"})
		return
	}
	o := a.objects[found[2]]
	if o == nil {
		fail(w, http.StatusBadRequest, problem{Message: "sObject type '" + found[2] + "' is not supported.", Code: "INVALID_TYPE"})
		return
	}
	records := o.records.All()
	if found[3] != "" {
		f, ok := o.table.Field(found[3])
		if !ok {
			fail(w, http.StatusBadRequest, problem{Message: "No such column '" + found[3] + "' on entity '" + o.name + "'.", Code: "INVALID_FIELD"})
			return
		}
		records = nil
		for _, literal := range quoted.FindAllStringSubmatch(found[4]+found[5], -1) {
			value := regexp.MustCompile(`\\(.)`).ReplaceAllString(literal[1], "$1")
			if f.Name == "Id" {
				if record := o.records.Get(value); record != nil {
					records = append(records, record)
				}
				continue
			}
			records = append(records, o.records.Find(f.Name, value)...)
		}
	}
	if strings.EqualFold(found[6], "DESC") {
		slices.Reverse(records)
	}
	if limit, err := strconv.Atoi(found[7]); err == nil {
		records = records[:min(limit, len(records))]
	}
	rows := []map[string]any{}
	wanted := strings.FieldsFunc(found[1], func(r rune) bool { return r == ',' || r == ' ' })
	for _, record := range records {
		rows = append(rows, o.row(record, wanted, c))
	}
	answer(w, http.StatusOK, map[string]any{"totalSize": len(rows), "done": true, "records": rows})
}

func (o *object) row(record *simulator.Record, wanted []string, c *call) map[string]any {
	all := o.shown(record, c)
	row := map[string]any{"attributes": all["attributes"]}
	for name, value := range all {
		if containsFold(wanted, name) {
			row[name] = value
		}
	}
	return row
}
