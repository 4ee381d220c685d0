// Package salesforce answers like Salesforce's REST API as far as leads and contacts go, with everything in memory: well
// enough for leadgate and for jsforce. What it knows of Salesforce is from its guides, and from answers that others recorded;
// where those say nothing, it is strict.
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

// DuplicateRule is what the organisation does about leads of an address that it has already.
type DuplicateRule string

// The rules.
const (
	NoRule DuplicateRule = ""      // takes them
	Alert  DuplicateRule = "alert" // takes them from those who insist
	Block  DuplicateRule = "block" // does not take them
)

// Options say how the simulated organisation is. The zero value takes any client.
type Options struct {
	// ClientSecret is what callers must send for an access token; empty takes any.
	ClientSecret string
	// PublicKey checks the signature of callers that ask for a token by JWT; nil takes any.
	PublicKey *rsa.PublicKey
	// Seed makes tokens and faults the same for equal seeds.
	Seed uint64
	// Now is the time; time.Now if nil.
	Now func() time.Time
	// Daily is how many calls 24 hours may have; DefaultDaily if 0, no limit if negative.
	Daily int
	// Rule is the duplicate rule for leads, by address.
	Rule DuplicateRule
	// BareDuplicates leaves the details out where a duplicate is found.
	BareDuplicates bool
	// NoEmailKey refuses collections that are upserted by Email: Salesforce's page on collections speaks of external ids only.
	NoEmailKey bool
	// SessionLife is how long an access token lives; for ever if 0. Salesforce does not say how long in its answer.
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

// Convert makes a lead a contact, as a salesperson does; nobody can change the lead any more. It reports whether there is a
// lead of that address.
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

// Merge implements simulator.Merging: the first lead is deleted, as its own address goes with it.
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

// api is Salesforce's part of the simulator.
type api struct {
	options Options
	*simulator.Tokens

	mu      sync.Mutex // of all that follows
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

// Contacts implements simulator.CRM: leads, then contacts.
func (a *api) Contacts() any {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append(a.objects["Lead"].records.Shown("object", "Lead"), a.objects["Contact"].records.Shown("object", "Contact")...)
}

// Fields implements simulator.Fielded: those of leads.
func (a *api) Fields() []simulator.Field {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.objects["Lead"].table.Fields()
}

// ChangeFields implements simulator.Fielded: those of leads and contacts, as far as they have them.
func (a *api) ChangeFields(change simulator.FieldChange) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	err := a.objects["Lead"].table.Change(change)
	_ = a.objects["Contact"].table.Change(change) // which may lack what leads have
	if err == nil {
		for _, o := range a.objects {
			o.modified = a.options.Now().UTC().Truncate(time.Second)
		}
	}
	return err
}

// call is a request on its way.
type call struct {
	*http.Request
	segments []string // of the path behind the version, each unescaped
	version  float64
}

// ServeHTTP implements http.Handler. The path is taken apart before it is unescaped: a slash within a key is not one between.
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
