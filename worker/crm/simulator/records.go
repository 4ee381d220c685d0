package simulator

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// maxRecords bounds what a simulated CRM holds; the oldest record makes room for a new one.
const maxRecords = 100_000

// Record is one record of a simulated CRM.
type Record struct {
	ID      string
	Values  map[string]any // never changed, only replaced
	Created time.Time
	Updated time.Time
}

// Text returns a value as text; empty if there is none.
func (r *Record) Text(field string) string {
	if value := r.Values[field]; value != nil {
		return fmt.Sprint(value)
	}
	return ""
}

// Records are the records of a simulated CRM. Not safe for concurrent use.
type Records struct {
	newID func(n int) string
	made  int
	order []*Record
	byID  map[string]*Record
	// index is field, then value in lower case, to the records that have it, oldest first.
	index map[string]map[string][]*Record
}

// NewRecords returns no records. newID makes the identifier of the n-th, counted from 1; indexed are the fields that records
// are looked for by.
func NewRecords(newID func(n int) string, indexed ...string) *Records {
	r := &Records{newID: newID, byID: map[string]*Record{}, index: map[string]map[string][]*Record{}}
	for _, field := range indexed {
		r.Index(field)
	}
	return r
}

// Index makes records be found by a field.
func (r *Records) Index(field string) {
	if r.index[field] != nil {
		return
	}
	r.index[field] = map[string][]*Record{}
	for _, record := range r.order {
		r.enter(field, record)
	}
}

// Get returns the record with an identifier; nil if there is none.
func (r *Records) Get(id string) *Record { return r.byID[id] }

// Find returns the records that have a value in a field, whatever its case, oldest first.
func (r *Records) Find(field, value string) []*Record {
	r.Index(field)
	return slices.Clone(r.index[field][fold(value)])
}

// All returns the records, oldest first.
func (r *Records) All() []*Record { return slices.Clone(r.order) }

// Insert makes a record; with that identifier, unless it is empty.
func (r *Records) Insert(id string, values map[string]any, now time.Time) *Record {
	if id == "" {
		r.made++
		id = r.newID(r.made)
	}
	if len(r.order) == maxRecords {
		r.Remove(r.order[0])
	}
	record := &Record{ID: id, Created: now}
	r.order = append(r.order, record)
	r.byID[id] = record
	r.Update(record, values, now)
	return record
}

// Update writes values to a record; nil clears.
func (r *Records) Update(record *Record, values map[string]any, now time.Time) {
	for field := range r.index {
		r.strike(field, record)
	}
	merged := maps.Clone(record.Values)
	if merged == nil {
		merged = map[string]any{}
	}
	maps.Copy(merged, values)
	maps.DeleteFunc(merged, func(_ string, value any) bool { return value == nil })
	record.Values, record.Updated = merged, now
	for field := range r.index {
		r.enter(field, record)
	}
}

// Remove forgets a record.
func (r *Records) Remove(record *Record) {
	for field := range r.index {
		r.strike(field, record)
	}
	delete(r.byID, record.ID)
	r.order = slices.DeleteFunc(r.order, func(other *Record) bool { return other == record })
}

func (r *Records) enter(field string, record *Record) {
	if value := fold(record.Text(field)); value != "" {
		r.index[field][value] = append(r.index[field][value], record)
	}
}

func (r *Records) strike(field string, record *Record) {
	value := fold(record.Text(field))
	r.index[field][value] = slices.DeleteFunc(r.index[field][value], func(other *Record) bool { return other == record })
}

// Shown returns the records as the debug address shows them. Where the CRM has several kinds of records, kind is what it calls a
// kind, and name what it calls this one; otherwise they are empty.
func (r *Records) Shown(kind, name string) []map[string]any {
	all := make([]map[string]any, len(r.order))
	for i, record := range r.order {
		all[i] = map[string]any{"id": record.ID, "properties": record.Values}
		if kind != "" {
			all[i][kind] = name
		}
	}
	return all
}

func fold(value string) string { return strings.ToLower(strings.TrimSpace(value)) }
