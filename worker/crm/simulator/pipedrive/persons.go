package pipedrive

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/leadgate/leadgate/worker/crm/simulator"
)

func (a *api) listPersons(r *http.Request, _ map[string]any) (int, any) {
	since, _ := time.Parse(time.RFC3339, r.URL.Query().Get("updated_since"))
	limit, err := strconv.Atoi(r.URL.Query().Get("limit"))
	if err != nil {
		limit = 100
	}
	recent := slices.DeleteFunc(a.persons.All(), func(person *simulator.Record) bool { return person.Updated.Before(since) })
	slices.SortStableFunc(recent, func(one, other *simulator.Record) int { return other.Updated.Compare(one.Updated) })
	all := []map[string]any{}
	for _, person := range recent[:min(limit, len(recent))] {
		all = append(all, shownPerson(person))
	}
	return http.StatusOK, all
}

func shownPerson(person *simulator.Record) map[string]any {
	row := maps.Clone(person.Values)
	row["id"], _ = strconv.Atoi(person.ID)
	row["add_time"], row["update_time"] = person.Created.UTC().Format(time.RFC3339), person.Updated.UTC().Format(time.RFC3339)
	return row
}

// person splits and checks a person to write.
func (a *api) person(body map[string]any, create bool) (map[string]any, string) {
	values := maps.Clone(body)
	custom, _ := values["custom_fields"].(map[string]any)
	delete(values, "custom_fields")
	maps.Copy(values, custom)
	checked := maps.Clone(values)
	for _, name := range []string{"emails", "phones", "owner_id", "org_id", "visible_to", "label_ids"} {
		delete(checked, name)
	}
	return values, said(a.fields.Check(checked, create))
}

func (a *api) createPerson(_ *http.Request, body map[string]any) (int, any) {
	values, problem := a.person(body, true)
	if problem != "" {
		return http.StatusBadRequest, problem
	}
	person := a.persons.Insert("", values, a.options.Now())
	a.index.put(person, a.options.Now())
	return http.StatusCreated, shownPerson(person)
}

func (a *api) getPerson(r *http.Request, _ map[string]any) (int, any) {
	if person := a.persons.Get(r.PathValue("id")); person != nil {
		return http.StatusOK, shownPerson(person)
	}
	if gone := a.deleted[r.PathValue("id")]; gone != nil && a.options.ShowsDeleted {
		row := shownPerson(gone)
		row["is_deleted"] = true
		return http.StatusOK, row
	}
	return http.StatusNotFound, "Person not found"
}

func (a *api) updatePerson(r *http.Request, body map[string]any) (int, any) {
	person := a.persons.Get(r.PathValue("id"))
	if person == nil {
		return http.StatusNotFound, "Person not found"
	}
	values, problem := a.person(body, false)
	if problem != "" {
		return http.StatusBadRequest, problem
	}
	had := person.Values
	a.persons.Update(person, values, a.options.Now())
	a.index.drop(person, had, person.Values, a.options.Now())
	a.index.put(person, a.options.Now())
	return http.StatusOK, shownPerson(person)
}
