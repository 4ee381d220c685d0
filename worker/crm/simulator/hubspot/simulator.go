// Package hubspot simulates HubSpot's CRM API for contacts, in memory, well enough for leadgate and for HubSpot's own clients. It
// is based on HubSpot's API specifications and guides, and on recorded answers; where those say nothing, it is strict.
package hubspot

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/leadgate/leadgate/worker/crm/simulator"
)

// Limits of the smallest HubSpot account (HubSpot, "API usage guidelines").
const (
	DefaultTenSecondly = 100
	DefaultDaily       = 250_000
)

// tokenLife is the lifetime of access tokens.
const tokenLife = 30 * time.Minute

// portalID is the identifier of the simulated account.
const portalID = 4711

// timeFormat is HubSpot's time format: ISO 8601 in UTC, with milliseconds.
const timeFormat = "2006-01-02T15:04:05.000Z"

// Options configure a simulated account. The zero value is the smallest account, and accepts any token.
type Options struct {
	// Token is the access token that callers must send; if it is empty, any is accepted.
	Token string
	// RefreshToken and ClientSecret are those of a public app that is installed in the account and gets access tokens by OAuth,
	// which live for half an hour. If they are empty, there is no such app.
	RefreshToken, ClientSecret string
	// Seed determines identifiers, the order of results, and faults.
	Seed uint64
	// Now returns the current time; time.Now if nil.
	Now func() time.Time
	// TenSecondly is the limit of calls in any ten seconds; DefaultTenSecondly if 0, no limit if negative.
	TenSecondly int
	// Secondly is the limit of calls in any second; no limit if 0.
	Secondly int
	// Daily is the limit of calls per day in UTC; DefaultDaily if 0, no limit if negative.
	Daily int
	// SearchLag is how long search does not find a new contact; with the real HubSpot it is a few seconds.
	SearchLag time.Duration
	// MergedConflicts answers upserts by a secondary address of a merged contact with a conflict; otherwise they update the
	// contact.
	MergedConflicts bool
	// MergedMoves makes a secondary address in an upsert the contact's primary one; otherwise the primary one stays.
	MergedMoves bool
	// Untraced leaves objectWriteTraceId out of results.
	Untraced bool
}

// Simulator is a simulated HubSpot account. It is safe for concurrent use.
type Simulator struct {
	*simulator.Simulator
}

// New returns an account without contacts.
func New(o Options) *Simulator {
	if o.Now == nil {
		o.Now = time.Now
	}
	o.TenSecondly = cmp.Or(o.TenSecondly, DefaultTenSecondly)
	o.Daily = cmp.Or(o.Daily, DefaultDaily)
	a := &api{options: o, mux: http.NewServeMux(), Tokens: simulator.NewTokens(o.Seed, o.Now)}
	a.Reset()
	a.routes()
	return &Simulator{simulator.New(a, o.Seed, o.Now)}
}

// api is the HubSpot part of the simulator.
type api struct {
	*simulator.Tokens // for the public app
	options           Options
	mux               *http.ServeMux

	mu       sync.Mutex // guards the fields below
	random   *rand.Rand
	contacts *contacts
	schema   *schema
	usage    *usage
}

func (a *api) routes() {
	// All paths to contacts accept the same bodies.
	for _, base := range []string{"/crm/v3/objects/contacts", "/crm/objects/2026-03/contacts", "/crm/objects/2026-09/contacts"} {
		a.handle("POST "+base, a.create)
		a.handle("GET "+base+"/{id}", a.get)
		a.handle("PATCH "+base+"/{id}", a.update)
		a.handle("DELETE "+base+"/{id}", a.archive)
		a.handle("POST "+base+"/batch/create", a.batchCreate)
		a.handle("POST "+base+"/batch/read", a.batchRead)
		a.handle("POST "+base+"/batch/update", a.batchUpdate)
		a.handle("POST "+base+"/batch/upsert", a.batchUpsert)
		a.handle("POST "+base+"/batch/archive", a.batchArchive)
		a.handle("POST "+base+"/search", a.search)
	}
	a.handle("GET /crm/v3/properties/contacts", a.listProperties)
	a.handle("POST /crm/v3/properties/contacts", a.createProperty)
	a.handle("GET /crm/v3/properties/contacts/{name}", a.getProperty)
	a.handle("DELETE /crm/v3/properties/contacts/{name}", a.archiveProperty)
	a.mux.HandleFunc("POST /oauth/v1/token", a.token)
	a.handle("GET /account-info/v3/details", a.accountDetails)
}

