// Package pipedrive answers like Pipedrive's API as far as persons, leads and notes go, with everything in memory. What it knows
// of Pipedrive is from its official client, and from answers that others recorded. As with Pipedrive, nothing is unique: who does
// not look first makes a person twice, and search does not know of a new one at once.
package pipedrive

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/leadgate/leadgate/worker/crm/simulator"
)

const (
	// DefaultDaily is how many tokens a company has a day (contracts, pipedrive.md §5).
	DefaultDaily = 30_000
	// DefaultBurst is how many calls two seconds may have on the smallest plan.
	DefaultBurst = 20
	// DefaultSearches is how many searches two seconds may have on any plan.
	DefaultSearches = 10
	burstWindow     = 2 * time.Second
	tokenLife       = time.Hour
)

// Options say how the simulated company is. The zero value takes any token.
type Options struct {
	// Token is the API token, and the refresh token, that callers must send; empty takes any.
	Token string
	// Seed makes tokens and faults the same for equal seeds.
	Seed uint64
	// Now is the time; time.Now if nil.
	Now func() time.Time
	// Daily, Burst and Searches are limits; the defaults if 0, none if negative.
	Daily, Burst, Searches int
	// SearchLag is how long search does not know of a new person; none if 0.
	SearchLag time.Duration
}

// Simulator is a simulated company. It is safe for concurrent use.
type Simulator struct {
	*simulator.Simulator
	api *api
}

// New returns a company without persons.
func New(o Options) *Simulator {
	if o.Now == nil {
		o.Now = time.Now
	}
	for limit, otherwise := range map[*int]int{&o.Daily: DefaultDaily, &o.Burst: DefaultBurst, &o.Searches: DefaultSearches} {
		if *limit == 0 {
			*limit = otherwise
		}
	}
	a := &api{options: o, mux: http.NewServeMux(), Tokens: simulator.NewTokens(o.Seed, o.Now)}
	a.Reset()
	a.mux.HandleFunc("POST /oauth/token", a.token)
	for pattern, route := range map[string]route{
		"GET /v1/users/me":           {2, a.me},
		"GET /api/v2/persons/search": {20, a.search},
		"GET /api/v2/persons":        {10, a.listPersons},
		"POST /api/v2/persons":       {5, a.createPerson},
		"GET /api/v2/persons/{id}":   {1, a.getPerson},
		"PATCH /api/v2/persons/{id}": {5, a.updatePerson},
		"GET /v1/leads":              {20, a.listLeads},
		"POST /v1/leads":             {10, a.createLead},
		"GET /v1/leads/{id}":         {2, a.getLead},
		"PATCH /v1/leads/{id}":       {10, a.updateLead},
		"GET /v1/notes":              {20, a.listNotes},
		"POST /v1/notes":             {10, a.createNote},
		"GET /api/v2/personFields":   {5, a.personFields},
		"GET /api/v2/dealFields":     {5, a.dealFields},
	} {
		a.mux.HandleFunc(pattern, a.guarded(route))
	}
	return &Simulator{simulator.New(a, o.Seed, o.Now), a}
}

// route is what a call costs, and what answers it. It is called with mu held.
type route struct {
	cost   int
	answer func(r *http.Request, body map[string]any) (status int, data any)
}

type api struct {
	options Options
	mux     *http.ServeMux
	*simulator.Tokens

	mu      sync.Mutex // of all that follows
	fields  *simulator.Table
	deals   *simulator.Table
	persons *simulator.Records
	// byAddress is an address or phone number, in lower case, to the persons that had it.
	byAddress map[string][]*simulator.Record
	leads     *simulator.Records
	notes     *simulator.Records
	calls     []time.Time
	looks     []time.Time
	day       string
	spent     int
}

// ServeHTTP implements http.Handler.
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if _, pattern := a.mux.Handler(r); pattern == "" {
		a.Fail(w, http.StatusNotFound)
		return
	}
	a.mux.ServeHTTP(w, r)
}

