// Package dynamics answers like the Dataverse Web API of Dynamics 365 as far as leads and contacts go, with everything in
// memory. What it knows of Dynamics is from its pages, and from answers that others recorded; where those say nothing, it is
// strict.
package dynamics

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/leadgate/leadgate/worker/crm/simulator"
)

const (
	tokenLife = time.Hour
	// DefaultRequests is how many calls a user may make in five minutes (contracts, dynamics.md §5).
	DefaultRequests = 6000
	window          = 5 * time.Minute

	organisation = "7b1d5c7e-3f2a-4e0b-9f5d-0a1b2c3d4e5f"
)

// Options say how the simulated environment is. The zero value takes any client.
type Options struct {
	// ClientSecret is what callers must send for an access token; empty takes any.
	ClientSecret string
	// Seed makes tokens and faults the same for equal seeds.
	Seed uint64
	// Now is the time; time.Now if nil.
	Now func() time.Time
	// Requests is how many calls five minutes may have; DefaultRequests if 0, no limit if negative.
	Requests int
	// KeyStatus is that of the alternate key new_gatewaykey; Active if empty.
	KeyStatus string
	// DetectDuplicates finds leads of the same address, for callers that want to be told. The answer is 500.
	DetectDuplicates bool
}

// Simulator is a simulated environment. It is safe for concurrent use.
type Simulator struct{ *simulator.Simulator }

// New returns an environment without records.
func New(o Options) *Simulator {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Requests == 0 {
		o.Requests = DefaultRequests
	}
	if o.KeyStatus == "" {
		o.KeyStatus = "Active"
	}
	a := &api{options: o, Tokens: simulator.NewTokens(o.Seed, o.Now)}
	a.Reset()
	return &Simulator{simulator.New(a, o.Seed, o.Now)}
}

// entity is one kind of records.
type entity struct {
	name, set, id string // lead, leads, leadid
	table         *simulator.Table
	records       *simulator.Records
}

type api struct {
	options Options
	*simulator.Tokens

	mu       sync.Mutex // of all that follows
	entities map[string]*entity
	calls    []time.Time
}

// Reset implements simulator.CRM.
func (a *api) Reset() {
	a.Tokens.Reset()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.entities = newEntities()
	a.calls = nil
}

// Contacts implements simulator.CRM: leads, then contacts.
func (a *api) Contacts() any {
	a.mu.Lock()
	defer a.mu.Unlock()
	type shown struct {
		ID         string         `json:"id"`
		Entity     string         `json:"entity"`
		Properties map[string]any `json:"properties"`
	}
	all := []shown{}
	for _, set := range []string{"leads", "contacts"} {
		for _, record := range a.entities[set].records.All() {
			all = append(all, shown{record.ID, a.entities[set].name, record.Values})
		}
	}
	return all
}

// Fields implements simulator.Fielded: those of leads.
func (a *api) Fields() []simulator.Field {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.entities["leads"].table.Fields()
}

// ChangeFields implements simulator.Fielded.
func (a *api) ChangeFields(change simulator.FieldChange) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	_ = a.entities["contacts"].table.Change(change) // which may lack what leads have
	return a.entities["leads"].table.Change(change)
}

