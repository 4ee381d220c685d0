// Package hubspot delivers leads to HubSpot as contacts.
//
// A lead with an e-mail address, or with a value for the property that is configured for it, is upserted by that, up to a hundred
// in a call (deliver.go), or patched alone (patch.go): sent twice, it is one contact. HubSpot has nothing to tell a contact
// without either by, so such a lead is created by a call of its own, and looked for by its phone number first if an earlier answer
// was lost (nameless.go). Where only blanks are to be filled in, what the contacts have is read first (blanks.go).
package hubspot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	"github.com/leadgate/leadgate/worker/crm"
)

const (
	defaultBaseURL = "https://api.hubapi.com"
	// Inputs in one batch call (HubSpot, "Using object APIs").
	maxBatch = 100
	// The smallest account may call a hundred times in ten seconds (HubSpot, "API usage guidelines"); one call a second is
	// left to others.
	requestsPerSecond = 9

	// Below the path of contacts.
	upsertPath = "/batch/upsert"
	readPath   = "/batch/read"
	searchPath = "/search"

	accountPath = "/account-info/v3/details"
)

// contactsPath is where contacts are. HubSpot has its API twice: as v3 and, with the same bodies, under the dates of its versions.
// Properties and the account's details have no dated paths that are known (contracts, hubspot.md §1).
func contactsPath(version string) string {
	if version == "" || version == "v3" {
		return "/crm/v3/objects/contacts"
	}
	return "/crm/objects/" + version + "/contacts"
}

type destination struct {
	env     crm.Environment
	token   string // a reference; empty with oauth
	oauth   *configv1.HubSpotOAuth
	tokens  *crm.Tokens
	base    string
	path    string // of contacts
	key     string // property that contacts are told apart by before their address; empty for none
	patches bool
	account atomic.Pointer[account] // nil until a ping has seen it
	seconds atomic.Bool             // whether contacts have second addresses; see seconds.go
}

// New returns the destination that is configured. It makes no call.
func New(cfg *configv1.HubSpot, env crm.Environment) (crm.Destination, error) {
	d := &destination{env: env, token: cfg.GetToken(), base: cmp.Or(strings.TrimRight(cfg.GetBaseUrl(), "/"), defaultBaseURL), path: contactsPath(cfg.GetApiVersion())}
	switch d.oauth = cfg.GetOauth(); {
	case d.oauth != nil:
		d.tokens = crm.NewTokens(env, d.grant)
	case d.token != "":
		d.tokens = crm.NewTokens(env, nil)
	default:
		return nil, errors.New(`hubspot.token: name the access token of a private app, as in "${env:HUBSPOT_TOKEN}"`)
	}
	d.patches = cfg.GetMode() == "patch"
	if key := cfg.GetIdProperty(); key != emailProperty {
		d.key = key
	}
	base, err := url.Parse(d.base)
	if err != nil {
		return nil, fmt.Errorf("hubspot.base_url: %w", err)
	}
	if base.Host == "" || base.RawQuery != "" || base.Fragment != "" {
		return nil, fmt.Errorf("hubspot.base_url: %q is not the address of an API, such as %s", d.base, defaultBaseURL)
	}
	return d, nil
}

// CheckProperties implements crm.Selective.
func (d *destination) CheckProperties(names []string) error {
	if d.key != "" && !slices.Contains(names, d.key) {
		return fmt.Errorf("hubspot.id_property: %s is not under properties, so that no contact could be told apart by it", d.key)
	}
	return nil
}

// Traits implements crm.Destination.
func (d *destination) Traits() crm.Traits {
	traits := crm.Traits{
		Kind: "hubspot", MaxBatch: maxBatch, FillBlanks: true, RequestsPerSecond: requestsPerSecond, Defaults: defaults(), UsesUpRefreshToken: d.oauth != nil,
	}
	if d.patches {
		traits.MaxBatch = 1
	}
	return traits
}

// defaults are properties that every HubSpot account has. The stage in a contact's life is not among them: it would set
// customers back to leads.
func defaults() map[string]string {
	return map[string]string{
		"email":     "email",
		"firstname": "first_name",
		"lastname":  "last_name",
		"phone":     "phone",
		"company":   "company",
		"website":   "website",
		"jobtitle":  "job_title",
		"address":   "street",
		"city":      "city",
		"state":     "region",
		"zip":       "postal_code",
		"country":   "country",
		"message":   "message",
	}
}

// Ping implements crm.Destination. It asks for the account's details, which every token may read.
func (d *destination) Ping(ctx context.Context) crm.Outcome {
	answer, failure := d.call(ctx, http.MethodGet, accountPath, nil)
	if failure != nil {
		return *failure
	}
	if answer.Status != http.StatusOK {
		return d.failed(answer)
	}
	seen := parseAccount(answer.Body)
	if seen == nil {
		return answer.Outcome(crm.Unknown, "the server answered 200, but not like HubSpot; check hubspot.base_url")
	}
	d.account.Store(seen)
	outcome := answer.Outcome(crm.Delivered, "")
	outcome.Account = strconv.FormatInt(seen.PortalID, 10)
	return outcome
}

// call makes a request to the API.
func (d *destination) call(ctx context.Context, method, path string, body any) (*crm.Answer, *crm.Outcome) {
	answer, _, failure := d.tokens.Call(ctx, d.secrets, func(token crm.Token) (*http.Request, *crm.Outcome) {
		req, failure := crm.NewRequest(ctx, method, d.base+path, body, "hubspot.base_url")
		if failure == nil {
			req.Header.Set("Authorization", "Bearer "+token.Access)
		}
		return req, failure
	})
	if answer != nil {
		d.report(answer)
	}
	return answer, failure
}
