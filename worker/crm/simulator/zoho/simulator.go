// Package zoho answers like Zoho CRM's API as far as leads and contacts go, with everything in memory. What it knows of Zoho is
// from its API specifications, and from answers that others recorded; where those say nothing, it is strict, but for what is
// Zoho's own way: a field that is not there is dropped without a word.
package zoho

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/leadgate/leadgate/worker/crm/simulator"
)

const (
	// tokenLife is how long access tokens live.
	tokenLife = time.Hour
	// Tokens for one refresh token, within a time.
	maxTokens, tokenWindow = 10, 10 * time.Minute
	// maxRecords is how many records a call has at most.
	maxRecords = 100
	// DefaultCredits are those of the free edition, for 24 hours.
	DefaultCredits = 5000
)

// Options say how the simulated account is. The zero value takes any client.
type Options struct {
	// RefreshToken is what callers must ask for access tokens with; empty takes any.
	RefreshToken string
	// Seed makes tokens and faults the same for equal seeds.
	Seed uint64
	// Now is the time; time.Now if nil.
	Now func() time.Time
	// Credits are how many calls 24 hours may have; DefaultCredits if 0, no limit if negative.
	Credits int
	// SearchLag is how long search finds records that are gone; not at all if 0.
	SearchLag time.Duration
}

// Simulator is a simulated account. It is safe for concurrent use.
type Simulator struct{ *simulator.Simulator }

// New returns an account without records.
func New(o Options) *Simulator {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Credits == 0 {
		o.Credits = DefaultCredits
	}
	a := &api{options: o, mux: http.NewServeMux(), Tokens: simulator.NewTokens(o.Seed, o.Now)}
	a.Reset()
	a.mux.HandleFunc("POST /oauth/v2/token", a.token)
	for pattern, e := range map[string]endpoint{
		"POST /crm/v8/{module}/upsert": a.upsert, "POST /crm/v8/{module}": a.insert, "PUT /crm/v8/{module}/{id}": a.update,
		"GET /crm/v8/{module}/search": a.search, "GET /crm/v8/{module}/{id}": a.get, "GET /crm/v8/settings/fields": a.settings,
	} {
		a.mux.HandleFunc(pattern, a.guarded(e))
	}
	return &Simulator{simulator.New(a, o.Seed, o.Now)}
}

// endpoint answers a call about a module. It is called with mu held.
type endpoint func(w http.ResponseWriter, r *http.Request, m *module)

type module struct {
	table   *simulator.Table
	records *simulator.Records
	gone    []deleted // by merging
}

type deleted struct {
	record *simulator.Record
	at     time.Time
}

type api struct {
	options Options
	mux     *http.ServeMux
	*simulator.Tokens

	mu      sync.Mutex // of all that follows
	modules map[string]*module
	calls   []time.Time
}

// ServeHTTP implements http.Handler.
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if _, pattern := a.mux.Handler(r); pattern == "" {
		fail(w, http.StatusNotFound, "INVALID_URL_PATTERN", "Please check if the URL trying to access is a correct one", nil)
		return
	}
	a.mux.ServeHTTP(w, r)
}

// Reset implements simulator.CRM.
func (a *api) Reset() {
	a.Tokens.Reset()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.modules = newModules()
	a.calls = nil
}

// Contacts implements simulator.CRM: leads, then contacts.
func (a *api) Contacts() any {
	a.mu.Lock()
	defer a.mu.Unlock()
	type shown struct {
		ID         string         `json:"id"`
		Module     string         `json:"module"`
		Properties map[string]any `json:"properties"`
	}
	all := []shown{}
	for _, name := range []string{"Leads", "Contacts"} {
		for _, record := range a.modules[name].records.All() {
			all = append(all, shown{record.ID, name, record.Values})
		}
	}
	return all
}

