// Package zoho simulates Zoho CRM's API for leads and contacts, in memory. It is based on Zoho's API specifications and on recorded
// answers; where those say nothing, it is strict. Like Zoho, it silently ignores fields that do not exist.
package zoho

import (
	"cmp"
	"net/http"
	"sync"
	"time"

	"github.com/leadgate/leadgate/worker/crm/simulator"
)

const (
	// tokenLife is the lifetime of access tokens.
	tokenLife = time.Hour
	// How many tokens are issued for a refresh token in a period.
	maxTokens, tokenWindow = 10, 10 * time.Minute
	// maxRecords is the maximum number of records per call.
	maxRecords = 100
	// DefaultCredits is how many credits the free edition has in 24 hours.
	DefaultCredits = 5000
)

// Options configure the simulated account. The zero value accepts any client.
type Options struct {
	// RefreshToken is what callers must send to get access tokens; if it is empty, any is accepted.
	RefreshToken string
	// Seed determines tokens and faults.
	Seed uint64
	// Now returns the current time; time.Now if nil.
	Now func() time.Time
	// Credits is the limit of calls in 24 hours; DefaultCredits if 0, no limit if negative.
	Credits int
	// SearchLag is how long search still finds deleted records, and does not find new ones.
	SearchLag time.Duration
}

// Simulator is a simulated account. It is safe for concurrent use.
type Simulator struct{ *simulator.Simulator }

// New returns an account without records.
func New(o Options) *Simulator {
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Credits = cmp.Or(o.Credits, DefaultCredits)
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

// endpoint handles a call about a module. It is called with mu held.
type endpoint func(w http.ResponseWriter, r *http.Request, m *module)

type api struct {
	options Options
	mux     *http.ServeMux
	*simulator.Tokens

	mu      sync.Mutex // guards the fields below
	modules map[string]*module
	calls   simulator.Window
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
	a.calls = simulator.Window{}
}

// Contacts implements simulator.CRM. It returns leads, then contacts.
func (a *api) Contacts() any {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append(a.modules["Leads"].records.Shown("module", "Leads"), a.modules["Contacts"].records.Shown("module", "Contacts")...)
}
