// Package zoho answers like Zoho CRM's API as far as leads and contacts go, with everything in memory. What it knows of Zoho is
// from its API specifications, and from answers that others recorded; where those say nothing, it is strict, but for what is
// Zoho's own way: a field that is not there is dropped without a word.
package zoho

import (
	"cmp"
	"net/http"
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
	// SearchLag is how long search finds records that are gone, and does not find new ones.
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

// endpoint answers a call about a module. It is called with mu held.
type endpoint func(w http.ResponseWriter, r *http.Request, m *module)

type api struct {
	options Options
	mux     *http.ServeMux
	*simulator.Tokens

	mu      sync.Mutex // of all that follows
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

// Contacts implements simulator.CRM: leads, then contacts.
func (a *api) Contacts() any {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append(a.modules["Leads"].records.Shown("module", "Leads"), a.modules["Contacts"].records.Shown("module", "Contacts")...)
}