// Merge implements simulator.Merging: the first record is deleted, as its own address goes with it. Search knows it for a while.
func (a *api) Merge(from, into string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, m := range a.modules {
		gone, stays := m.records.Find("Email", from), m.records.Find("Email", into)
		if len(gone) == 1 && len(stays) == 1 && gone[0] != stays[0] {
			m.records.Remove(gone[0])
			m.gone = append(m.gone, deleted{gone[0], a.options.Now()})
			return nil
		}
	}
	return fmt.Errorf("there are not two records of %s and %s", from, into)
}

// Fields implements simulator.Fielded: those of leads.
func (a *api) Fields() []simulator.Field {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.modules["Leads"].table.Fields()
}

// ChangeFields implements simulator.Fielded.
func (a *api) ChangeFields(change simulator.FieldChange) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	_ = a.modules["Contacts"].table.Change(change) // which may lack what leads have
	return a.modules["Leads"].table.Change(change)
}

func newModules() map[string]*module {
	person := []simulator.Field{
		{Name: "id", Label: "Record Id", ReadOnly: true}, {Name: "Last_Name", Label: "Last Name", Length: 80, Required: true},
		{Name: "First_Name", Label: "First Name", Length: 40}, {Name: "Full_Name", Label: "Full Name", Type: simulator.Computed},
		{Name: "Email", Label: "Email", Type: simulator.Email, Length: 100, Key: true}, {Name: "Phone", Label: "Phone", Length: 30}, {Name: "Mobile", Label: "Mobile", Length: 30},
		{Name: "Description", Label: "Description", Length: 32000},
		{Name: "Lead_Source", Label: "Lead Source", Type: simulator.Choice, Options: map[string]string{"Advertisement": "Advertisement", "Web Form": "Web Form", "Cold Call": "Cold Call"}},
		{Name: "Email_Opt_Out", Label: "Email Opt Out", Type: simulator.Boolean},
		{Name: "Gateway_Key", Label: "Gateway Key", Length: 255, Unique: true, Key: true},
		{Name: "Created_Time", Label: "Created Time", Type: simulator.Computed},
	}
	lead := person[:len(person):len(person)]
	for _, name := range []string{"Website", "Designation", "Industry", "Street", "City", "State", "Zip_Code", "Country"} {
		lead = append(lead, simulator.Field{Name: name, Label: strings.ReplaceAll(name, "_", " "), Length: 250})
	}
	lead = append(lead, simulator.Field{Name: "Company", Label: "Company", Length: 200, Required: true},
		simulator.Field{Name: "No_of_Employees", Label: "No. of Employees", Type: simulator.Integer}, simulator.Field{Name: "Annual_Revenue", Label: "Annual Revenue", Type: simulator.Number})
	contact := person[:len(person):len(person)]
	for _, name := range []string{"Title", "Mailing_Street", "Mailing_City", "Mailing_State", "Mailing_Zip", "Mailing_Country"} {
		contact = append(contact, simulator.Field{Name: name, Label: strings.ReplaceAll(name, "_", " "), Length: 250})
	}
	records := func(first int) *simulator.Records {
		return simulator.NewRecords(func(n int) string { return fmt.Sprintf("55400000000%05d%03d", first, n) }, "Email")
	}
	return map[string]*module{
		"Leads": {table: simulator.NewTable(lead...), records: records(11)}, "Contacts": {table: simulator.NewTable(contact...), records: records(22)},
	}
}

func (a *api) token(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.FormValue("grant_type") != "refresh_token":
		answer(w, http.StatusOK, map[string]string{"error": "unsupported_grant_type"})
	case a.Issued(tokenWindow) >= maxTokens: // with 200
		answer(w, http.StatusOK, map[string]string{
			"error_description": "You have made too many requests continuously. Please try again after some time.", "error": "Access Denied", "status": "failure",
		})
	case a.Revoked() || a.options.RefreshToken != "" && r.FormValue("refresh_token") != a.options.RefreshToken:
		answer(w, http.StatusOK, map[string]string{"error": "invalid_code"}) // with 200
	default:
		answer(w, http.StatusOK, map[string]any{
			"access_token": a.Issue(tokenLife), "api_domain": "http://" + r.Host, "token_type": "Bearer", "expires_in": int(tokenLife / time.Second), "scope": "ZohoCRM.modules.leads.ALL",
		})
	}
}