func newEntities() map[string]*entity {
	person := []simulator.Field{
		{Name: "subject", Label: "Topic", Length: 300}, {Name: "firstname", Label: "First Name", Length: 50}, {Name: "lastname", Label: "Last Name", Length: 50},
		{Name: "emailaddress1", Label: "Email", Length: 100}, {Name: "telephone1", Label: "Business Phone", Length: 50}, {Name: "mobilephone", Label: "Mobile Phone", Length: 50},
		{Name: "jobtitle", Label: "Job Title", Length: 100}, {Name: "description", Label: "Description", Length: 2000}, {Name: "websiteurl", Label: "Website", Length: 200},
		{Name: "address1_line1", Label: "Street 1", Length: 250}, {Name: "address1_city", Label: "City", Length: 80}, {Name: "address1_stateorprovince", Label: "State/Province", Length: 50},
		{Name: "address1_postalcode", Label: "ZIP/Postal Code", Length: 20}, {Name: "address1_country", Label: "Country/Region", Length: 80},
		{Name: "donotemail", Label: "Do not allow Emails", Type: simulator.Boolean}, {Name: "numberofemployees", Label: "No. of Employees", Type: simulator.Integer},
		{Name: "leadsourcecode", Label: "Lead Source", Type: simulator.Choice, Options: map[string]string{"1": "Advertisement", "8": "Web", "10": "Other"}},
		{Name: "statecode", Label: "Status", Type: simulator.Computed}, {Name: "createdon", Label: "Created On", Type: simulator.Computed},
		{Name: "merged", Label: "Merged", Type: simulator.Computed}, {Name: "_masterid_value", Label: "Master ID", Type: simulator.Computed},
		{Name: "new_gatewaykey", Label: "Gateway Key", Length: 100, Unique: true, Key: true},
	}
	lead := append(person[:len(person):len(person)], simulator.Field{Name: "companyname", Label: "Company Name", Length: 100})
	records := func(first string) *simulator.Records {
		return simulator.NewRecords(func(n int) string { return fmt.Sprintf("%s-0000-4000-8000-%012d", first, n) }, "emailaddress1")
	}
	return map[string]*entity{
		"leads":    {"lead", "leads", "leadid", simulator.NewTable(append(lead, simulator.Field{Name: "leadid", ReadOnly: true})...), records("1ead0000")},
		"contacts": {"contact", "contacts", "contactid", simulator.NewTable(append(person[:len(person):len(person)], simulator.Field{Name: "contactid", ReadOnly: true})...), records("c0ac0000")},
	}
}

var (
	byID  = regexp.MustCompile(`^(\w+)\(([0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12})\)$`)
	byKey = regexp.MustCompile(`^(\w+)\((\w+)='((?:[^']|'')*)'\)$`)
	where = regexp.MustCompile(`^(\w+) eq '((?:[^']|'')*)'( and \(statecode eq 0 or merged eq true\))?$`)
)

// ServeHTTP implements http.Handler.
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, "/oauth2/v2.0/token") && r.Method == http.MethodPost {
		a.token(w, r)
		return
	}
	path, ok := strings.CutPrefix(r.URL.Path, "/api/data/v9.2/")
	if !ok {
		a.Fail(w, http.StatusNotFound)
		return
	}
	if !a.Valid(r.Header.Get("Authorization"), "Bearer") {
		a.Fail(w, http.StatusUnauthorized)
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.count(w) {
		a.Limit(w, false)
		return
	}
	id, key := byID.FindStringSubmatch(path), byKey.FindStringSubmatch(path)
	switch {
	case path == "WhoAmI" && r.Method == http.MethodGet:
		answer(w, http.StatusOK, map[string]any{"UserId": "5f1d7a90-0000-4000-8000-000000000001", "BusinessUnitId": "5f1d7a90-0000-4000-8000-000000000002", "OrganizationId": organisation})
	case strings.HasPrefix(path, "EntityDefinitions("):
		a.definitions(w, path)
	case id != nil && a.entities[id[1]] != nil:
		e := a.entities[id[1]]
		a.one(w, r, e, e.records.Get(strings.ToLower(id[2])), strings.ToLower(id[2]), nil)
	case key != nil && a.entities[key[1]] != nil:
		e, value := a.entities[key[1]], strings.ReplaceAll(key[3], "''", "'")
		f, ok := e.table.Field(key[2])
		if !ok || !f.Key || a.options.KeyStatus != "Active" {
			fail(w, http.StatusBadRequest, "0x80060891", "A record with the specified key values does not exist in "+e.name+" entity: there is no such key")
			return
		}
		var record *simulator.Record
		if found := e.records.Find(f.Name, value); len(found) > 0 {
			record = found[0]
		}
		a.one(w, r, e, record, "", map[string]any{f.Name: value})
	case a.entities[path] != nil && r.Method == http.MethodGet:
		a.list(w, r, a.entities[path])
	case a.entities[path] != nil && r.Method == http.MethodPost:
		a.write(w, r, a.entities[path], nil, "", nil)
	default:
		fail(w, http.StatusNotFound, "0x8006088a", "Resource not found for the segment '"+path+"'.")
	}
}

