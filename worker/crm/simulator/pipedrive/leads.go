package pipedrive

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"github.com/leadgate/leadgate/worker/crm/simulator"
)

func (a *api) listLeads(r *http.Request, _ map[string]any) (int, any) {
	query := r.URL.Query()
	found := a.leads.Find("person_id", query.Get("person_id"))
	if query.Get("sort") == "add_time DESC" {
		slices.Reverse(found)
	}
	start, _ := strconv.Atoi(query.Get("start")) // 0 if missing
	limit, err := strconv.Atoi(query.Get("limit"))
	if err != nil || limit > maxLeads {
		limit = maxLeads
	}
	all := []map[string]any{}
	for _, lead := range found[min(start, len(found)):min(start+limit, len(found))] {
		all = append(all, shownLead(lead))
	}
	return http.StatusOK, all
}

// maxLeads is the number of leads per page.
const maxLeads = 100

func shownLead(lead *simulator.Record) map[string]any {
	row := maps.Clone(lead.Values)
	row["id"], row["add_time"] = lead.ID, lead.Created.UTC().Format("2006-01-02T15:04:05.000Z")
	return row
}

// lead returns the problem with a lead to write; empty if there is none.
func (a *api) lead(body map[string]any, create bool) string {
	checked := maps.Clone(body)
	for _, name := range []string{"person_id", "organization_id", "origin_id", "label_ids", "value", "owner_id", "visible_to", "was_seen", "channel"} {
		delete(checked, name)
	}
	return said(a.deals.Check(checked, create))
}

func (a *api) createLead(_ *http.Request, body map[string]any) (int, any) {
	if problem := a.lead(body, true); problem != "" {
		return http.StatusBadRequest, problem
	}
	if person := a.persons.Get(fmt.Sprint(body["person_id"])); person == nil && body["organization_id"] == nil {
		return http.StatusBadRequest, "A lead must be linked to a person or an organization."
	}
	return http.StatusCreated, shownLead(a.leads.Insert("", body, a.options.Now()))
}

func (a *api) getLead(r *http.Request, _ map[string]any) (int, any) {
	if lead := a.leads.Get(r.PathValue("id")); lead != nil {
		return http.StatusOK, shownLead(lead)
	}
	return http.StatusNotFound, "Lead not found"
}

func (a *api) updateLead(r *http.Request, body map[string]any) (int, any) {
	lead := a.leads.Get(r.PathValue("id"))
	if lead == nil {
		return http.StatusNotFound, "Lead not found"
	}
	if problem := a.lead(body, false); problem != "" {
		return http.StatusBadRequest, problem
	}
	a.leads.Update(lead, body, a.options.Now())
	return http.StatusOK, shownLead(lead)
}

func (a *api) deleteLead(r *http.Request, _ map[string]any) (int, any) {
	lead := a.leads.Get(r.PathValue("id"))
	if lead == nil {
		return http.StatusNotFound, "Lead not found"
	}
	a.leads.Remove(lead)
	return http.StatusOK, map[string]any{"id": lead.ID}
}

func (a *api) listNotes(r *http.Request, _ map[string]any) (int, any) {
	all := []map[string]any{}
	for _, note := range a.notes.Find("lead_id", r.URL.Query().Get("lead_id")) {
		all = append(all, note.Values)
	}
	return http.StatusOK, all
}

func (a *api) createNote(_ *http.Request, body map[string]any) (int, any) {
	if body["content"] == nil || a.leads.Get(fmt.Sprint(body["lead_id"])) == nil {
		return http.StatusBadRequest, "content and lead_id must be given."
	}
	a.notes.Insert("", body, a.options.Now())
	return http.StatusCreated, body
}
