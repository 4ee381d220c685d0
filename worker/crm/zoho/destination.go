// Package zoho delivers leads to Zoho CRM as leads or contacts.
//
// A lead with a value in a field that is checked for duplicates, usually its address, is upserted, in batches of up to a hundred:
// sent twice, it is one record. Others are created, after a search by phone number if an earlier answer was lost.
//
// Zoho silently ignores fields that do not exist, so fields that are missing from the last schema are left out and reported.
package zoho

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/crm/draft"
	"github.com/leadgate/leadgate/worker/crm/oauth"
	"github.com/leadgate/leadgate/worker/mapping"
)

const (
	version = "v8"
	// The most records per call (contracts, zoho.md §5). Calls with more than ten share a limit of ten concurrent calls; the
	// default concurrency of four stays below it.
	maxBatch = 100

	moduleLeads = "Leads"
	email       = "Email"
	phoneField  = "Phone"
	scheme      = "Zoho-oauthtoken"
)

type destination struct {
	env          crm.Environment
	cfg          *configv1.Zoho
	accounts     string // base URL of the token endpoint
	module       string
	checks       []string // fields that are checked for duplicates
	placeholders map[string]string
	tokens       *crm.Tokens
	known        atomic.Pointer[crm.Schema] // nil until it has been read
}

// New returns the configured destination. It makes no call.
func New(cfg *configv1.Zoho, env crm.Environment) (crm.Destination, error) {
	d := &destination{env: env, cfg: cfg, module: cmp.Or(cfg.GetModule(), moduleLeads), checks: cfg.GetDuplicateCheck()}
	d.accounts = strings.TrimRight(cmp.Or(cfg.GetAccountsUrl(), "https://accounts."+domain(cfg)), "/")
	if u, err := url.Parse(d.accounts); err != nil || u.Host == "" {
		return nil, errors.New("zoho.accounts_url: it is not an address, such as https://accounts.zoho.eu")
	}
	if len(d.checks) == 0 {
		d.checks = []string{email}
	}
	d.placeholders = map[string]string{"Last_Name": "[not provided]"}
	if d.module == moduleLeads {
		d.placeholders["Company"] = "[not provided]"
	}
	maps.Copy(d.placeholders, cfg.GetPlaceholders())
	d.tokens = crm.NewTokens(env, d.grant)
	return d, nil
}

// Traits implements crm.Destination.
func (d *destination) Traits() crm.Traits {
	return crm.Traits{Kind: "zoho", MaxBatch: maxBatch, FillBlanks: true, Defaults: d.defaults()}
}

// defaults returns fields that every account has.
func (d *destination) defaults() map[string]string {
	fields := map[string]string{"Email": "email", "First_Name": "first_name", "Last_Name": "last_name", "Phone": "phone", "Description": "message"}
	more := map[string]string{"Title": "job_title", "Mailing_Street": "street", "Mailing_City": "city", "Mailing_State": "region", "Mailing_Zip": "postal_code", "Mailing_Country": "country"}
	if d.module == moduleLeads {
		more = map[string]string{
			"Company": "company", "Website": "website", "Designation": "job_title",
			"Street": "street", "City": "city", "State": "region", "Zip_Code": "postal_code", "Country": "country",
		}
	}
	maps.Copy(fields, more)
	return fields
}

// Encode implements crm.Destination. Several values of one field stay a list, except in text fields, for which Zoho refuses lists.
func (d *destination) Encode(properties []mapping.Property) ([]byte, error) {
	known := d.known.Load()
	for i, p := range properties {
		values, several := p.Value.([]any)
		if field := known.Property(p.Name); several && field != nil && field.Type == crm.Text {
			properties[i].Value = draft.By(", ")(values)
		}
	}
	return draft.Encode(properties, nil)
}

// Ping implements crm.Destination. It reads the fields, which proves that the token, data centre, scope and module are right.
func (d *destination) Ping(ctx context.Context) crm.Outcome {
	_, outcome := d.Schema(ctx)
	if outcome.Kind == crm.Delivered {
		outcome.Account = d.account(ctx)
	}
	return outcome
}

