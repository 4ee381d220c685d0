// Package hubspot delivers leads to HubSpot as contacts.
//
// A lead with an e-mail address, or with a value of the configured key property, is upserted by it, in batches of up to a hundred
// (deliver.go), or patched alone (patch.go): sent twice, it is still one contact. HubSpot cannot identify a contact without either,
// so such a lead is created by a call of its own. If an earlier answer was lost, it is first searched for by phone number
// (nameless.go). To fill only blanks, the existing contacts are read first (blanks.go).
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
	// The most inputs per batch call (HubSpot, "Using object APIs").
	maxBatch = 100
	// The smallest account may make a hundred calls in ten seconds (HubSpot, "API usage guidelines"). One call a second is left to
	// others.
	requestsPerSecond = 9

	// Relative to contactsPath.
	upsertPath = "/batch/upsert"
	readPath   = "/batch/read"
	searchPath = "/search"

	accountPath = "/account-info/v3/details"
)

// contactsPath returns the path of contacts. HubSpot has v3 and, with the same bodies, versions named by date. Properties and
// account details have no known paths by date (contracts, hubspot.md §1).
func contactsPath(version string) string {
	if version == "" || version == "v3" {
		return "/crm/v3/objects/contacts"
	}
	return "/crm/objects/" + version + "/contacts"
}

type destination struct {
	env     crm.Environment
	token   string // a reference such as ${env:NAME}; empty with oauth
	oauth   *configv1.HubSpotOAuth
	tokens  *crm.Tokens
	base    string
	path    string // of contacts
	key     string // property that identifies contacts in preference to the address; empty for none
	patches bool
	account atomic.Pointer[account] // nil until a ping has read it
	seconds atomic.Bool             // whether any contact has a secondary address; see seconds.go
}

// New returns the configured destination. It makes no call.
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

// defaults returns properties that every HubSpot account has. The lifecycle stage is not among them: it would turn customers back
// into leads.
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

// Ping implements crm.Destination. It reads the account details, which every token may do.
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

// call makes a request to the API, and reports the quotas in the answer.
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