func (a *api) token(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.PostFormValue("grant_type") != "client_credentials" || !strings.HasSuffix(r.PostFormValue("scope"), "/.default"):
		answer(w, http.StatusBadRequest, map[string]string{"error": "invalid_request", "error_description": "AADSTS900144: the request body must contain grant_type and scope"})
	case a.Revoked() || a.options.ClientSecret != "" && r.PostFormValue("client_secret") != a.options.ClientSecret:
		answer(w, http.StatusUnauthorized, map[string]string{"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID."})
	default:
		answer(w, http.StatusOK, map[string]any{"token_type": "Bearer", "expires_in": int(tokenLife / time.Second), "access_token": a.Issue(tokenLife)})
	}
}

// one gets, changes or upserts a record that may not be there: under an identifier, or under a key.
func (a *api) one(w http.ResponseWriter, r *http.Request, e *entity, record *simulator.Record, id string, key map[string]any) {
	switch {
	case r.Method == http.MethodGet && record == nil, record == nil && r.Header.Get("If-Match") == "*":
		fail(w, http.StatusNotFound, "0x80040217", "Entity '"+e.name+"' Does Not Exist")
	case r.Method == http.MethodGet:
		answer(w, http.StatusOK, e.shown(record, r))
	case record != nil && r.Header.Get("If-None-Match") == "*":
		fail(w, http.StatusPreconditionFailed, "0x80060892", "A record with matching key values already exists.")
	case r.Method == http.MethodPatch:
		a.write(w, r, e, record, id, key)
	default:
		a.Fail(w, http.StatusMethodNotAllowed)
	}
}

