package prepare

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/singleflight"
	"google.golang.org/protobuf/proto"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/pace"
)

const (
	// companies is the namespace of the store's state that holds a leadgate.v1.Enrichment for each domain and configuration. It is
	// empty if the API does not know the domain.
	companies = "prepare.company"

	defaultKeep        = 30 * 24 * time.Hour
	defaultKeepUnknown = 24 * time.Hour
	// What many such APIs allow a small customer, in requests per second.
	defaultCompanyRate = 5
	// The longest answer to read, in bytes.
	maxAnswer = 1 << 20
)

// clearbit has the JSON pointers of the fields in the format of Clearbit's company API, which other APIs have adopted.
var clearbit = map[string]string{"company_name": "/name", "company_size": "/metrics/employeesRange", "industry": "/category/industry"}

// company asks an HTTP API who owns a domain, and keeps the answers in the store.
type company struct {
	p       *Preparer
	cfg     *configv1.Company
	fields  map[string]string
	asks    string // hash of the URL and the fields: answers to another configuration are not used
	secret  func(string) (string, error)
	limiter *pace.Limiter
	rest    *rest
	asking  *singleflight.Group
}

func (p *Preparer) newCompany(cfg *configv1.Company, secret func(string) (string, error), before *company) (*company, error) {
	c := &company{p: p, cfg: cfg, fields: cfg.GetFields(), secret: secret}
	if len(c.fields) == 0 {
		c.fields = clearbit
	}
	sum := sha256.Sum256(fmt.Append(nil, cfg.GetUrl(), c.fields)) // maps are printed in key order
	c.asks = hex.EncodeToString(sum[:8])
	if _, err := c.request(p.ctx, "example.com"); err != nil {
		return nil, fmt.Errorf("enrich.company: %w", err)
	}
	rate := cmp.Or(cfg.GetRequestsPerSecond(), defaultCompanyRate)
	if before != nil && before.cfg.GetUrl() == cfg.GetUrl() { // the pace and the calls belong to the API
		c.limiter, c.rest, c.asking = before.limiter, before.rest, before.asking
		c.limiter.SetRate(rate)
		return c, nil
	}
	c.limiter, c.rest, c.asking = pace.NewLimiter(rate, p.now), newRest(p.now), &singleflight.Group{}
	return c, nil
}

// wants reports whether a domain may belong to a company.
func (c *company) wants(domain string) bool {
	return domain != "" && !isFreeMail(domain) && !slices.Contains(c.cfg.GetSkipDomains(), domain)
}

// find returns what is known about the company that owns a domain. An answer that arrives after ctx has ended is kept for the next
// lead.
func (c *company) find(ctx context.Context, domain string) finding {
	if known, ok := c.remembered(ctx, domain); ok {
		return companyFinding(known)
	}
	if !c.rest.over() {
		return finding{without: "company: the API failed recently, and is not called for a while"}
	}
	answered := c.asking.DoChan(domain, func() (any, error) {
		ctx, cancel := context.WithTimeout(c.p.ctx, requestTimeout)
		defer cancel()
		return c.ask(ctx, domain)
	})
	select {
	case <-ctx.Done():
		return finding{without: "company: the API did not answer in time"}
	case answer := <-answered:
		if answer.Err != nil {
			return finding{without: "company: " + answer.Err.Error()}
		}
		known, _ := answer.Val.(*leadgatev1.Enrichment)
		return companyFinding(known)
	}
}

func companyFinding(known *leadgatev1.Enrichment) finding {
	var f finding
	for _, field := range []struct{ name, value string }{
		{"company_name", known.GetCompanyName()}, {"company_size", known.GetCompanySize()}, {"industry", known.GetIndustry()},
	} {
		if field.value != "" {
			f.learnt = append(f.learnt, field.name)
		}
	}
	if len(f.learnt) > 0 {
		f.enrich = func(e *leadgatev1.Enrichment) {
			e.CompanyName, e.CompanySize, e.Industry = known.GetCompanyName(), known.GetCompanySize(), known.GetIndustry()
		}
	}
	return f
}

// key returns the store key of a domain, cut to the longest that the store accepts.
func (c *company) key(domain string) string {
	key := c.asks + "/" + domain
	return key[:min(len(key), 255)]
}

func (c *company) remembered(ctx context.Context, domain string) (*leadgatev1.Enrichment, bool) {
	value, _, err := c.p.store.State(companies).Get(ctx, c.key(domain))
	if err != nil {
		return nil, false
	}
	known := &leadgatev1.Enrichment{}
	if err := proto.Unmarshal(value, known); err != nil {
		return nil, false
	}
	return known, true
}

func (c *company) remember(ctx context.Context, domain string, known *leadgatev1.Enrichment) {
	keep := defaultKeep
	if cfg := c.cfg.GetKeep(); cfg != nil {
		keep = cfg.AsDuration()
	}
	if proto.Equal(known, &leadgatev1.Enrichment{}) {
		keep = defaultKeepUnknown
		if cfg := c.cfg.GetKeepUnknown(); cfg != nil {
			keep = cfg.AsDuration()
		}
	}
	value, err := proto.Marshal(known)
	if err == nil {
		err = c.p.store.State(companies).Put(ctx, c.key(domain), value, c.p.now().Add(keep))
	}
	if err != nil && ctx.Err() == nil {
		c.p.log.Error("keeping what is known of a company failed", "error", err)
	}
}

