// Package http delivers leads to any HTTP API: as JSON, as a form or as the configuration writes it, one request a lead or
// many leads in a request.
//
// There is no telling whether such an API knows a lead that comes twice, so each request carries the header Idempotency-Key,
// which is the same whenever the same bytes are sent again; in a batch, each lead can carry it as a member of its own.
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
	account string // the host: who gets the leads

	url     *pattern
	headers map[string]*pattern
	body    body
	batch   *batching // nil if each lead is a request
	reading reading
	signer  signer      // nil if nothing is signed
	tokens  *crm.Tokens // nil without OAuth 2
}

// New returns the destination that is configured. It makes no call. It keeps cfg, which is not to be changed any more. The
// error names every key at fault.
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

// defaults are the lead's own fields under their own names. Where it came from is sent by those who ask for it.
func defaults() map[string]string {
	properties := map[string]string{}
	for _, name := range mapping.Fields() {
		if !strings.Contains(name, ".") {
			properties[name] = name
		}
	}
	return properties
}

// Ping implements crm.Destination. Unless another address is configured for it, the API's only known one is that which takes
// leads; it is asked with HEAD, which changes nothing anywhere: whatever it answers shows that it is up, unless it complains
// of credentials or itself.
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