// guarded lets in who has an access token and credits left, to a module that is there.
func (a *api) guarded(next endpoint) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !a.Valid(r.Header.Get("Authorization"), "Zoho-oauthtoken") {
			a.Fail(w, http.StatusUnauthorized)
			return
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		if !a.count(w) {
			a.Limit(w, true)
			return
		}
		name := r.PathValue("module")
		if name == "" {
			name = r.URL.Query().Get("module")
		}
		m := a.modules[name]
		if m == nil {
			fail(w, http.StatusBadRequest, "INVALID_MODULE", "the module name given seems to be invalid", map[string]any{"resource_path_index": 0})
			return
		}
		next(w, r, m)
	}
}

// count counts a call, and reports whether it may be made. What is left is told once half is used.
func (a *api) count(w http.ResponseWriter) bool {
	if a.options.Credits < 0 {
		return true
	}
	now := a.options.Now()
	for len(a.calls) > 0 && now.Sub(a.calls[0]) >= 24*time.Hour {
		a.calls = a.calls[1:]
	}
	if len(a.calls) >= a.options.Credits {
		return false
	}
	a.calls = append(a.calls, now)
	if left := a.options.Credits - len(a.calls); left < a.options.Credits/2 {
		w.Header().Set("X-API-CREDITS-REMAINING", fmt.Sprint(left))
	}
	return true
}

// Fail implements simulator.CRM.
func (a *api) Fail(w http.ResponseWriter, status int) {
	code, message := "INTERNAL_ERROR", "internal error occurred"
	switch status {
	case http.StatusUnauthorized:
		code, message = "INVALID_TOKEN", "invalid oauth token"
	case http.StatusForbidden:
		code, message = "NO_PERMISSION", "permission denied"
	case http.StatusNotFound:
		code, message = "INVALID_URL_PATTERN", "Please check if the URL trying to access is a correct one"
	case http.StatusTooManyRequests:
		code, message = "TOO_MANY_REQUESTS", "the requests exceed the allowed concurrency"
	case http.StatusBadRequest:
		code, message = "INVALID_DATA", "invalid data"
	}
	fail(w, status, code, message, nil)
}

// Limit implements simulator.Limited.
func (a *api) Limit(w http.ResponseWriter, daily bool) {
	if daily {
		fail(w, http.StatusTooManyRequests, "LIMIT_EXCEEDED", "the API credits of the day are used up", nil)
		return
	}
	a.Fail(w, http.StatusTooManyRequests)
}

// result is what became of one record.
type result struct {
	Status    string         `json:"status"`
	Code      string         `json:"code"`
	Action    string         `json:"action,omitempty"`
	Duplicate *string        `json:"duplicate_field,omitempty"`
	Message   string         `json:"message"`
	Details   map[string]any `json:"details"`
}

func fail(w http.ResponseWriter, status int, code, message string, details map[string]any) {
	if details == nil {
		details = map[string]any{}
	}
	answer(w, status, result{Status: "error", Code: code, Message: message, Details: details})
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the caller went away
}

// batch is the body of a call that writes.
type batch struct {
	Data   []map[string]any `json:"data"`
	Checks []string         `json:"duplicate_check_fields"`
}