// write reads and writes one record.
func (a *api) write(w http.ResponseWriter, r *http.Request, e *entity, record *simulator.Record, id string, key map[string]any) {
	body, _ := io.ReadAll(r.Body)
	values, err := simulator.Values(body)
	if err != nil {
		fail(w, http.StatusBadRequest, "0x80048d19", "Error identified in Payload provided by the user for Entity :'"+e.set+"'")
		return
	}
	simulator.Note(r.Context(), 1, 0)
	if simulator.Refuse(r.Context(), 0, 1, body) {
		fail(w, http.StatusBadRequest, "0x80040265", "An error occurred in the plug-in")
		return
	}
	for _, d := range e.table.Check(values, record == nil) {
		if d.Flaw != simulator.NotYours {
			code, message := refusal(e, d, values[d.Field.Name])
			fail(w, http.StatusBadRequest, code, message)
			return
		}
		delete(values, d.Field.Name) // is passed over
	}
	for name, value := range key {
		values[name] = value
	}
	for _, f := range e.table.Fields() {
		value, _ := values[f.Name].(string)
		for _, other := range e.records.Find(f.Name, value) {
			if f.Unique && value != "" && other != record {
				fail(w, http.StatusPreconditionFailed, "0x80060892", "A record that has the attribute values "+f.Label+" already exists. The entity key "+f.Label+" Key requires that this set of attributes contains unique values.")
				return
			}
		}
	}
	address, _ := values["emailaddress1"].(string)
	if a.options.DetectDuplicates && record == nil && address != "" && len(e.records.Find("emailaddress1", address)) > 0 && r.Header.Get("MSCRM.SuppressDuplicateDetection") == "false" {
		fail(w, http.StatusInternalServerError, "0x80040333", "A record was not created or updated because a duplicate of the current record already exists.")
		return
	}
	now, created := a.options.Now(), record == nil
	if created {
		values["createdon"], values["statecode"], values["merged"] = now.UTC().Format(time.RFC3339), 0.0, false
		record = e.records.Insert(id, values, now)
	} else {
		e.records.Update(record, values, now)
	}
	simulator.Note(r.Context(), 1, 1)
	w.Header().Set("OData-EntityId", fmt.Sprintf("http://%s/api/data/v9.2/%s(%s)", r.Host, e.set, record.ID))
	if !strings.Contains(r.Header.Get("Prefer"), "return=representation") {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	w.Header().Set("Preference-Applied", "return=representation")
	status := http.StatusOK
	if created {
		status = http.StatusCreated
	}
	answer(w, status, e.shown(record, r))
}

// refusal words a defect as Dynamics does.
func refusal(e *entity, d simulator.Defect, value any) (code, message string) {
	const payload = "Error identified in Payload provided by the user for Entity :'%s', For more information on this error please follow this help link ---->  InnerException : Microsoft.OData.ODataException: "
	switch d.Flaw {
	case simulator.NoField:
		return "0x80048d19", fmt.Sprintf(payload, e.set) + fmt.Sprintf("An error occurred while validating input parameters: The property '%s' does not exist on type 'Microsoft.Dynamics.CRM.%s'. Make sure to only use property names that are defined by the type.", d.Field.Name, e.name)
	case simulator.TooLong:
		return "0x80044331", fmt.Sprintf("A validation error occurred.  The length of the '%s' attribute of the '%s' entity exceeded the maximum allowed length of '%d'.", d.Field.Name, e.name, d.Field.Length)
	case simulator.NoOption:
		return "0x8004431a", fmt.Sprintf("A validation error occurred.  The value %v of '%s' on record of type '%s' is outside the valid range. Accepted Values: 1,8,10", value, d.Field.Name, e.name)
	}
	return "0x80048d19", fmt.Sprintf(payload, e.set) + fmt.Sprintf("Cannot convert the literal '%v' to the expected type 'Edm.%s'.", value, map[simulator.Type]string{simulator.Integer: "Int32", simulator.Number: "Double", simulator.Boolean: "Boolean"}[d.Field.Type])
}

func (e *entity) shown(record *simulator.Record, r *http.Request) map[string]any {
	wanted := strings.FieldsFunc(r.URL.Query().Get("$select"), func(c rune) bool { return c == ',' })
	row := map[string]any{"@odata.etag": fmt.Sprintf(`W/"%d"`, record.Updated.UnixNano()), e.id: record.ID}
	for _, f := range e.table.Fields() {
		if len(wanted) == 0 || slices.Contains(wanted, f.Name) {
			row[f.Name] = record.Values[f.Name]
		}
	}
	row[e.id] = record.ID
	return row
}

func (a *api) list(w http.ResponseWriter, r *http.Request, e *entity) {
	records := e.records.All()
	if filter := r.URL.Query().Get("$filter"); filter != "" {
		found := where.FindStringSubmatch(filter)
		if found == nil {
			fail(w, http.StatusBadRequest, "0x80060888", "The query specified in the URI is not valid.")
			return
		}
		records = slices.DeleteFunc(e.records.Find(found[1], strings.ReplaceAll(found[2], "''", "'")), func(record *simulator.Record) bool {
			return found[3] != "" && record.Values["statecode"] != 0.0 && record.Values["merged"] != true
		})
	}
	switch order := r.URL.Query().Get("$orderby"); order {
	case "":
	case "statecode asc,createdon desc":
		slices.Reverse(records)
		slices.SortStableFunc(records, func(one, other *simulator.Record) int {
			return strings.Compare(one.Text("statecode"), other.Text("statecode"))
		})
	default:
		fail(w, http.StatusBadRequest, "0x80060888", "The query specified in the URI is not valid: $orderby "+order)
		return
	}
	rows := []map[string]any{}
	for _, record := range records {
		rows = append(rows, e.shown(record, r))
		if r.URL.Query().Get("$top") == "1" {
			break
		}
	}
	answer(w, http.StatusOK, map[string]any{"value": rows})
}

var definition = regexp.MustCompile(`^EntityDefinitions\(LogicalName='(\w+)'\)/(Attributes|Keys)(?:/Microsoft\.Dynamics\.CRM\.(\w+)AttributeMetadata)?$`)

// definitions describes attributes and keys.
func (a *api) definitions(w http.ResponseWriter, path string) {
	found := definition.FindStringSubmatch(path)
	if found == nil || a.entities[found[1]+"s"] == nil {
		fail(w, http.StatusNotFound, "0x80060888", "Resource not found for the segment.")
		return
	}
	e := a.entities[found[1]+"s"]
	rows := []map[string]any{}
	if found[2] == "Keys" {
		answer(w, http.StatusOK, map[string]any{"value": append(rows, map[string]any{"SchemaName": "new_GatewayKey", "KeyAttributes": []string{"new_gatewaykey"}, "EntityKeyIndexStatus": a.options.KeyStatus})})
		return
	}
	native := map[simulator.Type]string{simulator.Integer: "Integer", simulator.Number: "Double", simulator.Boolean: "Boolean", simulator.Choice: "Picklist", simulator.Date: "DateTime"}
	for _, f := range e.table.Fields() {
		kind := native[f.Type]
		if kind == "" {
			if kind = "String"; f.Length > 1000 {
				kind = "Memo"
			}
		}
		row := map[string]any{"LogicalName": f.Name}
		switch {
		case found[3] != "" && found[3] != kind:
			continue
		case found[3] == "Picklist":
			var options []map[string]any
			for value, label := range f.Options {
				options = append(options, map[string]any{"Value": json.Number(value), "Label": map[string]any{"UserLocalizedLabel": map[string]any{"Label": label}}})
			}
			row["OptionSet"] = map[string]any{"Options": options}
		case found[3] != "":
			row["MaxLength"] = f.Length
		default:
			writable := !f.ReadOnly && f.Type != simulator.Computed
			row["AttributeType"], row["IsValidForCreate"], row["IsValidForUpdate"] = kind, writable, writable
			row["RequiredLevel"] = map[string]any{"Value": map[bool]string{true: "SystemRequired", false: "None"}[f.Required]}
			row["DisplayName"] = map[string]any{"UserLocalizedLabel": map[string]any{"Label": f.Label}}
		}
		rows = append(rows, row)
	}
	answer(w, http.StatusOK, map[string]any{"value": rows})
}

// count counts a call, and reports whether it may be made.
func (a *api) count(w http.ResponseWriter) bool {
	if a.options.Requests < 0 {
		return true
	}
	now := a.options.Now()
	for len(a.calls) > 0 && now.Sub(a.calls[0]) >= window {
		a.calls = a.calls[1:]
	}
	if len(a.calls) >= a.options.Requests {
		return false
	}
	a.calls = append(a.calls, now)
	w.Header().Set("X-Ms-Ratelimit-Burst-Remaining-Xrm-Requests", fmt.Sprint(a.options.Requests-len(a.calls)))
	w.Header().Set("X-Ms-Dop-Hint", "4")
	return true
}

// Fail implements simulator.CRM.
func (a *api) Fail(w http.ResponseWriter, status int) {
	code, message := "0x80040216", "An unexpected error occurred."
	switch status {
	case http.StatusUnauthorized:
		w.WriteHeader(status) // with nothing in it
		return
	case http.StatusForbidden:
		code, message = "0x80040220", "Principal user is missing prvCreateLead privilege"
	case http.StatusNotFound:
		code, message = "0x80060888", "Resource not found for the segment."
	case http.StatusTooManyRequests:
		code, message = "0x80072322", "Number of requests exceeded the limit of 6000 over time window of 300 seconds."
	case http.StatusBadRequest:
		code, message = "0x80040265", "An error occurred in the plug-in"
	}
	fail(w, status, code, message)
}

// Limit implements simulator.Limited. Of the day nothing is known.
func (a *api) Limit(w http.ResponseWriter, daily bool) {
	w.Header().Set("Retry-After", map[bool]string{false: "2", true: "300"}[daily])
	a.Fail(w, http.StatusTooManyRequests)
}

func fail(w http.ResponseWriter, status int, code, message string) {
	answer(w, status, map[string]any{"error": map[string]any{"code": code, "message": message, "@Microsoft.PowerApps.CDS.HelpLink": "http://go.microsoft.com/fwlink/?LinkID=398563"}})
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; odata.metadata=minimal")
	w.Header().Set("OData-Version", "4.0")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the caller went away
}
