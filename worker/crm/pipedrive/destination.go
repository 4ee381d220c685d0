// Package pipedrive delivers leads to Pipedrive: each becomes a person, unless there is one already, a lead of that person, and a
// note with the visitor's message.
//
// Pipedrive has no upsert and no unique fields, so everything is searched for before it is created: the person by address or phone
// number, the lead by the gateway's identifier, which it has as origin_id, the note by its text. Search does not find a new person
// immediately. While that matters, after a lost answer and after a start, recently changed persons are listed as well.
//
// Properties are named by what they belong to: person.NAME, lead.NAME and note.
package pipedrive

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/crm/draft"
	"github.com/leadgate/leadgate/worker/crm/oauth"
	"github.com/leadgate/leadgate/worker/mapping"
)

const (
	defaultBaseURL  = "https://api.pipedrive.com"
	defaultTokenURL = "https://oauth.pipedrive.com/oauth/token"
	// How long search may miss a new person; Pipedrive does not say.
	defaultSearchLag = time.Minute
	// The smallest plan allows an API token twenty calls in two seconds (contracts, pipedrive.md §5). A fifth is left to others.
	requestsPerSecond = 8
)

type destination struct {
	env     crm.Environment
	cfg     *configv1.Pipedrive
	base    string
	lag     time.Duration
	started time.Time
	persons *memory
	tokens  *crm.Tokens
	domain  atomic.Pointer[string] // subdomain of the company's pages; nil until a ping has read it
}

// New returns the configured destination. It makes no call.
func New(cfg *configv1.Pipedrive, env crm.Environment) (crm.Destination, error) {
	d := &destination{env: env, cfg: cfg, base: cmp.Or(strings.TrimRight(cfg.GetBaseUrl(), "/"), defaultBaseURL), lag: defaultSearchLag, persons: newMemory()}
	if u, err := url.Parse(d.base); err != nil || u.Host == "" || u.RawQuery != "" {
		return nil, fmt.Errorf("pipedrive.base_url: %q is not the address of an API, such as %s", d.base, defaultBaseURL)
	}
	if cfg.GetSearchLag() != nil {
		d.lag = cfg.GetSearchLag().AsDuration()
	}
	if env.Now != nil {
		d.started = env.Now()
	}
	switch {
	case cfg.GetOauth() != nil:
		d.tokens = crm.NewTokens(env, d.grant)
	case cfg.GetApiToken() != "":
		d.tokens = crm.NewTokens(env, nil)
	default:
		return nil, errors.New(`pipedrive.api_token: name the token, as in "${env:PIPEDRIVE_TOKEN}"`)
	}
	return d, nil
}

// Traits implements crm.Destination.
func (d *destination) Traits() crm.Traits {
	return crm.Traits{
		Kind: "pipedrive", MaxBatch: 1, FillBlanks: true, RequestsPerSecond: requestsPerSecond, Defaults: defaults(), UsesUpRefreshToken: d.cfg.GetOauth() != nil,
	}
}

// defaults returns what every company has. A lead needs a title: the company's name or, if there is none, the person's.
func defaults() map[string]string {
	return map[string]string{
		"person.first_name": "first_name",
		"person.last_name":  "last_name",
		"person.email":      "email",
		"person.phone":      "phone",
		"lead.title":        "company",
		"note":              "message",
	}
}

// CheckProperties implements crm.Selective.
func (*destination) CheckProperties(names []string) error {
	var problems []error
	for _, name := range names {
		if _, _, ok := part(name); !ok {
			problems = append(problems, fmt.Errorf("properties: %s: Pipedrive's properties are person.NAME, lead.NAME and note", name))
		}
	}
	return errors.Join(problems...)
}

// Encode implements crm.Destination.
func (*destination) Encode(properties []mapping.Property) ([]byte, error) {
	for _, p := range properties {
		if _, _, ok := part(p.Name); !ok {
			return nil, fmt.Errorf("property %s: Pipedrive's properties are person.NAME, lead.NAME and note", p.Name)
		}
	}
	return draft.Encode(properties, joined)
}

// joined keeps a list of numbers, which are options, as it is, and joins other values to one text.
func joined(values []any) any {
	for _, value := range values {
		if _, isNumber := value.(float64); !isNumber {
			return draft.By(", ")(values)
		}
	}
	return values
}

// part splits a property into what it belongs to, person, lead or note, and its name there.
func part(property string) (of, name string, ok bool) {
	if property == noteProperty {
		return noteProperty, "", true
	}
	of, name, ok = strings.Cut(property, ".")
	return of, name, ok && name != "" && (of == "person" || of == "lead")
}