// ask asks the API, within its rate. An error says why the lead goes without an answer.
func (c *company) ask(ctx context.Context, domain string) (*leadgatev1.Enrichment, error) {
	slot, err := c.limiter.Acquire(ctx)
	if err != nil {
		return nil, errors.New("too many domains are to be asked for at present")
	}
	defer slot.Release()
	slot.Sent()
	req, err := c.request(ctx, domain)
	if err != nil {
		return nil, c.failed(err.Error(), 0)
	}
	res, err := c.p.client.Do(req)
	if err != nil {
		return nil, c.failed("the API cannot be reached", 0)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return nil, c.failed("the API's answer broke off", 0)
	}
	switch status := res.StatusCode; status {
	case http.StatusOK:
		known, err := c.read(body)
		if err != nil {
			return nil, c.failed(err.Error(), 0)
		}
		c.rest.worked()
		c.remember(ctx, domain, known)
		return known, nil
	case http.StatusAccepted: // it is searching, and will know later
		c.rest.worked()
		return nil, errors.New("the API does not know yet")
	case http.StatusNotFound, http.StatusUnprocessableEntity, http.StatusBadRequest:
		c.rest.worked()
		c.remember(ctx, domain, &leadgatev1.Enrichment{})
		return &leadgatev1.Enrichment{}, nil
	case http.StatusUnauthorized, http.StatusForbidden:
		return nil, c.failed(fmt.Sprintf("the API refuses the credentials (HTTP %d)", status), restLong)
	case http.StatusTooManyRequests:
		return nil, c.failed("the API asks for fewer requests", max(crm.RetryAfter(res.Header, c.p.now()), restLong))
	default:
		return nil, c.failed(fmt.Sprintf("the API answered HTTP %d", status), 0)
	}
}

// failed publishes that the API fails and counts the failure. If at is not 0, the API is left alone for that time at once.
func (c *company) failed(reason string, at time.Duration) error {
	if c.p.ctx.Err() == nil {
		c.rest.failed(at)
		c.p.failed("company", "leads are sent without their company: "+reason)
	}
	return errors.New(reason)
}

func (c *company) request(ctx context.Context, domain string) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.ReplaceAll(c.cfg.GetUrl(), "{domain}", url.QueryEscape(domain)), nil)
	if err != nil {
		return nil, errors.New("url: it is not one")
	}
	req.Header.Set("Accept", "application/json")
	return req, c.authorize(req)
}

func (c *company) authorize(req *http.Request) error {
	var problems []error
	resolve := func(reference string) string {
		value, err := c.secret(reference)
		problems = append(problems, err)
		return value
	}
	switch auth := c.cfg.GetAuth().GetKind().(type) {
	case nil:
	case *configv1.CompanyAuth_Bearer:
		req.Header.Set("Authorization", "Bearer "+resolve(auth.Bearer))
	case *configv1.CompanyAuth_Basic:
		req.SetBasicAuth(auth.Basic.GetUsername(), resolve(auth.Basic.GetPassword()))
	case *configv1.CompanyAuth_Header:
		req.Header.Set(auth.Header.GetName(), resolve(auth.Header.GetValue()))
	case *configv1.CompanyAuth_Query:
		query := req.URL.Query()
		query.Set(auth.Query.GetName(), resolve(auth.Query.GetValue()))
		req.URL.RawQuery = query.Encode()
	}
	return errors.Join(problems...)
}

// read extracts the configured fields from an answer.
func (c *company) read(body []byte) (*leadgatev1.Enrichment, error) {
	var answer any
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, errors.New("the API's answer is not JSON")
	}
	text := func(field string) string { return clip(textAt(answer, c.fields[field])) }
	return &leadgatev1.Enrichment{CompanyName: text("company_name"), CompanySize: text("company_size"), Industry: text("industry")}, nil
}

// The longest text to keep, in characters.
const maxText = 255

func clip(text string) string {
	if runes := []rune(strings.ToValidUTF8(text, "")); len(runes) > maxText {
		return string(runes[:maxText])
	}
	return strings.TrimSpace(strings.ToValidUTF8(text, ""))
}

// textAt returns the string, number or boolean at a JSON pointer (RFC 6901), as text; otherwise "".
func textAt(value any, pointer string) string {
	if pointer == "" {
		return ""
	}
	for token := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		token = strings.NewReplacer("~1", "/", "~0", "~").Replace(token)
		switch at := value.(type) {
		case map[string]any:
			value = at[token]
		case []any:
			i, err := strconv.Atoi(token)
			if err != nil || i < 0 || i >= len(at) {
				return ""
			}
			value = at[i]
		default:
			return ""
		}
	}
	switch found := value.(type) {
	case string:
		return found
	case float64:
		return strconv.FormatFloat(found, 'f', -1, 64)
	case bool:
		return strconv.FormatBool(found)
	}
	return ""
}