func read(w http.ResponseWriter, r *http.Request) (b batch, ok bool) {
	body, _ := io.ReadAll(r.Body)
	switch err := json.Unmarshal(body, &b); {
	case err != nil:
		fail(w, http.StatusBadRequest, "INVALID_DATA", "body", map[string]any{"expected_data_type": "jsonobject"})
	case len(b.Data) == 0:
		fail(w, http.StatusBadRequest, "MANDATORY_NOT_FOUND", "required field not found", map[string]any{"api_name": "data"})
	case len(b.Data) > maxRecords:
		fail(w, http.StatusBadRequest, "INVALID_DATA", "invalid data", map[string]any{"api_name": "data", "maximum_length": maxRecords})
	default:
		return b, true
	}
	return b, false
}

func (a *api) upsert(w http.ResponseWriter, r *http.Request, m *module) {
	b, ok := read(w, r)
	if !ok {
		return
	}
	checks := b.Checks
	if len(checks) == 0 {
		checks = []string{"Email"}
	}
	for i, name := range checks {
		if f, ok := m.table.Field(name); !ok || !f.Key && !f.Unique {
			fail(w, http.StatusBadRequest, "INVALID_DATA", "the given field is not a unique one", map[string]any{"api_name": "duplicate_check_fields", "json_path": fmt.Sprintf("$.duplicate_check_fields[%d]", i)})
			return
		}
	}
	a.write(w, r, m, b.Data, func(values map[string]any) (*simulator.Record, string) {
		for _, name := range checks {
			value, _ := values[name].(string)
			if found := m.records.Find(name, value); value != "" && len(found) > 0 {
				return found[0], name
			}
		}
		return nil, ""
	})
}

func (a *api) insert(w http.ResponseWriter, r *http.Request, m *module) {
	if b, ok := read(w, r); ok {
		a.write(w, r, m, b.Data, func(map[string]any) (*simulator.Record, string) { return nil, "" })
	}
}

func (a *api) update(w http.ResponseWriter, r *http.Request, m *module) {
	b, ok := read(w, r)
	if !ok {
		return
	}
	record := m.records.Get(r.PathValue("id"))
	if record == nil {
		fail(w, http.StatusBadRequest, "INVALID_DATA", "the id given seems to be invalid", map[string]any{"api_name": "id"})
		return
	}
	a.write(w, r, m, b.Data[:1], func(map[string]any) (*simulator.Record, string) { return record, "" })
}

// write writes records, each over the one that find says; nil for a new one.
func (a *api) write(w http.ResponseWriter, r *http.Request, m *module, data []map[string]any, find func(map[string]any) (*simulator.Record, string)) {
	results := []result{}
	committed := 0
	for i, values := range data {
		document, _ := json.Marshal(values)
		var one result
		if simulator.Refuse(r.Context(), i, len(data), document) {
			one = result{Status: "error", Code: "RECORD_IN_BLUEPRINT", Message: "the record is in a blueprint", Details: map[string]any{}}
		} else {
			one = a.writeOne(m, i, values, find)
		}
		if one.Status == "success" {
			committed++
		}
		if len(data) > 1 && simulator.Omit(r.Context(), i, document) {
			continue
		}
		results = append(results, one)
	}
	simulator.Note(r.Context(), len(data), committed)
	answer(w, http.StatusOK, map[string]any{"data": results})
}

func (a *api) writeOne(m *module, i int, values map[string]any, find func(map[string]any) (*simulator.Record, string)) result {
	for name := range values {
		if _, ok := m.table.Field(name); !ok {
			delete(values, name) // without a word
		}
	}
	record, duplicate := find(values)
	for _, d := range m.table.Check(values, record == nil) {
		if d.Flaw != simulator.NotYours { // which is dropped, too
			return refusal(i, d)
		}
		delete(values, d.Field.Name)
	}
	for _, f := range m.table.Fields() {
		value, _ := values[f.Name].(string)
		for _, other := range m.records.Find(f.Name, value) {
			if f.Unique && value != "" && other != record {
				return result{Status: "error", Code: "DUPLICATE_DATA", Message: "duplicate data", Details: map[string]any{"api_name": f.Name, "json_path": fmt.Sprintf("$.data[%d].%s", i, f.Name), "id": other.ID}}
			}
		}
	}
	now := a.options.Now()
	done := result{Status: "success", Code: "SUCCESS", Action: "insert", Message: "record added"}
	if record == nil {
		values["Created_Time"] = now.Format(time.RFC3339)
		record = m.records.Insert("", values, now)
	} else {
		m.records.Update(record, values, now)
		done.Action, done.Message, done.Duplicate = "update", "record updated", &duplicate
	}
	done.Details = map[string]any{"id": record.ID, "Created_Time": record.Created.Format(time.RFC3339), "Modified_Time": now.Format(time.RFC3339)}
	return done
}