// Reset implements simulator.CRM.
func (a *api) Reset() {
	a.Tokens.Reset()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.fields = simulator.NewTable(
		simulator.Field{Name: "name", Label: "Name", Length: 255, Required: true}, simulator.Field{Name: "emails", Label: "Email"}, simulator.Field{Name: "phones", Label: "Phone"},
		simulator.Field{Name: "job_title", Label: "Job title", Length: 255}, simulator.Field{Name: "marketing_status", Label: "Marketing status", Type: simulator.Choice, Options: map[string]string{"no_consent": "No consent", "subscribed": "Subscribed"}},
		simulator.Field{Name: "9dc80c50d78a15643bfc4ca79d76156a73a1ca0e", Label: "Favourite colour", Length: 255},
	)
	a.deals = simulator.NewTable(
		simulator.Field{Name: "title", Label: "Title", Length: 255, Required: true}, simulator.Field{Name: "expected_close_date", Label: "Expected close date"},
		simulator.Field{Name: "channel_id", Label: "Channel ID", Length: 255}, simulator.Field{Name: "1ab80c50d78a15643bfc4ca79d76156a73a1ca0e", Label: "Budget", Length: 255},
	)
	a.persons = simulator.NewRecords(strconv.Itoa, "name")
	a.byAddress = map[string][]*simulator.Record{}
	a.leads = simulator.NewRecords(func(n int) string { return fmt.Sprintf("adf21080-0e10-11eb-879b-%012d", n) }, "person_id")
	a.notes = simulator.NewRecords(strconv.Itoa, "lead_id")
	a.calls, a.looks, a.spent = nil, nil, 0
}

// Contacts implements simulator.CRM: leads, each with its person and notes.
func (a *api) Contacts() any {
	a.mu.Lock()
	defer a.mu.Unlock()
	type shown struct {
		ID         string         `json:"id"`
		Properties map[string]any `json:"properties"`
		Person     map[string]any `json:"person,omitempty"`
		Notes      []string       `json:"notes,omitempty"`
	}
	all := []shown{}
	for _, lead := range a.leads.All() {
		s := shown{ID: lead.ID, Properties: lead.Values}
		if person := a.persons.Get(lead.Text("person_id")); person != nil {
			s.Person = person.Values
		}
		for _, note := range a.notes.Find("lead_id", lead.ID) {
			s.Notes = append(s.Notes, note.Text("content"))
		}
		all = append(all, s)
	}
	return all
}

// Persons returns how many persons there are.
func (s *Simulator) Persons() int {
	s.api.mu.Lock()
	defer s.api.mu.Unlock()
	return len(s.api.persons.All())
}

// Fields implements simulator.Fielded: those of persons.
func (a *api) Fields() []simulator.Field {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.fields.Fields()
}

// ChangeFields implements simulator.Fielded.
func (a *api) ChangeFields(change simulator.FieldChange) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.fields.Change(change)
}

func (a *api) token(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.PostFormValue("grant_type") != "refresh_token":
		answer(w, http.StatusBadRequest, map[string]string{"error": "unsupported_grant_type"})
	case a.Revoked() || a.options.Token != "" && r.PostFormValue("refresh_token") != a.options.Token:
		answer(w, http.StatusBadRequest, map[string]string{"error": "invalid_grant", "error_description": "the refresh token is invalid"})
	default:
		answer(w, http.StatusOK, map[string]any{
			"access_token": a.Issue(tokenLife), "refresh_token": r.PostFormValue("refresh_token"), "token_type": "Bearer", "expires_in": int(tokenLife / time.Second), "api_domain": "http://" + r.Host,
		})
	}
}

func (a *api) knows(r *http.Request) bool {
	if a.Valid(r.Header.Get("Authorization"), "Bearer") {
		return true
	}
	token := r.Header.Get("X-Api-Token")
	if token == "" {
		token = r.URL.Query().Get("api_token")
	}
	return token != "" && !a.Revoked() && (a.options.Token == "" || token == a.options.Token)
}

