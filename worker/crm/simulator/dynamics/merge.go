package dynamics

import (
	"fmt"

	"github.com/leadgate/leadgate/worker/crm/simulator"
)

// Merge implements simulator.Merging. The first record becomes inactive and refers to the second, which inherits the values that it
// lacks.
func (a *api) Merge(from, into string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, e := range a.entities {
		gone, stays := e.open(from), e.open(into)
		if gone == nil || stays == nil || gone == stays {
			continue
		}
		now, blanks := a.options.Now(), map[string]any{}
		for _, f := range e.table.Fields() {
			if f.Type != simulator.Computed && !f.ReadOnly && !f.Unique && stays.Values[f.Name] == nil {
				blanks[f.Name] = gone.Values[f.Name]
			}
		}
		e.records.Update(stays, blanks, now)
		e.records.Update(gone, map[string]any{"statecode": 1.0, "merged": true, "_masterid_value": stays.ID}, now)
		return nil
	}
	return fmt.Errorf("there are not two open records of %s and %s", from, into)
}

// open returns the active record with an address; nil if there is none.
func (e *entity) open(address string) *simulator.Record {
	for _, record := range e.records.Find("emailaddress1", address) {
		if record.Values["statecode"] == 0.0 {
			return record
		}
	}
	return nil
}
