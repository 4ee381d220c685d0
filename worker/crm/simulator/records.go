package simulator

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// maxRecords is how many records a simulated CRM holds; after that, a new one replaces the oldest.
const maxRecords = 100_000

// Record is a record of a simulated CRM.
type Record struct {
	ID      string
	Values  map[string]any // never modified, only replaced
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

// Records are the records of a simulated CRM. They are not safe for concurrent use.
type Records struct {
	newID func(n int) string
	made  int
	order []*Record
	byID  map[string]*Record
	// index maps a field and a lower-case value to the records that have it, oldest first.
	index map[string]map[string][]*Record
}

// NewRecords returns an empty Records. newID returns the identifier of the n-th record, counted from 1; indexed are fields by which
// records are searched.
func NewRecords(newID func(n int) string, indexed ...string) *Records {
	r := &Records{newID: newID, byID: map[string]*Record{}, index: map[string]map[string][]*Record{}}
	for _, field := range indexed {
		r.Index(field)
	}
	return r
}

// Index creates an index on a field.
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

// Find returns the records with a value in a field, in any case, oldest first. It indexes the field.
func (r *Records) Find(field, value string) []*Record {
	r.Index(field)
	return slices.Clone(r.index[field][fold(value)])
}

// All returns the records, oldest first.
func (r *Records) All() []*Record { return slices.Clone(r.order) }

// Insert creates a record, with a new identifier if id is empty.
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

// Update writes values to a record; nil clears a value.
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

// Remove deletes a record.
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

// Shown returns the records for the debug URL. If the CRM has several kinds of records, kind is the name of a member that is set to
// name; otherwise both are empty.
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
