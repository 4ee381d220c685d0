// Package zoho delivers leads to Zoho CRM as leads or as contacts.
//
// A lead with a value in one of the fields that duplicates are checked by, usually its address, is upserted, up to a hundred in
// a call: sent twice, it is one record. Others are created, and looked for by phone number first if an earlier answer was lost.
//
// Zoho drops a field that is not there without a word, so what the last look at the fields did not have is not sent, and told.
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
	// Records in one call (contracts, zoho.md §5). Calls of more than ten share a pool of ten at a time, which the usual
	// concurrency of four stays within.
	maxBatch = 100

	moduleLeads = "Leads"
	email       = "Email"
	phoneField  = "Phone"
	scheme      = "Zoho-oauthtoken"
)

type destination struct {
	env          crm.Environment
	cfg          *configv1.Zoho
	accounts     string // where tokens are asked for
	module       string
	checks       []string // fields that duplicates are checked by
	placeholders map[string]string
	tokens       *crm.Tokens
	known        atomic.Pointer[crm.Schema] // nil until it was read
}

// New returns the destination that is configured. It makes no call.
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

// defaults are fields that every account has.
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

// Encode implements crm.Destination. Several values of one field stay a list, but of a text, which Zoho refuses a list for.
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

// Ping implements crm.Destination. It asks for the fields, which proves token, data centre, scope and module.
func (d *destination) Ping(ctx context.Context) crm.Outcome {
	_, outcome := d.Schema(ctx)
	if outcome.Kind == crm.Delivered {
		outcome.Account = d.account(ctx)
	}
	return outcome
}

// account tells accounts apart by the host of the API and the client, which belongs to one account: the number of the
// organisation needs a scope of its own.
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

// secrets are what tokens are got with, as they are now: client, its secret, refresh token.
func (d *destination) secrets() ([]string, *crm.Outcome) {
	return d.env.Credentials("zoho", d.cfg.GetClientId(), d.cfg.GetClientSecret(), d.cfg.GetRefreshToken())
}

// grant asks for an access token. Zoho gives no new refresh token with it.
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

// ownHost are Zoho's hosts, whatever the data centre.
var ownHost = regexp.MustCompile(`^(?:[a-z0-9-]+\.)*zoho(?:apis|cloud)?\.(?:com|eu|in|com\.au|jp|sa|com\.cn|ca|uk|ae)$`)

// apiBase is where the API is. Zoho says so with each token; only its own hosts are believed, and the one that gave the token.
func (d *destination) apiBase(named string) (string, bool) {
	u, err := url.Parse(named)
	if err != nil {
		return "", false
	}
	accounts, _ := url.Parse(d.accounts) // it was parsed before
	own := u.Scheme == "https" && ownHost.MatchString(u.Hostname())
	if !own && u.Host != accounts.Host {
		return "", false
	}
	return u.Scheme + "://" + u.Host, true
}

// call makes a request to the API.
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

// recordURL is where a person sees a record.
func (d *destination) recordURL(id string) string {
	return fmt.Sprintf("https://crm.%s/crm/tab/%s/%s", domain(d.cfg), d.module, url.PathEscape(id))
}

// domain is what the addresses of a data centre end in (Zoho, "Multi DC Support").
func domain(cfg *configv1.Zoho) string {
	if cfg.GetDataCenter() == "ca" {
		return "zohocloud.ca"
	}
	return "zoho." + cmp.Or(cfg.GetDataCenter(), "com")
}
