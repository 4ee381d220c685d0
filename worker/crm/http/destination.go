// Package http delivers leads to any HTTP API: as JSON, as a form or in a configured format, one or many leads per request.
//
// Such an API may not recognise a lead that arrives twice, so each request has the header Idempotency-Key, which is the same
// whenever the same bytes are sent again. In a batch, each lead can have it as a member.
package http

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/mapping"
)

const (
	defaultBatch             = 100
	defaultIdempotencyHeader = "Idempotency-Key"
)

type destination struct {
	env     crm.Environment
	cfg     *configv1.HTTP
	method  string
	account string // the API's host, which identifies who gets the leads

	url     *pattern
	headers map[string]*pattern
	body    body
	batch   *batching // nil if each lead is a request of its own
	reading reading
	signer  signer      // nil without signature
	tokens  *crm.Tokens // nil without OAuth 2
}

// New returns the configured destination. It makes no call. It keeps cfg, which must not be changed afterwards. The error names
// every wrong key.
func New(cfg *configv1.HTTP, env crm.Environment) (crm.Destination, error) {
	d := &destination{env: env, cfg: cfg, method: cmp.Or(cfg.GetMethod(), http.MethodPost), headers: map[string]*pattern{}}
	var problems []error
	problem := func(key string, err error) {
		if err != nil {
			problems = append(problems, fmt.Errorf("http.%s: %w", key, err))
		}
	}
	var err error
	d.url, err = parsePattern(cfg.GetUrl())
	problem("url", err)
	if err == nil {
		d.account, err = hostOf(d.url.fill(nil, inURL))
		problem("url", err)
	}
	for name, value := range cfg.GetHeaders() {
		d.headers[name], err = parsePattern(value)
		problem("headers."+name, err)
	}
	d.body, err = newBody(cfg.GetBody())
	problem("body", err)
	d.batch, err = newBatching(cfg)
	problem("batch", err)
	if d.batch != nil && d.url != nil && len(d.placeholders()) > 0 {
		problem("batch", errors.New("many leads go in one request, so that neither url nor headers can hold {NAME}"))
	}
	if d.batch != nil && !d.body.isJSON() {
		problem("batch", errors.New("a batch is JSON; take batch or body.content_type out"))
	}
	if d.reading, err = newReading(cfg); err != nil {
		problems = append(problems, err)
	}
	d.signer = newSigner(cfg.GetSignature())
	if cfg.GetAuth().GetOauth2() != nil {
		d.tokens = crm.NewTokens(env, d.grant)
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	return d, nil
}

func hostOf(address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", errors.New("it is not an address, such as https://erp.example.com/leads")
	}
	if u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", fmt.Errorf("%q is not an address, such as https://erp.example.com/leads", address)
	}
	return u.Host, nil
}

// Traits implements crm.Destination.
func (d *destination) Traits() crm.Traits {
	traits := crm.Traits{
		Kind: "http", MaxBatch: 1, Account: d.account, Defaults: defaults(), UsesUpRefreshToken: d.cfg.GetAuth().GetOauth2().GetRefreshToken() != "",
	}
	if d.batch != nil {
		traits.MaxBatch = d.batch.max
	}
	return traits
}

// defaults maps the lead's own fields to the same names. Its origin is sent only if configured.
func defaults() map[string]string {
	properties := map[string]string{}
	for _, name := range mapping.Fields() {
		if !strings.Contains(name, ".") {
			properties[name] = name
		}
	}
	return properties
}

// Ping implements crm.Destination. Unless a ping URL is configured, it sends HEAD to the URL for leads, which changes nothing. Any
// answer shows that the API is up, unless it is about the credentials or a failure of the API.
func (d *destination) Ping(ctx context.Context) crm.Outcome {
	ping := request{method: http.MethodHead, url: d.url.fill(nil, inURL)}
	if d.cfg.GetPingUrl() != "" {
		ping = request{method: http.MethodGet, url: d.cfg.GetPingUrl()}
	}
	answer, failure := d.call(ctx, ping)
	if failure != nil {
		return *failure
	}
	outcome := pong(answer, ping.method)
	outcome.Account = d.account
	return outcome
}
