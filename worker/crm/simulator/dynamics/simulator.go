// Package dynamics simulates the Dataverse Web API of Dynamics 365 for leads and contacts, in memory. It is based on Microsoft's
// documentation and on recorded answers; where those say nothing, it is strict.
package dynamics

import (
	"cmp"
	"encoding/json"
	"net/http"
	"regexp"
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

// Options configure the simulated environment. The zero value accepts any client.
type Options struct {
	// ClientSecret is what callers must send to get an access token; if it is empty, any is accepted.
	ClientSecret string
	// Seed determines tokens and faults.
	Seed uint64
	// Now returns the current time; time.Now if nil.
	Now func() time.Time
	// Requests is the limit of calls in five minutes; DefaultRequests if 0, no limit if negative.
	Requests int
	// KeyStatus is the status of the alternate key new_gatewaykey; Active if empty.
	KeyStatus string
	// DetectDuplicates reports leads with the same address to callers that ask for it. The answer is 500.
	DetectDuplicates bool
}

// Simulator is a simulated environment. It is safe for concurrent use.
type Simulator struct{ *simulator.Simulator }

// New returns an environment without records.
func New(o Options) *Simulator {
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Requests = cmp.Or(o.Requests, DefaultRequests)
	o.KeyStatus = cmp.Or(o.KeyStatus, "Active")
	a := &api{options: o, Tokens: simulator.NewTokens(o.Seed, o.Now)}
	a.Reset()
	return &Simulator{simulator.New(a, o.Seed, o.Now)}
}

type api struct {
	options Options
	*simulator.Tokens

	mu       sync.Mutex // guards the fields below
	entities map[string]*entity
	calls    simulator.Window
}

// Reset implements simulator.CRM.
func (a *api) Reset() {
	a.Tokens.Reset()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.entities = newEntities()
	a.calls = simulator.Window{}
}

// OneByOne implements simulator.Single.
func (*api) OneByOne() {}

// Contacts implements simulator.CRM. It returns leads, then contacts.
func (a *api) Contacts() any {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append(a.entities["leads"].records.Shown("entity", "lead"), a.entities["contacts"].records.Shown("entity", "contact")...)
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

var definition = regexp.MustCompile(`^EntityDefinitions\(LogicalName='(\w+)'\)/(Attributes|Keys)(?:/Microsoft\.Dynamics\.CRM\.(\w+)AttributeMetadata)?$`)

func fail(w http.ResponseWriter, status int, code, message string) {
	answer(w, status, map[string]any{"error": map[string]any{"code": code, "message": message, "@Microsoft.PowerApps.CDS.HelpLink": "http://go.microsoft.com/fwlink/?LinkID=398563"}})
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; odata.metadata=minimal")
	w.Header().Set("OData-Version", "4.0")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // fails if the caller has gone
}