// endpoint returns the answer to a call. It is called with mu held.
type endpoint func(r *http.Request) (status int, body any)

func (a *api) handle(pattern string, e endpoint) {
	search := strings.HasSuffix(pattern, "/search")
	locked := func(w http.ResponseWriter, r *http.Request) (status int, body any) {
		a.mu.Lock()
		defer a.mu.Unlock()
		if status, body = a.authenticate(r); body != nil {
			return status, body
		}
		if !search { // searches have limits of their own, without headers
			if status, body = a.usage.count(w.Header(), a.options.Now()); body != nil {
				return status, body
			}
		}
		return e(r)
	}
	a.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		status, body := locked(w, r)
		a.answer(w, status, body)
	})
}

// ServeHTTP implements http.Handler.
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if _, pattern := a.mux.Handler(r); pattern == "" {
		a.answer(w, http.StatusNotFound, problem{Category: "OBJECT_NOT_FOUND", Message: "resource not found"})
		return
	}
	a.mux.ServeHTTP(w, r)
}

// Reset implements simulator.CRM.
func (a *api) Reset() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.random = rand.New(rand.NewPCG(a.options.Seed, 1))
	a.contacts = newContacts()
	a.schema = newSchema()
	a.usage = &usage{tenSecondly: a.options.TenSecondly, secondly: a.options.Secondly, daily: a.options.Daily}
}

// Merge implements simulator.Merging.
func (a *api) Merge(from, into string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	gone, stays := a.contacts.find("email", from), a.contacts.find("email", into)
	if gone == nil || stays == nil || gone == stays {
		return fmt.Errorf("there are not two contacts of %s and %s", from, into)
	}
	addresses := strings.Join(slices.DeleteFunc([]string{
		stays.properties["hs_additional_emails"], gone.properties["email"], gone.properties["hs_additional_emails"],
	}, func(s string) bool { return s == "" }), ";")
	a.contacts.remove(gone, a.schema)
	a.contacts.put(stays, map[string]string{"hs_additional_emails": addresses}, a.schema, a.options.Now())
	return nil
}

// Contacts implements simulator.CRM.
func (a *api) Contacts() any {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.contacts.list()
}

func (a *api) authenticate(r *http.Request) (int, any) {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	public := a.options.RefreshToken != ""
	switch {
	case a.Revoked():
	case public && a.Valid(r.Header.Get("Authorization"), "Bearer"):
		return 0, nil
	case ok && token != "" && (token == a.options.Token || a.options.Token == "" && !public):
		return 0, nil
	case public && ok:
		return http.StatusUnauthorized, expired
	}
	return http.StatusUnauthorized, unauthenticated
}

// token issues an access token for the refresh token.
func (a *api) token(w http.ResponseWriter, r *http.Request) {
	right := a.options.RefreshToken != "" && !a.Revoked() && r.FormValue("grant_type") == "refresh_token" &&
		r.FormValue("refresh_token") == a.options.RefreshToken && r.FormValue("client_secret") == a.options.ClientSecret
	if !right {
		a.answer(w, http.StatusBadRequest, map[string]any{
			"status": "BAD_REFRESH_TOKEN", "message": "missing or invalid refresh token", "error": "invalid_grant",
			"error_description": "missing or invalid refresh token",
		})
		return
	}
	a.answer(w, http.StatusOK, map[string]any{
		"token_type": "bearer", "refresh_token": a.options.RefreshToken, "access_token": a.Issue(tokenLife),
		"expires_in": int(tokenLife.Seconds()),
	})
}

func (a *api) accountDetails(*http.Request) (int, any) {
	return http.StatusOK, map[string]any{
		"portalId": portalID, "accountType": "STANDARD", "timeZone": "UTC", "utcOffset": "+00:00", "utcOffsetMilliseconds": 0,
		"dataHostingLocation": "na1", "uiDomain": "app.hubspot.com", "companyCurrency": "USD", "additionalCurrencies": []string{},
	}
}
