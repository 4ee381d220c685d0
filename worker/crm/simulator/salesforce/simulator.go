// Package salesforce simulates Salesforce's REST API for leads and contacts, in memory, well enough for leadgate and for jsforce.
// It is based on Salesforce's guides and on recorded answers; where those say nothing, it is strict.
package salesforce

import (
	"cmp"
	"crypto/rsa"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/leadgate/leadgate/worker/crm/simulator"
)

// DefaultDaily is how many calls a Developer Edition may make in 24 hours.
const DefaultDaily = 15_000

// The simulated organisation and its integration user.
const (
	orgID    = "00D5g000004XyZ1EAK"
	userID   = "0055g00000AbCdEAAV"
	username = "integration@example.com"
)

// DuplicateRule is what the organisation does with leads whose address it already has.
type DuplicateRule string

// The rules.
const (
	NoRule DuplicateRule = ""      // accepts them
	Alert  DuplicateRule = "alert" // accepts them if the caller insists
	Block  DuplicateRule = "block" // refuses them
)

// Options configure the simulated organisation. The zero value accepts any client.
type Options struct {
	// ClientSecret is what callers must send to get an access token; if it is empty, any is accepted.
	ClientSecret string
	// PublicKey verifies JWTs; if it is nil, any signature is accepted.
	PublicKey *rsa.PublicKey
	// Seed determines tokens and faults.
	Seed uint64
	// Now returns the current time; time.Now if nil.
	Now func() time.Time
	// Daily is the limit of calls in 24 hours; DefaultDaily if 0, no limit if negative.
	Daily int
	// Rule is the duplicate rule for leads, by address.
	Rule DuplicateRule
	// BareDuplicates leaves out the details of duplicates.
	BareDuplicates bool
	// NoEmailKey refuses to upsert collections by Email: Salesforce's documentation of collections mentions external IDs only.
	NoEmailKey bool
	// SessionLife is the lifetime of access tokens; they never expire if it is 0. Salesforce does not send it with the token.
	SessionLife time.Duration
}

// Simulator is a simulated organisation. It is safe for concurrent use.
type Simulator struct {
	*simulator.Simulator
	api *api
}

// New returns an organisation without records.
func New(o Options) *Simulator {
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Daily = cmp.Or(o.Daily, DefaultDaily)
	a := &api{options: o, Tokens: simulator.NewTokens(o.Seed, o.Now)}
	a.Reset()
	return &Simulator{simulator.New(a, o.Seed, o.Now), a}
}

// Convert converts the leads with an address, like a salesperson; they cannot be changed any more. It reports whether there are
// any.
func (s *Simulator) Convert(email string) bool {
	s.api.mu.Lock()
	defer s.api.mu.Unlock()
	leads := s.api.objects["Lead"].records
	found := leads.Find("Email", email)
	for _, record := range found {
		leads.Update(record, map[string]any{"IsConverted": true}, s.api.options.Now())
	}
	return len(found) > 0
}

// Merge implements simulator.Merging. The first lead is deleted, and its address with it.
func (a *api) Merge(from, into string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	leads := a.objects["Lead"].records
	gone, stays := leads.Find("Email", from), leads.Find("Email", into)
	if len(gone) != 1 || len(stays) != 1 || gone[0] == stays[0] {
		return fmt.Errorf("there are not two leads of %s and %s", from, into)
	}
	leads.Remove(gone[0])
	return nil
}

// api is the Salesforce part of the simulator.
type api struct {
	options Options
	*simulator.Tokens

	mu      sync.Mutex // guards the fields below
	objects map[string]*object
	calls   simulator.Window
}

// Reset implements simulator.CRM.
func (a *api) Reset() {
	a.Tokens.Reset()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.objects = newObjects(a.options.Now())
	a.calls = simulator.Window{}
}

// Contacts implements simulator.CRM. It returns leads, then contacts.
func (a *api) Contacts() any {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append(a.objects["Lead"].records.Shown("object", "Lead"), a.objects["Contact"].records.Shown("object", "Contact")...)
}

// Fields implements simulator.Fielded, for leads.
func (a *api) Fields() []simulator.Field {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.objects["Lead"].table.Fields()
}

// ChangeFields implements simulator.Fielded, for leads and, if they have the fields, contacts.
func (a *api) ChangeFields(change simulator.FieldChange) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	err := a.objects["Lead"].table.Change(change)
	_ = a.objects["Contact"].table.Change(change) // they may lack fields of leads
	if err == nil {
		for _, o := range a.objects {
			o.modified = a.options.Now().UTC().Truncate(time.Second)
		}
	}
	return err
}

// call is a request to the API.
type call struct {
	*http.Request
	segments []string // of the path after the version, unescaped
	version  float64
}

// ServeHTTP implements http.Handler. It splits the path before unescaping it, because keys may contain slashes.
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.Trim(r.URL.EscapedPath(), "/")
	switch {
	case path == "services/oauth2/token" && r.Method == http.MethodPost:
		a.token(w, r)
	case path == "services/data":
		answer(w, http.StatusOK, []map[string]string{
			{"label": "Winter '25", "url": "/services/data/v62.0", "version": "62.0"}, {"label": "Summer '26", "url": "/services/data/v67.0", "version": "67.0"},
		})
	case strings.HasPrefix(path, "services/data/"), path == "services/oauth2/userinfo", strings.HasPrefix(path, "id/"):
		a.mu.Lock()
		defer a.mu.Unlock()
		if !a.Valid(r.Header.Get("Authorization"), "Bearer") && !a.Valid(r.Header.Get("Authorization"), "OAuth") {
			fail(w, http.StatusUnauthorized, problem{Message: "Session expired or invalid", Code: "INVALID_SESSION_ID"})
			return
		}
		if !strings.HasPrefix(path, "services/data/") {
			answer(w, http.StatusOK, a.user(r))
			return
		}
		if !a.count(w) {
			a.Limit(w, true)
			return
		}
		a.route(w, r, strings.Split(strings.TrimPrefix(path, "services/data/"), "/"))
	default:
		notFound(w)
	}
}
