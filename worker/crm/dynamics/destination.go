// Package dynamics delivers leads to Dynamics 365 (Dataverse) as leads or contacts.
//
// With an alternate key, a lead is upserted by it: sent twice, it is one record. Without one, which is how an environment starts
// out, the record with the lead's address is searched for and updated. If there is none, one is created under an identifier derived
// from the lead's own, so that a lost answer leads to no second one.
//
// Each lead takes a call or two. Batches do not escape Dataverse's limits, which count the time of each part; Microsoft advises
// concurrent calls instead (contracts, dynamics.md §2).
package dynamics

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"

	"github.com/google/uuid"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/crm/draft"
	"github.com/leadgate/leadgate/worker/crm/oauth"
	"github.com/leadgate/leadgate/worker/mapping"
)

const (
	version      = "v9.2"
	defaultLogin = "https://login.microsoftonline.com"
	email        = "emailaddress1"

	tableLeads = "leads"
)

type destination struct {
	env    crm.Environment
	cfg    *configv1.Dynamics
	base   string
	login  string
	set    string // entity set: leads
	name   string // logical name: lead
	id     string // primary key: leadid
	key    string // the alternate key's column; empty if there is none
	tokens *crm.Tokens
	known  atomic.Pointer[crm.Schema] // nil until it has been read
}

// New returns the configured destination. It makes no call.
func New(cfg *configv1.Dynamics, env crm.Environment) (crm.Destination, error) {
	d := &destination{
		env: env, cfg: cfg, base: strings.TrimRight(cfg.GetUrl(), "/"), login: cmp.Or(strings.TrimRight(cfg.GetLoginUrl(), "/"), defaultLogin),
		set: cmp.Or(cfg.GetTable(), tableLeads), key: cfg.GetKey(),
	}
	d.name = strings.TrimSuffix(d.set, "s")
	d.id = d.name + "id"
	if u, err := url.Parse(d.base); err != nil || u.Host == "" || u.Path != "" || u.RawQuery != "" {
		return nil, fmt.Errorf("dynamics.url: %q is not the address of an environment, such as https://example.crm.dynamics.com", cfg.GetUrl())
	}
	d.tokens = crm.NewTokens(env, d.grant)
	return d, nil
}

// Traits implements crm.Destination.
func (d *destination) Traits() crm.Traits {
	return crm.Traits{Kind: "dynamics", MaxBatch: 1, FillBlanks: true, Defaults: d.defaults()}
}

// defaults returns columns that every environment has.
func (d *destination) defaults() map[string]string {
	columns := map[string]string{
		email: "email", "firstname": "first_name", "lastname": "last_name", "telephone1": "phone", "jobtitle": "job_title", "websiteurl": "website", "description": "message",
		"address1_line1": "street", "address1_city": "city", "address1_stateorprovince": "region", "address1_postalcode": "postal_code", "address1_country": "country",
	}
	if d.set == tableLeads {
		columns["companyname"] = "company"
	}
	return columns
}

// Encode implements crm.Destination. Several choices of one column are joined by commas.
func (*destination) Encode(properties []mapping.Property) ([]byte, error) {
	return draft.Encode(properties, draft.By(","))
}

// Ping implements crm.Destination. It calls WhoAmI.
func (d *destination) Ping(ctx context.Context) crm.Outcome {
	answer, failure := d.call(ctx, http.MethodGet, "WhoAmI", nil, nil)
	if failure != nil {
		return *failure
	}
	if answer.Status != http.StatusOK {
		return brokenDown(answer)
	}
	var who struct {
		OrganizationID string `json:"OrganizationId"`
	}
	if json.Unmarshal(answer.Body, &who) != nil || who.OrganizationID == "" {
		return answer.Outcome(crm.Unknown, "the server answered 200, but not like Dynamics; check dynamics.url")
	}
	outcome := answer.Outcome(crm.Delivered, "")
	outcome.Account = who.OrganizationID
	return outcome
}

// namespace is the namespace of record identifiers for leads whose own identifiers are not UUIDs.
var namespace = uuid.MustParse("6f0d9a0e-9f0b-5c3e-8a55-1ead9a7e0001")

// recordID returns the identifier of the record to create for a lead: the lead's own, if that is a UUID.
func recordID(leadID string) string {
	if id, err := uuid.Parse(leadID); err == nil {
		return id.String()
	}
	return uuid.NewSHA1(namespace, []byte(leadID)).String()
}

// secrets returns the current client identifier and secret.
func (d *destination) secrets() ([]string, *crm.Outcome) {
	return d.env.Credentials("dynamics", d.cfg.GetClientId(), d.cfg.GetClientSecret())
}

// grant implements crm.Grant.
func (d *destination) grant(ctx context.Context, secrets []string, _ crm.Token) (crm.Token, *crm.Outcome) {
	reply, failure := oauth.Ask(ctx, d.env, oauth.Request{
		URL: d.login + "/" + url.PathEscape(d.cfg.GetTenant()) + "/oauth2/v2.0/token", Secrets: secrets[1:],
		Check: "dynamics.tenant, dynamics.client_id and dynamics.client_secret, which is the secret's value, not its identifier",
		Form:  url.Values{"grant_type": {"client_credentials"}, "client_id": {secrets[0]}, "client_secret": {secrets[1]}, "scope": {d.base + "/.default"}},
	})
	if failure != nil {
		return crm.Token{}, failure
	}
	token := reply.Token(d.env.Now())
	token.BaseURL = d.base
	return token, nil
}

// call makes a request to the API, and reports the quota in the answer.
func (d *destination) call(ctx context.Context, method, path string, body any, header map[string]string) (*crm.Answer, *crm.Outcome) {
	answer, _, failure := d.tokens.Call(ctx, d.secrets, func(token crm.Token) (*http.Request, *crm.Outcome) {
		req, failure := crm.NewRequest(ctx, method, d.base+"/api/data/"+version+"/"+path, body, "dynamics.url")
		if failure != nil {
			return nil, failure
		}
		req.Header.Set("Authorization", "Bearer "+token.Access)
		req.Header.Set("OData-MaxVersion", "4.0")
		req.Header.Set("OData-Version", "4.0")
		for name, value := range header {
			req.Header.Set(name, value)
		}
		return req, nil
	})
	if answer != nil {
		d.report(answer)
	}
	return answer, failure
}

var identifier = regexp.MustCompile(`\(([0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12})\)$`)

// recordURL returns where a person can see a record.
func (d *destination) recordURL(id string) string {
	return d.base + "/main.aspx?pagetype=entityrecord&etn=" + d.name + "&id=" + url.QueryEscape(id)
}