// Ping implements crm.Destination. It reads the token's user.
func (d *destination) Ping(ctx context.Context) crm.Outcome {
	var me struct {
		CompanyID     int64  `json:"company_id"`
		CompanyDomain string `json:"company_domain"`
	}
	answer, failure := d.get(ctx, "/v1/users/me", &me)
	if failure != nil {
		return *failure
	}
	if me.CompanyID == 0 {
		return answer.Outcome(crm.Unknown, "the server answered 200, but not like Pipedrive; check pipedrive.base_url")
	}
	d.domain.Store(&me.CompanyDomain)
	outcome := answer.Outcome(crm.Delivered, "")
	outcome.Account = strconv.FormatInt(me.CompanyID, 10)
	return outcome
}

// recordURL returns where a person can see a lead; empty until the company is known.
func (d *destination) recordURL(id string) string {
	if domain := d.domain.Load(); domain != nil && *domain != "" {
		return "https://" + url.PathEscape(*domain) + ".pipedrive.com/leads/inbox/" + url.PathEscape(id)
	}
	return ""
}

// secrets returns the current credentials: the API token, or what is needed to get OAuth tokens.
func (d *destination) secrets() ([]string, *crm.Outcome) {
	if o := d.cfg.GetOauth(); o != nil {
		return d.env.Credentials("pipedrive", o.GetClientId(), o.GetClientSecret(), o.GetRefreshToken())
	}
	return d.env.Credentials("pipedrive", d.cfg.GetApiToken())
}

// grant implements crm.Grant.
func (d *destination) grant(ctx context.Context, secrets []string, last crm.Token) (crm.Token, *crm.Outcome) {
	refresh := cmp.Or(last.Refresh, secrets[2])
	reply, failure := oauth.Ask(ctx, d.env, oauth.Request{
		URL: cmp.Or(d.cfg.GetOauth().GetTokenUrl(), defaultTokenURL), User: secrets[0], Password: secrets[1], Secrets: append(secrets[1:], refresh), Check: "pipedrive.oauth",
		Form: url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}},
	})
	if failure != nil {
		return crm.Token{}, failure
	}
	token := reply.Token(d.env.Now())
	if u, err := url.Parse(token.BaseURL); err != nil || u.Scheme != "https" || !strings.HasSuffix(u.Hostname(), ".pipedrive.com") {
		token.BaseURL = "" // only Pipedrive's own hosts are trusted
	}
	return token, nil
}

// get makes a call that reads, and decodes the data of its answer. It fails unless the answer reports success.
func (d *destination) get(ctx context.Context, path string, data any) (*crm.Answer, *crm.Outcome) {
	answer, failure := d.call(ctx, http.MethodGet, path, nil)
	if failure != nil {
		return nil, failure
	}
	if failure := d.read(answer, data); failure != nil {
		return answer, failure
	}
	return answer, nil
}

// read decodes the data of an answer. If the answer is not a success, it returns the outcome.
func (d *destination) read(answer *crm.Answer, data any) *crm.Outcome {
	var reply struct {
		Success bool            `json:"success"`
		Data    json.RawMessage `json:"data"`
	}
	outcome := failed(answer)
	if answer.Status != http.StatusOK && answer.Status != http.StatusCreated {
		return &outcome
	}
	if json.Unmarshal(answer.Body, &reply) != nil || !reply.Success || json.Unmarshal(reply.Data, data) != nil {
		outcome = answer.Outcome(crm.Unknown, fmt.Sprintf("the server answered %d, but not like Pipedrive; check pipedrive.base_url", answer.Status))
		return &outcome
	}
	return nil
}

// call makes a request to the API, and reports the quotas in the answer.
func (d *destination) call(ctx context.Context, method, path string, body any) (*crm.Answer, *crm.Outcome) {
	answer, _, failure := d.tokens.Call(ctx, d.secrets, func(token crm.Token) (*http.Request, *crm.Outcome) {
		req, failure := crm.NewRequest(ctx, method, cmp.Or(token.BaseURL, d.base)+path, body, "pipedrive.base_url")
		switch {
		case failure != nil:
		case d.cfg.GetOauth() != nil:
			req.Header.Set("Authorization", "Bearer "+token.Access)
		default:
			req.Header.Set("X-Api-Token", token.Access)
		}
		return req, failure
	})
	if answer != nil {
		d.report(answer)
	}
	return answer, failure
}