// account identifies the account by the API's host and the client, which belongs to one account. The organisation's identifier
// would need a scope of its own.
func (d *destination) account(ctx context.Context) string {
	secrets, failure := d.secrets()
	if failure != nil {
		return ""
	}
	token, failure := d.tokens.Get(ctx, secrets...)
	if failure != nil {
		return ""
	}
	base, err := url.Parse(token.BaseURL)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256([]byte(secrets[0]))
	return base.Hostname() + " client " + hex.EncodeToString(sum[:4])
}

// secrets returns the current client identifier, client secret and refresh token.
func (d *destination) secrets() ([]string, *crm.Outcome) {
	return d.env.Credentials("zoho", d.cfg.GetClientId(), d.cfg.GetClientSecret(), d.cfg.GetRefreshToken())
}

// grant implements crm.Grant. Zoho issues no new refresh token.
func (d *destination) grant(ctx context.Context, secrets []string, _ crm.Token) (crm.Token, *crm.Outcome) {
	reply, failure := oauth.Ask(ctx, d.env, oauth.Request{
		URL: d.accounts + "/oauth/v2/token", Secrets: secrets[1:], Check: "zoho.data_center, zoho.client_id, zoho.client_secret and zoho.refresh_token",
		Form: url.Values{"grant_type": {"refresh_token"}, "client_id": {secrets[0]}, "client_secret": {secrets[1]}, "refresh_token": {secrets[2]}},
	})
	if failure != nil {
		return crm.Token{}, failure
	}
	token := reply.Token(d.env.Now())
	base, ok := d.apiBase(reply.APIDomain)
	if !ok {
		return crm.Token{}, &crm.Outcome{Kind: crm.CredentialsRefused, Reason: "not sent: the token's API is not at Zoho; check zoho.data_center"}
	}
	token.BaseURL = base
	return token, nil
}

// ownHost matches Zoho's hosts in all data centres.
var ownHost = regexp.MustCompile(`^(?:[a-z0-9-]+\.)*zoho(?:apis|cloud)?\.(?:com|eu|in|com\.au|jp|sa|com\.cn|ca|uk|ae)$`)

// apiBase returns the base URL of the API, which Zoho names with each token. Only Zoho's own hosts are trusted, and the one that
// issued the token.
func (d *destination) apiBase(named string) (string, bool) {
	u, err := url.Parse(named)
	if err != nil {
		return "", false
	}
	accounts, _ := url.Parse(d.accounts) // New has checked it
	own := u.Scheme == "https" && ownHost.MatchString(u.Hostname())
	if !own && u.Host != accounts.Host {
		return "", false
	}
	return u.Scheme + "://" + u.Host, true
}

// call makes a request to the API, and reports the quota in the answer.
func (d *destination) call(ctx context.Context, method, path string, body any) (*crm.Answer, *crm.Outcome) {
	answer, _, failure := d.tokens.Call(ctx, d.secrets, func(token crm.Token) (*http.Request, *crm.Outcome) {
		req, failure := crm.NewRequest(ctx, method, token.BaseURL+"/crm/"+version+"/"+path, body, "zoho.data_center")
		if failure == nil {
			req.Header.Set("Authorization", scheme+" "+token.Access)
		}
		return req, failure
	})
	if answer != nil {
		d.report(answer)
	}
	return answer, failure
}

// recordURL returns where a person can see a record.
func (d *destination) recordURL(id string) string {
	return fmt.Sprintf("https://crm.%s/crm/tab/%s/%s", domain(d.cfg), d.module, url.PathEscape(id))
}

// domain returns the domain of a data centre (Zoho, "Multi DC Support").
func domain(cfg *configv1.Zoho) string {
	if cfg.GetDataCenter() == "ca" {
		return "zohocloud.ca"
	}
	return "zoho." + cmp.Or(cfg.GetDataCenter(), "com")
}
