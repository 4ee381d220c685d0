// Package salesforce delivers leads to Salesforce as leads or contacts.
//
// A lead is upserted by a field of the customer's choice: an external ID, or Email, which needs no preparation. Sent twice, it is
// one record. With Email, a lead without an address cannot be upserted: it is created, after a search by phone number if an earlier
// answer was lost.
package salesforce

import (
	"bytes"
	"cmp"
	"context"
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
	"github.com/leadgate/leadgate/worker/mapping"
)

const (
	defaultVersion = "62.0"
	// The most records in a collection (Salesforce, "Upsert Records Using sObject Collections").
	maxBatch = 200

	objectLead    = "Lead"
	objectContact = "Contact"
	// email is the field by which every organisation can look up records.
	email = "Email"
)

// What to do if Salesforce already has a record that may be of the same person.
const (
	duplicatesPark   = "park"
	duplicatesSave   = "save"
	duplicatesUpdate = "update"
)

type destination struct {
	env          crm.Environment
	cfg          *configv1.Salesforce
	login        string // base URL of the token endpoint
	object       string
	key          string // the field by which records are upserted
	version      string
	duplicates   string
	placeholders map[string]string
	tokens       *crm.Tokens
	known        atomic.Pointer[crm.Schema] // nil until it has been read
	// oneByOne is set when Salesforce has refused Email as the key of a collection.
	oneByOne atomic.Bool
}

var versionPattern = regexp.MustCompile(`^\d{2,3}\.0$`)

// New returns the configured destination. It makes no call.
func New(cfg *configv1.Salesforce, env crm.Environment) (crm.Destination, error) {
	d := &destination{
		env: env, cfg: cfg, login: strings.TrimRight(cfg.GetUrl(), "/"),
		object: cmp.Or(cfg.GetObject(), objectLead), key: cmp.Or(cfg.GetExternalId(), email),
		version: cmp.Or(cfg.GetApiVersion(), defaultVersion), duplicates: cmp.Or(cfg.GetDuplicates(), duplicatesPark),
	}
	var problems []error
	if u, err := url.Parse(d.login); err != nil || u.Host == "" || u.RawQuery != "" || u.Path != "" {
		problems = append(problems, fmt.Errorf("salesforce.url: %q is not the address of an organisation, such as https://example.my.salesforce.com", cfg.GetUrl()))
	}
	if !versionPattern.MatchString(d.version) {
		problems = append(problems, fmt.Errorf("salesforce.api_version: %q is not a version, such as %s", d.version, defaultVersion))
	}
	if cfg.GetClientCredentials() != nil && isLoginHost(d.login) {
		problems = append(problems, errors.New("salesforce.url: client credentials are taken by the organisation's own address only, such as https://example.my.salesforce.com"))
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	d.placeholders = map[string]string{"LastName": "[not provided]"}
	if d.object == objectLead {
		d.placeholders["Company"] = "[not provided]"
	}
	maps.Copy(d.placeholders, cfg.GetPlaceholders())
	d.tokens = crm.NewTokens(env, d.grant)
	return d, nil
}

// Traits implements crm.Destination.
func (d *destination) Traits() crm.Traits {
	return crm.Traits{Kind: "salesforce", MaxBatch: maxBatch, FillBlanks: true, Defaults: d.defaults()}
}

// defaults returns fields that every organisation has.
func (d *destination) defaults() map[string]string {
	fields := map[string]string{
		"Email": "email", "FirstName": "first_name", "LastName": "last_name", "Phone": "phone", "Title": "job_title", "Description": "message",
	}
	address := ""
	if d.object == objectContact {
		address = "Mailing"
	} else {
		fields["Company"], fields["Website"] = "company", "website"
	}
	for field, from := range map[string]string{"Street": "street", "City": "city", "State": "region", "PostalCode": "postal_code", "Country": "country"} {
		fields[address+field] = from
	}
	return fields
}

// Encode implements crm.Destination. In an organisation with state and country picklists, codes go into fields of their own:
// CountryCode beside Country, MailingStateCode beside MailingState.
func (d *destination) Encode(properties []mapping.Property) ([]byte, error) {
	known := d.known.Load()
	for i, p := range properties {
		text, _ := p.Value.(string)
		coded := strings.HasSuffix(p.Name, "Country") && isCode(text, 2) || strings.HasSuffix(p.Name, "State") && isCode(text, 3)
		if coded && known.Property(p.Name+"Code") != nil {
			properties[i].Name += "Code"
		}
	}
	return draft.Encode(properties, draft.By(";"))
}

func isCode(text string, longest int) bool {
	return len(text) >= 2 && len(text) <= longest && strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

// Ping implements crm.Destination. It reads the limits, which every API user may do.
func (d *destination) Ping(ctx context.Context) crm.Outcome {
	answer, token, failure := d.call(ctx, http.MethodGet, "limits", nil)
	switch {
	case failure != nil:
		return *failure
	case answer.Status != http.StatusOK:
		return d.failed(answer)
	case !bytes.Contains(answer.Body, []byte("DailyApiRequests")):
		return answer.Outcome(crm.Unknown, "the server answered 200, but not like Salesforce; check salesforce.url")
	}
	outcome := answer.Outcome(crm.Delivered, "")
	outcome.Account = token.Account
	return outcome
}

// call makes a request to the API, and reports the quota in the answer.
func (d *destination) call(ctx context.Context, method, path string, body any) (*crm.Answer, crm.Token, *crm.Outcome) {
	answer, token, failure := d.tokens.Call(ctx, d.secrets, func(token crm.Token) (*http.Request, *crm.Outcome) {
		req, failure := crm.NewRequest(ctx, method, token.BaseURL+"/services/data/v"+d.version+"/"+path, body, "salesforce.url")
		if failure != nil {
			return nil, failure
		}
		req.Header.Set("Authorization", "Bearer "+token.Access)
		req.Header.Set("Sforce-Call-Options", "client=leadgate")
		if body != nil {
			d.instruct(req.Header, method == http.MethodPatch && d.isRecord(path))
		}
		return req, nil
	})
	if answer != nil {
		d.report(answer)
	}
	return answer, token, failure
}

// instruct sets headers that say which rules apply to a write. Salesforce applies assignment rules to updates too unless told not
// to, so a record that is known to exist keeps its owner. For an upsert, whether it exists is unknown.
func (d *destination) instruct(header http.Header, there bool) {
	if d.duplicates == duplicatesSave {
		header.Set("Sforce-Duplicate-Rule-Header", "allowSave=true; includeRecordDetails=false; runAsCurrentUser=true")
	}
	rule := d.cfg.GetAssignment()
	if there {
		rule = "skip"
	}
	switch rule {
	case "":
	case "run":
		header.Set("Sforce-Auto-Assign", "TRUE")
	case "skip":
		header.Set("Sforce-Auto-Assign", "FALSE")
	default:
		header.Set("Sforce-Auto-Assign", rule)
	}
}