// guarded lets in who has a token, as long as there is something left of the limits.
func (a *api) guarded(next route) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !a.knows(r) {
			a.Fail(w, http.StatusUnauthorized)
			return
		}
		text, _ := io.ReadAll(r.Body)
		a.mu.Lock()
		defer a.mu.Unlock()
		if !a.count(w, next.cost, strings.HasSuffix(r.URL.Path, "/search")) {
			return
		}
		var body map[string]any
		if len(text) > 0 {
			var err error
			if body, err = simulator.Values(text); err != nil {
				a.Fail(w, http.StatusBadRequest)
				return
			}
			if simulator.Refuse(r.Context(), 0, 1, text) {
				answer(w, http.StatusBadRequest, refused("The lead is not welcome."))
				return
			}
		}
		status, data := next.answer(r, body)
		if r.Method != http.MethodGet && status < 300 {
			simulator.Note(r.Context(), 1, 1)
		}
		if status >= 400 {
			answer(w, status, refused(fmt.Sprint(data)))
			return
		}
		answer(w, status, map[string]any{"success": true, "data": data, "additional_data": nil})
	}
}

// count takes a call off the limits, and answers if there is nothing left.
func (a *api) count(w http.ResponseWriter, cost int, search bool) bool {
	now := a.options.Now()
	if day := now.UTC().Format(time.DateOnly); day != a.day {
		a.day, a.spent = day, 0
	}
	recent := func(times []time.Time) []time.Time {
		return slices.DeleteFunc(times, func(at time.Time) bool { return now.Sub(at) >= burstWindow })
	}
	a.calls, a.looks = recent(a.calls), recent(a.looks)
	switch {
	case a.options.Daily >= 0 && a.spent+cost > a.options.Daily:
		a.Limit(w, true)
		return false
	case a.options.Burst >= 0 && len(a.calls) >= a.options.Burst, search && a.options.Searches >= 0 && len(a.looks) >= a.options.Searches:
		a.Limit(w, false)
		return false
	}
	a.spent += cost
	a.calls = append(a.calls, now)
	if search {
		a.looks = append(a.looks, now)
	}
	if a.options.Daily >= 0 {
		w.Header().Set("X-Daily-Ratelimit-Token-Limit", strconv.Itoa(a.options.Daily))
		w.Header().Set("X-Daily-Ratelimit-Token-Remaining", strconv.Itoa(a.options.Daily-a.spent))
	}
	if a.options.Burst >= 0 {
		w.Header().Set("X-Ratelimit-Limit", strconv.Itoa(a.options.Burst))
		w.Header().Set("X-Ratelimit-Remaining", strconv.Itoa(a.options.Burst-len(a.calls)))
		w.Header().Set("X-Ratelimit-Reset", "2")
	}
	return true
}

// Limit implements simulator.Limited. Pipedrive sends no Retry-After.
func (a *api) Limit(w http.ResponseWriter, daily bool) {
	w.Header().Set("X-Ratelimit-Remaining", "0")
	w.Header().Set("X-Ratelimit-Reset", "2")
	if daily {
		w.Header().Set("X-Daily-Ratelimit-Token-Limit", strconv.Itoa(max(1, a.options.Daily)))
		w.Header().Set("X-Daily-Ratelimit-Token-Remaining", "0")
	}
	a.Fail(w, http.StatusTooManyRequests)
}

// Fail implements simulator.CRM.
func (a *api) Fail(w http.ResponseWriter, status int) {
	answer(w, status, refused(map[int]string{
		http.StatusUnauthorized: "unauthorized access", http.StatusTooManyRequests: "request over limit", http.StatusNotFound: "not found",
		http.StatusBadRequest: "Bad request", http.StatusForbidden: "Scope and URL mismatch",
	}[status]))
}

func refused(why string) map[string]any {
	return map[string]any{"success": false, "error": why, "error_info": "Please check developers.pipedrive.com for more information about Pipedrive API.", "data": nil, "additional_data": nil}
}

func (a *api) me(*http.Request, map[string]any) (int, any) {
	return http.StatusOK, map[string]any{"id": 1, "company_id": 4711, "company_domain": "example", "company_name": "Example", "company_timezone": map[string]any{}, "timezone_offset": "+00:00"}
}

