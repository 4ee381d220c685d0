// Package pipedrive simulates Pipedrive's API for persons, leads and notes, in memory. It is based on Pipedrive's official client
// and on recorded answers. As with Pipedrive, nothing is unique: a client that does not search first creates duplicates, and search
// does not find a new person immediately.
package pipedrive

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/leadgate/leadgate/worker/crm/simulator"
)

const (
	// DefaultDaily is how many tokens a company has per day (contracts, pipedrive.md §5).
	DefaultDaily = 30_000
	// DefaultBurst is the limit of calls in two seconds on the smallest plan.
	DefaultBurst = 20
	// DefaultSearches is the limit of searches in two seconds on any plan.
	DefaultSearches = 10
	burstWindow     = 2 * time.Second
	tokenLife       = time.Hour
)

// Options configure the simulated company. The zero value accepts any token.
type Options struct {
	// Token is the API token and the refresh token that callers must send; if it is empty, any is accepted.
	Token string
	// Seed determines tokens and faults.
	Seed uint64
	// Now returns the current time; time.Now if nil.
	Now func() time.Time
	// Daily, Burst and Searches are limits; the defaults if 0, none if negative.
	Daily, Burst, Searches int
	// SearchLag is how long search does not know of changes: a new person, or one that is gone.
	SearchLag time.Duration
	// ShowsDeleted still returns deleted persons, marked as such; otherwise they are not found.
	ShowsDeleted bool
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
		"DELETE /v1/leads/{id}":      {6, a.deleteLead},
		"GET /v1/notes":              {20, a.listNotes},
		"POST /v1/notes":             {10, a.createNote},
		"GET /api/v2/personFields":   {5, a.personFields},
		"GET /api/v2/dealFields":     {5, a.dealFields},
	} {
		a.mux.HandleFunc(pattern, a.guarded(route))
	}
	return &Simulator{simulator.New(a, o.Seed, o.Now), a}
}

// route is a call's cost and handler. The handler is called with mu held.
type route struct {
	cost   int
	answer func(r *http.Request, body map[string]any) (status int, data any)
}

type api struct {
	options Options
	mux     *http.ServeMux
	*simulator.Tokens

	mu      sync.Mutex // guards the fields below
	fields  *simulator.Table
	deals   *simulator.Table
	persons *simulator.Records
	deleted map[string]*simulator.Record // deleted persons, by identifier
	index   *index
	leads   *simulator.Records
	notes   *simulator.Records
	calls   simulator.Window
	looks   simulator.Window
	day     string
	spent   int
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
	a.deleted = map[string]*simulator.Record{}
	a.index = newIndex(a.options.SearchLag)
	a.leads = simulator.NewRecords(func(n int) string { return fmt.Sprintf("adf21080-0e10-11eb-879b-%012d", n) }, "person_id")
	a.notes = simulator.NewRecords(strconv.Itoa, "lead_id")
	a.calls, a.looks, a.spent = simulator.Window{}, simulator.Window{}, 0
}

// OneByOne implements simulator.Single.
func (*api) OneByOne() {}

// Contacts implements simulator.CRM. It returns leads, each with its person and notes.
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

// Persons returns the number of persons.
func (s *Simulator) Persons() int {
	s.api.mu.Lock()
	defer s.api.mu.Unlock()
	return len(s.api.persons.All())
}

// guarded requires a token, and applies the limits.
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

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // fails if the caller has gone
}