// refusal words a defect as Zoho does.
func refusal(i int, d simulator.Defect) result {
	details := map[string]any{"api_name": d.Field.Name, "json_path": fmt.Sprintf("$.data[%d].%s", i, d.Field.Name)}
	code, message := "INVALID_DATA", "invalid data"
	switch d.Flaw {
	case simulator.Missing:
		code, message = "MANDATORY_NOT_FOUND", "required field not found"
	case simulator.TooLong:
		details["maximum_length"] = d.Field.Length
	case simulator.BadEmail:
		details["expected_data_type"] = "email"
	default:
		details["expected_data_type"] = string(d.Field.Type)
	}
	return result{Status: "error", Code: code, Message: message, Details: details}
}

func (a *api) search(w http.ResponseWriter, r *http.Request, m *module) {
	var found []*simulator.Record
	for parameter, field := range map[string]string{"email": "Email", "phone": "Phone"} {
		if value := r.URL.Query().Get(parameter); value != "" {
			found = append(found, m.records.Find(field, value)...)
			for _, d := range m.gone {
				if a.options.Now().Sub(d.at) < a.options.SearchLag && strings.EqualFold(d.record.Text(field), value) {
					found = append(found, d.record)
				}
			}
		}
	}
	show(w, found)
}

func (a *api) get(w http.ResponseWriter, r *http.Request, m *module) {
	if record := m.records.Get(r.PathValue("id")); record != nil {
		show(w, []*simulator.Record{record})
		return
	}
	show(w, nil)
}

func show(w http.ResponseWriter, records []*simulator.Record) {
	if len(records) == 0 {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	data := []map[string]any{}
	for _, record := range records {
		row := map[string]any{"id": record.ID}
		for name, value := range record.Values {
			row[name] = value
		}
		data = append(data, row)
	}
	answer(w, http.StatusOK, map[string]any{"data": data, "info": map[string]any{"count": len(data), "more_records": false}})
}

func (a *api) settings(w http.ResponseWriter, _ *http.Request, m *module) {
	native := map[simulator.Type]string{
		simulator.Text: "text", simulator.Email: "email", simulator.Number: "double", simulator.Integer: "integer", simulator.Boolean: "boolean",
		simulator.Date: "date", simulator.Choice: "picklist", simulator.Computed: "text",
	}
	fields := []map[string]any{}
	for _, f := range m.table.Fields() {
		values := []map[string]any{}
		for value, label := range f.Options {
			values = append(values, map[string]any{"actual_value": value, "display_value": label, "type": "used"})
		}
		readOnly := f.ReadOnly || f.Type == simulator.Computed
		fields = append(fields, map[string]any{
			"api_name": f.Name, "field_label": f.Label, "data_type": native[f.Type], "length": f.Length, "system_mandatory": f.Required,
			"read_only": readOnly, "field_read_only": readOnly, "visible": true, "pick_list_values": values, "unique": unique(f),
			"operation_type": map[string]bool{"api_create": !readOnly, "api_update": !readOnly},
		})
	}
	answer(w, http.StatusOK, map[string]any{"fields": fields})
}

func unique(f simulator.Field) map[string]any {
	if f.Unique {
		return map[string]any{"casesensitive": ""}
	}
	return map[string]any{}
}
