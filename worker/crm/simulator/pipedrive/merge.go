package pipedrive

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/leadgate/leadgate/worker/crm/simulator"
)

// Merge implements simulator.Merging. The second person keeps its values, inherits those that it lacks, and gets all addresses,
// phone numbers and leads of the first, which is deleted.
func (a *api) Merge(from, into string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	gone, stays := a.personAt(from), a.personAt(into)
	if gone == nil || stays == nil || gone == stays {
		return fmt.Errorf("there are not two persons of %s and %s", from, into)
	}
	now, values := a.options.Now(), maps.Clone(gone.Values)
	maps.Copy(values, stays.Values)
	for _, list := range addressLists {
		values[list] = together(stays.Values[list], gone.Values[list])
	}
	a.index.drop(gone, gone.Values, nil, now)
	a.persons.Remove(gone)
	a.deleted[gone.ID] = gone
	a.persons.Update(stays, values, now)
	a.index.put(stays, now)
	id, _ := strconv.Atoi(stays.ID)
	for _, lead := range a.leads.Find("person_id", gone.ID) {
		a.leads.Update(lead, map[string]any{"person_id": float64(id)}, now)
	}
	return nil
}

// personAt returns the person with an e-mail address; nil if there is none.
func (a *api) personAt(address string) *simulator.Record {
	all := a.persons.All()
	i := slices.IndexFunc(all, func(person *simulator.Record) bool {
		return slices.ContainsFunc(addresses(person.Values["emails"]), func(value string) bool { return strings.EqualFold(value, address) })
	})
	if i < 0 {
		return nil
	}
	return all[i]
}

// together returns a list with the additional entries of another, which are not primary unless the list has none.
func together(list, other any) []any {
	all, _ := list.([]any)
	all = slices.Clone(all)
	has := addresses(list)
	more, _ := other.([]any)
	for _, item := range more {
		entry, _ := item.(map[string]any)
		value, _ := entry["value"].(string)
		if slices.ContainsFunc(has, func(known string) bool { return strings.EqualFold(known, value) }) {
			continue
		}
		entry = maps.Clone(entry)
		entry["primary"] = len(has) == 0
		all, has = append(all, entry), append(has, value)
	}
	return all
}
