package pipedrive

import (
	"fmt"
	"maps"
	"net/http"

	"github.com/leadgate/leadgate/worker/crm/simulator"
)

func (a *api) listLeads(r *http.Request, _ map[string]any) (int, any) {
	all := []map[string]any{}
	for _, lead := range a.leads.Find("person_id", r.URL.Query().Get("person_id")) {
		all = append(all, shownLead(lead))
	}
	return http.StatusOK, all
}

func shownLead(lead *simulator.Record) map[string]any {
	row := maps.Clone(lead.Values)
	row["id"] = lead.ID
	return row
}

// lead checks what is to be written of a lead.
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