func (a *api) search(r *http.Request, _ map[string]any) (int, any) {
	list := "emails"
	if r.URL.Query().Get("fields") == "phone" {
		list = "phones"
	}
	items := []map[string]any{}
	for _, person := range a.byAddress[strings.ToLower(r.URL.Query().Get("term"))] {
		term := func(value string) bool { return strings.EqualFold(value, r.URL.Query().Get("term")) }
		if a.options.Now().Sub(person.Created) < a.options.SearchLag || !slices.ContainsFunc(addresses(person.Values[list]), term) {
			continue
		}
		id, _ := strconv.Atoi(person.ID)
		items = append(items, map[string]any{"result_score": 1.0, "item": map[string]any{"id": id, "type": "person", "name": person.Values["name"], "emails": addresses(person.Values["emails"])}})
	}
	return http.StatusOK, map[string]any{"items": items}
}

// index makes a person be found by addresses and phone numbers.
func (a *api) index(person *simulator.Record) {
	for _, value := range append(addresses(person.Values["emails"]), addresses(person.Values["phones"])...) {
		key := strings.ToLower(value)
		if !slices.Contains(a.byAddress[key], person) {
			a.byAddress[key] = append(a.byAddress[key], person)
		}
	}
}

// addresses are the values of a list of addresses or phone numbers.
func addresses(list any) []string {
	var values []string
	items, _ := list.([]any)
	for _, item := range items {
		entry, _ := item.(map[string]any)
		if value, _ := entry["value"].(string); value != "" {
			values = append(values, value)
		}
	}
	return values
}

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

// person checks and takes apart what is to be written of a person.
func (a *api) person(body map[string]any, create bool) (map[string]any, string) {
	values := maps.Clone(body)
	custom, _ := values["custom_fields"].(map[string]any)
	delete(values, "custom_fields")
	for name, value := range custom {
		values[name] = value
	}
	checked := maps.Clone(values)
	for _, name := range []string{"emails", "phones", "owner_id", "org_id", "visible_to", "label_ids"} {
		delete(checked, name)
	}
	return values, said(a.fields.Check(checked, create))
}

// said is the first of what is wrong, in Pipedrive's words.
func said(defects []simulator.Defect) string {
	if len(defects) == 0 {
		return ""
	}
	switch d := defects[0]; d.Flaw {
	case simulator.Missing:
		return strings.ToUpper(d.Field.Name[:1]) + d.Field.Name[1:] + " must be given."
	case simulator.NoField:
		return "Parameter '" + d.Field.Name + "' is not allowed in the request body"
	default:
		return "Validation failed: " + d.Field.Name + ": " + string(d.Flaw)
	}
}

func (a *api) createPerson(_ *http.Request, body map[string]any) (int, any) {
	values, problem := a.person(body, true)
	if problem != "" {
		return http.StatusBadRequest, problem
	}
	person := a.persons.Insert("", values, a.options.Now())
	a.index(person)
	return http.StatusCreated, shownPerson(person)
}

func (a *api) getPerson(r *http.Request, _ map[string]any) (int, any) {
	if person := a.persons.Get(r.PathValue("id")); person != nil {
		return http.StatusOK, shownPerson(person)
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
	a.persons.Update(person, values, a.options.Now())
	a.index(person)
	return http.StatusOK, shownPerson(person)
}

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

func (a *api) personFields(*http.Request, map[string]any) (int, any) {
	return http.StatusOK, described(a.fields)
}

func (a *api) dealFields(*http.Request, map[string]any) (int, any) {
	return http.StatusOK, described(a.deals)
}

func described(table *simulator.Table) []map[string]any {
	rows := []map[string]any{}
	for _, f := range table.Fields() {
		native := map[simulator.Type]string{simulator.Choice: "enum", simulator.Number: "double", simulator.Integer: "int", simulator.Date: "date"}[f.Type]
		if native == "" {
			native = "varchar"
		}
		var options []map[string]any
		for value, label := range f.Options {
			options = append(options, map[string]any{"id": value, "label": label})
		}
		rows = append(rows, map[string]any{"field_code": f.Name, "field_name": f.Label, "field_type": native, "is_custom_field": len(f.Name) == 40, "options": options})
	}
	return rows
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the caller went away
}
